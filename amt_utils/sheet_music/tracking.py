"""Beat tracking: the sequence of beats that fits the onsets and the network's logits best, by dynamic programming.

A beat of period *p* with *s* parts has a given rate of events at each of its *s* positions; in slow beats, these may be
drawn together or apart, as the tempo changes. Events in a beat are a Poisson process, whose log likelihood is a sum
over events (Gaussians around the positions) minus the expected number of events, as in Cemgil and Kappen (JAIR 18,
2003) and Raphael (Artificial Intelligence 137, 2002). The network adds the log odds that each event is on a beat, the
log probability of each event's position in the beat, and that of the beat's length. A semi-Markov Viterbi search over
(time of a beat, period, duple or triple division), as in Temperley's probabilistic polyphonic beat finder (JNMR 38,
2009), finds the best sequence of beats. Time and memory are linear in the length of the recording.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

import numpy as np

from .events import Events
from .evidence import Evidence
from .note_network import PARTS, PERIODS

STEP = 0.015  # resolution of the search, seconds
AHEAD = 4096  # frames whose score is computed at once
PERIOD_RATIO = 1.05  # ratio of neighbouring candidate periods
SLOWEST, FASTEST = 24.0, 270.0  # range of the search, beats per minute
FINE = 48  # positions in a beat at which the network's answer is read
RARE = 0.02  # probability added to every position
BENDS = (-0.25, 0.0, 0.25)  # changes of tempo within a slow beat: by how much its first part is drawn together or apart
CHANGE_LIMIT = 6.0  # largest cost of a tempo change, nats


@dataclass(frozen=True)
class BeatModel:
    """Parameters of the beat tracker, tuned on sequenced piano pieces with known beats.

    Attributes:
        rates: division -> expected number of events at each of its positions.
        log_prior: division -> its log prior.
        switch: cost in nats of changing between duple and triple division.
        change: standard deviation of the change of log period between beats.
        width, relative_width: standard deviation of onsets around a position, in seconds and as a share of the beat.
        noise: events per second that are at no position.
        accent: how much an accent raises the rate on the beat and lowers it off the beat.
        onsets: weight of the log likelihood of the onsets.
        beat, silent: weight of an event's log odds of being on a beat; score in nats of a beat without an event.
        spread: standard deviation of a beat around its event, seconds.
        part: weight of the log probability of each event's position in its beat.
        part_spread: standard deviation of that position, in parts (:data:`.note_network.PARTS` to a beat).
        period: weight of the log probability of a beat's length, per second of music.
        given: standard deviation around a given tempo, octaves.
        slow, bend: seconds from which a beat may change its tempo inside; the cost in nats.
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
    log_prior: dict[int, float] = field(default_factory=lambda: {1: -1.1, 2: -0.64, 3: -0.5, 4: -1.7, 6: -1.6, 8: -3.4})
    switch: float = 2.4
    change: float = 0.07
    width: float = 0.017
    relative_width: float = 0.0215
    noise: float = 0.22
    accent: float = 0.56
    onsets: float = 0.7
    beat: float = 0.8
    silent: float = -0.7
    spread: float = 0.025
    part: float = 0.5
    part_spread: float = 1.0
    period: float = 0.6
    given: float = 0.15
    slow: float = 0.6
    bend: float = 1.5


def track_beats(
    events: Events, evidence: Evidence, *, tempo: float | None = None, model: BeatModel | None = None
) -> np.ndarray:
    """At least one event -> ``(n,)`` seconds of the likeliest beats, n >= 2.

    Args:
        events: of the performance.
        evidence: the note network's output for each event.
        tempo: approximate beats per minute (searched within a third); ``None`` searches all tempos.
        model: parameters; the default ones when ``None``.
    """
    model = model or BeatModel()
    fast, slow = (FASTEST, SLOWEST) if tempo is None else (tempo * 4 / 3, tempo * 3 / 4)
    count = int(np.ceil(np.log(fast / slow) / np.log(PERIOD_RATIO))) + 1
    periods = np.maximum(np.geomspace(60 / fast, 60 / slow, count), 4 * STEP)
    frames = np.rint(periods / STEP).astype(int)
    time = events.time
    origin = time[0] - (frames.max() + 4) * STEP
    n = int(np.ceil((time[-1] - origin) / STEP)) + 4
    gain = _beat_gain(evidence, n, origin, model)
    places = _place_table(evidence, model)

    def fit_from(low: int, high: int) -> np.ndarray:
        """Score ``(states, high - low)`` of a beat from each frame; a state is a period and duple or triple."""
        fit = _fit_intervals(events, places, periods, low, high, origin, model)
        fit += _period_fit(evidence, periods, low, high, origin, tempo, model) + gain[low:high]
        return fit.reshape(-1, high - low).astype(np.float32)

    states, lasting = np.arange(2 * len(periods)), np.tile(frames, 2)
    cost = np.log(periods[:, None] / periods[None, :]) / model.change
    cost = np.tile(np.minimum(0.5 * cost**2, CHANGE_LIMIT), (2, 2))  # (to, from)
    cost += model.onsets * model.switch * (states[:, None] // len(periods) != states[None, :] // len(periods))
    cost = cost.astype(np.float32)
    block, longest = int(frames.min()), int(frames.max())
    total = n + longest
    recent = (
        2 * longest + block
    )  # frames kept for looking back, here and at the end; `best` is a ring buffer of this length
    best = np.full((recent, len(states)), -np.inf, np.float32)  # score of a beat in this state that ends at this frame
    came = np.full((total, len(states)), -1, np.int8)
    first = longest + 6  # the first beat begins no later than the first event
    fit, known = np.zeros((len(states), 0), np.float32), range(0)  # the frames in `fit`
    for low in range(0, total, block):  # shorter than any beat, so that a block is one array operation
        if low >= known.stop and known.stop < n:
            further = range(max(0, low - longest), min(known.stop + AHEAD, n))
            ahead = fit_from(known.stop, further.stop)
            fit, known = np.concatenate([fit[:, further.start - known.start :], ahead], axis=1), further
        t = np.arange(low, min(low + block, total))
        begin = t[:, None] - lasting[None, :]  # (t, to)
        inside = (begin >= 0) & (begin < n)
        at = np.where(inside, begin, known.start)
        arrive = best[at % recent] - cost  # (t, to, from)
        source = arrive.argmax(2)
        value = np.take_along_axis(arrive, source[..., None], 2)[..., 0]
        fresh = (begin <= first) & (value < 0)
        value = np.where(fresh, 0.0, value) + fit[states, at - known.start]
        best[t % recent] = np.where(inside, value, -np.inf)
        came[t] = np.where(fresh, -1, source)
    last = int((time[-1] - origin) / STEP)
    tail = best[np.arange(last, total) % recent]
    end, state = (int(i) for i in np.unravel_index(int(np.argmax(tail)), tail.shape))
    end += last
    row = [end]
    while state >= 0:
        end, state = end - int(lasting[state]), int(came[end, state])
        row.append(end)
    return _snap(origin + STEP * np.array(row[::-1], float), evidence)


def _beat_gain(evidence: Evidence, n: int, origin: float, model: BeatModel) -> np.ndarray:
    """Score ``(n,)`` of a beat at each frame: the log odds of an event near it, else ``model.silent``."""
    gain = np.full(n, model.silent)
    centre = np.rint((evidence.time - origin) / STEP).astype(int)
    for offset in range(-4, 5):
        frame = centre + offset
        distance = (origin + frame * STEP - evidence.time) / model.spread
        np.maximum.at(gain, np.clip(frame, 0, n - 1), model.beat * evidence.beat - 0.5 * distance**2)
    return gain


def _period_fit(
    evidence: Evidence, periods: np.ndarray, low: int, high: int, origin: float, tempo: float | None, model: BeatModel
) -> np.ndarray:
    """Score ``(periods, high - low)`` of a beat of each length that begins at each of the frames."""
    place = np.interp(np.log(periods), np.log(PERIODS), np.arange(len(PERIODS)))
    below = np.clip(np.floor(place).astype(int), 0, len(PERIODS) - 2)
    share = place - below
    frame = origin + np.arange(low, high) * STEP
    event = np.clip(np.searchsorted(evidence.time, frame - 0.05), 0, len(evidence.time) - 1)
    said = evidence.period[event]
    local = said[:, below] * (1 - share) + said[:, below + 1] * share  # (frames, periods)
    fit = model.period * local * periods
    if tempo is not None:
        fit = 0.3 * fit - 0.5 * (np.log2(60 / periods / tempo) / model.given) ** 2 * periods
    return fit.T


def _place_table(evidence: Evidence, model: BeatModel) -> np.ndarray:
    """Log likelihood ratio ``(n, FINE)`` of each event at each position in a beat, to the average event's."""
    part, fine = np.exp(evidence.part), np.arange(FINE) / FINE * PARTS
    away = (fine[:, None] - np.arange(PARTS) + PARTS / 2) % PARTS - PARTS / 2
    kernel = np.exp(-0.5 * (away / model.part_spread) ** 2)
    kernel *= FINE / kernel.sum(0)
    return np.log((part @ kernel.T + RARE) / (part.mean(0) @ kernel.T + RARE))


def _snap(times: np.ndarray, evidence: Evidence, reach: float = 0.05) -> np.ndarray:
    """Moves each beat to the nearest event within ``reach`` seconds, if there is one."""
    i = np.clip(np.searchsorted(evidence.time, times), 1, max(len(evidence.time) - 1, 1))
    i = np.minimum(i, len(evidence.time) - 1)
    before = np.maximum(i - 1, 0)
    score = [evidence.beat[k] - 0.5 * ((evidence.time[k] - times) / 0.025) ** 2 for k in (before, i)]
    nearest = np.where(score[0] > score[1], before, i)
    near = np.abs(evidence.time[nearest] - times) < reach
    snapped = np.where(near, evidence.time[nearest], times)
    rising = np.concatenate([[True], np.diff(snapped) > 0.08])
    return np.where(rising, snapped, times)


def _fit_intervals(
    events: Events, places: np.ndarray, periods: np.ndarray, low: int, high: int, origin: float, model: BeatModel
) -> np.ndarray:
    """Score ``(2, periods, high - low)`` of the events in a beat that begins at each of the frames.

    The log likelihood of the onsets and what the network answers about their positions (``places``, of
    :func:`_place_table`), weighted. The first axis is duple or triple division, each with its best number of parts.
    """
    onsets = np.full((2, len(periods), high - low), -np.inf, np.float32)
    answers = np.zeros((len(periods), high - low), np.float32)
    where = np.rint((events.time - origin) / STEP).astype(int)
    for i, period in enumerate(periods):
        early = int(period / 12 / STEP)  # an event this close before the next beat belongs to that beat
        reach = np.arange(-early, int(np.rint(period / STEP)) - early)
        near = np.arange(*np.searchsorted(where, (low + reach[0], high + reach[-1])))[:, None]
        begin = where[near] - reach  # frames from which a beat would contain this event
        inside = (begin >= low) & (begin < high)
        frame = begin[inside] - low
        x = (events.time[near] - origin) - begin * STEP  # the event's position in such a beat, seconds
        place = np.rint(x / period * FINE).astype(int) % FINE
        answers[i] = np.bincount(frame, places[near, place][inside], high - low)
        bends = BENDS if period > model.slow else (0.0,)
        for (s, rates), bend in product(model.rates.items(), bends):
            if (s > 1 and period / s < 0.065) or (s == 1 and bend):
                continue  # too fast to be played; nothing to bend
            bent = x * (1 + bend * (1 - x / period))
            gain = _event_gain(bent, events.accent[near], period, rates, model)
            score = np.bincount(frame, gain[inside], high - low) - sum(rates) + model.log_prior[s]
            score -= model.bend * (bend != 0)
            for kind in (0, 1):
                if (s % 3 == 0 and kind == 0) or (s in (4, 8) and kind == 1):
                    continue  # an undivided or halved beat may occur among triplets
                onsets[kind, i] = np.maximum(onsets[kind, i], score)
    return model.onsets * onsets + model.part * answers


def _event_gain(x, accent, period: float, rates: tuple[float, ...], model: BeatModel) -> np.ndarray:
    """Log rate of an event ``x`` seconds into a beat, relative to one event per second."""
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
