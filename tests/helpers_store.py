"""Small real checkpoints for the tests of the store and the Kaggle driver."""

from pathlib import Path

import torch

from amt_utils.checkpoints.checkpoint import save_checkpoint
from amt_utils.checkpoints.weights import save_weights
from amt_utils.config import Config


def pretend_checkpoint(folder: Path, step: int, score: float | None = None) -> Path:
    """A checkpoint of ``step`` with a few numbers in it, saved as a training saves them; with a score, best weights."""
    weights = {"w": torch.full((500,), float(step))}
    scores = {} if score is None else {"note_f1": score}
    card = {"config": Config().to_dict(), "step": step, "scores": scores}
    if score is not None:
        save_weights(folder / "best.safetensors", weights, card)
    return save_checkpoint(folder / f"step_{step:08d}.pt", {"step": step, "model": weights}, card)
