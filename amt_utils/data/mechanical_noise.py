"""Sounds of a piano's mechanism: a key that returns, dampers that rise and fall with the pedal.

Note samples end without them, yet they tell when a key is released while the pedal sustains its sound, and when the
pedal is pressed between notes. On a real Disklavier the level between the partials, from 80 Hz to 3.5 kHz, is higher
by 1 to 5 dB 20 ms after such a release, by 6 to 9 dB in the room. The release samples of the Salamander grand (Yamaha
C5) peak about 27 dB below a note of medium velocity, mostly below 500 Hz. These noises are made up along those lines,
another mechanism every time: damped modes of the case and a burst of low-passed noise.
"""

from __future__ import annotations

import numpy as np

KEY_NOISES = 6  # per mechanism
KEY_SECONDS, PEDAL_SECONDS = 0.25, 0.5
LEVEL_WINDOW = 0.01  # seconds: a noise's level is its greatest RMS over this time


def make_key_noises(rng: np.random.Generator, sample_rate: int) -> list[np.ndarray]:
    """Noises of a returning key of one mechanism, float32 with a level of 1."""
    modes = np.exp(rng.uniform(np.log(60), np.log(600), rng.integers(3, 7)))  # Hz
    corner, slope = rng.uniform(150, 500), rng.uniform(1.2, 2.4)
    attack, decay, tone = rng.uniform(0.003, 0.03), rng.uniform(0.012, 0.05), rng.uniform(0.3, 1.5)
    return [
        _make_noise(
            rng, sample_rate, seconds=KEY_SECONDS, modes=modes * rng.uniform(0.95, 1.05), tone=tone,
            corner=corner, slope=slope, attack=attack, decay=decay * rng.uniform(0.8, 1.25),
        )
        for _ in range(KEY_NOISES)
    ]  # fmt: skip


def make_pedal_noises(rng: np.random.Generator, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Noises of the dampers as they rise and as they fall, float32 with a level of 1."""
    modes = np.exp(rng.uniform(np.log(30), np.log(250), rng.integers(2, 6)))  # Hz
    bright = rng.random() < 0.5  # felt that brushes the strings is heard up to several kHz, wood is not
    up, down = (
        _make_noise(
            rng, sample_rate, seconds=PEDAL_SECONDS, modes=modes, tone=rng.uniform(0.1, 1.0),
            corner=rng.uniform(600, 3000) if bright else rng.uniform(80, 400), slope=rng.uniform(1.0, 2.2),
            attack=rng.uniform(0.005, 0.06), decay=rng.uniform(0.02, 0.12),
        )
        for _ in range(2)
    )  # fmt: skip
    return up, down


def _make_noise(
    rng: np.random.Generator,
    sample_rate: int,
    *,
    seconds: float,
    modes: np.ndarray,
    tone: float,
    corner: float,
    slope: float,
    attack: float,
    decay: float,
) -> np.ndarray:
    """Low-passed noise and ``tone`` times the modes (Hz), rising for ``attack`` and falling with ``decay`` seconds.

    Above ``corner`` Hz the noise falls with the power ``slope`` of the frequency.
    """
    n = round(seconds * sample_rate)
    time = np.arange(n) / sample_rate
    frequency = np.fft.rfftfreq(n, 1 / sample_rate)
    spectrum = rng.standard_normal(len(frequency)) + 1j * rng.standard_normal(len(frequency))
    spectrum *= (frequency > 25) / (1 + (frequency / corner) ** slope)
    noise = np.fft.irfft(spectrum, n) * np.exp(-time / decay)
    ringing = np.zeros(n)
    for mode in modes:
        fades = np.exp(-time / (decay * rng.uniform(0.5, 3.0)))
        ringing += rng.uniform(0.3, 1.0) * np.sin(2 * np.pi * mode * time + rng.uniform(0, 2 * np.pi)) * fades
    y = noise / _level(noise, sample_rate) + tone * ringing / _level(ringing, sample_rate)
    y *= np.sin(0.5 * np.pi * np.minimum(time / attack, 1.0)) ** 2
    y *= np.minimum((seconds - time) / (0.2 * seconds), 1.0)  # ends in silence
    return (y / _level(y, sample_rate)).astype(np.float32)


def _level(y: np.ndarray, sample_rate: int) -> float:
    width = round(LEVEL_WINDOW * sample_rate)
    total = np.concatenate([[0.0], np.cumsum(y**2)])
    return float(np.sqrt(np.max(total[width:] - total[:-width]) / width)) + 1e-12
