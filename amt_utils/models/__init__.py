"""Networks by configuration name: ``build_model(config)`` -> audio ``(B, n)`` in, logits out.

Every network returns the same dictionary (:data:`.KEY_ROLLS`), so that training, decoding and evaluation
work with any of them.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from ..config import Config
from ..system.errors import AmtError
from .blocks import KeyNetwork, Transcriptor
from .hppnet import make_hppnet
from .onsets_frames import OnsetsFrames
from .residual import ResidualHPPNet
from .unet import UNet

__all__ = ["MODELS", "Transcriptor", "build_model", "count_parameters"]

MODELS: dict[str, Callable[[Config], KeyNetwork]] = {
    "residual_hcqt_hppnet": ResidualHPPNet,
    "hppnet": make_hppnet,
    "onsets_frames": OnsetsFrames,
    "unet": UNet,
}


def build_model(config: Config) -> Transcriptor:
    """Feature module and network that ``config`` names, randomly initialised.

    Raises:
        AmtError: no network has that name or size, or it cannot read the configuration's features.
    """
    if config.model.name not in MODELS:
        raise AmtError(f"model.name {config.model.name!r} is unknown; choose one of {', '.join(MODELS)}")
    if config.feature.kind == "logmel" and config.model.name != "onsets_frames":
        raise AmtError(f"model.name {config.model.name!r} reads bins per key: feature.kind must be 'hcqt' or 'cqt'")
    return Transcriptor(config, MODELS[config.model.name](config))


def count_parameters(module: nn.Module) -> int:
    """Trainable parameters."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
