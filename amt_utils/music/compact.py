"""Many performances in one small file: all 957 of MAESTRO's train split, 158 hours, take 19 MB.

Times are whole milliseconds, about the resolution of MIDI's ticks. Onsets are stored as differences and each column
separately, which LZMA compresses better. A note takes 3.4 bytes.
"""

from __future__ import annotations

import io
import lzma
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..system.errors import AmtError
from ..system.files import written_whole
from .notes import Performance, make_notes, make_pedals

COMPACT_SUFFIX = ".npz.xz"
_TICK = 1e-3  # seconds
_LONGEST = 2**32 - 1


def save_compact(path: str | os.PathLike, performances: Sequence[Performance]) -> Path:
    """Writes performances; the file's name ends in :data:`COMPACT_SUFFIX`.

    Raises:
        AmtError: another suffix, or the file cannot be written.
    """
    path = Path(path)
    if not path.name.endswith(COMPACT_SUFFIX):
        raise AmtError(f"{path}: compact performances are written as *{COMPACT_SUFFIX}")
    notes, pedals = [p.notes for p in performances], [p.pedals for p in performances]
    columns = {
        "note_counts": np.array([len(n) for n in notes], "<u4"),
        "pedal_counts": np.array([len(p) for p in pedals], "<u4"),
        "note_waits": _as_bytes([_waits(n) for n in notes]),
        "note_lengths": _as_bytes([_lengths(n) for n in notes]),
        "pitches": _joined([n["pitch"] for n in notes], np.uint8),
        "velocities": _joined([n["velocity"] for n in notes], np.uint8),
        "pedal_waits": _as_bytes([_waits(p) for p in pedals]),
        "pedal_lengths": _as_bytes([_lengths(p) for p in pedals]),
        "kinds": _joined([p["kind"] for p in pedals], np.uint8),
    }
    stored = io.BytesIO()
    np.savez(stored, **columns)  # type: ignore[arg-type]  # numpy's stub takes any name for its allow_pickle
    with written_whole(path) as partial:
        partial.write_bytes(lzma.compress(stored.getvalue(), preset=9))
    return path


def load_compact(path: str | os.PathLike) -> list[Performance]:
    """The inverse of :func:`save_compact`, times rounded to the millisecond. Raises :class:`AmtError`."""
    try:
        stored = np.load(io.BytesIO(lzma.decompress(Path(path).read_bytes())))
        columns = {name: stored[name] for name in stored.files}
        note_ends = np.cumsum(columns["note_counts"])[:-1]
        pedal_ends = np.cumsum(columns["pedal_counts"])[:-1]
        note_parts = [np.split(_from_bytes(columns[n]), note_ends) for n in ("note_waits", "note_lengths")]
        note_parts += [np.split(columns[n], note_ends) for n in ("pitches", "velocities")]
        pedal_parts = [np.split(_from_bytes(columns[n]), pedal_ends) for n in ("pedal_waits", "pedal_lengths")]
        pedal_parts.append(np.split(columns["kinds"], pedal_ends))
    except (OSError, ValueError, KeyError, lzma.LZMAError) as error:
        raise AmtError(f"{path}: not a whole file of compact performances ({error}); make it again") from error
    return [
        Performance(make_notes(*_times(*n[:2]), *n[2:]), make_pedals(*_times(*p[:2]), p[2]))
        for n, p in zip(zip(*note_parts, strict=True), zip(*pedal_parts, strict=True), strict=True)
    ]


def _waits(events: np.ndarray) -> np.ndarray:
    """Ticks from one onset to the next, the first from 0."""
    return np.diff(np.rint(events["onset"] / _TICK).astype(np.int64), prepend=0)


def _lengths(events: np.ndarray) -> np.ndarray:
    """Ticks, at least one."""
    onset, offset = (np.rint(events[side] / _TICK).astype(np.int64) for side in ("onset", "offset"))
    return np.maximum(offset - onset, 1)


def _joined(parts: list[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate([np.zeros(0, kind), *(p.astype(kind) for p in parts)])


def _as_bytes(parts: list[np.ndarray]) -> np.ndarray:
    """Whole numbers -> ``(4, n)`` bytes, the lowest first: separate rows compress better."""
    values = np.minimum(np.concatenate([np.zeros(0, np.int64), *parts]), _LONGEST).astype("<u4")
    return values.view(np.uint8).reshape(-1, 4).T.copy()


def _from_bytes(rows: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rows.T).view("<u4").reshape(-1).astype(np.int64)


def _times(waits: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    onset = np.cumsum(waits)
    return onset * _TICK, (onset + lengths) * _TICK
