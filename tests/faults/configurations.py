"""Configurations with values that no training survives."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import torch

from amt_utils.config import Config, load_config
from amt_utils.models import build_model
from amt_utils.music.notes import Performance, make_notes
from amt_utils.training.losses import compute_losses, total_loss
from amt_utils.training.optimizer import choose_precision, learning_rate, make_optimizer
from amt_utils.training.targets import make_rolls

from . import damage, kind

ODD = (
    0, -1, 1, 2, 3, 7, 12, 1e-9, 0.5, 1e9, -1e9, 10**400, float("nan"), float("inf"), True, None, "", "x", "é" * 5_000,
    "a\x00b", [], [0], [1.0, 2.0], ["x"], [None], [[1]], {}, {"a": 1}, 22_050, 44_100, 441, 36, 24, "grid", "dice",
    "cqt", "logmel", "instance", "unet", "hppnet", "onsets_frames", "tiny", "32", "adamw",
)  # fmt: skip


@kind("configurations", full=200, few=15)
def configurations(rng: np.random.Generator, folder: Path) -> None:
    """A field or two get odd values, or the text is damaged: refused by name, or a network that learns."""
    values = Config().replace(model={"size": "micro"}, data={"recordings": ("folder",)}).to_dict()
    for _ in range(int(rng.integers(1, 3))):
        section = str(rng.choice(sorted(values)))
        name = str(rng.choice(sorted(values[section]))) if isinstance(values[section], dict) else ""
        odd = ODD[int(rng.integers(len(ODD)))]
        if name and rng.random() < 0.7:
            odd = at_the_edge(section, name, rng)
        if not name or rng.random() < 0.05:
            values[section] = odd
        else:
            values[section]["surprise" if rng.random() < 0.05 else name] = odd
    text = json.dumps(values)
    if rng.random() < 0.1:
        text = str(rng.choice(["[" * 100_000, "", "null", "[]", "{", '{"model": 3}', "\ufeff{}"]))
    content = text.encode("utf-8")
    if rng.random() < 0.1:
        content = damage(content, rng)
    path = folder / "odd.json"
    path.write_bytes(content)
    try:
        config = load_config(path)
    except Exception as error:
        assert str(path) in str(error), f"does not name the file: {error}"
        raise
    assert Config.from_dict(config.to_dict()) == config
    learn_a_step(config)


def at_the_edge(section: str, name: str, rng: np.random.Generator) -> object:
    """The least, the largest or one of the words that a field takes; what it has where it takes all."""
    field = next(f for f in dataclasses.fields(getattr(Config(), section)) if f.name == name)
    value = getattr(getattr(Config(), section), name)
    if "words" in field.metadata:
        return str(rng.choice(field.metadata["words"]))
    if "low" not in field.metadata:
        return (not value) if isinstance(value, bool) else value
    edge = field.metadata[str(rng.choice(["low", "high"]))]
    edge = edge if "float" in str(field.type) else int(edge)
    return [edge] if isinstance(value, tuple) else edge


def learn_a_step(config: Config) -> None:
    """A second of silence with one note: features, network, losses, one step."""
    rate = config.feature.sample_rate
    audio = torch.zeros(1, rate)
    notes = make_notes([0.2], [0.5], [60], [64])
    frames = rate // config.feature.hop_length + 1
    rolls = make_rolls(Performance(notes), frames, config)
    batch = {name: torch.from_numpy(roll)[None] for name, roll in rolls.items()}
    batch["mask"] = torch.ones(1, frames)
    model = build_model(config)
    optimizer = make_optimizer(model, config)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(config, 0)
    logits = model(audio)
    assert logits["onset"].shape == (1, frames, 88)
    loss = total_loss(compute_losses(logits, batch, config.loss), config.loss)
    assert torch.isfinite(loss)
    if loss.requires_grad and float(loss.detach()):
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.train.clip_norm)
        optimizer.step()
    choose_precision(config.train.precision)
