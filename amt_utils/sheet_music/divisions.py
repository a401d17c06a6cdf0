"""The number of parts into which each beat is divided, by placing its events on the grid points of each division."""

from __future__ import annotations

import numpy as np

from .note_network import PARTS

EVERY = (1, 2, 3, 4, 6, 8, 12, 16)
ONSET_SPREAD, RELATIVE_SPREAD = 0.025, 0.045  # standard deviation of onsets around the grid: seconds, share of the beat
COMPLEXITY = {1: 0.0, 2: 0.5, 3: 1.6, 4: 1.2, 6: 2.6, 8: 2.8, 12: 4.0, 16: 4.5}  # nats per beat of each division
SPARSE = 0.5  # nats per part beyond the number of events plus one
COLLISION, APART = 4.0, 0.10  # nats for two events on one grid point; full cost from this many seconds apart
MOST, LEAST = 8.0, -4.2  # nats: largest cost of an event's distance; lower limit of log probabilities
GAP_SPREAD, RELATIVE_GAP, GAP_MOST = 0.016, 0.18, 4.0  # the same of inter-onset intervals; their largest cost, nats
SHORTEST = 0.055  # seconds: shortest part
THREES_LIMIT = 2.5  # nats: largest evidence of one beat for triple or duple division


def complexity(s: int, events: int) -> float:
    """Cost in nats of dividing a beat with this many events into ``s`` parts."""
    return COMPLEXITY[s] + SPARSE * max(0, s - events - 1)


def prefer_threes(time: np.ndarray, times: np.ndarray) -> np.ndarray:
    """How much better events at ``time`` fit triple than duple division: ``(n - 1,)`` nats for the beats ``times``."""
    found = np.zeros(len(times) - 1)
    period = np.diff(times)
    number = np.searchsorted(times, time, side="right") - 1
    for beat in np.unique(number):
        if not 0 <= beat < len(found):
            continue
        x = (time[number == beat] - times[beat]) / period[beat]
        if len(x) < 2 and x[0] < 0.1:
            continue  # a single event on the beat fits both
        nothing = np.zeros((len(x), PARTS))
        least = {}
        for parts in ((2, 4, 8), (3, 6)):
            fits = [lay_events(x, nothing, s, period[beat])[1] + complexity(s, len(x)) for s in parts
                    if s <= 3 or period[beat] / s >= SHORTEST]  # fmt: skip
            least[parts[0]] = min(fits)
        found[beat] = np.clip(least[2] - least[3], -THREES_LIMIT, THREES_LIMIT)
    return found


def lay_events(x: np.ndarray, said: np.ndarray, s: int, period: float) -> tuple[np.ndarray, float]:
    """Events of one beat -> their grid points ``k / s``, in non-decreasing order, and the total cost in nats.

    Args:
        x: ``(n,)`` positions of the events in the beat, 0..1, n >= 1.
        said: ``(n, PARTS)`` weighted log probabilities of their positions; zeros if unknown.
        s: number of parts of the beat.
        period: length of the beat in seconds.
    """
    spread = np.hypot(ONSET_SPREAD / period, RELATIVE_SPREAD)
    points = np.arange(s + 1) / s
    part = points * PARTS % PARTS
    low = np.floor(part).astype(int)
    likely = np.maximum(said[:, low], said[:, np.ceil(part).astype(int) % PARTS])
    price = np.minimum(0.5 * ((x[:, None] - points) / spread) ** 2, MOST) - np.maximum(likely, LEAST)
    written = points[None, :] - points[:, None]  # (from, to)
    value, came = price[0], []
    for own, gap in zip(price[1:], np.diff(x), strict=True):
        uneven = (gap - written) / np.hypot(GAP_SPREAD / period, RELATIVE_GAP * np.maximum(written, gap))
        step = np.minimum(0.5 * uneven**2, GAP_MOST)
        step[written < 0] = np.inf
        np.fill_diagonal(step, COLLISION * min(gap * period / APART, 1.0))
        ways = value[:, None] + step
        came.append(ways.argmin(0))
        value = ways.min(0) + own
    k = int(value.argmin())
    total = float(value[k])
    laid = [k]
    for before in came[::-1]:
        k = int(before[k])
        laid.append(k)
    return np.array(laid[::-1]) / s, total
