"""Parts that the networks share: convolutions with norm, harmonic dilated convolution, frequency-grouped LSTM."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..audio.features import make_feature
from ..audio.windows import key_cut, pedal_cut
from ..config import Config
from ..music.notes import N_KEYS, PEDAL_NAMES
from ..system.errors import AmtError

ONSET_PRIOR = 0.01  # probability the onset and offset heads start from: 99.9 % of their cells are zero
SILENT_LOGIT = -12.0  # probability 6e-6


class KeyNetwork(nn.Module):
    """A network: features ``(B, C, T, bins)`` -> logits of :data:`.KEY_ROLLS` ``(B, T, 88)`` and ``pedal_cue``.

    ``pedal_head`` turns ``pedal_cue`` ``(B, T, C)`` into the pedals' logits ``(B, T, 3)``.

    Attributes:
        context: frames on either side of a window that its convolutions see and its LSTMs do not
            (:meth:`read_window`).
    """

    pedal_head: nn.Module
    context = 0

    def read_window(self, x: Tensor) -> dict[str, Tensor]:
        """Features of a window and of ``context`` frames on either side -> the window's logits."""
        return self(x)


class Transcriptor(nn.Module):
    """Audio ``(B, n)`` -> features -> network -> logits: :data:`.KEY_ROLLS` ``(B, T, 88)`` and ``pedal`` ``(B, T, 3)``.

    ``T = n // hop + 1``; frame ``t`` is centred at sample ``t * hop``. The network gives the keys' logits and
    ``pedal_cue`` ``(B, T, C)``, which its ``pedal_head`` turns into the pedals' logits.
    """

    def __init__(self, config: Config, network: KeyNetwork):
        super().__init__()
        self.config = config
        self.feature = make_feature(config.feature)
        self.network = network

    def forward(self, audio: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            features = self.feature(audio)  # (B, C, T, bins)
        return self.read(features)

    def read(self, features: Tensor) -> dict[str, Tensor]:
        """Features ``(B, C, T, bins)`` -> logits. In eval mode, in the windows of a transcription."""
        if self.training:
            logits = self.network(features)
            return logits | {"pedal": self.network.pedal_head(logits.pop("pedal_cue"))}
        config, context = self.config.feature, self.network.context
        parts: dict[str, list[Tensor]] = {}
        padded = F.pad(features, (0, 0, context, context))  # with silence, which is zero
        for window in key_cut(config).windows(features.shape[2]):
            for name, value in self.network.read_window(padded[:, :, window.begin : window.end + 2 * context]).items():
                parts.setdefault(name, []).append(value[:, window.kept])
        logits = {name: torch.cat(values, dim=1) for name, values in parts.items()}
        cue = logits.pop("pedal_cue")
        pedal = [
            self.network.pedal_head(cue[:, window.begin : window.end])[:, window.kept]
            for window in pedal_cut(config).windows(cue.shape[1])
        ]
        return logits | {"pedal": torch.cat(pedal, dim=1)}


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


class Register(nn.Module):
    """Adds a bias per channel and position on the frequency axis to ``(B, C, T, F)``; zero at initialisation."""

    def __init__(self, channels: int, places: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels, 1, places))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


class HDConv(nn.Module):
    """Harmonic dilated convolution (Wei et al., "HPPNet", ISMIR 2022): parallel 1×3 convolutions, summed.

    The branch of harmonic ``k`` is dilated by ``round(bins_per_octave * log2(k))`` bins, so that its outer taps
    are at the k-th harmonic and the k-th sub-harmonic of its centre. ``k = 1`` is an ordinary 1×3 convolution.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        harmonics: tuple[int, ...],
        *,
        bins_per_octave: int,
        bias_everywhere: bool = False,  # as published; since the branches are summed, one bias is equivalent
    ):
        super().__init__()
        dilations = [max(1, round(bins_per_octave * math.log2(k))) for k in harmonics]
        self.branches = nn.ModuleList(
            nn.Conv2d(c_in, c_out, (1, 3), padding=(0, d), dilation=(1, d), bias=bias_everywhere or i == 0)
            for i, d in enumerate(dilations)
        )

    def taps(self) -> list[tuple[Tensor, Tensor | None, int]]:
        """Weight, bias and dilation of equivalent convolutions to sum.

        The centre taps of all branches are merged into the first; the others keep only their outer two taps.
        """
        branches = [cast(nn.Conv2d, branch) for branch in self.branches]
        first, *others = branches
        weight = first.weight
        if others:
            centre = functools.reduce(torch.add, (branch.weight[..., 1:2] for branch in others))
            weight = weight + F.pad(centre, (1, 1))
        bias = functools.reduce(torch.add, (branch.bias for branch in branches if branch.bias is not None))
        return [
            (weight, bias, first.dilation[1]),
            *((branch.weight[..., ::2], None, 2 * branch.dilation[1]) for branch in others),
        ]

    def forward(self, x: Tensor) -> Tensor:
        """``(B, c_in, T, F)`` -> ``(B, c_out, T, F)``."""
        return sum_convolutions(x, self.taps())


def sum_convolutions(x: Tensor, taps: Iterable[tuple[Tensor, Tensor | None, int]]) -> Tensor:
    """The sum of convolutions over frequency that keep it, each given by weight, bias and dilation."""
    parts = (
        F.conv2d(x, weight, bias, padding=(0, dilation * (weight.shape[-1] - 1) // 2), dilation=(1, dilation))
        for weight, bias, dilation in taps
    )
    return functools.reduce(torch.add, parts)  # one after the other, to save memory


class Intervals(nn.Module):
    """Depthwise convolution along the keys, ``reach`` semitones up and down: ``(B, C, T, 88)`` -> the same shape.

    Each channel has its own weight for every interval; they are zero at initialisation. It is computed as a product
    with one matrix per channel, several times faster on CPUs than so long a convolution.
    """

    interval: Tensor

    def __init__(self, channels: int, reach: int):
        super().__init__()
        self.template = nn.Parameter(torch.zeros(channels, 2 * reach + 1))
        key = torch.arange(N_KEYS)
        # the weight from key i to key j is that of the interval i - j
        self.register_buffer("interval", N_KEYS - 1 + key[:, None] - key, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        beyond = N_KEYS - 1 - self.template.shape[1] // 2
        return x @ F.pad(self.template, (beyond, beyond))[:, self.interval]  # (B, C, T, 88) @ (C, 88, 88)


class FrequencyGroupedLSTM(nn.Module):
    """One bidirectional LSTM over time for all keys (FG-LSTM): ``(B, C, T, 88)`` -> ``(B, T, 88, 2 * hidden)``."""

    def __init__(self, c_in: int, hidden: int):
        super().__init__()
        self.lstm = nn.LSTM(c_in, hidden, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, time, keys = x.shape
        # time first: from channels-last memory all keys of a frame are copied at once
        out = self.lstm(x.permute(2, 0, 3, 1).flatten(1, 2))[0]
        return out.reshape(time, batch, keys, -1).transpose(0, 1).contiguous()


class PedalCue(nn.Module):
    """Input features of the pedal head: notes ``(B, T, rolls)`` and sound ``(B, T, sound)`` -> ``(B, T, cues)``.

    Notes alone carry much information on the pedal: which keys are up while their notes sound, which notes end
    together. This part can be trained on MIDI without audio (:mod:`amt_utils.training.learn_pedals`).
    """

    def __init__(self, rolls: int, sound: int, cues: int):
        super().__init__()
        self.rolls = nn.Linear(rolls, cues)
        self.sound = nn.Linear(sound, cues)
        self.time = nn.Conv1d(cues, cues, 5, padding=2)

    def forward(self, rolls: Tensor, sound: Tensor | None = None) -> Tensor:
        x = F.relu(self.rolls(rolls) if sound is None else self.rolls(rolls) + self.sound(sound))
        return F.relu(x + self.time(x.transpose(1, 2)).transpose(1, 2))


class PedalHead(nn.Module):
    """Pedal features ``(B, T, C)`` -> bidirectional LSTM, with ``deep`` a second one -> logits ``(B, T, 3)``.

    It adapts to the reverberation of room and piano over minutes; in transcription its windows are ten minutes long.
    """

    def __init__(self, c_in: int, hidden: int, *, deep: bool = False):
        super().__init__()
        self.lstm = nn.LSTM(c_in, hidden, batch_first=True, bidirectional=True)
        self.second_lstm = nn.LSTM(2 * hidden, hidden, batch_first=True, bidirectional=True) if deep else None
        self.out = nn.Linear(2 * hidden, len(PEDAL_NAMES))

    def forward(self, cue: Tensor) -> Tensor:
        hidden = self.lstm(cue)[0]
        if self.second_lstm is not None:
            hidden = self.second_lstm(hidden)[0]
        return self.out(hidden)


class NoPedals(nn.Module):
    """Pedal head of networks without pedals: ``(B, T, C)`` -> constant negative logits ``(B, T, 3)``."""

    def forward(self, cue: Tensor) -> Tensor:
        return silent_logits(cue[..., :1]).expand(-1, -1, len(PEDAL_NAMES))


def silent_logits(like: Tensor) -> Tensor:
    """Constant negative logits of the same shape, without a gradient."""
    return torch.full_like(like, SILENT_LOGIT, requires_grad=False)


def pool_keyboard(x: Tensor) -> Tensor:
    """Mean and max over the keys: ``(B, C, T, 88)`` -> ``(B, T, 2 C)``."""
    return torch.cat([x.mean(-1), x.amax(-1)], dim=1).transpose(1, 2)


def read_floor(x: Tensor, bins: int) -> Tensor:
    """The lowest value of every ``bins`` neighbouring bins: ``(B, C, T, F)`` -> ``(B, T, C * F // bins)``."""
    floor = -F.max_pool2d(-x, (1, bins))  # (B, C, T, F // bins)
    return floor.permute(0, 2, 1, 3).flatten(2)


def make_head(c_in: int, *, prior: float | None = None) -> nn.Linear:
    """A linear layer to one logit per key, initialised to probability ``prior``."""
    head = nn.Linear(c_in, 1)
    if prior is not None:
        set_prior(head, prior)
    return head


def set_prior(head: nn.Linear, prior: float) -> None:
    """Initialises the bias of a layer of logits to probability ``prior``."""
    nn.init.constant_(head.bias, math.log(prior / (1 - prior)))


def pool_to_keys(x: Tensor, bins_per_key: int) -> Tensor:
    """Max over each key's bins: ``(B, C, T, 88 * bins_per_key)`` -> ``(B, C, T, 88)``."""
    return F.max_pool2d(x, (1, bins_per_key))


def fold_to_keys(x: Tensor, bins_per_key: int) -> Tensor:
    """Each key's bins as channels: ``(B, C, T, 88 * bins_per_key)`` -> ``(B, C * bins_per_key, T, 88)``."""
    batch, channels, time, bins = x.shape
    folded = x.reshape(batch, channels, time, bins // bins_per_key, bins_per_key).permute(0, 1, 4, 2, 3)
    folded = folded.reshape(batch, channels * bins_per_key, time, bins // bins_per_key)
    return folded.contiguous(memory_format=torch.channels_last)
