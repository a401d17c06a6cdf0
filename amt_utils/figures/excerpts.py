"""Recordings to look at in notebook 02, and seconds of them with their notes; drawn by :mod:`.seeing`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..config import FeatureConfig
from ..data.library import Recording
from ..music.notes import Performance

CONTEXT = 1.0  # seconds computed on either side of an excerpt, so that its borders look like its middle


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

        from ..audio.features import make_feature

        first = int(self.lead / config.frame_seconds + 1e-6)
        audio = self.audio[round(self.lead * 16_000) - first * config.hop_length :]
        with torch.inference_mode():
            values = make_feature(config)(torch.from_numpy(audio[None]))[0].numpy()
        return values[:, first : first + round(self.seconds / config.frame_seconds)]


def load_excerpt(recording: Recording, start: float = 0.0, seconds: float = 4.0) -> Excerpt:
    """Seconds ``start`` to ``start + seconds`` of a recording, cut where it ends."""
    from ..audio.reading import audio_duration, load_audio
    from ..music.midi import read_midi

    length = audio_duration(recording.audio)
    start = min(start, max(0.0, length - 0.5))
    lead = min(start, CONTEXT)
    audio = load_audio(recording.audio, start=start - lead, duration=lead + seconds + CONTEXT)
    return Excerpt(audio, read_midi(recording.midi), start, min(seconds, length - start), lead)


def find_lonely_note(recordings: Sequence[Recording]) -> tuple[Recording, np.void]:
    """The note that stands most alone: little else sounds around it, and its key is struck neither before nor after."""
    from ..music.midi import read_midi

    found = []
    for recording in recordings:
        notes = read_midi(recording.midi).with_ends("sounding")
        lengths = notes["offset"] - notes["onset"]
        middle = (notes["pitch"] >= 48) & (notes["pitch"] <= 84) & (lengths > 0.4) & (lengths < 4)
        candidates = notes[middle] if middle.any() else notes
        begin, end = candidates["onset"] - 0.3, candidates["offset"] + 0.4
        shared = np.minimum(end[:, None], notes["offset"]) - np.maximum(begin[:, None], notes["onset"])
        related = (notes["pitch"] - candidates["pitch"][:, None]) % 12 == 0  # same key or octaves: they hide it
        crowd = np.maximum(shared, 0) * np.where(related, 4.0, 1.0)
        score = crowd.sum(axis=1) / (candidates["offset"] - candidates["onset"]) - 0.004 * candidates["velocity"]
        found.append((float(score.min()), len(found), recording, candidates[int(np.argmin(score))]))
    return min(found)[2:]
