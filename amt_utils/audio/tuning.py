"""Estimates a piano's tuning, and the sample rate at which to read a recording so that it compensates for the tuning.

The estimate uses spectral peaks between 110 and 1000 Hz: lower ones are few bins apart, higher ones are stretched by
the strings' inharmonicity. Each peak votes for its distance from the nearest key at A4 = 440 Hz; the tuning is the mode
of the votes. A mean would be biased by fifth and seventh partials, 14 and 31 cents flat of any key. The estimate is
ambiguous by semitones: a piano at 415 Hz is read as one at 440 Hz whose notes are all a semitone lower.

A recording tuned to 427 Hz is resampled to 427 / 440 of the network's sample rate. The network then sees its usual
pitches, and times are computed with that rate.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

A4 = 440.0  # Hz
LISTEN_SECONDS = 60.0  # of audio, from the first sound on
LOWEST_HZ, HIGHEST_HZ = 110.0, 1000.0
MOST_PEAKS = 8  # per frame that vote
SPREAD = 6.0  # cents, of a vote
FEWEST_VOTES = 200
CLEAR = 1.6  # times the mean density of votes that the mode must have
LEFT_ALONE = 12.0  # cents: within the detuning of the training data


def hz_to_midi(hz: npt.ArrayLike) -> np.ndarray:
    """Frequency -> MIDI pitch, with fractions, A4 = 440 Hz."""
    return 69.0 + 12.0 * np.log2(np.asarray(hz, dtype=np.float64) / A4)


def midi_to_hz(pitch: npt.ArrayLike) -> np.ndarray:
    """MIDI pitch -> Hz, A4 = 440."""
    return A4 * 2.0 ** ((np.asarray(pitch, dtype=np.float64) - 69) / 12)


def estimate_tuning(blocks: Iterable[np.ndarray], *, sample_rate: int) -> float:
    """Audio -> Hz of A4 within half a semitone of 440; 440 where the estimate is not clear.

    Args:
        blocks: consecutive float32 samples; at most :data:`LISTEN_SECONDS` are read.
        sample_rate: Hz.

    >>> time = np.arange(5 * 16000) / 16000
    >>> sines = sum(np.sin(2 * np.pi * f * 435 / 440 * time) for f in midi_to_hz([57, 61, 64, 69]))
    >>> round(estimate_tuning([sines], sample_rate=16000))
    435
    """
    votes, weights = _find_peaks(_join(blocks, round(LISTEN_SECONDS * sample_rate)), sample_rate)
    if len(votes) < FEWEST_VOTES:
        return A4
    grid = np.arange(-50.0, 50.0)  # cents
    counted, _ = np.histogram(votes, bins=np.append(grid, 50.0) - 0.5, weights=weights)
    away = (grid + 50) % 100 - 50
    kernel = np.exp(-0.5 * (away / SPREAD) ** 2)
    density = np.fft.irfft(np.fft.rfft(counted) * np.fft.rfft(np.fft.ifftshift(kernel)), 100)
    best = int(np.argmax(density))
    if density[best] < CLEAR * density.mean():
        return A4
    left, middle, right = density[best - 1], density[best], density[(best + 1) % 100]
    cents = (grid[best] + vertex(left, middle, right) + 50) % 100 - 50
    return A4 * 2 ** (cents / 1200)


def vertex(left: npt.ArrayLike, middle: npt.ArrayLike, right: npt.ArrayLike) -> np.ndarray:
    """Where the parabola through a peak and its neighbours is highest: steps from the peak, -0.5..0.5."""
    left, middle, right = np.asarray(left), np.asarray(middle), np.asarray(right)
    return 0.5 * (left - right) / np.minimum(left - 2 * middle + right, -1e-12)


def rate_for_tuning(sample_rate: int, a4: float) -> int:
    """The rate at which to read a piano tuned to ``a4`` so that its pitches are those of A4 = 440 at ``sample_rate``.

    Deviations up to :data:`LEFT_ALONE` change nothing.
    """
    return round(sample_rate * a4 / A4) if is_out_of_tune(a4) else sample_rate


def is_out_of_tune(a4: float) -> bool:
    """Whether a piano is further from 440 Hz than :data:`LEFT_ALONE`."""
    return bool(abs(1200 * np.log2(a4 / A4)) > LEFT_ALONE)


def _join(blocks: Iterable[np.ndarray], most: int) -> np.ndarray:
    parts, n = [np.zeros(0, np.float32)], 0
    for block in blocks:
        parts.append(block)
        n += len(block)
        if n >= most:
            break
    return np.concatenate(parts)[:most]


def _find_peaks(y: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Cents from the nearest key, in [-50, 50), and weights of the highest spectral peaks of every frame."""
    size = 1 << round(np.log2(0.5 * sample_rate))  # about half a second: 2 Hz
    if len(y) < size:
        return np.zeros(0), np.zeros(0)
    frames = np.lib.stride_tricks.sliding_window_view(y, size)[:: size // 2]
    low, high = int(LOWEST_HZ * size / sample_rate), int(HIGHEST_HZ * size / sample_rate)
    window = np.hanning(size).astype(np.float32)
    votes, weights = [], []
    for frame in frames:
        spectrum = np.log(np.abs(np.fft.rfft(frame * window)[low - 1 : high + 2]) + 1e-9)
        middle = spectrum[1:-1]
        at = np.flatnonzero((middle > spectrum[:-2]) & (middle >= spectrum[2:]) & (middle > middle.mean() + 2.0))
        at = at[np.argsort(middle[at])[-MOST_PEAKS:]]
        a, b, c = spectrum[at], spectrum[at + 1], spectrum[at + 2]
        hz = (at + low + 0.5 * (a - c) / (a - 2 * b + c - 1e-12)) * sample_rate / size
        votes.append(100 * hz_to_midi(hz))
        weights.append(np.maximum(b - middle.mean(), 0.0))
    cents = np.concatenate(votes)
    return (cents + 50) % 100 - 50, np.concatenate(weights)
