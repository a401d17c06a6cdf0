"""Channels -> one: their mean, or the loudest where they cancel because one is the other's inverse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..system.errors import AmtError
from .audio_file import AudioFile
from .containers.parts import once_per_file
from .opening import open_audio

_LISTENED = 60.0  # seconds checked for cancelling channels, of a file that cannot seek
_SPOTS, _SPOT_SECONDS = 16, 0.25  # of a file that can
_LOST = 0.3  # of the power that the mean of independent channels would have


def mono_blocks(file: AudioFile, start: int = 0, n_frames: int | None = None) -> Iterator[np.ndarray]:
    """As :meth:`.AudioFile.blocks`, ``(n,)``."""
    channel = find_lone_channel(file.path) if file.n_channels > 1 else None
    for block in file.blocks(start, n_frames):
        if channel is not None:
            yield block[:, channel].copy()
        else:
            yield block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)


@once_per_file
def find_lone_channel(path: Path) -> int | None:
    """The loudest channel's index where the channels cancel in their mean, else ``None``; one for the whole file."""
    power, left = np.zeros(1), 0.0
    with open_audio(path) as file:
        for block in _some_blocks(file):
            block = block.astype(np.float64)
            power = power + np.square(block).sum(axis=0)
            left += np.square(block.mean(axis=1)).sum()
    return int(power.argmax()) if left < _LOST * power.mean() / len(power) else None


def _some_blocks(file: AudioFile) -> Iterator[np.ndarray]:
    if file.n_frames and file.can_seek:
        size = round(_SPOT_SECONDS * file.sample_rate)
        for start in np.linspace(0, max(0, file.n_frames - size), _SPOTS).astype(int):
            try:
                yield from file.blocks(int(start), size)
            except AmtError:
                return  # the error is raised again when the file is read
        return
    seconds = 0.0  # that are not silent
    try:
        for block in file.blocks():
            yield block
            seconds += bool(block.any()) * len(block) / file.sample_rate
            if seconds > _LISTENED:
                return
    except AmtError:
        return
