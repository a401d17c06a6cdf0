"""Onsets and Frames (Hawthorne et al., ISMIR 2018; sizes of the 2019 MAESTRO paper) on log-mel.

A convolution stack and a BiLSTM per head; the frame head is fed by the onset and offset heads, detached.
``published`` is the MAESTRO paper's network, 26 million parameters: its velocity stack has no BiLSTM, and it has no
key ends and no pedals (those logits are constants). ``tiny`` and ``base`` have a BiLSTM for velocity too, and heads for
key ends and pedals, so that they can be trained and compared like the others.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..config import KEY_ROLLS, Config
from ..music.notes import N_KEYS
from ..system.errors import AmtError
from .blocks import ONSET_PRIOR, KeyNetwork, NoPedals, PedalHead, set_prior, silent_logits

SIZES = {"tiny": 8, "base": 48, "published": 48}  # channels of the first convolutions; 48 is the MAESTRO paper's


class OnsetsFrames(KeyNetwork):
    """Features ``(B, C, T, bins)`` -> the logits of :data:`amt_utils.config.KEY_ROLLS`, and ``pedal_cue``."""

    def __init__(self, config: Config):
        super().__init__()
        size = config.model.size
        if size not in SIZES:
            raise AmtError(f"onsets_frames: model.size {size!r} is unknown; choose one of {', '.join(SIZES)}")
        width = SIZES[size]
        published = size == "published"
        names = tuple(name for name in KEY_ROLLS if not published or name != "key_offset")
        without_lstm = {"frame", "velocity"} if published else {"frame"}
        bins, channels, out = config.feature.n_bins, config.feature.n_channels, 16 * width
        self.stacks = nn.ModuleDict({name: ConvStack(channels, bins, width, out) for name in names})
        hidden = out // 2
        self.lstms = nn.ModuleDict(
            {name: nn.LSTM(out, hidden, bidirectional=True) for name in names if name not in without_lstm}
        )
        heads = {name: nn.Linear(out, N_KEYS) for name in names}
        self.heads = nn.ModuleDict(heads)
        self.frame_lstm = nn.LSTM(3 * N_KEYS, hidden, bidirectional=True)
        self.frame_head = nn.Linear(2 * hidden, N_KEYS)
        for name in {"onset", "offset", "key_offset"} & set(names):
            set_prior(heads[name], ONSET_PRIOR)
        self.pedal_head = NoPedals() if published else PedalHead(out, hidden)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        hidden = {name: stack(x) for name, stack in self.stacks.items()}  # (B, T, out)
        recurrent = {name: _over_time(lstm, hidden[name]) for name, lstm in self.lstms.items()}
        logits = {name: head((hidden | recurrent)[name]) for name, head in self.heads.items()}
        detached = [torch.sigmoid(logits[name]).detach() for name in ("onset", "offset")]
        joined = torch.cat([torch.sigmoid(logits["frame"]), *detached], dim=-1)
        logits["frame"] = self.frame_head(_over_time(self.frame_lstm, joined))
        if "key_offset" not in logits:
            logits["key_offset"] = silent_logits(logits["onset"])
        return {**logits, "pedal_cue": hidden["frame"]}


def _over_time(lstm: nn.Module, x: Tensor) -> Tensor:
    """``(B, T, C)`` -> ``(B, T, 2 * hidden)`` by an ``nn.LSTM`` that takes time first."""
    return lstm(x.transpose(0, 1))[0].transpose(0, 1)


class ConvStack(nn.Module):
    """3×3 convolutions, two halvings of frequency, one linear layer per frame: ``(B, C, T, F)`` -> ``(B, T, out)``."""

    def __init__(self, c_in: int, bins: int, width: int, out: int):
        super().__init__()
        self.convolutions = nn.Sequential(
            *_conv(c_in, width),
            *_conv(width, width),
            nn.MaxPool2d((1, 2)),
            nn.Dropout(0.25),
            *_conv(width, 2 * width),
            nn.MaxPool2d((1, 2)),
            nn.Dropout(0.25),
        )
        self.linear = nn.Sequential(nn.Linear(2 * width * (bins // 4), out), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.convolutions(x).transpose(1, 2).flatten(2))


def _conv(c_in: int, c_out: int) -> list[nn.Module]:
    return [nn.Conv2d(c_in, c_out, 3, padding=1), nn.BatchNorm2d(c_out), nn.ReLU()]
