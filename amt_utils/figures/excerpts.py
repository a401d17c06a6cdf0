"""Recordings to look at in notebook 02, and seconds of them with their notes; drawn by :mod:`.seeing`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..config import FeatureConfig
from ..notes import Performance

CONTEXT = 1.0  # seconds computed on either side of an excerpt, so that its borders look like its middle


@dataclass(frozen=True)
class Take:
    """A recording with its MIDI, by a name to choose it by."""

    name: str
    audio: Path
    midi: Path


@dataclass(frozen=True)
class Excerpt:
    """``audio`` at 16 kHz with ``lead`` seconds of context before ``start``; notes with sounding ends, whole piece."""

    audio: np.ndarray
    performance: Performance
    start: float
    seconds: float
    lead: float

    @property
    def heard(self) -> np.ndarray:
        """The samples of the excerpt itself."""
        first = round(self.lead * 16_000)
        return self.audio[first : first + round(self.seconds * 16_000)]

    @property
    def notes(self) -> np.ndarray:
        """Notes that sound within the excerpt, sounding ends."""
        notes = self.performance.with_ends("sounding")
        return notes[(notes["offset"] > self.start) & (notes["onset"] < self.start + self.seconds)]

    def feature(self, config: FeatureConfig) -> np.ndarray:
        """``(C, T, bins)`` of the excerpt's frames, the first one at ``start``."""
        import torch

        from ..hcqt import make_feature

        first = int(self.lead / config.frame_seconds + 1e-6)
        audio = self.audio[round(self.lead * 16_000) - first * config.hop_length :]
        with torch.inference_mode():
            values = make_feature(config)(torch.from_numpy(audio[None]))[0].numpy()
        return values[:, first : first + round(self.seconds / config.frame_seconds)]


def find_takes(limit: int = 12) -> list[Take]:
    """Recordings to look at: real ones of the shared data where there are some, MAESTRO's, or the miniature's."""
    from ..maestro.catalogue import open_maestro
    from ..paths import shared_data
    from ..recordings import find_pairs

    real = shared_data() / "maps_real_dev" if shared_data() and os.environ.get("AMT_MINI") != "1" else None
    if real and real.is_dir():
        return [Take(pair.name, pair.audio, pair.midi) for pair in find_pairs(real).pairs[:limit]]
    maestro = open_maestro(audio=True)
    pieces = maestro.with_audio()[:limit]
    names = [f"{p.composer}: {p.title} ({p.year})" for p in pieces]
    return [Take(n, maestro.audio_path(p), maestro.midi_path(p)) for n, p in zip(names, pieces)]


def load_excerpt(take: Take, start: float = 0.0, seconds: float = 4.0) -> Excerpt:
    """Seconds ``start`` to ``start + seconds`` of a recording, cut where it ends."""
    from ..audio import audio_duration, load_audio
    from ..midi import read_midi

    length = audio_duration(take.audio)
    start = min(start, max(0.0, length - 0.5))
    lead = min(start, CONTEXT)
    audio = load_audio(take.audio, start=start - lead, duration=lead + seconds + CONTEXT)
    return Excerpt(audio, read_midi(take.midi), start, min(seconds, length - start), lead)


def find_lonely_note(takes: Sequence[Take]) -> tuple[Take, np.void]:
    """The note that stands most alone: little else sounds around it, and its key is struck neither before nor after."""
    from ..midi_bulk import parse_midi

    found = []
    for take in takes:
        notes = parse_midi(take.midi).with_ends("sounding")
        lengths = notes["offset"] - notes["onset"]
        middle = (notes["pitch"] >= 48) & (notes["pitch"] <= 84) & (lengths > 0.4) & (lengths < 4)
        candidates = notes[middle] if middle.any() else notes
        begin, end = candidates["onset"] - 0.3, candidates["offset"] + 0.4
        shared = np.minimum(end[:, None], notes["offset"]) - np.maximum(begin[:, None], notes["onset"])
        related = (notes["pitch"] - candidates["pitch"][:, None]) % 12 == 0  # same key or octaves: they hide it
        crowd = np.maximum(shared, 0) * np.where(related, 4.0, 1.0)
        score = crowd.sum(axis=1) / (candidates["offset"] - candidates["onset"]) - 0.004 * candidates["velocity"]
        found.append((float(score.min()), len(found), take, candidates[int(np.argmin(score))]))
    return min(found)[2:]
