"""Optimizer, learning rate schedule, weight averaging, precision."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..config import Config

MOMENTUM = 0.95
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
PRECISIONS: dict[str, Precision] = {"32": "32-true", "bf16-mixed": "bf16-mixed", "16-mixed": "16-mixed"}
WARMUP, LOOK = 50, 50  # steps of :func:`learn_alone`: of warm-up, and between validations, where nothing else is said
Part = TypeVar("Part", bound=nn.Module)
KINDS = {nn.Conv2d: "convolutions", nn.LSTM: "lstms"}


def make_optimizer(model: nn.Module, config: Config) -> torch.optim.Optimizer:
    """``train.optimizer``: ``muon`` or ``adamw``; biases and norms are not decayed."""
    train = config.train
    groups: dict[str, list[nn.Parameter]] = {"convolutions": [], "lstms": [], "linear": [], "vectors": []}
    for module in model.modules():
        for weight in module.parameters(recurse=False):
            kind = "vectors" if weight.ndim <= 1 else KINDS.get(type(module), "linear")
            groups[kind].append(weight)
    stacked = {"convolutions": 1, "lstms": 4} if train.optimizer == "muon" else {}
    return Muon(
        [
            {
                "params": weights,
                "matrices": stacked.get(kind, 0),
                "weight_decay": 0.0 if kind == "vectors" else train.weight_decay,
            }
            for kind, weights in groups.items()
            if weights
        ],
        lr=train.learning_rate,
    )


class Muon(torch.optim.AdamW):
    """Muon (Jordan et al. 2024) for groups whose ``matrices`` is not zero, AdamW for the others.

    A weight is treated as ``matrices`` stacked matrices (an LSTM's four gates), a convolution's as
    ``(out, in * kernel)``. Each matrix's averaged gradient is orthogonalised before the step. Steps are as large as
    AdamW's (Liu et al., arXiv 2502.16982), so that both use one learning rate. ``torch.optim.Muon``
    does the same for plain matrices only.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"] if group["matrices"] else ():
                if weight.grad is not None:
                    self._step_orthogonally(weight, group)
                    weight.grad = None  # AdamW skips weights without a gradient
        return super().step(closure)

    def _step_orthogonally(self, weight: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if not state:
            state["step"] = torch.zeros(())  # AdamW needs it when a state is loaded
            state["momentum"] = torch.zeros_like(weight)
        state["step"] += 1
        gradient = cast(Tensor, weight.grad)
        state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        update = gradient.lerp(state["momentum"], MOMENTUM)  # Nesterov's
        matrices = update.reshape(group["matrices"], weight.shape[0] // group["matrices"], -1)
        change = orthogonalise(matrices) * 0.2 * math.sqrt(max(matrices.shape[1:]))
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(change.reshape(weight.shape), alpha=-group["lr"])


def orthogonalise(matrices: Tensor) -> Tensor:
    """``(n, rows, columns)`` -> the same with all singular values near one, by five Newton-Schulz iterations."""
    wide = matrices if matrices.shape[-2] <= matrices.shape[-1] else matrices.mT
    wide = wide / (wide.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        square = wide @ wide.mT
        wide = 3.4445 * wide + (-4.7750 * square + 2.0315 * square @ square) @ wide
    return wide if wide.shape == matrices.shape else wide.mT


def learning_rate(config: Config, step: int) -> float:
    """Linear warm-up, then a cosine down to ``final_rate`` of the peak."""
    train = config.train
    total = train.total_steps or train.epochs * train.steps_per_epoch
    return train.learning_rate * warm_cosine(step, total, warmup=train.warmup_steps, final=train.final_rate)


def warm_cosine(step: int, total: int, *, warmup: int, final: float) -> float:
    """The share of the peak at ``step`` of ``total``: linear over ``warmup`` steps, then a cosine down to ``final``."""
    if step < warmup:
        return (step + 1) / warmup
    along = min(1.0, (step - warmup) / max(1, total - warmup))
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * along))


@torch.no_grad()
def update_average(average: dict[str, Tensor], model: nn.Module, step: int, decay: float) -> None:
    """Moves the exponential moving average of the weights towards ``model``, faster in the first steps."""
    decay = min(decay, (1 + step) / (10 + step))
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)


def learn_alone(
    part: Part,
    draw_loss: Callable[[], Tensor],
    *,
    steps: int,
    rate: float,
    final_rate: float,
    weight_decay: float,
    ema_decay: float,
    name: str,
    judge: Callable[[Part], float] | None = None,
    warmup: int = WARMUP,
    look: int = LOOK,
) -> float:
    """Trains a small network, or a part of one, in this process: AdamW, warm-up, cosine schedule, averaged weights.

    ``part`` ends with its averaged weights; with ``judge`` (called before the first and after every ``look`` steps),
    with those of the lowest loss it returned. Returns that loss.
    """
    optimizer = torch.optim.AdamW(part.parameters(), rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: warm_cosine(step, steps, warmup=warmup, final=final_rate)
    )
    averaged = copy.deepcopy(part)
    average = averaged.state_dict()  # shares memory with the module
    least, best = (judge(part), copy.deepcopy(average)) if judge else (math.inf, average)
    bar = tqdm(range(steps), desc=name, unit="step")
    for step in bar:
        loss = draw_loss()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(part.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        update_average(average, part, step, ema_decay)
        bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
        if judge and ((step + 1) % look == 0 or step + 1 == steps):
            judged = judge(averaged)
            if judged < least:
                least, best = judged, copy.deepcopy(average)
    part.load_state_dict(best)
    return least


def choose_precision(name: str, accelerator: str = "auto") -> Precision:
    """The configuration's precision -> Lightning Fabric's; ``auto`` chooses the fastest on this machine.

    A CPU without 16-bit LSTMs trains in float32, with a warning where another precision was set.
    """
    on_gpu = torch.cuda.is_available() and accelerator != "cpu"
    if on_gpu:
        best: Precision = "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
        return best if name == "auto" else PRECISIONS[name]
    if name == "auto":  # CPUs without AVX-512 bf16 emulate it, slower than fp32
        return "bf16-mixed" if torch.cpu._is_avx512_bf16_supported() and cpu_has_lstm(torch.bfloat16) else "32-true"
    dtype = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(name)
    if dtype and not cpu_has_lstm(dtype):
        warnings.warn(f"this processor has no {name} LSTMs; training in float32 instead", stacklevel=2)
        return "32-true"
    return PRECISIONS[name]


def cpu_has_lstm(dtype: torch.dtype) -> bool:
    """Whether this processor runs LSTMs in ``dtype`` under autocast: oneDNN does with AVX-512 alone."""
    try:
        with torch.autocast("cpu", dtype=dtype), torch.no_grad():
            nn.LSTM(4, 4)(torch.zeros(2, 1, 4))
    except RuntimeError:
        return False
    return True
