"""Key signature and note names.

Keys by correlating the pitch classes, weighted by length, with the profiles of Albrecht and Shanahan ("The use of
large corpora to develop a new type of key-finding algorithm", Music Perception 31, 2013). Names on the line of fifths,
after Temperley (*The Cognition of Basic Musical Structures*, 2001, chapter 5): a pitch class takes the name nearest to
the key and to its neighbours, chromatic steps up want sharps, steps down flats.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..system.errors import AmtError

# share of each scale degree in a large corpus of major and minor music (Albrecht and Shanahan 2013, table 1)
_MAJOR = np.array([0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081])
_MINOR = np.array([0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052])
_STEPS = "FCGDAEB"  # along the line of fifths; C is 0


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
        """As mido writes it: ``"F#m"``, ``"Eb"``."""
        tonic = self.fifths + (3 if self.minor else 0)
        step, alter = _name(tonic)
        return step + "#" * max(alter, 0) + "b" * max(-alter, 0) + "m" * self.minor


def _name(line: int) -> tuple[str, int]:
    """Place on the line of fifths (C is 0, G 1, F -1) -> step and alteration."""
    return _STEPS[(line + 1) % 7], (line + 1) // 7


def estimate_key(pitch: np.ndarray, length: np.ndarray) -> Key:
    """``(n,)`` MIDI pitches and their lengths -> the key that fits best; C major for no notes."""
    chroma = np.bincount(np.asarray(pitch) % 12, np.asarray(length, float), 12)
    if chroma.sum() <= 0:
        return Key()
    scores = []
    for minor, profile in ((False, _MAJOR), (True, _MINOR)):
        for tonic in range(12):
            scores.append((np.corrcoef(chroma, np.roll(profile, tonic))[0, 1], tonic, minor))
    _, tonic, minor = max(scores)
    fifths = (7 * tonic + 5) % 12 - 5 - 3 * minor  # -5..6 for major
    return Key(fifths + 12 if fifths < -6 else fifths, minor)


def spell(
    pitch: np.ndarray, tick: np.ndarray, key: Key, *, window: int = 48
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Notes in order of onset -> their names.

    Args:
        pitch: ``(n,)`` MIDI pitches.
        tick: ``(n,)`` rising onsets.
        key: of the piece.
        window: ticks around a note whose names pull on its own.

    Returns:
        steps ``(n,)`` of one letter, alterations ``(n,)`` in -2..2, octaves ``(n,)``.
    """
    pitch, tick = np.asarray(pitch, int), np.asarray(tick)
    # the key's notes lie at fifths-1 .. fifths+5, and minor's leading note beyond them
    centre = key.fifths + (3.3 if key.minor else 2.0)
    line = _nearest(pitch, np.full(len(pitch), centre))
    goal = _step_names(pitch, tick)
    for _ in range(2):
        pull = 0.75 * centre + 0.25 * _local_mean(line, tick, window)
        places = _nearest(pitch, pull)[:, None] + np.array([0, 12, -12])
        wish = np.where(goal >= 0, line[goal] + np.where(pitch[goal] > pitch, 5, -5), 999)  # a diatonic semitone
        cost = np.abs(places - pull[:, None]) - 3.5 * (places == wish[:, None])
        line = np.take_along_axis(places, cost.argmin(1)[:, None], 1)[:, 0]
    names = [_name(int(place)) for place in line]
    steps = np.array([step for step, _ in names], dtype="U1")
    alters = np.array([alter for _, alter in names], dtype=int)
    naturals = np.array([{"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[s] for s in steps], dtype=int)
    return steps, alters, (pitch - alters - naturals) // 12 - 1


def _nearest(pitch: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """The place on the line of fifths of each pitch class that is nearest to a centre."""
    place = (7 * pitch) % 12  # one of its places; the others are 12 apart
    return (place + 12 * np.rint((centre - place) / 12)).astype(int)


def _local_mean(line: np.ndarray, tick: np.ndarray, window: int) -> np.ndarray:
    total = np.concatenate([[0.0], np.cumsum(line)])
    low, high = np.searchsorted(tick, tick - window), np.searchsorted(tick, tick + window, side="right")
    return (total[high] - total[low]) / (high - low)


def _step_names(pitch: np.ndarray, tick: np.ndarray, reach: int = 96) -> np.ndarray:
    """``(n,)`` index of the note a semitone away to which each note moves on next, -1 where it does not.

    A leading note is named as the step below its goal, a note falling by a semitone as the step above.
    """
    goal = np.full(len(pitch), -1)
    for i in range(len(pitch)):
        for j in range(i + 1, min(i + 12, len(pitch))):
            if tick[j] - tick[i] > reach:
                break
            if tick[j] > tick[i] and abs(pitch[j] - pitch[i]) <= 2:
                if abs(pitch[j] - pitch[i]) == 1:
                    goal[i] = j
                break
    return goal
