"""A sheet of test notes to play on your own piano: as music to read, and as MIDI.

A quarter of an hour at the piano gives what a model should be judged on: single keys at three loudnesses,
repetitions, chords, scales, and the pedals. The sheet begins and ends with three loud octaves, so that the recording
and the piano's MIDI (or the MIDI of this sheet) are easily brought together (:mod:`amt_utils.data.own_piano.align`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...music.notes import HIGHEST_PITCH, LOWEST_PITCH, SOFT, SOSTENUTO, SUSTAIN, Performance, make_notes, make_pedals
from ...system.errors import AmtError

BEATS_PER_BAR = 4
LOUDNESS = {"pp": 25, "p": 45, "mf": 70, "f": 95, "ff": 115}  # written dynamic -> MIDI velocity
SECTIONS = ("sync", "keys", "repetitions", "chords", "scales", "pedals")
_PLAYED_SHARE = 0.9  # of the written length, so that a repeated key comes up before it is struck again


@dataclass(frozen=True)
class Sheet:
    """Music in quarter beats; every section begins on a bar line.

    Attributes:
        notes: ``(onset, length, pitch, velocity)`` in beats, sorted.
        pedals: ``(onset, offset, kind)`` in beats.
        words: ``(beat, text)`` above the staff.
        dynamics: ``(beat, name)``, names from :data:`LOUDNESS`.
        tempo: beats per minute.
    """

    notes: tuple[tuple[float, float, int, int], ...]
    pedals: tuple[tuple[float, float, int], ...]
    words: tuple[tuple[float, str], ...]
    dynamics: tuple[tuple[float, str], ...]
    tempo: float

    @property
    def seconds(self) -> float:
        """How long it takes to play."""
        return max(onset + length for onset, length, _, _ in self.notes) * 60 / self.tempo

    def performance(self) -> Performance:
        """The sheet played exactly as written."""
        beat = 60 / self.tempo
        onset, length, pitch, velocity = np.array(self.notes, dtype=np.float64).T
        notes = make_notes(onset * beat, (onset + _PLAYED_SHARE * length) * beat, pitch, velocity)
        pedals = np.array(self.pedals, dtype=np.float64).reshape(-1, 3)
        return Performance(notes, make_pedals(pedals[:, 0] * beat, pedals[:, 1] * beat, pedals[:, 2]))


def make_sheet(
    sections: tuple[str, ...] = SECTIONS,
    *,
    tempo: float = 72.0,
    loudness: tuple[str, ...] = ("p", "mf", "ff"),
    lowest: int = LOWEST_PITCH,
    highest: int = HIGHEST_PITCH,
) -> Sheet:
    """The test notes.

    Args:
        sections: which of :data:`SECTIONS`, in this order; ``sync`` frames the rest, before and after.
        tempo: beats per minute.
        loudness: dynamics at which single keys are played, from :data:`LOUDNESS`.
        lowest, highest: the keyboard's range (MIDI 28..103 for 76 keys, 36..96 for 61).

    Raises:
        AmtError: an unknown section or dynamic, a tempo or range that cannot be played.
    """
    for given, known, what in ((sections, SECTIONS, "section"), (loudness, LOUDNESS, "dynamic")):
        unknown = [name for name in given if name not in known]
        if unknown or not given:
            raise AmtError(f"sheet: no {what} {unknown[0] if unknown else ''!r}; there are {', '.join(known)}")
    if not 30 <= tempo <= 200:
        raise AmtError(f"sheet: tempo {tempo} is not between 30 and 200 beats per minute")
    if not LOWEST_PITCH <= lowest <= highest - 24 or highest > HIGHEST_PITCH:
        raise AmtError(f"sheet: keys {lowest}..{highest} are not at least two octaves within 21..108")
    pen = _Pen(lowest, highest)
    writers = {
        "keys": lambda: _write_keys(pen, loudness),
        "repetitions": lambda: _write_repetitions(pen),
        "chords": lambda: _write_chords(pen),
        "scales": lambda: _write_scales(pen),
        "pedals": lambda: _write_pedals(pen),
    }
    if "sync" in sections:
        _write_sync(pen)
    for section in sections:
        if section != "sync":
            writers[section]()
    if "sync" in sections:
        _write_sync(pen)
    notes = tuple(sorted(set(pen.notes)))
    return Sheet(notes, tuple(sorted(pen.pedals)), tuple(pen.words), tuple(pen.dynamics), tempo)


class _Pen:
    """Writes from a running beat on."""

    def __init__(self, lowest: int, highest: int):
        self.lowest, self.highest = lowest, highest
        self.beat, self.velocity = 0.0, LOUDNESS["mf"]
        self.notes: list = []
        self.pedals: list = []
        self.words: list = []
        self.dynamics: list = []

    def say(self, text: str) -> None:
        self.words.append((self.beat, text))

    def loud(self, name: str) -> None:
        self.velocity = LOUDNESS[name]
        self.dynamics.append((self.beat, name))

    def play(self, pitches, length: float = 1.0, *, held: float | None = None) -> None:
        """Strikes keys, holds them ``held`` beats (``length`` if not given) and moves on by ``length``."""
        for pitch in np.atleast_1d(pitches):
            if self.lowest <= pitch <= self.highest:
                self.notes.append((self.beat, held or length, int(pitch), self.velocity))
        self.beat += length

    def rest(self, length: float = 1.0) -> None:
        self.beat += length

    def press(self, kind: int, begin: float, end: float) -> None:
        self.pedals.append((begin, end, kind))

    def end_bar(self) -> None:
        self.beat = float(np.ceil(self.beat / BEATS_PER_BAR) * BEATS_PER_BAR)


def _write_sync(pen: _Pen) -> None:
    pen.say("Sync: short and loud, then silence")
    pen.loud("ff")
    for _ in range(3):
        pen.play([60, 72], 1.0, held=0.5)
    pen.end_bar()
    pen.rest(BEATS_PER_BAR)


def _write_keys(pen: _Pen, loudness: tuple[str, ...]) -> None:
    """Every sixth key from the bottom up: A and E flat; once per loudness, two beats each."""
    for name in loudness:
        pen.say(f"Single keys, {name}: hold, let go")
        pen.loud(name)
        for pitch in range(pen.lowest, pen.highest + 1, 6):
            pen.play(pitch, 2.0, held=1.0)
        pen.end_bar()


def _write_repetitions(pen: _Pen) -> None:
    pen.say("Repetitions: quarters, eighths, sixteenths on one key")
    for pitch in (36, 60, 84):
        pen.loud("mf")
        for length, times in ((1.0, 4), (0.5, 8), (0.25, 12)):
            for _ in range(times):
                pen.play(pitch, length)
        pen.end_bar()


def _write_chords(pen: _Pen) -> None:
    shapes = ([0, 4, 7], [0, 3, 7, 12], [0, 4, 7, 10], [0, 3, 6, 9], [0, 2, 4, 5, 7])
    for name in ("p", "f"):
        pen.say(f"Chords, {name}: all keys together")
        pen.loud(name)
        for shape in shapes:
            for root in (41, 53, 65, 77):
                pen.play(root + np.array(shape), 1.0)
    pen.say("Both hands, far apart")
    for low, high in ((29, 88), (36, 84), (43, 79), (48, 76)):
        pen.play([low, low + 12, high - 12, high - 5, high], 2.0)
    pen.end_bar()


def _write_scales(pen: _Pen) -> None:
    major = np.array([0, 2, 4, 5, 7, 9, 11])
    up = np.concatenate([major + 12 * octave for octave in range(3)] + [np.array([36])])
    run = np.concatenate([up, up[-2::-1]])
    pen.say("Scale in octaves, legato, eighths")
    pen.loud("mf")
    for step in run:
        pen.play([36 + step, 48 + step], 0.5)
    pen.end_bar()
    pen.say("Chromatic, staccato, sixteenths")
    pen.loud("p")
    for pitch in range(48, 84):
        pen.play(pitch, 0.25, held=0.25)
    pen.end_bar()
    pen.say("Arpeggio, crescendo")
    for name, root in zip(("p", "mf", "f", "ff"), (33, 38, 41, 45), strict=True):
        pen.loud(name)
        for step in (0, 7, 12, 16, 19, 24, 28, 31):
            pen.play(root + step, 0.5)


def _write_pedals(pen: _Pen) -> None:
    pen.say("Sustain pedal: press with the key, let go where written")
    pen.loud("mf")
    for root in (41, 48, 53, 43):
        pen.press(SUSTAIN, pen.beat, pen.beat + 3.5)
        pen.play([root, root + 12, root + 16, root + 19], 1.0)
        pen.play(root + 24, 1.0)
        pen.play(root + 28, 2.0, held=1.0)
    pen.say("Pedal down after the keys, up before the next")
    for pitch in (60, 64, 65, 67, 69, 72):
        pen.press(SUSTAIN, pen.beat + 0.5, pen.beat + 1.75)
        pen.play([pitch - 12, pitch], 2.0, held=1.0)
    pen.say("Sostenuto (middle) pedal, if there is one")
    pen.press(SOSTENUTO, pen.beat + 0.5, pen.beat + 7.0)
    pen.play([36, 43, 48], 2.0, held=1.0)
    for pitch in (72, 74, 76, 77, 79, 77, 76, 74, 72):
        pen.play(pitch, 0.5)
    pen.end_bar()
    pen.say("Soft (left) pedal")
    pen.press(SOFT, pen.beat, pen.beat + 8.0)
    for root in (60, 65, 67, 60):
        pen.play([root, root + 4, root + 7], 2.0)
    pen.end_bar()
