"""``python -m amt_utils adapt``."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from ..system.errors import AmtError


def register(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``adapt``."""
    parser.description = (
        "Fits weights to your own piano and room: the heads learn from some minutes of your recordings and their MIDI. "
        "The first half of every recording is trained on; the next quarter decides when to stop and tunes the "
        "thresholds. The last quarter is for the metrics alone: if the new weights do not score higher there, the old "
        "ones are kept and nothing is written. `recordings` aligns MIDI to the audio first."
    )
    parser.add_argument("--recordings", required=True, metavar="DIR", help="audio and .mid files of the same names")
    parser.add_argument("--out", required=True, metavar="FILE", help="a .safetensors file to write")
    parser.add_argument("--weights", default=None, help="where to begin: a shipped name (default: base) or a file")
    parser.add_argument("--minutes", type=float, default=10.0, help="to listen to them for, at most (default: 10)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Writes the fine-tuned weights if they help; prints the metrics on the last quarters, before and after."""
    # torch takes seconds to import: not for --help
    from ..checkpoints.weights import load_weights, save_weights, weights_path, weights_to_write
    from ..data.library import find_recordings
    from ..system.memory import keep_memory
    from ..training.adapt import METRICS, adapt

    out, source = weights_to_write(args.out), weights_path(args.weights)
    if not 0 < args.minutes <= 600:
        raise AmtError(f"--minutes {args.minutes:g}: between 0 and 600")
    recordings = find_recordings(args.recordings)
    model, config, card = load_weights(source)
    keep_memory()
    minutes_there = sum(recording.seconds for recording in recordings) / 60
    print(
        f"{len(recordings)} recordings, {minutes_there:.1f} min; listening for at most {args.minutes:g} min", flush=True
    )
    with tempfile.TemporaryDirectory(prefix="amt-adapt-") as folder:
        result = adapt(model, config, recordings, Path(folder), minutes=args.minutes)
    print(f"F1 in % on the last quarter of each recording; fitted to {result.seconds:.0f} s:")
    for name in METRICS:
        before, after = 100 * result.before[name], 100 * result.after[name]
        print(f"  {name.removesuffix('_f1').replace('_', ' + '):16} {before:5.1f} -> {after:5.1f}")
    if not result.helped:
        print(f"that did not help: {source.name} stays as it is, nothing is written")
        return 0
    adapted = {"from": source.name, "minutes": round(minutes_there, 1), "fitted_to_seconds": result.seconds}
    adapted["last_quarter"] = {"before": result.before, "after": result.after}
    save_weights(out, model.state_dict(), {**card, "config": result.config.to_dict(), "adapted": adapted})
    print(f"{out}: transcribe with --weights {out}")
    return 0
