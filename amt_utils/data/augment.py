"""What happens between a piano and a recording: room, microphone, device, noise, level.

Every function takes and returns float32 audio of one length, and a generator for its randomness. Nothing here
normalises by peak: that would tie the velocity of one note to the loudness of another.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

from ..audio.reading import AUDIO_SUFFIXES, load_audio
from ..audio.tuning import midi_to_hz
from ..music.notes import HIGHEST_PITCH, LOWEST_PITCH
from ..system.errors import AmtError
from .devices import add_background, clip_peaks, control_gain, device_response, imitate_codec

SAMPLE_RATE = 16_000
ATTACK = 0.05  # seconds of a room's answer that are heard as part of the attack
FUNDAMENTALS = midi_to_hz(np.arange(LOWEST_PITCH, HIGHEST_PITCH + 1))  # Hz


@lru_cache(maxsize=4)
def load_impulse_responses(folder: str | os.PathLike) -> list[np.ndarray]:
    """Every audio file of a folder as an impulse response: direct sound at sample 0, unit energy."""
    files = sorted(p for p in Path(folder).iterdir() if p.suffix.lower() in AUDIO_SUFFIXES)
    if not files:
        raise AmtError(f"{folder}: holds no impulse responses (audio files)")
    responses = []
    for path in files:
        y = load_audio(path, sample_rate=SAMPLE_RATE)
        y = y[int(np.argmax(np.abs(y))) :]  # labels must not shift
        responses.append((y / np.sqrt(np.sum(y**2) + 1e-12)).astype(np.float32))
    return responses


@dataclass(frozen=True)
class Surroundings:
    """Where recordings are made, and by what.

    Attributes:
        rooms: impulse responses.
        noises: recordings of what is heard beside a piano.
        noise_share, noise_decibels: of windows with such noise, and how far below the music it is.
        device_share: of windows recorded by a phone or the like.
    """

    rooms: Sequence[np.ndarray] = ()
    noises: Sequence[np.ndarray] = ()
    noise_share: float = 0.0
    noise_decibels: tuple[float, float] = (5.0, 30.0)
    device_share: float = 0.0


def augment(
    y: np.ndarray, rng: np.random.Generator, around: Surroundings | None = None
) -> tuple[np.ndarray, np.ndarray, bool]:
    """A random recording chain: what is heard beside the music, room, equaliser, device, saturation, noise, level.

    Returns:
        ``(n,)`` audio; ``(88,)`` decibels by which each key's fundamental became louder; whether they stayed the same
        from beginning to end, as they do without automatic gain.
    """
    around = around or Surroundings()
    if around.noises and rng.random() < around.noise_share:
        y = add_background(y, around.noises, rng, decibels=around.noise_decibels)
    device = rng.random() < around.device_share
    y, decibels = filter_randomly(y, rng, rooms=around.rooms, resonances=True, device=device)
    steady = True
    if device:
        if rng.random() < 0.4:
            y, steady = control_gain(y, rng), False
        if rng.random() < 0.25:
            y = clip_peaks(y, rng)
        if rng.random() < 0.5:
            y = imitate_codec(y, rng)
    if rng.random() < 0.2:
        y = saturate(y, rng)
    if rng.random() < 0.8:
        y = add_noise(y, rng)
    level = min(rng.uniform(-8, 6), -20 * np.log10(np.abs(y).max() + 1e-6))  # not beyond full scale
    return (y * 10 ** (level / 20)).astype(np.float32), decibels + level, steady


def filter_randomly(
    y: np.ndarray,
    rng: np.random.Generator,
    *,
    rooms: Sequence[np.ndarray] = (),
    resonances: bool = False,
    device: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Room and equaliser in one pass through the frequency domain; returns audio and decibels as :func:`augment` does.

    ``resonances`` adds those of another body: a quarter of an octave wide, they move single partials. ``device`` adds
    a small microphone's response.
    """
    room = None
    if len(rooms) and rng.random() < 0.6:
        room = rooms[int(rng.integers(len(rooms)))]
        room = room[: int(rng.uniform(0.2, 2.5) * SAMPLE_RATE)]
        tail = np.arange(len(room)) / SAMPLE_RATE
        room = room * np.exp(-tail * rng.uniform(0, 4))  # the same room, more or less absorbing
        room = room / (np.sqrt(np.sum(room**2)) + 1e-9)
        wet = rng.beta(1.2, 3.0)
        room = wet * room
        room[0] += 1 - wet
        room /= np.sqrt(np.sum(room[: int(ATTACK * SAMPLE_RATE)] ** 2))  # an attack is as loud as it was
    size = next_fast_len(len(y) + (len(room) if room is not None else 0), real=True)
    spectrum = rfft(y, size)
    if room is not None:
        spectrum *= rfft(room.astype(np.float32), size)
    frequencies = rfftfreq(size, 1 / SAMPLE_RATE)
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
    """A smooth gain curve of a few dB, with a gentle low and high cut now and then."""
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
    """Decibels at log frequencies: random at ``knots`` over the keyboard, at most ``most`` of standard deviation."""
    return np.interp(position, np.log(np.geomspace(40, 8000, knots)), rng.normal(0, rng.uniform(0, most), knots))


def saturate(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A driven preamplifier: ``tanh`` of a few times the level."""
    drive = rng.uniform(0.5, 3.0) / (np.max(np.abs(y)) + 1e-6)
    return (np.tanh(drive * y) / drive).astype(np.float32)


def add_noise(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """White to brown noise and sometimes mains hum, 20 to 60 dB below the signal: real recordings have 40 to 50."""
    n = len(y)
    size = next_fast_len(n, real=True)
    spectrum = rfft(rng.standard_normal(size).astype(np.float32))
    frequencies = np.maximum(rfftfreq(size, 1 / SAMPLE_RATE), 20.0)
    noise = irfft(spectrum * frequencies ** -rng.uniform(0, 1.0), size)[:n]
    noise /= np.sqrt(np.mean(noise**2)) + 1e-12
    if rng.random() < 0.15:
        hum = rng.choice([50.0, 60.0])
        time = np.arange(n) / SAMPLE_RATE
        for k in range(1, 6):
            noise += rng.uniform(0, 0.8) / k * np.sin(2 * np.pi * hum * k * time + rng.uniform(0, 6.28))
    signal = np.sqrt(np.mean(y**2)) + 1e-7
    return (y + noise * signal * 10 ** (-rng.uniform(20, 60) / 20)).astype(np.float32)
