"""Parts that the networks share: convolutions with norm, harmonic dilated convolution, frequency-grouped LSTM."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import Config
from ..errors import AmtError
from ..hcqt import make_feature
from ..notes import PEDAL_NAMES

HEADS = ("onset", "offset", "key_offset", "frame", "velocity")  # each (B, T, 88); "pedal" is (B, T, 3)
ONSET_PRIOR = 0.01  # probability the onset and offset heads start from: 99.9 % of their cells are zero


class Transcriptor(nn.Module):
    """Audio ``(B, n)`` -> features -> network -> logits: :data:`HEADS` ``(B, T, 88)`` and ``pedal`` ``(B, T, 3)``.

    ``T = n // hop + 1``; frame ``t`` is centred at sample ``t * hop``.
    """

    def __init__(self, config: Config, network: nn.Module):
        super().__init__()
        self.config = config
        self.feature = make_feature(config.feature)
        self.network = network

    def forward(self, audio: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            features = self.feature(audio)  # (B, C, T, bins)
        return self.network(features)


def make_norm(kind: str, channels: int) -> nn.Module:
    """``batch`` (the same for a chunk as for the whole file, folds into the convolution) or ``instance``."""
    if kind == "batch":
        return nn.BatchNorm2d(channels, momentum=0.05)
    if kind == "instance":
        return nn.InstanceNorm2d(channels, affine=True)
    raise AmtError(f"model.norm must be 'batch' or 'instance', not {kind!r}")


class ConvNorm(nn.Sequential):
    """Convolution that keeps ``(T, F)``, then norm. ``kernel`` and ``dilation`` are (time, frequency)."""

    def __init__(self, c_in: int, c_out: int, kernel: tuple[int, int], *, dilation=(1, 1), norm: str = "batch"):
        padding = tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
        super().__init__(
            nn.Conv2d(c_in, c_out, kernel, padding=padding, dilation=dilation, bias=False), make_norm(norm, c_out)
        )


class HDConv(nn.Module):
    """Harmonic dilated convolution (Wei et al., "HPPNet", ISMIR 2022): parallel 1×3 convolutions, summed.

    The branch of harmonic ``k`` is dilated by ``round(bins_per_octave * log2(k))`` bins, so that its outer taps
    sit on the k-th harmonic and the k-th sub-harmonic of its centre. ``k = 1`` is an ordinary 1×3 convolution.
    """

    def __init__(self, c_in: int, c_out: int, harmonics: tuple[int, ...], *, bins_per_octave: int):
        super().__init__()
        dilations = [max(1, round(bins_per_octave * math.log2(k))) for k in harmonics]
        self.branches = nn.ModuleList(
            nn.Conv2d(c_in, c_out, (1, 3), padding=(0, d), dilation=(1, d), bias=i == 0)
            for i, d in enumerate(dilations)
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(B, c_in, T, F)`` -> ``(B, c_out, T, F)``."""
        return sum(branch(x) for branch in self.branches)


class FrequencyGroupedLSTM(nn.Module):
    """One bidirectional LSTM over time for all keys (FG-LSTM): ``(B, C, T, 88)`` -> ``(B, T, 88, 2 * hidden)``."""

    def __init__(self, c_in: int, hidden: int):
        super().__init__()
        self.lstm = nn.LSTM(c_in, hidden, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, time, keys = x.shape
        out, _ = self.lstm(x.permute(0, 3, 2, 1).reshape(batch * keys, time, channels))
        return out.reshape(batch, keys, time, -1).transpose(1, 2)


class PedalHead(nn.Module):
    """Pools key features over the keyboard, then a bidirectional LSTM: ``(B, C, T, 88)`` -> ``(B, T, 3)`` logits."""

    def __init__(self, c_in: int, hidden: int):
        super().__init__()
        self.lstm = nn.LSTM(2 * c_in, hidden, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * hidden, len(PEDAL_NAMES))

    def forward(self, x: Tensor) -> Tensor:
        pooled = torch.cat([x.mean(-1), x.amax(-1)], dim=1).transpose(1, 2)  # (B, T, 2 C)
        return self.out(self.lstm(pooled)[0])


def make_head(c_in: int, *, prior: float | None = None) -> nn.Linear:
    """A linear layer to one logit per key that starts at probability ``prior``."""
    head = nn.Linear(c_in, 1)
    if prior is not None:
        set_prior(head, prior)
    return head


def set_prior(head: nn.Linear, prior: float) -> None:
    """Starts a layer of logits at probability ``prior``."""
    nn.init.constant_(head.bias, math.log(prior / (1 - prior)))


def pool_to_keys(x: Tensor, bins_per_key: int) -> Tensor:
    """Max over each key's bins: ``(B, C, T, 88 * bins_per_key)`` -> ``(B, C, T, 88)``."""
    return F.max_pool2d(x, (1, bins_per_key))


def fold_to_keys(x: Tensor, bins_per_key: int) -> Tensor:
    """Each key's bins as channels: ``(B, C, T, 88 * bins_per_key)`` -> ``(B, C * bins_per_key, T, 88)``."""
    batch, channels, time, bins = x.shape
    folded = x.reshape(batch, channels, time, bins // bins_per_key, bins_per_key)
    return folded.permute(0, 1, 4, 2, 3).reshape(batch, channels * bins_per_key, time, bins // bins_per_key)
