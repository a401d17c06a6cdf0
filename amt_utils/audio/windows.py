"""Overlapping windows of long recordings: the frames near a window's edges are discarded, the centres are joined.

Each window is processed independently, so that a frame's value does not depend on how many windows are computed at
once, in which order, or how the file is read. The convolutions also see what is around a window, and are the same as in
one pass over the recording; the LSTMs see one window.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ..config import FeatureConfig


class Window(NamedTuple):
    """Frames ``begin`` to ``end`` of a recording, of which those from ``keep_begin`` to ``keep_end`` are kept."""

    begin: int
    end: int
    keep_begin: int
    keep_end: int

    @property
    def kept(self) -> slice:
        """The kept frames, counted from the window's first."""
        return slice(self.keep_begin - self.begin, self.keep_end - self.begin)


class Cut(NamedTuple):
    """How recordings are cut, in frames: windows of ``length``, of which ``context`` is discarded at inner edges."""

    length: int
    context: int

    @property
    def step(self) -> int:
        """Frames from one window's first to the next one's."""
        return self.length - 2 * self.context

    def window(self, number: int, n_frames: int) -> Window:
        """The window ``number`` of a recording of ``n_frames``, if the ones before have not reached its end."""
        begin = number * self.step
        end = min(begin + self.length, n_frames)
        return Window(begin, end, begin + self.context if number else 0, end - self.context if end < n_frames else end)

    def windows(self, n_frames: int) -> Iterator[Window]:
        """All windows of a recording of ``n_frames``, at least one."""
        for number in itertools.count():
            window = self.window(number, n_frames)
            yield window
            if window.end == n_frames:
                return


def key_cut(feature: FeatureConfig) -> Cut:
    """For all but the pedals: 10 s, the longest training windows, with 0.28 s of context on either side."""
    return Cut(round(10.56 / feature.frame_seconds), round(0.28 / feature.frame_seconds))


def pedal_cut(feature: FeatureConfig) -> Cut:
    """For the pedals, whose LSTMs adapt to the reverberation of piano and room: ten minutes and one."""
    return Cut(round(600 / feature.frame_seconds), round(60 / feature.frame_seconds))


def window_samples(
    blocks: Iterable[np.ndarray], cut: Cut, *, hop_length: int, margin: int
) -> Iterator[tuple[np.ndarray, slice]]:
    """A recording's consecutive blocks of samples -> the samples of each of its windows, and which frames to keep.

    ``margin`` frames are added on either side of a window, zeros beyond the recording's ends: ``frames`` of a window
    come as ``(frames - 1 + 2 * margin) * hop_length`` samples. Memory holds a window and a block.
    """
    blocks = iter(blocks)
    held, first = np.zeros(margin * hop_length, np.float32), -margin * hop_length  # `first`: the sample it begins at
    n_frames = None  # known when the last block has been read
    for number in itertools.count():
        wanted = (number * cut.step + cut.length + margin) * hop_length - first
        parts, have = [held], len(held)
        while n_frames is None and have <= wanted:
            block = next(blocks, None)
            if block is None:
                n_frames = (first + have) // hop_length + 1
                if first + have == 0:
                    return  # no samples, no window
            else:
                parts.append(block)
                have += len(block)
        held = np.concatenate(parts)
        window = cut.window(number, (first + have) // hop_length + 1 if n_frames is None else n_frames)
        start = (window.begin - margin) * hop_length - first
        size = (window.end - window.begin - 1 + 2 * margin) * hop_length
        samples = held[start : start + size]
        yield np.pad(samples, (0, size - len(samples))), window.kept
        if window.end == n_frames:
            return
        following = ((number + 1) * cut.step - margin) * hop_length
        held, first = held[following - first :], following
