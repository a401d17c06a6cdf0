"""The row of beats that explains the onsets best, by dynamic programming.

Onsets struck together are one *event*. A beat of period *p* that divides into *s* parts expects events at its *s*
positions with given rates; the events inside it are then a Poisson process whose log likelihood is a sum over events
(Gaussians around the positions) minus the events expected. A dynamic programme over (time of a beat, period, beats in
two or in three) finds the beats with the greatest likelihood, under a prior on tempo and a penalty on the change of
period from one beat to the next: the model of Cemgil and Kappen (JAIR 18, 2003) and of Raphael (Artificial
Intelligence 137, 2002), solved by semi-Markov Viterbi as in Temperley's probabilistic polyphonic beat finder (JNMR 38,
2009). Time and memory are linear in the length of the recording.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .events import Events

STEP = 0.010  # resolution of the search, seconds
PERIOD_RATIO = 1.04  # neighbouring candidate periods
SLOWEST, FASTEST = 40.0, 220.0  # beats per minute searched
CHANGE_LIMIT = 6.0  # nats: a break in tempo costs no more than this


@dataclass(frozen=True)
class BeatModel:
    """What a beat is expected to hold; the numbers were tuned on sequenced piano pieces with known beats.

    Attributes:
        rates: division -> expected events at each of its positions.
        log_prior: division -> log prior of a beat so divided.
        switch: nats for going from beats in two to beats in three or back.
        centre, octaves: tempo prior, median beats per minute and spread in octaves.
        change: expected change of log period between beats.
        width, relative_width: spread of onsets about a position, seconds and share of the beat.
        noise: events per second that fit no position.
        accent: how much an accent raises the rate on the beat and lowers it off the beat.
    """

    rates: dict[int, tuple[float, ...]] = field(
        default_factory=lambda: {
            1: (0.80,),
            2: (0.70, 0.75),
            3: (0.96, 0.55, 0.75),
            4: (0.90, 0.51, 0.82, 0.51),
            6: (0.85, 0.68, 0.72, 0.72, 0.72, 0.68),
            8: (0.87, 0.52, 0.70, 0.52, 0.78, 0.52, 0.70, 0.52),
        }
    )
    log_prior: dict[int, float] = field(
        default_factory=lambda: {1: -1.1, 2: -0.64, 3: -0.5, 4: -1.7, 6: -1.6, 8: -3.4}
    )
    switch: float = 2.4
    centre: float = 88.0
    octaves: float = 0.58
    change: float = 0.07
    width: float = 0.017
    relative_width: float = 0.0215
    noise: float = 0.22
    accent: float = 0.56


@dataclass(frozen=True)
class Track:
    """Beats without metre: ``times`` (n,), ``divisions`` (n - 1,), and the log likelihood of the events under them."""

    times: np.ndarray
    divisions: np.ndarray
    likelihood: float


def track_beats(events: Events, *, tempo: float | None = None, model: BeatModel | None = None) -> Track:
    """Events -> the likeliest beats.

    Args:
        events: at least one.
        tempo: beats per minute near which to search (within a third); ``None`` searches 40..220.
        model: what a beat is expected to hold.
    """
    model = model or BeatModel()
    periods = _candidate_periods(tempo)
    frames = np.rint(periods / STEP).astype(int)
    origin = events.time[0] - frames.max() * STEP
    n = int(np.ceil((events.time[-1] - origin) / STEP)) + 1
    fit, division = _fit_intervals(events, periods, n, origin, model)  # (2, periods, n): a beat from a frame on
    prior = _tempo_prior(periods, tempo, model) * periods
    fit += prior[:, None]
    fit = fit.reshape(-1, n)  # a state is a period with its kind, in two or in three
    division = division.reshape(-1, n)
    states, lasting = np.arange(len(fit)), np.tile(frames, 2)
    cost = np.log(periods[:, None] / periods[None, :]) / model.change
    cost = np.tile(np.minimum(0.5 * cost**2, CHANGE_LIMIT), (2, 2))  # (to, from)
    cost += model.switch * (states[:, None] // len(periods) != states[None, :] // len(periods))
    cost = cost.astype(np.float32)
    total = n + frames.max()
    best = np.full((total, len(states)), -np.inf, np.float32)  # a beat in this state ends at this frame
    came = np.full((total, len(states)), -1, np.int16)
    first = frames.max() + 2  # the first beat begins no later than the first event
    block = int(frames.min())
    for low in range(0, total, block):  # no beat begins and ends within one block, so a block is one array operation
        t = np.arange(low, min(low + block, total))
        begin = t[:, None] - lasting[None, :]  # (t, to)
        inside = (begin >= 0) & (begin < n)
        at = np.where(inside, begin, 0)
        arrive = best[at] - cost  # (t, to, from)
        source = arrive.argmax(2)
        value = np.take_along_axis(arrive, source[..., None], 2)[..., 0]
        fresh = (begin <= first) & (value < 0)
        value = np.where(fresh, 0.0, value) + fit[states, at]
        best[t] = np.where(inside, value, -np.inf)
        came[t] = np.where(fresh, -1, source)
    return _trace(best, came, lasting, division, np.tile(prior, 2), n, origin)


def _trace(best, came, lasting, division, prior, n, origin) -> Track:
    tail = best[n - 1 :]
    t, state = (int(i) for i in np.unravel_index(int(np.argmax(tail)), tail.shape))
    likelihood = float(tail[t, state])
    t += n - 1
    ends, divisions = [t], []
    while state >= 0:
        likelihood -= float(prior[state])
        begin = t - lasting[state]
        ends.append(begin)
        divisions.append(int(division[state, begin]))
        t, state = begin, int(came[t, state])
    return Track(origin + STEP * np.array(ends[::-1], float), np.array(divisions[::-1]), likelihood)


def _candidate_periods(tempo: float | None) -> np.ndarray:
    fast, slow = (FASTEST, SLOWEST) if tempo is None else (tempo * 4 / 3, tempo * 3 / 4)
    count = int(np.ceil(np.log(fast / slow) / np.log(PERIOD_RATIO))) + 1
    return np.maximum(np.geomspace(60 / fast, 60 / slow, count), 4 * STEP)


def _tempo_prior(periods: np.ndarray, tempo: float | None, model: BeatModel) -> np.ndarray:
    """Log prior per second of music; only its shape matters."""
    centre, spread = (model.centre, model.octaves) if tempo is None else (tempo, 0.3)
    return -0.5 * (np.log2(60 / periods / centre) / spread) ** 2


def _fit_intervals(
    events: Events, periods: np.ndarray, n: int, origin: float, model: BeatModel
) -> tuple[np.ndarray, np.ndarray]:
    """Log likelihood of the events in a beat that begins at each frame: two ``(2, periods, n)`` arrays.

    The first axis is the kind of beat, in two or in three; the second array is the best division of that kind.
    """
    fit = np.full((2, len(periods), n), -np.inf, np.float32)
    division = np.ones((2, len(periods), n), np.int8)
    where = np.rint((events.time - origin) / STEP).astype(int)
    for i, period in enumerate(periods):
        early = int(period / 12 / STEP)  # an event this much before the next beat belongs to it
        reach = np.arange(-early, int(np.rint(period / STEP)) - early)
        begin = where[:, None] - reach[None, :]  # frames at which a beat would hold this event
        inside = (begin >= 0) & (begin < n)
        x = (events.time[:, None] - origin) - begin * STEP  # the event's place in such a beat, seconds
        for s, rates in model.rates.items():
            if s > 1 and period / s < 0.065:
                continue  # nobody divides that fast
            gain = _event_gain(x, events.accent[:, None], period, rates, model)
            score = np.bincount(begin[inside], gain[inside], n) - sum(rates) + model.log_prior[s]
            for kind in (0, 1):
                if (s % 3 == 0 and kind == 0) or (s in (4, 8) and kind == 1):
                    continue  # a plain or halved beat may stand among triplets
                better = score > fit[kind, i]
                fit[kind, i][better] = score[better]
                division[kind, i][better] = s
    return fit, division


def _event_gain(x, accent, period: float, rates: tuple[float, ...], model: BeatModel) -> np.ndarray:
    """Log of an event's rate at ``x`` seconds into a beat, against a rate of one event per second."""
    s = len(rates)
    width = np.hypot(model.width, model.relative_width * period)
    slot = np.clip(np.rint(x * s / period).astype(int), 0, s)
    distance = x - slot * period / s
    slot %= s
    pull = np.full(s, -1.0)
    pull[0] = 1.0
    if s % 2 == 0:
        pull[s // 2] = 0.0
    rate = np.array(rates)[slot] * np.exp(model.accent * accent * pull[slot])
    density = rate / (width * np.sqrt(2 * np.pi)) * np.exp(-0.5 * (distance / width) ** 2)
    return np.log(density + model.noise)
