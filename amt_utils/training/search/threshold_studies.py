"""The threshold search as Optuna studies: each value that was tried is stored, and can be drawn (notebook 07).

The search is :func:`.tune_decoding`, on validation recordings and never on the test: onsets, then ends and pedals,
then key ends, then velocities. The network runs once for each recording. A search that was interrupted continues.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from ...config import Config
from ...data.library import Recording
from ...evaluation.thresholds import Activations, Objective, recording_activations, tune_decoding
from ...system.errors import AmtError
from ...transcription.transcriber import Transcriber
from .study import finished, open_study

RANGE = FloatDistribution(-1.0, 1.0)  # holds every threshold, shift (seconds) and amount of smoothing


def search_thresholds(
    held: list[Activations], config: Config, folder: str | os.PathLike
) -> tuple[dict[str, float], dict[str, optuna.Study]]:
    """The best fields of the ``decode`` section, and the studies: ``onset``, ``endings``, ``velocity``.

    Args:
        held: ``(name, activations, reference)`` as :func:`.recording_activations` gives.
        config: of the network; where the search begins.
        folder: gets ``thresholds.journal``; a search of the same recordings and network begun there is continued.

    Raises:
        AmtError: ``held`` is empty.
    """
    if not held:
        raise AmtError("data.validation names no recordings: thresholds cannot be tuned without")
    studies: dict[str, optuna.Study] = {}

    def record(step: str, score: Objective) -> Objective:
        study = studies[step] = open_study(f"decode-{step}", Path(folder) / "thresholds.journal")
        known = {_key(trial.params): trial.value for trial in finished(study)}

        def recorded(values: dict[str, float]) -> float:
            value = known.get(_key(values))
            if value is None:
                value = known[_key(values)] = score(values)
                study.add_trial(create_trial(params=values, distributions=dict.fromkeys(values, RANGE), value=value))
            return value

        return recorded

    return tune_decoding(held, config, record=record), studies


def _key(values: dict[str, float]) -> tuple[tuple[str, float], ...]:
    return tuple(sorted(values.items()))


def tune_thresholds(
    transcriber: Transcriber,
    recordings: Sequence[Recording],
    folder: str | os.PathLike,
    *,
    excerpt_seconds: float = 20.0,
) -> tuple[dict[str, float], dict[str, optuna.Study]]:
    """:func:`search_thresholds` on the middle ``excerpt_seconds`` of each recording; each passes the network once.

    Args:
        transcriber: the network whose thresholds are tuned.
        recordings: for validation, with their MIDI; never the test split.
        folder: gets ``thresholds.journal``; a search begun there is continued.
        excerpt_seconds: of each recording.
    """
    held = recording_activations(transcriber, recordings, excerpt_seconds=excerpt_seconds)
    return search_thresholds(held, transcriber.config, folder)
