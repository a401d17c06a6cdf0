"""What computes windows: ONNX Runtime on a CPU where the weights have ONNX files, otherwise PyTorch."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..checkpoints.checkpoint import read_card
from ..checkpoints.weights import load_weights
from ..config import Config
from .onnx import find_onnx

if TYPE_CHECKING:  # transcribing by ONNX needs no torch
    from ..models import Transcriptor

GPU_FILES = ("/dev/nvidia0", "/dev/dxg", "/dev/kfd")  # of the drivers of CUDA on Linux and WSL, and of ROCm


class Network(Protocol):
    """Computes windows: :class:`.OnnxNetwork` or :class:`.TorchNetwork`."""

    margin: int  # frames on either side of a window whose samples it needs
    batch: int  # maximum number of windows per call
    parallel: bool  # whether calls may run in parallel threads
    window_bytes: int  # memory of one such call

    def __call__(self, audio: np.ndarray) -> dict[str, np.ndarray]: ...

    def pedals(self, cue: np.ndarray) -> np.ndarray: ...


def open_network(weights: Path, device: str) -> tuple[Network, Config, dict[str, Any]]:
    """A weights file on ``"cpu"`` or ``"cuda"`` -> the network, its configuration and its card.

    Raises:
        AmtError: the file is unreadable, or not what its card says.
    """
    network: Network | None = find_onnx(weights) if device == "cpu" else None
    if network:
        card = read_card(weights)
        return network, Config.from_dict(card["config"], where=f"{weights.with_suffix('.json')}: config"), card
    model, config, card = load_weights(weights)
    return wrap_model(model, device), config, card


def find_device() -> str:
    """``"cuda"`` where PyTorch can use a GPU, otherwise ``"cpu"``; imports PyTorch only where a driver is installed."""
    if not (any(Path(name).exists() for name in GPU_FILES) or shutil.which("nvidia-smi")):
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def wrap_model(model: Transcriptor, device: str) -> Network:
    """A PyTorch network that is in memory, on a device."""
    import torch

    from .torch_network import TorchNetwork

    return TorchNetwork(model, torch.device(device))


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Logits -> probabilities, without overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * logits)
