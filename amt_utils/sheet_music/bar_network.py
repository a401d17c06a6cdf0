"""Small networks that estimate which beats of a performance begin a bar, given the beats.

The length of a bar shows in what repeats after two, three or four beats, which a network of single notes hardly learns.
Dilated convolutions over the beats (:mod:`.bar_features`) see eight bars; the log odds of several networks are
averaged. Their weights are in the file of :mod:`.note_network`, under ``bars.``; :mod:`.learn_bars` trains them.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from .bar_features import describe_beats
from .events import Events
from .note_network import WEIGHTS, load_network, split_networks

DILATIONS = (1, 2, 3, 4, 6, 8)
LIMIT = 4.0  # standardised features are clipped to this


def read_bars(notes: np.ndarray, events: Events, times: np.ndarray, path: str | os.PathLike = WEIGHTS) -> np.ndarray:
    """Log odds ``(n,)`` that each beat begins a bar.

    Args:
        notes: of the performance.
        events: of the notes.
        times: ``(n,)`` rising seconds of the beats, n >= 2.
        path: of the weights.

    Raises:
        AmtError: the weights cannot be read.
    """
    networks = split_networks(load_network(Path(path)), "bars")
    described = describe_beats(notes, events, times)
    found = np.zeros(len(times))
    for own in networks:
        hidden = np.clip((described - own["mean"]) * own["scale"], -LIMIT, LIMIT)
        hidden = np.maximum(_convolve(hidden, own["input.weight"], own["input.bias"], 1), 0)
        for i, dilation in enumerate(DILATIONS):
            hidden = hidden + np.maximum(
                _convolve(hidden, own[f"blocks.{i}.weight"], own[f"blocks.{i}.bias"], dilation), 0
            )
        found += (hidden @ own["output.weight"][0, :, 0] + own["output.bias"]) / len(networks)
    return found


def _convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, dilation: int) -> np.ndarray:
    """Convolves ``(n, inputs)`` with a kernel ``(outputs, inputs, 3)`` -> ``(n, outputs)``, zero-padded."""
    padded = np.pad(x, ((dilation, dilation), (0, 0)))
    return bias + sum(padded[k * dilation : k * dilation + len(x)] @ weight[:, :, k].T for k in range(3))
