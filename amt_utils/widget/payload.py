"""Data for the browser: notes as columns of bytes, sound as FLAC or MP3, spectra as small grey images.

All of it is little-endian bytes, so that the live widget sends it as binary messages and a saved page carries it
as base64; ``js/data.js`` reads it back.
"""

from __future__ import annotations

import io
import json
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from ..audio.reading import SAMPLE_RATE, audio_duration, stream_audio
from ..music.notes import N_KEYS, Performance
from ..system.errors import AmtError

if TYPE_CHECKING:
    from ..sheet_music.score import Score

SPECTRUM_RATE = SAMPLE_RATE  # Hz, the audio the spectrum is computed from
MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
LISTENING_RATE = 32_000  # Hz: above what a piano needs, and an MP3 rate
_BLOCK_SECONDS = 60.0
_MP3_LEVEL = 0.2  # libsndfile's scale for variable bit rate, 0 is the largest; 0.2 is 50..70 kbit/s here
_TILE_COLUMNS = 4096  # browsers refuse canvases much wider than 16384
_MOST_COLUMNS = 40_000


def pack_notes(notes: np.ndarray, probability: np.ndarray | None = None, hands: np.ndarray | None = None) -> bytes:
    """Notes -> float64 onsets, key ends; float32 probabilities (NaN: not known); uint8 pitches, velocities, hands."""
    columns = [
        (notes["onset"], "<f8"),
        (notes["offset"], "<f8"),
        (np.full(len(notes), np.nan) if probability is None else probability, "<f4"),
        (notes["pitch"], "u1"),
        (notes["velocity"], "u1"),
        (np.zeros(len(notes)) if hands is None else hands, "u1"),
    ]
    return b"".join(np.ascontiguousarray(values, dtype=dtype).tobytes() for values, dtype in columns)


def pack_pedals(performance: Performance) -> bytes:
    """Pedals -> float64 onsets, float64 offsets, uint8 kinds."""
    columns = zip(("onset", "offset", "kind"), ("<f8", "<f8", "u1"), strict=True)
    return b"".join(np.ascontiguousarray(performance.pedals[name], dtype=dtype).tobytes() for name, dtype in columns)


class Sound:
    """A recording to listen to, given as samples or as a file; read block by block.

    Args:
        source: ``(n,)`` samples in [-1, 1] or a path.
        sample_rate: of the samples, in Hz; ignored for files.

    Raises:
        AmtError: no samples, not one channel, or a file that cannot be read.
    """

    def __init__(self, source: np.ndarray | str | os.PathLike, *, sample_rate: int = SAMPLE_RATE):
        if isinstance(source, (str, os.PathLike)):
            self.path: Path | None = Path(source)
            self.samples = np.zeros(0, np.float32)  # read from the file
            self.duration = float(audio_duration(self.path))
            self.rate = LISTENING_RATE if _native_rate(self.path) >= LISTENING_RATE else SPECTRUM_RATE
            return
        samples = np.asarray(source, dtype=np.float32)
        if samples.ndim != 1 or not len(samples) or not np.all(np.isfinite(samples)):
            raise AmtError(f"audio: expected finite samples of shape (n,), not {samples.shape}; average the channels")
        if sample_rate not in MP3_RATES:
            raise AmtError(f"audio: sample_rate {sample_rate} is none of {MP3_RATES}; resample it or give the path")
        self.path, self.samples, self.rate = None, samples, int(sample_rate)
        self.duration = len(samples) / sample_rate

    def blocks(self, rate: int) -> Iterator[np.ndarray]:
        """The recording at ``rate`` Hz in blocks of a minute."""
        if self.path is not None:
            yield from stream_audio(self.path, sample_rate=rate, block_seconds=_BLOCK_SECONDS)
            return
        samples = self.samples
        if rate != self.rate:
            import soxr

            samples = soxr.resample(samples, self.rate, rate)
        step = int(_BLOCK_SECONDS * rate)
        for start in range(0, len(samples), step):
            yield samples[start : start + step]

    def encoded(self, *, small: bool) -> tuple[bytes, str]:
        """Bytes and MIME type: FLAC, fast and lossless; or, if ``small``, MP3, which every browser plays.

        Where libsndfile is too old for MP3 (before 1.1), ``small`` is Ogg Vorbis, which Safari plays from 18.4 on.
        """
        kind: str = "FLAC"
        options: dict[str, Any] = {"subtype": "PCM_16"}
        if small and "MP3" in soundfile.available_formats():
            kind, options = "MP3", {"bitrate_mode": "VARIABLE", "compression_level": _MP3_LEVEL}
        elif small:
            kind, options = "OGG", {"subtype": "VORBIS"}
        target = io.BytesIO()
        with soundfile.SoundFile(target, "w", samplerate=self.rate, channels=1, format=kind, **options) as file:
            for block in self.blocks(self.rate):
                for start in range(0, len(block), 65_536):  # libvorbis overflows its stack on long writes
                    file.write(np.clip(block[start : start + 65_536], -1.0, 1.0))
        return target.getvalue(), {"FLAC": "audio/flac", "MP3": "audio/mpeg", "OGG": "audio/ogg"}[kind]

    def spectrum(self) -> tuple[np.ndarray, float]:
        """CQT with two bins per key -> ``(T, 176)`` in [0, 1] (55 dB down to the loudest bin), seconds per frame."""
        import torch

        from ..audio.features import CQT, bin_frequencies, compress

        hop = 512
        cqt = CQT(
            bin_frequencies(2 * N_KEYS, bins_per_octave=24),
            bins_per_octave=24, sample_rate=SPECTRUM_RATE, hop_length=hop, gamma=6.0,
        )  # fmt: skip
        margin = -(-cqt.context_samples // hop)  # frames of context on either side of a block
        parts, held, start = [], np.zeros(0, np.float32), 0  # held begins at sample start * hop
        with torch.inference_mode():
            for last, block in _mark_last(self.blocks(SPECTRUM_RATE)):
                held = np.concatenate([held, block])
                values = compress(cqt(torch.from_numpy(held)[None]))[0]  # (frames, 176)
                first = 0 if start == 0 else margin
                end = len(values) if last else max(first, len(values) - margin)
                parts.append(values[first:end].half().numpy())
                keep = max(0, end - margin)
                held, start = held[keep * hop :], start + keep
        levels = np.concatenate(parts).astype(np.float32)
        loudest = np.quantile(levels.max(axis=1), 0.995)
        return np.clip((levels - loudest + 0.5) / 0.5, 0, 1), hop / SPECTRUM_RATE


def _mark_last(items: Iterator) -> Iterator[tuple[bool, np.ndarray]]:
    waiting = None
    for item in items:
        if waiting is not None:
            yield False, waiting
        waiting = item
    if waiting is not None:
        yield True, waiting


def _native_rate(path: Path) -> int:
    try:
        with path.open("rb") as file:  # soundfile encodes no name that is not valid UTF-8
            return soundfile.info(file).samplerate
    except soundfile.SoundFileError:  # ffmpeg reads it: a video or a phone's m4a, 44.1 or 48 kHz
        return 44_100


def pack_image(name: str, values: np.ndarray, seconds_per_column: float) -> tuple[dict, bytes]:
    """``(T, rows)`` in [0, 1], low pitch first -> a description for the browser and the bytes of grey image tiles.

    Raises:
        AmtError: values that are not such a matrix.
    """
    from PIL import Image, features

    values = np.asarray(values, dtype=np.float32)
    if values.ndim != 2 or values.shape[1] % N_KEYS or not values.size:
        raise AmtError(f"{name}: expected (frames, multiple of {N_KEYS}) values in 0..1, not {values.shape}")
    pool = -(-len(values) // _MOST_COLUMNS)
    if pool > 1:  # hours: keep the peaks
        padded = np.pad(values, ((0, -len(values) % pool), (0, 0)))
        values = padded.reshape(-1, pool, values.shape[1]).max(axis=1)
    grey = (np.clip(np.nan_to_num(values), 0, 1) * 255).astype(np.uint8).T[::-1]  # (rows, T), high pitch on top
    kind = "WEBP" if features.check("webp") else "JPEG"
    tiles, encoded = [], []
    for start in range(0, grey.shape[1], _TILE_COLUMNS):
        tile = np.ascontiguousarray(grey[:, start : start + _TILE_COLUMNS])
        target = io.BytesIO()
        Image.fromarray(tile).save(target, kind, quality=55, **({"method": 2} if kind == "WEBP" else {}))
        tiles.append({"columns": tile.shape[1], "bytes": len(target.getvalue())})
        encoded.append(target.getvalue())
    about = {
        "name": name,
        "rows": grey.shape[0],
        "seconds_per_column": seconds_per_column * pool,
        "mime": f"image/{kind.lower()}",
        "tiles": tiles,
    }
    return about, b"".join(encoded)


def pack_score(score: Score) -> tuple[dict[str, float], bytes]:
    """A :class:`.Score` -> how high it is, and deflated JSON: its MusicXML, its pages as SVG, and those for a phone.

    Heights are in widths of the page, of all pages together; the browser makes room for them before it reads the rest.
    The pages' notes carry the indices of the performance's notes.
    """
    layout = {"adjustPageHeight": True, "header": "none", "pageMarginTop": 20}
    pages = {
        "musicxml": score.musicxml,
        "wide": score.to_svg(**layout, pageWidth=2700, pageHeight=1600),
        "narrow": score.to_svg(**layout, pageWidth=1000, pageHeight=1600),
    }
    heights = {kind: sum(map(_shape, pages[kind])) for kind in ("wide", "narrow")}
    return heights, zlib.compress(json.dumps(pages).encode(), 9)


def _shape(svg: str) -> float:
    """Height of a page in its widths."""
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert found, "verovio's pages have a viewBox"
    return float(found[2]) / float(found[1])


def describe_beats(score: Score) -> dict:
    """A :class:`.Score`'s beats and bars, for ``js/beats.js``."""
    beats, metre = score.beats, score.metre
    return {
        "times": beats.times.tolist(),
        "perBar": metre.beats,
        "downbeat": int(beats.bars[0]),
        "divisions": [int(d) for d in beats.divisions],
        "numerator": metre.numerator,
        "denominator": metre.denominator,
        "quarters": metre.quarters_per_beat,
        "fifths": score.key.fifths,
    }
