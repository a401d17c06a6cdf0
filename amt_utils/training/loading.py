"""Batches of training windows, made by worker processes."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, default_collate

from ..config import Config
from .windows import ResumableSampler, WindowDataset

ENOUGH_SHARED_MEMORY = 2**30  # bytes; containers often have 64 MB, too little for workers to share tensors


def make_batches(config: Config, sampler: ResumableSampler, *, pin_memory: bool) -> DataLoader:
    """Loads the sampler's windows in batches of ``train.batch_size``, with ``data.workers`` processes."""
    return DataLoader(
        WindowDataset(config),
        batch_size=config.train.batch_size,
        sampler=sampler,
        num_workers=config.data.workers,
        pin_memory=pin_memory,
        worker_init_fn=_start_worker,
        collate_fn=None if shared_memory_bytes() > ENOUGH_SHARED_MEMORY else _collate_arrays,
        multiprocessing_context="fork" if config.data.workers else None,
    )


def shared_memory_bytes() -> int:
    """Free bytes of shared memory; unlimited on systems without ``/dev/shm``."""
    return shutil.disk_usage("/dev/shm").free if Path("/dev/shm").is_dir() else 2**62


def _collate_arrays(items: list[dict[str, torch.Tensor]]) -> dict[str, np.ndarray]:
    """A batch as arrays, sent through a pipe: slower than shared memory, but without it."""
    return {name: value.numpy() for name, value in default_collate(items).items()}


def _start_worker(_worker: int) -> None:
    torch.set_num_threads(1)
    for number in (signal.SIGINT, signal.SIGTERM):  # the trainer decides when to stop, not Ctrl-C's signal to the group
        signal.signal(number, signal.SIG_IGN)
