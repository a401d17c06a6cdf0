"""``python -m amt_utils sheet``."""

from __future__ import annotations

import argparse

from ..data.own_piano.session_sheet import LOUDNESS, SECTIONS, make_sheet
from ..data.own_piano.sheet_score import save_sheet
from ..music.notes import HIGHEST_PITCH, LOWEST_PITCH


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``sheet`` to the command line."""
    parser.description = (
        "Writes session_sheet.mid, .musicxml and .svg: single keys at several loudnesses, repetitions, "
        "chords, scales and the pedals, about four minutes. Play it, record it, and put audio and MIDI in one folder."
    )
    parser.add_argument("--out", metavar="DIR", default=".", help="where to write (default: here)")
    parser.add_argument("--sections", metavar="NAME", nargs="+", default=list(SECTIONS), help=", ".join(SECTIONS))
    parser.add_argument("--tempo", metavar="BPM", type=float, default=72.0, help="beats per minute (default: 72)")
    parser.add_argument("--loudness", metavar="NAME", nargs="+", default=["p", "mf", "ff"], help=", ".join(LOUDNESS))
    parser.add_argument("--lowest", metavar="KEY", type=int, default=LOWEST_PITCH, help="lowest key, MIDI (default 21)")
    parser.add_argument("--highest", metavar="KEY", type=int, default=HIGHEST_PITCH, help="highest key (default 108)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """The ``sheet`` command."""
    options = {"tempo": args.tempo, "lowest": args.lowest, "highest": args.highest}
    sheet = make_sheet(tuple(args.sections), loudness=tuple(args.loudness), **options)
    for path in save_sheet(args.out, sheet):
        print(path)
    print(f"{len(sheet.notes)} notes, {sheet.seconds / 60:.1f} minutes at {sheet.tempo:.0f} beats per minute")
    return 0
