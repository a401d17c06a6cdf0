"""A small network that classifies each note of a performance: whether it is on a beat or a downbeat, the length of the
beat, its place in the beat, its hand, voice, name and value.

Two bidirectional GRUs over the notes and one linear layer, as PM2S has for each of its tasks (Liu et al., "Performance
MIDI-to-score conversion by neural beat tracking", ISMIR 2022); the logits of several such networks are averaged.
Inference needs numpy alone; :mod:`.learn_beats` trains them.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..music.notes import Performance
from ..system.errors import AmtError
from ..system.paths import package_folder
from .note_features import describe_notes

WEIGHTS = package_folder() / "weights" / "sheet_music.safetensors"
METRES = ((2, 4), (3, 4), (4, 4), (2, 2), (3, 8), (6, 8), (9, 8), (12, 8))
PERIODS = 0.2 * 2 ** (np.arange(33) / 8)  # seconds of a beat
PARTS = 24  # per beat: the classes of a note's position in it
VALUES = np.array([1.5, 2, 3, 4, 6, 8, 9, 12, 16, 18, 24, 30, 36, 42, 48, 60, 72, 84, 96, 120, 144, 192])
VALUES = VALUES / PARTS  # beats
KEYS = np.arange(-7, 8)  # fifths
NAMES = np.arange(-15, 20)  # positions on the line of fifths, C is 0: Fbb .. B##
HEADS = {
    "beat": 1, "downbeat": 1, "period": len(PERIODS), "metre": len(METRES), "key": len(KEYS), "staff": 1, "voice": 1,
    "name": len(NAMES), "part": PARTS, "value": len(VALUES), "short": 1, "grace": 1,
}  # fmt: skip


@dataclass(frozen=True)
class NoteLabels:
    """One array for each head of the network (:data:`HEADS`), with a row for each of ``n`` notes."""

    beat: np.ndarray
    downbeat: np.ndarray
    period: np.ndarray
    metre: np.ndarray
    key: np.ndarray
    staff: np.ndarray
    voice: np.ndarray
    name: np.ndarray
    part: np.ndarray
    value: np.ndarray
    short: np.ndarray
    grace: np.ndarray


class Reading(NoteLabels):
    """Logits: ``(n,)`` of binary heads, else ``(n, classes)``."""


def read_notes(performance: Performance, path: str | os.PathLike = WEIGHTS) -> Reading:
    """Logits of all notes, averaged over the networks. Raises :class:`AmtError` if the weights cannot be read."""
    order, key, features = describe_notes(performance)
    networks = split_networks(load_network(Path(path)), "notes")
    logits = np.mean([_evaluate(own, key, features) for own in networks], axis=0)
    answers, at = {}, 0
    for name, size in HEADS.items():
        own = np.empty((len(order), size), np.float32)
        own[order] = logits[:, at : at + size]
        answers[name] = own[:, 0] if size == 1 else own
        at += size
    return Reading(**answers)


def split_networks(weights: dict[str, np.ndarray], kind: str) -> list[dict[str, np.ndarray]]:
    """Weights named ``kind.0.…``, ``kind.1.…`` -> the weights of each network, without these prefixes."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, value in weights.items():
        own, _, rest = name.partition(".")
        if own == kind:
            number, _, rest = rest.partition(".")
            found.setdefault(number, {})[rest] = value
    return list(found.values())


def _evaluate(weights: dict[str, np.ndarray], key: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Keys ``(n,)`` and features ``(n, FEATURES)`` -> logits ``(n, all heads)``."""
    hidden = weights["embedding.weight"][key] + features @ weights["described.weight"].T + weights["described.bias"]
    hidden = np.maximum(hidden, 0)
    for layer in range(sum(name.startswith("gru.weight_hh") for name in weights) // 2):
        both = [_gru(hidden, weights, f"l{layer}"), _gru(hidden[::-1], weights, f"l{layer}_reverse")[::-1]]
        hidden = np.concatenate(both, 1)
    return hidden @ weights["heads.weight"].T + weights["heads.bias"]


def _gru(x: np.ndarray, weights: dict[str, np.ndarray], which: str) -> np.ndarray:
    """``(n, inputs)`` -> ``(n, hidden)``: torch's GRU, one direction of one layer."""
    recurrent, bias = weights[f"gru.weight_hh_{which}"].T.copy(), weights[f"gru.bias_hh_{which}"]
    driven = x @ weights[f"gru.weight_ih_{which}"].T + weights[f"gru.bias_ih_{which}"]  # (n, 3 hidden)
    size = len(recurrent)
    driven[:, : 2 * size] += bias[: 2 * size]
    bias = bias[2 * size :]
    state, states = np.zeros(size, np.float32), np.empty((len(x), size), np.float32)
    for i, given in enumerate(driven):
        own = state @ recurrent
        gates = 0.5 + 0.5 * np.tanh(0.5 * (given[: 2 * size] + own[: 2 * size]))  # reset, update: the logistic function
        candidate = np.tanh(given[2 * size :] + gates[:size] * (own[2 * size :] + bias))
        state = candidate + gates[size:] * (state - candidate)
        states[i] = state
    return states


@lru_cache(maxsize=2)
def load_network(path: Path) -> dict[str, np.ndarray]:
    """Weights as float32 arrays. Raises :class:`AmtError` if they cannot be read."""
    from safetensors.numpy import load_file

    try:
        weights = load_file(path)
    except Exception as error:  # safetensors raises errors of its own, and OSError
        raise AmtError(f"{path}: not the weights of the sheet music network ({error})") from error
    return {name: value.astype(np.float32) for name, value in weights.items()}


def read_card(path: str | os.PathLike = WEIGHTS) -> dict:
    """The metadata in the file of weights."""
    return json.loads(Path(path).with_suffix(".json").read_text(encoding="utf-8"))
