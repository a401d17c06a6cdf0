"""Fits decoding to validation recordings: onsets by note F1, then pedals and ends, then velocities."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np

from ..audio.reading import audio_duration, load_audio
from ..config import Config
from ..data.library import Recording, find_recordings
from ..models import Transcriptor
from ..music.notes import Performance
from ..transcription.performance import decode_performance
from ..transcription.transcriber import Transcriber
from .metrics import mean_scores, score_frames, score_notes, score_pedals, score_performance

ONSET_GRID = {
    "onset_threshold": (0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8),
    "time_shift": (0.0, -0.005, -0.01, -0.015, -0.02, -0.025, -0.03),
}
WORTH_A_SHIFT = 0.002  # of note F1: a smaller gain does not justify a shift
ENDING_GRID = {  # in the order in which they are tuned
    "pedal_threshold": (0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8),
    "pedal_release_shift": (0.0, 0.02, 0.04),  # more would exceed mir_eval's tolerance of 50 ms
    "release_shift": (0.0, 0.01, 0.02),
}
SMOOTHING_GRID = (0.0, 0.5, 0.75, 1.0)

Activations = tuple[str, dict[str, np.ndarray], Performance]  # name, activations, reference
Objective = Callable[[dict[str, float]], float]  # fields of the configuration's decode section -> score
Record = Callable[[str, Objective], Objective]  # a step's name and score -> the same score, whose values are recorded


def recording_activations(
    transcriber: Transcriber, recordings: Iterable[Recording], *, excerpt_seconds: float | None = None
) -> list[Activations]:
    """(name, activations, reference) of each recording, or of its middle ``excerpt_seconds``, all that is read then."""
    rate, results = transcriber.config.feature.sample_rate, []
    for recording in recordings:
        start, duration, reference = 0.0, None, recording.performance
        if excerpt_seconds and (seconds := audio_duration(recording.audio)) > excerpt_seconds:
            start, duration = int((seconds - excerpt_seconds) / 2 * rate) / rate, excerpt_seconds  # whole samples
            reference = reference.window(start, start + duration)
        audio = load_audio(recording.audio, sample_rate=rate, start=start, duration=duration)
        results.append((recording.audio.stem, transcriber.activations(audio), reference))
    return results


def validation_activations(
    model: Transcriptor, config: Config, *, excerpt_seconds: float | None = None
) -> list[Activations]:
    """:func:`recording_activations` of the recordings in ``data.validation``, at most ``data.validation_limit``."""
    recordings = [r for folder in config.data.validation for r in find_recordings(folder, split="validation")]
    limit = config.data.validation_limit
    if limit and len(recordings) > limit:
        recordings = [recordings[i] for i in np.linspace(0, len(recordings) - 1, limit).round().astype(int)]
    return recording_activations(Transcriber.from_model(model, config), recordings, excerpt_seconds=excerpt_seconds)


def score_held(held: list[Activations], config: Config) -> list[dict[str, float]]:
    """The scores of each recording (:func:`.metrics.score_performance`), decoded as ``config`` says."""
    return [score_performance(reference, decode_performance(rolls, config)) for _, rolls, reference in held]


def tune_onset(held: list[Activations], config: Config, *, record: Record | None = None) -> dict[str, float]:
    """Step one: the onset threshold, and the time between key and sound, with the best mean note F1.

    On a real piano the hammer strikes milliseconds after the key goes down, and the sound travels to the microphone;
    sampled pianos have no such delay.
    """

    def note_f1(values: dict[str, float]) -> float:
        tried = config.replace(decode=values)
        scores = [score_notes(reference, decode_performance(a, tried)) for _, a, reference in held]
        return float(np.mean(scores))

    score_of = record("onset", note_f1) if record else note_f1
    best: dict[str, float] = {}
    for name, grid in ONSET_GRID.items():
        scores = [score_of({**best, name: value}) for value in grid]
        enough = max(scores) - (WORTH_A_SHIFT if name == "time_shift" else 0.0)
        best[name] = next(value for value, score in zip(grid, scores, strict=True) if score >= enough)
    return best


def tune_endings(held: list[Activations], config: Config, *, record: Record | None = None) -> dict[str, float]:
    """Step two: the pedal threshold and the ends' shifts with the best mean note+offset F1 (``sounding``), one by one.

    A tenth of the F1 of frames and of the sustain pedal's presses is added, since over a wide range of pedal thresholds
    the ends are equally good while frames and presses are not.
    """
    best = {name: getattr(config.decode, name) for name in ENDING_GRID}
    references = [Performance(r.with_ends("sounding")) for _, _, r in held]

    def ending_score(values: dict[str, float]) -> float:
        tried = config.replace(decode=values)
        scores = []
        for (_, activations, played), reference in zip(held, references, strict=True):
            decoded = decode_performance(activations, tried)
            estimate = Performance(decoded.with_ends("sounding"))
            pedal = score_pedals(played.pedals, decoded.pedals).get("pedal_sustain_f1", 0.0)
            frame = score_frames(reference.notes, estimate.notes)["frame_f1"]
            scores.append(score_notes(reference, estimate, offset_ratio=0.2) + 0.1 * pedal + 0.1 * frame)
        return float(np.mean(scores))

    score_of = record("endings", ending_score) if record else ending_score
    for name, grid in ENDING_GRID.items():
        scores = [score_of({**best, name: value}) for value in grid]
        best[name] = grid[int(np.argmax(scores))]
    return best


def tune_velocity(held: list[Activations], config: Config, *, record: Record | None = None) -> dict[str, float]:
    """Step three: the smoothing of velocities with the best mean note+velocity F1."""

    def velocity_f1(values: dict[str, float]) -> float:
        tried = config.replace(decode=values)
        return float(np.mean([scores["note_velocity_f1"] for scores in score_held(held, tried)]))

    score_of = record("velocity", velocity_f1) if record else velocity_f1
    return max(({"velocity_smoothing": amount} for amount in SMOOTHING_GRID), key=score_of)


def tune_decoding(held: list[Activations], config: Config, *, record: Record | None = None) -> dict[str, float]:
    """All steps; the network is not run again.

    Args:
        held: as :func:`recording_activations` gives.
        config: of the network; where the search begins.
        record: wraps each step's score, e.g. to store the values and to continue an interrupted search.

    Returns:
        the tuned fields of the configuration's ``decode`` section.
    """
    best: dict[str, float] = {}
    for step in (tune_onset, tune_endings, tune_velocity):
        best |= step(held, config.replace(decode=best), record=record)
    return best


def tune(model: Transcriptor, config: Config) -> tuple[Config, dict[str, float]]:
    """All steps on whole validation recordings -> configuration with the thresholds, and the mean scores."""
    held = validation_activations(model, dataclasses.replace(config, data=dataclasses.replace(
        config.data, validation_limit=None)))  # fmt: skip
    config = config.replace(decode=tune_decoding(held, config))
    return config, mean_scores(score_held(held, config))
