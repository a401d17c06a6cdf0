"""Decoded notes in frames -> a performance in seconds, with corrected velocities, and key ends that fit the pedals."""

from __future__ import annotations

import numpy as np

from ..config import Config
from ..music.notes import LOWEST_PITCH, Performance, extend_to_sounding, make_notes, next_onsets
from .decode import decode_pedals, find_notes
from .velocities import even_velocities


def decode_performance(activations: dict[str, np.ndarray], config: Config) -> Performance:
    """Probabilities of :data:`.KEY_ROLLS`, ``(T, 88)``, and ``pedal``, ``(T, 3)`` -> notes with key ends, and pedals.

    A note's key end is the decoded key end or the decoded sounding end: the one that, extended by the pedals, is closer
    to the decoded sounding end.
    """
    notes = find_notes([activations], config)
    return perform(notes, decode_pedals(activations["pedal"], config), config)


def perform(found: np.ndarray, pedals: np.ndarray, config: Config) -> Performance:
    """:data:`.STRUCK` notes in frames, and pedals -> notes with key ends in seconds (:func:`decode_performance`)."""
    order, onset, key_end, sounding = in_seconds(found, config)
    pitch, velocity = found["key"][order] + LOWEST_PITCH, found["velocity"][order]
    notes = make_notes(onset, key_end, pitch, even_velocities(onset, pitch, velocity, config.decode.velocity_smoothing))
    if not len(notes):  # without notes, pedals are noise
        return Performance(notes)
    by_key = extend_to_sounding(notes, pedals)["offset"]
    held_to_the_end = notes.copy()
    held_to_the_end["offset"] = sounding
    by_sound = extend_to_sounding(held_to_the_end, pedals)["offset"]
    worse = np.abs(by_key - sounding) > np.abs(by_sound - sounding) + 0.05
    notes["offset"] = np.where(worse, sounding, notes["offset"])
    return Performance(notes, pedals)


def in_seconds(found: np.ndarray, config: Config) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """:data:`.STRUCK` notes -> the order of a performance (indices), and onsets, key ends and sounding ends in it.

    Onsets are moved by ``decode.time_shift`` and ends by ``decode.release_shift`` seconds. A note that ended before its
    key's next strike, or at it, still does.
    """
    seconds, decode = config.feature.frame_seconds, config.decode
    onset = np.maximum(seconds * found["onset"] + decode.time_shift, 0.0)  # not before the recording
    struck_again, next_onset = next_onsets(found["key"], found["onset"]), next_onsets(found["key"], onset)

    def move(end: np.ndarray) -> np.ndarray:
        moved = np.maximum(seconds * end + decode.release_shift, onset + decode.min_note_seconds)
        return np.where(end <= struck_again, np.minimum(moved, next_onset), moved)

    order = np.lexsort((found["key"], onset))
    return order, onset[order], move(found["key_end"])[order], move(found["end"])[order]
