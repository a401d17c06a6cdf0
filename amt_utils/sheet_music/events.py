"""Groups simultaneous onsets into events with accents, the input of beat tracking and hand separation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..music.notes import check_notes

CHORD_SECONDS = 0.035  # onsets within this time of an event's first onset belong to it
# weight of each term of an accent; tuned with the beat model
ACCENTS = {"size": 0.24, "bass": 0.70, "length": 0.86, "wait": 0.34, "loudness": 0.40, "harmony": 0.06}


@dataclass(frozen=True)
class Events:
    """Groups of simultaneous onsets.

    Attributes:
        time: ``(n,)`` rising seconds.
        accent: ``(n,)`` about -2..2.
        of_note: ``(m,)`` the event each note belongs to.
        terms: ``(n, 6)`` terms of the accent, in the order of :data:`ACCENTS`.
    """

    time: np.ndarray
    accent: np.ndarray
    of_note: np.ndarray
    terms: np.ndarray


def find_events(notes: np.ndarray) -> Events:
    """Notes ``(m,)`` -> events. Size, low bass, length, the gap after it, loudness and new harmony accent one."""
    check_notes(notes)
    onset = notes["onset"]
    of_note = np.zeros(len(notes), int)
    start, k = -np.inf, -1
    for i, t in enumerate(onset):
        if t - start > CHORD_SECONDS:
            start, k = t, k + 1
        of_note[i] = k
    n = k + 1
    if not n:
        return Events(np.zeros(0), np.zeros(0), of_note, np.zeros((0, 6)))
    time = np.bincount(of_note, onset, n) / np.bincount(of_note, minlength=n)
    terms = _accent_terms(notes, time, of_note)
    return Events(time, np.clip(terms @ np.array(list(ACCENTS.values())), -2, 2), of_note, terms)


def nearest_events(time: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Indices of the events at ``time`` (rising, at least one) that are nearest to each of ``times``."""
    after = np.clip(np.searchsorted(time, times), 1, max(len(time) - 1, 1)).clip(max=len(time) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(times - time[before] < time[after] - times, before, after)


def _accent_terms(notes: np.ndarray, time: np.ndarray, of_note: np.ndarray) -> np.ndarray:
    """Terms ``(n, 6)`` in the order of :data:`ACCENTS`, each relative to its neighbourhood."""
    n = len(time)
    low, long, loud = np.full(n, 127.0), np.zeros(n), np.zeros(n)
    np.minimum.at(low, of_note, notes["pitch"])
    np.maximum.at(long, of_note, np.minimum(notes["offset"] - notes["onset"], 4.0))
    np.maximum.at(loud, of_note, notes["velocity"])
    wait = np.minimum(np.diff(time, append=time[-1] + 1.0), 4.0)
    count = np.log(np.bincount(of_note, minlength=n))
    columns = (count, -low, np.log(long + 0.05), np.log(wait + 0.05), loud, _harmony_change(notes, time))
    return np.column_stack([_standardise(column) for column in columns])


def _harmony_change(notes: np.ndarray, time: np.ndarray, seconds: float = 0.8) -> np.ndarray:
    """1 - cosine similarity of the pitch classes in the ``seconds`` before and after each time."""
    chroma = np.zeros((len(notes) + 1, 12))
    np.add.at(chroma, (np.arange(1, len(notes) + 1), notes["pitch"] % 12), 1.0)
    chroma = chroma.cumsum(0)
    onset = notes["onset"]
    before, at, after = (np.searchsorted(onset, time + d) for d in (-seconds, -CHORD_SECONDS, seconds))
    old, new = chroma[at] - chroma[before], chroma[after] - chroma[at]
    norm = np.linalg.norm(old, axis=1) * np.linalg.norm(new, axis=1)
    return 1 - (old * new).sum(1) / np.maximum(norm, 1e-9)


def _standardise(x: np.ndarray, width: int = 32) -> np.ndarray:
    """Subtracts the local mean and divides by the standard deviation of the result."""
    if len(x) < 2:
        return np.zeros(len(x))
    kernel = np.ones(min(width, len(x)))
    local = np.convolve(x, kernel, "same") / np.convolve(np.ones(len(x)), kernel, "same")
    return (x - local) / max((x - local).std(), 1e-6)
