"""``python -m amt_utils learn-pedals``."""

from __future__ import annotations

import argparse

import torch

from ..checkpoints.weights import load_weights, save_weights, weights_path, weights_to_write
from ..config import load_config
from ..data.performances import load_performances
from ..models.residual import ResidualHPPNet
from ..system.errors import AmtError
from ..training.learn_pedals import Pedals, learn_from_notes, learn_from_sound


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``learn-pedals`` to the command line."""
    parser.description = (
        "Trains the pedal head of a residual_hcqt_hppnet and leaves the rest unchanged. A configuration "
        "says where MIDI, pianos, rooms and recordings are, as for train."
    )
    parser.add_argument("--config", required=True, help="a JSON file, or one that comes with the package")
    parser.add_argument("--weights", default=None, help="the network: a shipped name or a file")
    parser.add_argument("--out", required=True, metavar="FILE", help="a .safetensors file to write")
    parser.add_argument("--note-steps", type=int, default=2000, metavar="N", help="from MIDI alone (default: 2000)")
    parser.add_argument("--windows", type=int, default=300, metavar="N", help="one-minute windows (default: 300)")
    parser.add_argument("--sound-steps", type=int, default=400, metavar="N", help="steps on these (default: 400)")
    parser.add_argument("--seed", type=int, default=1)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """``python -m amt_utils learn-pedals``."""
    out, source = weights_to_write(args.out), weights_path(args.weights)
    model, config, card = load_weights(source)
    if not isinstance(model.network, ResidualHPPNet):
        raise AmtError(f"{source}: only residual_hcqt_hppnet learns its pedals alone, not {config.model.name}")
    teaching = load_config(args.config)
    torch.manual_seed(args.seed)
    if args.note_steps:
        performances = [p for folder in teaching.data.midi for p in load_performances(folder, split="train")]
        learn_from_notes(Pedals(model.network), performances, config, steps=args.note_steps, seed=args.seed)
    if args.windows and args.sound_steps:
        listening = config.replace(data=teaching.to_dict()["data"])
        loss = learn_from_sound(model, listening, windows=args.windows, steps=args.sound_steps, seed=args.seed)
        print(f"loss on held-out minutes: {loss:.4f}")
    steps = {"notes": args.note_steps, "windows": args.windows, "sound": args.sound_steps}
    save_weights(out, model.state_dict(), {**card, "pedal_steps": steps})
    print(f"{out}: from {source.name}; tune its thresholds again (python -m amt_utils tune)")
    return 0
