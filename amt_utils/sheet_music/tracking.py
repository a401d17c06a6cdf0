"""The row of beats that suits best what the network says of each event, by dynamic programming.

A path is a row of beats. A beat on an event gains the event's log odds of being one; a beat with no event near costs;
the time between two beats should be what the network takes for a beat there, and change little from one to the next. A
semi-Markov Viterbi search over (time of a beat, time since the one before) finds the best path, as Temperley's
probabilistic polyphonic beat finder does with other evidence (JNMR 38, 2009). Time and memory are linear in the length of
the recording.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .evidence import Evidence
from .note_network import PERIODS

STEP = 0.02  # resolution of the search, seconds
PERIOD_RATIO = 1.045  # neighbouring candidate periods
SHORTEST, LONGEST = 0.19, 3.2  # seconds of a beat


@dataclass(frozen=True)
class BeatModel:
    """What the evidence weighs, in nats; tuned by hand on the compositions that the network learnt from.

    Attributes:
        beat: of an event's log odds.
        silent: a beat with no event.
        spread: seconds from a beat to its event.
        period: of the log probability of a beat's length, per second of music.
        change: expected change of log period between beats, and ``change_limit``, the most that a change costs.
        told: spread, in octaves, about a tempo that was told.
    """

    beat: float = 0.8
    silent: float = -0.7
    spread: float = 0.025
    period: float = 0.5
    change: float = 0.10
    change_limit: float = 8.0
    told: float = 0.12


def track_beats(evidence: Evidence, *, tempo: float | None = None, model: BeatModel | None = None) -> np.ndarray:
    """Evidence of at least one event -> ``(n,)`` seconds of the likeliest beats, n >= 2.

    Args:
        evidence: of the events.
        tempo: beats per minute near which to search (within a third); ``None`` searches everywhere.
        model: what the evidence weighs.
    """
    model = model or BeatModel()
    low, high = (SHORTEST, LONGEST) if tempo is None else (45 / tempo, 80 / tempo)
    count = int(np.ceil(np.log(high / low) / np.log(PERIOD_RATIO))) + 1
    frames = np.unique(np.maximum(np.rint(np.geomspace(low, high, count) / STEP), 4)).astype(int)
    periods = frames * STEP
    time = evidence.time
    origin = time[0] - (frames.max() + 2) * STEP
    n = int(np.ceil((time[-1] - origin) / STEP)) + frames.max() + 3
    gain = _beat_gain(evidence, n, origin, model)
    fit = _period_fit(evidence, periods, n, origin, tempo, model)  # (n, periods): a beat that ends at a frame
    cost = 0.5 * (np.log(periods[:, None] / periods[None, :]) / model.change) ** 2
    cost = np.minimum(cost, model.change_limit).astype(np.float32)  # (to, from)
    best = np.full((n, len(frames)), -np.inf, np.float32)  # a beat at this frame, so long after the one before
    came = np.full((n, len(frames)), -1, np.int16)
    first = frames.max() + 3  # the first beat is no later than the first event, and not a beat before it
    opening = np.full(n, -np.inf, np.float32)
    opening[: first + 1] = gain[: first + 1]
    block = int(frames.min())
    for begin in range(0, n, block):  # no beat begins and ends within one block, so a block is one array operation
        t = np.arange(begin, min(begin + block, n))
        since = t[:, None] - frames[None, :]  # (t, to)
        inside = since >= 0
        at = np.where(inside, since, 0)
        arrive = best[at] - cost  # (t, to, from)
        source = arrive.argmax(2)
        value = np.take_along_axis(arrive, source[..., None], 2)[..., 0]
        fresh = opening[at] > value
        value = np.where(fresh, opening[at], value) + fit[t] + gain[t][:, None]
        best[t] = np.where(inside, value, -np.inf)
        came[t] = np.where(fresh, -1, source)
    last = int(np.searchsorted(np.arange(n) * STEP + origin, time[-1] - 0.5 * STEP))
    tail = best[last:]
    t, state = (int(i) for i in np.unravel_index(int(np.argmax(tail)), tail.shape))
    t += last
    row = [t]
    while state >= 0:
        t, state = t - int(frames[state]), int(came[t, state])
        row.append(t)
    return _snap(origin + STEP * np.array(row[::-1], float), evidence)


def _beat_gain(evidence: Evidence, n: int, origin: float, model: BeatModel) -> np.ndarray:
    """``(n,)`` gain of a beat at each frame: an event's log odds near it, else that of a silent beat."""
    gain = np.full(n, model.silent, np.float32)
    centre = np.rint((evidence.time - origin) / STEP).astype(int)
    for offset in range(-3, 4):
        frame = centre + offset
        distance = (origin + frame * STEP - evidence.time) / model.spread
        np.maximum.at(gain, np.clip(frame, 0, n - 1), model.beat * evidence.beat - 0.5 * distance**2)
    # where all events near say no, a beat passes them by at a cost
    return gain


def _period_fit(
    evidence: Evidence, periods: np.ndarray, n: int, origin: float, tempo: float | None, model: BeatModel
) -> np.ndarray:
    """``(n, periods)`` how well a beat of each length fits that ends at each frame."""
    place = np.interp(np.log(periods), np.log(PERIODS), np.arange(len(PERIODS)))
    low = np.clip(np.floor(place).astype(int), 0, len(PERIODS) - 2)
    share = (place - low).astype(np.float32)
    local = evidence.period[:, low] * (1 - share) + evidence.period[:, low + 1] * share  # (events, periods)
    frame = origin + np.arange(n) * STEP
    event = np.clip(np.searchsorted(evidence.time, frame - 0.05), 0, len(evidence.time) - 1)
    fit = model.period * local[event] * periods
    if tempo is not None:
        fit = 0.3 * fit - 0.5 * (np.log2(60 / periods / tempo) / model.told) ** 2 * periods
    return fit.astype(np.float32)


def _snap(times: np.ndarray, evidence: Evidence, reach: float = 0.05) -> np.ndarray:
    """Beats to the events they stand for, where one is near."""
    i = np.clip(np.searchsorted(evidence.time, times), 1, max(len(evidence.time) - 1, 1))
    i = np.minimum(i, len(evidence.time) - 1)
    before = np.maximum(i - 1, 0)
    score = [evidence.beat[k] - 0.5 * ((evidence.time[k] - times) / 0.025) ** 2 for k in (before, i)]
    nearest = np.where(score[0] > score[1], before, i)
    near = np.abs(evidence.time[nearest] - times) < reach
    snapped = np.where(near, evidence.time[nearest], times)
    rising = np.concatenate([[True], np.diff(snapped) > 0.08])
    return np.where(rising, snapped, times)
