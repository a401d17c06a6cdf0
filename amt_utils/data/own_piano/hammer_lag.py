"""The lag between MIDI onsets and sound as a function of velocity, measured from the recording.

A player piano records the time at which a key goes down; the string sounds later, depending on the hammer's speed. Soft
notes may be tens of milliseconds late, or early where the instrument overcompensates, and all notes are later the
farther the microphone is. Labels that ignore this bias training and evaluation.

Around the label of each note the level at its key's first three partials is measured in steps of 5 ms. The rise of that
level, averaged over notes of similar velocity, peaks where these notes sound; other notes average out. No network is
used, so that metrics against labels corrected this way are independent of the network.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...audio.tuning import midi_to_hz, vertex
from ...music.notes import LOWEST_PITCH, N_KEYS, Performance, make_notes
from .align_search import FINE_STEP, SAMPLE_RATE, fine_spectra

REACH = 20  # steps on either side of a label that are searched: 100 ms
N_FFT = 1024  # 64 ms
RISE = 4  # steps on either side over which the rise is measured
LATENCY = -0.009  # seconds: where the peak is for a hammer that falls at its label (rendered music, median)
VELOCITIES = range(8, 124, 4)
ALIKE = 5.0  # standard deviation, in velocities, of notes that are averaged
FEWEST_NOTES = 20
CLEAR = 4.0  # a peak's height over its surroundings, in standard deviations


@dataclass(frozen=True)
class HammerLag:
    """Seconds from label to sound: ``lag`` at the ``(k,)`` increasing ``velocities`` that could be measured."""

    velocities: np.ndarray
    lag: np.ndarray

    def at(self, velocity) -> np.ndarray:
        """Seconds for any velocities; beyond those measured, the nearest one's. Zero where none was."""
        if not len(self.velocities):
            return np.zeros(np.shape(velocity))
        return np.interp(velocity, self.velocities, self.lag)

    def apply(self, performance: Performance) -> Performance:
        """Moves each onset by the lag of its velocity, ends and pedals by the median lag."""
        notes = performance.notes
        if not len(notes):
            return performance
        common = float(np.median(self.at(notes["velocity"])))
        moved = performance.shifted(common)
        onset = np.maximum(notes["onset"] + self.at(notes["velocity"]), 0.0)
        offset = np.maximum(notes["offset"] + common, onset + 0.01)
        return Performance(make_notes(onset, offset, notes["pitch"], notes["velocity"]), moved.pedals)

    def describe(self) -> str:
        """One line for a report."""
        if not len(self.velocities):
            return "too few notes of any velocity to measure when they sound"
        points = (self.velocities[0], self.velocities[len(self.velocities) // 2], self.velocities[-1])
        return "notes sound " + ", ".join(f"{1000 * self.at(v):+.0f} ms at velocity {v:.0f}" for v in points)


def measure_hammer_lag(audio: np.ndarray, performance: Performance) -> HammerLag:
    """When the notes sound, by velocity.

    Args:
        audio: ``(n,)`` float32 at 16 kHz.
        performance: of this recording, in its time (see :func:`amt_utils.data.own_piano.align.align`).
    """
    rises, velocity = _rises_around_labels(audio, performance.notes)
    measured = []
    for middle in VELOCITIES:
        weight = np.exp(-0.5 * ((velocity - middle) / ALIKE) ** 2)
        total = weight.sum()
        if total == 0 or total**2 / np.square(weight).sum() < FEWEST_NOTES or (weight > 0.1).sum() < FEWEST_NOTES:
            continue
        peak = _find_clear_peak(weight @ rises / total)
        if peak is not None:
            measured.append((middle, (peak - REACH) * FINE_STEP - LATENCY))
    table = np.array(measured, dtype=np.float64).reshape(-1, 2)
    return HammerLag(table[:, 0], table[:, 1])


def _rises_around_labels(audio: np.ndarray, notes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``(k, 2 * REACH + 1)`` rises around the onsets far enough from the edges, and the ``(k,)`` velocities."""
    rise = rises_of_levels(_key_levels(audio))
    middle = np.rint(notes["onset"] / FINE_STEP).astype(np.int64)
    inside = (middle >= REACH) & (middle < rise.shape[1] - REACH)
    steps = middle[inside, None] + np.arange(-REACH, REACH + 1)
    keys = notes["pitch"][inside, None].astype(np.int64) - LOWEST_PITCH
    return rise[keys, steps], notes["velocity"][inside].astype(np.float64)


def _key_levels(audio: np.ndarray) -> np.ndarray:
    """``(88, T)`` level at each key's first three partials, in steps of 5 ms."""
    partials = midi_to_hz(np.arange(N_KEYS)[:, None] + LOWEST_PITCH) * np.arange(1, 4)
    bins = np.rint(partials * N_FFT / SAMPLE_RATE).astype(int)
    inside = bins <= N_FFT // 2
    parts = []
    for magnitude in fine_spectra(audio, N_FFT):
        power = np.square(magnitude)[np.where(inside, bins, 0)] * inside[..., None]
        parts.append(np.sqrt(power.sum(axis=1)).astype(np.float32))
    return np.concatenate(parts, axis=1)


def rises_of_levels(level: np.ndarray) -> np.ndarray:
    """Levels ``(k, T)`` in steps of 5 ms -> by how much each rises about each step, compressed, never below zero."""
    level = np.log1p(300 * level / (np.percentile(level.max(axis=0), 95) + 1e-9))
    rise = np.zeros_like(level)
    rise[:, RISE:-RISE] = np.maximum(level[:, 2 * RISE :] - level[:, : -2 * RISE], 0)
    return rise


def _find_clear_peak(curve: np.ndarray) -> float | None:
    """The place of the highest value, between steps, if it is clear and not at an edge."""
    top = int(np.argmax(curve))
    if not 2 <= top < len(curve) - 2:
        return None
    beside = np.delete(curve, np.arange(max(0, top - 2 * RISE), min(len(curve), top + 2 * RISE + 1)))
    if len(beside) < REACH // 2 or curve[top] < beside.mean() + CLEAR * beside.std():
        return None
    left, middle, right = curve[top - 1 : top + 2]
    return top + float(vertex(left, middle, right))
