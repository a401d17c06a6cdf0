"""An opened recording: blocks of samples at its own rate, whichever library decodes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from ..system.errors import AmtError
from .damage import check_samples, cut_short, warn_once
from .ffmpeg import Ffmpeg, probe_seconds

READ_ERRORS = (soundfile.SoundFileError, AssertionError, RuntimeError, OSError)  # what soundfile raises on damage
_FRAMES_PER_READ = 1 << 18  # the same for every caller: MP3 decoding depends on the block size in the last bit


class AudioFile:
    """An opened recording; a context manager.

    Attributes:
        sample_rate: Hz.
        n_frames: length, or ``None`` where it is known only after decoding.
    """

    def __init__(
        self,
        path: Path,
        files: list[soundfile.SoundFile],
        n_frames: int | None,
        *,
        slack: int = 0,
        skip: int = 0,
        ffmpeg: Ffmpeg | None = None,
    ):
        self.path, self.sample_rate, self.n_frames = path, files[0].samplerate, n_frames
        self._files, self._slack, self._skip, self._ffmpeg = files, slack, skip, ffmpeg

    def __enter__(self) -> AudioFile:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()
        if self._ffmpeg:
            self._ffmpeg.stop()

    @property
    def n_channels(self) -> int:
        """Channels of the file."""
        return self._files[0].channels

    def blocks(self, start: int = 0, n_frames: int | None = None) -> Iterator[np.ndarray]:
        """Float32 blocks ``(n, channels)`` from frame ``start`` on, ``n_frames`` at most.

        Raises:
            AmtError: NaN, infinite or absurdly loud samples, or the file ends early.
        """
        length = np.inf if self.n_frames is None else self.n_frames
        end = length if n_frames is None else min(start + n_frames, length)
        if start >= end:
            return
        at = 0
        try:
            if start and self.can_seek:
                at = self._files[0].seek(start)
            for block in self._read_on(at, end):
                check_samples(block, self.path, self.sample_rate, at)
                wanted = block[max(0, start - at) :]
                at += len(block)
                if len(wanted):
                    yield wanted
        except READ_ERRORS as error:
            raise cut_short(self.path, at / self.sample_rate, length / self.sample_rate) from error
        if at < end:
            self._check_end(at, length)

    @property
    def can_seek(self) -> bool:
        """Whether reading may begin anywhere without decoding what comes before."""
        return len(self._files) == 1 and self.n_frames is not None and self._files[0].seekable()

    def _read_on(self, at: int, end: float) -> Iterator[np.ndarray]:
        skip = self._skip
        for file in self._files:
            while at < end:
                block = file.read(int(min(_FRAMES_PER_READ, end - at + skip)), dtype="float32", always_2d=True)
                if not len(block):
                    break
                block, skip = block[skip:], max(0, skip - len(block))
                at += len(block)
                if len(block):
                    yield block

    def _check_end(self, at: int, length: float) -> None:
        """The file has ended at frame ``at``; raises or warns if that is too early, or if ffmpeg complained."""
        complaint = ""
        if self._ffmpeg:
            failed, complaint = self._ffmpeg.failed(), self._ffmpeg.complaint()
            if failed:
                raise AmtError(
                    f"{self.path}: ffmpeg gave up after {at / self.sample_rate:.2f} s ({complaint or 'no message'})"
                )
            if self.n_frames is None:
                seconds = probe_seconds(self.path)
                length = np.inf if seconds is None else seconds * self.sample_rate
        if length < np.inf and at < length - min(self._slack, 0.02 * length):
            raise cut_short(self.path, at / self.sample_rate, length / self.sample_rate, complaint)
        if complaint:
            warn_once(f"{self.path}: read to its end at {at / self.sample_rate:.2f} s, but {complaint}")
