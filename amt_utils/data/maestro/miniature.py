"""A miniature MAESTRO: twelve short performances in the official folder and CSV/JSON layout, generated locally.

It serves tests, notebooks and a first look at the pipeline. The pieces (:mod:`amt_utils.data.pieces`) are in the style
of a few composers, with rubato, uneven touch and all three pedals, rendered on
:func:`amt_utils.data.pianos.simple_tone_piano`. The MIDI is the same, byte for byte, on every machine. Metrics measured
on it show that the code runs, not how good a model is.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...music.midi import TempoMap, write_midi
from ...music.notes import Performance
from ...system.errors import AmtError
from ..pianos import Piano, simple_tone_piano
from ..pieces import perform_piece
from ..synth import render

NAME = "maestro-v3.0.0"
COLUMNS = (
    "canonical_composer",
    "canonical_title",
    "split",
    "year",
    "midi_filename",
    "audio_filename",
    "duration",
)
_DONE = ".complete-2"  # raise the number when the pieces change
_TAIL = 1.2  # seconds after the last note

# (composer, title, form, tonic, beats per minute, split, years of the performances)
_WORKS = (
    ("After Johann Sebastian Bach", "Prelude in C Major", "prelude", 60, 84, "train", (2004, 2009)),
    ("After Johann Sebastian Bach", "Invention in G Major", "invention", 67, 92, "train", (2006,)),
    ("After Johann Sebastian Bach", "Prelude in F Major", "prelude", 53, 76, "test", (2008,)),
    ("After Muzio Clementi", "Sonatina in D Major", "sonatina", 62, 116, "train", (2011,)),
    ("After Muzio Clementi", "Sonatina in B-flat Major", "sonatina", 58, 108, "validation", (2013,)),
    ("After Frédéric Chopin", "Waltz in E-flat Major", "waltz", 63, 150, "train", (2014, 2018)),
    ("After Frédéric Chopin", "Nocturne in A-flat Major", "nocturne", 56, 66, "validation", (2015,)),
    ("After Franz Liszt", 'Etude in A Major, "Octaves"', "etude", 57, 132, "train", (2017,)),
    ("After Erik Satie", "Slow Dance in D Major", "slow_dance", 62, 80, "test", (2017,)),
    ("After Erik Satie / After Franz Liszt", "Slow Dance in G Major", "slow_dance", 55, 72, "train", (2018,)),
)


def make_miniature(folder: str | os.PathLike, *, sample_rate: int = 44_100, stereo: bool = True) -> Path:
    """Writes the miniature data set into ``folder``, or returns that of an earlier call.

    Args:
        folder: created when missing; gets one subfolder ``maestro-v3.0.0``.
        sample_rate: of the WAV files, Hz; MAESTRO's own are 44.1 or 48 kHz.
        stereo: two channels of 16 bits, as MAESTRO's.

    Returns:
        ``folder/maestro-v3.0.0`` with ``maestro-v3.0.0.csv``, ``.json`` and a ``.midi`` and ``.wav`` per
        performance in one folder per year: about two and a half minutes, 27 MB at the default rate.
    """
    folder = Path(folder)
    root = folder / NAME
    if (root / _DONE).is_file():
        return root
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as making:
        partial = Path(making) / NAME
        partial.mkdir()
        piano = simple_tone_piano()
        rows = [
            _make_performance(partial, row, performance, piano, sample_rate, stereo)
            for row, performance in _performances()
        ]
        _write_metadata(partial, rows)
        (partial / _DONE).touch()
        if root.is_dir() and not (root / _DONE).is_file():
            if not any(root.glob(".complete-*")):
                raise AmtError(f"{root}: holds something else; choose another folder for the miniature")
            shutil.rmtree(root)  # an earlier version's
        try:
            partial.rename(root)
        except OSError:  # another process was faster
            if not (root / _DONE).is_file():
                raise
    return root


def _performances() -> Iterator[tuple[dict[str, Any], Performance]]:
    for number, (composer, title, form, tonic, tempo, split, years) in enumerate(_WORKS, start=1):
        for take, year in enumerate(years):
            stem = f"{year}/MIDI-Miniature_{number:02d}_R{take + 1}_{year}_wav"
            row = dict(zip(COLUMNS, (composer, title, split, year, stem + ".midi", stem + ".wav", 0.0), strict=True))
            yield row, perform_piece(form, tonic=tonic, tempo=tempo * (1 + 0.06 * take), seed=100 * number + take)


def _make_performance(
    root: Path, row: dict, performance: Performance, piano: Piano, sample_rate: int, stereo: bool
) -> dict:
    import soundfile
    import soxr

    write_midi(root / row["midi_filename"], performance, tempo=TempoMap(480), name="Miniature")
    audio = render(performance, piano, duration=float(performance.with_ends("sounding")["offset"].max()) + _TAIL)
    audio += np.random.default_rng(0).normal(0, 10 ** (-80 / 20), len(audio)).astype(np.float32)  # the room's noise
    if sample_rate != piano.sample_rate:
        audio = soxr.resample(audio, piano.sample_rate, sample_rate)
    if stereo:  # the right channel is 0.3 ms later and a little softer
        late = round(0.0003 * sample_rate)
        audio = np.stack([audio, 0.9 * np.pad(audio, (late, 0))[: len(audio)]], axis=1)
    soundfile.write(root / row["audio_filename"], audio, sample_rate, subtype="PCM_16")
    return row | {"duration": len(audio) / sample_rate}


def _write_metadata(root: Path, rows: list[dict]) -> None:
    rows = sorted(rows, key=lambda row: (row["canonical_composer"], row["canonical_title"]))
    with open(root / f"{NAME}.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    by_column = {column: {str(i): row[column] for i, row in enumerate(rows)} for column in COLUMNS}
    (root / f"{NAME}.json").write_text(json.dumps(by_column, ensure_ascii=False), encoding="utf-8")
