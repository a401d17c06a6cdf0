"""A miniature MAESTRO: twelve short performances in the official folder and CSV/JSON shape, made on the spot.

Tests, notebooks and a first look at the pipeline need a data set that is small, free and always there. The pieces
are written by rule in the manner of a few composers, played with rubato, uneven touch and all three pedals, and
rendered on :func:`amt_utils.data.synth.simple_tone_piano`. The same call gives the same bytes of MIDI everywhere.
Scores measured on it say that the code runs, not how good a model is.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ...music.midi import TempoMap, write_midi
from ...music.notes import SOFT, SOSTENUTO, SUSTAIN, Performance, make_notes, make_pedals
from ...system.errors import AmtError
from ..synth import SAMPLE_RATE, Piano, render, simple_tone_piano

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
_LEAD, _TAIL = 0.6, 1.2  # seconds of room before the first and after the last note

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
_MAJOR = np.array([0, 2, 4, 5, 7, 9, 11])
_CHORDS = (0, 5, 3, 4, 0)  # I vi IV V I, as scale degrees


_Note = tuple[float, float, int, int]  # beat, beats, pitch, velocity
_Press = tuple[float, float, int]  # beat, beats, kind of pedal


@dataclass(frozen=True)
class _Played:
    """Notes and pedals on the beat grid."""

    notes: list[_Note]
    pedals: list[_Press]


def make_miniature(folder: str | os.PathLike, *, sample_rate: int = 44_100, stereo: bool = True) -> Path:
    """Writes the miniature data set into ``folder``, or finds it there from an earlier call.

    Args:
        folder: made when missing; gets one subfolder ``maestro-v3.0.0``.
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
            yield row, perform(form, tonic=tonic, tempo=tempo * (1 + 0.06 * take), seed=100 * number + take)


def _make_performance(
    root: Path, row: dict, performance: Performance, piano: Piano, sample_rate: int, stereo: bool
) -> dict:
    import soundfile
    import soxr

    write_midi(root / row["midi_filename"], performance, tempo=TempoMap(480), name="Miniature")
    audio = render(performance, piano, duration=float(performance.with_ends("sounding")["offset"].max()) + _TAIL)
    audio += np.random.default_rng(0).normal(0, 10 ** (-80 / 20), len(audio)).astype(np.float32)  # the room's noise
    if sample_rate != SAMPLE_RATE:
        audio = soxr.resample(audio, SAMPLE_RATE, sample_rate)
    if stereo:  # the right microphone hears the piano 0.3 ms later and a little softer
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


# ---------------------------------------------------------------- the pieces


def perform(form: str, *, tonic: int = 60, tempo: float = 100.0, seed: int = 0) -> Performance:
    """One of the forms below, as somebody might play it: ~12 s of notes with key ends, and pedals.

    Args:
        form: ``prelude``, ``invention``, ``sonatina``, ``waltz``, ``nocturne``, ``etude`` or ``slow_dance``.
        tonic: MIDI pitch of the key note.
        tempo: beats per minute.
        seed: of rubato, touch and melody; the same seed gives the same performance.
    """
    rng = np.random.default_rng(seed)
    played = _FORMS[form](tonic, rng)
    beats, lengths, pitches, velocities = (np.array(column, dtype=float) for column in zip(*played.notes, strict=True))
    clock = _rubato(beats.max() + lengths.max() + 8, tempo, rng)
    onsets = clock(beats) + rng.normal(0, 0.006, len(beats))  # a hand is not a grid
    offsets = np.maximum(clock(beats + lengths * rng.uniform(0.82, 0.98, len(beats))), onsets + 0.04)
    phrase = 7 * np.sin(np.pi * beats / 8)  # swells over two bars
    velocities = np.clip(np.rint(velocities + phrase + rng.normal(0, 4, len(beats))), 8, 124)
    start = _LEAD - onsets.min()
    pedals = [(clock(b) + start, clock(b + n) + start, kind) for b, n, kind in played.pedals]
    notes = make_notes(onsets + start, offsets + start, pitches, velocities)
    return Performance(_without_overlaps(notes), make_pedals(*np.array(pedals).reshape(-1, 3).T))


def _rubato(n_beats: float, tempo: float, rng: np.random.Generator):
    """Beats -> seconds, with the beat's length drifting by a few per cent."""
    grid = np.arange(np.ceil(n_beats) + 1)
    drift = 1 + 0.05 * np.sin(2 * np.pi * grid / 16 + rng.uniform(0, 6)) + rng.normal(0, 0.012, len(grid))
    seconds = np.concatenate([[0.0], np.cumsum(drift[:-1])]) * 60 / tempo
    return lambda beat: np.interp(beat, grid, seconds)


def _without_overlaps(notes: np.ndarray) -> np.ndarray:
    """A key has to come up before it is struck again; notes of one key at one instant become one."""
    kept = np.ones(len(notes), bool)
    for pitch in np.unique(notes["pitch"]):
        same = np.flatnonzero(notes["pitch"] == pitch)
        for a, b in pairwise(same):
            if notes["onset"][b] - notes["onset"][a] < 0.06:
                kept[b], notes["onset"][b] = False, notes["onset"][a]
            notes["offset"][a] = min(notes["offset"][a], max(notes["onset"][b] - 0.02, notes["onset"][a] + 0.03))
    notes = notes[kept]
    return make_notes(notes["onset"], notes["offset"], notes["pitch"], notes["velocity"])


def _scale(tonic: int, degree: int) -> int:
    return int(tonic + 12 * (degree // 7) + _MAJOR[degree % 7])


def _melody(rng: np.random.Generator, n: int, *, around: int) -> list[int]:
    """``n`` scale degrees that mostly step, sometimes leap, and stay near ``around``."""
    degrees, now = [], around
    for _ in range(n):
        now += int(rng.choice([-2, -1, 1, 2, 3], p=[0.2, 0.32, 0.3, 0.12, 0.06]))
        now = int(np.clip(now, around - 5, around + 6))
        degrees.append(now)
    return degrees


def _prelude(tonic: int, rng: np.random.Generator) -> _Played:
    notes: list[_Note] = []
    for bar, chord in enumerate(_CHORDS):
        voices = [chord - 7, chord - 3, chord, chord + 2, chord + 4]
        for half in (0, 2):
            for i, voice in enumerate((0, 1, 2, 3, 4, 2, 3, 4)):
                length = (2, 1.75)[i] if i < 2 else 0.25
                notes.append((4 * bar + half + i / 4, length, _scale(tonic, voices[voice]), 58 if i else 66))
    notes += [(20, 3, _scale(tonic, d), 60) for d in (-14, -7, 0, 2, 4, 7)]
    return _Played(notes, [(20.2, 3.5, SUSTAIN)])


def _invention(tonic: int, rng: np.random.Generator) -> _Played:
    subject = [0, 1, 2, 3, 1, 2, 0, 4, 7, 6, 7, 4]
    notes: list[_Note] = []
    for bar, chord in enumerate(_CHORDS[:-1]):
        for shift, octave, velocity in ((0, 0, 70), (2, -14, 64)):  # the left hand answers half a bar later
            notes += [
                (4 * bar + shift + i / 4, 0.25, _scale(tonic, octave + chord + d), velocity)
                for i, d in enumerate(subject)
            ]
    return _Played([*notes, (18.75, 1.5, tonic, 66), (18.75, 1.5, tonic - 24, 66)], [])


def _sonatina(tonic: int, rng: np.random.Generator) -> _Played:
    notes: list[_Note] = []
    for bar, chord in enumerate(_CHORDS):
        for i in range(8):  # Alberti bass
            notes.append((4 * bar + i / 2, 0.5, _scale(tonic - 12, chord + (0, 4, 2, 4)[i % 4]), 50))
        for i, degree in enumerate(_melody(rng, 4, around=9)):
            length = (1.5, 0.5, 1, 1)[i]
            notes.append((4 * bar + (0, 1.5, 2, 3)[i], length, _scale(tonic, degree), 76))
    return _Played(notes, [(16, 3.5, SUSTAIN)])


def _waltz(tonic: int, rng: np.random.Generator) -> _Played:
    notes: list[_Note] = []
    pedals: list[_Press] = []
    for bar, chord in enumerate(_CHORDS * 2):
        notes.append((3 * bar, 0.9, _scale(tonic - 24, chord), 62))
        for beat in (1, 2):
            notes += [(3 * bar + beat, 0.6, _scale(tonic - 12, chord + d), 46) for d in (0, 2, 4)]
        rhythm = ((0, 2), (2, 1)) if bar % 2 else ((0, 1), (1, 0.5), (1.5, 0.5), (2, 1))
        degrees = _melody(rng, len(rhythm), around=7 + chord % 3)
        notes += [(3 * bar + b, n, _scale(tonic, d), 80) for (b, n), d in zip(rhythm, degrees, strict=True)]
        pedals.append((3 * bar + 0.15, 2.5, SUSTAIN))
    return _Played(notes, pedals)


def _nocturne(tonic: int, rng: np.random.Generator) -> _Played:
    notes: list[_Note] = []
    pedals: list[_Press] = []
    for bar, chord in enumerate(_CHORDS[:-1]):
        for i, d in enumerate((0, 4, 9, 11, 9, 4)):
            notes.append((3 * bar + i / 2, 0.5, _scale(tonic - 24, chord + d), 40))
        for i, degree in enumerate(_melody(rng, 3, around=14)):
            notes.append((3 * bar + (0, 1.5, 2)[i], (1.5, 0.5, 1)[i], _scale(tonic - 12, degree), 72))
        pedals.append((3 * bar + 0.1, 2.85, SUSTAIN))
    pedals.append((6, 6, SOFT))
    return _Played(notes, pedals)


def _etude(tonic: int, rng: np.random.Generator) -> _Played:
    notes: list[_Note] = []
    pedals: list[_Press] = []
    for bar, chord in enumerate(_CHORDS):
        notes += [(4 * bar, 3.8, _scale(tonic - 24, chord), 96), (4 * bar, 3.8, _scale(tonic - 36, chord), 92)]
        for i in range(16):
            degree = chord + (i if i < 8 else 15 - i)
            notes += [(4 * bar + i / 4, 0.22, _scale(tonic + octave, degree), 84) for octave in (0, 12)]
        pedals.append((4 * bar + 0.1, 3.6, SOSTENUTO if bar % 2 else SUSTAIN))
    return _Played(notes, pedals)


def _slow_dance(tonic: int, rng: np.random.Generator) -> _Played:
    notes: list[_Note] = []
    pedals: list[_Press] = [(0, 12, SOFT)]
    for bar, chord in enumerate((0, 3, 0, 3, 5)):
        notes.append((3 * bar, 3, _scale(tonic - 24, chord), 38))
        notes += [(3 * bar + 1, 2, _scale(tonic - 12, chord + d), 34) for d in (2, 4, 6)]
        if bar:
            degrees = _melody(rng, 3, around=8)
            notes += [(3 * bar + i, 1, _scale(tonic, d), 58) for i, d in enumerate(degrees)]
        pedals.append((3 * bar + 0.2, 2.7, SUSTAIN))
    return _Played(notes, pedals)


_FORMS = {
    "prelude": _prelude,
    "invention": _invention,
    "sonatina": _sonatina,
    "waltz": _waltz,
    "nocturne": _nocturne,
    "etude": _etude,
    "slow_dance": _slow_dance,
}
