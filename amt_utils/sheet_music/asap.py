"""(n)ASAP: performances with their beats, signatures and the score note behind each performed one.

The data set is Foscarin et al., "ASAP: a dataset of aligned scores and performances" (ISMIR 2020), and its note
alignments Peter et al., "Automatic note-level score-to-performance alignments in the ASAP dataset" (TISMIR 6, 2023),
CC BY-NC-SA 4.0. Any folder in its shape serves: ``NAME.mid`` beside ``NAME_annotations.txt`` and, where there is one,
``NAME.match``.
"""

from __future__ import annotations

import os
import re
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..music.midi import read_midi
from ..music.notes import Performance
from ..system.errors import AmtError
from .score_order import staves_and_voices

# `marked`: whether the file itself has staff, voice and articulation; if not, the first two are read from the order of
# its notes (:mod:`.score_order`; 0 where that is not clear)
ALIGNED = np.dtype(
    [("note", "i8"), ("quarter", "f8"), ("duration", "f8"), ("measure", "i8"), ("place", "f8"), ("staff", "i1"),
     ("voice", "i1"), ("step", "U1"), ("alter", "i1"), ("octave", "i1"), ("grace", "?"), ("short", "?"),
     ("marked", "?")]
)  # fmt: skip
HELD_OUT, SALT = 0.19, 2124  # share of compositions held out; with this salt they are by many composers
_VARIANT = re.compile(r"(_no)?(_\w+)?_repeat$|_no_trio$")
_SNOTE = re.compile(
    r"snote\((?:n(\d+)(?:-\d+)?|[^,]*),\[(\w),([^\]]*)\],(-?\d+),(-?\d+):(\d+),([\d/+]+),([\d/+]+),"
    r"(-?[\d.]+),(-?[\d.]+),\[([^\]]*)\]\)-(?:note\([^,]*,(?:\[[^\]]*\],-?\d+,|(\d+),)(\d+),)?"
)
_ALTER = {"n": 0, "#": 1, "b": -1, "##": 2, "x": 2, "bb": -2}


@dataclass(frozen=True)
class Aligned:
    """One performance of the data set.

    Attributes:
        name: path relative to the folder, without extension.
        composition: folder of the composition; variants with and without repeats have the same name.
        midi: path of the performance.
    """

    name: str
    composition: str
    midi: Path

    @property
    def held_out(self) -> bool:
        """Whether the composition is held out for validation: determined by a hash of its name."""
        return zlib.crc32(f"{SALT}{self.composition}".encode()) % 1000 < 1000 * HELD_OUT

    @cached_property
    def performance(self) -> Performance:
        return read_midi(self.midi)

    @cached_property
    def annotations(self) -> Annotations:
        return read_annotations(self.midi.with_name(f"{self.midi.stem}_annotations.txt"))

    @cached_property
    def alignment(self) -> np.ndarray:
        """``(k,)`` of :data:`ALIGNED`, ordered by onset in the score; empty if the data set has none."""
        path = self.midi.with_suffix(".match")
        return read_match(path, self.performance) if path.is_file() else np.zeros(0, ALIGNED)


@dataclass(frozen=True)
class Annotations:
    """Annotated beats.

    Attributes:
        beats: ``(n,)`` rising seconds.
        first: ``(n,)`` whether the beat begins a bar.
        metre: ``(n, 2)`` time signature at each beat; zeros if unknown.
        fifths: ``(n,)`` key signature at each beat.
    """

    beats: np.ndarray
    first: np.ndarray
    metre: np.ndarray
    fifths: np.ndarray

    def until(self, seconds: float) -> Annotations:
        """The beats before ``seconds``."""
        n = int(np.searchsorted(self.beats, seconds))
        return Annotations(self.beats[:n], self.first[:n], self.metre[:n], self.fifths[:n])


def find_performances(folder: str | os.PathLike) -> list[Aligned]:
    """All performances with annotations in a folder and its subfolders. Raises :class:`AmtError` if there are none."""
    folder = Path(folder)
    found = []
    for path in sorted(folder.rglob("*_annotations.txt")):
        midi = path.with_name(path.name.removesuffix("_annotations.txt") + ".mid")
        if midi.is_file():
            below = midi.relative_to(folder)
            found.append(Aligned(str(below.with_suffix("")), _VARIANT.sub("", below.parent.as_posix()), midi))
    if not found:
        raise AmtError(f"{folder}: no performances with annotations (NAME.mid beside NAME_annotations.txt) below it")
    return found


def read_annotations(path: str | os.PathLike) -> Annotations:
    """Reads lines ``seconds <tab> seconds <tab> label[,metre[,fifths]]``. Raises :class:`AmtError` for other files."""
    times: list[float] = []
    first, metres, keys = [], [], []
    metre, fifths = (0, 0), 0
    try:
        for line in Path(path).read_text(encoding="utf-8").split("\n"):
            if not line.strip():
                continue
            columns = line.split("\t")
            label, *signs = columns[-1].strip().split(",")
            if signs and signs[0]:
                numerator, denominator = signs[0].split("/")
                metre = int(numerator), int(denominator)
            if len(signs) > 1 and signs[1]:
                fifths = int(signs[1])
            if times and float(columns[0]) <= times[-1]:
                continue
            times.append(float(columns[0]))
            first.append(label == "db")
            metres.append(metre)
            keys.append(fifths)
    except (OSError, ValueError) as error:
        raise AmtError(f"{path}: not annotations of ASAP ({error})") from error
    if len(times) < 2:
        raise AmtError(f"{path}: has fewer than two beats")
    known = next((m for m in metres if m[0]), (0, 0))  # beats of a pick-up come before the first signature
    metres = [m if m[0] else known for m in metres]
    return Annotations(np.array(times), np.array(first), np.array(metres), np.array(keys))


def read_match(path: str | os.PathLike, performance: Performance) -> np.ndarray:
    """A match file -> the score notes of the performance's notes that have one, ``(k,)`` of :data:`ALIGNED`."""
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    changes = sorted(
        {(float(b), int(d)) for d, b in re.findall(r"timeSignature,\d+/(\d+),[^\n]*?(-?[\d.]+)\)\.", text)}
    )
    if not changes:
        return np.zeros(0, ALIGNED)
    starts, units = np.array([c[0] for c in changes]), 4.0 / np.array([c[1] for c in changes])
    corners = np.concatenate([[0.0], np.cumsum(np.diff(starts) * units[:-1])])

    def to_quarter(beat: np.ndarray) -> np.ndarray:
        i = np.clip(np.searchsorted(starts, beat + 1e-6, side="right") - 1, 0, len(starts) - 1)
        return corners[i] + (beat - starts[i]) * units[i] + starts[0] * units[0]

    notes = performance.notes
    of_pitch = {int(p): np.flatnonzero(notes["pitch"] == p) for p in np.unique(notes["pitch"])}
    rows, counted, order = [], [], []
    listed: dict[int, tuple[int, float, float, int]] = {}
    for match in _SNOTE.finditer(text):
        number, step, alter, octave, measure, beat, offset, _, begin, end, marks, key, tick = match.groups()
        name = ("CDEFGAB".index(step.upper()), _ALTER.get(alter, 0), int(octave))
        pitch = 12 * (name[2] + 1) + (0, 2, 4, 5, 7, 9, 11)[name[0]] + name[1]
        begin, end = float(begin), float(end)
        place = int(number or -1)  # other data may name its notes otherwise
        listed.setdefault(place, (int(measure), begin, end, pitch))  # repeats have the same numbers
        candidates = of_pitch.get(int(key) if key else pitch) if tick else None
        if candidates is None:
            continue
        seconds = int(tick) / 960
        nearest = candidates[np.abs(notes["onset"][candidates] - seconds).argmin()]
        if abs(notes["onset"][nearest] - seconds) > 0.02:
            continue
        marks = marks.split(",")
        staff = next((int(m[5:]) for m in marks if re.fullmatch(r"staff\d", m)), 0)
        voice = next((int(m[1:]) for m in marks if re.fullmatch(r"v\d+", m)), 0)
        unit = float(units[max(int(np.searchsorted(starts, begin + 1e-6, side="right")) - 1, 0)])
        counted.append((int(beat) - 1, unit, 4 * _fraction(offset)))
        order.append(place)
        rows.append((nearest, begin, (end - begin) * unit, int(measure), 0.0, staff, voice, step.upper(), name[1],
                     name[2], end - begin < 1e-6, bool({"staccato", "staccatissimo"} & set(marks)), voice > 0)
                    )  # fmt: skip
    table = np.array(rows, ALIGNED)
    if not len(table):
        return table
    if not table["staff"].any() and -1 not in listed:
        numbers = np.array(sorted(listed))
        found = staves_and_voices(*np.array([listed[number] for number in numbers]).T)
        for column, values in zip(("staff", "voice"), found, strict=True):
            table[column] = values[np.searchsorted(numbers, order)]
    table["quarter"] = to_quarter(table["quarter"])
    beat, unit, offset = np.array(counted).T
    same = np.diff(table["measure"]) == 0

    def unrest(place: np.ndarray) -> float:
        return float(np.mean(np.abs(np.diff(table["quarter"] - place)[same]) > 1e-2))

    # files count beats of a bar in different units: notes of the denominator, quarters, or three of the former
    table["place"] = min((beat * unit + offset, beat + offset, beat * 3 * unit + offset), key=unrest)
    _, first = np.unique(table["note"], return_index=True)
    table = table[first]
    table = table[np.lexsort((table["note"], table["quarter"]))]
    return _place_pickup(table)


def _place_pickup(table: np.ndarray) -> np.ndarray:
    """Shifts positions in an incomplete first bar, which are then counted from where the whole bar would begin."""
    start = table["quarter"] - table["place"]
    lowest = table["measure"].min()
    own = table["measure"] == lowest
    later = table["measure"] == lowest + 1
    after = table["measure"] == lowest + 2
    if later.any() and after.any():
        missing = np.median(start[after]) - 2 * np.median(start[later]) + np.median(start[own])
        if missing > 1e-3:
            table["place"][own] += missing
    return table


def _fraction(text: str) -> float:
    return sum(float(a) / float(b or 1) for a, _, b in (part.partition("/") for part in text.split("+")))
