"""Checkpoints and shipped weights: written whole or not at all, read back before they count, described in JSON.

A checkpoint is two files: ``NAME.pt`` (everything needed to go on: weights, EMA, optimizer, step) and ``NAME.json``,
its card. Shipped weights are ``NAME.safetensors`` (float16) and ``NAME.json``.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .config import Config
from .errors import AmtError

if TYPE_CHECKING:  # cards and hashes are read without waiting for torch
    import torch

FORMAT = 1


def save_checkpoint(path: str | os.PathLike, state: dict[str, Any], card: dict[str, Any]) -> Path:
    """Writes ``path`` and its card beside it under temporary names, reads back, then renames.

    Args:
        path: ends in ``.pt``.
        state: tensors, numbers, strings and containers of them.
        card: readable description; must hold ``config``.

    Raises:
        AmtError: the disk is full or the file read back differs; what was there before is untouched.
    """
    import torch

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, partial_card = path.with_suffix(".pt.partial"), path.with_suffix(".json.partial")
    try:
        with open(partial, "wb") as f:
            torch.save(state, f)
            f.flush()
            os.fsync(f.fileno())
        torch.load(partial, map_location="cpu", weights_only=True)  # read back: a short write shows here
        card = {"format": FORMAT, **card, "sha256": hash_file(partial), "bytes": partial.stat().st_size}
        partial_card.write_text(json.dumps(card, indent=2) + "\n")
        os.replace(partial, path)
        os.replace(partial_card, path.with_suffix(".json"))
    except (OSError, RuntimeError, EOFError) as error:
        for leftover in (partial, partial_card):
            leftover.unlink(missing_ok=True)
        raise AmtError(f"{path}: the checkpoint could not be written ({error}); free some disk space") from error
    return path


def load_checkpoint(path: str | os.PathLike) -> tuple[dict[str, Any], dict[str, Any]]:
    """A checkpoint -> (state, card). Raises :class:`AmtError` with the reason if it is not whole and ours."""
    import torch

    path = Path(path)
    card = read_card(path)
    if hash_file(path) != card.get("sha256"):
        raise AmtError(f"{path}: damaged or half written (its hash is not the one in {path.with_suffix('.json').name})")
    try:
        return torch.load(path, map_location="cpu", weights_only=True), card
    except Exception as error:  # torch raises many kinds on foreign files
        raise AmtError(f"{path}: not a checkpoint of this project ({type(error).__name__})") from error


def read_card(path: str | os.PathLike) -> dict[str, Any]:
    """The JSON card beside a checkpoint or weights file."""
    path = Path(path)
    card_path = path.with_suffix(".json")
    if not path.is_file():
        raise AmtError(f"{path}: no such file")
    try:
        card = json.loads(card_path.read_text())
    except (OSError, ValueError) as error:
        raise AmtError(f"{card_path}: the card of {path.name} is missing or unreadable ({error})") from error
    if not isinstance(card, dict) or card.get("format") != FORMAT or "config" not in card:
        raise AmtError(f"{card_path}: not a card of this project's format {FORMAT}")
    return card


def hash_file(path: str | os.PathLike) -> str:
    """SHA-256 of a file, hexadecimal."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def weights_to_write(name: str | os.PathLike) -> Path:
    """Where a command shall write. Raises :class:`AmtError` for a name that does not end in ``.safetensors``."""
    path = Path(name)
    if path.suffix != ".safetensors":
        raise AmtError(f"{path}: give a name that ends in .safetensors")
    return path


def save_weights(path: str | os.PathLike, weights: dict[str, torch.Tensor], card: dict[str, Any]) -> Path:
    """Weights in float16 as ``path`` (``.safetensors``) with the card beside it: what ships."""
    from safetensors.torch import save_file

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    small = {
        name: (w.half() if w.is_floating_point() else w).contiguous().clone()
        for name, w in weights.items()
        if not name.endswith("num_batches_tracked")
    }
    partial = path.with_suffix(".partial")
    save_file(small, partial)
    os.replace(partial, path)
    card = {"format": FORMAT, **card, "sha256": hash_file(path), "bytes": path.stat().st_size}
    path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")
    return path


def load_weights(path: str | os.PathLike) -> tuple[torch.nn.Module, Config, dict[str, Any]]:
    """Shipped weights, or a checkpoint's EMA weights -> (model in eval mode, configuration, card).

    Raises:
        AmtError: missing, damaged, or of another network.
    """
    from .models import build_model

    weights, card = read_weights(path)
    config = Config.from_dict(card["config"], where=f"{Path(path).with_suffix('.json')}: config")
    return fill_model(build_model(config), weights, path), config, card


def read_weights(path: str | os.PathLike) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Shipped weights, or a checkpoint's EMA weights -> (tensors, card). Raises :class:`AmtError`."""
    from safetensors.torch import load_file

    path = Path(path)
    if path.suffix == ".pt":
        state, card = load_checkpoint(path)
        return state.get("ema") or state["model"], card
    card = read_card(path)
    try:
        return load_file(path), card
    except Exception as error:  # safetensors raises its own and OSError
        raise AmtError(f"{path}: not a readable safetensors file ({error})") from error


def fill_model(model: torch.nn.Module, weights: dict[str, torch.Tensor], path: str | os.PathLike) -> torch.nn.Module:
    """The model with ``weights``, read from ``path``, in it. Raises :class:`AmtError` where they do not fit."""
    try:
        problems = model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in weights.items()},
                                         strict=False)  # fmt: skip
    except RuntimeError as error:
        raise AmtError(f"{path}: weights of another model than its card describes ({error})") from error
    missing = [k for k in problems.missing_keys if not k.endswith("num_batches_tracked")]
    if missing or problems.unexpected_keys:
        raise AmtError(
            f"{path}: weights of another model than its card describes "
            f"({len(missing)} missing, {len(problems.unexpected_keys)} unexpected)"
        )
    return model.eval()
