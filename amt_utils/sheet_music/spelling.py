"""Key signatures and note names, from the network's logits.

Names lie on the line of fifths: a pitch class has one every twelve places, and the likeliest is taken that is not far
from the key. Whether a signature is major or minor follows from profiles by Albrecht and Shanahan ("The use of large
corpora to develop a new type of key-finding algorithm", Music Perception 31, 2013).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..system.errors import AmtError
from .evidence import log_softmax
from .note_network import KEYS, NAMES
from .viterbi import cheapest_path

# share of each pitch class above the tonic in a corpus of major and minor music (Albrecht and Shanahan 2013, table 1)
_MAJOR = np.array([0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081])
_MINOR = np.array([0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052])
FLOOR = -5.0  # nats: lower limit of a note's log probability of a key
PROFILE = 20.0  # weight of the correlation with a key profile
AROUND = 4  # bars before and after a bar that are averaged with it
BAR_WEIGHT, NEW_KEY = 0.3, 90.0  # weight of a bar, as averages overlap; nats of a new key signature
FIRST_BARS, OPENING = 8, 5.0  # bars at the beginning, and their weight relative to others
SIGNS = 1.0  # nats per accidental (double ones count twice), to choose between enharmonic keys
KEY_CLASSES = np.arange(12)  # enharmonic keys are one class: fifths modulo 12
FAR = 0.1  # nats per fifth between a name and the centre of the key
_STEPS = "FCGDAEB"  # the naturals along the line of fifths; C is 0


@dataclass(frozen=True)
class Key:
    """A key signature: ``fifths`` sharps (positive) or flats (negative), -7..7, and the mode."""

    fifths: int = 0
    minor: bool = False

    @classmethod
    def parse(cls, text: str | Key) -> Key:
        """``"Eb"``, ``"F#m"``, ``"f# minor"``, ``"C major"`` -> :class:`Key`; raises :class:`AmtError` otherwise."""
        if isinstance(text, cls):
            return text
        word = str(text).strip()
        head, _, mode = word.partition(" ")
        minor = mode.lower().startswith("min") or (not mode and head.endswith("m")) or (not mode and head[:1].islower())
        name = head.removesuffix("m") if not mode else head
        name = name[:1].upper() + name[1:].replace("♯", "#").replace("♭", "b")
        letters = name[:1], name[1:]
        if not name or letters[0] not in _STEPS or letters[1] not in ("", "#", "b"):
            raise AmtError(f"key {text!r}: write a tonic and a mode, for example Eb, F#m or 'C minor'")
        fifths = _STEPS.index(letters[0]) - 1 + 7 * {"": 0, "#": 1, "b": -1}[letters[1]] - 3 * minor
        if not -7 <= fifths <= 7:
            raise AmtError(f"key {text!r}: needs {abs(fifths)} accidentals; use the enharmonic key with at most 7")
        return cls(fifths, minor)

    @property
    def name(self) -> str:
        """The key as mido writes it: ``"F#m"``, ``"Eb"``."""
        tonic = self.fifths + (3 if self.minor else 0)
        step, alter = _name(tonic)
        return step + "#" * max(alter, 0) + "b" * max(-alter, 0) + "m" * self.minor


def most_common(keys: Sequence[Key]) -> Key:
    """The key of most bars."""
    return max(dict.fromkeys(keys), key=keys.count)


def _name(line: int) -> tuple[str, int]:
    """Position on the line of fifths (C is 0, G 1, F -1) -> step and alteration."""
    return _STEPS[(line + 1) % 7], (line + 1) // 7


def find_keys(said: np.ndarray, pitch: np.ndarray, length: np.ndarray, bar: np.ndarray, count: int) -> list[Key]:
    """The key of each bar: Viterbi over bars, each averaged with the :data:`AROUND` bars before and after it.

    Args:
        said: ``(n, KEYS)`` logits of each note's key signature.
        pitch: ``(n,)`` MIDI pitches.
        length: ``(n,)`` lengths of the notes, in any unit.
        bar: ``(n,)`` number of the bar of each onset, from 0.
        count: number of bars.
    """
    pitch, bar = np.asarray(pitch, int), np.asarray(bar, int)
    likely, chroma, notes = np.zeros((count, len(KEYS))), np.zeros((count, 12)), np.zeros(count)
    np.add.at(likely, bar, np.maximum(log_softmax(said), FLOOR))
    np.add.at(chroma, (bar, pitch % 12), np.asarray(length, float))
    np.add.at(notes, bar, 1)
    likely, chroma, notes = (_sum_around(x) for x in (likely, chroma, notes))
    gain = likely / np.maximum(notes, 1)[:, None] + PROFILE * _fit_profiles(chroma) + 0.5 * (np.abs(KEYS) <= 6)
    sounding = np.array([gain[:, k == KEYS % 12].max(1) for k in KEY_CLASSES])  # enharmonic keys are separated below
    weight = BAR_WEIGHT * np.where(np.arange(count) < FIRST_BARS, OPENING, 1.0)
    chosen = cheapest_path(-sounding.T * weight[:, None], NEW_KEY * (1 - np.eye(len(KEY_CLASSES))))
    keys: list[Key] = [Key()] * count
    edges = [0, *(np.flatnonzero(np.diff(chosen)) + 1).tolist(), count]
    for begin, end in zip(edges, edges[1:], strict=False):
        own = (bar >= begin) & (bar < end)
        names = [int(k) for k in KEYS if k % 12 == KEY_CLASSES[chosen[begin]]]
        minor = _with_mode(names[0], pitch[own], length[own]).minor
        best = max(names, key=lambda k: (k == (-6 if minor else 6)) - _signs(pitch[own], k))
        keys[begin:end] = [_with_mode(best, pitch[own], length[own])] * (end - begin)
    return keys


def _sum_around(x: np.ndarray) -> np.ndarray:
    """Sum of each row and the :data:`AROUND` rows before and after it."""
    total = np.concatenate([np.zeros((1, *x.shape[1:])), np.cumsum(x, 0)])
    at = np.arange(len(x))
    return total[np.minimum(at + AROUND + 1, len(x))] - total[np.maximum(at - AROUND, 0)]


def _fit_profiles(chroma: np.ndarray) -> np.ndarray:
    """Chroma ``(bars, 12)`` -> ``(bars, KEYS)`` correlations with the better of the major and minor profiles."""
    both = enumerate((_MAJOR, _MINOR))
    profiles = np.array([[np.roll(own, 7 * (k + 3 * minor) % 12) for k in KEYS] for minor, own in both])
    profiles = profiles - profiles.mean(-1, keepdims=True)
    centred = chroma - chroma.mean(1, keepdims=True)
    size = np.linalg.norm(centred, axis=1)[:, None, None] * np.linalg.norm(profiles, axis=-1)
    return (np.einsum("bc,mkc->bmk", centred, profiles) / np.maximum(size, 1e-9)).max(1)


def _signs(pitch: np.ndarray, fifths: int) -> float:
    """Cost of the note names in a key: their mean distance from the centre of the naturals, weighted by SIGNS."""
    if not len(pitch):
        return 0.0
    return SIGNS * float(np.abs(_nearest(pitch, np.full(len(pitch), fifths + 2.0)) - 2).mean())


def _with_mode(fifths: int, pitch: np.ndarray, length: np.ndarray) -> Key:
    """The key with this signature, major or minor by the better profile."""
    chroma = np.bincount(np.asarray(pitch) % 12, np.asarray(length, float), 12)
    major = np.corrcoef(chroma, np.roll(_MAJOR, 7 * fifths % 12))[0, 1]
    minor = np.corrcoef(chroma, np.roll(_MINOR, 7 * (fifths + 3) % 12))[0, 1]
    return Key(fifths, bool(minor > major))


def spell(pitch: np.ndarray, said: np.ndarray, key: Key) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Notes -> their names.

    Args:
        pitch: ``(n,)`` MIDI pitches.
        said: ``(n, NAMES)`` logits of each note's position on the line of fifths.
        key: the key signature that holds there.

    Returns:
        steps ``(n,)`` as one letter, alterations ``(n,)`` in -2..2, octaves ``(n,)``.
    """
    pitch = np.asarray(pitch, int)
    centre = key.fifths + (3.3 if key.minor else 2.0)
    places = _nearest(pitch, np.full(len(pitch), centre))[:, None] + np.array([0, 12, -12])
    inside = (places >= NAMES[0]) & (places <= NAMES[-1])
    column = np.clip(places - NAMES[0], 0, len(NAMES) - 1)
    likely = log_softmax(said)
    drift = 12 * int(np.rint(np.mean(NAMES[likely.argmax(1)] - centre) / 12))
    likely = np.roll(likely, -drift, 1)  # the network may spell in the enharmonic key
    gain = np.take_along_axis(np.maximum(likely, -9.0), column, 1) - FAR * np.abs(places - centre)
    best = np.where(inside, gain, -np.inf).argmax(1)
    line = places[np.arange(len(pitch)), best]
    names = [_name(int(place)) for place in line]
    steps = np.array([step for step, _ in names], dtype="U1")
    alters = np.array([alter for _, alter in names], dtype=int)
    naturals = np.array([{"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[s] for s in steps], dtype=int)
    return steps, alters, (pitch - alters - naturals) // 12 - 1


def _nearest(pitch: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """The position of each pitch class on the line of fifths that is nearest to a centre."""
    place = (7 * pitch) % 12  # one of its positions; the others are 12 apart
    return (place + 12 * np.rint((centre - place) / 12)).astype(int)
