"""Pianos to render with: banks of note samples, and a synthetic one.

A piano bank is a folder with note samples and ``piano.json`` (file, key, velocity range, gain per sample; the hammer
strikes ``onset_s`` after a file's start).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import soxr

from ..audio.reading import SAMPLE_RATE, load_audio
from ..audio.tuning import midi_to_hz
from ..music.notes import HIGHEST_PITCH, LOWEST_PITCH
from ..system.errors import AmtError

HAMMER = 0.005  # seconds from a sample's start to the hammer, where a bank does not say
LOUDNESS_WINDOW = 0.25  # seconds after the hammer over which a sample's loudness is measured


@dataclass
class Piano:
    """A bank of note samples.

    Attributes:
        name: of the bank.
        keys, layers: ``(n,)`` MIDI pitch and centre velocity of each sample.
        samples: ``n`` float32 arrays at ``sample_rate``, hammer at ``onset`` samples, loudness 1.
        onset: samples before the hammer strikes.
        key_gain: ``(88,)`` loudness of each key relative to the others at equal velocity.
        sample_rate: Hz, of the samples and of what is rendered.
    """

    name: str
    keys: np.ndarray
    layers: np.ndarray
    samples: list[np.ndarray]
    onset: int
    key_gain: np.ndarray
    sample_rate: int = SAMPLE_RATE
    _tuned: dict[tuple[int, int], np.ndarray] = field(default_factory=dict, repr=False)

    def tuned_sample(self, pitch: int, velocity: float, borrowed_keys: int = 0) -> np.ndarray:
        """The sample for a key and velocity, resampled to that key's pitch; cached as float16."""
        distance = np.abs(self.keys - (pitch + borrowed_keys))
        nearest = np.flatnonzero(distance == distance.min())
        which = int(nearest[np.argmin(np.abs(self.layers[nearest] - velocity))])
        if (which, pitch) not in self._tuned:
            ratio = 2.0 ** ((pitch - self.keys[which]) / 12)
            tuned = _stretch(self.samples[which], ratio, self.sample_rate)
            # keep the hammer at sample `onset`
            shift = round(self.onset / ratio) - self.onset
            tuned = tuned[shift:] if shift > 0 else np.concatenate([np.zeros(-shift, np.float32), tuned])
            self._tuned[which, pitch] = tuned.astype(np.float16)  # half the memory; noise 66 dB below the sample
        return self._tuned[which, pitch]


def _stretch(y: np.ndarray, ratio: float, sample_rate: int) -> np.ndarray:
    """Plays ``y`` ``ratio`` times faster (pitch and tempo together)."""
    if abs(ratio - 1) < 1e-6:
        return y
    return soxr.resample(y, sample_rate * ratio, sample_rate, quality="MQ").astype(np.float32)


@lru_cache(maxsize=16)
def load_piano(folder: str | os.PathLike, *, sample_rate: int = SAMPLE_RATE) -> Piano:
    """A piano bank's folder -> :class:`Piano` at ``sample_rate`` Hz. Raises :class:`AmtError` that names the file."""
    folder = Path(folder)
    try:
        card = json.loads((folder / "piano.json").read_text())
        rows = card["samples"]
        keys = np.array([r["key"] for r in rows])
        low, high = (np.array([r[k] for r in rows], float) for k in ("velocity_low", "velocity_high"))
        gains = np.array([r.get("gain", 1.0) for r in rows])
        files = [folder / r["file"] for r in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AmtError(f"{folder}/piano.json: cannot read the piano bank ({error!r})") from error
    if not files:
        raise AmtError(f"{folder}/piano.json: lists no samples")
    onset = round(card.get("onset_s", HAMMER) * sample_rate)
    samples = [load_audio(f, sample_rate=sample_rate) for f in files]
    return _make_piano(card.get("name", folder.name), keys, (low + high) / 2, samples, gains, onset, sample_rate)


def _make_piano(
    name: str,
    keys: np.ndarray,
    layers: np.ndarray,
    samples: list[np.ndarray],
    gains: np.ndarray,
    onset: int,
    sample_rate: int,
) -> Piano:
    window = int(LOUDNESS_WINDOW * sample_rate)
    loudness = np.array([np.sqrt(np.mean(s[onset : onset + window] ** 2)) + 1e-9 for s in samples])
    natural = 20 * np.log10(loudness * gains)  # dB
    # one smooth gain curve over the keyboard for all layers, so that equal velocities sound equally loud
    profile = np.poly1d(np.polyfit(keys, natural, 3 if len(set(keys)) > 4 else 0))(
        np.arange(LOWEST_PITCH, HIGHEST_PITCH + 1)
    )
    key_gain = 10 ** ((profile - profile.max()) / 20)
    normalised = [(s / level).astype(np.float32) for s, level in zip(samples, loudness, strict=True)]
    return Piano(name, np.asarray(keys), np.asarray(layers, float), normalised, onset, key_gain, sample_rate)


def simple_tone_piano(
    *, brightness: float = 1.0, inharmonicity: float = 3e-4, seconds: float = 4.0, sample_rate: int = SAMPLE_RATE
) -> Piano:
    """A synthetic piano, for tests and where no samples are: decaying inharmonic partials and a hammer noise."""
    rng = np.random.default_rng(0)
    keys = np.arange(LOWEST_PITCH, HIGHEST_PITCH + 1, 3)
    time = np.arange(int(seconds * sample_rate)) / sample_rate
    onset = round(HAMMER * sample_rate)
    samples, pitches, layers = [], [], []
    for pitch in keys:
        base = float(midi_to_hz(pitch))
        for layer in (40, 96):
            tone = np.zeros_like(time)
            for k in range(1, 24):
                frequency = base * k * np.sqrt(1 + inharmonicity * k * k)
                if frequency > 0.45 * sample_rate:
                    break
                amplitude = np.exp(-k * (1.1 - layer / 160) / (1.5 * brightness)) * abs(np.sin(np.pi * k / 8.3))
                decay = 0.6 * (1 + 0.35 * k) * (base / 220) ** 0.6
                tone += amplitude * np.exp(-decay * time) * np.sin(2 * np.pi * frequency * time + rng.uniform(0, 6.28))
            thump = rng.standard_normal(len(time)) * np.exp(-time / 0.008) * 0.02
            attack = np.minimum(time / 0.002, 1.0)
            samples.append(np.concatenate([np.zeros(onset), (tone + thump) * attack]).astype(np.float32))
            pitches.append(pitch)
            layers.append(layer)
    gains = np.ones(len(samples))
    return _make_piano("simple_tone", np.array(pitches), np.array(layers), samples, gains, onset, sample_rate)
