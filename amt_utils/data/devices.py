"""Recording by a phone or a laptop: background noise, a small microphone, automatic gain, clipping, a codec.

Every function takes float32 audio and a random generator, and returns float32 audio of the same length.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

from ..audio.reading import AUDIO_SUFFIXES, SAMPLE_RATE, load_audio
from ..system.errors import AmtError

VOICE_FORMANTS = ((300.0, 800.0), (900.0, 2300.0), (2300.0, 3300.0))  # Hz, ranges of the first three
GAIN_FRAMES = 100  # per second: how often automatic gain measures the level
CODEC_FRAME, CODEC_BAND = 2048, 16  # samples; bins that share one quantiser


@lru_cache(maxsize=4)
def load_noises(folder: str | os.PathLike, *, sample_rate: int = SAMPLE_RATE) -> list[np.ndarray]:
    """Every audio file of a folder, float32 with an RMS of 1. Raises :class:`AmtError` where there is none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise AmtError(f"{folder}: no such folder of noise recordings")
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in AUDIO_SUFFIXES)
    noises = [_level(load_audio(p, sample_rate=sample_rate)) for p in files]
    noises = [y for y in noises if len(y)]
    if not noises:
        raise AmtError(f"{folder}: holds no recordings of noise (audio files)")
    return noises


def _level(y: np.ndarray) -> np.ndarray:
    return (y / (np.sqrt(np.mean(y**2)) + 1e-9 if len(y) else 1.0)).astype(np.float32)


def add_background(
    y: np.ndarray,
    noises: Sequence[np.ndarray],
    rng: np.random.Generator,
    *,
    decibels: tuple[float, float] = (5.0, 30.0),
    sample_rate: int = SAMPLE_RATE,
) -> np.ndarray:
    """Adds one or two recorded noises, or speech, ``decibels`` (a range) below the music (RMS over the window)."""
    n = len(y)
    noise = np.zeros(n, np.float32)
    if rng.random() < 0.7:
        for _ in range(rng.integers(1, 3)):
            noise += rng.uniform(0.2, 1.0) * _level(_cut(noises[int(rng.integers(len(noises)))], n, rng))
    else:
        noise += babble(n, noises, rng, sample_rate=sample_rate)
    signal = np.sqrt(np.mean(y**2)) + 1e-7
    return (y + _level(noise) * signal * 10 ** (-rng.uniform(*decibels) / 20)).astype(np.float32)


def _cut(noise: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """``n`` samples from a random place of a recording, which is repeated where it is too short."""
    begin = rng.integers(len(noise))
    return np.resize(np.roll(noise, -begin), n)


def babble(
    n: int, noises: Sequence[np.ndarray], rng: np.random.Generator, *, sample_rate: int = SAMPLE_RATE
) -> np.ndarray:
    """``n`` samples of one to five people talking: gliding pitches through formants, and recorded noise for consonants.

    Speech has harmonic partials as a piano has, but their pitch glides.
    """
    size = next_fast_len(n, real=True)
    frequencies = rfftfreq(size, 1 / sample_rate)
    talk = np.zeros(n, np.float32)
    for _ in range(rng.integers(1, 6)):
        syllables = max(4, int(n / sample_rate * rng.uniform(3, 7)))  # per second
        when = np.linspace(0, n, 2 * syllables + 1)
        pitch = rng.uniform(90, 260) * 2 ** np.cumsum(rng.normal(0, 0.06, len(when)))
        phase = np.cumsum(np.interp(np.arange(n), when, np.clip(pitch, 70, 400))) / sample_rate
        voiced = np.diff(np.floor(phase), prepend=0.0)  # a pulse for every period
        loud = np.interp(np.arange(n), when, rng.uniform(0, 1, len(when)) ** 2 * np.resize([0.1, 1.0], len(when)))
        breath = 0.3 * np.roll(loud, rng.integers(n)) * _cut(noises[int(rng.integers(len(noises)))], n, rng)
        formants = np.zeros_like(frequencies)
        for low, high in VOICE_FORMANTS:
            centre = rng.uniform(low, high)
            formants += (300 / centre) / (1 + ((frequencies - centre) / (0.12 * centre)) ** 2)
        voice = irfft(rfft(_level(voiced * loud), size) * formants, size)[:n]
        talk += rng.uniform(0.2, 1.0) * (_level(voice) + 0.3 * _level(breath))
    return _level(talk)


def device_response(frequencies: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The gain of a small microphone in its case at each of ``frequencies`` (Hz): a band and a few resonances."""
    f = np.maximum(frequencies, 1.0)
    slope = 2 * rng.integers(1, 5)  # of the power: 6 to 24 dB per octave
    gain = 1 / np.sqrt(1 + (rng.uniform(50, 300) / f) ** slope)
    if rng.random() < 0.6:
        gain /= np.sqrt(1 + (f / rng.uniform(3400, 8000)) ** (2 * rng.integers(2, 8)))
    decibels = np.zeros_like(f)
    for _ in range(rng.integers(1, 5)):
        centre, width = np.exp(rng.uniform(np.log(150), np.log(7000))), rng.uniform(0.05, 0.4)  # of the frequency
        decibels += rng.uniform(-12, 10) / (1 + ((f - centre) / (width * centre)) ** 2)
    return (gain * 10 ** (decibels / 20)).astype(np.float32)


def control_gain(y: np.ndarray, rng: np.random.Generator, *, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """A recorder's automatic gain control, with a fast attack and a slow release."""
    frame = sample_rate // GAIN_FRAMES
    n_frames = -(-len(y) // frame)
    power = np.pad(y, (0, n_frames * frame - len(y))).reshape(n_frames, frame)
    level = 10 * np.log10(np.mean(power**2, axis=1) + 1e-7)  # dB
    attack, release = np.exp(-0.01 / rng.uniform(0.01, 0.1)), np.exp(-0.01 / rng.uniform(0.3, 3.0))
    smooth, envelope = float(level.mean()), np.empty(n_frames)
    for i, now in enumerate(level.tolist()):
        keep = attack if now > smooth else release
        smooth = keep * smooth + (1 - keep) * now
        envelope[i] = smooth
    decibels = np.clip(rng.uniform(0.2, 0.8) * (level.mean() - envelope), -20, 12)
    gain = 10 ** (np.interp(np.arange(len(y)), frame * (np.arange(n_frames) + 1.0), decibels) / 20)
    return (y * gain).astype(np.float32)


def clip_peaks(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Clips the highest peaks: at most 3 % of the samples."""
    most = np.quantile(np.abs(y), 1 - 10 ** rng.uniform(-4, -1.5))
    return np.clip(y, -most, most) if most > 0 else y


def imitate_codec(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Quantises each band of each frame relative to its level, as AAC and MP3 do at low bit rates.

    The error spreads over a frame, also before an attack (pre-echo). Encoding by ffmpeg would take longer than
    rendering the window.
    """
    half = CODEC_FRAME // 2
    n_frames = -(-len(y) // half) + 1
    padded = np.pad(y, (half, n_frames * half - len(y)))
    window = np.sin(np.pi * (np.arange(CODEC_FRAME) + 0.5) / CODEC_FRAME).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, CODEC_FRAME)[::half][:n_frames]
    spectrum = rfft(frames * window, axis=1)
    bands = spectrum[:, : half // CODEC_BAND * CODEC_BAND].reshape(n_frames, -1, CODEC_BAND)
    most = np.abs(bands).max(axis=2, keepdims=True) + 1e-9
    step = most * 10 ** (-rng.uniform(6, 24) / 20)  # bins below it become zero
    bands = step * (np.rint(bands.real / step) + 1j * np.rint(bands.imag / step))
    decoded = irfft(np.pad(bands.reshape(n_frames, -1), ((0, 0), (0, 1))), CODEC_FRAME, axis=1) * window
    out = np.zeros((n_frames + 1) * half, np.float32)
    out[:-half] += decoded[:, :half].ravel()
    out[half:] += decoded[:, half:].ravel()
    return out[half : half + len(y)].astype(np.float32)
