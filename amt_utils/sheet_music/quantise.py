"""Onsets in seconds -> ticks of a beat grid.

Each beat is divided into 1, 2, 3, 4, 6, 8 ... parts. For each division, a shortest path assigns the events of the beat
to grid points in order: near in time, likely by the network, and preferably one event per point. A Viterbi search over
the beats then chooses divisions that fit well, are simple, and seldom change between duple and triple.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .beats import Beats
from .divisions import EVERY, SHORTEST, complexity, lay_events
from .evidence import Evidence
from .viterbi import cheapest_path

SAID = 0.6  # weight of the network's log probabilities
_SWITCH = 1.5  # cost in nats of changing between duple and triple division


def allowed_divisions(beat_ticks: int) -> tuple[int, ...]:
    """Divisions of a beat that can be notated; triple ones are tuplets unless the metre is compound."""
    usual = (1, 2, 3, 6, 12) if beat_ticks % 36 == 0 else (1, 2, 3, 4, 6, 8, 12, 16)
    return tuple(s for s in usual if beat_ticks % s == 0 and beat_ticks // s >= 3)


def quantise(evidence: Evidence, beats: Beats, *, moved: bool = True) -> tuple[np.ndarray, Beats]:
    """Events -> ``(n,)`` ticks counted from ``beats.times[0]`` (may be negative), and the grid with its divisions.

    With ``moved``, beat times are first fitted to the onsets (:func:`_fit_times`).
    """
    position, divisions = _divide(evidence, beats)
    if moved:
        beats = replace(beats, times=_fit_times(evidence.time, position, beats.times))
        position, divisions = _divide(evidence, beats)
    return np.rint(beats.beat_to_tick(position)).astype(int), replace(beats, divisions=divisions)


def _divide(evidence: Evidence, beats: Beats) -> tuple[np.ndarray, np.ndarray]:
    """Events -> ``(n,)`` quantised positions in beats, and ``(n_beats - 1,)`` divisions."""
    place = beats.to_beat(evidence.time)
    number = np.floor(place + 1e-9).astype(int)
    # an event just before a beat may be placed on the end of the previous one, which is part 0; order is kept
    lowest, highest = int(number.min()), max(int(number.max()), len(beats.times) - 2)
    position = np.empty(len(place))
    slots: list[dict[int, np.ndarray]] = []
    cost = np.full((highest - lowest + 1, len(EVERY)), np.inf)
    start = np.searchsorted(number, np.arange(lowest, highest + 2))
    for row, beat in enumerate(range(lowest, highest + 1)):
        inside = int(np.clip(beat, 0, len(beats.times) - 2))
        ticks, period = int(beats.beat_ticks[inside]), float(beats.times[inside + 1] - beats.times[inside])
        own = slice(int(start[row]), int(start[row + 1]))
        x, said = place[own] - beat, SAID * evidence.part[own]
        laid: dict[int, np.ndarray] = {}
        for j, s in enumerate(EVERY):
            if s not in allowed_divisions(ticks) or (s > 2 and period / s < SHORTEST):
                continue
            if not len(x):
                cost[row, j] = 0.0 if s == 1 else 0.3
                continue
            laid[s], fit = lay_events(x, said, s, period)
            cost[row, j] = fit + complexity(s, len(x))
        slots.append(laid)
    threes = np.array([0 if s == 1 else 3 if s % 3 == 0 else 2 for s in EVERY])
    differ = (threes[:, None] != threes) & (threes[:, None] > 0) & (threes > 0)
    chosen = cheapest_path(cost, _SWITCH * differ)  # changes between duple and triple division cost
    for row, beat in enumerate(range(lowest, highest + 1)):
        own = slice(int(start[row]), int(start[row + 1]))
        if own.stop > own.start:
            position[own] = beat + slots[row][EVERY[chosen[row]]]
    divisions = np.ones(len(beats.times) - 1, int)
    inner = np.array(EVERY)[chosen][max(0, -lowest) :]
    at = max(0, lowest)
    divisions[at : at + len(inner)] = inner[: len(divisions) - at]
    return position, divisions


def _fit_times(
    time: np.ndarray, position: np.ndarray, times: np.ndarray, spread: float = 0.010, tempo_spread: float = 0.10
) -> np.ndarray:
    """Least-squares beat times: near the onsets at ``position`` (beats), with smoothly changing beat lengths."""
    n = len(times)
    if n < 3:
        return times
    i = np.clip(np.floor(position).astype(int), 0, n - 2)
    x = position - i
    inside = (x >= 0) & (x <= 1)
    i, x, time = i[inside], x[inside], time[inside]
    weight = np.where((x < 0.01) | (x > 0.99), 1 / spread**2, 1 / (4 * spread) ** 2)
    band = np.zeros((3, n))  # diagonals 0, 1, 2 below
    right = np.zeros(n)
    np.add.at(band[0], i, weight * (1 - x) ** 2)
    np.add.at(band[0], i + 1, weight * x**2)
    np.add.at(band[1], i, weight * x * (1 - x))
    np.add.at(right, i, weight * (1 - x) * time)
    np.add.at(right, i + 1, weight * x * time)
    smooth = 1 / (tempo_spread * (times[2:] - times[:-2]) / 2) ** 2
    for a, value in ((0, 1.0), (1, 4.0), (2, 1.0)):
        band[0, a : n - 2 + a] += value * smooth
    band[1, : n - 2] -= 2 * smooth
    band[1, 1 : n - 1] -= 2 * smooth
    band[2, : n - 2] += smooth
    hold = 1 / 0.05**2  # beats without other evidence stay in place
    band[0] += hold
    right += hold * times
    fitted = _solve_banded(band, right)
    gap = np.maximum(np.diff(fitted), 0.3 * np.diff(times))  # times increase
    return np.concatenate([[fitted[0]], fitted[0] + np.cumsum(gap)])


def _solve_banded(band: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solves a positive definite system: ``band`` holds the main and two lower diagonals, ``right`` is ``(n,)``.

    Uses the L D L' (Cholesky) decomposition. scipy has it too, but importing scipy takes longer than solving.
    """
    main, first, second = band.tolist()
    y = right.tolist()
    n = len(y)
    for i in range(n):  # first, second: L below its diagonal; main: D
        for j, below in ((i + 1, first[i]), (i + 2, second[i])):
            if j < n:
                share = below / main[i]
                main[j] -= share * below
                y[j] -= share * y[i]
        if i + 2 < n:
            first[i + 1] -= first[i] * second[i] / main[i]
    for i in reversed(range(n)):
        for j, below in ((i + 1, first[i]), (i + 2, second[i])):
            if j < n:
                y[i] -= below * y[j]
        y[i] /= main[i]
    return np.array(y)
