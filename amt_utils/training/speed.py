"""``python -m amt_utils benchmark``: speed relative to real time and to librosa, in one run on this machine."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from ..audio.features import HCQT, LogMel, bin_frequencies
from ..config import Config, FeatureConfig
from ..models import Transcriptor, build_model
from .throughput import measure_loading

SECONDS = 60.0
SIZES = ("tiny", "base")  # whose training steps are measured


def measure(task: Callable[[], object], *, repeats: int = 3) -> float:
    """Best wall time of several runs, in seconds; after a warm-up run."""
    task()
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        task()
        times.append(time.perf_counter() - begun)
    return min(times)


def feature_rows(audio: np.ndarray) -> list[tuple[str, float]]:
    """(name, seconds of work per second of audio) of this package's features and of others."""
    import librosa

    batch, rate = torch.from_numpy(audio)[None], FeatureConfig().sample_rate
    seconds = len(audio) / rate
    lowest = bin_frequencies(1)[0]
    hcqt, cqt, mel = HCQT(), HCQT(FeatureConfig(kind="cqt")), LogMel()

    def librosa_cqt(fmin: float, n_bins: int) -> np.ndarray:
        return librosa.cqt(audio, sr=rate, hop_length=320, fmin=fmin, n_bins=n_bins, bins_per_octave=48)

    tasks: dict[str, Callable[[], object]] = {
        "HCQT, 3 channels (ours)": lambda: hcqt(batch),
        "CQT, 1 channel (ours)": lambda: cqt(batch),
        "log-mel (ours)": lambda: mel(batch),
        "librosa.cqt, 1 channel": lambda: librosa_cqt(lowest, 352),
        "librosa.cqt, 3 harmonics": lambda: [librosa_cqt(lowest * h, n) for h, n in ((0.5, 352), (1, 352), (2, 340))],
    }
    try:
        from nnAudio.features.cqt import CQT1992v2

        theirs = CQT1992v2(sr=rate, hop_length=320, fmin=lowest, n_bins=340, bins_per_octave=48, verbose=False)
        tasks["nnAudio CQT1992v2, 1 channel"] = lambda: theirs(batch)
    except ImportError:
        pass
    with torch.inference_mode():
        return [(name, measure(task) / seconds) for name, task in tasks.items()]


def training_memory(config: Config, *, batch: int = 8, seconds: float = 10.0) -> int | None:
    """Peak bytes of one mixed-precision training step on the GPU; ``None`` without one."""
    if not torch.cuda.is_available():
        return None
    torch.cuda.reset_peak_memory_stats()
    _training_step(config, batch, seconds, "cuda")
    return torch.cuda.max_memory_allocated()


def training_rate(config: Config, *, batch: int = 8, seconds: float = 10.0, steps: int = 10) -> float | None:
    """Windows per second that mixed-precision training takes on the GPU, forward and backward; ``None`` without one."""
    if not torch.cuda.is_available():
        return None
    model = build_model(config).cuda()

    def run() -> None:
        for _ in range(steps):
            _forward_backward(model, batch, seconds)
        torch.cuda.synchronize()

    return steps * batch / measure(run)


def saved_activation_bytes(config: Config, *, batch: int = 8, seconds: float = 10.0) -> int:
    """Bytes that a GPU keeps for the backward pass of one bf16 step, plus weights, gradients and Adam's moments.

    Counted on any machine, from what autograd saves of a short window in bf16; it grows linearly with the window. Not
    every CPU has 16-bit LSTMs, and their workspace is twice a GPU's: LSTMs run in float32 and are counted by what
    their backward pass needs, four gates, the cell, its tanh and the output, per unit and frame, in bf16.
    """
    kept: dict[int, int] = {}
    recurrent: list[int] = []

    class Counted(nn.Module):
        """An LSTM counted by a formula."""

        def __init__(self, lstm: nn.LSTM):
            super().__init__()
            self.lstm = lstm

        def forward(self, x: torch.Tensor, *state: object) -> tuple:
            unhooked = torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t)
            with unhooked, torch.autocast("cpu", enabled=False):
                output, last = self.lstm(x.float(), *state)
            recurrent.append(2 * (x.numel() + 7 * output.numel()))
            return output.to(torch.bfloat16), last

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    share = 0.2  # of the window
    model = build_model(config)
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.LSTM):
                setattr(parent, name, Counted(child))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        _forward_backward(model, 1, seconds * share)
    return int((sum(kept.values()) + sum(recurrent)) / share * batch + 4 * weights)


def _training_step(config: Config, batch: int, seconds: float, device: str) -> Transcriptor:
    model = build_model(config).to(device)
    _forward_backward(model, batch, seconds)
    return model


def _forward_backward(model: Transcriptor, batch: int, seconds: float) -> None:
    device = next(model.parameters()).device
    audio = torch.randn(batch, int(seconds * model.config.feature.sample_rate), device=device) * 0.1
    with torch.autocast(device.type, dtype=torch.bfloat16):
        loss = functools.reduce(torch.add, (v.float().square().mean() for v in model(audio).values()))
    loss.backward()


def loading_lines(needs: dict[str, float | None]) -> list[str]:
    """What one worker brings, and how many each network's steps on the GPU need (``needs``: windows per second)."""
    lines = ["training windows of 10 s, per second and worker (one core each)"]
    for way, rate in measure_loading().items():
        workers = [f"{size} needs {math.ceil(need / rate)}" for size, need in needs.items() if need]
        lines.append(f"  {way:44s} {rate:7.1f}" + ("   workers: " + ", ".join(workers) if workers else ""))
    for size, need in needs.items():
        taken = f"{need:.1f} windows per second" if need else "not measured, no GPU here"
        lines.append(f"  what a GPU's steps take, {size}: {taken}")
    return lines
