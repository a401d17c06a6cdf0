"""``python -m amt_utils tune``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..evaluation.thresholds import tune


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``tune`` to the command line."""
    parser.description = (
        "Takes weights or a checkpoint, tunes onset threshold and time shift on note F1, then the pedal, "
        "offset and frame thresholds on note+offset F1 (sounding ends), then the smoothing of velocities, over the "
        "recordings in DIR, and writes float16 weights whose JSON card holds thresholds and scores."
    )
    parser.add_argument("--weights", required=True, help="a .safetensors or .pt file")
    parser.add_argument("--validation", required=True, metavar="DIR", help="recordings with MIDI of the same name")
    parser.add_argument("--out", required=True, help="where to write, ending in .safetensors")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """``python -m amt_utils tune``."""
    from ..checkpoints.weights import load_weights, save_weights

    model, config, card = load_weights(args.weights)
    config = config.replace(data={"validation": (args.validation,)})
    config, scores = tune(model, config)
    card = {
        **card,
        "config": config.with_names_alone().to_dict(),
        "scores": scores,
        "tuned_on": Path(args.validation).name,
    }
    path = save_weights(args.out, model.state_dict(), card)
    print(f"{path}: note {scores['note_f1']:.3f}, +offset {scores['note_offset_f1']:.3f}, {config.decode}")
    return 0
