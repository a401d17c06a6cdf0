"""Scores a network in training on the middle of each validation recording, by its decoded notes."""

from __future__ import annotations

from ..config import Config
from ..models import Transcriptor
from .metrics import mean_scores
from .thresholds import score_held, tune_onset, validation_activations


def validate(model: Transcriptor, config: Config) -> tuple[dict[str, float], dict[str, float]]:
    """Mean scores (``sounding`` ends) with the onset threshold tuned, and the tuned decode fields.

    Without validation recordings both are empty.
    """
    held = validation_activations(model, config, excerpt_seconds=40.0) if config.data.validation else []
    if not held:
        return {}, {}
    decode = tune_onset(held, config)
    return mean_scores(score_held(held, config.replace(decode=decode))), decode
