"""What :mod:`amt_utils.audio.reading` stands on: any recording -> blocks of mono samples at its own rate.

wav, flac, ogg and mp3 are read by libsndfile. It is believed except in two things it passes over in silence: a WAV
shorter than its header says, and an MP3 without a length tag, whose length it guesses (and cuts the rest off).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from ..system.errors import AmtError

_FRAMES_PER_READ = 1 << 18  # the same for every caller: MP3 decoding differs in the last bit with the cuts
_LOUDEST = 16.0  # float files may pass full scale a little; beyond +24 dB the numbers are in another unit


class Source:
    """An opened recording; a context manager.

    Attributes:
        sample_rate: Hz.
        n_frames: length, or ``None`` where only decoding tells.
    """

    def __init__(self, path: Path, file: soundfile.SoundFile, n_frames: int | None, ffmpeg: _Ffmpeg | None = None):
        self.path, self.sample_rate, self.n_frames = path, file.samplerate, n_frames
        self._file, self._ffmpeg = file, ffmpeg

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_) -> None:
        self._file.close()
        if self._ffmpeg:
            self._ffmpeg.stop()

    def blocks(self, start: int = 0, n_frames: int | None = None) -> Iterator[np.ndarray]:
        """Float32 blocks, the mean of the channels, from frame ``start`` on, ``n_frames`` at most.

        Raises:
            AmtError: NaN, infinite or absurdly loud samples, or the file ends before its time.
        """
        file, at = self._file, 0
        length = np.inf if self.n_frames is None else self.n_frames
        end = length if n_frames is None else min(start + n_frames, length)
        if start >= end:
            return
        try:
            if start and file.seekable():
                at = file.seek(start)
            while at < end:
                block = file.read(int(min(_FRAMES_PER_READ, end - at)), dtype="float32", always_2d=True)
                if not len(block):
                    break
                check_samples(block, self.path, self.sample_rate, at)
                wanted = block[max(0, start - at) :]
                at += len(block)
                if len(wanted):
                    yield wanted[:, 0] if wanted.shape[1] == 1 else wanted.mean(axis=1, dtype=np.float32)
        except soundfile.SoundFileError as error:
            raise _cut_short(self.path, at / self.sample_rate, length / self.sample_rate) from error
        if at < end < np.inf and self.n_frames is not None:
            raise _cut_short(self.path, at / self.sample_rate, length / self.sample_rate)
        if at < end and self._ffmpeg and self._ffmpeg.failed():
            raise AmtError(f"{self.path}: ffmpeg gave up after {at / self.sample_rate:.2f} s ({self._ffmpeg.reason()})")


def open_source(path: Path) -> Source:
    """Opened by libsndfile, or by ffmpeg where libsndfile does not know the format.

    Raises:
        AmtError: neither reads it, or the file is shorter than its header says.
    """
    try:
        file = soundfile.SoundFile(path)
    except (soundfile.SoundFileError, TypeError):  # TypeError: headerless .raw, whose rate nobody knows
        ffmpeg = _Ffmpeg(path)
        return Source(path, ffmpeg.open(), None, ffmpeg)
    if file.format == "MP3" and not _has_length_tag(path):
        file.close()
        return Source(path, _open_through_pipe(path), None)
    claimed = re.search(r"^data : (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE)
    if claimed and int(claimed[2]) < int(claimed[1]) < 0x7FFFF000:  # recorders write more for "not known yet"
        have = file.frames / file.samplerate
        raise _cut_short(path, have, have * int(claimed[1]) / max(1, int(claimed[2])))
    return Source(path, file, file.frames)


class _Ffmpeg:
    """The program, decoding one file from its beginning (its seeking is off by up to 23 ms in AAC)."""

    def __init__(self, path: Path):
        program = shutil.which("ffmpeg")
        if program is None:
            raise AmtError(
                f"{path}: not readable as wav, flac, ogg or mp3; if it is a recording in another format, "
                "install ffmpeg (https://ffmpeg.org) or convert the file to FLAC"
            )
        self._path, self._messages = path, tempfile.TemporaryFile()
        command = [program, "-v", "error", "-nostdin", "-i", str(path.absolute()), "-map", "0:a:0"]
        # .au is the simplest of headers; rate and channels stay, since ffmpeg's own mix to mono overloads
        command += ["-c:a", "pcm_f32be", "-f", "au", "-"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._messages)

    def open(self) -> soundfile.SoundFile:
        try:
            return soundfile.SoundFile(self._process.stdout.fileno(), closefd=False)
        except soundfile.SoundFileError as error:
            self._process.wait()
            reason = self.reason()
            self.stop()
            raise AmtError(f"{self._path}: ffmpeg cannot read it as audio ({reason})") from error

    def failed(self) -> bool:
        return self._process.wait() != 0

    def reason(self) -> str:
        self._messages.seek(0)
        lines = self._messages.read().decode(errors="replace").strip().splitlines()
        return lines[0] if lines else "no message"

    def stop(self) -> None:
        self._process.stdout.close()
        self._process.kill()
        self._process.wait()
        self._messages.close()


def _cut_short(path: Path, at: float, length: float) -> AmtError:
    of = f" of {length:.2f}" if length < np.inf else ""
    return AmtError(f"{path}: damaged or cut short after {at:.2f}{of} s; copy or download it again")


def check_samples(block: np.ndarray, path: Path, sample_rate: int, start: int = 0) -> None:
    """Raises :class:`AmtError` naming the second of the first sample that is no sound.

    Args:
        block: ``(n,)`` or ``(n, channels)`` float samples, n > 0.
        start: the block's first frame in the file.
    """
    if max(block.max(), -block.min()) <= _LOUDEST:  # false for NaN too
        return
    rows = block.reshape(len(block), -1)
    row, column = np.argwhere(~(np.abs(rows) <= _LOUDEST))[0]
    raise AmtError(
        f"{path}: a sample of {rows[row, column]} at {(start + row) / sample_rate:.3f} s (full scale is 1.0); "
        "export the recording again as 16- or 24-bit PCM"
    )


def check_is_file(path: str | os.PathLike) -> Path:
    """``path`` as a :class:`Path`, or :class:`AmtError`: missing, a folder, a device, empty, not permitted."""
    path = Path(path)
    if path.is_dir():
        raise AmtError(f"{path}: a folder, not a recording; name the files in it")
    if not path.exists():
        raise AmtError(f"{path}: no such file; check the name and the folder")
    if not path.is_file():
        raise AmtError(f"{path}: not a regular file; save the recording to disk first")
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise AmtError(f"{path}: the file is empty (0 bytes); copy or record it again")
    except OSError as error:
        raise AmtError(f"{path}: cannot be opened ({error.strerror}); check its permissions") from error
    return path


def _has_length_tag(path: Path) -> bool:
    """Whether an MP3's first frame tells how many follow (Xing, Info or VBRI header)."""
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":
            file.seek(10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True)))
        else:
            file.seek(0)
        first_frame = file.read(256)
    return any(tag in first_frame for tag in (b"Xing", b"Info", b"VBRI"))


def _open_through_pipe(path: Path) -> soundfile.SoundFile:
    """Opened so that libsndfile knows no length and reads on to the end."""
    reading, writing = os.pipe()

    def feed() -> None:
        try:
            with path.open("rb") as source, open(writing, "wb") as sink:
                shutil.copyfileobj(source, sink)
        except BrokenPipeError:
            pass  # the reader has what it wanted

    threading.Thread(target=feed, daemon=True).start()
    return soundfile.SoundFile(reading, closefd=True)
