"""Which hand plays which note, from pitch and time alone.

A hidden Markov model over the pitches at which the two hands rest, after Nakamura, Ono and Sagayama, "Merged-output
HMM for piano fingering of both hands" (ISMIR 2014), without fingers: each chord is cut in two at the gap that suits
the hands best, notes far from their hand cost, so do stretches wider than a hand, and moving costs the less the more
time there is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..music.notes import HIGHEST_PITCH, LOWEST_PITCH
from .events import find_events

LEFT, RIGHT = 1, 0
_CENTRES = np.arange(LOWEST_PITCH, HIGHEST_PITCH + 1, 2)


@dataclass(frozen=True)
class HandModel:
    """Costs, in nats.

    Attributes:
        reach: semitones from the hand's place that cost nothing.
        stray: per semitone further off.
        span: the widest easy stretch, semitones; ``stretch`` is the cost per semitone beyond.
        move: per semitone a hand moves, for an immediate move; ``haste`` seconds later it costs half.
        home: places of the left and the right hand at rest, and ``drift``, the cost per semitone off.
        cross: for hands nearer than ``apart`` semitones, per semitone.
    """

    reach: float = 4.0
    stray: float = 0.30
    span: float = 13.0
    stretch: float = 1.0
    move: float = 0.25
    haste: float = 0.4
    home: tuple[float, float] = (48.0, 69.0)
    drift: float = 0.012
    cross: float = 0.3
    apart: float = 9.0


def assign_hands(notes: np.ndarray, model: HandModel | None = None) -> np.ndarray:
    """``(n,)`` notes -> ``(n,)`` of :data:`RIGHT` (0) and :data:`LEFT` (1)."""
    model = model or HandModel()
    hands = np.zeros(len(notes), np.int8)
    if not len(notes):
        return hands
    events = find_events(notes)
    chords = [np.flatnonzero(events.of_note == k) for k in range(len(events.time))]
    chords = [chord[np.argsort(notes["pitch"][chord], kind="stable")] for chord in chords]
    n = len(_CENTRES)
    distance = 2.0 * np.abs(np.arange(n)[:, None] - np.arange(n)[None, :])
    rest = _rest_cost(model)
    value = np.zeros((n, n))
    steps = []
    last = events.time[0]
    for chord, time in zip(chords, events.time, strict=True):
        move = (model.move / (1 + (time - last) / model.haste) * distance).astype(np.float32)
        value, from_left = _shift(value, move, axis=0)
        value, from_right = _shift(value, move, axis=1)
        cut, cost = _cut_costs(notes["pitch"][chord].astype(float), model)
        value = value + cost + rest
        value = (value - value.min()).astype(np.float32)
        steps.append((from_left, from_right, cut))
        last = time
    left, right = np.unravel_index(int(value.argmin()), value.shape)
    for chord, (from_left, from_right, cut) in zip(chords[::-1], steps[::-1], strict=True):
        hands[chord[: cut[left, right]]] = LEFT
        right = from_right[left, right]
        left = from_left[left, right]
    return hands


def _rest_cost(model: HandModel) -> np.ndarray:
    left, right = np.meshgrid(_CENTRES, _CENTRES, indexing="ij")
    drift = model.drift * (np.abs(left - model.home[0]) + np.abs(right - model.home[1]))
    return drift + model.cross * np.maximum(0, model.apart - (right - left))


def _shift(value: np.ndarray, move: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The cheapest way to each place along one axis, and whence: two (left, right) arrays."""
    if axis == 0:
        ways = value[None, :, :] + move[:, :, None]  # (to, from, right)
        source = ways.argmin(1)
        return np.take_along_axis(ways, source[:, None, :], 1)[:, 0], source.astype(np.int8)
    ways = value[:, None, :] + move[None, :, :]  # (left, to, from)
    source = ways.argmin(2)
    return np.take_along_axis(ways, source[:, :, None], 2)[..., 0], source.astype(np.int8)


def _cut_costs(pitch: np.ndarray, model: HandModel) -> tuple[np.ndarray, np.ndarray]:
    """For each place of the hands: how many of the chord's lowest notes the left hand takes, and at what cost."""
    stray = model.stray * np.maximum(0, np.abs(pitch[:, None] - _CENTRES[None, :]) - model.reach)  # (notes, centres)
    total = np.vstack([np.zeros(len(_CENTRES)), stray.cumsum(0)])
    cuts = []
    for k in range(len(pitch) + 1):
        wide = sum(
            max(0.0, part[-1] - part[0] - model.span) + 2.0 * max(0, len(part) - 5)
            for part in (pitch[:k], pitch[k:])
            if len(part)
        )
        cuts.append(total[k][:, None] + (total[-1] - total[k])[None, :] + model.stretch * wide)
    cuts = np.stack(cuts)
    best = cuts.argmin(0)
    return best, np.take_along_axis(cuts, best[None], 0)[0]
