"""``python -m amt_utils download``."""

from __future__ import annotations

import argparse

from ..data.maestro.catalogue import AUDIO_ZIP_URL
from ..data.maestro.download import get_maestro
from ..system.files import parse_size


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``download`` to the command line."""
    parser.description = (
        "Takes single recordings out of the remote 101 GB zip, each turned into 16 kHz FLAC as it arrives, "
        "and says beforehand how much disk that needs. The same command goes on after a kill or a lost connection."
    )
    parser.add_argument("--folder", help="where to; default: the data folder of this machine")
    parser.add_argument("--source", default=AUDIO_ZIP_URL, help="address, local zip or folder, Drive folder, 'kaggle'")
    parser.add_argument("--midi-only", action="store_true", help="metadata and MIDI only (56 MB)")
    parser.add_argument("--split", action="append", dest="splits", help="train, validation or test; may be repeated")
    parser.add_argument("--year", action="append", dest="years", type=int, help="of the performance; may be repeated")
    parser.add_argument("--composer", action="append", dest="composers", help="part of a name; may be repeated")
    parser.add_argument("--min-seconds", type=float, default=0.0, help="leave out shorter pieces")
    parser.add_argument("--max-seconds", type=float, default=float("inf"), help="leave out longer pieces")
    parser.add_argument("--fraction", type=float, help="share of the hours of every split, e.g. 0.1; always the same")
    parser.add_argument("--budget", help="most disk it may take, e.g. 15GB")
    parser.add_argument("--workers", type=int, default=4, help="recordings at the same time (default: 4)")
    parser.add_argument("--dry-run", action="store_true", help="say what it would take, fetch no recording")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    names = ("splits", "years", "composers", "min_seconds", "max_seconds", "fraction")
    get_maestro(
        args.folder,
        source=args.source,
        midi_only=args.midi_only,
        budget=parse_size(args.budget) if args.budget else None,
        workers=args.workers,
        dry_run=args.dry_run,
        **{name: getattr(args, name) for name in names},
    )
    return 0
