"""Activations (probabilities) -> notes and pedals.

An onset is a local maximum of the onset roll above its threshold; its time between frames follows from the two
neighbouring frames (Kong et al., TASLP 2021). A note's sounding end is the first of: an offset peak, the frame roll
falling below its threshold, the next strike of its key. Its key end is the first key-offset peak before that. Velocity
is the velocity roll's value at the onset; :mod:`.velocities` corrects it afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..config import KEY_ROLLS, Config
from ..music.notes import (
    N_KEYS,
    PEDAL,
    PEDAL_NAMES,
    make_pedals,
)

STRUCK = np.dtype(  # a note; times in frames, fractional except for the frame of its onset's peak, `strike`
    [("strike", "i8"), ("onset", "f8"), ("key_end", "f8"), ("end", "f8"), ("key", "i2"), ("velocity", "i2")]
)
SETTLED = 2  # frames after an onset in which no end is looked for, so that the attack is not taken for one


def find_notes(
    chunks: Iterable[dict[str, np.ndarray]], config: Config, *, cut_at_strikes: bool = True
) -> np.ndarray:
    """Consecutive chunks of :data:`.KEY_ROLLS` -> :data:`STRUCK` notes, independent of where the rolls are cut.

    Memory holds one chunk and the frames since the onset of the oldest sounding note. Without ``cut_at_strikes`` a
    note may last beyond the next strike of its key (:mod:`.candidates`).
    """
    found = [np.zeros(0, STRUCK)]
    begin, held = 0, {name: np.zeros((0, N_KEYS), np.float16) for name in KEY_ROLLS}  # from frame `begin` on
    chunks = iter(chunks)
    following = next(chunks, None)
    while following is not None:
        chunk, following = following, next(chunks, None)
        held = {name: np.concatenate([held[name], chunk[name]]) for name in KEY_ROLLS}
        notes = _find_notes(held, config, cut_at_strikes)
        notes = notes[notes["strike"] >= min(begin, 1)]  # the first frame serves only as the second one's neighbour
        settled = len(held["onset"])
        if following is not None:  # ends in the last two frames may change with the following ones
            unsure = notes["strike"][notes["end"] >= settled - 2]
            settled = min([settled - 1, *unsure])
        notes = notes[notes["strike"] < settled]
        for name in ("strike", "onset", "key_end", "end"):
            notes[name] += begin
        found.append(notes)
        kept_from = max(0, settled - 1)
        begin += kept_from
        held = {name: held[name][kept_from:] for name in KEY_ROLLS}
    return np.concatenate(found)


def _find_notes(activations: dict[str, np.ndarray], config: Config, cut_at_strikes: bool) -> np.ndarray:
    decode = config.decode
    rows: list[tuple[int, float, float, float, int, int]] = []
    shortest = decode.min_note_seconds / config.feature.frame_seconds
    for key in np.flatnonzero((activations["onset"] >= decode.onset_threshold).any(axis=0)).tolist():
        onset, offset, key_offset, frame, velocity = (
            np.asarray(activations[name][:, key], np.float32) for name in KEY_ROLLS
        )
        strikes, times = find_peaks(onset, decode.onset_threshold, refine=decode.onset_refinement)
        if not len(strikes):
            continue
        releases, release_times = find_peaks(offset, decode.offset_threshold)
        key_ups, key_up_times = find_peaks(key_offset, decode.key_offset_threshold)
        silent = np.flatnonzero(frame < decode.frame_threshold)
        following = np.append(times[1:], len(onset)) if cut_at_strikes else np.full(len(times), len(onset))
        for strike, time, limit in zip(strikes, times, following, strict=True):
            fall = _first(silent, silent, strike + SETTLED, len(frame))
            end = min(_first(releases, release_times, strike + SETTLED, limit), fall, limit)
            end = max(end, time + shortest)
            key_end = max(_first(key_ups, key_up_times, strike + SETTLED, end), time + shortest)
            loudness = int(np.clip(np.rint(127 * velocity[strike]), 1, 127))
            rows.append((strike, time, min(key_end, end), end, key, loudness))
    return np.array(rows, STRUCK)


def find_peaks(roll: np.ndarray, threshold: float, *, refine: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Local maxima of ``(T,)`` of at least ``threshold`` -> their frames, and their times in fractional frames.

    Without ``refine`` the times equal the frames.
    """
    before, after = np.append(-1.0, roll[:-1]), np.append(roll[1:], -1.0)
    frames = np.flatnonzero((roll >= threshold) & (roll > before) & (roll >= after))
    if not refine:
        return frames, frames.astype(np.float64)
    peak, left, right = roll[frames], np.maximum(before[frames], 0), np.maximum(after[frames], 0)
    depth = peak - np.minimum(left, right)
    between = np.where(depth > 1e-6, (right - left) / (2 * np.maximum(depth, 1e-6)), 0.0)
    return frames, np.maximum(frames + np.clip(between, -0.5, 0.5), 0.0)


def _first(frames: np.ndarray, times: np.ndarray, begin: int, otherwise: float) -> float:
    """The time of the first of ``frames`` (sorted) at or after ``begin``, but at most ``otherwise``."""
    i = np.searchsorted(frames, begin)
    return float(min(times[i], otherwise)) if i < len(frames) else float(otherwise)


def decode_pedals(pedal: np.ndarray, config: Config) -> np.ndarray:
    """``(T, 3)`` probabilities -> pedal events: spans of at least 2 frames above the threshold.

    The dampers touch the strings before the pedal is half up. Releases are therefore moved later by
    ``decode.pedal_release_shift`` seconds, at most half-way to the next press.
    """
    seconds, threshold = config.feature.frame_seconds, config.decode.pedal_threshold
    on, off, kinds = [], [], []
    for kind in range(len(PEDAL_NAMES)):
        p = np.concatenate([[0.0], np.asarray(pedal[:, kind], np.float64), [0.0]])
        down = p >= threshold
        press, release = np.flatnonzero(~down[:-1] & down[1:]), np.flatnonzero(down[:-1] & ~down[1:])
        crossing = [i + (threshold - p[i]) / (p[i + 1] - p[i]) - 1 for i in (press, release)]
        long = release - press >= 2
        begin, end = (np.clip(c[long], 0, None) * seconds for c in crossing)
        end += np.minimum(config.decode.pedal_release_shift, np.append(begin[1:] - end[:-1], np.inf) / 2)
        keep = end > begin
        on.append(begin[keep])
        off.append(end[keep])
        kinds.append(np.full(int(keep.sum()), kind))
    if not sum(map(len, on)):
        return np.zeros(0, PEDAL)
    return make_pedals(np.concatenate(on), np.concatenate(off), np.concatenate(kinds))
