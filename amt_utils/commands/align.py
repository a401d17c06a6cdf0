"""``python -m amt_utils align``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..data.library import Recording, take_inventory
from ..data.own_piano.align import align_audio
from ..data.own_piano.align_search import SAMPLE_RATE
from ..figures.data_figures import plot_alignment
from ..system.errors import AmtError


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``align`` to the command line."""
    parser.description = (
        "Finds offset and drift between a recording and its MIDI and writes the MIDI corrected. "
        "The audio is left as it is. PATH is a recording followed by its MIDI, or one folder of such pairs."
    )
    parser.add_argument("path", metavar="PATH", help="a recording, or a folder of same-basename audio and MIDI")
    parser.add_argument("midi", metavar="MIDI", nargs="?", help="the recording's .mid")
    parser.add_argument("--out", metavar="PATH", help="the corrected .mid, or a folder for them; else only report")
    parser.add_argument(
        "--by-velocity",
        action="store_true",
        help="also move onsets to where notes of their velocity sound, on a player piano soft hammers take longer; "
        "then each note to where its own partials rise",
    )
    parser.add_argument("--picture", metavar="FILE", help="a picture of the lags (one recording; .png, .svg, .pdf)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """The ``align`` command; 1 where a pair could not be aligned reliably (its MIDI is then not written)."""
    folder = Path(args.path)
    if args.midi:
        pairs, out = [Recording(folder.stem, folder, Path(args.midi))], {folder.stem: args.out}
    else:
        pairs = list(take_inventory(folder).recordings)
        if not pairs:
            raise AmtError(f"{folder}: no audio with a .mid of the same name; or give a recording and its MIDI")
        out = {pair.name: Path(args.out) / f"{pair.name}.mid" if args.out else None for pair in pairs}
    if args.picture and len(pairs) > 1:
        raise AmtError(f"--picture {args.picture}: one recording at a time")
    return max(_align_and_report(pair, out[pair.name], args.picture, args.by_velocity) for pair in pairs)


def _align_and_report(pair, out, picture, by_velocity: bool) -> int:
    from ..audio.reading import load_audio
    from ..data.own_piano.hammer_lag import measure_hammer_lag
    from ..data.own_piano.note_onsets import find_note_onsets
    from ..music.midi import write_midi

    if out and Path(out).exists() and Path(out).samefile(pair.midi):
        raise AmtError(f"{out}: is the MIDI itself; choose another --out so that the original stays")
    try:
        audio = load_audio(pair.audio, sample_rate=SAMPLE_RATE)
        alignment, moved = align_audio(audio, pair.midi)
    except AmtError as error:
        print(f"{pair.name}: failed: {error}", flush=True)
        return 1
    print(f"{pair.name}: {alignment.describe()}", flush=True)
    if by_velocity and alignment.reliable:
        lag = measure_hammer_lag(audio, moved)
        moved = find_note_onsets(audio, lag.apply(moved))
        print(f"{pair.name}: {lag.describe()}", flush=True)
    if picture:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 4), layout="constrained")
        plot_alignment(alignment, ax=figure.subplots())
        figure.savefig(picture)
    if out and alignment.reliable:
        write_midi(out, moved)
    return 0 if alignment.reliable else 1
