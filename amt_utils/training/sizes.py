"""A configuration for this machine: the largest network and batch that its GPU's memory holds."""

from __future__ import annotations

import os

import torch

from ..config import Config, load_config
from ..system.errors import AmtError
from .speed import saved_activation_bytes

RESERVED_GB = 1.5  # CUDA itself, cuDNN's workspaces
USABLE = 0.8  # of the rest: fragmentation, peaks in the backward pass
DATA: dict[str, dict[str, tuple[str, ...]]] = {  # rendered audio needs no download of recordings
    "miniature": {"recordings": ("miniature",), "validation": ("miniature",)},
    "maestro": {"recordings": ("maestro",), "validation": ("maestro",)},
    "rendered": {"midi": ("maestro",), "validation": ("maestro",)},
}


def gpu_memory_gb() -> float:
    """Memory of the first GPU in GiB; 0 without one."""
    return torch.cuda.get_device_properties(0).total_memory / 2**30 if torch.cuda.is_available() else 0.0


def choose_size(memory_gb: float) -> str:
    """The largest network that trains comfortably with this much GPU memory."""
    return "large" if memory_gb >= 23 else "base" if memory_gb >= 7 else "tiny"


def fit_to_memory(config: Config, memory_gb: float) -> Config:
    """``batch_size`` as large as fits, ``accumulate`` such that their product is unchanged.

    Args:
        config: network, window length, and the windows per optimizer step: ``batch_size * accumulate``.
        memory_gb: of one GPU, in GiB; 0 (no GPU) takes batches of two.

    Raises:
        AmtError: not even one window fits.
    """
    effective = config.train.batch_size * config.train.accumulate
    fits = windows_that_fit(config, memory_gb) if memory_gb else 2
    if not fits:
        raise AmtError(
            f"{memory_gb:g} GB of GPU memory do not hold one window of {config.data.window_seconds:g} s; take shorter "
            "ones (data.window_seconds) or a smaller network (model.size)"
        )
    batch = max(size for size in range(1, min(fits, effective) + 1) if effective % size == 0)
    return config.replace(train={"batch_size": batch, "accumulate": effective // batch})


def windows_that_fit(config: Config, memory_gb: float) -> int:
    """How many windows a 16-bit training step may take at once; counted, see :func:`.saved_activation_bytes`."""
    per_window = saved_activation_bytes(config, batch=1, seconds=config.data.window_seconds)
    return max(0, int((memory_gb - RESERVED_GB) * USABLE * 2**30 / per_window))


def suggest_config(data: str = "miniature", *, memory_gb: float | None = None) -> Config:
    """A configuration for this machine; a very small one where ``AMT_MINI`` is set or there is no GPU.

    Args:
        data: ``"miniature"`` (generated), ``"maestro"`` (recordings) or ``"rendered"`` (MAESTRO's MIDI played
            on sampled pianos).
        memory_gb: of one GPU; detected unless given.

    Raises:
        AmtError: unknown ``data``.
    """
    if data not in DATA:
        raise AmtError(f"data {data!r}: choose one of {', '.join(DATA)}")
    memory_gb = gpu_memory_gb() if memory_gb is None else memory_gb
    if os.environ.get("AMT_MINI") == "1" or memory_gb == 0:
        small = {"window_seconds": 2.0, "validation_limit": 1, "augment": True}
        steps = {"batch_size": 2, "steps_per_epoch": 6, "epochs": 2, "warmup_steps": 4, "checkpoint_every_steps": 4}
        return load_config("tiny").replace(data=DATA[data] | small, train=steps)
    workers = min(8, os.cpu_count() or 1)
    config = load_config(choose_size(memory_gb)).replace(data=DATA[data] | {"workers": workers, "validation_limit": 4})
    return fit_to_memory(config.replace(train={"batch_size": 16}), memory_gb)
