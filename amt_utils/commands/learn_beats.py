"""``python -m amt_utils learn-beats``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..system.errors import AmtError


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``learn-beats`` to the command line."""
    parser.description = (
        "Trains the small network that tells beats, bars, keys, hands, names and note values from notes. "
        "It learns from (n)ASAP, about an hour on one CPU core; held-out compositions are not learnt from. Its "
        "state is saved every minute, and the same command goes on from there."
    )
    parser.add_argument("folder", help="(n)ASAP, or a folder in its shape: NAME.mid, NAME_annotations.txt, NAME.match")
    parser.add_argument("--out", required=True, metavar="FILE", help="a .safetensors file to write")
    parser.add_argument("--steps", type=int, default=2600, help="batches of windows of notes (default: 2600)")
    parser.add_argument("--seed", type=int, default=1)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Trains, writes the weights and prints the held-out share of right answers; returns 0."""
    from ..sheet_music.learn_beats import learn_from_folder  # torch

    out = Path(arguments.out)
    if out.suffix != ".safetensors":
        raise AmtError(f"--out {out}: must end in .safetensors")
    if arguments.steps < 1:
        raise AmtError(f"--steps {arguments.steps}: at least 1")
    out.parent.mkdir(parents=True, exist_ok=True)
    card = learn_from_folder(arguments.folder, out, steps=arguments.steps, seed=arguments.seed)
    print(f"{out}: right answers on held-out compositions, %")
    print("  " + "  ".join(f"{name} {100 * share:.1f}" for name, share in card["scores"].items()))
    return 0
