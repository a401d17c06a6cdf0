"""Decoded notes in frames -> a performance in seconds: velocities evened, key ends that explain the sounding ends."""

from __future__ import annotations

import numpy as np

from ..config import Config
from ..music.notes import LOWEST_PITCH, Performance, extend_to_sounding, make_notes
from .decode import decode_pedals, find_notes
from .velocities import even_velocities


def decode_performance(activations: dict[str, np.ndarray], config: Config) -> Performance:
    """Probabilities of :data:`ROLLS`, ``(T, 88)`` and ``pedal`` ``(T, 3)`` -> notes with ``key`` ends, and pedals.

    Each note's key end is chosen such that its sounding end, as it follows from key end and pedals, comes as close
    as it can to the sounding end that was heard.
    """
    notes = find_notes([activations], config)
    return perform(notes, decode_pedals(activations["pedal"], config), config)


def perform(found: np.ndarray, pedals: np.ndarray, config: Config) -> Performance:
    """:data:`STRUCK` notes, in frames -> notes in seconds, each with a key end that explains how long it sounded."""
    order, onset, key_end, sounding = in_seconds(found, config)
    pitch, velocity = found["key"][order] + LOWEST_PITCH, found["velocity"][order]
    notes = make_notes(onset, key_end, pitch, even_velocities(onset, pitch, velocity, config.decode.velocity_smoothing))
    if not len(notes):  # pedals of what never sounded are noise
        return Performance(notes)
    by_key = extend_to_sounding(notes, pedals)["offset"]
    held_to_the_end = notes.copy()
    held_to_the_end["offset"] = sounding
    by_sound = extend_to_sounding(held_to_the_end, pedals)["offset"]
    worse = np.abs(by_key - sounding) > np.abs(by_sound - sounding) + 0.05
    notes["offset"] = np.where(worse, sounding, notes["offset"])
    return Performance(notes, pedals)


def in_seconds(found: np.ndarray, config: Config) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """:data:`STRUCK` notes -> the order that a performance has them in; onsets, key ends and ends so sorted."""
    seconds, decode = config.feature.frame_seconds, config.decode
    # no note begins before the recording, and none is left without length
    onset, key_end, end = (
        np.maximum(seconds * found[name] + decode.time_shift, low)
        for name, low in (("onset", 0.0), ("key_end", decode.min_note_seconds), ("end", decode.min_note_seconds))
    )
    order = np.lexsort((found["key"], onset))
    return order, onset[order], key_end[order], end[order]
