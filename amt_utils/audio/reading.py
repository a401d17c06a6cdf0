"""Recordings in and out: any audio file -> float32 mono, by default at 16 kHz, whole, in part or block by block.

wav, flac, ogg and mp3 are read by libsndfile, anything else by the ``ffmpeg`` program where it is installed.
Channels are averaged, the rate is changed by soxr (``HQ``). A file read in blocks, whatever their size, gives
the same numbers as the file read whole; an excerpt gives those of the whole to within 1e-6.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from ..config import FeatureConfig
from ..system.errors import AmtError
from ..system.files import written_whole
from .channels import mono_blocks
from .damage import check_is_file, check_samples
from .opening import open_audio

SAMPLE_RATE = FeatureConfig().sample_rate  # Hz, the configuration's default
AUDIO_SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd"),  # libsndfile's
    *(".oga", ".opus", ".caf", ".w64", ".rf64", ".wave", ".bwf"),
    *(".m4a", ".m4b", ".aac", ".wma", ".mp4", ".m4v", ".webm", ".mkv", ".mka", ".mov", ".avi"),  # ffmpeg's, mostly
    *(".3gp", ".3g2", ".amr", ".ac3", ".mp2", ".ape", ".wv", ".tta"),
)
_WRITABLE = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}
_MARGIN_SECONDS = 0.05  # read on either side of an excerpt, many times the resampling filter's length


def load_audio(
    path: str | os.PathLike, *, sample_rate: int = SAMPLE_RATE, start: float = 0.0, duration: float | None = None
) -> np.ndarray:
    """A recording, or ``duration`` seconds of it from ``start`` -> ``(n,)`` float32 in [-1, 1], mono.

    Args:
        path: the file.
        sample_rate: Hz of the result.
        start: seconds; a quick seek in wav, flac, ogg and mp3.
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
    """Length in seconds, from the header where it has one, otherwise by decoding the file."""
    path = check_is_file(path)
    with open_audio(path) as file:
        n_frames = file.n_frames
        if n_frames is None:
            n_frames = sum(len(block) for block in file.blocks())
        return n_frames / file.sample_rate


def save_audio(path: str | os.PathLike, y: np.ndarray, *, sample_rate: int = SAMPLE_RATE) -> Path:
    """Writes ``(n,)`` or ``(n, channels)`` samples as 16-bit ``.wav`` or ``.flac``, or as ``.ogg``.

    The file is written atomically; parent folders are created; samples beyond [-1, 1] are clipped.

    Raises:
        AmtError: another suffix, no samples, NaN or infinite samples, or the file cannot be written.
    """
    path, y = Path(path), np.asarray(y)
    if path.suffix.lower() not in _WRITABLE:
        raise AmtError(f"{path}: can write {', '.join(_WRITABLE)}, not {path.suffix or 'a file without suffix'!r}")
    if y.ndim not in (1, 2) or not y.size:
        raise AmtError(f"{path}: expected samples of shape (n,) or (n, channels), not {y.shape}")
    check_samples(y, path, sample_rate)
    container, subtype = _WRITABLE[path.suffix.lower()]
    encoded = io.BytesIO()  # libsndfile does not report every failed write, Python's files do
    n_channels = 1 if y.ndim == 1 else y.shape[1]
    with soundfile.SoundFile(encoded, "w", sample_rate, n_channels, subtype, None, container) as file:
        for i in range(0, len(y), 65536):  # libvorbis overflows the stack when given minutes at once
            file.write(np.clip(y[i : i + 65536], -1, 1))
    with written_whole(path) as partial:
        partial.write_bytes(encoded.getbuffer())
    return path


def _excerpt(path: Path, rate: int, start: float, duration: float | None) -> Iterator[np.ndarray]:
    """Blocks of the resampled excerpt, of whatever sizes the resampler gives."""
    if not (math.isfinite(start) and start >= 0):
        raise AmtError(f"{path}: start must be seconds >= 0, not {start}")
    if duration is not None and not (math.isfinite(duration) and duration > 0):
        raise AmtError(f"{path}: duration must be seconds > 0, not {duration}")
    path = check_is_file(path)
    n_wanted = math.inf if duration is None else max(1, round(duration * rate))
    with open_audio(path) as file:
        # Begin where an input and an output sample coincide, so that an excerpt has the whole file's phase
        common = math.gcd(rate, file.sample_rate)
        out_period, in_period = rate // common, file.sample_rate // common
        first = round(start * rate)
        periods = max(0, first - round(_MARGIN_SECONDS * rate)) // out_period
        skip = first - periods * out_period
        n_in = None
        if duration is not None:
            n_in = math.ceil((skip + n_wanted) * in_period / out_period + _MARGIN_SECONDS * file.sample_rate)
        blocks = _resample(mono_blocks(file, periods * in_period, n_in), file.sample_rate, rate)
        yield from _cut(blocks, skip, n_wanted, path, start)


def _cut(blocks: Iterator[np.ndarray], skip: int, n_wanted: float, path: Path, start: float) -> Iterator[np.ndarray]:
    """Drops ``skip`` samples, stops after ``n_wanted``, limits the rest to [-1, 1]."""
    given = 0
    for block in blocks:
        kept = block[skip:][: int(min(len(block), n_wanted - given))]
        skip = max(0, skip - len(block))
        given += len(kept)
        if len(kept):
            yield np.clip(kept, -1.0, 1.0)
        if given == n_wanted:
            return
    if not given:
        after = f" after {start} s" if start else ""
        raise AmtError(f"{path}: no audio in it{after}; record or export it again")


def _resample(blocks: Iterator[np.ndarray], rate_in: int, rate_out: int) -> Iterator[np.ndarray]:
    if rate_in == rate_out:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate_in, rate_out, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block).copy()
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True).copy()


def _join(blocks: Iterable[np.ndarray]) -> np.ndarray:
    blocks = list(blocks)
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def convert_audio(source: str | os.PathLike, target: str | os.PathLike, *, sample_rate: int = SAMPLE_RATE) -> int:
    """Any recording -> mono FLAC, block by block, written atomically; returns the number of samples."""
    n = 0
    with (
        written_whole(target) as partial,
        soundfile.SoundFile(partial, "w", sample_rate, 1, "PCM_16", format="FLAC") as out,
    ):
        for block in stream_audio(source, sample_rate=sample_rate):
            out.write(block)
            n += len(block)
    return n
