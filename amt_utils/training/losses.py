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
    """BCE weighted by ``|target - probability| ** gamma``, which is small where the network is right."""
    weight = torch.tensor(pos_weight, device=logits.device)
    cells = F.binary_cross_entropy_with_logits(logits, target, pos_weight=weight, reduction="none")
    return _masked_mean(cells * (target - torch.sigmoid(logits)).abs() ** gamma, mask)


def dice_loss(logits: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """1 - soft F1 over the masked cells, which balances positive and negative cells by itself."""
    probability = torch.sigmoid(logits) * mask
    overlap = 2 * (probability * target).sum()  # the mask is already in the probability
    return 1 - (overlap + 1) / (probability.square().sum() + (target * mask).square().sum() + 1)


def roll_loss(
    kind: str, logits: Tensor, target: Tensor, mask: Tensor, pos_weight: float, *, gamma: float = 2.0
) -> Tensor:
    """The loss named ``kind`` of one roll; a scalar. Raises :class:`AmtError` for an unknown name."""
    if kind == "bce":
        return binary_cross_entropy(logits, target, mask, pos_weight)
    if kind == "focal":
        return focal_loss(logits, target, mask, pos_weight, gamma)
    if kind == "dice":
        return dice_loss(logits, target, mask)
    raise AmtError(f"a loss is bce, focal or dice, not {kind!r}")


def _masked_mean(cells: Tensor, mask: Tensor) -> Tensor:
    mask = mask.expand_as(cells)
    return (cells * mask).sum() / mask.sum().clamp_min(1)


def compute_losses(logits: dict[str, Tensor], batch: dict[str, Tensor], config: LossConfig) -> dict[str, Tensor]:
    """Named, unweighted terms.

    Args:
        logits: of the network, ``(B, T, 88)`` each and ``pedal`` ``(B, T, 3)``.
        batch: targets of the same names and shapes, ``velocity`` in 0..1, and ``mask`` ``(B, T)``: 1 where the
            window has sound; ``velocity_relative`` ``(B,)``, if given: 1 where a window's velocities are known up
            to a constant.
    """
    mask = batch["mask"].unsqueeze(-1)
    frame_mask = mask
    if config.frame_target == "frame_ex":  # the onset roll already marks where a note begins
        frame_mask = mask * (1 - (batch["frame"] - batch["frame_ex"]))
    elif config.frame_target != "frame":
        raise AmtError(f"loss.frame_target must be frame or frame_ex, not {config.frame_target!r}")
    parts = {  # kind, mask, weight of the positive cells
        "onset": (config.kind, mask, config.onset_pos_weight),
        "offset": (config.kind, mask, config.offset_pos_weight),
        "key_offset": (config.kind, mask, config.offset_pos_weight),
        "frame": (config.kind, frame_mask, config.frame_pos_weight),
        "pedal": (config.pedal_kind, mask, config.pedal_pos_weight),
    }
    terms = {
        name: roll_loss(kind, logits[name].float(), batch[name], where, weight, gamma=config.focal_gamma)
        for name, (kind, where, weight) in parts.items()
    }
    # velocity counts where an onset is, most at its peak, and by a smaller weight while the note lasts
    where = torch.maximum(batch["onset"], config.velocity_after_onset * batch["frame_ex"]) * mask
    velocity = batch["velocity"]
    if "velocity_relative" in batch:
        # an unknown constant per window is estimated from the prediction: only differences within it are learnt
        estimate = torch.sigmoid(logits["velocity"].detach().float())
        constant = (where * (estimate - velocity)).sum((1, 2)) / where.sum((1, 2)).clamp_min(1e-6)
        velocity = (velocity + (batch["velocity_relative"] * constant)[:, None, None]).clamp(0, 1)
    terms["velocity"] = _masked_mean(
        F.binary_cross_entropy_with_logits(logits["velocity"].float(), velocity, reduction="none"), where
    )
    return terms


def total_loss(terms: dict[str, Tensor], config: LossConfig) -> Tensor:
    """The weighted sum that is minimised.

    Onset and offset cells are rare, their mean is small: the factor 10 on the rolls brings their terms to the
    order of the velocity and pedal terms.
    """
    total = torch.zeros_like(terms["velocity"])
    for name in ("onset", "offset", "key_offset", "frame"):
        total = total + 10 * getattr(config, name) * terms[name]
    return total + config.velocity * terms["velocity"] + config.pedal * terms["pedal"]
