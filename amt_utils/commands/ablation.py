"""``python -m amt_utils ablation``."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from ..config import load_config
from ..system.files import written_whole
from ..training.ablation import ROWS, make_table, plot_rows, run_rows


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``ablation`` to the command line."""
    from ..commands.train import parse_duration

    parser.description = (
        "Trains every row for the same number of steps on the same windows, then writes table.md and "
        f"curves.png into --out. Rows: {', '.join(ROWS)}. Calling again goes on where it was stopped."
    )
    parser.add_argument("--config", required=True, help="what the rows start from: a JSON file or a shipped name")
    parser.add_argument("--out", required=True, metavar="DIR", help="a folder for the rows' runs, table and picture")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS), metavar="ROW")
    parser.add_argument("--epochs", type=int, default=None, help="for every row (default: the configuration's)")
    parser.add_argument("--max-time", type=parse_duration, default=None, metavar="DD:HH:MM:SS", help="in all")
    parser.add_argument("--devices", default="auto", help="as for train")
    parser.add_argument("--accelerator", default="auto", help="as for train")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """``python -m amt_utils ablation``."""
    config, folder = load_config(args.config), Path(args.out)
    train = config.train
    if args.epochs:
        train = dataclasses.replace(train, epochs=args.epochs, total_steps=None)
    config = dataclasses.replace(config, train=train)
    options = ["--devices", args.devices, "--accelerator", args.accelerator]
    finished = run_rows(config, folder, args.rows, options=options, max_seconds=args.max_time)
    table = make_table(folder, args.rows)
    with written_whole(folder / "table.md") as partial:
        partial.write_text(table)
    with written_whole(folder / "curves.png") as partial:
        plot_rows(folder, args.rows).savefig(partial, dpi=110)
    print(table, end="")
    print(f"{folder / 'table.md'}, {folder / 'curves.png'}" + ("" if finished else "; call again to go on"))
    return 0
