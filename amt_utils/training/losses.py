"""Losses as named terms; the trainer sums them once, with the configuration's weights.

99.9 % of onset cells are zero. ``bce`` weights the positive ones (``pos_weight``; the HPPNet paper uses 2 on
onsets); ``focal`` (Lin et al., 2017) and ``dice`` (Milletari et al., 2016) are the alternatives.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..config import LossConfig
from ..system.errors import AmtError


def binary_cross_entropy(logits: Tensor, target: Tensor, mask: Tensor, pos_weight: float) -> Tensor:
    """Mean BCE with logits over the masked cells."""
    weight = torch.tensor(pos_weight, device=logits.device)
    cells = F.binary_cross_entropy_with_logits(logits, target, pos_weight=weight, reduction="none")
    return _masked_mean(cells, mask)


def focal_loss(logits: Tensor, target: Tensor, mask: Tensor, pos_weight: float, gamma: float = 2.0) -> Tensor:
    """BCE damped by ``|target - probability| ** gamma`` where the network is already right."""
    weight = torch.tensor(pos_weight, device=logits.device)
    cells = F.binary_cross_entropy_with_logits(logits, target, pos_weight=weight, reduction="none")
    return _masked_mean(cells * (target - torch.sigmoid(logits)).abs() ** gamma, mask)


def dice_loss(logits: Tensor, target: Tensor, mask: Tensor, pos_weight: float = 1.0) -> Tensor:
    """1 - soft F1 over the masked cells."""
    probability = torch.sigmoid(logits) * mask
    overlap = 2 * (probability * target).sum()
    return 1 - (overlap + 1) / (probability.square().sum() + (target * mask).square().sum() + 1)


def _masked_mean(cells: Tensor, mask: Tensor) -> Tensor:
    mask = mask.expand_as(cells)
    return (cells * mask).sum() / mask.sum().clamp_min(1)


def compute_losses(logits: dict[str, Tensor], batch: dict[str, Tensor], config: LossConfig) -> dict[str, Tensor]:
    """Named, unweighted terms.

    Args:
        logits: of the network, ``(B, T, 88)`` each and ``pedal`` ``(B, T, 3)``.
        batch: targets of the same names and shapes, ``velocity`` in 0..1, and ``mask`` ``(B, T)``: 1 where the
            window has sound; ``velocity_relative`` ``(B,)``, if it is there: 1 where a window's velocities are known
            but for a constant.
    """
    kinds = {"bce": binary_cross_entropy, "focal": focal_loss, "dice": dice_loss}
    if config.kind not in kinds:
        raise AmtError(f"loss.kind must be one of {', '.join(kinds)}, not {config.kind!r}")
    loss = kinds[config.kind]
    mask = batch["mask"].unsqueeze(-1)
    pos_weight = {
        "onset": config.onset_pos_weight,
        "offset": config.offset_pos_weight,
        "key_offset": config.offset_pos_weight,
        "frame": config.frame_pos_weight,
    }
    terms = {name: loss(logits[name].float(), batch[name], mask, weight) for name, weight in pos_weight.items()}
    terms["pedal"] = binary_cross_entropy(logits["pedal"].float(), batch["pedal"], mask, 1.0)
    # velocity counts where an onset is, most at its peak, and as far as is wished while the note goes on
    where = torch.maximum(batch["onset"], config.velocity_after_onset * batch["frame_ex"])
    where = where * mask
    velocity = batch["velocity"]
    if "velocity_relative" in batch:
        # a constant that is not known is taken from what was heard: the mean teaches nothing, differences do
        heard = torch.sigmoid(logits["velocity"].detach().float())
        constant = (where * (heard - velocity)).sum((1, 2)) / where.sum((1, 2)).clamp_min(1e-6)
        velocity = (velocity + (batch["velocity_relative"] * constant)[:, None, None]).clamp(0, 1)
    terms["velocity"] = _masked_mean(
        F.binary_cross_entropy_with_logits(logits["velocity"].float(), velocity, reduction="none"), where
    )
    return terms


def total_loss(terms: dict[str, Tensor], config: LossConfig) -> Tensor:
    """The one weighted sum.

    Onset and offset cells are rare, their mean is small: the factor 10 on the rolls brings their terms to the
    order of the velocity and pedal terms.
    """
    rolls = sum(10 * getattr(config, name) * terms[name] for name in ("onset", "offset", "key_offset", "frame"))
    return rolls + config.velocity * terms["velocity"] + config.pedal * terms["pedal"]
