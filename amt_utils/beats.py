"""Beats, tempo and metre from note onsets alone.

What is found: the times of the beats (the pulse a listener would tap), how many of them make a bar, which one is
the first downbeat, and whether a beat divides by two or by three.

How. Onsets struck together are one *event*. A beat of period *p* that divides into *s* parts expects events at
its *s* positions with given rates; the events inside it are then a Poisson process whose log likelihood is a sum
over events (Gaussians around the positions) minus the events expected. A dynamic programme over (time of a beat,
period) finds the sequence of beats with the greatest likelihood, under a prior on tempo and a penalty on the change of
period from one beat to the next: the model of Cemgil and Kappen (JAIR 18, 2003) and of Raphael (Artificial
Intelligence 137, 2002), solved by semi-Markov Viterbi as in Temperley's probabilistic polyphonic beat finder (JNMR 38,
2009). Metre and downbeats follow from accents (bass, chord size, length, loudness, harmony) folded over the bar.

Everything is linear in the length of the recording.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from .events import Events
from .metre import BAR_LENGTHS, Metre, rank_bars

STEP = 0.010  # resolution of the search, seconds
PERIOD_RATIO = 1.04  # neighbouring candidate periods
SLOWEST, FASTEST = 40.0, 220.0  # beats per minute searched
WALTZ = 200.0  # quarters per minute: beats in three whose thirds are slower are bars of 3/4
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
class Beats:
    """A beat grid.

    Attributes:
        times: ``(n,)`` rising seconds, n >= 2, of successive beats; outside them the grid goes on at the tempo of the
            outermost beats.
        metre: the time signature.
        downbeat: index into ``times`` (0 <= index < beats in a bar) of the first beat that begins a bar.
        divisions: ``(n - 1,)`` the division (1, 2, 3, 4, 6, 8) the search found in each beat.
    """

    times: np.ndarray
    metre: Metre = field(default_factory=Metre)
    downbeat: int = 0
    divisions: np.ndarray = field(default_factory=lambda: np.zeros(0, int))

    @cached_property
    def downbeats(self) -> np.ndarray:
        """``(k,)`` seconds of the beats that begin a bar."""
        return self.times[self.downbeat :: self.metre.beats]

    @property
    def tempo(self) -> float:
        """Median beats per minute."""
        return float(60 / np.median(np.diff(self.times)))

    def to_beat(self, seconds) -> np.ndarray:
        """Seconds -> beats, counted from the first one; negative before it."""
        return _interpolate(np.asarray(seconds, float), self.times, np.arange(len(self.times), dtype=float))

    def to_seconds(self, beat) -> np.ndarray:
        """The inverse of :meth:`to_beat`."""
        return _interpolate(np.asarray(beat, float), np.arange(len(self.times), dtype=float), self.times)


def _interpolate(x: np.ndarray, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    """Piecewise linear, going on beyond both ends with the outermost slope."""
    i = np.clip(np.searchsorted(xs, x, side="right") - 1, 0, len(xs) - 2)
    return ys[i] + (x - xs[i]) * (ys[i + 1] - ys[i]) / (xs[i + 1] - xs[i])


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
                if s % 3 == 0 and kind == 0 or s in (4, 8) and kind == 1:
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


def find_beats(
    events: Events,
    *,
    tempo: float | None = None,
    metre: Metre | None = None,
    pickup: float | None = None,
    model: BeatModel | None = None,
) -> Beats:
    """Events -> beats with metre and downbeats.

    Args:
        events: at least one.
        tempo: beats of the metre per minute, about; estimated when ``None``.
        metre: estimated when ``None``.
        pickup: beats from the first event to the first full bar; estimated when ``None``.
        model: what a beat is expected to hold.
    """
    model = model or BeatModel()
    if metre is not None:
        in_three = metre.quarters_per_beat in (1.5, 0.75)
        unlikely = {s: 0.0 if s == 1 or (s % 3 == 0) == in_three else -2.0 for s in model.rates}
        model = replace(model, log_prior={s: prior + unlikely[s] for s, prior in model.log_prior.items()})
    track = track_beats(events, tempo=tempo, model=model)
    times, divisions = track.times, track.divisions
    ranking = rank_bars(times, events.time, events.terms)
    phases = {length: [p for _, own, p in ranking if own == length] for length in BAR_LENGTHS}
    if metre is None:
        length = ranking[0][1]
        divided = divisions[divisions > 1]
        in_three = len(divided) > 0.3 * len(divisions) and float(np.mean(divided % 3 == 0)) > 0.6
        if in_three and np.mean(divided == 6) < 0.2 and 180 / np.median(np.diff(times)) < WALTZ:
            # a slow beat in three is a bar of three beats
            times = np.interp(np.arange(3 * len(times) - 2) / 3, np.arange(len(times)), times)
            divisions = np.repeat(np.where(divisions == 6, 2, 1), 3)
            metre, phases = Metre(3, 4), {3: [0]}
        else:
            metre = Metre(3 * length, 8) if in_three else Metre(length, 4)
    phase = phases[metre.beats][0] if phases.get(metre.beats) else _accented_phase(times, events, metre.beats)
    if pickup is not None:
        place = _interpolate(events.time[:1], times, np.arange(len(times), dtype=float))[0]
        phase = int(np.rint(place + pickup))
    return Beats(times, metre, phase % metre.beats, divisions)


def _accented_phase(times: np.ndarray, events: Events, length: int) -> int:
    """The most accented beat of bars of ``length`` beats, for lengths that were never learnt."""
    if length == 1:
        return 0
    after = np.clip(np.searchsorted(events.time, times), 1, max(len(events.time) - 1, 1))
    after = np.minimum(after, len(events.time) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(times - events.time[before] < events.time[after] - times, before, after)
    on_beat = np.abs(events.time[nearest] - times) < 0.06
    accent = np.where(on_beat, events.accent[nearest], -1.0)
    return int(np.argmax([accent[p::length].mean() if len(accent) > p else -9.0 for p in range(length)]))
