"""Recordings in and out: any audio file -> float32 mono at 16 kHz, whole, in part or block by block.

wav, flac, ogg and mp3 are read by libsndfile, anything else by the ``ffmpeg`` program where it is installed.
Channels are averaged, the rate is changed by soxr (``HQ``). A file read in blocks, whatever their size, gives
the same numbers as the file read whole; an excerpt gives those of the whole to within 1e-5.
"""

from __future__ import annotations

import io
import math
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from .errors import AmtError

SAMPLE_RATE = 16000
AUDIO_SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".au"),  # libsndfile's
    *(".m4a", ".aac", ".opus", ".wma", ".mp4", ".webm", ".mkv", ".mov"),  # ffmpeg's, mostly
)
_WRITABLE = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}
_MARGIN_SECONDS = 0.05  # read on either side of an excerpt, many times the resampling filter's length
_FRAMES_PER_READ = 1 << 18  # the same for every caller: MP3 decoding differs in the last bit with the cuts
_LOUDEST = 16.0  # float files may pass full scale a little; beyond +24 dB the numbers are in another unit


def load_audio(
    path: str | os.PathLike, *, sample_rate: int = SAMPLE_RATE, start: float = 0.0, duration: float | None = None
) -> np.ndarray:
    """A recording, or ``duration`` seconds of it from ``start`` -> ``(n,)`` float32 in [-1, 1], mono.

    Args:
        path: the file.
        sample_rate: Hz of the result.
        start: seconds; samples before it are skipped without being decoded.
        duration: seconds, cut where the file ends; ``None`` reads to the end.

    Raises:
        AmtError: no such file, not audio, cut short, no samples, NaN or infinite samples, ``start`` past the end.
    """
    return _join(_excerpt(Path(path), sample_rate, start, duration))


def stream_audio(
    path: str | os.PathLike, *, sample_rate: int = SAMPLE_RATE, block_seconds: float = 30.0
) -> Iterator[np.ndarray]:
    """The recording as consecutive float32 blocks of ``block_seconds`` (the last one shorter).

    Joined, they equal :func:`load_audio` to the bit. Memory does not grow with the file's length.
    Raises as :func:`load_audio`, possibly after some blocks were given.
    """
    size = round(block_seconds * sample_rate)
    if size < 1:
        raise AmtError(f"block_seconds must hold at least one sample, not {block_seconds}")
    waiting: list[np.ndarray] = []
    n = 0
    for block in _excerpt(Path(path), sample_rate, 0.0, None):
        waiting.append(block)
        n += len(block)
        if n >= size:
            joined = _join(waiting)
            whole = n - n % size
            yield from joined[:whole].reshape(-1, size).copy()
            waiting, n = [joined[whole:]], n - whole
    if n:
        yield _join(waiting)


def audio_duration(path: str | os.PathLike) -> float:
    """Length in seconds, from the header where libsndfile reads the file, otherwise by decoding it."""
    path = _check_is_file(path)
    info = _open_or_none(path)
    if info is None:
        return sum(len(block) for block in _decode_by_ffmpeg(path, SAMPLE_RATE, 0.0, None)) / SAMPLE_RATE
    with info:
        return info.frames / info.samplerate


def save_audio(path: str | os.PathLike, y: np.ndarray, *, sample_rate: int = SAMPLE_RATE) -> Path:
    """Writes ``(n,)`` or ``(n, channels)`` samples as 16-bit ``.wav`` or ``.flac``, or as ``.ogg``.

    The file appears whole or not at all; parent folders are made; samples beyond [-1, 1] are clipped.

    Raises:
        AmtError: another suffix, no samples, NaN or infinite samples, or the disk would not take it.
    """
    path, y = Path(path), np.asarray(y)
    if path.suffix.lower() not in _WRITABLE:
        raise AmtError(f"{path}: can write {', '.join(_WRITABLE)}, not {path.suffix or 'a file without suffix'!r}")
    if y.ndim not in (1, 2) or not y.size:
        raise AmtError(f"{path}: expected samples of shape (n,) or (n, channels), not {y.shape}")
    _check_samples(y, path, sample_rate, 0)
    container, subtype = _WRITABLE[path.suffix.lower()]
    encoded = io.BytesIO()  # libsndfile does not report every failed write, Python's files do
    with soundfile.SoundFile(
        encoded, "w", sample_rate, 1 if y.ndim == 1 else y.shape[1], subtype, None, container
    ) as f:
        for i in range(0, len(y), 65536):  # libvorbis overflows the stack when given minutes at once
            f.write(np.clip(y[i : i + 65536], -1, 1))
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "wb") as file:
            file.write(encoded.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True) if partial.parent.is_dir() else None
        raise AmtError(
            f"{path}: could not be written ({error.strerror}); free some space or choose a folder"
        ) from error
    return path


def _excerpt(path: Path, rate: int, start: float, duration: float | None) -> Iterator[np.ndarray]:
    """Blocks of the resampled excerpt, of whatever sizes the resampler gives."""
    if not (math.isfinite(start) and start >= 0):
        raise AmtError(f"{path}: start must be seconds >= 0, not {start}")
    if duration is not None and not (math.isfinite(duration) and duration > 0):
        raise AmtError(f"{path}: duration must be seconds > 0, not {duration}")
    path = _check_is_file(path)
    file = _open_or_none(path)
    n_wanted = math.inf if duration is None else max(1, round(duration * rate))
    if file is None:
        blocks, skip = _decode_by_ffmpeg(path, rate, start, duration), 0
    else:
        with file:
            first_out = round(start * rate)
            if file.frames and start and first_out >= file.frames * rate / file.samplerate:
                raise AmtError(f"{path}: starts at {start} s, but lasts {file.frames / file.samplerate:.3f} s")
            # Begin where input and output samples coincide, so that an excerpt has the whole file's phase
            common = math.gcd(rate, file.samplerate)
            out_period, in_period = rate // common, file.samplerate // common
            periods = max(0, first_out - round(_MARGIN_SECONDS * rate)) // out_period
            skip = first_out - periods * out_period
            n_in = None
            if duration is not None:
                n_in = math.ceil((skip + n_wanted) * in_period / out_period + _MARGIN_SECONDS * file.samplerate)
            source = _decode(file, path, periods * in_period, n_in)
            yield from _clip_to(_resample(source, file.samplerate, rate), skip, n_wanted, path)
        return
    yield from _clip_to(blocks, skip, n_wanted, path)


def _clip_to(blocks: Iterator[np.ndarray], skip: int, n_wanted: float, path: Path) -> Iterator[np.ndarray]:
    """Drops ``skip`` samples, stops after ``n_wanted``, limits the rest to [-1, 1]."""
    given = 0
    for block in blocks:
        kept = block[skip:]
        skip = max(0, skip - len(block))
        kept = kept[: int(min(len(kept), n_wanted - given))]
        given += len(kept)
        if len(kept):
            yield np.clip(kept, -1.0, 1.0)
    if not given:
        raise AmtError(f"{path}: no audio in it; record or export it again")


def _decode(file: soundfile.SoundFile, path: Path, start: int, n_frames: int | None) -> Iterator[np.ndarray]:
    """Mono float32 blocks at the file's own rate, from frame ``start``."""
    left = file.frames - start if n_frames is None else min(n_frames, file.frames - start)
    try:
        if start:
            file.seek(start)
        while left > 0:
            block = file.read(min(_FRAMES_PER_READ, left), dtype="float32", always_2d=True)
            if not len(block):
                break
            _check_samples(block, path, file.samplerate, start)
            yield block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)
            start += len(block)
            left -= len(block)
    except soundfile.SoundFileError as error:
        raise _cut_short(path, start, file) from error
    if left > 0 and file.format != "MP3":  # an MP3's length may be an estimate
        raise _cut_short(path, start, file)


def _cut_short(path: Path, frame: int, file: soundfile.SoundFile) -> AmtError:
    at, length = frame / file.samplerate, file.frames / file.samplerate
    return AmtError(f"{path}: damaged or cut short after {at:.2f} of {length:.2f} s; copy or download it again")


def _resample(blocks: Iterator[np.ndarray], rate_in: int, rate_out: int) -> Iterator[np.ndarray]:
    if rate_in == rate_out:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate_in, rate_out, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block).copy()
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True).copy()


def _join(blocks) -> np.ndarray:
    blocks = list(blocks)
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def _check_samples(block: np.ndarray, path: Path, rate: int, start: int) -> None:
    """``start``: the block's first frame, so that the message can name the second."""
    extremes = np.array([block.min(), block.max()], dtype=np.float64)  # NaN if any sample is
    if np.all(np.abs(extremes) <= _LOUDEST):
        return
    bad = np.flatnonzero(~(np.abs(block.reshape(len(block), -1)) <= _LOUDEST).all(axis=1))[0]
    value = block.reshape(len(block), -1)[bad].max()
    raise AmtError(
        f"{path}: sample {value} at {(start + bad) / rate:.3f} s (full scale is 1.0); "
        "export the recording again as 16- or 24-bit PCM"
    )


def _check_is_file(path: str | os.PathLike) -> Path:
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


def _open_or_none(path: Path) -> soundfile.SoundFile | None:
    """The opened file, or ``None`` where libsndfile does not know the format."""
    try:
        return soundfile.SoundFile(path)
    except (soundfile.SoundFileError, TypeError):  # TypeError: asks for the rate of headerless .raw
        return None


def _decode_by_ffmpeg(path: Path, rate: int, start: float, duration: float | None) -> Iterator[np.ndarray]:
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise AmtError(
            f"{path}: not readable as wav, flac, ogg or mp3; if it is a recording in another format, "
            "install ffmpeg (https://ffmpeg.org) or convert the file to FLAC"
        )
    command = [ffmpeg, "-v", "error", "-nostdin", "-ss", str(start), "-i", str(path.absolute())]
    command += ["-t", str(duration)] if duration is not None else []
    command += ["-map", "0:a:0", "-ac", "1", "-ar", str(rate), "-f", "f32le", "-"]
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=messages)
        done = 0
        try:
            while data := process.stdout.read(4 << 20):
                block = np.frombuffer(data[: len(data) // 4 * 4], dtype="<f4")
                _check_samples(block, path, rate, done)
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
