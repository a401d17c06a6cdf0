"""Corrects the velocities that a transcribing network estimates, by a small network that reads the notes alone.

The correction network (:mod:`amt_utils.models.velocities`) has weights of its own (``weights/dynamics.safetensors``),
trained by :mod:`amt_utils.training.learn_velocities`, and serves every transcribing network.
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
    from ..models.velocities import VelocityNetwork

STRUCK_TOGETHER = 0.03  # seconds; notes closer than this are a chord, read from its lowest key up
SPREAD = 20.0  # the network's unit, in MIDI velocities
LONGEST_GAP = 4.0  # seconds; longer gaps between notes are clipped
CUT = Cut(20_000, 1_000)  # in notes instead of frames: half an hour at once, so that memory does not grow
MOST_MISHEARD = 12.0  # largest correction, in MIDI velocities; a note that deviates further (1 %) was played so


def even_velocities(onset: np.ndarray, pitch: np.ndarray, velocity: np.ndarray, amount: float = 1.0) -> np.ndarray:
    """Corrected velocities 1..127 of a recording's ``(n,)`` notes.

    Args:
        onset: seconds.
        pitch: MIDI 21..108.
        velocity: estimated by the transcribing network, 1..127.
        amount: share of the correction, from 0 (none) to 1.
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
    even[order] = velocity.mean() + SPREAD * (estimate - estimate.mean())  # the recording's mean is kept
    change = np.clip(even - velocity, -MOST_MISHEARD, MOST_MISHEARD)
    return np.clip(np.rint(velocity + amount * change), 1, 127).astype(velocity.dtype)


@lru_cache(maxsize=1)
def _velocity_network() -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The shipped network, by ONNX if possible: notes ``(1, n, DESCRIPTION)``, keys ``(1, n)`` -> ``(1, n)``."""
    session = find_session(VELOCITY_WEIGHTS.with_suffix(".onnx"), VELOCITY_WEIGHTS)
    if session:
        return lambda notes, key: session.run(None, {"notes": notes, "key": key})[0]
    import torch

    network = load_velocity_network()

    def run(notes: np.ndarray, key: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(notes), torch.from_numpy(key), torch.ones(key.shape))[1].numpy()

    return run


def load_velocity_network(path: Path = VELOCITY_WEIGHTS) -> VelocityNetwork:
    """The shipped network, or another one trained by ``learn-dynamics``, in PyTorch. Raises :class:`AmtError`."""
    from ..models.velocities import VelocityNetwork

    weights, card = read_weights(path)
    return fill_model(VelocityNetwork(**card["config"]), weights, path)


def reading_order(onset: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """Indices that sort ``(n,)`` notes by onset, and the notes of a chord by key."""
    by_time = np.argsort(onset, kind="stable")
    chord = np.cumsum(np.diff(onset[by_time], prepend=-np.inf) > STRUCK_TOGETHER)
    return by_time[np.lexsort((pitch[by_time], chord))]


def describe_notes(onset: np.ndarray, pitch: np.ndarray, velocity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Notes in reading order -> features ``(n, DESCRIPTION)`` float32, and keys ``(n,)`` 0..87.

    The features of a note: its velocity relative to the recording's mean, the time since the previous and until the
    next note, its pitch, the time since its key was last struck, and the standard deviation of all velocities.
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
    """Seconds -> a logarithmic scale from about -1 (0 s) to 1.7 (``LONGEST_GAP``)."""
    return np.log(seconds + 0.02) / 2 + 1
