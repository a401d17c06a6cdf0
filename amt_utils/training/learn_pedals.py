"""Trains the pedal head of ``residual_hcqt_hppnet`` alone, where a step costs a hundredth of the whole network's.

First on performances: which keys are up while their notes sound, and which notes end together, carries most of the
information. MAESTRO's MIDI has two hundred hours of it; its rolls are blurred as the network's outputs are
(:mod:`.blurring`). Then on the network's features of one-minute windows of audio. The other weights are frozen.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from ..config import Config
from ..models import Transcriptor
from ..models.residual import PEDAL_ROLLS, ResidualHPPNet
from ..music.notes import HIGHEST_PITCH, LOWEST_PITCH, Performance
from ..system.errors import AmtError
from .blurring import make_blurred_rolls
from .learn_velocities import miss_soft
from .optimizer import learn_alone
from .targets import make_rolls
from .variations import RINGING, excerpt
from .windows import WindowDataset

NOTES_SECONDS, NOTES_BATCH, NOTES_RATE = 20.0, 12, 2e-3  # training on performances
EXACT = 0.2  # share of these whose rolls are exact, not blurred
SOUND_SECONDS, SOUND_CROP, SOUND_BATCH, SOUND_RATE = 60.0, 30.0, 8, 1e-3  # training on audio
FINAL_RATE, AVERAGED = 0.02, 0.99  # of the rate, at the end; decay of the averaged weights
DROPPED_SOUND, DROPPED_ROLLS = 0.2, 0.03  # dropout, to avoid overfitting the few minutes
JUDGED = 12  # one minute in so many is held out for validation

Batch = tuple[Tensor, Tensor | None, Tensor]  # notes (B, T, 352), sound (B, T, C) or None, pedals (B, T, 3)
Minute = tuple[Tensor, Tensor, Tensor]  # the same of one window, without B, in half precision


class Pedals(nn.Module):
    """A network's pedal layers: notes, and sound features if given -> logits ``(B, T, 3)``."""

    def __init__(self, network: ResidualHPPNet):
        super().__init__()
        self.cue, self.head = network.pedal_cue, network.pedal_head

    def forward(self, rolls: Tensor, sound: Tensor | None = None) -> Tensor:
        return self.head(self.cue(rolls, sound))


def learn_from_notes(pedals: Pedals, performances: list[Performance], config: Config, *, steps: int, seed: int = 1):
    """Trains ``steps`` batches of blurred rolls of transposed, faster or slower excerpts, with soft notes missing."""
    performances = [p for p in performances if len(p.notes) > 1]
    if not performances:
        raise AmtError("no notes to learn from: none of the MIDI files has any")
    rng = np.random.default_rng(seed)
    seconds = np.array([p.notes["onset"][-1] for p in performances])

    def draw() -> Batch:
        chosen = rng.choice(len(performances), NOTES_BATCH, p=seconds / seconds.sum())
        windows = [_draw_window(performances[i], config, rng) for i in chosen]
        rolls, played = (torch.from_numpy(np.stack(x)) for x in zip(*windows, strict=True))
        return rolls, None, played

    how: dict[str, Any] = {"rate": NOTES_RATE, "final_rate": FINAL_RATE, "weight_decay": 1e-3, "ema_decay": AVERAGED}
    learn_alone(pedals, lambda: _loss(pedals, *draw()), steps=steps, name="from notes", **how)


def _draw_window(performance: Performance, config: Config, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    speed = rng.uniform(0.8, 1.25)
    begin = rng.uniform(0, max(0.01, performance.notes["onset"][-1] - NOTES_SECONDS * speed))
    near = excerpt(performance, begin, NOTES_SECONDS, speed)
    notes = near.notes.copy()
    notes["pitch"] += rng.integers(-5, 6)
    notes = miss_soft(notes, rng)
    notes = notes[(notes["pitch"] >= LOWEST_PITCH) & (notes["pitch"] <= HIGHEST_PITCH)]
    n_frames = round(NOTES_SECONDS / config.feature.frame_seconds)
    make = make_rolls if rng.random() < EXACT else functools.partial(make_blurred_rolls, rng=rng)
    rolls = make(Performance(notes, near.pedals), n_frames, config, start=RINGING)
    together = np.concatenate([rolls[name] for name in PEDAL_ROLLS], axis=1)
    if rng.random() < 0.7:  # some keys have lower probabilities than others
        together = together * rng.uniform(0.75, 1.0, size=together.shape[1:]).astype(np.float32)
    return together, rolls["pedal"]


def learn_from_sound(model: Transcriptor, config: Config, *, windows: int, steps: int, seed: int = 1) -> float:
    """Trains ``steps`` batches of half-minutes out of ``windows`` minutes, whose features are computed once.

    One minute in twelve is held out; the weights with the lowest loss there are kept. Returns that loss.
    """
    minutes = list(tqdm(_listen(model, config, windows, seed), total=windows, desc="listening", unit="window"))
    return learn_from_minutes(Pedals(cast(ResidualHPPNet, model.network)), minutes, config, steps=steps, seed=seed)


def learn_from_minutes(pedals: Pedals, minutes: list[Minute], config: Config, *, steps: int, seed: int = 1) -> float:
    """As :func:`learn_from_sound`, from computed features."""
    judging, learning = minutes[::JUDGED], [m for i, m in enumerate(minutes) if i % JUDGED]
    if not learning:
        raise AmtError(f"{len(minutes)} windows are too few to learn from; 2 are the least")
    crop = round(SOUND_CROP / config.feature.frame_seconds)
    rng = np.random.default_rng(seed)

    def draw() -> Batch:
        parts = []
        for i in rng.integers(len(learning), size=SOUND_BATCH):
            begin = rng.integers(len(learning[i][0]) - crop + 1)
            parts.append([x[begin : begin + crop].float() for x in learning[i]])
        rolls, sound, played = (torch.stack(x) for x in zip(*parts, strict=True))
        kept = torch.rand(len(rolls), 1, rolls.shape[2]) >= DROPPED_ROLLS
        return rolls * kept, F.dropout(sound, DROPPED_SOUND), played

    def judge(taught: Pedals) -> float:
        with torch.inference_mode():
            losses = [_loss(taught, *(x[None].float() for x in minute)) for minute in judging]
        return float(torch.stack(losses).mean())

    how: dict[str, Any] = {"rate": SOUND_RATE, "final_rate": FINAL_RATE, "weight_decay": 1e-2, "ema_decay": AVERAGED}
    return learn_alone(pedals, lambda: _loss(pedals, *draw()), steps=steps, name="from sound", judge=judge, **how)


def _listen(model: Transcriptor, config: Config, windows: int, seed: int) -> Iterator[Minute]:
    """Notes, sound and pedals of training windows, ``(T, …)`` each, float16."""
    config = config.replace(data={"window_seconds": SOUND_SECONDS}, train={"seed": seed})
    dataset, network = WindowDataset(config), cast(ResidualHPPNet, model.network)
    for item in map(dataset.__getitem__, range(windows)):
        with torch.inference_mode():
            _, rolls, sound = network.read_keys(model.feature(item["audio"][None]))
        yield rolls[0].half().clone(), sound[0].half().clone(), item["pedal"].half().clone()


def _loss(pedals: Pedals, rolls: Tensor, sound: Tensor | None, played: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(pedals(rolls, sound), played)
