"""Scores a network in training on the middle of each validation recording, by its decoded notes."""

from __future__ import annotations

from ..config import Config
from ..models import Transcriptor
from ..transcription.performance import decode_performance
from .metrics import average_scores, score_performance
from .thresholds import tune_onset, validation_activations


def validate(model: Transcriptor, config: Config) -> tuple[dict[str, float], dict[str, float]]:
    """Mean scores (``sounding`` ends) with the onset threshold tuned, and the tuned decode fields.

    Without validation recordings both are empty.
    """
    held = validation_activations(model, config, excerpt_seconds=40.0) if config.data.validation else []
    if not held:
        return {}, {}
    decode = tune_onset(held, config)
    tuned = config.replace(decode=decode)
    scores = [score_performance(reference, decode_performance(a, tuned)) for _, a, reference in held]
    return {k: v["mean"] for k, v in average_scores(scores).items()}, decode
