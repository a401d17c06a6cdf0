"""``python -m amt_utils learn-beats``."""

from __future__ import annotations

import argparse

from tqdm.auto import tqdm

from ..checkpoints.weights import weights_to_write
from ..system.errors import AmtError


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``learn-beats`` to the command line."""
    parser.description = (
        "Trains the small network that tells beats, bars, keys, hands, names and note values from notes. "
        "It learns from (n)ASAP, about an hour on one CPU core; held-out compositions are not learnt from. Its "
        "state is saved every minute, and the same command goes on from there. The shipped weights were learnt with "
        "--corpus --sequenced --steps 2100."
    )
    parser.add_argument("folder", help="(n)ASAP, or a folder in its shape: NAME.mid, NAME_annotations.txt, NAME.match")
    parser.add_argument("--out", required=True, metavar="FILE", help="a .safetensors file to write")
    parser.add_argument("--steps", type=int, default=2600, help="batches of windows of notes (default: 2600)")
    parser.add_argument("--members", type=int, default=2, metavar="N", help="networks to be averaged (default: 2)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sequenced", metavar="FOLDER", help="also from MIDI files whose ticks are places in a score, "
                        "as MAPS has them from piano-midi.de")  # fmt: skip
    parser.add_argument("--without", nargs="+", default=[], metavar="PATTERN", help="names of these to leave out")
    parser.add_argument("--corpus", action="store_true", help="also from pieces that come with the package music21")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Trains, writes the weights and prints the held-out share of right answers; returns 0."""
    from ..sheet_music.learn_beats import learn_from_folder  # torch
    from ..sheet_music.tunes import read_corpus

    out = weights_to_write(arguments.out)
    for name in ("steps", "members"):
        if getattr(arguments, name) < 1:
            raise AmtError(f"--{name} {getattr(arguments, name)}: at least 1")
    out.parent.mkdir(parents=True, exist_ok=True)
    corpus = tqdm(read_corpus(), desc="reading the corpus", unit="piece") if arguments.corpus else ()
    card = learn_from_folder(
        arguments.folder, out, steps=arguments.steps, members=arguments.members, seed=arguments.seed,
        sequenced=arguments.sequenced, without=arguments.without, corpus=corpus
    )  # fmt: skip
    print(f"{out}: right answers on held-out compositions, %")
    print("  " + "  ".join(f"{name} {100 * share:.1f}" for name, share in card["scores"].items()))
    return 0
