"""``python -m amt_utils ablation``."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from ..config import change_config, load_config
from ..figures.ablation_figures import plot_rows
from ..system.errors import AmtError
from ..system.files import written_whole
from ..training.ablation import (
    CLAIM,
    CLAIM_EPOCHS,
    CLAIM_ROWS,
    ROWS,
    epochs_table,
    estimate_minutes,
    make_table,
    run_rows,
)
from .train import parse_duration


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``ablation`` to the command line."""
    parser.description = (
        "Trains every row for the same number of steps on the same windows, then writes table.md and curves.png into "
        f"--out and prints note F1 after each epoch. Rows: {', '.join(ROWS)}. Calling again goes on where it was "
        f"stopped. --claim takes the configuration {CLAIM}, {CLAIM_EPOCHS} epochs and the rows {', '.join(CLAIM_ROWS)}."
    )
    parser.add_argument("--config", help="what the rows start from: a JSON file or a shipped name")
    parser.add_argument("--claim", action="store_true", help=f"note F1 of {CLAIM} after each epoch")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.FIELD=VALUE", help="as for train")
    parser.add_argument("--out", required=True, metavar="DIR", help="a folder for the rows' runs, table and picture")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=None, metavar="ROW", help="default: all")
    parser.add_argument("--epochs", type=int, default=None, help="for every row (default: the configuration's)")
    parser.add_argument("--max-time", type=parse_duration, default=None, metavar="DD:HH:MM:SS", help="in all")
    parser.add_argument("--devices", default="1", help="as for train (default: 1)")
    parser.add_argument("--accelerator", default="auto", help="as for train")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """``python -m amt_utils ablation``."""
    if not (args.config or args.claim):
        raise AmtError("ablation needs --config (a JSON file or a shipped name), or --claim")
    config = change_config(load_config(args.config or CLAIM), args.set)
    rows = args.rows or list(CLAIM_ROWS if args.claim else ROWS)
    epochs = args.epochs or (CLAIM_EPOCHS if args.claim else None)
    if epochs:
        config = dataclasses.replace(config, train=dataclasses.replace(config.train, epochs=epochs, total_steps=None))
    folder = Path(args.out)
    if args.claim:
        total = 0.0
        for row, minutes in estimate_minutes(config, rows, accelerator=args.accelerator):
            total += minutes
            print(f"{row}: about {minutes:.1f} minutes of training", flush=True)
        print(f"about {total:.0f} minutes in all, and validation after each epoch", flush=True)
    options = {"devices": args.devices, "accelerator": args.accelerator, "max_seconds": args.max_time}
    finished = run_rows(config, folder, rows, **options)
    print("note F1 in % on the validation recordings")
    print(epochs_table(folder, rows).to_string(float_format="{:.1f}".format, na_rep="–"))
    table = make_table(folder, rows)
    with written_whole(folder / "table.md") as partial:
        partial.write_text(table)
    with written_whole(folder / "curves.png") as partial:
        plot_rows(folder, rows).savefig(partial, dpi=110)
    print(table, end="")
    print(f"{folder / 'table.md'}, {folder / 'curves.png'}" + ("" if finished else "; call again to go on"))
    return 0
