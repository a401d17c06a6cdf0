"""Residual HCQT-HPPNet, the project's network.

HCQT ``(B, 3, T, 352)`` -> residual 7×7 stem -> harmonic dilated convolution -> 88 keys -> residual blocks over time
and octaves -> frequency-grouped LSTM -> heads. There are two trunks: one for onsets, one for durations (offset,
frame, velocity, pedal). The second reads the first trunk's features, *detached*: the duration losses have no gradient
on the onset trunk.

Convolutions and LSTMs are shared by all keys, although strings differ: the lowest have hardly a fundamental, the
highest hardly a second partial. A *register*, a bias per bin or key, tells layers the position on the keyboard.
"""

from __future__ import annotations

from typing import TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import Config, ModelConfig
from ..music.notes import N_KEYS
from ..system.errors import AmtError
from .blocks import (
    ONSET_PRIOR,
    ConvNorm,
    FrequencyGroupedLSTM,
    HDConv,
    Intervals,
    KeyNetwork,
    PedalCue,
    PedalHead,
    Register,
    fold_to_keys,
    make_head,
    make_norm,
    pool_keyboard,
    pool_to_keys,
    read_floor,
)

SIZES = {  # stem channels, trunk channels (at 352 bins), key channels (at 88 keys), key blocks, LSTM hidden
    "micro": (4, 8, 8, 1, 8),  # for tests
    "tiny": (16, 24, 48, 2, 32),
    "base": (24, 48, 96, 3, 64),
    "large": (32, 128, 160, 4, 128),
}
PEDAL_STATES = 16  # features per key for the pedal head
PEDAL_ROLLS = ("onset", "offset", "key_offset", "frame")  # read by the pedal head, per key
PEDAL_CUES, PEDAL_HIDDEN = 96, 128  # the same for all sizes
FLOOR_BINS = 16  # a third of an octave: undamped strings resonate between the partials of the notes played


def channel_widths(model: ModelConfig) -> dict[str, int]:
    """``stem``, ``trunk``, ``key``, ``blocks`` and ``hidden`` of a configuration. Raises :class:`AmtError`."""
    if model.size not in SIZES:
        raise AmtError(f"model.size {model.size!r} is unknown; choose one of {', '.join(SIZES)}")
    given = (model.stem_channels, model.trunk_channels, model.key_channels, model.key_blocks, model.lstm_hidden)
    chosen = [mine if mine is not None else size for mine, size in zip(given, SIZES[model.size], strict=True)]
    return dict(zip(("stem", "trunk", "key", "blocks", "hidden"), chosen, strict=True))


class LayerOptions(TypedDict):
    """Options that :class:`HarmonicBlock` and :class:`KeyBlocks` share."""

    norm: str
    residual: bool
    register: bool


class KeyOptions(LayerOptions):
    """Options of :class:`KeyBlocks`."""

    dropout: float
    intervals: int


class ResidualHPPNet(KeyNetwork):
    """Features ``(B, C, T, 352)`` -> the logits of :data:`amt_utils.config.KEY_ROLLS`, and ``pedal_cue``."""

    def __init__(self, config: Config):
        super().__init__()
        model = config.model
        stem, trunk, key, blocks, hidden = channel_widths(model).values()
        self.detach_onset = model.detach_onset
        # 7×7 and 3×3 in the stem, then 5×1 in every key block of both trunks, one after the other
        self.context = 3 + 1 + 2 * (2 * blocks)
        self.bins_per_key = config.feature.bins_per_key
        options = LayerOptions(norm=model.norm, residual=model.residual, register=model.register)
        by_key = KeyOptions(**options, dropout=model.dropout, intervals=model.intervals)
        self.onset_stem = ResidualStem(config.feature.n_channels, stem, norm=model.norm, residual=model.residual)
        self.onset_harmonics = HarmonicBlock(stem, trunk, config, **options)
        # max-pooling loses which of a key's bins is strongest; these weights add it
        self.onset_bins = nn.Conv2d(trunk, trunk, (1, self.bins_per_key), stride=(1, self.bins_per_key), bias=False)
        nn.init.zeros_(self.onset_bins.weight)
        self.onset_keys = KeyBlocks(trunk, key, blocks, **by_key)
        self.onset_lstm = FrequencyGroupedLSTM(key, hidden)
        self.onset_head = make_head(2 * hidden, prior=ONSET_PRIOR)
        # durations depend on energy, not on fine frequency structure: each key's bins are channels
        self.duration_stem = ConvNorm(config.feature.n_channels * self.bins_per_key, key, (5, 3), norm=model.norm)
        self.duration_keys = KeyBlocks(2 * key, key, blocks, **by_key)
        self.duration_lstm = FrequencyGroupedLSTM(key + 1, hidden)
        self.duration_heads = nn.ModuleDict(
            {
                "offset": make_head(2 * hidden, prior=ONSET_PRIOR),
                "key_offset": make_head(2 * hidden, prior=ONSET_PRIOR),
                "frame": make_head(2 * hidden, prior=0.05),
                "velocity": make_head(2 * hidden),
            }
        )
        # features for the pedal head: which keys are up while their notes sound
        self.pedal_state = nn.Linear(2 * hidden, PEDAL_STATES)
        self.floor_channels = config.feature.n_channels // config.feature.subframes
        floors = self.floor_channels * (config.feature.n_bins // FLOOR_BINS)
        self.pedal_cue = PedalCue(len(PEDAL_ROLLS) * N_KEYS, 2 * key + 2 * PEDAL_STATES + floors, PEDAL_CUES)
        self.pedal_head = PedalHead(PEDAL_CUES, PEDAL_HIDDEN, deep=True)

    def onset_parameters(self) -> list[nn.Parameter]:
        """Parameters of the onset trunk: the duration losses have no gradient on them (with ``detach_onset``)."""
        return [p for name, p in self.named_parameters() if name.startswith("onset_")]

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return self._answer(*self.convolve(x))

    def read_window(self, x: Tensor) -> dict[str, Tensor]:
        return self._answer(*(part[:, :, self.context : -self.context] for part in self.convolve(x)))

    def _answer(self, *convolved: Tensor) -> dict[str, Tensor]:
        logits, rolls, sound = self.recur(*convolved)
        return logits | {"pedal_cue": self.pedal_cue(rolls, sound)}

    def read_keys(self, x: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """The keys' logits, and the pedal head's inputs: notes ``(B, T, 4 * 88)`` and sound ``(B, T, C)``."""
        return self.recur(*self.convolve(x))

    def convolve(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """All convolutions: the features, and what the LSTMs of onsets and durations read, ``(B, key, T, 88)`` each."""
        x = x.contiguous(memory_format=torch.channels_last)  # (B, C, T, 352)
        harmonic = self.onset_harmonics(self.onset_stem(x))
        pooled = pool_to_keys(harmonic, self.bins_per_key) + self.onset_bins(harmonic)  # (B, trunk, T, 88)
        onset_keys = self.onset_keys(pooled)
        own = F.relu(self.duration_stem(fold_to_keys(x, self.bins_per_key)))
        keys = self.duration_keys(torch.cat([own, onset_keys.detach() if self.detach_onset else onset_keys], dim=1))
        return x, onset_keys, keys

    def recur(self, x: Tensor, onset_keys: Tensor, keys: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """The LSTMs and heads: what :meth:`convolve` returns -> what :meth:`read_keys` returns."""
        onset = self.onset_head(self.onset_lstm(onset_keys)).squeeze(-1)  # (B, T, 88)
        attack = torch.sigmoid(onset.detach() if self.detach_onset else onset)  # (B, T, 88)
        attack = attack[..., None].permute(0, 3, 1, 2).to(keys.dtype)  # (B, 1, T, 88), channels-last
        duration = self.duration_lstm(torch.cat([keys, attack], dim=1))  # (B, T, 88, 2 hidden)
        logits = {"onset": onset} | {name: head(duration).squeeze(-1) for name, head in self.duration_heads.items()}
        state = F.relu(self.pedal_state(duration)).permute(0, 3, 1, 2)  # (B, states, T, 88)
        # detached: no gradient from the pedal loss
        rolls = torch.sigmoid(torch.cat([logits[name].detach() for name in PEDAL_ROLLS], dim=-1)).to(duration.dtype)
        floor = read_floor(x[:, : self.floor_channels], FLOOR_BINS)
        return logits, rolls, torch.cat([pool_keyboard(keys), pool_keyboard(state), floor], dim=-1)


class ResidualStem(nn.Module):
    """7×7 and 3×3 convolutions beside a 1×1 projection of the input."""

    def __init__(self, c_in: int, c_out: int, *, norm: str, residual: bool):
        super().__init__()
        self.first = ConvNorm(c_in, c_out, (7, 7), norm=norm)
        self.second = ConvNorm(c_out, c_out, (3, 3), norm=norm)
        self.skip = nn.Conv2d(c_in, c_out, 1) if residual else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(F.relu(self.first(x)))
        return F.relu(y if self.skip is None else y + self.skip(x))


class HarmonicBlock(nn.Module):
    """HDConv, norm and register, plus a projection of the input."""

    def __init__(self, c_in: int, c_out: int, config: Config, *, norm: str, residual: bool, register: bool):
        super().__init__()
        self.conv = HDConv(
            c_in, c_out, config.model.hdconv_harmonics, bins_per_octave=config.feature.bins_per_octave
        )
        self.norm = make_norm(norm, c_out)
        self.skip = nn.Conv2d(c_in, c_out, 1) if residual else None
        self.register = Register(c_out, config.feature.n_bins) if register else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.register(self.norm(self.conv(x)))
        return F.relu(y if self.skip is None else y + self.skip(x))


class KeyBlocks(nn.Sequential):
    """1×1 projection and register, then blocks of (octave context, time context) with a skip connection, on 88 keys."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        n_blocks: int,
        *,
        dropout: float,
        norm: str,
        residual: bool,
        register: bool,
        intervals: int,
    ):
        super().__init__(
            ConvNorm(c_in, c_out, (1, 1), norm=norm),
            Register(c_out, N_KEYS) if register else nn.Identity(),
            nn.ReLU(),
            *(KeyBlock(c_out, norm=norm, residual=residual, intervals=intervals) for _ in range(n_blocks)),
            nn.Dropout(dropout),
        )


class KeyBlock(nn.Module):
    """1×3 convolution one octave apart and all intervals of each channel, then 5×1 over time, added to the input."""

    def __init__(self, channels: int, *, norm: str, residual: bool, intervals: int):
        super().__init__()
        self.intervals = Intervals(channels, intervals) if intervals else None
        self.octaves = ConvNorm(channels, channels, (1, 3), dilation=(1, 12), norm=norm)
        self.time = ConvNorm(channels, channels, (5, 1), norm=norm)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        octaves, norm = self.octaves
        y = octaves(x) if self.intervals is None else octaves(x) + self.intervals(x)
        y = self.time(F.relu(norm(y)))
        return F.relu(x + y if self.residual else y)
