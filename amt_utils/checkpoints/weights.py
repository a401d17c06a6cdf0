"""Weights: ``NAME.safetensors`` (float16) with its card ``NAME.json``, or a checkpoint's averages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..config import Config
from ..system.errors import AmtError
from ..system.files import written_whole
from ..system.paths import package_folder
from . import hub
from .checkpoint import check_hash, describe_file, load_checkpoint, read_card

if TYPE_CHECKING:  # reading cards does not need torch
    import torch

    from ..models import Transcriptor

Model = TypeVar("Model", bound="torch.nn.Module")
DEFAULT_WEIGHTS = "base"
_OTHER_NETWORKS = ("dynamics", "sheet_music")  # they read notes, not recordings
VELOCITY_WEIGHTS = package_folder() / "weights" / "dynamics.safetensors"


def weights_path(name: str | os.PathLike | None = None) -> Path:
    """The weights file that ``name`` means.

    Args:
        name: a file, a folder of :meth:`.Transcriber.save_pretrained`, a shipped name (``"base"``, ``"tiny"``),
            ``hf:OWNER/NAME`` on the Hugging Face Hub, or ``None`` for the default.

    Raises:
        AmtError: it is none of these, or the Hub does not give it.
    """
    name = os.fspath(DEFAULT_WEIGHTS if name is None else name)
    if name.startswith(hub.PREFIX):
        return hub.fetch_weights(name.removeprefix(hub.PREFIX))
    shipped = package_folder() / "weights"
    for path in (Path(name), Path(name) / hub.WEIGHTS, shipped / f"{name}.safetensors"):
        if path.is_file():
            return path
    if Path(name).is_dir():
        raise AmtError(f"{name}: holds no {hub.WEIGHTS}; name the file in it")
    known = sorted(p.stem for p in shipped.glob("*.safetensors") if p.stem not in _OTHER_NETWORKS)
    raise AmtError(f"{name}: no such weights file; shipped with the package: {', '.join(known) or 'none'}")


def weights_to_write(name: str | os.PathLike) -> Path:
    """The path of weights to write. Raises :class:`AmtError` for a name that does not end in ``.safetensors``."""
    path = Path(name)
    if path.suffix != ".safetensors":
        raise AmtError(f"{path}: give a name that ends in .safetensors")
    return path


def save_weights(path: str | os.PathLike, weights: dict[str, torch.Tensor], card: dict[str, Any]) -> Path:
    """Weights in float16 as ``path`` (``.safetensors``) with the card beside it, as shipped weights are.

    Raises:
        WriteError: the disk is full or the folder cannot be written; what was there before is untouched.
    """
    from safetensors.torch import save

    path = Path(path)
    small = {
        name: (w.half() if w.is_floating_point() else w).contiguous().clone()
        for name, w in weights.items()
        if not name.endswith("num_batches_tracked")
    }
    with written_whole(path.with_suffix(".json")) as partial_card, written_whole(path) as partial:
        partial.write_bytes(save(small))
        partial_card.write_text(describe_file(partial, card))
    return path


def load_weights(path: str | os.PathLike) -> tuple[Transcriptor, Config, dict[str, Any]]:
    """Shipped weights, or a checkpoint's EMA weights -> (model in eval mode, configuration, card).

    Raises:
        AmtError: missing, damaged, or of another network.
    """
    from ..models import build_model

    weights, card = read_weights(path)
    config = Config.from_dict(card["config"], where=f"{Path(path).with_suffix('.json')}: config")
    return fill_model(build_model(config), weights, path), config, card


def read_weights(path: str | os.PathLike) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Shipped weights, or a checkpoint's EMA weights -> (tensors, card).

    Raises:
        AmtError: a file is missing, or its bytes are not those its card describes.
    """
    from safetensors.torch import load_file

    path = Path(path)
    if path.suffix == ".pt":
        state, card = load_checkpoint(path)
        return state.get("ema") or state["model"], card  # the EMA weights if there are any
    card = read_card(path)
    check_hash(path, card)
    try:
        return load_file(path), card
    except Exception as error:  # safetensors raises its own and OSError
        raise AmtError(f"{path}: not a readable safetensors file ({error})") from error


def fill_model(model: Model, weights: dict[str, torch.Tensor], path: str | os.PathLike) -> Model:
    """Loads ``weights``, read from ``path``, into ``model``. Raises :class:`AmtError` where they do not fit."""
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
