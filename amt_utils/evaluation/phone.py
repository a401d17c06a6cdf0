"""Simulates a recording by a phone, reproducibly, so that results can be compared.

Noise lies 15 to 25 dB below the music: recorded (``noise/`` of the shared data) where available, pink otherwise. The
microphone passes 200 Hz to 7 kHz with a few resonances, automatic gain evens out the level, and ffmpeg encodes AAC at
64 kbit/s. Onsets do not move: the filter has zero phase, and the decoder compensates the codec's delay. The random
choices depend on the recording's name and the seed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import zlib
from pathlib import Path

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq
from scipy.signal import lfilter

from ..audio.reading import SAMPLE_RATE, load_audio, save_audio
from ..data.devices import load_noises
from ..music.notes import Performance
from ..system.errors import AmtError
from ..system.paths import shared_data
from .folder import FolderScores, System

NOISE_DECIBELS = (15.0, 25.0)  # below the music
BAND = (200.0, 7000.0)  # Hz
RESONANCES, RESONANCE_DECIBELS = 3, 6.0
GAIN_SECONDS, GAIN_STRENGTH = 1.0, 0.5  # automatic gain compensates half of the level's changes, within about a second
CODEC = ("-c:a", "aac", "-b:a", "64k", "-ar", "48000")


class PhoneSystem:
    """A system whose input is every recording as a phone would record it."""

    def __init__(self, system: System, *, seed: int = 0):
        if not shutil.which("ffmpeg"):
            raise AmtError("--phone encodes as AAC by ffmpeg, which is not installed")
        self.system, self.seed = system, seed
        self.name = f"{getattr(system, 'name', 'network')}, through a phone"

    def transcribe(self, path: str | os.PathLike) -> Performance:
        """Transcribes the recording as a phone would record it. Raises :class:`AmtError` as reading does."""
        recorded = through_phone(load_audio(path, sample_rate=SAMPLE_RATE), name=Path(path).stem, seed=self.seed)
        with tempfile.TemporaryDirectory() as folder:
            return self.system.transcribe(save_audio(Path(folder) / f"{Path(path).stem}.wav", recorded))


def through_phone(y: np.ndarray, *, name: str, seed: int = 0) -> np.ndarray:
    """``(n,)`` float32 audio at 16 kHz -> as a phone would record it, of the same length.

    Args:
        y: the recording.
        name: of the recording; with ``seed`` it determines noise and microphone.
        seed: another seed is another phone in another place.

    Raises:
        AmtError: ffmpeg is missing or fails.
    """
    rng = np.random.default_rng((zlib.crc32(name.encode()), seed))
    signal = np.sqrt(np.mean(y**2)) + 1e-7
    noisy = y + _noise(len(y), rng) * signal * 10 ** (-rng.uniform(*NOISE_DECIBELS) / 20)
    size = next_fast_len(len(y), real=True)
    spectrum = rfft(noisy, size) * _response(rfftfreq(size, 1 / SAMPLE_RATE), rng)
    recorded = _even_out(irfft(spectrum, size)[: len(y)])
    recorded *= min(1.0, 0.9 / (np.abs(recorded).max() + 1e-9))
    return _encode(recorded.astype(np.float32))


def _noise(n: int, rng: np.random.Generator) -> np.ndarray:
    """``n`` samples with an RMS of 1."""
    folder = shared_data()
    if folder and (folder / "noise").is_dir():
        noises = load_noises(folder / "noise")
        noise = np.resize(noises[rng.integers(len(noises))], n)
    else:
        size = next_fast_len(n, real=True)
        frequencies = np.maximum(rfftfreq(size, 1 / SAMPLE_RATE), 20.0)
        noise = irfft(rfft(rng.standard_normal(size)) / np.sqrt(frequencies), size)[:n]
    return noise / (np.sqrt(np.mean(noise**2)) + 1e-9)


def _response(frequencies: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gain at each frequency: a band of 12 dB per octave below and 24 above, and resonances."""
    f = np.maximum(frequencies, 1.0)
    gain = 1 / np.sqrt(1 + (BAND[0] / f) ** 4) / np.sqrt(1 + (f / BAND[1]) ** 8)
    for centre in np.exp(rng.uniform(np.log(300), np.log(5000), RESONANCES)):
        decibels = rng.uniform(-RESONANCE_DECIBELS, RESONANCE_DECIBELS)
        gain *= 10 ** (decibels / (1 + ((f - centre) / (0.15 * centre)) ** 2) / 20)
    return gain


def _even_out(y: np.ndarray) -> np.ndarray:
    """Automatic gain control: partly compensates a smoothed level."""
    keep = np.exp(-1 / (GAIN_SECONDS * SAMPLE_RATE))
    usual = np.mean(y**2) + 1e-9
    followed, _ = lfilter([1 - keep], [1, -keep], y**2, zi=[keep * usual])
    gain = (usual / (followed + 1e-3 * usual)) ** (GAIN_STRENGTH / 2)
    return y * np.clip(gain, 0.25, 4.0)


def _encode(y: np.ndarray) -> np.ndarray:
    """Encodes as AAC and decodes; the container stores the encoder's delay, so that times are kept."""
    with tempfile.TemporaryDirectory() as folder:
        raw, coded = Path(folder) / "raw.wav", Path(folder) / "coded.m4a"
        save_audio(raw, y, sample_rate=SAMPLE_RATE)
        command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-i", str(raw), *CODEC, str(coded)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise AmtError(f"ffmpeg would not encode AAC: {done.stderr.strip() or 'no reason given'}")
        decoded = load_audio(coded, sample_rate=SAMPLE_RATE)
    return np.pad(decoded, (0, max(0, len(y) - len(decoded))))[: len(y)]


def loss_table(clean: FolderScores, phone: FolderScores, *, ends: str) -> str:
    """Mean F1 of recordings that both have, clean and through a phone, and the difference in points."""
    both = [name for name in clean.recordings if name in phone.recordings]
    lines = [f"{'mean F1, ' + ends + ' ends':28s}{'clean':>9}{'phone':>9}{'lost':>9}"]
    for title, metric in (("note", "note_f1"), ("+offset", "note_offset_f1"), ("frame", "frame_f1")):
        means = [100 * float(np.mean([s.recordings[n][ends][metric] for n in both])) for s in (clean, phone)]
        lines.append(f"{title:28s}{means[0]:9.1f}{means[1]:9.1f}{means[0] - means[1]:9.1f}")
    return "\n".join(lines)
