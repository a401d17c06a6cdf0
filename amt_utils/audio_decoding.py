"""What :mod:`amt_utils.audio` stands on: any recording -> blocks of mono samples at its own rate.

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

from .errors import AmtError

_FRAMES_PER_READ = 1 << 18  # the same for every caller: MP3 decoding differs in the last bit with the cuts
_LOUDEST = 16.0  # float files may pass full scale a little; beyond +24 dB the numbers are in another unit


class SoundFileSource:
    """A recording that libsndfile reads.

    Attributes:
        sample_rate: Hz.
        n_frames: length, or ``None`` where only decoding tells.
    """

    def __init__(self, path: Path, file: soundfile.SoundFile):
        self.path, self._file = path, file
        self.sample_rate = file.samplerate
        self.n_frames = file.frames
        if file.format == "MP3" and not _has_length_tag(path):
            self.n_frames = None
            file.close()
            self._file = _open_through_pipe(path)
        claimed = re.search(r"^data : (\d+) \(should be (\d+)\)", self._file.extra_info, re.MULTILINE)
        if claimed and int(claimed[2]) < int(claimed[1]) < 0x7FFFF000:  # recorders write more for "not known yet"
            have = self.n_frames / self.sample_rate
            raise self._cut_short(have, have * int(claimed[1]) / max(1, int(claimed[2])))

    def __enter__(self) -> SoundFileSource:
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def blocks(self, start: int = 0, n_frames: int | None = None) -> Iterator[np.ndarray]:
        """Float32 blocks, the mean of the channels, from frame ``start`` on, ``n_frames`` at most.

        Raises:
            AmtError: NaN, infinite or absurdly loud samples, or the file ends before its time.
        """
        file, at = self._file, 0
        end = np.inf if n_frames is None else start + n_frames
        length = np.inf if self.n_frames is None else self.n_frames
        end = min(end, length)
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
            raise self._cut_short(at / self.sample_rate, length / self.sample_rate) from error
        if at < end < np.inf and self.n_frames is not None:
            raise self._cut_short(at / self.sample_rate, length / self.sample_rate)

    def _cut_short(self, at: float, length: float) -> AmtError:
        return AmtError(
            f"{self.path}: damaged or cut short after {at:.2f} of {length:.2f} s; copy or download it again"
        )


def open_source(path: Path) -> SoundFileSource | None:
    """The opened recording, or ``None`` where libsndfile does not know the format."""
    try:
        file = soundfile.SoundFile(path)
    except (soundfile.SoundFileError, TypeError):  # TypeError: headerless .raw, whose rate nobody knows
        return None
    return SoundFileSource(path, file)


def decode_by_ffmpeg(path: Path, sample_rate: int, start: float = 0.0, duration: float | None = None):
    """Float32 mono blocks at ``sample_rate`` Hz of whatever the ``ffmpeg`` program reads; times in seconds.

    Raises:
        AmtError: there is no ffmpeg, or it finds no audio.
    """
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise AmtError(
            f"{path}: not readable as wav, flac, ogg or mp3; if it is a recording in another format, "
            "install ffmpeg (https://ffmpeg.org) or convert the file to FLAC"
        )
    command = [ffmpeg, "-v", "error", "-nostdin", "-ss", str(start), "-i", str(path.absolute())]
    command += ["-t", str(duration)] if duration is not None else []
    command += ["-map", "0:a:0", "-ac", "1", "-ar", str(sample_rate), "-f", "f32le", "-"]
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=messages)
        done = 0
        try:
            while data := process.stdout.read(4 << 20):
                block = np.frombuffer(data[: len(data) // 4 * 4], dtype="<f4")
                check_samples(block, path, sample_rate, done)
                done += len(block)
                yield block
            if process.wait():
                messages.seek(0)
                lines = messages.read().decode(errors="replace").strip().splitlines()
                raise AmtError(f"{path}: ffmpeg cannot read it as audio ({lines[-1] if lines else 'no message'})")
        finally:  # also when the reader stops early
            process.stdout.close()
            process.kill()
            process.wait()


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
