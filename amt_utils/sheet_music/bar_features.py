"""Input features of :mod:`.bar_network` for each beat: the notes struck on it, and which earlier beats it repeats."""

from __future__ import annotations

import numpy as np

from .events import Events, nearest_events

LAGS = 12  # number of beats before and after with which a beat is compared
SLOTS = 12  # per beat, for its rhythm
EARLY = 0.12  # share of a beat: an onset this close before a beat belongs to it
BAR_FEATURES = 4 * LAGS + 6 + 7


def describe_beats(notes: np.ndarray, events: Events, times: np.ndarray) -> np.ndarray:
    """Features ``(n, BAR_FEATURES)`` of beats at ``times`` ``(n,)``: accents, density, length, similarity at each lag.

    Similarity is the cosine between the pitch classes of two beats, and between their rhythms; no key is assumed.
    """
    n = len(times)
    beat = np.arange(n)
    period = np.gradient(times)
    place = np.interp(notes["onset"], times, beat) + EARLY
    place = np.where(notes["onset"] < times[0] - EARLY * period[0], -1.0, place)
    of = np.floor(place).astype(int)
    inside = (of >= 0) & (of < n) & (notes["onset"] < times[-1] + 2 * period[-1])
    of, pitch = of[inside], notes["pitch"][inside]
    chroma, rhythm = np.zeros((n, 12)), np.zeros((n, SLOTS))
    np.add.at(chroma, (of, pitch % 12), 1.0)
    np.add.at(rhythm, (of, np.floor((place[inside] - of) * SLOTS).astype(int) % SLOTS), 1.0)
    rhythm = np.sqrt(rhythm)
    count, low = chroma.sum(1), np.full(n, 127.0)
    np.minimum.at(low, of, pitch)
    low = np.where(low < 127, low, np.median(pitch) if len(pitch) else 60)
    nearest = nearest_events(events.time, times)
    struck = np.abs(events.time[nearest] - times) < np.minimum(0.08, 0.2 * period)
    accents = np.where(struck[:, None], events.terms[nearest], 0.0)
    bass = np.zeros((n, 12))
    bass[beat, low.astype(int) % 12] = count > 0
    columns = [
        *_likeness(chroma), *_likeness(rhythm),
        *accents.T, struck, np.log1p(count) - np.log1p(count).mean(), np.log(period / np.median(period)).clip(-1, 1),
        (low - _smooth(low)) / 12, 1 - _alike(bass, 1), np.full(n, np.log(np.median(period))), _onsets_between(rhythm),
    ]  # fmt: skip
    return np.column_stack(columns).astype(np.float32)


def _likeness(x: np.ndarray) -> list[np.ndarray]:
    """Cosines ``(n,)`` for each lag, backward and then forward, minus their mean over all beats and lags."""
    unit = _unit(x)
    rows = [_alike(unit, lag) for lag in range(1, LAGS + 1)]
    usual = float(np.mean([row.mean() for row in rows]))
    back = [row - usual for row in rows]
    ahead = [np.concatenate([row[lag:], np.zeros(min(lag, len(row)))])[: len(row)] for lag, row in enumerate(back, 1)]
    return [*back, *ahead]


def _unit(x: np.ndarray) -> np.ndarray:
    """Rows scaled to unit length; zero rows stay zero."""
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)


def _alike(unit: np.ndarray, lag: int) -> np.ndarray:
    """Cosines ``(n,)`` of each unit row and the row ``lag`` before it; 0 if there is none."""
    found = np.zeros(len(unit))
    if lag < len(unit):
        found[lag:] = (unit[lag:] * unit[:-lag]).sum(1)
    return found


def _smooth(x: np.ndarray, width: int = 9) -> np.ndarray:
    kernel = np.ones(min(width, len(x)))
    return np.convolve(x, kernel, "same") / np.convolve(np.ones(len(x)), kernel, "same")


def _onsets_between(rhythm: np.ndarray) -> np.ndarray:
    """Share of the onsets of each beat that are off the beat."""
    total = rhythm.sum(1)
    return np.where(total > 0, 1 - rhythm[:, : SLOTS // 4].sum(1) / np.maximum(total, 1e-9), 0.0)
