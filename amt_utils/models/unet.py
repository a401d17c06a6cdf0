"""A U-Net over the (H)CQT: down and up through time and frequency with skip connections, then a BiLSTM over time.

After Pedersoli, Tzanetakis & Yi, "Improving music transcription
by pre-stacking a U-Net" (ICASSP 2020).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import KEY_ROLLS, Config
from ..system.errors import AmtError
from .blocks import (
    ONSET_PRIOR,
    ConvNorm,
    FrequencyGroupedLSTM,
    KeyNetwork,
    PedalHead,
    make_head,
    pool_keyboard,
    pool_to_keys,
)

SIZES = {"tiny": (8, 3, 32), "base": (24, 4, 64)}  # channels of the first level, levels, LSTM hidden


class UNet(KeyNetwork):
    """Features ``(B, C, T, 352)`` -> the logits of :data:`amt_utils.config.KEY_ROLLS`, and ``pedal_cue``."""

    def __init__(self, config: Config):
        super().__init__()
        if config.model.size not in SIZES:
            raise AmtError(f"unet: model.size {config.model.size!r} is unknown; choose one of {', '.join(SIZES)}")
        first, levels, hidden = SIZES[config.model.size]
        self.bins_per_key, norm = config.feature.bins_per_key, config.model.norm
        widths = [first * 2**level for level in range(levels)]
        inputs = [config.feature.n_channels, *widths[:-1]]
        self.down = nn.ModuleList(DoubleConv(a, b, norm) for a, b in zip(inputs, widths, strict=True))
        pairs = list(zip(widths[1:], widths[:-1], strict=True))[::-1]
        self.up = nn.ModuleList(DoubleConv(wide + narrow, narrow, norm) for wide, narrow in pairs)
        self.lstm = FrequencyGroupedLSTM(first, hidden)
        rare = {"onset": ONSET_PRIOR, "offset": ONSET_PRIOR, "key_offset": ONSET_PRIOR}
        self.heads = nn.ModuleDict({name: make_head(2 * hidden, prior=rare.get(name)) for name in KEY_ROLLS})
        self.pedal_head = PedalHead(2 * first, hidden)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = x.contiguous(memory_format=torch.channels_last)
        skips = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else F.max_pool2d(x, 2, ceil_mode=True))
            skips.append(x)
        for block, skip in zip(self.up, skips[-2::-1], strict=True):
            x = block(torch.cat([F.interpolate(x, size=skip.shape[2:], mode="nearest"), skip], dim=1))
        keys = pool_to_keys(x, self.bins_per_key)  # (B, first, T, 88)
        hidden = self.lstm(keys)
        logits = {name: head(hidden).squeeze(-1) for name, head in self.heads.items()}
        return {**logits, "pedal_cue": pool_keyboard(keys)}


class DoubleConv(nn.Sequential):
    """Two 3×3 convolutions with norm."""

    def __init__(self, c_in: int, c_out: int, norm: str):
        super().__init__(
            ConvNorm(c_in, c_out, (3, 3), norm=norm), nn.ReLU(), ConvNorm(c_out, c_out, (3, 3), norm=norm), nn.ReLU()
        )
