"""Velocities as heard -> velocities as played, by a small network that reads a recording's notes and nothing else.

It has its own weights (``weights/dynamics.safetensors``), learnt by :mod:`.learn_dynamics`, and serves every
transcribing network.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..audio.windows import Cut
from ..checkpoints.weights import VELOCITY_WEIGHTS, fill_model, read_weights
from ..music.notes import LOWEST_PITCH
from .onnx import find_session

if TYPE_CHECKING:
    from ..models.velocities import DynamicsNet

STRUCK_TOGETHER = 0.03  # seconds between notes that may be one chord, read from its lowest key up
SPREAD = 20.0  # velocities: the unit the network counts in
LONGEST_GAP = 4.0  # seconds
CUT = Cut(20_000, 1_000)  # notes, not frames: half an hour at once, so that memory does not grow with the length
MOST_MISHEARD = 12.0  # velocities: a hundredth of all notes; what stands out further was played so


def even_velocities(onset: np.ndarray, pitch: np.ndarray, velocity: np.ndarray, amount: float = 1.0) -> np.ndarray:
    """Velocities 1..127 of a recording's ``(n,)`` notes, without the piano's voicing and most of the mishearing.

    Args:
        onset: seconds.
        pitch: MIDI 21..108.
        velocity: as heard, 1..127.
        amount: how far to go from what was heard to what the notes together tell; with 0 nothing changes.
    """
    if not amount or len(onset) < 2:
        return velocity
    order = reading_order(onset, pitch)
    notes, key = describe_notes(onset[order], pitch[order], velocity[order])
    run, estimate = _velocity_network(), np.empty(len(notes), np.float32)
    for window in CUT.windows(len(notes)):
        part = slice(window.begin, window.end)
        estimate[window.keep_begin : window.keep_end] = run(notes[None, part], key[None, part])[0, window.kept]
    even = np.empty(len(onset))
    even[order] = velocity.mean() + SPREAD * (estimate - estimate.mean())  # the mean level is the recording's own
    change = np.clip(even - velocity, -MOST_MISHEARD, MOST_MISHEARD)
    return np.clip(np.rint(velocity + amount * change), 1, 127).astype(velocity.dtype)


@lru_cache(maxsize=1)
def _velocity_network() -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The shipped network, by ONNX if possible: notes ``(1, n, DESCRIPTION)``, keys ``(1, n)`` -> ``(1, n)``."""
    session = find_session(VELOCITY_WEIGHTS.with_suffix(".onnx"), VELOCITY_WEIGHTS)
    if session:
        return lambda notes, key: session.run(None, {"notes": notes, "key": key})[0]
    import torch

    network = load_dynamics()

    def run(notes: np.ndarray, key: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(notes), torch.from_numpy(key), torch.ones(key.shape))[1].numpy()

    return run


def load_dynamics(path: Path = VELOCITY_WEIGHTS) -> DynamicsNet:
    """The shipped network, or another file of ``learn-dynamics``, in PyTorch. Raises :class:`AmtError`."""
    from ..models.velocities import DynamicsNet

    weights, card = read_weights(path)
    return fill_model(DynamicsNet(**card["config"]), weights, path)


def reading_order(onset: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """Indices that sort ``(n,)`` notes by onset, those of one chord by key."""
    by_time = np.argsort(onset, kind="stable")
    chord = np.cumsum(np.diff(onset[by_time], prepend=-np.inf) > STRUCK_TOGETHER)
    return by_time[np.lexsort((pitch[by_time], chord))]


def describe_notes(onset: np.ndarray, pitch: np.ndarray, velocity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Notes in reading order -> ``(n, DESCRIPTION)`` float32 and their ``(n,)`` keys 0..87.

    A note is described by its velocity (over the recording's mean), the time since the note before and until the next,
    its pitch, the time since its key was last struck, and how widely the recording's velocities are spread.
    """
    step = np.maximum(np.diff(onset), 0.0)
    by_key = np.lexsort((onset, pitch))
    since = np.full(len(onset), LONGEST_GAP)
    again = np.flatnonzero(np.diff(pitch[by_key]) == 0)
    since[by_key[again + 1]] = np.clip(onset[by_key[again + 1]] - onset[by_key[again]], 0.0, LONGEST_GAP)
    played = (velocity - velocity.mean()) / SPREAD
    columns = (
        played,
        _squeeze(np.append(LONGEST_GAP / 2, step)),
        _squeeze(np.append(step, LONGEST_GAP / 2)),
        (pitch - 64.0) / 20,
        _squeeze(since),
        np.full(len(onset), played.std()),
    )
    return np.stack(columns, axis=1).astype(np.float32), pitch.astype(np.int64) - LOWEST_PITCH


def _squeeze(seconds: np.ndarray) -> np.ndarray:
    """Seconds -> about -1 (at once) to 1.7 (the longest gap)."""
    return np.log(seconds + 0.02) / 2 + 1
