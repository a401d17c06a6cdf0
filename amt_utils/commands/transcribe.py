"""``python -m amt_utils transcribe``: recordings to MIDI, sheet music and piano rolls."""

from __future__ import annotations

import argparse
import sys

from ..audio.tuning import is_out_of_tune
from ..config import DECODE_SETTING_HELP
from ..results.batch import Result, transcribe_batch
from ..results.transcription import TEMPO_MAPS
from ..system.cluster import add_cluster_options
from ..system.files import describe_bytes, parse_size
from ..transcription.transcriber import MEMORY, Transcriber


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``transcribe`` to the command line."""
    parser.description = (
        "Transcribes piano recordings (wav, flac, ogg, mp3, what ffmpeg reads; a folder means all in it and below it, "
        "a pattern like 'takes/**/*.wav' all that fit) and writes DIR/<name>.mid with notes, velocities and pedals. "
        "Recordings from several folders keep their folders below DIR; other recordings' results are never "
        "overwritten. Goes on after a file that cannot be read, names it at the end and exits with 1."
    )
    parser.add_argument("audio", nargs="+", metavar="AUDIO", help="recordings, folders of them, or patterns")
    parser.add_argument("--out", default=".", metavar="DIR", help="where to write (default: here)")
    parser.add_argument("--weights", default=None, help="base (default), tiny (faster), file, folder, hf:OWNER/NAME")
    parser.add_argument("--device", default=None, help="cpu or cuda (default: what is there)")
    parser.add_argument(
        "--memory", default=describe_bytes(MEMORY).replace(" ", ""), metavar="SIZE", help="the process may take on a "
        "CPU, e.g. 500MB or 4GB (default: %(default)s); more lets more processor cores work side by side"
    )  # fmt: skip
    parser.add_argument("--set", action="append", default=[], metavar="decode.FIELD=VALUE", help=DECODE_SETTING_HELP)
    parser.add_argument(
        "--tuning", type=parse_tuning, default=None, metavar="HZ", help="A4 in Hz, or auto (default: estimated, auto)"
    )  # fmt: skip
    parser.add_argument(
        "--skip-existing",
        action="store_true",
        help="leave out what the same network already made of the same recording with the same settings",
    )
    parser.add_argument(
        "--tempo-map",
        choices=TEMPO_MAPS,
        default=TEMPO_MAPS[0],
        help="of the MIDI: the player's tempo, so that bars line up (default), or one tempo throughout",
    )
    parser.add_argument("--score", action="store_true", help="also sheet music: .musicxml, .svg pages, .pdf")
    parser.add_argument("--roll", action="store_true", help="also an interactive piano roll with sound, one .html file")
    score = parser.add_argument_group("sheet music", "what is not given is estimated")
    score.add_argument("--tempo", type=float, metavar="BPM", help="beats per minute")
    score.add_argument("--metre", metavar="N/D", help="e.g. 3/4 or 6/8")
    score.add_argument("--key", metavar="NAME", help="e.g. Eb or F#m")
    score.add_argument("--pickup", type=float, metavar="BEATS", help="beats before the first full bar")
    add_cluster_options(parser)
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
    options = {"settings": args.set, "memory": parse_size(args.memory), "tuning": args.tuning}
    transcriber = Transcriber(args.weights, device=args.device, **options)
    kinds = ["midi", *(["musicxml", "svg", "pdf"] if args.score else []), *(["html"] if args.roll else [])]
    fields = ("tempo", "metre", "key", "pickup", "tempo_map", "skip_existing", "cluster", "shard")
    options = {name: getattr(args, name) for name in fields}
    results = transcribe_batch(args.audio, args.out, kinds=kinds, transcriber=transcriber, on_result=_say, **options)
    failed = [result for result in results if result.error]
    if failed:
        names = ", ".join(str(result.path) for result in failed)
        print(f"{len(failed)} of {len(results)} failed: {names}", file=sys.stderr)
    return 1 if failed else 0


def _say(result: Result) -> None:
    if result.error:
        print(f"error: {result.error}", file=sys.stderr, flush=True)
    elif result.skipped:
        print(f"{result.path}: done before -> {result.files[0]}", flush=True)
    else:
        tuning = f", A4 = {result.tuning:.0f} Hz" if is_out_of_tune(result.tuning) else ""
        speed = result.seconds / max(result.audio_seconds, 1e-9)
        print(
            f"{result.path}: {result.n_notes} notes, {result.n_pedals} pedal presses{tuning}, {result.seconds:.1f} s "
            f"for {result.audio_seconds:.1f} s of audio ({speed:.3f} x real time) -> {result.files[0]}",
            flush=True,
        )
