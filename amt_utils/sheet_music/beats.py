"""Beats, tempo and metre from note onsets alone.

:mod:`.tracking` finds beats near any tempo. Which of the possible pulses (twice, half, three halves ... of the
likeliest one) a musician would write is chosen by how regular, how accented and how simply divided its beats are;
bars follow from :mod:`amt_utils.sheet_music.metre`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from .events import Events
from .metre import BAR_LENGTHS, Metre, beat_table, rank_bars
from .tracking import BeatModel, Track, track_beats

WALTZ, SLOW_WALTZ = 200.0, 130.0  # per minute: beats in three whose thirds are slower are bars of 3/4
OPENING_SECONDS = 300.0  # of a longer recording, what the pulse is chosen from
LONGEST_SILENCE, MOST_REST_BARS = 5.0, 64  # seconds looked at; what is beyond becomes whole bars of rest
FEWEST_BEATS = 8  # less than this says nothing about the metre
OPENING = 1.0  # nats for a piece that begins on a downbeat
COMMON_TIME = 0.4  # nats for four beats over two
SLOWEST_PULSE, FASTEST_PULSE = 28.0, 250.0  # beats per minute worth trying
_RATIOS = (1, 2, 1 / 2, 3 / 2, 2 / 3, 3, 1 / 3, 4 / 3, 3 / 4)  # other pulses that fit the same onsets

# what speaks for a pulse, fitted by conditional logistic regression on sequenced piano pieces with known beats
_PULSE_WEIGHTS = {
    "likelihood": 0.612,  # per event
    "bars": 0.269,  # score of the best bar
    "length": 1.671,  # accents on the beats, as in amt_utils.sheet_music.metre
    "loudness": 3.232,
    "on_beat": 4.521,  # share of beats with an event
    "octaves": 0.041,  # above 90 beats per minute
    "octaves_squared": -0.266,
    "slow": -0.9,  # octaves below 52 beats per minute
    "undivided": 1.25,  # shares of beats divided so
    "in_three": -0.673,
    "in_four": -1.302,
    "in_eight": -0.987,
    "unsteady": -11.64,  # mean change of log period
    "density": -0.183,  # log of events per beat
}


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


def find_beats(events: Events, **given) -> Beats:
    """Events -> beats with metre and downbeats; long silences are filled with whole bars.

    Args:
        events: at least one.
        given: what need not be estimated, ``None`` or absent where it does: ``tempo`` (beats of the metre per minute,
            about), ``metre`` (:class:`Metre`), ``pickup`` (beats from the first event to the first full bar), ``model``
            (:class:`BeatModel`).
    """
    gap = np.diff(events.time)
    surplus = np.maximum(gap - LONGEST_SILENCE, 0.0)
    if not surplus.any():
        return _find_beats(events, **given)
    shift = np.concatenate([[0.0], np.cumsum(surplus)])
    close = _find_beats(replace(events, time=events.time - shift), **given)
    times, divisions = [close.times[:1]], []
    last = 0
    for i in np.flatnonzero(surplus):
        middle = events.time[i] - shift[i] + LONGEST_SILENCE / 2
        b = int(np.clip(np.searchsorted(close.times, middle), last + 1, len(close.times) - 1))
        if b <= last or b + 1 > len(close.times):
            continue
        times.append(close.times[last + 1 : b + 1] + shift[i])
        bar = close.metre.beats
        period = float(np.median(np.diff(close.times)))
        count = bar * max(1, min(int(round(surplus[i] / period / bar)), MOST_REST_BARS))
        times.append(close.times[b] + shift[i] + surplus[i] * np.arange(1, count + 1) / count)
        divisions += [close.divisions[last:b], np.ones(count, int)]
        last = b
    times.append(close.times[last + 1 :] + shift[-1])
    divisions.append(close.divisions[last:])
    return replace(close, times=np.concatenate(times), divisions=np.concatenate(divisions))


def _find_beats(
    events: Events,
    *,
    tempo: float | None = None,
    metre: Metre | None = None,
    pickup: float | None = None,
    model: BeatModel | None = None,
) -> Beats:
    model = model or BeatModel()
    if metre is not None:
        in_three = metre.quarters_per_beat in (1.5, 0.75)
        unlikely = {s: 0.0 if s == 1 or (s % 3 == 0) == in_three else -2.0 for s in model.rates}
        model = replace(model, log_prior={s: prior + unlikely[s] for s, prior in model.log_prior.items()})
    if tempo is None:
        opening = np.searchsorted(events.time, events.time[0] + OPENING_SECONDS)
        head = Events(events.time[:opening], events.accent[:opening], events.of_note, events.terms[:opening])
        track = _choose_pulse(head, track_beats(head, model=model), model)
        if opening < len(events.time):
            track = track_beats(events, tempo=60 / float(np.median(np.diff(track.times))), model=model)
    else:
        track = track_beats(events, tempo=tempo, model=model)
    times, divisions = track.times, track.divisions
    ranking = _rank_bars_from_opening(times, events)
    phases = {length: [p for _, own, p in ranking if own == length] for length in BAR_LENGTHS}
    if metre is None:
        length = ranking[0][1] if len(times) > FEWEST_BEATS else 4
        share = {s: float(np.mean(divisions == s)) for s in (2, 3, 4, 6, 8)}
        in_three = len(times) > FEWEST_BEATS and share[3] + share[6] > 0.45 and share[2] + share[4] + share[8] < 0.10
        thirds = 180 / float(np.median(np.diff(times)))  # per minute
        if in_three and (thirds < SLOW_WALTZ or (thirds < WALTZ and share[6] < 0.2)):
            # a slow beat in three is a bar of three beats
            times = np.interp(np.arange(3 * len(times) - 2) / 3, np.arange(len(times)), times)
            divisions = np.repeat(np.where(divisions == 6, 2, 1), 3)
            metre, phases = Metre(3, 4), {3: [0]}
        elif in_three:
            metre = Metre(9 if length == 3 else 6, 8)  # 12/8 reads as well in 6/8
        else:
            metre = Metre(length, 4)
    phase = phases[metre.beats][0] if phases.get(metre.beats) else _accented_phase(times, events, metre.beats)
    if pickup is not None:
        place = _interpolate(events.time[:1], times, np.arange(len(times), dtype=float))[0]
        phase = int(np.rint(place + pickup))
    return Beats(times, metre, phase % metre.beats, divisions)


def _rank_bars_from_opening(times: np.ndarray, events: Events) -> list[tuple[float, int, int]]:
    """As :func:`rank_bars`, for a piece that begins with the first event."""
    first = int(np.argmin(np.abs(times - events.time[0])))
    ranking = rank_bars(times, events.time, events.terms)
    return sorted(
        ((score + OPENING * ((first - phase) % length == 0) + COMMON_TIME * (length == 4), length, phase)
         for score, length, phase in ranking),
        reverse=True,
    )  # fmt: skip


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


def _choose_pulse(events: Events, likeliest: Track, model: BeatModel) -> Track:
    """The pulse a musician would write, among those related to the likeliest one."""
    tempo = 60 / float(np.median(np.diff(likeliest.times)))
    tempos = [tempo * ratio for ratio in _RATIOS if SLOWEST_PULSE <= tempo * ratio <= FASTEST_PULSE]
    tracks = [likeliest] + [track_beats(events, tempo=other, model=model) for other in tempos]
    return max(tracks, key=lambda track: _plausibility(events, track))


def _plausibility(events: Events, track: Track) -> float:
    times, divisions = track.times, track.divisions
    table = beat_table(times, events.time, events.terms)
    octaves = float(np.log2(60 / np.median(np.diff(times)) / 90))
    change = np.abs(np.diff(np.log(np.diff(times))))
    evidence = {
        "likelihood": track.likelihood / len(events.time),
        "bars": rank_bars(times, events.time, events.terms)[0][0],
        "length": table[:, 2].mean(),
        "loudness": table[:, 4].mean(),
        "on_beat": table[:, -1].mean(),
        "octaves": octaves,
        "octaves_squared": octaves**2,
        "slow": max(0.0, -octaves - 0.8),
        "undivided": np.mean(divisions == 1),
        "in_three": np.mean(divisions % 3 == 0),
        "in_four": np.mean(divisions == 4),
        "in_eight": np.mean(divisions == 8),
        "unsteady": change.mean() if len(change) > 1 else 0.0,
        "density": np.log(len(events.time) / len(times)),
    }
    score = float(sum(_PULSE_WEIGHTS[name] * value for name, value in evidence.items()))
    # the weights were fitted on 45 s of music; a few bars say less, and then the usual tempi are the better bet
    trust = min(1.0, float(np.sqrt((times[-1] - times[0]) / 45)))
    return trust * score - (1 - trust) * (3 * octaves**2 + 4 * evidence["slow"])
