"""Checkpoints: written atomically, read back, described in JSON.

A checkpoint is two files: ``NAME.pt`` (everything needed to resume: weights, EMA, optimizer, step) and ``NAME.json``,
its card. :mod:`.weights` writes weights for inference.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..system.errors import AmtError, WriteError
from ..system.files import hash_file, read_json, written_whole

# torch is imported where it is used: reading cards and hashes does not need it
FORMAT = 1
CARD_BYTES = 4_000_000
CARD_FIELDS: dict[str, Any] = {"sha256": str, "bytes": int, "step": int, "scores": (dict, type(None))}


def save_checkpoint(path: str | os.PathLike, state: dict[str, Any], card: dict[str, Any]) -> Path:
    """Writes ``path`` and its card beside it under temporary names, reads back, then renames.

    Args:
        path: ends in ``.pt``.
        state: tensors, numbers, strings and containers of them.
        card: readable description; must hold ``config``.

    Raises:
        WriteError: the disk is full or the file read back differs; what was there before is untouched.
    """
    import torch

    path = Path(path)
    # the card is renamed last: a checkpoint without a card is ignored
    with written_whole(path.with_suffix(".json")) as partial_card, written_whole(path) as partial:
        with open(partial, "wb") as f:
            torch.save(state, f)
        try:
            torch.load(partial, map_location="cpu", weights_only=True)  # read back: a short write shows here
        except (RuntimeError, EOFError) as error:
            raise WriteError(f"{path}: the checkpoint read back differs ({error}); free some disk space") from error
        partial_card.write_text(describe_file(partial, card))
    return path


def describe_file(path: Path, card: dict[str, Any]) -> str:
    """The text of the card of the file at ``path``: ``card`` with the file's hash and size."""
    full = {"format": FORMAT, **card, "sha256": hash_file(path), "bytes": path.stat().st_size}
    return json.dumps(full, indent=2) + "\n"


def load_checkpoint(path: str | os.PathLike) -> tuple[dict[str, Any], dict[str, Any]]:
    """A checkpoint -> (state, card). Raises :class:`AmtError` with the reason if it is damaged or foreign."""
    import torch

    path = Path(path)
    card = read_card(path)
    check_hash(path, card)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds on foreign files
        raise AmtError(f"{path}: not a checkpoint of this project ({type(error).__name__})") from error
    if not isinstance(state, dict) or not (_is_weights(state.get("model")) or _is_weights(state.get("ema"))):
        raise AmtError(f"{path}: not a checkpoint of this project (it holds no weights)")
    return state, card


def _is_weights(value: Any) -> bool:
    import torch

    return isinstance(value, dict) and bool(value) and all(isinstance(v, torch.Tensor) for v in value.values())


def check_hash(path: Path, card: dict[str, Any]) -> None:
    """Raises :class:`AmtError` where the file's bytes are not those its card describes."""
    if hash_file(path) != card["sha256"]:
        raise AmtError(
            f"{path}: damaged, half written or changed: its hash (SHA-256) is not the one in "
            f"{path.with_suffix('.json').name}; copy or download both files again"
        )


def read_card(path: str | os.PathLike) -> dict[str, Any]:
    """The JSON card beside a checkpoint or weights file.

    Raises:
        AmtError: it is missing, damaged, or lacks what every card has: format, configuration, SHA-256 and size.
    """
    path = Path(path)
    card_path = path.with_suffix(".json")
    if not path.is_file():
        raise AmtError(f"{path}: no such file")
    try:
        card = read_json(card_path, limit=CARD_BYTES)
    except AmtError as error:
        raise AmtError(f"{card_path}: the card of {path.name} is missing or unreadable ({error})") from error
    if not isinstance(card, dict) or card.get("format") != FORMAT or not isinstance(card.get("config"), dict):
        raise AmtError(f"{card_path}: not a card of this project's format {FORMAT}")
    for name, kinds in CARD_FIELDS.items():
        value = card.get(name, 0 if name == "step" else {} if name == "scores" else None)
        if isinstance(value, bool) or not isinstance(value, kinds) or (kinds is int and not 0 <= value < 2**53):
            raise AmtError(f"{card_path}: {name} is {str(value)[:80]!r}; this card was changed, get it again")
    for name, value in (card.get("scores") or {}).items():
        if not isinstance(value, int | float | str | dict | None):
            raise AmtError(f"{card_path}: scores.{name} is no number; this card was changed, get it again")
    return card
