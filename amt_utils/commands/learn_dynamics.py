"""``python -m amt_utils learn-dynamics``."""

from __future__ import annotations

import argparse

from ..checkpoints.weights import save_weights, weights_to_write
from ..data.performances import load_performances
from ..models import count_parameters
from ..system.errors import AmtError
from ..training.learn_velocities import BATCH, learn_velocities, measure


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``learn-dynamics`` to the command line."""
    parser.description = (
        "Trains the small network that corrects each note's velocity from all notes of its recording. "
        "It needs MIDI only, and minutes on a CPU. Prints its error on MAESTRO's validation split, if it is trained on "
        "MAESTRO."
    )
    parser.add_argument("midi", help="a folder of MIDI files, MAESTRO's folder or zip, or 'maestro' or 'miniature'")
    parser.add_argument("--out", required=True, metavar="FILE", help="a .safetensors file to write")
    parser.add_argument("--steps", type=int, default=5000, help=f"of {BATCH} windows each (default: 5000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """``python -m amt_utils learn-dynamics``."""
    out = weights_to_write(args.out)
    if args.steps < 1:
        raise AmtError(f"--steps {args.steps}: at least 1")
    performances = load_performances(args.midi, split="train")
    net = learn_velocities(performances, steps=args.steps, seed=args.seed)
    try:
        unheard = load_performances(args.midi, split="validation")
    except AmtError:
        unheard = performances
    errors = measure(net, unheard)
    card = {
        "config": {"hidden": net.again.hidden_size},
        "parameters": count_parameters(net),
        "learnt_from": f"{sum(len(p.notes) for p in performances):,} notes of {len(performances)} performances",
        "steps": args.steps,
        "seed": args.seed,
        "errors": errors,
    }
    save_weights(out, net.state_dict(), card)
    print(f"{out}: of velocities {errors['error_before']:.1f} wrong (RMS), {errors['error_after']:.1f} is left")
    return 0
