"""Synthetic exercises with note patterns that are rare in pieces and hard to transcribe.

Trained on pieces alone, a network learns musical priors (which notes are doubled, how fast a key is repeated) in place
of the sound. A drill is a sequence of short exercises for one or two hands, each of a random kind, register, speed and
loudness, with the pedal held, changed or not used. Every key is released before it is struck again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..music.notes import HIGHEST_PITCH, LOWEST_PITCH, N_KEYS, SUSTAIN, Performance, make_notes, make_pedals

DOUBLINGS = (12, 12, 12, 19, 24, 28, -12, -12, -19)  # semitones: where a note's strongest partials lie
WHITE = np.array([0, 2, 4, 5, 7, 9, 11])
LEAST_UP, LEAST_DOWN, LEAST_PERIOD = 0.008, 0.015, 0.05  # seconds: of a key between two strikes; 20 strikes a second
Columns = tuple[np.ndarray, np.ndarray, np.ndarray]  # onsets and key-ups in seconds, pitches


def make_drill(rng: np.random.Generator, *, start: float, end: float) -> Performance:
    """Exercises for one or two hands from ``start`` to about ``end`` seconds."""
    parts: list[Columns] = []
    velocities = []
    for _ in range(1 if rng.random() < 0.6 else 2):
        time = start + rng.uniform(0, 0.5)
        while time < end:
            seconds = rng.uniform(0.6, 4.0)
            onset, offset, pitch = EXERCISES[rng.integers(len(EXERCISES))](rng, seconds)
            parts.append((onset + time, offset + time, pitch))
            # sometimes soft, with crescendo or diminuendo, uneven
            loud = rng.uniform(8, 45) if rng.random() < 0.25 else rng.uniform(30, 120)
            swell = rng.normal(0, 15) * (onset / seconds - 0.5)
            velocities.append(loud + swell + rng.uniform(0, 14) * rng.standard_normal(len(onset)))
            time += seconds + (rng.exponential(0.3) if rng.random() < 0.5 else 0.0)
    onset, offset, pitch = (np.concatenate(column) for column in zip(*parts, strict=True))
    velocity = np.clip(np.rint(np.concatenate(velocities)), 5, 127)
    kept, offset = make_playable(onset, offset, pitch)
    notes = make_notes(onset[kept], offset[kept], pitch[kept], velocity[kept])
    return Performance(notes, _press_pedal(rng, start, end))


def make_playable(onset: np.ndarray, offset: np.ndarray, pitch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Removes what hands cannot play: ``(n,)`` seconds and pitches -> indices of the kept notes, ``(n,)`` key releases.

    Keys are on the keyboard, are struck at most every :data:`LEAST_PERIOD` seconds and released before the next strike.
    """
    order = np.lexsort((onset, pitch))
    order = order[(pitch[order] >= LOWEST_PITCH) & (pitch[order] <= HIGHEST_PITCH)]
    kept: list[int] = []
    offset = offset.copy()
    for i in order.tolist():
        if kept and pitch[kept[-1]] == pitch[i]:
            if onset[i] - onset[kept[-1]] < LEAST_PERIOD:
                continue
            offset[kept[-1]] = min(offset[kept[-1]], onset[i] - LEAST_UP)
        kept.append(i)
        offset[i] = max(offset[i], onset[i] + LEAST_DOWN)
    return np.array(kept, int), offset


def _press_pedal(rng: np.random.Generator, start: float, end: float) -> np.ndarray:
    """No pedal, one that is held, or one that is changed repeatedly."""
    manner = rng.random()
    if manner < 0.55:
        return make_pedals([], [], [])
    if manner < 0.6:
        return make_pedals([start], [end + 1.0], [SUSTAIN])
    up = rng.uniform(0.03, 0.4) if rng.random() < 0.5 else rng.uniform(0.3, 3.0)  # seconds, on average
    change = start + np.cumsum(rng.exponential(rng.uniform(0.1, 0.8), 80) + 0.1 + up)
    pressed = change[change < end]
    released = np.append(pressed[1:], end + 1.0) - np.maximum(0.03, up * rng.uniform(0.5, 1.0, len(pressed)))
    held = released > pressed + 0.03
    return make_pedals(pressed[held], released[held], np.full(held.sum(), SUSTAIN))


def _anywhere(rng: np.random.Generator) -> int:
    return int(rng.integers(LOWEST_PITCH, HIGHEST_PITCH + 1))


def _beats(rng: np.random.Generator, seconds: float, rate: float) -> np.ndarray:
    """Times of about ``rate`` strikes per second, with human unevenness."""
    period = 1 / rate
    when = np.arange(0, seconds, period)
    return np.maximum(0.0, when + rng.normal(0, 0.04 * period, len(when)))


def _strike(rng: np.random.Generator, when: np.ndarray, chords: list[np.ndarray], touch: float) -> Columns:
    """Each chord at its time, its keys nearly simultaneous, held for ``touch`` times the interval to the next."""
    wait = np.diff(when, append=when[-1] + (when[-1] - when[-2] if len(when) > 1 else 0.5))
    wait = np.maximum(wait, 0.02)
    size = [len(chord) for chord in chords]
    spread = rng.uniform(0, 0.012) if rng.random() < 0.8 else rng.uniform(0.02, 0.08)
    onset = np.repeat(when, size) + np.abs(rng.normal(0, spread, sum(size)))
    held = np.repeat(wait, size) * touch * rng.uniform(0.85, 1.1, sum(size))
    return onset, onset + np.maximum(held, LEAST_DOWN), np.concatenate(chords)


def _touch(rng: np.random.Generator) -> float:
    """Articulation, from the shortest staccato to overlapping legato."""
    return rng.uniform(0.1, 1.0) if rng.random() < 0.8 else rng.uniform(1.0, 2.5)


def _doubled_chords(rng: np.random.Generator, seconds: float) -> Columns:
    when = _beats(rng, seconds, rng.uniform(0.7, 6.0))
    chords = []
    for _ in when:
        chord = rng.integers(LOWEST_PITCH, HIGHEST_PITCH + 1) + rng.integers(-8, 9, rng.integers(1, 6))
        doubled = chord[rng.random(len(chord)) < rng.uniform(0, 1)]
        chords.append(np.unique(np.concatenate([chord, doubled + rng.choice(DOUBLINGS, len(doubled))])))
    return _strike(rng, when, chords, _touch(rng))


def _octaves(rng: np.random.Generator, seconds: float) -> Columns:
    """A melody with its octave, twelfth or double octave, sometimes with the doubling in some notes only."""
    when = _beats(rng, seconds, rng.uniform(1.5, 11.0))
    melody = _anywhere(rng) + np.cumsum(rng.integers(-3, 4, len(when)))
    above, sure = rng.choice([12, 12, 12, 19, 24]), rng.choice([1.0, 0.5])
    return _strike(rng, when, [np.array([m, m + above])[: 1 + (rng.random() < sure)] for m in melody], _touch(rng))


def _tremolo(rng: np.random.Generator, seconds: float) -> Columns:
    when = _beats(rng, seconds, rng.uniform(7, 16))
    low, wide = _anywhere(rng), int(rng.choice([12, 12, 12, 3, 4, 5, 7, 8, 9, 15, 24]))
    inner = rng.integers(1, 12, rng.integers(0, 3))
    sides = [np.unique(np.append(low + inner[:1], low)), np.unique(np.append(low + wide - inner[1:], low + wide))]
    return _strike(rng, when, [sides[i % 2] for i in range(len(when))], _touch(rng))


def _repetition(rng: np.random.Generator, seconds: float) -> Columns:
    """The same keys repeatedly, released early or late between strikes."""
    when = _beats(rng, seconds, rng.uniform(2, 14))
    chord = np.unique(_anywhere(rng) + rng.integers(-12, 13, rng.choice([1, 1, 1, 2, 3, 4])))
    return _strike(rng, when, [chord] * len(when), rng.uniform(0.1, 1.0))


def _trill(rng: np.random.Generator, seconds: float) -> Columns:
    when = _beats(rng, seconds, rng.uniform(7, 18))
    low, step = _anywhere(rng), rng.choice([1, 1, 2, 2, 3, 4])
    return _strike(rng, when, [np.array([low + step * (i % 2)]) for i in range(len(when))], _touch(rng))


def _glissando(rng: np.random.Generator, seconds: float) -> Columns:
    rate = rng.uniform(12, 50)
    begin, steps = _anywhere(rng), np.arange(int(seconds * rate)) * rng.choice([-1, 1])
    steps = np.where(np.arange(len(steps)) % 44 < 22, steps % 44, -steps % 44)  # and back again
    pitch = begin + steps if rng.random() < 0.3 else begin // 12 * 12 + 12 * (steps // 7) + WHITE[steps % 7]
    return _strike(rng, np.arange(len(steps)) / rate, [np.array([p]) for p in pitch], _touch(rng))


def _clusters(rng: np.random.Generator, seconds: float) -> Columns:
    when = _beats(rng, seconds, rng.uniform(0.7, 5))
    low = _anywhere(rng)
    chords = [low + rng.integers(-4, 5) + np.flatnonzero(rng.random(12) < 0.6) for _ in when]
    return _strike(rng, when, [c if len(c) else np.array([low]) for c in chords], _touch(rng))


def _extremes(rng: np.random.Generator, seconds: float) -> Columns:
    when = _beats(rng, seconds, rng.uniform(1, 10))
    lowest = LOWEST_PITCH if rng.random() < 0.4 else HIGHEST_PITCH - 27  # two octaves and a third at either end
    chords = [np.unique(lowest + rng.integers(0, 28, rng.choice([1, 1, 2, 3]))) for _ in when]
    return _strike(rng, when, chords, _touch(rng))


def _random_notes(rng: np.random.Generator, seconds: float) -> Columns:
    n = max(1, rng.poisson(seconds * rng.uniform(2, 25)))
    onset = rng.uniform(0, seconds, n)
    return onset, onset + rng.exponential(rng.uniform(0.05, 1.0), n) + 0.03, LOWEST_PITCH + rng.integers(0, N_KEYS, n)


EXERCISES: tuple[Callable[[np.random.Generator, float], Columns], ...] = (
    _doubled_chords, _doubled_chords, _doubled_chords, _octaves, _octaves, _tremolo, _repetition, _repetition, _trill,
    _glissando, _clusters, _extremes, _random_notes,
)  # fmt: skip
