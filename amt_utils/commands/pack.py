"""``python -m amt_utils pack``: everything training needs in one folder, for a machine without internet access."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..config import change_config, load_config
from ..system.errors import AmtError


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``pack`` to the command line."""
    parser.description = (
        "Writes a folder that trains offline on a machine with PyTorch: `python train.py --minutes 8 --out "
        "results` in it starts at once, renders on all cores and prints how fast it goes. `pack --start-from results` "
        "makes the next pack from its results. All audio is rendered; recordings are not packed."
    )
    parser.add_argument("--out", required=True, metavar="FOLDER", help="a new folder")
    parser.add_argument(
        "--start-from",
        default=None,
        metavar="WEIGHTS",
        help="weights (default: those that ship), or the folder of a run or of a pack's results: its newest checkpoint",
    )
    parser.add_argument("--config", default=None, help="what to train (default: the configuration of --start-from)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.FIELD=VALUE", help="change a field of --config"
    )
    parser.add_argument("--performances", metavar="N", type=int, help="of the MIDI (default: as many as fit)")
    parser.add_argument("--megabytes", metavar="MB", type=float, default=None, help="at most so many (default: 45)")
    parser.add_argument(
        "--python", action="append", default=None, metavar="3.N", help="bring wheels for it (default: 3.11 to 3.13)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Makes the pack; returns 0."""
    from ..training.pack import MEGABYTES, PYTHONS, make_pack  # imports torch

    if args.set and not args.config:
        raise AmtError("--set changes fields of --config; name a configuration too")
    make_pack(
        args.out,
        start_from=args.start_from,
        config=change_config(load_config(args.config), args.set) if args.config else None,
        performances=args.performances,
        megabytes=args.megabytes or MEGABYTES,
        pythons=args.python or PYTHONS,
    )
    print(f"on the other machine: cd {Path(args.out).name} && python train.py --minutes 8 --out results")
    return 0
