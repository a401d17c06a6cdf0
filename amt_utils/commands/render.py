"""``python -m amt_utils render``: MIDI to audio on a sampled piano, as pairs for train and evaluate."""

from __future__ import annotations

import argparse
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from ..audio.reading import save_audio
from ..data.augment import filter_randomly, load_impulse_responses
from ..data.performances import load_performances
from ..data.pianos import Piano, load_piano, simple_tone_piano
from ..data.synth import Touch, render
from ..music.midi import write_midi
from ..music.notes import Performance
from ..system.cluster import add_cluster_options, choose_shard, run_each
from ..system.errors import AmtError

LEAD = 0.5  # seconds before the first note
MECHANISM_DECIBELS = -27.0  # of keys and pedals, as the Salamander grand's release samples have


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
    parser.add_argument("--mechanism", action="store_true", help="also the noises of returning keys and of the pedal")
    parser.add_argument("--split", default="test", help="of MAESTRO (default: test)")
    parser.add_argument("--count", type=int, default=None, help="how many pieces, evenly spread (default: all)")
    parser.add_argument("--seconds", type=float, default=None, help="only the middle of each piece")
    add_cluster_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Renders; returns 1 where a piece failed."""
    performances = [p for p in load_performances(args.midi, split=args.split) if len(p.notes)]
    if not performances:
        raise AmtError(f"{args.midi}: no piece of the split {args.split!r} has notes")
    if args.count and args.count < len(performances):
        performances = [performances[i] for i in np.linspace(0, len(performances) - 1, args.count).astype(int)]
    pieces = choose_shard(list(enumerate(performances)), args.shard)
    name = open_piano(args.piano).name  # an error about the piano comes before any work
    work = partial(
        render_piece, out=Path(args.out), piano=args.piano, rooms=args.rooms, seconds=args.seconds,
        mechanism=args.mechanism,
    )  # fmt: skip
    done = run_each(work, pieces, cluster=args.cluster)
    failed = [f"{piece[0]:04d}: {error}" for piece, error in tqdm(done, "render", len(pieces), unit="piece") if error]
    print(f"{len(pieces) - len(failed)} recordings on {name} -> {args.out}")
    for message in failed:
        print(f"failed: {message}")
    return 1 if failed else 0


@lru_cache(maxsize=1)
def open_piano(folder: str | None) -> Piano:
    """The piano bank of a folder, or the piano by formula; read once in each process."""
    return load_piano(folder) if folder else simple_tone_piano()


@lru_cache(maxsize=1)
def open_rooms(folder: str | None) -> list[np.ndarray]:
    """The impulse responses of a folder, or none; read once in each process."""
    return load_impulse_responses(folder) if folder else []


def render_piece(
    piece: tuple[int, Performance],
    *,
    out: Path,
    piano: str | None,
    rooms: str | None,
    seconds: float | None,
    mechanism: bool = False,
) -> None:
    """Writes ``out/<number>.flac`` and ``.mid``; the randomness depends on the number alone."""
    number, performance = piece
    rng = np.random.default_rng(number)
    end = float(performance.notes["offset"].max())
    if seconds and end > seconds:
        begin = (end - seconds) / 2
        performance = performance.window(begin, begin + seconds)
    performance = performance.shifted(LEAD)
    bank = open_piano(piano)
    noise = MECHANISM_DECIBELS if mechanism else None
    audio = render(performance, bank, touch=Touch(key_noise_decibels=noise, pedal_noise_decibels=noise), rng=rng)
    if rooms:
        audio, _ = filter_randomly(audio, rng, rooms=open_rooms(rooms))
    audio = audio * min(1.0, 0.9 / (np.abs(audio).max() + 1e-9))  # no clipping
    save_audio(out / f"{number:04d}.flac", audio, sample_rate=bank.sample_rate)
    write_midi(out / f"{number:04d}.mid", performance)
