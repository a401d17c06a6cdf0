"""``python -m amt_utils render``: MIDI to audio on a sampled piano, as pairs that train and evaluate take."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from ..audio.reading import save_audio
from ..data.augment import filter_randomly, load_impulse_responses
from ..data.library import load_performances
from ..data.synth import SAMPLE_RATE, load_piano, render, simple_tone_piano
from ..music.midi import write_midi
from ..system.errors import AmtError

LEAD = 0.5  # seconds before the first note


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``render`` to the command line."""
    parser.description = (
        "Renders MIDI (a folder, or one split of MAESTRO's folder or zip) and writes DIR/<number>.flac "
        "with DIR/<number>.mid beside it. The same call gives the same files."
    )
    parser.add_argument("midi", help="a folder of MIDI files, MAESTRO's folder or zip, or 'maestro' or 'miniature'")
    parser.add_argument("--out", required=True, metavar="DIR", help="where to write")
    parser.add_argument("--piano", default=None, help="a folder with piano.json (default: a piano by formula)")
    parser.add_argument("--rooms", default=None, metavar="DIR", help="impulse responses; one at random for each piece")
    parser.add_argument("--split", default="test", help="of MAESTRO (default: test)")
    parser.add_argument("--count", type=int, default=None, help="how many pieces, evenly spread (default: all)")
    parser.add_argument("--seconds", type=float, default=None, help="only the middle of each piece")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Renders; returns 0."""
    performances = [p for p in load_performances(args.midi, split=args.split) if len(p.notes)]
    if not performances:
        raise AmtError(f"{args.midi}: no piece of the split {args.split!r} has notes")
    if args.count and args.count < len(performances):
        performances = [performances[i] for i in np.linspace(0, len(performances) - 1, args.count).astype(int)]
    piano = load_piano(args.piano) if args.piano else simple_tone_piano()
    rooms = load_impulse_responses(args.rooms) if args.rooms else []
    out = Path(args.out)
    for number, performance in enumerate(tqdm(performances, desc="render", unit="piece")):
        rng = np.random.default_rng(number)
        end = float(performance.notes["offset"].max())
        if args.seconds and end > args.seconds:
            begin = (end - args.seconds) / 2
            performance = performance.window(begin, begin + args.seconds)
        performance = performance.shifted(LEAD)
        audio = render(performance, piano, rng=rng)
        if rooms:
            audio, _ = filter_randomly(audio, rng, rooms=rooms)
        audio = audio * min(1.0, 0.9 / (np.abs(audio).max() + 1e-9))  # no clipping
        save_audio(out / f"{number:04d}.flac", audio, sample_rate=SAMPLE_RATE)
        write_midi(out / f"{number:04d}.mid", performance)
    print(f"{len(performances)} recordings on {piano.name} -> {out}")
    return 0
