"""Augmentation of performances: excerpts, tempo, transposition, dynamics, octave doublings."""

from __future__ import annotations

import numpy as np

from ..music.notes import HIGHEST_PITCH, LOWEST_PITCH, Performance, make_notes, make_pedals

RINGING = 12.0  # seconds before a window from which notes may still sound in it


def excerpt(performance: Performance, begin: float, seconds: float, speed: float) -> Performance:
    """``seconds`` from ``begin`` on, played ``speed`` times faster; times count from ``RINGING`` seconds before."""
    performance = performance.around(begin - RINGING, begin + seconds * speed + 1)

    def move(times: np.ndarray) -> np.ndarray:
        return np.maximum((times - begin) / speed + RINGING, 0.0)

    notes, pedals = performance.notes, performance.pedals
    on, off = move(notes["onset"]), move(notes["offset"])
    kept = off > on
    pressed, released = move(pedals["onset"]), move(pedals["offset"])
    held = released > pressed
    return Performance(
        make_notes(on[kept], off[kept], notes["pitch"][kept], notes["velocity"][kept]),
        make_pedals(pressed[held], released[held], pedals["kind"][held]),
    )


def vary_playing(performance: Performance, rng: np.random.Generator) -> Performance:
    """Transposed, louder or softer, with more or less contrast, sometimes without pedal or with other octaves."""
    notes, pedals = performance.notes.copy(), performance.pedals
    if rng.random() < 0.2:
        notes = vary_octaves(notes, rng)
    # sometimes by an octave: the lowest and highest keys are rare in pieces
    notes["pitch"] += rng.integers(-5, 6) + 12 * rng.choice([-1, 0, 1], p=[0.2, 0.7, 0.1])
    notes = notes[(notes["pitch"] >= LOWEST_PITCH) & (notes["pitch"] <= HIGHEST_PITCH)]
    middle = notes["velocity"].mean() if len(notes) else 0.0
    contrast = rng.uniform(0.6, 1.4)  # above one: more difference between voices
    velocity = middle * rng.uniform(0.6, 1.25) + (notes["velocity"] - middle) * contrast
    notes["velocity"] = np.clip(np.rint(velocity + rng.normal(0, 3, len(notes))), 8, 127)
    if rng.random() < 0.1:
        pedals = pedals[:0]
    return Performance(notes, pedals)


def vary_octaves(notes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Removes half of the octave doublings and adds about as many elsewhere.

    Octaves above played notes are the most frequent false positives. This keeps a network from learning where doublings
    usually are.
    """
    together = np.abs(notes["onset"][:, None] - notes["onset"]) < 0.03
    above = notes["pitch"][:, None] - notes["pitch"] == 12
    doubling = (together & above).any(axis=1)
    dropped = doubling & (rng.random(len(notes)) < 0.5)
    alone = ~(together & above).any(axis=0) & (notes["pitch"] <= HIGHEST_PITCH - 12)
    doubled = notes[alone & (rng.random(len(notes)) < max(0.03, dropped.sum() / max(1, alone.sum())))]
    onset = np.clip(doubled["onset"] + rng.normal(0, 0.008, len(doubled)), 0.0, doubled["offset"] - 0.01)
    doubled = doubled[onset >= 0]
    velocity = np.clip(np.rint(doubled["velocity"] * rng.uniform(0.5, 1.1, len(doubled))), 1, 127)
    kept = notes[~dropped]
    return make_notes(
        np.concatenate([kept["onset"], onset[onset >= 0]]),
        np.concatenate([kept["offset"], doubled["offset"]]),
        np.concatenate([kept["pitch"], doubled["pitch"] + 12]),
        np.concatenate([kept["velocity"], velocity]),
    )
