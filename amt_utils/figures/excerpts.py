"""Recordings to look at in notebook 02, and seconds of them with their notes; drawn by :mod:`.feature_figures`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..audio.features import make_feature
from ..audio.reading import audio_duration, load_audio
from ..config import FeatureConfig
from ..data.library import Recording
from ..music.notes import NOTE, Performance

RATE = FeatureConfig().sample_rate
CONTEXT = 1.0  # seconds computed on either side of an excerpt, to avoid edge effects


@dataclass(frozen=True)
class Excerpt:
    """Seconds of a recording with the notes of the whole piece.

    Attributes:
        audio: ``(n,)`` samples, from ``lead`` seconds before ``start`` on.
        performance: notes and pedals; empty where the recording has no MIDI.
        start, seconds: which part of the recording.
        lead: seconds of context before ``start``.
        sample_rate: of ``audio``, in Hz.
    """

    audio: np.ndarray
    performance: Performance
    start: float
    seconds: float
    lead: float
    sample_rate: int

    @property
    def samples(self) -> np.ndarray:
        """The samples of the excerpt itself."""
        first = round(self.lead * self.sample_rate)
        return self.audio[first : first + round(self.seconds * self.sample_rate)]

    @property
    def notes(self) -> np.ndarray:
        """Notes that sound within the excerpt, sounding ends."""
        notes = self.performance.with_ends("sounding")
        return notes[(notes["offset"] > self.start) & (notes["onset"] < self.start + self.seconds)]

    def feature(self, config: FeatureConfig) -> np.ndarray:
        """``(C, T, bins)`` of the excerpt's frames, the first one at ``start``."""
        first = int(self.lead / config.frame_seconds + 1e-6)
        audio = self.audio[round(self.lead * self.sample_rate) - first * config.hop_length :]
        with torch.inference_mode():
            values = make_feature(config)(torch.from_numpy(audio[None]))[0].numpy()
        return values[:, first : first + round(self.seconds / config.frame_seconds)]


def load_excerpt(
    recording: Recording | str | os.PathLike, start: float = 0.0, seconds: float = 4.0, *, sample_rate: int = RATE
) -> Excerpt:
    """Seconds ``start`` to ``start + seconds`` of a recording (or of an audio file, without notes), cut at its end."""
    path = recording.audio if isinstance(recording, Recording) else Path(recording)
    performance = recording.performance if isinstance(recording, Recording) else Performance(np.zeros(0, NOTE))
    length = audio_duration(path)
    start = min(start, max(0.0, length - 0.5))
    lead = min(start, CONTEXT)
    audio = load_audio(path, sample_rate=sample_rate, start=start - lead, duration=lead + seconds + CONTEXT)
    return Excerpt(audio, performance, start, min(seconds, length - start), lead, sample_rate)


def find_lonely_note(recordings: Sequence[Recording]) -> tuple[Recording, np.void]:
    """The most isolated note: few others sound around it, and its key is not struck before or after."""
    found: list[tuple[float, int, Recording, np.void]] = []
    for recording in recordings:
        notes = recording.performance.with_ends("sounding")
        lengths = notes["offset"] - notes["onset"]
        middle = (notes["pitch"] >= 48) & (notes["pitch"] <= 84) & (lengths > 0.4) & (lengths < 4)
        candidates = notes[middle] if middle.any() else notes
        begin, end = candidates["onset"] - 0.3, candidates["offset"] + 0.4
        shared = np.minimum(end[:, None], notes["offset"]) - np.maximum(begin[:, None], notes["onset"])
        related = (notes["pitch"] - candidates["pitch"][:, None]) % 12 == 0  # same key or octaves
        crowd = np.maximum(shared, 0) * np.where(related, 4.0, 1.0)
        company = crowd.sum(axis=1) / (candidates["offset"] - candidates["onset"]) - 0.004 * candidates["velocity"]
        found.append((float(company.min()), len(found), recording, candidates[int(np.argmin(company))]))
    _, _, recording, note = min(found)
    return recording, note
