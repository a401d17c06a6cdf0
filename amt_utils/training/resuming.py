"""What a run starts from: the state of its newest checkpoint, or the weights of another network."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..checkpoints.checkpoint import load_checkpoint
from ..checkpoints.inventory import find_newest
from ..checkpoints.weights import load_weights
from ..config import Config
from ..system.errors import AmtError
from ..system.files import parse_json

# what Trainer.save writes, beside the state of the loss scaler
_STATE: dict[str, type] = {"model": dict, "ema": dict, "optimizer": dict, "step": int, "best": float, "history": str}


def find_state(
    folder: Path, config: Config, *, resume: bool, show: Callable[[str], object] = print
) -> dict[str, Any] | None:
    """The state in the newest valid checkpoint of a run's folder; None for a new run.

    Args:
        folder: of the run.
        config: of the run; features, network, targets and optimizer must be those of the checkpoint.
        resume: whether a run in the folder may be continued.
        show: called with a line for each skipped checkpoint, and for the one that was chosen.

    Raises:
        AmtError: the folder holds a run and ``resume`` is false, or the checkpoint belongs to another configuration
            or is damaged.
    """
    newest, skipped = find_newest([folder])
    for _path, reason in skipped:
        show(f"skipped: {reason}")
    if newest and not resume:
        raise AmtError(f"{folder}: holds a run already; add --resume to go on, or name another folder")
    if not newest:
        return None
    existing = newest.path
    state, card = load_checkpoint(existing)
    theirs = Config.from_dict(card["config"], where=str(existing))
    for section in ("feature", "model", "target"):
        if getattr(theirs, section) != getattr(config, section):
            raise AmtError(
                f"{existing}: was trained with another {section} configuration "
                f"({getattr(theirs, section)}, now {getattr(config, section)}); start a new folder"
            )
    if theirs.train.optimizer != config.train.optimizer:
        raise AmtError(
            f"{existing}: was trained with {theirs.train.optimizer}, now train.optimizer is "
            f"{config.train.optimizer}; start a new folder with --start-from {existing}"
        )
    _check_state(state, card, existing)
    show(f"going on from {existing} at step {state['step']}")
    return state


def _check_state(state: dict[str, Any], card: dict[str, Any], path: Path) -> None:
    """Raises :class:`AmtError` unless ``state`` is complete and agrees with its card."""
    wrong = [name for name, kind in _STATE.items() if not isinstance(state.get(name), kind)]
    if wrong:
        raise AmtError(f"{path}: no training can go on from it ({wrong[0]!r} is missing or damaged); remove it")
    if state["step"] != card.get("step"):
        raise AmtError(f"{path}: holds step {state['step']}, its card says {card.get('step')}; remove both")
    history = parse_json(state["history"], f"{path}: history")
    sound = isinstance(history, list) and all(isinstance(r, dict) and isinstance(r.get("step"), int) for r in history)
    if not sound or state["step"] < 0:
        raise AmtError(f"{path}: its history of epochs is damaged; remove it")


def load_state(
    state: dict[str, Any], model: torch.nn.Module, optimizer: torch.optim.Optimizer, precision: Any, *, folder: Path
) -> None:
    """A checkpoint's state into network, optimizer and Fabric's ``precision``.

    Raises:
        AmtError: it does not fit them; ``folder`` is named in the message.
    """
    try:
        model.load_state_dict(state["ema"])  # checks that it fits before the run starts
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        precision.load_state_dict(state.get("precision", {}))
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise AmtError(
            f"{folder}: the checkpoint of step {state['step']} does not fit this network or optimizer "
            f"({str(error)[:300]}); remove it, or start a new folder"
        ) from error


def load_initial_weights(model: torch.nn.Module, path: str | os.PathLike) -> None:
    """The weights of a new run, from a checkpoint or a weights file. Raises :class:`AmtError` if they do not fit."""
    try:
        model.load_state_dict(load_weights(path)[0].state_dict())
    except RuntimeError as error:
        raise AmtError(f"{path}: weights of another network than the configuration describes ({error})") from error
