"""How a step changes the weights: optimizer, learning rate, averaging, precision."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .config import Config


def make_optimizer(model: nn.Module, config: Config) -> torch.optim.Optimizer:
    """AdamW; biases and norms are not decayed."""
    weights = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in weights if p.ndim > 1], "weight_decay": config.train.weight_decay},
        {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.train.learning_rate)


def learning_rate(config: Config, step: int) -> float:
    """Linear warm-up, then a cosine down to ``final_rate`` of the peak."""
    train = config.train
    total = train.total_steps or train.epochs * train.steps_per_epoch
    if step < train.warmup_steps:
        return train.learning_rate * (step + 1) / train.warmup_steps
    along = min(1.0, (step - train.warmup_steps) / max(1, total - train.warmup_steps))
    return train.learning_rate * (train.final_rate + (1 - train.final_rate) * 0.5 * (1 + math.cos(math.pi * along)))


@torch.no_grad()
def update_average(average: dict[str, Tensor], model: nn.Module, step: int, decay: float) -> None:
    """Moves the exponential moving average of the weights towards ``model``, faster in the first steps."""
    decay = min(decay, (1 + step) / (10 + step))
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)


def choose_precision(name: str) -> str:
    """The configuration's word for it -> Lightning Fabric's; ``auto`` takes what this machine is quick at."""
    if name != "auto":
        return {"32": "32-true"}.get(name, name)
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    # CPUs without AVX-512 bf16 emulate it, slower than fp32
    return "bf16-mixed" if torch.cpu._is_avx512_bf16_supported() else "32-true"
