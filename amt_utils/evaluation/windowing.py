"""How close windows come to one pass over the whole recording, by their length and by what is discarded at their edges.

The convolutions are the same in both; the LSTMs see the whole recording in one pass and begin anew in each window.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass

import numpy as np

from ..audio.windows import Cut
from ..config import KEY_ROLLS
from ..data.library import Recording
from ..music.midi import read_midi
from ..music.notes import Performance
from ..transcription.performance import decode_performance
from ..transcription.transcriber import Transcriber
from .metrics import score_notes

WHOLE = Cut(1 << 40, 0)  # one window
WINDOWS = ((7.36, 0.28), (10.56, 0.0), (10.56, 0.28), (10.56, 1.2))  # seconds: length, context


@dataclass(frozen=True)
class Difference:
    """Windows against one pass; F1 and ``mean`` are averages over recordings.

    Attributes:
        name: of the windows.
        mean, most: absolute difference of probabilities over all rolls, frames and keys: its mean, its largest.
        alike: note F1 with ends (within 20 %) against the notes of one pass.
        note, with_end: note F1 against the references.
    """

    name: str
    mean: float
    most: float
    alike: float
    note: float
    with_end: float


def compare_windows(
    transcriber: Transcriber, recordings: Iterable[Recording], windows: Iterable[tuple[float, float]] = WINDOWS
) -> Iterator[Difference]:
    """Transcribes recordings in one pass each, then in each kind of windows; one row for each.

    Args:
        transcriber: whose network is used; one pass takes about 18 MB per second of audio with ``base``.
        recordings: with their MIDI.
        windows: lengths and contexts in seconds.
    """
    frame, recordings = transcriber.config.feature.frame_seconds, list(recordings)
    whole = [_transcribe(transcriber, recording, WHOLE) for recording in recordings]
    yield _compare("one pass", recordings, whole, whole)
    for seconds, context in windows:
        cut = Cut(round(seconds / frame), round(context / frame))
        found = (_transcribe(transcriber, recording, cut) for recording in recordings)
        yield _compare(f"{seconds:g} s, {context:g} s at the edges", recordings, found, whole)


def _transcribe(transcriber: Transcriber, recording: Recording, cut: Cut) -> tuple[np.ndarray, Performance]:
    own = copy(transcriber.tuned(recording.audio))
    own.cut = cut
    activations = own.activations(recording.audio)
    return np.stack([activations[name] for name in KEY_ROLLS]), decode_performance(activations, own.config)


def _compare(
    name: str,
    recordings: list[Recording],
    found: Iterable[tuple[np.ndarray, Performance]],
    whole: list[tuple[np.ndarray, Performance]],
) -> Difference:
    rows = []
    for recording, (rolls, notes), (all_rolls, all_notes) in zip(recordings, found, whole, strict=True):
        apart, reference = np.abs(rolls.astype(np.float32) - all_rolls), read_midi(recording.midi)
        f1 = (score_notes(all_notes, notes, offset_ratio=0.2), score_notes(reference, notes))
        rows.append((apart.mean(), apart.max(), *f1, score_notes(reference, notes, offset_ratio=0.2)))
    mean, most, alike, note, with_end = np.array(rows, float).T
    averages = (float(values.mean()) for values in (alike, note, with_end))
    return Difference(name, float(mean.mean()), float(most.max()), *averages)


def difference_lines(rows: Iterable[Difference]) -> Iterator[str]:
    """A Markdown table, row by row."""
    yield "| windows | mean difference | largest | notes as in one pass | note F1 | with ends |"
    yield "|---" * 6 + "|"
    for row in rows:
        percent = " | ".join(f"{100 * value:.2f}" for value in (row.alike, row.note, row.with_end))
        yield f"| {row.name} | {row.mean:.5f} | {row.most:.2f} | {percent} |"
