"""Features on disk: what is stored per frame, how it is computed in blocks, and how channels come back from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from ..audio.features import compress, make_feature
from ..config import Config, FeatureConfig

_BLOCK_SECONDS = 60.0
Computer = Callable[[np.ndarray], Iterator[np.ndarray]]  # (n,) samples -> blocks (frames, stored bins)


def feature_config(config: Config, features: str) -> FeatureConfig:
    """The configuration's features, of the kind that is stored."""
    return config.replace(feature={"kind": features}).feature


def _shifts(config: FeatureConfig) -> list[int] | None:
    """By how many bins the channels of an (H)CQT are shifted reads of one transform; ``None``: they are not."""
    if config.subframes > 1:
        return None
    octaves = np.log2(np.array(config.harmonics if config.kind == "hcqt" else (1.0,)))
    octaves -= octaves.min()
    whole = np.rint(octaves).astype(int)
    return [int(o) * config.bins_per_octave for o in whole] if np.allclose(octaves, whole) else None


def stored_bins(config: FeatureConfig) -> int:
    """Values per frame on disk."""
    if config.kind == "logmel":
        return config.n_mels
    shifts = _shifts(config)
    return config.n_bins * config.n_channels if shifts is None else config.n_bins + max(shifts)


def stack_channels(values: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """``(T, stored_bins)`` -> ``(C, T, bins)``."""
    if config.kind == "logmel":
        return values[None]
    shifts = _shifts(config)
    starts = [c * config.n_bins for c in range(config.n_channels)] if shifts is None else shifts
    return np.stack([values[:, s : s + config.n_bins] for s in starts])


def make_computer(config: Config, features: str) -> Computer:
    """A function ``(n,)`` float32 audio -> blocks ``(frames, stored_bins)`` of float32 values in about [0, 1].

    Joined, the blocks are the frames of the whole recording; memory does not grow with its length.
    """
    feature = feature_config(config, features)
    module: Any = make_feature(feature)  # nn.Module types its attributes as Tensor | Module
    shifts = None if features == "logmel" else _shifts(feature)
    hop = feature.hop_length
    margin = -(-module.context_samples // hop)  # frames
    block = round(_BLOCK_SECONDS * feature.sample_rate / hop)  # frames

    def run(y: torch.Tensor) -> torch.Tensor:
        if shifts is not None:
            return compress(module.transforms[0](y))[0]
        return module(y)[0].permute(1, 0, 2).flatten(1)  # (C, T, bins) -> (T, C * bins)

    def compute(y: np.ndarray) -> Iterator[np.ndarray]:
        n_frames = len(y) // hop + 1
        for first in range(0, n_frames, block):
            begin, last = max(0, first - margin), min(first + block, n_frames)
            with torch.inference_mode():
                values = run(torch.from_numpy(y[begin * hop : (last + margin) * hop]).unsqueeze(0))
            yield values[first - begin : last - begin].numpy()

    return compute


def quantise(values: np.ndarray, dtype: str) -> np.ndarray:
    """Values in about [0, 1] -> ``float16``, or ``uint8`` in 255 steps."""
    return values.astype(np.float16) if dtype == "float16" else np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def restore(values: np.ndarray) -> np.ndarray:
    """The inverse of :func:`quantise`, as float32."""
    return values.astype(np.float32) / (255 if values.dtype == np.uint8 else 1)
