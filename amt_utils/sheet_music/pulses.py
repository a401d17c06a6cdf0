"""Periodicity features of events: the strength of each period around an event, its phase, and repetitions.

A Fourier tempogram of the accents, evaluated at the events: Grosche and Müller, "Extracting predominant local pulse
information from music recordings" (TASLP 19, 2011). A recurrent network hardly learns such periods by itself.
"""

from __future__ import annotations

import numpy as np

from .events import Events

PULSES = 0.2 * 2 ** (np.arange(21) / 5)  # periods in seconds
LAGS = PULSES[::2]  # seconds after which music may repeat
PULSE_FEATURES = 4 * len(PULSES) + 2 * len(LAGS)
PERIODS_SEEN, SECONDS_SEEN, REACH = 1.5, 0.6, 2.2  # window: deviation in periods and seconds; its reach in these
BASS, MEDIAN_OF = 3, 17  # semitones below the median lowest note of this many events
BLOCK = 256  # events whose windows are computed at once
FRAME = 0.04  # seconds per frame of the chroma
SCALE = 2.5  # of the features


def describe_pulses(notes: np.ndarray, events: Events) -> np.ndarray:
    """Notes and their events -> features ``(n_events, PULSE_FEATURES)`` float32.

    For accents and for the bass, the real part and magnitude of each period, with phase 0 at the event; then the
    similarity of the chroma to that a lag later and a lag earlier.
    """
    time, n = events.time, len(events.time)
    low = np.full(n, 127.0)
    np.minimum.at(low, events.of_note, notes["pitch"])
    around = np.lib.stride_tricks.sliding_window_view(np.pad(low, MEDIAN_OF // 2, mode="edge"), MEDIAN_OF)
    bass = (low < np.median(around, axis=1) - BASS) + 0.02
    weights = np.stack([np.exp(events.accent), bass])
    waves = np.exp(-2j * np.pi * (time - time[0]) / PULSES[:, None])  # (periods, n)
    parts = np.stack([weights * part for wave in waves for part in (wave.real, wave.imag, np.ones(n))])
    total = _sum_around(time, parts.reshape(len(PULSES), 6, n).astype(np.float32))
    columns: list[np.ndarray] = []
    for wave, sums in zip(waves, total, strict=True):
        for k in range(len(weights)):
            real, imaginary, weight = sums[k :: len(weights)]
            found = (real + 1j * imaginary) * wave.conj() / (weight + 1e-6)  # phase 0 at the event
            columns += [found.real, np.abs(found)]
    columns += _comes_back(notes, time)
    return (SCALE * np.stack(columns, 1)).astype(np.float32)


def _sum_around(time: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sums of ``values (periods, k, n)`` over the other events around each event, in a Gaussian window per period."""
    spread = PERIODS_SEEN * PULSES + SECONDS_SEEN
    farthest = REACH * spread.max()
    total = np.empty_like(values)
    for begin in range(0, len(time), BLOCK):
        end = min(begin + BLOCK, len(time))
        low, high = np.searchsorted(time, (time[begin] - farthest, time[end - 1] + farthest))
        away = ((time[begin:end, None] - time[low:high]) ** 2).astype(np.float32)
        away[np.arange(end - begin), np.arange(begin, end) - low] = np.inf  # the event itself
        for own, given, width in zip(total, values, spread, strict=True):
            window = np.exp(away * np.float32(-0.5 / width**2))
            window *= away <= np.float32((REACH * width) ** 2)
            own[:, begin:end] = given[:, low:high] @ window.T
    return total


def _comes_back(notes: np.ndarray, time: np.ndarray) -> list[np.ndarray]:
    """For each lag, the cosine similarity of the chroma after each event to that a lag later, and a lag earlier."""
    origin = time[0] - 1.0
    total = np.zeros((int((time[-1] - origin + 1.0) / FRAME) + 3, 12))
    np.add.at(total, (1 + np.rint((notes["onset"] - origin) / FRAME).astype(int), notes["pitch"] % 12), 1.0)
    total = total.cumsum(0)
    here = np.rint((time - origin) / FRAME).astype(int)

    def struck(middle: np.ndarray, reach: int) -> np.ndarray:
        low, high = (np.clip(x, 0, len(total) - 1) for x in (middle - reach, middle + reach + 1))
        return total[high] - total[low]

    columns = []
    for lag in LAGS:
        frames, half = int(np.rint(lag / FRAME)), max(3, int(0.5 * lag / FRAME)) // 2
        late = max(1, int(0.12 * lag / FRAME) + 1)  # the tempo may change
        own = struck(here + half, half)
        for way in (frames, -frames):
            other = struck(here + way + half, half + late)
            size = np.linalg.norm(own, axis=1) * np.linalg.norm(other, axis=1)
            columns.append((own * other).sum(1) / (size + 1e-6))
    return columns
