"""MIDI -> what the networks are trained on: rolls of ``(T, 88)`` and ``(T, 3)``.

``grid`` marks one frame per onset and offset. ``soft`` draws a triangle that peaks at the true sub-frame time and
falls to zero ``soft_frames`` frames away (Kong et al., "High-resolution piano transcription", TASLP 2021), so that
decoding recovers times finer than a frame.
"""

from __future__ import annotations

import numpy as np

from ..config import Config
from ..music.notes import LOWEST_PITCH, N_KEYS, PEDAL_NAMES, Performance
from ..system.errors import AmtError


def make_rolls(performance: Performance, n_frames: int, config: Config, *, start: float = 0.0) -> dict[str, np.ndarray]:
    """Target rolls of the ``n_frames`` frames that begin ``start`` seconds into the performance.

    Args:
        performance: notes with key ends, and pedals; the whole piece, not only the window.
        n_frames: T.
        config: frame length, target mode and which ends the offset and frame rolls follow.
        start: time of frame 0 in seconds.

    Returns:
        float32 arrays: ``onset``, ``offset``, ``key_offset``, ``frame``, ``frame_ex`` (frame minus onset frames),
        ``velocity`` (0..1 while the note lasts, else 0) of shape ``(T, 88)``; ``pedal`` of shape ``(T, 3)``.
    """
    target, seconds = config.target, config.feature.frame_seconds
    if target.mode not in ("soft", "grid"):
        raise AmtError(f"target.mode must be 'soft' or 'grid', not {target.mode!r}")
    sounding = performance.with_ends(target.ends)
    near = (sounding["onset"] < start + (n_frames + 3) * seconds) & (
        np.maximum(sounding["offset"], performance.notes["offset"]) > start - 3 * seconds
    )
    notes, key_ends = sounding[near], performance.notes["offset"][near]
    keys = notes["pitch"] - LOWEST_PITCH
    onset = (notes["onset"] - start) / seconds  # in frames, fractional
    offset = (notes["offset"] - start) / seconds
    key_offset = (key_ends - start) / seconds
    rolls = {name: np.zeros((n_frames, N_KEYS), np.float32) for name in ("onset", "offset", "key_offset", "velocity")}
    width = target.soft_frames if target.mode == "soft" else 0.0
    _draw_events(rolls["onset"], onset, keys, width)
    _draw_events(rolls["offset"], offset, keys, width)
    _draw_events(rolls["key_offset"], key_offset, keys, width)
    rolls["velocity"] = _draw_loudness(onset, offset, keys, notes["velocity"] / 127.0, n_frames)
    _draw_values(rolls["velocity"], onset, keys, notes["velocity"] / 127.0, width)
    rolls["frame"] = _draw_spans(onset, offset, keys, n_frames, N_KEYS)
    onset_frames = np.zeros_like(rolls["frame"])
    _draw_events(onset_frames, onset, keys, 0.0)
    rolls["frame_ex"] = rolls["frame"] * (1 - onset_frames)
    pedals = performance.pedals
    rolls["pedal"] = _draw_spans(
        (pedals["onset"] - start) / seconds,
        (pedals["offset"] - start) / seconds,
        pedals["kind"].astype(int),
        n_frames,
        len(PEDAL_NAMES),
    )
    return rolls


def _draw_events(roll: np.ndarray, times: np.ndarray, columns: np.ndarray, width: float) -> None:
    """Peaks of height 1 at fractional frames: one frame each (``width`` 0) or triangles of half width ``width``."""
    for frame, value in _triangle(times, width):
        inside = (frame >= 0) & (frame < len(roll)) & (value > 0)
        np.maximum.at(roll, (frame[inside], columns[inside]), value[inside].astype(np.float32))


def _draw_values(roll: np.ndarray, times: np.ndarray, columns: np.ndarray, values: np.ndarray, width: float) -> None:
    """``values`` wherever :func:`_draw_events` would draw; where two notes meet, the nearer one's."""
    drawn = [(np.where(weight > 0, weight, -1.0), frame) for frame, weight in _triangle(times, width)]
    if not drawn or not len(times):
        return
    weight, frame = np.concatenate([w for w, _ in drawn]), np.concatenate([f for _, f in drawn])
    column, value = np.tile(columns, len(drawn)), np.tile(values, len(drawn))
    keep = np.flatnonzero((weight > 0) & (frame >= 0) & (frame < len(roll)))
    keep = keep[np.argsort(weight[keep], kind="stable")]  # the nearest written last
    roll[frame[keep], column[keep]] = value[keep]


def _draw_loudness(begin, end, columns: np.ndarray, values: np.ndarray, n_frames: int) -> np.ndarray:
    """``(n_frames, 88)``: each note's value from its first frame to its last; the later of two notes wins."""
    roll = np.zeros((n_frames, N_KEYS), np.float32)
    for a, b, column, value in zip(*_span_frames(begin, end, n_frames), columns, values, strict=True):
        roll[a:b, column] = value
    return roll


def _triangle(times: np.ndarray, width: float):
    """(frame, value) arrays around each time; ``width`` 0 gives the nearest frame alone."""
    nearest = np.rint(times).astype(np.int64)
    if width == 0:
        yield nearest, np.ones(len(times))
        return
    reach = int(np.ceil(width))
    for step in range(-reach, reach + 1):
        frame = nearest + step
        yield frame, 1 - np.abs(frame - times) / width


def _draw_spans(begin: np.ndarray, end: np.ndarray, columns: np.ndarray, n_frames: int, n_columns: int) -> np.ndarray:
    """1 in the frames whose centre lies in [begin, end); every span that touches the window shows at least once."""
    first, last = _span_frames(begin, end, n_frames)
    change = np.zeros((n_frames + 1, n_columns), np.int32)
    np.add.at(change, (first, columns), 1)
    np.add.at(change, (last, columns), -1)
    return (np.cumsum(change[:-1], axis=0) > 0).astype(np.float32)


def _span_frames(begin: np.ndarray, end: np.ndarray, n_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Fractional frames -> first frame, and the frame after the last; at least one frame each, within the window."""
    first = np.clip(np.rint(begin), 0, n_frames).astype(np.int64)
    last = np.clip(np.maximum(np.rint(end), np.rint(begin) + 1), 0, n_frames).astype(np.int64)
    return first, last
