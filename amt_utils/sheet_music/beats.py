"""Beats, bars and metre: a grid that maps seconds of a performance to ticks of its page.

:mod:`.tracking` finds the beats, :mod:`.barring` the bars and their time signatures; either can be given instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from .barring import find_bars
from .events import Events
from .evidence import Evidence
from .metre import Metre
from .tracking import BeatModel, track_beats

CERTAIN = 100.0  # log odds of what the user gives, which outweigh all evidence
LONGEST_SILENCE, MOST_REST_BARS = 5.0, 64  # seconds tracked; the remainder becomes this many bars of rest at most


@dataclass(frozen=True)
class Beats:
    """A beat grid.

    Attributes:
        times: ``(n,)`` rising seconds of the beats, n >= 2; before and after them the grid continues at the tempo of
            the first and last beat.
        bars: ``(k,)`` rising indices into ``times`` of the beats that begin a bar, k >= 1.
        metres: time signature of each bar; the first one also holds before the first bar.
        divisions: ``(n - 1,)`` parts into which each beat is divided.
    """

    times: np.ndarray
    bars: np.ndarray = field(default_factory=lambda: np.zeros(1, int))
    metres: tuple[Metre, ...] = (Metre(),)
    divisions: np.ndarray = field(default_factory=lambda: np.zeros(0, int))

    @cached_property
    def downbeats(self) -> np.ndarray:
        """``(k,)`` seconds of the beats that begin a bar."""
        return self.times[self.bars]

    @cached_property
    def metre(self) -> Metre:
        """The time signature of most beats."""
        lengths = np.diff(np.append(self.bars, len(self.times)))
        share: dict[Metre, int] = {}
        for metre, length in zip(self.metres, lengths.tolist(), strict=True):
            share[metre] = share.get(metre, 0) + length
        return max(share, key=lambda metre: share[metre])

    @property
    def tempo(self) -> float:
        """Median beats per minute."""
        return float(60 / np.median(np.diff(self.times)))

    @cached_property
    def beat_ticks(self) -> np.ndarray:
        """``(n - 1,)`` ticks in each beat."""
        which = np.clip(np.searchsorted(self.bars, np.arange(len(self.times) - 1), side="right") - 1, 0, None)
        return np.array([metre.beat_ticks for metre in self.metres])[which]

    @cached_property
    def ticks(self) -> np.ndarray:
        """``(n,)`` ticks of the beats, counted from the first."""
        return np.concatenate([[0], np.cumsum(self.beat_ticks)])

    def to_beat(self, seconds) -> np.ndarray:
        """Seconds -> beats counted from the first one; negative before it."""
        return _interpolate(np.asarray(seconds, float), self.times, np.arange(len(self.times), dtype=float))

    def to_seconds(self, beat) -> np.ndarray:
        """The inverse of :meth:`to_beat`."""
        return _interpolate(np.asarray(beat, float), np.arange(len(self.times), dtype=float), self.times)

    def beat_to_tick(self, beat) -> np.ndarray:
        """Beats counted from the first one -> ticks (float)."""
        return _interpolate(np.asarray(beat, float), np.arange(len(self.times), dtype=float), self.ticks)

    def tick_to_beat(self, tick) -> np.ndarray:
        """The inverse of :meth:`beat_to_tick`."""
        return _interpolate(np.asarray(tick, float), self.ticks, np.arange(len(self.times), dtype=float))


def _interpolate(x: np.ndarray, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    """Piecewise linear interpolation, extrapolated at both ends with the outermost slopes."""
    i = np.clip(np.searchsorted(xs, x, side="right") - 1, 0, len(xs) - 2)
    return ys[i] + (x - xs[i]) * (ys[i + 1] - ys[i]) / (xs[i + 1] - xs[i])


def find_beats(
    events: Events,
    evidence: Evidence,
    *,
    tempo: float | None = None,
    metre: Metre | None = None,
    pickup: float | None = None,
    model: BeatModel | None = None,
    read: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Beats:
    """Evidence of at least one event -> beats with bars. Long silences are filled with whole bars of rest.

    Args:
        events: of the performance.
        evidence: the note network's output for each event.
        tempo: approximate beats of the metre per minute; estimated when ``None``.
        metre: the time signature; estimated when ``None``.
        pickup: beats from the first event to the first full bar; estimated when ``None``.
        model: parameters of the beat tracker.
        read: seconds of beats -> log odds that each begins a bar.
    """
    if pickup is not None and float(pickup).is_integer():  # then the first event is on a beat
        evidence = replace(evidence, beat=np.append(CERTAIN, evidence.beat[1:]))
    gap = np.diff(evidence.time)
    surplus = np.maximum(gap - LONGEST_SILENCE, 0.0)
    shift = np.concatenate([[0.0], np.cumsum(surplus)])
    close = evidence.time - shift
    times = track_beats(replace(events, time=close), replace(evidence, time=close), tempo=tempo, model=model)
    for i in np.flatnonzero(surplus):
        middle = evidence.time[i] + LONGEST_SILENCE / 2
        b = int(np.clip(np.searchsorted(times, middle), 1, len(times) - 1))
        period = float(np.median(np.diff(times)))
        beats = metre.beats if metre is not None else 4
        count = beats * max(1, min(int(round(surplus[i] / period / beats)), MOST_REST_BARS))
        rest = times[b] + surplus[i] * np.arange(1, count) / count
        times = np.concatenate([times[: b + 1], rest, times[b:] + surplus[i]])
    likely = read(times) if read else None
    bars, metres = find_bars(times, events, evidence, metre=metre, pickup=pickup, likely=likely)
    return Beats(times, bars, metres)


def given_beats(
    times: np.ndarray,
    first: np.ndarray,
    events: Events,
    evidence: Evidence,
    *,
    metre: Metre | None = None,
    read: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Beats:
    """A grid from tapped or annotated beats.

    Args:
        times: ``(n,)`` rising seconds, n >= 2.
        first: ``(n,)`` whether each beat begins a bar; if none does, bars are estimated.
        events: of the performance.
        evidence: the note network's output for each event.
        metre: the time signature; estimated when ``None``.
        read: seconds of beats -> log odds that each begins a bar.
    """
    if not first.any():
        bars, metres = find_bars(times, events, evidence, metre=metre, likely=read(times) if read else None)
    else:
        bars, metres = find_bars(times, events, evidence, metre=metre, first=first)
    return Beats(times, bars, metres)
