"""Checkpoints: written whole or not at all, read back before they count, described in JSON.

A checkpoint is two files: ``NAME.pt`` (everything needed to go on: weights, EMA, optimizer, step) and ``NAME.json``,
its card. Weights to ship are the work of :mod:`.weights`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..system.errors import AmtError
from ..system.files import hash_file

if TYPE_CHECKING:  # cards and hashes are read without waiting for torch
    pass

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
