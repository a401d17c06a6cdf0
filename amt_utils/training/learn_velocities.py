"""Trains :class:`amt_utils.models.velocities.VelocityNetwork` on performances alone.

The errors of a transcription are simulated: keys voiced louder or softer, a tilt over the keyboard, a velocity layer
that is too loud, noise; soft notes are missed. The network learns to undo them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..models.velocities import DESCRIPTION, VelocityNetwork
from ..music.notes import LOWEST_PITCH, N_KEYS, Performance
from ..system.errors import AmtError
from ..transcription.velocities import SPREAD, describe_notes, reading_order
from .optimizer import learn_alone

LENGTHS = (300, 600, 1000)  # notes of a window
BATCH = 12
LEARNING_RATE = 3e-3
AVERAGED = 0.995  # decay of the averaged weights
TOLERABLE = 7.0  # velocities: about mir_eval's tolerance; the loss saturates beyond
MISSED = ([1, 10, 20, 30, 40, 60], [0.8, 0.7, 0.25, 0.08, 0.03, 0.015])  # velocity -> share of notes that are missed


def miss_soft(notes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Drops notes at random, soft ones more often, as a transcription misses them."""
    return notes[rng.random(len(notes)) > np.interp(notes["velocity"], *MISSED)]


def add_noise(notes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Notes as played -> onset, pitch, velocity with noise and as played, of the notes found, in reading order."""
    notes = miss_soft(notes, rng)
    onset = notes["onset"] + rng.normal(0, 0.004, len(notes))
    order = reading_order(onset, notes["pitch"])
    onset, key = np.maximum.accumulate(onset[order]), notes["pitch"][order] - LOWEST_PITCH
    played = notes["velocity"][order].astype(np.float64)
    keyboard = np.linspace(-1, 1, N_KEYS)
    voicing = rng.normal(0, rng.uniform(2, 7.5), N_KEYS) + rng.normal(0, 6) * keyboard + rng.normal(0, 6) * keyboard**2
    noisy = played.copy()
    for _ in range(rng.integers(0, 4)):  # above a velocity another sample layer sounds, on all keys or on half of them
        border, theirs = rng.uniform(20, 110), rng.random(N_KEYS) < rng.choice([0.5, 1.0])
        noisy += rng.normal(0, 4) / (1 + np.exp((border - noisy) / 1.5)) * theirs[key]
    chance = rng.uniform(3, 8) * np.interp(played, [1, 30, 60], [1.3, 1.1, 1.0])
    noisy += voicing[key] + chance * rng.normal(0, 1, len(noisy))
    if len(noisy):
        noisy = noisy.mean() + rng.normal(0, 3) + rng.uniform(0.85, 1.15) * (noisy - noisy.mean())
    return onset, key + LOWEST_PITCH, np.clip(np.rint(noisy), 1, 127), played


def make_batch(performances: list[Performance], rng: np.random.Generator) -> dict[str, Tensor]:
    """Windows of one length -> ``notes`` ``(B, n, DESCRIPTION)``, ``key``, ``is_note`` and ``played`` ``(B, n)``."""
    length = int(rng.choice(LENGTHS))
    batch = {
        "notes": torch.zeros(BATCH, length, DESCRIPTION),
        "key": torch.zeros(BATCH, length, dtype=torch.int64),
        "is_note": torch.zeros(BATCH, length),
        "played": torch.zeros(BATCH, length),
    }
    for row in range(BATCH):
        notes = performances[rng.integers(len(performances))].notes
        begin = rng.integers(max(1, len(notes) - length))
        onset, pitch, noisy, played = add_noise(notes[begin : begin + length], rng)
        if not len(noisy):
            continue
        described, key = describe_notes(onset, pitch, noisy)
        batch["notes"][row, : len(key)] = torch.from_numpy(described)
        batch["key"][row, : len(key)] = torch.from_numpy(key)
        batch["is_note"][row, : len(key)] = 1.0
        batch["played"][row, : len(key)] = torch.from_numpy((played - noisy.mean()) / SPREAD)
    return batch


def errors(estimate: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """``(B, n)`` velocity error of each note, minus the mean error of its window."""
    is_note = batch["is_note"]
    wrong = SPREAD * (estimate - batch["played"]) * is_note
    return (wrong - wrong.sum(1, keepdim=True) / is_note.sum(1, keepdim=True).clamp(min=1)) * is_note


def loss(first: Tensor, final: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """Mean over notes: quadratic for small errors, saturating for large ones."""

    def gentle(wrong: Tensor) -> Tensor:  # keeps a gradient for large errors
        return torch.sqrt((wrong / TOLERABLE) ** 2 + 1) - 1

    wrong = errors(final, batch)
    terms = (1 - torch.exp(-0.5 * (wrong / TOLERABLE) ** 2)) + 0.3 * gentle(wrong) + 0.3 * gentle(errors(first, batch))
    return (terms * batch["is_note"]).sum() / batch["is_note"].sum().clamp(min=1)


def learn_velocities(performances: list[Performance], *, steps: int, seed: int = 1) -> VelocityNetwork:
    """A network trained for ``steps`` batches of simulated errors; its averaged weights.

    Raises:
        AmtError: no performance has notes.
    """
    performances = [p for p in performances if len(p.notes)]
    if not performances:
        raise AmtError("no notes to learn from: none of the MIDI files has any")
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = VelocityNetwork()

    def draw_loss() -> Tensor:
        batch = make_batch(performances, rng)
        key, estimate = net(batch["notes"], batch["key"], batch["is_note"])
        return loss(key, estimate, batch)

    options: dict[str, Any] = {"rate": LEARNING_RATE, "final_rate": 0.01, "weight_decay": 1e-3, "ema_decay": AVERAGED}
    learn_alone(net, draw_loss, steps=steps, name="dynamics", **options)
    return net.eval()


def measure(
    net: VelocityNetwork, performances: list[Performance], *, batches: int = 20, seed: int = 0
) -> dict[str, float]:
    """Root mean square error, in velocities, before the network (with noise added) and after it."""
    rng, squares, count = np.random.default_rng(seed), np.zeros(2), 0.0
    for _ in range(batches):
        batch = make_batch(performances, rng)
        with torch.inference_mode():
            _, estimate = net(batch["notes"], batch["key"], batch["is_note"])
        for i, velocities in enumerate((batch["notes"][..., 0], estimate)):
            squares[i] += float(errors(velocities, batch).square().sum())
        count += float(batch["is_note"].sum())
    before, after = np.sqrt(squares / max(count, 1.0))
    return {"error_before": float(before), "error_after": float(after)}
