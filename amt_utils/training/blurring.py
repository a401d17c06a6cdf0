"""Simulates a network's output rolls from notes, to train on MIDI what reads these rolls.

An exact roll has every key release, also under the pedal, where it is inaudible. A network's probabilities of such
releases are spread over a tenth of a second and more, with about the same sum. The widths were measured on ``base``
after run 11: 700 notes of MAESTRO's test split, rendered in rooms on the piano that no training used.
"""

from __future__ import annotations

import numpy as np

from ..config import Config
from ..music.notes import LOWEST_PITCH, N_KEYS, SUSTAIN, Performance
from .targets import make_rolls

# frames of 20 ms, with the pedal up and down: the median width of an event, and the standard deviation of its logarithm
WIDTHS = {"onset": ((0.2, 0.5), (0.2, 0.5)), "offset": ((1.2, 1.0), (0.8, 0.8)), "key_offset": ((1.2, 1.0), (2.7, 1.2))}
WIDEST = 12.0  # frames
OFF_CENTRE = 0.7  # standard deviation of an event's time error, in widths
MASS, OWN_WIDTH = 2.15, 0.82  # of a soft target of two frames: its sum, its standard deviation in frames
SURE = 0.98  # the highest probability of a network


def make_blurred_rolls(
    performance: Performance, n_frames: int, config: Config, rng: np.random.Generator, *, start: float = 0.0
) -> dict[str, np.ndarray]:
    """As :func:`.make_rolls`, with ``onset``, ``offset``, ``key_offset`` and ``frame`` as a network estimates them."""
    rolls = make_rolls(performance, n_frames, config, start=start)
    seconds = config.feature.frame_seconds
    notes, sounding = performance.notes, performance.with_ends("sounding")
    events = {"onset": notes["onset"], "offset": sounding["offset"], "key_offset": notes["offset"]}
    for name, times in events.items():
        near = (times > start - 0.5) & (times < start + n_frames * seconds + 0.5)
        widths = np.array(WIDTHS[name])[_is_down(performance, times[near]).astype(int)]
        at = (times[near] - start) / seconds
        rolls[name] = _spread(at, notes["pitch"][near] - LOWEST_PITCH, widths * (0.02 / seconds, 1.0), n_frames, rng)
    rolls["frame"] = rolls["frame"] * _fading(rolls["frame"], seconds, rng)
    return rolls


def _is_down(performance: Performance, times: np.ndarray) -> np.ndarray:
    """``(n,)`` bool: whether the sustain pedal holds the dampers at each of ``times``."""
    pressed = performance.pedals[performance.pedals["kind"] == SUSTAIN]
    begun = np.searchsorted(pressed["onset"], times, side="right") - 1  # the last press before
    return (begun >= 0) & (times < np.append(pressed["offset"], -np.inf)[begun])


def _spread(
    at: np.ndarray, keys: np.ndarray, widths: np.ndarray, n_frames: int, rng: np.random.Generator
) -> np.ndarray:
    """Events at fractional frames, ``widths`` ``(n, 2)`` median and spread -> roll ``(n_frames, 88)``."""
    width = np.minimum(widths[:, 0] * np.exp(widths[:, 1] * rng.standard_normal(len(at))), WIDEST)
    centre = at + OFF_CENTRE * width * rng.standard_normal(len(at))
    deviation = np.hypot(width, OWN_WIDTH)
    height = np.minimum(1.0, MASS / (np.sqrt(2 * np.pi) * deviation))
    bells = height * np.exp(-0.5 * ((np.arange(n_frames)[:, None] - centre) / deviation) ** 2)  # (T, n)
    return np.minimum(bells @ np.eye(N_KEYS)[keys], SURE).astype(np.float32)


def _fading(frame: np.ndarray, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Frame probabilities of sounding notes: lower at both ends of the keyboard and the longer a note sounds."""
    age = np.zeros_like(frame)
    for t in range(1, len(frame)):
        age[t] = (age[t - 1] + 1) * frame[t]
    outside = np.abs(np.arange(N_KEYS) - 32) / 50  # distance from the middle, where probabilities are highest
    key = 0.95 - 0.3 * outside + rng.normal(0, 0.05, N_KEYS)
    slope = rng.uniform(0.03, 0.12) * (1 + outside)  # lost per second
    return np.clip(key - slope * age * seconds, 0.05, SURE).astype(np.float32)
