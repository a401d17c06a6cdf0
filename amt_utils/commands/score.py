"""``python -m amt_utils score``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tqdm.auto import tqdm

from ..music.midi import MIDI_SUFFIXES, read_midi
from ..results.inputs import title_of
from ..sheet_music.record import make_record
from ..sheet_music.score import make_score
from ..sheet_music.tapped import read_beats
from ..system.errors import AmtError
from ..system.files import written_whole


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``score`` to the command line."""
    parser.description = (
        "Makes sheet music of performances: MIDI of a digital piano, a sequencer or another transcriber becomes "
        "NAME.musicxml, NAME.svg (and NAME-2.svg ...) and NAME.pdf. What is not given is estimated."
    )
    parser.add_argument("midi", nargs="+", metavar="FILE", help="MIDI files, or folders of them")
    parser.add_argument("--out", required=True, metavar="DIR", help="where to write")
    parser.add_argument("--tempo", type=float, metavar="BPM", help="beats of the metre per minute, about")
    parser.add_argument("--metre", metavar="3/4", help="time signature")
    parser.add_argument("--key", metavar="Eb", help="key: Eb, F#m, 'C minor'")
    parser.add_argument("--pickup", type=float, metavar="BEATS", help="beats before the first full bar")
    parser.add_argument(
        "--beats", metavar="FILE",
        help="beats of the one MIDI file, tapped or annotated: seconds and b or db (downbeat), "
        "as Audacity exports labels",
    )  # fmt: skip
    parser.add_argument("--pedal", choices=["marks", "none"], default="marks", help="pedal marks (default: marks)")
    parser.add_argument("--json", action="store_true", help="also write NAME.score.json: every note with bar and place")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Writes each file's sheet music; returns 0."""
    files = find_files(arguments.midi)
    if arguments.beats and len(files) > 1:
        raise AmtError(f"--beats {arguments.beats}: belongs to one performance, and {len(files)} MIDI files were given")
    beats = read_beats(arguments.beats) if arguments.beats else None
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    for file, name in tqdm(files, unit="file", disable=len(files) == 1):
        performance = read_midi(file)
        score = make_score(
            performance, tempo=arguments.tempo, metre=arguments.metre, key=arguments.key, pickup=arguments.pickup,
            beats=beats, pedal=arguments.pedal == "marks", title=title_of(file),
        )  # fmt: skip
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if arguments.json:
            with written_whole(target.with_name(f"{target.name}.score.json")) as partial:
                partial.write_text(json.dumps(make_record(score, performance)), encoding="utf-8")
        score.save_musicxml(target.with_name(f"{target.name}.musicxml"))
        score.save_svg(target.with_name(f"{target.name}.svg"))
        score.save_pdf(target.with_name(f"{target.name}.pdf"))
        tqdm.write(f"{target}: {score.metre}, {score.key.name}, {score.tempo:.0f} beats a minute, "
                   f"{score.page.bars.count} bars")  # fmt: skip
    return 0


def find_files(given: list[str]) -> list[tuple[Path, str]]:
    """Files and folders -> MIDI files and the name of each below ``--out``. Raises :class:`AmtError`."""
    found: list[tuple[Path, str]] = []
    for text in given:
        path = Path(text)
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in MIDI_SUFFIXES and p.is_file())
            if not inside:
                raise AmtError(f"{path}: no MIDI files (.mid, .midi) in this folder")
            found += [(p, str(p.relative_to(path).with_suffix(""))) for p in inside]
        elif path.is_file():
            found.append((path, path.stem))
        else:
            raise AmtError(f"{path}: no such file or folder")
    names = [name for _, name in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise AmtError(f"two of the MIDI files would both be written as {twice}; give them to two calls")
    return found
