"""Augmentation of training audio: room, microphone, device, noise, level.

Every function takes float32 audio and a random generator, and returns float32 audio of the same length. Nothing here
normalises by peak: the velocity of one note would then depend on the loudness of another.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

from ..audio.reading import AUDIO_SUFFIXES, SAMPLE_RATE, load_audio
from ..audio.tuning import midi_to_hz
from ..music.notes import HIGHEST_PITCH, LOWEST_PITCH
from ..system.errors import AmtError
from .devices import add_background, clip_peaks, control_gain, device_response, imitate_codec

ATTACK = 0.05  # seconds of a room's impulse response that count as part of the attack
FUNDAMENTALS = midi_to_hz(np.arange(LOWEST_PITCH, HIGHEST_PITCH + 1))  # Hz


@lru_cache(maxsize=4)
def load_impulse_responses(folder: str | os.PathLike, *, sample_rate: int = SAMPLE_RATE) -> list[np.ndarray]:
    """Every audio file of a folder as an impulse response: direct sound at sample 0, unit energy.

    Raises:
        AmtError: the folder holds no audio files.
    """
    files = sorted(p for p in Path(folder).iterdir() if p.suffix.lower() in AUDIO_SUFFIXES)
    if not files:
        raise AmtError(f"{folder}: holds no impulse responses (audio files)")
    responses = []
    for path in files:
        y = load_audio(path, sample_rate=sample_rate)
        y = y[int(np.argmax(np.abs(y))) :]  # labels must not shift
        responses.append((y / np.sqrt(np.sum(y**2) + 1e-12)).astype(np.float32))
    return responses


@dataclass(frozen=True)
class Surroundings:
    """What :func:`augment` draws from.

    Attributes:
        rooms: impulse responses.
        noises: recordings of background noise.
        noise_share, noise_decibels: share of windows with such noise, and the range of how far below the music it is.
        device_share: share of windows recorded by a phone or a similar device.
        sample_rate: Hz, of the audio, the rooms and the noises.
    """

    rooms: Sequence[np.ndarray] = ()
    noises: Sequence[np.ndarray] = ()
    noise_share: float = 0.0
    noise_decibels: tuple[float, float] = (5.0, 30.0)
    device_share: float = 0.0
    sample_rate: int = SAMPLE_RATE


def augment(
    y: np.ndarray, rng: np.random.Generator, around: Surroundings | None = None
) -> tuple[np.ndarray, np.ndarray, bool]:
    """A random recording chain: background noise, room, equaliser, device, saturation, noise, level.

    Returns:
        ``(n,)`` audio; ``(88,)`` decibels by which each key's fundamental became louder; whether these are constant
        over the window (not with automatic gain).
    """
    around = around or Surroundings()
    rate = around.sample_rate
    if around.noises and rng.random() < around.noise_share:
        y = add_background(y, around.noises, rng, decibels=around.noise_decibels, sample_rate=rate)
    device = rng.random() < around.device_share
    y, decibels = filter_randomly(
        y, rng, rooms=around.rooms, resonances=True, device=device, sample_rate=rate
    )
    steady = True
    if device:
        if rng.random() < 0.4:
            y, steady = control_gain(y, rng, sample_rate=rate), False
        if rng.random() < 0.25:
            y = clip_peaks(y, rng)
        if rng.random() < 0.5:
            y = imitate_codec(y, rng)
    if rng.random() < 0.2:
        y = saturate(y, rng)
    if rng.random() < 0.8:
        y = add_noise(y, rng, sample_rate=rate)
    level = min(rng.uniform(-8, 6), -20 * np.log10(np.abs(y).max() + 1e-6))  # not beyond full scale
    return (y * 10 ** (level / 20)).astype(np.float32), decibels + level, steady


def filter_randomly(
    y: np.ndarray,
    rng: np.random.Generator,
    *,
    rooms: Sequence[np.ndarray] = (),
    resonances: bool = False,
    device: bool = False,
    sample_rate: int = SAMPLE_RATE,
) -> tuple[np.ndarray, np.ndarray]:
    """Room and equaliser in one pass through the frequency domain; returns audio and decibels as :func:`augment` does.

    ``resonances`` adds peaks and dips a quarter of an octave wide, as of another sound board. ``device`` adds the
    response of a small microphone.
    """
    room = None
    if len(rooms) and rng.random() < 0.6:
        room = rooms[int(rng.integers(len(rooms)))]
        room = room[: int(rng.uniform(0.2, 2.5) * sample_rate)]
        tail = np.arange(len(room)) / sample_rate
        room = room * np.exp(-tail * rng.uniform(0, 4))  # absorbs more or less
        room = room / (np.sqrt(np.sum(room**2)) + 1e-9)
        wet = rng.beta(1.2, 3.0)
        room = wet * room
        room[0] += 1 - wet
        room /= np.sqrt(np.sum(room[: int(ATTACK * sample_rate)] ** 2))  # keeps the attack's loudness
    size = next_fast_len(len(y) + (len(room) if room is not None else 0), real=True)
    spectrum = rfft(y, size)
    if room is not None:
        spectrum *= rfft(room.astype(np.float32), size)
    frequencies = rfftfreq(size, 1 / sample_rate)
    gain = _random_equaliser(frequencies, rng)
    if resonances:
        position = np.log(np.maximum(frequencies, 20.0))
        gain = gain * 10 ** (_random_curve(position, rng, knots=32, most=2.5) / 20)
    if device:
        gain = gain * device_response(frequencies, rng)
    spectrum *= gain.astype(np.float32)
    decibels = 20 * np.log10(np.interp(FUNDAMENTALS, frequencies, gain))
    return irfft(spectrum, size)[: len(y)].astype(np.float32), decibels


def _random_equaliser(frequencies: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A smooth gain curve of a few dB, sometimes with a gentle low or high cut."""
    position = np.log(np.maximum(frequencies, 20.0))
    decibels = _random_curve(position, rng, knots=7, most=5.0)
    decibels += rng.normal(0, 1.5) * (position - np.log(500.0)) / np.log(2)  # tilt, dB per octave
    gain = 10 ** (np.clip(decibels, -24, 15) / 20)
    if rng.random() < 0.3:
        gain = gain / np.sqrt(1 + (rng.uniform(30, 150) / np.maximum(frequencies, 1.0)) ** 4)
    if rng.random() < 0.3:
        gain = gain / np.sqrt(1 + (frequencies / rng.uniform(2500, 7500)) ** 4)
    return gain.astype(np.float32)


def _random_curve(position: np.ndarray, rng: np.random.Generator, *, knots: int, most: float) -> np.ndarray:
    """Decibels at log frequencies: random at ``knots`` over the keyboard, standard deviation up to ``most``."""
    return np.interp(position, np.log(np.geomspace(40, 8000, knots)), rng.normal(0, rng.uniform(0, most), knots))


def saturate(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An overdriven preamplifier: ``tanh`` of a few times the level."""
    drive = rng.uniform(0.5, 3.0) / (np.max(np.abs(y)) + 1e-6)
    return (np.tanh(drive * y) / drive).astype(np.float32)


def add_noise(y: np.ndarray, rng: np.random.Generator, *, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """White to brown noise and sometimes mains hum, 20 to 60 dB below the signal: real recordings have 40 to 50."""
    n = len(y)
    size = next_fast_len(n, real=True)
    spectrum = rfft(rng.standard_normal(size).astype(np.float32))
    frequencies = np.maximum(rfftfreq(size, 1 / sample_rate), 20.0)
    noise = irfft(spectrum * frequencies ** -rng.uniform(0, 1.0), size)[:n]
    noise /= np.sqrt(np.mean(noise**2)) + 1e-12
    if rng.random() < 0.15:
        hum = rng.choice([50.0, 60.0])
        time = np.arange(n) / sample_rate
        for k in range(1, 6):
            noise += rng.uniform(0, 0.8) / k * np.sin(2 * np.pi * hum * k * time + rng.uniform(0, 6.28))
    signal = np.sqrt(np.mean(y**2)) + 1e-7
    return (y + noise * signal * 10 ** (-rng.uniform(20, 60) / 20)).astype(np.float32)
