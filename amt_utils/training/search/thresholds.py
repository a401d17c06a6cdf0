"""Decoding thresholds as a cheap second study: the network runs once, only the decoding is repeated (notebook 07).

Two steps, on validation recordings and never on the test: the onset threshold by note F1, then frame, offset and
pedal thresholds by note+offset F1 with ``sounding`` ends. :func:`.tune` does the same on a grid.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import optuna

from ...audio.reading import load_audio
from ...config import Config
from ...data.library import Recording
from ...evaluation.metrics import score_notes
from ...evaluation.tuning import Activations
from ...music.notes import Performance
from ...system.errors import AmtError
from ...transcription.performance import decode_performance
from ...transcription.transcriber import Transcriber
from .study import finished, open_study

STEPS = {
    "onset": ("onset_threshold",),
    "endings": ("frame_threshold", "offset_threshold", "pedal_threshold"),
}
LOWEST, HIGHEST = 0.05, 0.95


def search_thresholds(
    held: list[Activations], config: Config, folder: str | os.PathLike, *, trials: int = 30
) -> tuple[dict[str, float], dict[str, optuna.Study]]:
    """The best thresholds, and the study of each step.

    Args:
        held: ``(name, activations, reference)`` as :func:`.validation_activations` gives.
        config: of the network; its thresholds are the first ones tried.
        folder: gets ``thresholds.journal``; a study begun there is continued.
        trials: of each step in all.

    Raises:
        AmtError: nothing to score on.
    """
    if not held:
        raise AmtError("data.validation names no recordings: thresholds cannot be tuned without")
    journal = Path(folder) / "thresholds.journal"
    best: dict[str, float] = {}
    studies = {}
    for step, names in STEPS.items():
        study = open_study(f"thresholds-{step}", journal)
        if not study.trials:
            study.enqueue_trial({name: getattr(config.decode, name) for name in names})

        tuned = config.replace(decode=best)

        def objective(trial: optuna.Trial, names=names, step=step, tuned=tuned) -> float:
            values = {name: trial.suggest_float(name, LOWEST, HIGHEST, step=0.01) for name in names}
            return score_thresholds(held, tuned.replace(decode=values), with_ends=step == "endings")

        study.optimize(objective, n_trials=max(0, trials - len(finished(study))))
        best |= study.best_params
        studies[step] = study
    return best, studies


def tune_thresholds(
    transcriber: Transcriber,
    recordings: Sequence[Recording],
    folder: str | os.PathLike,
    *,
    excerpt_seconds: float = 20.0,
    trials: int = 30,
) -> tuple[dict[str, float], dict[str, optuna.Study]]:
    """:func:`search_thresholds` on the middle ``excerpt_seconds`` of each recording; each passes the network once.

    Args:
        transcriber: the network whose thresholds are tuned.
        recordings: for validation, with their MIDI; never the test split.
        folder: gets ``thresholds.journal``; a study begun there is continued.
        excerpt_seconds: of each recording.
        trials: of each step in all.
    """
    rate, held = transcriber.config.feature.sample_rate, []
    for recording in recordings:
        begin = max(0.0, (recording.seconds - excerpt_seconds) / 2)
        audio = load_audio(recording.audio, sample_rate=rate, start=begin, duration=excerpt_seconds)
        reference = recording.performance.window(begin, begin + len(audio) / rate)
        held.append((recording.name, transcriber.activations(audio), reference))
    return search_thresholds(held, transcriber.config, folder, trials=trials)


def score_thresholds(held: list[Activations], config: Config, *, with_ends: bool) -> float:
    """Mean note F1, or note+offset F1 with ``sounding`` ends, of the recordings decoded as ``config`` says."""
    scores = []
    for _, activations, reference in held:
        estimate = decode_performance(activations, config)
        if with_ends:
            reference, estimate = (Performance(p.with_ends("sounding")) for p in (reference, estimate))
        scores.append(score_notes(reference, estimate, offset_ratio=0.2 if with_ends else None))
    return float(np.mean(scores))
