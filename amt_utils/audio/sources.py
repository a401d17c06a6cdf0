"""Any recording -> blocks of mono samples at its own rate; :mod:`amt_utils.audio.reading` resamples them.

libsndfile reads wav, flac, ogg, mp3 and its other formats, ffmpeg the rest. Where :mod:`.containers` finds that a
header is wrong, the file's contents decide: a missing or wrong length, bytes before the first frame, several files in a
row.

The channels are averaged. Where they cancel, because one is the other's inverse, the loudest channel is taken.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from ..system.errors import AmtError
from .containers import (
    HEADER_SLACK,
    Section,
    find_bytes_left,
    find_flac_length,
    find_mpeg_parts,
    find_ogg_chain,
    find_wav_data,
    once_per_file,
)
from .ffmpeg import Ffmpeg, probe_seconds

_FRAMES_PER_READ = 1 << 18  # the same for every caller: MP3 decoding depends on the block size in the last bit
_LOUDEST = 16.0  # float files may exceed full scale; beyond +24 dB the samples are in another unit
_MOST_DELAY = 8192  # samples that an MP3's encoder may add before and after the audio
_SLOWEST, _FASTEST = 4_000, 768_000  # Hz
_UNKNOWN = 1 << 60  # frames; libsndfile reports so many or more where it does not know
_CONTAINER_SLACK = 0.25  # seconds by which a container may be wrong: priming and padding of codecs
_LISTENED = 60.0  # seconds checked for cancelling channels, of a file that cannot seek
_SPOTS, _SPOT_SECONDS = 16, 0.25  # of a file that can
_LOST = 0.3  # of the power that the mean of independent channels would have
_READ_ERRORS = (soundfile.SoundFileError, AssertionError, RuntimeError, OSError)  # what soundfile raises on damage
_DAMAGED = re.compile("malformed")
_CLAIMED = re.compile(r"^ *(?:riff|FORM|SSND|data|Data Size) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
_log = logging.getLogger(__name__)


class Source:
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

    def __enter__(self) -> Source:
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
        """Float32 blocks, the mean of the channels, from frame ``start`` on, ``n_frames`` at most.

        Raises:
            AmtError: NaN, infinite or absurdly loud samples, or the file ends early.
        """
        channel = find_lone_channel(self.path) if self.n_channels > 1 else None
        for block in self.channel_blocks(start, n_frames):
            if channel is not None:
                yield block[:, channel].copy()
            else:
                yield block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)

    def channel_blocks(self, start: int = 0, n_frames: int | None = None) -> Iterator[np.ndarray]:
        """As :meth:`blocks`, ``(n, channels)``."""
        length = np.inf if self.n_frames is None else self.n_frames
        end = length if n_frames is None else min(start + n_frames, length)
        if start >= end:
            return
        at = 0
        try:
            if start and self._can_seek:
                at = self._files[0].seek(start)
            for block in self._read_on(at, end):
                check_samples(block, self.path, self.sample_rate, at)
                wanted = block[max(0, start - at) :]
                at += len(block)
                if len(wanted):
                    yield wanted
        except _READ_ERRORS as error:
            raise _cut_short(self.path, at / self.sample_rate, length / self.sample_rate) from error
        if at < end:
            self._check_end(at, length)

    @property
    def _can_seek(self) -> bool:
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
            raise _cut_short(self.path, at / self.sample_rate, length / self.sample_rate, complaint)
        if complaint:
            warn_once(f"{self.path}: read to its end at {at / self.sample_rate:.2f} s, but {complaint}")


def open_source(path: Path) -> Source:
    """Opened by libsndfile, or by ffmpeg where libsndfile does not know the format.

    Raises:
        AmtError: neither reads it, or the file is shorter than its header says.
    """
    chain = find_ogg_chain(path)
    if chain:
        _warn_of_damage(path, chain.n_bad)
        if not chain.ended:
            warn_once(f"{path}: has no end mark, so it may be cut short; read as far as it goes")
    if path.suffix.lower() == ".mp3" and len(find_mpeg_parts(path)) > 1:
        return _open_mp3(path)
    try:
        if chain and len(chain.links) > 1:
            files = [_open(Section(path, *link)) for link in chain.links]
        else:
            files = [_open(path)]
    except (*_READ_ERRORS, TypeError) as error:  # TypeError: headerless .raw, whose rate is unknown
        if path.suffix.lower() == ".mp3" and any((p.n_claimed or 0) > p.n_found for p in find_mpeg_parts(path)):
            raise _cut_short(path, 0, np.inf) from error
        found = _DAMAGED.search(str(error))
        return _open_with_ffmpeg(path, f"libsndfile calls it {found[0]}" if found else "")
    file = files[0]
    n_frames = sum(f.frames for f in files)
    if not _SLOWEST <= file.samplerate <= _FASTEST:
        raise AmtError(f"{path}: its header tells of {file.samplerate} samples a second; export the recording again")
    if len({f.samplerate for f in files}) > 1 or len({f.channels for f in files}) > 1:
        return _open_with_ffmpeg(path)
    if file.format == "MP3" or file.subtype.startswith("MPEG"):
        file.close()
        return _open_mp3(path) if file.subtype == "MPEG_LAYER_III" else _open_with_ffmpeg(path)
    if file.format in ("WAV", "WAVEX"):
        return _open_wav(path, file)
    more = find_flac_length(path) if file.format == "FLAC" else None
    if more and n_frames < more < _UNKNOWN:
        warn_once(f"{path}: its header tells of {n_frames:,} samples, its frames of {more:,}; all are read")
        file.close()
        return Source(path, [_Unseekable(Section(path, replaced={22: bytes(4)}))], None)
    if n_frames >= _UNKNOWN:
        for file in files:
            file.close()
        return Source(path, [_Unseekable(soundfile_name(path))], None)
    if not n_frames and path.stat().st_size > HEADER_SLACK:  # the header was never completed
        file.close()
        return _open_with_ffmpeg(path)
    _check_claim(path, file)
    return Source(path, files, n_frames)


class _Unseekable(soundfile.SoundFile):
    """For unknown lengths: soundfile would seek after each read and fail at the end."""

    def seekable(self) -> bool:
        return False


def _open(file: Path | Section) -> soundfile.SoundFile:
    return soundfile.SoundFile(soundfile_name(file) if isinstance(file, Path) else file)


def soundfile_name(path: Path) -> str | bytes:
    """A path for soundfile: bytes on POSIX systems, since it cannot encode names that are not valid UTF-8."""
    return os.fsencode(path) if os.name == "posix" else os.fspath(path)


def _open_with_ffmpeg(path: Path, doubt: str = "") -> Source:
    ffmpeg = Ffmpeg(path, doubt)
    file = ffmpeg.open()
    return Source(path, [file], None, slack=round(_CONTAINER_SLACK * file.samplerate), ffmpeg=ffmpeg)


def _open_wav(path: Path, file: soundfile.SoundFile) -> Source:
    """A WAV, its header corrected where the size was never written or is outdated."""
    data = find_wav_data(path)
    if data and not data.sound:
        raise _contradiction(path)
    if data and data.found != data.claimed:
        if data.claimed > data.found + HEADER_SLACK and data.claimed < 0x7FFFF000:  # larger values mean "not known yet"
            have = file.frames / file.samplerate
            raise _cut_short(path, have, have * data.claimed / max(1, data.found))
        if data.found > data.claimed:
            if data.claimed:
                _warn_of_size(path, data.claimed, data.found)
            file.close()
            file = _open(Section(path, replaced=data.size_field))
    return Source(path, [file], file.frames)


def _check_claim(path: Path, file: soundfile.SoundFile) -> None:
    """Raises when libsndfile found fewer bytes than the header states, or two lengths (AIFF, AU, CAF, W64)."""
    line = _CLAIMED.search(file.extra_info)
    if line:
        claimed, found = int(line[1]), int(line[2])
        if found + HEADER_SLACK < claimed < 0x7FFFF000:
            have = file.frames / file.samplerate
            raise _cut_short(path, have, have * claimed / max(1, found))
        if 0 < claimed < found:
            _warn_of_size(path, claimed, found)
    elif "*** Frame count read" in file.extra_info:
        raise _contradiction(path)
    elif n_left := find_bytes_left(path):
        size = path.stat().st_size
        warn_once(f"{path}: its header tells of {size - n_left:,} bytes, the file has {size:,}; the rest is not read")


def _contradiction(path: Path) -> AmtError:
    return AmtError(f"{path}: its header contradicts itself on rate, channels or bits; export the recording again")


def _warn_of_size(path: Path, claimed: int, found: int) -> None:
    warn_once(f"{path}: its header tells of {claimed:,} bytes, the file has {found:,}; read as far as it goes")


def _warn_of_damage(path: Path, n_places: int) -> None:
    if n_places:
        warn_once(f"{path}: damaged in {n_places} places, some sound is missing there; copy or download it again")


def _open_mp3(path: Path) -> Source:
    """MP3 frames after other bytes, in a WAV, or of several files in a row."""
    parts = find_mpeg_parts(path)
    if not parts:
        return _open_with_ffmpeg(path)
    for part in parts:
        _warn_of_damage(path, int(part.skipped > 0))
        if part.doubtful:
            warn_once(f"{path}: the tag that tells its delay is damaged; the sound may come up to 0.1 s late")
        if part.n_claimed and part.n_found > part.n_claimed + 1:
            warn_once(f"{path}: it tells of {part.n_claimed:,} frames, but has {part.n_found:,}; all are read")
    files, length_known = [], True
    for part in parts:
        if part.tells_its_length:
            file = _open(Section(path, part.begin, part.end))
            per_frame = 1152 if file.samplerate >= 32_000 else 576
            if file.frames >= part.n_found * per_frame - _MOST_DELAY:
                files.append(file)
                continue
            file.close()  # the tag's delay or padding is damaged
        length_known = False
        files.append(_open_through_pipe(path, part.first, part.end))
    if len({(f.samplerate, f.channels) for f in files}) > 1:
        return _open_with_ffmpeg(path)
    skip = 0 if files[0].seekable() else parts[0].delay
    return Source(path, files, sum(f.frames for f in files) if length_known else None, skip=skip)


def _open_through_pipe(path: Path, begin: int, end: int) -> soundfile.SoundFile:
    """Opened through a pipe, so that libsndfile ignores the stated length and reads to the end."""
    reading, writing = os.pipe()

    def feed() -> None:
        try:
            with path.open("rb") as source, open(writing, "wb") as sink:
                source.seek(begin)
                while block := source.read(min(1 << 16, end - source.tell())):
                    sink.write(block)
        except BrokenPipeError:
            pass  # the reader has closed its end

    threading.Thread(target=feed, daemon=True).start()
    try:
        return soundfile.SoundFile(reading, closefd=True)
    except soundfile.SoundFileError as error:
        raise AmtError(f"{path}: damaged, no sound can be read from it ({error}); copy or download it again") from error


@once_per_file
def find_lone_channel(path: Path) -> int | None:
    """The loudest channel's index where the channels cancel in their mean, else ``None``; one for the whole file."""
    power, left = np.zeros(1), 0.0
    with open_source(path) as source:
        for block in _some_blocks(source):
            block = block.astype(np.float64)
            power = power + np.square(block).sum(axis=0)
            left += np.square(block.mean(axis=1)).sum()
    return int(power.argmax()) if left < _LOST * power.mean() / len(power) else None


def _some_blocks(source: Source) -> Iterator[np.ndarray]:
    if source.n_frames and source._can_seek:
        size = round(_SPOT_SECONDS * source.sample_rate)
        for start in np.linspace(0, max(0, source.n_frames - size), _SPOTS).astype(int):
            try:
                yield from source.channel_blocks(int(start), size)
            except AmtError:
                return  # the error is raised again when the file is read
        return
    seconds = 0.0  # that are not silent
    try:
        for block in source.channel_blocks():
            yield block
            seconds += bool(block.any()) * len(block) / source.sample_rate
            if seconds > _LISTENED:
                return
    except AmtError:
        return


def _cut_short(path: Path, at: float, length: float, complaint: str = "") -> AmtError:
    of = f" of {length:.2f}" if length < np.inf else ""
    because = f" ({complaint})" if complaint else ""
    return AmtError(f"{path}: damaged or cut short after {at:.2f}{of} s{because}; copy or download it again")


@functools.lru_cache(maxsize=4096)
def warn_once(message: str) -> None:
    """Logs a warning once, although a file may be read several times."""
    _log.warning(message)


def check_samples(block: np.ndarray, path: Path, sample_rate: int, start: int = 0) -> None:
    """Raises :class:`AmtError` naming the time of the first sample that is NaN, infinite or too large.

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
    """``path`` as a :class:`Path`. Raises :class:`AmtError`: missing, a folder, a device, empty, not permitted."""
    path = Path(path)
    try:
        if path.is_dir():
            raise AmtError(f"{path}: a folder, not a recording; name the files in it")
        if not path.exists():
            raise AmtError(f"{path}: no such file; check the name and the folder")
        if not path.is_file():
            raise AmtError(f"{path}: not a regular file; save the recording to disk first")
        with path.open("rb") as file:
            if not file.read(1):
                raise AmtError(f"{path}: the file is empty (0 bytes); copy or record it again")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise AmtError(f"{path}: cannot be opened ({reason}); check its name and permissions") from error
    return path
