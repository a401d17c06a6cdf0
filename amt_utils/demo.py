"""``python -m amt_utils demo``: the embedded recording is transcribed and scored against what was played."""

from __future__ import annotations

import time
from pathlib import Path

from .errors import AmtError
from .paths import package_folder

_SHOWN = (
    ("note, onset within 50 ms", "note_f1"),
    ("note with its end", "note_offset_f1"),
    ("note with end and velocity", "note_offset_velocity_f1"),
)


def example_files() -> tuple[Path, Path]:
    """The recording that comes with the package, and the MIDI that was played on it.

    Raises:
        AmtError: the package was installed without its examples.
    """
    folder = package_folder() / "examples"
    files = folder / "waltz.flac", folder / "waltz.mid"
    for path in files:
        if not path.is_file():
            raise AmtError(f"{path}: the example is missing; install the package again, or transcribe a file of yours")
    return files


def register(subparsers) -> None:
    """Adds ``demo`` to the command line."""
    parser = subparsers.add_parser("demo", help="transcribe the embedded recording and score the result")
    parser.add_argument("--out", default="demo_output", metavar="DIR", help="where to write (default: demo_output)")
    parser.add_argument("--weights", default=None, help="base (default), tiny (faster), or a file")
    parser.set_defaults(run=run_command)


def run_command(args) -> int:
    """Writes ``DIR/waltz.mid`` and prints three scores, F1 in percent, ends as they sound."""
    from .audio import audio_duration
    from .evaluate import score_performance
    from .midi import read_midi, write_midi
    from .transcribe import Transcriber

    recording, played = example_files()
    transcriber = Transcriber(args.weights)
    begun = time.perf_counter()
    heard = transcriber.transcribe(recording)
    seconds = time.perf_counter() - begun
    target = write_midi(Path(args.out) / f"{recording.stem}.mid", heard)
    print(f"{recording.name}: {audio_duration(recording):.1f} s of audio in {seconds:.1f} s -> {target}")
    scores = score_performance(read_midi(played), heard, ends="sounding")
    for text, name in _SHOWN:
        print(f"{text}: F1 {100 * scores[name]:.1f} %")
    return 0
