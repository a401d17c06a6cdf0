"""When each note sounds, measured from the recording: the lag of single notes about the lag of their velocity.

A player piano's soft hammers do not all take as long as others of their velocity: it depends on the key, and on how
long it has rested. A note's time is the most probable one: a normal distribution around its label, times the evidence
of the sound, which is the rise of the level at those of its first partials that no other note near it has.

No network is used, so that metrics against labels corrected this way are independent of the network.
"""

from __future__ import annotations

import numpy as np

from ...audio.tuning import midi_to_hz, vertex
from ...music.notes import Performance, make_notes
from .align_search import FINE_STEP, SAMPLE_RATE, fine_spectra
from .hammer_lag import LATENCY, N_FFT, rises_of_levels

SPREAD = ((20, 30, 40, 50, 64), (0.045, 0.040, 0.030, 0.015, 0.008))  # velocities; standard deviation in seconds, MAPS
REACH = 26  # steps on either side of a label that are searched: 130 ms
NEAR = 0.25  # seconds within which other notes may hide a partial
PARTIALS = np.arange(1, 7)
STRETCH = np.sqrt(1 + 3e-4 * PARTIALS**2)  # inharmonicity of the middle of the keyboard
LOWEST_PARTIAL, HIGHEST_PARTIAL = 60.0, 0.45 * SAMPLE_RATE  # Hz
APART = 1.6  # bins between partials that can be told apart
EVIDENCE = 1.0  # weight of one partial's rise that is as large as others of the velocity, nats
LARGEST = 1.2  # a larger rise is another note's
ALIKE = 6.0  # standard deviation, in velocities, of notes whose rises are compared


def find_note_onsets(audio: np.ndarray, performance: Performance) -> Performance:
    """Moves each onset to where its note sounds; ends and pedals stay.

    Args:
        audio: ``(n,)`` float32 at 16 kHz.
        performance: of this recording, in its time and corrected by velocity (:meth:`.hammer_lag.HammerLag.apply`).
    """
    notes = performance.notes
    rises, n_free = _rises_of_notes(audio, notes)
    if not n_free.any():
        return performance
    velocity = notes["velocity"].astype(np.float64)
    evidence = EVIDENCE * n_free[:, None] * np.minimum(rises / _usual_rise(rises, n_free, velocity)[:, None], LARGEST)
    away = np.arange(-REACH, REACH + 1) * FINE_STEP - LATENCY
    score = evidence - 0.5 * (away / np.interp(velocity, *SPREAD)[:, None]) ** 2
    top = score.argmax(1)
    inner = (n_free > 0) & (top > 0) & (top < len(away) - 1)
    left, middle, right = (score[np.arange(len(notes)), np.clip(top, 1, len(away) - 2) + side] for side in (-1, 0, 1))
    moved = notes["onset"] + away[top] + vertex(left, middle, right) * FINE_STEP
    onset = np.maximum(np.where(inner, moved, notes["onset"]), 0.0)
    offset = np.maximum(notes["offset"], onset + 0.01)
    return Performance(make_notes(onset, offset, notes["pitch"], notes["velocity"]), performance.pedals)


def _rises_of_notes(audio: np.ndarray, notes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean rise of each note's free partials around its label, ``(n, 2 * REACH + 1)``; how many are free, ``(n,)``."""
    rise = rises_of_levels(np.concatenate([piece.astype(np.float32) for piece in fine_spectra(audio, N_FFT)], axis=1))
    onset, pitch = notes["onset"], notes["pitch"].astype(np.float64)
    partials = midi_to_hz(pitch)[:, None] * PARTIALS * STRETCH
    audible = (partials > LOWEST_PARTIAL) & (partials < HIGHEST_PARTIAL)
    bins = np.rint(partials * N_FFT / SAMPLE_RATE).astype(np.int64)
    middle = np.rint(onset / FINE_STEP).astype(np.int64)
    begin, end = np.searchsorted(onset, onset - NEAR), np.searchsorted(onset, onset + NEAR)
    rises, n_free = np.zeros((len(notes), 2 * REACH + 1)), np.zeros(len(notes), np.int64)
    for i in np.flatnonzero((middle >= REACH) & (middle < rise.shape[1] - REACH)):
        near = slice(begin[i], end[i])
        others = partials[near][pitch[near] != pitch[i]].ravel()
        distance = np.abs(partials[i][:, None] - others).min(axis=1, initial=np.inf)
        free = bins[i][audible[i] & (distance > APART * SAMPLE_RATE / N_FFT)]
        if len(free):
            rises[i] = rise[free, middle[i] - REACH : middle[i] + REACH + 1].mean(axis=0)
            n_free[i] = len(free)
    return rises, n_free


def _usual_rise(rises: np.ndarray, n_free: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """The largest rise of notes of about the velocity of each, in the mean: ``(n,)``."""
    every = np.arange(128)
    weight = np.exp(-0.5 * ((every[:, None] - velocity) / ALIKE) ** 2) * (n_free > 0)
    usual = weight @ rises.max(axis=1) / np.maximum(weight.sum(axis=1), 1e-9)
    return np.interp(velocity, every, usual) + 1e-3
