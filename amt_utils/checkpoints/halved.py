"""Checkpoints in half precision, for moving runs between machines.

Weights and their averages become float16, as shipped weights are, and the optimizer's moments bfloat16. A run resumes
from one at the same step with the same windows; its losses differ from the exact checkpoint's in the third digit.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from .checkpoint import load_checkpoint, save_checkpoint

PRECISION = {"model": torch.float16, "ema": torch.float16, "optimizer": torch.bfloat16}


def halve_checkpoint(source: str | os.PathLike, target: str | os.PathLike) -> Path:
    """Writes the checkpoint ``source`` as ``target`` in half precision. Raises :class:`AmtError` as reading does."""
    state, card = load_checkpoint(source)
    small = {name: _convert(value, PRECISION.get(name)) for name, value in state.items()}
    return save_checkpoint(target, small, {**card, "halved": True})


def restore_checkpoint(source: str | os.PathLike, folder: str | os.PathLike) -> Path:
    """A checkpoint in half or full precision -> ``<folder>/step_00001200.pt``, from which training resumes."""
    state, card = load_checkpoint(source)
    full = {name: _convert(value, torch.float32 if name in PRECISION else None) for name, value in state.items()}
    card = {name: value for name, value in card.items() if name != "halved"}
    return save_checkpoint(Path(folder) / f"step_{state['step']:08d}.pt", full, card)


def _convert(value: Any, dtype: torch.dtype | None) -> Any:
    """Tensors in ``value`` as ``dtype``; counters, scalars and integers are kept."""
    if dtype is None:
        return value
    if isinstance(value, torch.Tensor):
        return value.to(dtype) if value.is_floating_point() and value.ndim else value
    if isinstance(value, dict):
        return {name: _convert(one, dtype) for name, one in value.items()}
    if isinstance(value, list):
        return [_convert(one, dtype) for one in value]
    return value
