"""``python -m amt_utils demo``: the embedded recording is transcribed and scored against what was played."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from ..system.paths import example_files

_SHOWN = (
    ("note, onset within 50 ms", "note_f1"),
    ("note with its end", "note_offset_f1"),
    ("note with end and velocity", "note_offset_velocity_f1"),
)


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``demo`` to the command line."""
    parser.add_argument("--out", default="demo_output", metavar="DIR", help="where to write (default: demo_output)")
    parser.add_argument("--weights", default=None, help="base (default), tiny (faster), or a file")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Writes ``DIR/waltz.mid`` and prints three scores, F1 in percent, ends as they sound."""
    from ..audio.reading import audio_duration
    from ..evaluation.metrics import score_performance
    from ..music.midi import read_midi, write_midi
    from ..transcription.transcriber import Transcriber

    recording, played = example_files()
    transcriber = Transcriber(args.weights)
    begun = time.perf_counter()
    performance = transcriber.transcribe(recording)
    seconds = time.perf_counter() - begun
    target = write_midi(Path(args.out) / f"{recording.stem}.mid", performance)
    print(f"{recording.name}: {audio_duration(recording):.1f} s of audio in {seconds:.1f} s -> {target}")
    scores = score_performance(read_midi(played), performance, ends="sounding")
    for text, name in _SHOWN:
        print(f"{text}: F1 {100 * scores[name]:.1f} %")
    return 0
