"""Onsets in seconds -> ticks of a beat grid.

Each beat is divided into 1, 2, 3, 4, 6 or 8 parts, whichever puts its events near grid points with the least
complexity; beats keep to twos or threes as long as they can (Viterbi over beats). Then the beat times are fitted to
the onsets again as a smooth tempo curve, and the division is repeated on the better grid.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.linalg import solveh_banded

from .beats import Beats
from .events import Events

TICKS = 24  # per quarter note: exact for 32nds, triplets and sextuplets
ONSET_SPREAD = 0.020  # seconds, of a player's onsets about the grid
TEMPO_SPREAD = 0.04  # relative change of the beat's length from one beat to the next
_COMPLEXITY = {1: 0.0, 2: 0.8, 3: 2.0, 4: 1.8, 6: 3.4, 8: 3.8, 12: 4.5}  # nats per beat so divided
_SPARSE = 1.0  # nats per part, beyond two for each event
_SWITCH = 1.5  # nats, from twos to threes or back
_COLLISION = 3.0  # nats, two events apart in time on one grid point


def allowed_divisions(beats: Beats) -> tuple[int, ...]:
    """Divisions of a beat that notation can show: threes are plain in compound metres, tuplets elsewhere."""
    ticks = ticks_per_beat(beats)
    usual = (1, 2, 3, 6, 12) if ticks % 36 == 0 else (1, 2, 3, 4, 6, 8)
    return tuple(s for s in usual if ticks % s == 0 and ticks // s >= 3)


def ticks_per_beat(beats: Beats) -> int:
    return int(round(TICKS * beats.metre.quarters_per_beat))


def quantise(events: Events, beats: Beats, *, passes: int = 2) -> tuple[np.ndarray, Beats]:
    """Events -> ``(n,)`` ticks counted from ``beats.times[0]`` (may be negative), and the grid fitted to them."""
    for _ in range(passes):
        position, divisions = _divide(events, beats)
        beats = replace(beats, times=_fit_times(events, position, beats.times), divisions=divisions)
    position, divisions = _divide(events, beats)
    return np.rint(position * ticks_per_beat(beats)).astype(int), replace(beats, divisions=divisions)


def _divide(events: Events, beats: Beats) -> tuple[np.ndarray, np.ndarray]:
    """Events -> their beat positions on the grid, and each beat's division."""
    place = beats.to_beat(events.time)
    lowest = int(np.floor(place.min()))
    number = np.floor(place).astype(int) - lowest
    n_beats = max(int(number.max()) + 1, len(beats.times) - 1 - lowest)
    period = np.interp(place, np.arange(len(beats.times) - 1) + 0.5, np.diff(beats.times))
    spread = np.hypot(ONSET_SPREAD, 0.03 * period) / period  # in beats
    divisions = allowed_divisions(beats)
    cost = np.zeros((n_beats, len(divisions)))
    slots = np.zeros((len(place), len(divisions)))
    count = np.bincount(number, minlength=n_beats)
    again = np.diff(number, prepend=-1) == 0
    apart = np.diff(events.time, prepend=-1) > 0.05
    for j, s in enumerate(divisions):
        slot = np.rint((place - number - lowest) * s)
        slots[:, j] = number + lowest + slot / s
        miss = np.minimum(0.5 * ((slots[:, j] - place) / spread) ** 2, 8.0)
        collide = again & apart & (np.diff(slots[:, j], prepend=-9e9) <= 0)
        complexity = _COMPLEXITY[s] + _SPARSE * np.maximum(0, s - 2 * count)
        cost[:, j] = np.bincount(number, miss + _COLLISION * collide, n_beats) + complexity * (count > 0)
    compound = ticks_per_beat(beats) % 36 == 0
    chosen = _viterbi(cost, np.array([0 if s == 1 or compound else 3 if s % 3 == 0 else 2 for s in divisions]))
    in_grid = np.ones(len(beats.times) - 1, int)  # divisions of the grid's own beats
    own = np.array(divisions)[chosen][max(0, -lowest) :][: len(in_grid) - max(0, lowest)]
    in_grid[max(0, lowest) :][: len(own)] = own
    return slots[np.arange(len(place)), chosen[number]], in_grid


def _viterbi(cost: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """The cheapest division per beat, with a price on changing between twos and threes (a plain beat is either)."""
    change = _SWITCH * ((kind[:, None] != kind[None, :]) & (kind[:, None] > 0) & (kind[None, :] > 0))  # (to, from)
    value, came = cost[0].copy(), np.zeros(cost.shape, int)
    for b in range(1, len(cost)):
        ways = value[None, :] + change
        came[b] = ways.argmin(1)
        value = ways.min(1) + cost[b]
    chosen = np.zeros(len(cost), int)
    chosen[-1] = value.argmin()
    for b in range(len(cost) - 1, 0, -1):
        chosen[b - 1] = came[b, chosen[b]]
    return chosen


def _fit_times(events: Events, position: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Beat times that pass near the onsets at ``position`` (beats) and whose length changes smoothly: least squares."""
    n = len(times)
    if n < 3:
        return times
    i = np.clip(np.floor(position).astype(int), 0, n - 2)
    x = position - i
    inside = (x >= 0) & (x <= 1)
    i, x, time = i[inside], x[inside], events.time[inside]
    weight = 1 / ONSET_SPREAD**2
    band = np.zeros((3, n))  # diagonals 0, 1, 2 below
    right = np.zeros(n)
    np.add.at(band[0], i, weight * (1 - x) ** 2)
    np.add.at(band[0], i + 1, weight * x**2)
    np.add.at(band[1], i, weight * x * (1 - x))
    np.add.at(right, i, weight * (1 - x) * time)
    np.add.at(right, i + 1, weight * x * time)
    smooth = 1 / (TEMPO_SPREAD * (times[2:] - times[:-2]) / 2) ** 2
    for a, value in ((0, 1.0), (1, 4.0), (2, 1.0)):
        band[0, a : n - 2 + a] += value * smooth
    band[1, : n - 2] -= 2 * smooth
    band[1, 1 : n - 1] -= 2 * smooth
    band[2, : n - 2] += smooth
    band[0] += 1e-9
    fitted = solveh_banded(band, right, lower=True)
    gap = np.maximum(np.diff(fitted), 0.3 * np.diff(times))  # time does not run backwards
    return np.concatenate([[fitted[0]], fitted[0] + np.cumsum(gap)])
