"""Assigns notes to hands by the network's logits; hands do not cross within a chord."""

from __future__ import annotations

import numpy as np

from .events import Events

LEFT, RIGHT = 1, 0
SPAN, STRETCH = 15, 0.5  # semitones a hand reaches easily; cost in nats per semitone beyond
FINGERS, CROWDED = 5, 2.0  # notes a hand plays at once; cost in nats per note beyond


def assign_hands(notes: np.ndarray, events: Events, lower: np.ndarray) -> np.ndarray:
    """Notes ``(n,)`` -> hands ``(n,)``, :data:`RIGHT` (0) or :data:`LEFT` (1).

    Args:
        notes: of the performance.
        events: of the notes.
        lower: ``(n,)`` log odds that each note is on the lower staff.
    """
    hands = np.zeros(len(notes), np.int8)
    order = np.lexsort((notes["pitch"], events.of_note))
    border = np.flatnonzero(np.diff(events.of_note[order])) + 1
    for chord in np.split(order, border):
        pitch = notes["pitch"][chord].astype(float)
        gain = np.concatenate([[0.0], np.cumsum(lower[chord])])  # of assigning the lowest k notes to the left hand
        if len(chord) > 1:
            gain = gain - [_strain(pitch[:k]) + _strain(pitch[k:]) for k in range(len(chord) + 1)]
        hands[chord[: int(gain.argmax())]] = LEFT
    return hands


def _strain(pitch: np.ndarray) -> float:
    if len(pitch) < 2:
        return 0.0
    return STRETCH * max(0.0, pitch[-1] - pitch[0] - SPAN) + CROWDED * max(0, len(pitch) - FINGERS)
