"""HPPNet (Wei et al., ISMIR 2022, arXiv 2208.14339), the reference: one-channel CQT, one HDConv of eight dilations.

``published`` and ``published-sp`` are the paper's networks, 818,628 and 1,239,428 parameters: three 7×7 convolutions
(16 channels), HDConv over harmonics 2..9 (128 channels), a 1×3 convolution dilated by an octave of bins, max-pooling
to 88 keys, a 1×3 convolution dilated by an octave of keys, three 5×1 convolutions; after each convolution ReLU, then
instance norm without parameters; one FG-LSTM of 64 per direction for each of onset, offset, frame and velocity. ``sp``
gives onsets a trunk of their own; the other heads' trunk works on pairs of frames. They have no key ends and no
pedals: those logits are constants. Two things differ from the authors' code: the CQT is this package's, and it
transcribes in overlapping windows (:mod:`amt_utils.audio.windows`).

``tiny``, ``base`` and ``sp`` are the same architecture with this package's parts (norm before ReLU, no convolution
between HDConv and pooling, no pairs of frames) and with heads for key ends and pedals, so that they can be trained and
compared like the others.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import KEY_ROLLS, Config
from ..system.errors import AmtError
from .blocks import (
    ONSET_PRIOR,
    ConvNorm,
    FrequencyGroupedLSTM,
    HDConv,
    KeyNetwork,
    NoPedals,
    PedalHead,
    make_head,
    pool_keyboard,
    pool_to_keys,
    silent_logits,
)

SIZES = {"tiny": (16, 48, 16), "base": (16, 128, 64), "sp": (16, 128, 64)}  # stem, trunk channels, LSTM hidden
PUBLISHED = ("published", "published-sp")
PUBLISHED_HEADS = ("onset", "offset", "frame", "velocity")
HARMONICS = tuple(range(2, 10))


def make_hppnet(config: Config) -> KeyNetwork:
    """The network of ``model.size``. Raises :class:`AmtError` for an unknown size."""
    size = config.model.size
    if size in PUBLISHED:
        return PublishedHPPNet(config)
    if size in SIZES:
        return HPPNet(config)
    raise AmtError(f"hppnet: model.size {size!r} is unknown; choose one of {', '.join((*SIZES, *PUBLISHED))}")


class HPPNet(KeyNetwork):
    """Features ``(B, C, T, 352)`` -> the logits of :data:`amt_utils.config.KEY_ROLLS`, and ``pedal_cue``."""

    def __init__(self, config: Config):
        super().__init__()
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


class PublishedHPPNet(KeyNetwork):
    """The paper's network: ``published`` with one trunk for all heads, ``published-sp`` with two."""

    def __init__(self, config: Config):
        super().__init__()
        if config.feature.n_channels != 1:
            raise AmtError("hppnet, published: reads one CQT; set feature.kind to 'cqt'")
        alone = config.model.size == "published-sp"
        onset_heads = ("onset",) if alone else PUBLISHED_HEADS
        self.onset_net = PublishedSubnet(config, onset_heads, pairs_of_frames=False)
        self.frame_net = PublishedSubnet(config, PUBLISHED_HEADS[1:], pairs_of_frames=True) if alone else None
        self.pedal_head = NoPedals()

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        logits = self.onset_net(x)
        if self.frame_net is not None:
            logits |= self.frame_net(x)
        return {**logits, "key_offset": silent_logits(logits["onset"]), "pedal_cue": x.new_zeros(len(x), x.shape[2], 1)}


class PublishedSubnet(nn.Module):
    """A trunk and its heads: ``(B, 1, T, 352)`` -> logits ``(B, T, 88)`` by name."""

    def __init__(self, config: Config, heads: tuple[str, ...], *, pairs_of_frames: bool):
        super().__init__()
        stem, trunk = SIZES["base"][:2]
        octave, bins = config.feature.bins_per_octave, config.feature.bins_per_key
        self.trunk = nn.Sequential(
            *_published_conv(1, stem, (7, 7)),
            *_published_conv(stem, stem, (7, 7)),
            *_published_conv(stem, stem, (7, 7)),
            HDConv(stem, trunk, HARMONICS, bins_per_octave=octave, bias_everywhere=True),
            nn.ReLU(),
            *_published_conv(trunk, trunk, (1, 3), dilation=octave, pool=bins),
            *_published_conv(trunk, trunk, (1, 3), dilation=12),
            *(layer for _ in range(3) for layer in _published_conv(trunk, trunk, (5, 1))),
        )
        self.lstms = nn.ModuleDict({name: FrequencyGroupedLSTM(trunk, trunk // 2) for name in heads})
        self.heads = nn.ModuleDict({name: make_head(trunk) for name in heads})
        self.pairs_of_frames = pairs_of_frames

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        frames = x.shape[2]
        if self.pairs_of_frames:
            x = F.max_pool2d(F.pad(x, (0, 0, 0, frames % 2)), (2, 1))
        keys = self.trunk(x)  # (B, trunk, T or half of it, 88)
        logits = {name: self.heads[name](lstm(keys)).squeeze(-1) for name, lstm in self.lstms.items()}
        if self.pairs_of_frames:
            logits = {name: _spread_over_time(value, frames) for name, value in logits.items()}
        return logits


def _published_conv(
    c_in: int, c_out: int, kernel: tuple[int, int], *, dilation: int = 1, pool: int = 1
) -> list[nn.Module]:
    """Convolution that keeps ``(T, F)``, ReLU, max over ``pool`` bins, instance norm without parameters."""
    steps = (1, dilation)
    padding = (kernel[0] - 1) // 2, dilation * (kernel[1] - 1) // 2
    pooling = [nn.MaxPool2d((1, pool))] if pool > 1 else []
    return [
        nn.Conv2d(c_in, c_out, kernel, padding=padding, dilation=steps), nn.ReLU(), *pooling, nn.InstanceNorm2d(c_out)
    ]  # fmt: skip


def _spread_over_time(logits: Tensor, frames: int) -> Tensor:
    """Logits of pairs of frames ``(B, T / 2, 88)`` -> of frames ``(B, T, 88)``; probabilities are interpolated."""
    probability = torch.sigmoid(logits)[:, None]
    spread = F.interpolate(probability, size=(2 * logits.shape[1], logits.shape[2]), mode="bilinear")
    return torch.logit(spread[:, 0, :frames], eps=1e-7)
