"""GPUs, counted without PyTorch: a process that starts others must not touch CUDA itself."""

from __future__ import annotations

import shutil
import subprocess


def count_gpus() -> int:
    """NVIDIA GPUs of this machine, as ``nvidia-smi`` lists them; 0 without it."""
    if shutil.which("nvidia-smi") is None:
        return 0
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout
    return sum(line.startswith("GPU ") for line in listed.splitlines())
