"""``python -m amt_utils recordings``."""

from __future__ import annotations

import argparse

from ..data.library import take_inventory
from ..data.own_piano.preparing import Prepared, prepare_recordings
from ..system.errors import AmtError


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``recordings`` to the command line."""
    parser.description = (
        "Aligns each recording's MIDI in time with the recording and writes pairs that training "
        "(data.recordings) and evaluate (--pairs) take. Audio without MIDI is transcribed into DIR/drafts; corrected "
        "and saved beside the audio, it becomes a pair at the next call. DIR/recordings.json says what was left out."
    )
    parser.add_argument("folder", metavar="FOLDER", help="audio and .mid files of the same names")
    parser.add_argument("--out", metavar="DIR", required=True, help="where to write the data set")
    parser.add_argument("--no-drafts", action="store_true", help="do not transcribe audio that has no MIDI")
    parser.add_argument("--weights", metavar="FILE", help="a checkpoint instead of the weights that come along")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """The ``recordings`` command; 1 where something was excluded."""
    transcriber = None
    if not args.no_drafts and take_inventory(args.folder).audio_only:
        from ..transcription.transcriber import Transcriber

        transcriber = Transcriber(args.weights)
    rows = prepare_recordings(args.folder, args.out, transcriber=transcriber, on_result=_print_row)
    if not rows:
        raise AmtError(f"{args.folder}: neither audio nor MIDI in it")
    return 1 if any(row.status == "excluded" for row in rows) else 0


def _print_row(row: Prepared) -> None:
    print(f"{row.status:>8}  {row.name}: {row.detail}", flush=True)
