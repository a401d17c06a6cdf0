"""Parts that the networks share: convolutions with norm, harmonic dilated convolution, frequency-grouped LSTM."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import Config
from ..errors import AmtError
from ..hcqt import make_feature
from ..notes import N_KEYS, PEDAL_NAMES

HEADS = ("onset", "offset", "key_offset", "frame", "velocity")  # each (B, T, 88); "pedal" is (B, T, 3)
ONSET_PRIOR = 0.01  # probability the onset and offset heads start from: 99.9 % of their cells are zero
BLOCK, CONTEXT = 120, 60  # frames: what an LSTM decides at once when transcribing, and hears on either side of it
PIECE = 30_000  # frames: ten minutes of what is read as a whole


class Transcriptor(nn.Module):
    """Audio ``(B, n)`` -> features -> network -> logits: :data:`HEADS` ``(B, T, 88)`` and ``pedal`` ``(B, T, 3)``.

    ``T = n // hop + 1``; frame ``t`` is centred at sample ``t * hop``. The network gives the keys' logits and
    ``pedal_cue`` ``(B, T, C)``, which its ``pedal_head`` turns into the pedals' logits.
    """

    def __init__(self, config: Config, network: nn.Module):
        super().__init__()
        self.config = config
        self.feature = make_feature(config.feature)
        self.network = network

    def forward(self, audio: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            features = self.feature(audio)  # (B, C, T, bins)
        return self.read(features)

    def read(self, features: Tensor) -> dict[str, Tensor]:
        """Features ``(B, C, T, bins)`` -> logits."""
        logits = self.network(features)
        logits["pedal"] = self.network.pedal_head(logits.pop("pedal_cue"))
        return logits


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
    """Adds a bias per channel and place on the frequency axis to ``(B, C, T, F)``; begins at zero."""

    def __init__(self, channels: int, places: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels, 1, places))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


class HDConv(nn.Module):
    """Harmonic dilated convolution (Wei et al., "HPPNet", ISMIR 2022): parallel 1×3 convolutions, summed.

    The branch of harmonic ``k`` is dilated by ``round(bins_per_octave * log2(k))`` bins, so that its outer taps
    sit on the k-th harmonic and the k-th sub-harmonic of its centre. ``k = 1`` is an ordinary 1×3 convolution.
    All branches have the same centre: the first alone hears it, the others have their outer two taps.
    """

    def __init__(self, c_in: int, c_out: int, harmonics: tuple[int, ...], *, bins_per_octave: int):
        super().__init__()
        first, *others = [max(1, round(bins_per_octave * math.log2(k))) for k in harmonics]
        self.branches = nn.ModuleList(
            [nn.Conv2d(c_in, c_out, (1, 3), padding=(0, first), dilation=(1, first))]
            + [nn.Conv2d(c_in, c_out, (1, 2), padding=(0, d), dilation=(1, 2 * d), bias=False) for d in others]
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(B, c_in, T, F)`` -> ``(B, c_out, T, F)``."""
        return sum(branch(x) for branch in self.branches)

    def _load_from_state_dict(self, state_dict, prefix, *args):
        """Weights from when each branch had a centre of its own: the first takes their sum."""
        first = f"{prefix}branches.0.weight"
        for i in range(1, len(self.branches)):
            weight = state_dict.get(f"{prefix}branches.{i}.weight")
            if weight is not None and weight.shape[-1] == 3 and first in state_dict:
                state_dict[first] = state_dict[first] + F.pad(weight[..., 1:2], (1, 1))
                state_dict[f"{prefix}branches.{i}.weight"] = weight[..., ::2]
        super()._load_from_state_dict(state_dict, prefix, *args)


class Intervals(nn.Module):
    """Adds up what each channel hears at every interval, by weights of its own: ``(B, C, T, 88)`` -> the same shape.

    A depthwise convolution along the keys, ``reach`` semitones up and down: octave, twelfth and seventeenth lie in it
    as well as everything between. It begins at zero. Done as a product with one matrix per channel, which CPUs do
    several times faster than so long a convolution.
    """

    def __init__(self, channels: int, reach: int):
        super().__init__()
        self.template = nn.Parameter(torch.zeros(channels, 2 * reach + 1))
        key = torch.arange(N_KEYS)
        # what key i tells key j is the weight of the interval i - j
        self.register_buffer("interval", N_KEYS - 1 + key[:, None] - key, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        beyond = N_KEYS - 1 - self.template.shape[1] // 2
        return x @ F.pad(self.template, (beyond, beyond))[:, self.interval]  # (B, C, T, 88) @ (C, 88, 88)


def run_in_blocks(lstm: nn.LSTM, x: Tensor) -> Tensor:
    """A bidirectional LSTM over time, ``(T, N, C)`` -> ``(T, N, 2 * hidden)``, that can be cut where one likes.

    Training: one pass over the window. Transcribing: blocks of :data:`BLOCK` frames, counted from the first one, each
    with :data:`CONTEXT` frames on either side (beyond the ends: the outermost frame again). What a frame is told is
    then the same in a long recording as in a chunk of it that begins on a block, however long the LSTM remembers.
    """
    if lstm.training:
        return lstm(x)[0]
    length, batch, _ = x.shape
    begins = BLOCK * torch.arange((length + BLOCK - 1) // BLOCK, device=x.device)
    frames = begins + torch.arange(-CONTEXT, BLOCK + CONTEXT, device=x.device)[:, None]
    blocks = x[frames.clamp(0, length - 1)]  # (CONTEXT + BLOCK + CONTEXT, blocks, N, C)
    out = lstm(blocks.flatten(1, 2))[0].unflatten(1, (-1, batch))[CONTEXT : CONTEXT + BLOCK]
    return out.transpose(0, 1).flatten(0, 1)[:length]


def run_in_pieces(lstm: nn.LSTM, x: Tensor, *, piece: int = PIECE) -> Tensor:
    """``lstm(x)[0]`` of a bidirectional LSTM, ``(N, T, C)`` -> ``(N, T, 2 * hidden)``, in the memory of a piece.

    Each direction goes over the pieces in its own order and carries its state from one to the next. What is kept in
    half precision becomes whole piece by piece, and what comes of it is kept so again.
    """
    pieces, dtype = x.split(piece, dim=1), lstm.weight_ih_l0.dtype
    if len(pieces) == 1:
        return lstm(x.to(dtype))[0]
    directions = []
    for direction in (slice(0, lstm.hidden_size), slice(lstm.hidden_size, None)):
        order = 1 if direction.start == 0 else -1
        out, state = [], None
        for part in pieces[::order]:
            told, state = lstm(part.to(dtype), state)
            out.append(told[..., direction].to(x.dtype))
        directions.append(torch.cat(out[::order], dim=1))
    return torch.cat(directions, dim=-1)


class FrequencyGroupedLSTM(nn.Module):
    """One bidirectional LSTM over time for all keys (FG-LSTM): ``(B, C, T, 88)`` -> ``(B, T, 88, 2 * hidden)``."""

    def __init__(self, c_in: int, hidden: int):
        super().__init__()
        self.lstm = nn.LSTM(c_in, hidden, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, time, keys = x.shape
        # time first: from channels-last memory whole keyboards are copied at once
        out = run_in_blocks(self.lstm, x.permute(2, 0, 3, 1).flatten(1, 2))
        return out.reshape(time, batch, keys, -1).transpose(0, 1).contiguous()


class PedalCue(nn.Module):
    """What the pedals are told from: notes ``(B, T, rolls)`` and sound ``(B, T, sound)`` -> ``(B, T, cues)``.

    Much of the pedal is told by the notes alone: which keys are up while their notes go on, which end together. This
    part can be learnt from MIDI, without any sound (:mod:`amt_utils.learn_pedals`).
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
    """The pedals' cues ``(B, T, C)`` -> bidirectional LSTM, with ``deep`` a second one -> logits ``(B, T, 3)``.

    How long this room and this piano ring is learnt over minutes: unlike the keys', its memory is not cut, and it
    reads a recording when all of it has been heard.
    """

    def __init__(self, c_in: int, hidden: int, *, deep: bool = False):
        super().__init__()
        self.lstm = nn.LSTM(c_in, hidden, batch_first=True, bidirectional=True)
        self.second_lstm = nn.LSTM(2 * hidden, hidden, batch_first=True, bidirectional=True) if deep else None
        self.out = nn.Linear(2 * hidden, len(PEDAL_NAMES))

    def forward(self, cue: Tensor) -> Tensor:
        heard = run_in_pieces(self.lstm, cue)
        if self.second_lstm is not None:
            heard = run_in_pieces(self.second_lstm, heard)
        return torch.cat([self.out(part.to(self.out.weight.dtype)) for part in heard.split(PIECE, dim=1)], dim=1)


def pool_keyboard(x: Tensor) -> Tensor:
    """Mean and max over the keys: ``(B, C, T, 88)`` -> ``(B, T, 2 C)``."""
    return torch.cat([x.mean(-1), x.amax(-1)], dim=1).transpose(1, 2)


def read_floor(x: Tensor, bins: int) -> Tensor:
    """The lowest value of every ``bins`` neighbouring bins: ``(B, C, T, F)`` -> ``(B, T, C * F // bins)``."""
    floor = -F.max_pool2d(-x, (1, bins))  # (B, C, T, F // bins)
    return floor.permute(0, 2, 1, 3).flatten(2)


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
    folded = x.reshape(batch, channels, time, bins // bins_per_key, bins_per_key).permute(0, 1, 4, 2, 3)
    folded = folded.reshape(batch, channels * bins_per_key, time, bins // bins_per_key)
    return folded.contiguous(memory_format=torch.channels_last)
