"""``python -m amt_utils transcribe``: recordings to MIDI, sheet music and piano rolls."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tqdm.auto import tqdm

from ..audio.reading import AUDIO_SUFFIXES, audio_duration
from ..audio.tuning import is_out_of_tune
from ..config import DECODE_SETTING_HELP
from ..results.transcription import transcribe
from ..system.errors import AmtError
from ..transcription.transcriber import Transcriber

LONG = 120.0  # seconds of audio from which on a progress bar is shown


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``transcribe`` to the command line."""
    parser.description = (
        "Transcribes piano recordings (wav, flac, ogg, mp3, what ffmpeg reads; a folder means all in it) "
        "and writes DIR/<name>.mid with notes, velocities and pedals. Goes on after a file that cannot be read, names "
        "it at the end and exits with 1."
    )
    parser.add_argument("audio", nargs="+", metavar="AUDIO", help="recordings, or folders of them")
    parser.add_argument("--out", default=".", metavar="DIR", help="where to write (default: here)")
    parser.add_argument("--weights", default=None, help="base (default), tiny (faster), or a file")
    parser.add_argument("--device", default=None, help="cpu or cuda (default: what is there)")
    parser.add_argument("--set", action="append", default=[], metavar="decode.FIELD=VALUE", help=DECODE_SETTING_HELP)
    parser.add_argument(
        "--tuning", type=parse_tuning, default=None, metavar="HZ", help="A4 in Hz, or auto (default: estimated, auto)"
    )
    parser.add_argument("--score", action="store_true", help="also sheet music: .musicxml, .svg pages, .pdf")
    parser.add_argument("--roll", action="store_true", help="also an interactive piano roll with sound, one .html file")
    score = parser.add_argument_group("sheet music", "what is not given is estimated")
    score.add_argument("--tempo", type=float, metavar="BPM", help="beats per minute")
    score.add_argument("--metre", metavar="N/D", help="e.g. 3/4 or 6/8")
    score.add_argument("--key", metavar="NAME", help="e.g. Eb or F#m")
    score.add_argument("--pickup", type=float, metavar="BEATS", help="beats before the first full bar")
    parser.set_defaults(run=run)


def parse_tuning(text: str) -> float | None:
    """``"auto"`` -> ``None``, ``"427"`` -> 427.0. Raises :class:`argparse.ArgumentTypeError` beyond an octave."""
    if text == "auto":
        return None
    try:
        a4 = float(text)
    except ValueError:
        a4 = 0.0
    if not 220 < a4 < 880:
        raise argparse.ArgumentTypeError(f"{text!r} is no tuning of A4; give it in Hz, e.g. 427, or auto")
    return a4


def run(args: argparse.Namespace) -> int:
    """One line per file; 1 if any failed."""
    transcriber = Transcriber(args.weights, device=args.device, settings=args.set, tuning=args.tuning)
    failed: list[str] = []
    names: set[str] = set()
    files = _expand(args.audio)
    for path in files:
        name = path.stem if path.stem not in names else path.name  # a.wav and a.flac: a.mid and a.flac.mid
        names.add(name)
        try:
            print(_transcribe_one(path, name, transcriber, args), flush=True)
        except AmtError as error:
            failed.append(str(path))
            print(f"error: {error}", file=sys.stderr)
    if failed:
        print(f"{len(failed)} of {len(files)} failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _expand(names: list[str]) -> list[Path]:
    files = []
    for path in map(Path, names):
        inside = sorted(p for p in path.iterdir() if p.suffix.lower() in AUDIO_SUFFIXES) if path.is_dir() else [path]
        if not inside:
            raise AmtError(f"{path}: holds no audio files")
        files += inside
    return files


def _transcribe_one(path: Path, name: str, transcriber: Transcriber, args) -> str:
    begun, length = time.perf_counter(), audio_duration(path)
    options = {k: getattr(args, k) for k in ("tempo", "metre", "key", "pickup")}
    options["keep_activations"] = args.roll
    with tqdm(total=round(length), unit="s", desc=path.name, leave=False, disable=length < LONG or None) as bar:
        heard = transcribe(path, transcriber=transcriber, on_progress=bar.update, **options)
    seconds = time.perf_counter() - begun
    kinds = ["midi", *(["musicxml", "svg", "pdf"] if args.score else []), *(["html"] if args.roll else [])]
    written = heard.save(args.out, kinds, name=name)[0]
    notes, pedals = heard.performance.notes, heard.performance.pedals
    tuning = f", tuned to A4 = {heard.tuning:.0f} Hz" if is_out_of_tune(heard.tuning) else ""
    return (
        f"{path}: {len(notes)} notes, {len(pedals)} pedal presses, {seconds:.1f} s for {length:.1f} s of audio "
        f"({seconds / max(length, 1e-9):.3f} x real time){tuning} -> {written}"
    )
