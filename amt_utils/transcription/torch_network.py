"""A network in PyTorch, for :class:`.Transcriber`: on a GPU, or on a CPU where the weights have no ONNX files."""

from __future__ import annotations

import numpy as np
import torch

from ..models.blocks import Transcriptor
from ..system.memory import keep_memory

GPU_BATCH = 16  # windows


def feature_margin(model: Transcriptor) -> int:
    """Frames whose samples the features of one frame need, before and after it."""
    return -(-model.feature.context_samples // model.config.feature.hop_length)


def window_margin(model: Transcriptor) -> int:
    """Frames on either side of a window whose samples are needed: by its features, and by what the convolutions see."""
    return feature_margin(model) + model.network.context


class TorchNetwork:
    """A :class:`.Transcriptor` on a device: windows ``(B, n)`` -> logits ``(B, frames, ...)``, as numpy arrays."""

    parallel = False  # PyTorch runs each operator in several threads; a GPU computes one batch at a time
    window_bytes = 0

    def __init__(self, model: Transcriptor, device: torch.device):
        self.model, self.device = model.to(device).eval(), device
        # a quarter faster on CPU
        self.model.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
        self.margin, self.feature_margin = window_margin(model), feature_margin(model)
        self.batch = GPU_BATCH if device.type == "cuda" else 1
        if device.type == "cpu":
            keep_memory()

    def __call__(self, audio: np.ndarray) -> dict[str, np.ndarray]:
        """Samples ``(B, n)``, ``n = (frames - 1 + 2 * margin) * hop_length`` -> logits."""
        with torch.inference_mode():
            features = self.model.feature(torch.from_numpy(audio).to(self.device))
            logits = self.model.network.read_window(features[:, :, self.feature_margin : -self.feature_margin])
            return {name: value.float().cpu().numpy() for name, value in logits.items()}

    def pedals(self, cue: np.ndarray) -> np.ndarray:
        """``(1, T, C)`` -> logits ``(1, T, 3)``."""
        with torch.inference_mode():
            return self.model.network.pedal_head(torch.from_numpy(cue).to(self.device)).float().cpu().numpy()
