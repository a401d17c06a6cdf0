"""Trains :mod:`.bar_network` on performances with known beats, and on simulated performances of more music.

It takes a minute. Random noise and hidden features prevent overfitting to the small number of compositions.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm.auto import tqdm

from ..music.notes import Performance
from .asap import Aligned, Annotations, find_performances
from .bar_features import BAR_FEATURES, describe_beats
from .bar_network import DILATIONS, LIMIT
from .events import find_events
from .playing import Music, play, written_music
from .sequenced import Sequenced
from .tunes import accompany_some

CHANNELS, MEMBERS = 48, 3
BATCH, LENGTH, STEPS = 32, 128, 500  # windows, beats
RATE, FINAL, WARMUP, AVERAGED = 2e-3, 0.02, 100, 0.995
NOISE, HIDDEN = 0.25, 0.08  # deviation of noise on standardised features; share of features set to 0
PLAYED, OWN, MORE = 1.0, 0.4, 0.25  # weights of performances, of their scores played anew, of other music
FEWEST_BARS = 4

Sequence = tuple[np.ndarray, np.ndarray, float]  # features (n, BAR_FEATURES), first (n,) 0 or 1, weight


class BarNetwork(nn.Module):
    """Standardised features ``(B, BAR_FEATURES, n)`` -> log odds ``(B, n)``."""

    def __init__(self) -> None:
        super().__init__()
        self.input = nn.Conv1d(BAR_FEATURES, CHANNELS, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Conv1d(CHANNELS, CHANNELS, 3, padding=dilation, dilation=dilation) for dilation in DILATIONS
        )
        self.output = nn.Conv1d(CHANNELS, 1, 1)
        self.dropout = nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.input(x))
        for block in self.blocks:
            hidden = hidden + torch.relu(block(self.dropout(hidden)))
        return self.output(self.dropout(hidden))[:, 0]


def learn_bars(
    folder: str | os.PathLike,
    sequenced: Iterable[Sequenced] = (),
    corpus: Iterable[Music] = (),
    *,
    steps: int = STEPS,
    seed: int = 1,
) -> dict[str, Tensor]:
    """Trains several networks; returns their weights by the names that :mod:`.bar_network` reads.

    Args:
        folder: in (n)ASAP's shape; held-out compositions are left out.
        sequenced: more pieces.
        corpus: more scores for simulated performances.
        steps: batches for each network.
        seed: random seed.
    """
    sequences = _read_sequences(folder, sequenced, corpus, np.random.default_rng(seed))
    mean = np.mean([x.mean(0) for x, _, _ in sequences], 0).astype(np.float32)
    scale = (1 / (np.sqrt(np.mean([x.var(0) for x, _, _ in sequences], 0)) + 1e-3)).astype(np.float32)
    weights: dict[str, Tensor] = {}
    for member in range(MEMBERS):
        net = _learn_one(sequences, mean, scale, steps, 1000 * seed + member)
        own = {**net, "mean": torch.from_numpy(mean), "scale": torch.from_numpy(scale)}
        weights |= {f"bars.{member}.{name}": value for name, value in own.items()}
    return weights


def _learn_one(
    sequences: list[Sequence], mean: np.ndarray, scale: np.ndarray, steps: int, seed: int
) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = BarNetwork()
    average = {name: value.clone() for name, value in net.state_dict().items()}
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=0.05)
    share = np.array([often for _, _, often in sequences])
    share /= share.sum()
    standard = [np.clip((x - mean) * scale, -LIMIT, LIMIT) for x, _, _ in sequences]
    for step in tqdm(range(steps), desc="bars", unit="step", mininterval=10):
        rate = min(1.0, (step + 1) / WARMUP) * (FINAL + (1 - FINAL) * 0.5 * (1 + np.cos(np.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = float(RATE * rate)
        features = np.zeros((BATCH, BAR_FEATURES, LENGTH), np.float32)
        first = np.full((BATCH, LENGTH), -1.0, np.float32)
        for row, which in enumerate(rng.choice(len(sequences), BATCH, p=share)):
            truth = sequences[which][1]
            begin = int(rng.integers(max(1, len(truth) - LENGTH + 1)))
            x, truth = standard[which][begin : begin + LENGTH], truth[begin : begin + LENGTH]
            x = x * np.exp(rng.normal(0, 0.1, BAR_FEATURES)) + rng.normal(0, NOISE, x.shape)
            x[:, rng.random(BAR_FEATURES) < HIDDEN] = 0
            features[row, :, : len(x)], first[row, : len(x)] = x.T, truth
        wanted = torch.from_numpy(first)
        known = wanted >= 0
        loss = functional.binary_cross_entropy_with_logits(net(torch.from_numpy(features))[known], wanted[known])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        decay = min(AVERAGED, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, value in net.state_dict().items():
                average[name].lerp_(value, 1 - decay)
    return average


def _read_sequences(
    folder: str | os.PathLike, sequenced: Iterable[Sequenced], corpus: Iterable[Music], rng: np.random.Generator
) -> list[Sequence]:
    performances: list[Aligned | Sequenced] = [own for own in find_performances(folder) if not own.held_out]
    performances += sequenced
    times = Counter(own.composition for own in performances)
    found = []
    for own in tqdm(performances, desc="reading bars", unit="performance"):
        often = PLAYED / times[own.composition] ** 0.7
        found.append(_sequence(own.performance, own.annotations, often))
        music = written_music(own) if len(own.alignment) else None
        if music is not None:
            found += [_sequence(*play(music, rng, notes=1200)[:2], OWN) for _ in range(2)]
    found += [_sequence(*play(accompany_some(music, rng), rng, notes=800)[:2], MORE) for music in corpus]
    return [sequence for sequence in found if sequence[1].sum() >= FEWEST_BARS]


def _sequence(performance: Performance, beats: Annotations, often: float) -> Sequence:
    features = describe_beats(performance.notes, find_events(performance.notes), beats.beats)
    return features, beats.first.astype(np.float32), often * len(beats.beats) ** 0.5
