"""The note network's output for each event: logits are averaged over the notes of an event."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .events import Events
from .note_network import Reading

SURE = 6.0  # log odds of an event are clipped to this


@dataclass(frozen=True)
class Evidence:
    """Log odds and log probabilities of ``n`` events.

    Attributes:
        time: ``(n,)`` rising seconds.
        beat: ``(n,)`` log odds of being on a beat.
        downbeat: ``(n,)`` log odds of being on a downbeat.
        period: ``(n, PERIODS)`` log probabilities of the length of a beat.
        metre: ``(n, METRES)`` log probabilities of the time signature.
        part: ``(n, PARTS)`` log probabilities of the position within the beat.
        grace: ``(n,)`` log odds of being an ornament: the lowest among the event's notes.
    """

    time: np.ndarray
    beat: np.ndarray
    downbeat: np.ndarray
    period: np.ndarray
    metre: np.ndarray
    part: np.ndarray
    grace: np.ndarray


def weigh_events(reading: Reading, events: Events) -> Evidence:
    """Logits of notes -> evidence of events, from means over their notes."""
    n = len(events.time)
    size = np.bincount(events.of_note, minlength=n).astype(float)

    def mean(values: np.ndarray) -> np.ndarray:
        total = np.zeros((n, *values.shape[1:]))
        np.add.at(total, events.of_note, values)
        return total / size.reshape(-1, *(1,) * (values.ndim - 1))

    grace = np.full(n, np.inf)
    np.minimum.at(grace, events.of_note, reading.grace)
    return Evidence(
        events.time,
        np.clip(mean(reading.beat), -SURE, SURE),
        np.clip(mean(reading.downbeat), -SURE, SURE),
        log_softmax(mean(reading.period)),
        log_softmax(mean(reading.metre)),
        log_softmax(mean(reading.part)),
        grace,
    )


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Logarithm of the softmax over the last axis."""
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
