"""HPPNet (Wei et al., ISMIR 2022, arXiv 2208.14339), the yardstick: one-channel CQT, one HDConv of eight dilations.

As published: three 7×7 convolutions (16 channels), HDConv over harmonics 2..9 (128 channels), max-pool 4 over
frequency, a 1×3 convolution one octave apart, three 5×1 convolutions, instance norm, FG-LSTM of 64 per direction
for each head. ``base`` shares one convolutional trunk; ``sp`` gives onsets a trunk of their own. The key-offset
and pedal heads are ours, so that it can be trained and scored like the others.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from ..config import KEY_ROLLS, Config
from ..system.errors import AmtError
from .blocks import (
    ONSET_PRIOR,
    ConvNorm,
    FrequencyGroupedLSTM,
    HDConv,
    PedalHead,
    make_head,
    pool_keyboard,
    pool_to_keys,
)

SIZES = {"tiny": (16, 48, 16), "base": (16, 128, 64), "sp": (16, 128, 64)}  # stem, trunk channels, LSTM hidden
HARMONICS = tuple(range(2, 10))


class HPPNet(nn.Module):
    """Features ``(B, C, T, 352)`` -> the logits of :data:`amt_utils.config.KEY_ROLLS`, and ``pedal_cue``."""

    def __init__(self, config: Config):
        super().__init__()
        if config.model.size not in SIZES:
            raise AmtError(f"hppnet: model.size {config.model.size!r} is unknown; choose one of {', '.join(SIZES)}")
        stem, trunk, hidden = SIZES[config.model.size]
        self.trunk = AcousticTrunk(config, stem, trunk)
        self.onset_trunk = AcousticTrunk(config, stem, trunk) if config.model.size == "sp" else None
        self.lstms = nn.ModuleDict({name: FrequencyGroupedLSTM(trunk, hidden) for name in KEY_ROLLS})
        rare = {"onset": ONSET_PRIOR, "offset": ONSET_PRIOR, "key_offset": ONSET_PRIOR}
        self.heads = nn.ModuleDict({name: make_head(2 * hidden, prior=rare.get(name)) for name in KEY_ROLLS})
        self.pedal_head = PedalHead(2 * trunk, hidden)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = x.contiguous(memory_format=torch.channels_last)
        keys = self.trunk(x)  # (B, trunk, T, 88)
        onset_keys = keys if self.onset_trunk is None else self.onset_trunk(x)
        logits = {
            name: self.heads[name](lstm(onset_keys if name == "onset" else keys)).squeeze(-1)
            for name, lstm in self.lstms.items()
        }
        return {**logits, "pedal_cue": pool_keyboard(keys)}


class AcousticTrunk(nn.Module):
    """``(B, C, T, 352)`` -> ``(B, trunk, T, 88)``."""

    def __init__(self, config: Config, stem: int, trunk: int):
        super().__init__()
        norm, octave = config.model.norm, config.feature.bins_per_octave
        self.bins_per_key = config.feature.bins_per_key
        channels = (config.feature.n_channels, stem, stem, stem)
        stems = [layer for a, b in itertools.pairwise(channels) for layer in _conv(a, b, (7, 7), norm)]
        self.stem = nn.Sequential(*stems, HDConv(stem, trunk, HARMONICS, bins_per_octave=octave), nn.ReLU())
        self.keys = nn.Sequential(
            *_conv(trunk, trunk, (1, 3), norm, dilation=(1, 12)),
            *(layer for _ in range(3) for layer in _conv(trunk, trunk, (5, 1), norm)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.keys(pool_to_keys(self.stem(x), self.bins_per_key))


def _conv(c_in: int, c_out: int, kernel: tuple[int, int], norm: str, dilation=(1, 1)) -> list[nn.Module]:
    return [ConvNorm(c_in, c_out, kernel, dilation=dilation, norm=norm), nn.ReLU()]
