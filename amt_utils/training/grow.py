"""Initialises a larger network from a smaller one (after Chen, Goodfellow & Shlens, "Net2Net", ICLR 2016).

The smaller network's weights keep their places. Added channels are randomly initialised, and the weights from them to
existing channels are zero. Added blocks are the identity; added harmonics, intervals and subframes have zero weights.
The larger network has the smaller one's outputs, to rounding, and training continues from there.

With fewer key blocks than before the last ones are dropped, and the outputs change.
"""

from __future__ import annotations

import dataclasses
import re

import torch
from torch import Tensor

from ..config import Config
from ..models import build_model
from ..models.residual import channel_widths
from ..system.errors import AmtError

# layer -> the widths of its outputs and inputs; names that are not a width do not grow
LAYERS = (
    (r"pedal_head|pedal_cue\.(rolls|time)", ["all"], ["all"]),
    (r"onset_bins", ["trunk"], ["trunk"]),
    (r"onset_stem\.second", ["stem"], ["stem"]),
    (r"onset_stem", ["stem"], ["input"]),
    (r"onset_harmonics", ["trunk"], ["stem"]),
    (r"onset_keys\.0", ["key"], ["trunk"]),
    (r"duration_stem", ["key"], ["input"]),
    (r"duration_keys\.0", ["key"], ["key", "key"]),
    (r"(onset|duration)_keys", ["key"], ["key"]),
    (r".*lstm\.weight_hh", ["hidden"] * 4, ["hidden"]),
    (r"onset_lstm", ["hidden"] * 4, ["key"]),
    (r"duration_lstm", ["hidden"] * 4, ["key", "attack"]),
    (r"pedal_state", ["states"], ["hidden", "hidden"]),
    (r"pedal_cue\.sound", ["cues"], ["key", "key", "states and floor"]),
    (r"onset_head|duration_heads", ["output"], ["hidden", "hidden"]),
)
# added layers that start at zero: a block's last norm, a harmonic, parts that older weights lack
SILENT = r"\.time\.1\.weight$|conv\.branches\.\d+\.weight$|onset_bins\.|intervals\."


def grow(weights: dict[str, Tensor], small: Config, large: Config, *, seed: int = 0) -> dict[str, Tensor]:
    """Weights of a ``residual_hcqt_hppnet`` -> those of a larger one with the same outputs.

    Args:
        weights: state of the small network's :class:`amt_utils.models.Transcriptor`.
        small, large: configurations; only the sizes, ``hdconv_harmonics``, ``register`` and ``intervals`` in ``model``
            and ``subframes`` in ``feature`` may differ.
        seed: of the added weights.

    Raises:
        AmtError: the large network is not at least as large everywhere, or is another network.
    """
    if small.model.name != "residual_hcqt_hppnet" or large.model.name != small.model.name or not large.model.residual:
        raise AmtError("only residual_hcqt_hppnet with its residual blocks grows, and only into itself")
    few, many = small.model.hdconv_harmonics, large.model.hdconv_harmonics
    parts = large.feature.subframes  # the first subframe is where the only one was
    feature = dataclasses.replace(small.feature, subframes=parts) if small.feature.subframes == 1 else small.feature
    if feature != large.feature or many[: len(few)] != few:
        raise AmtError("the larger network must have the same features and harmonics, and may have further harmonics")
    old, new = channel_widths(small.model), channel_widths(large.model)
    if any(new[name] < old[name] for name in old if name != "blocks"):
        raise AmtError(f"cannot grow from {old} to {new}: every width must stay or become larger")
    if large.model.intervals < small.model.intervals:
        raise AmtError(f"cannot grow from {small.model.intervals} intervals to {large.model.intervals}")
    torch.manual_seed(seed)
    grown = build_model(large).state_dict()
    for name, fresh in grown.items():
        inside = name.removeprefix("network.")
        if name in weights:
            grown[name] = _set_into(fresh, weights[name], inside, old, new) if inside != name else weights[name]
        elif re.search(SILENT, name):
            grown[name] = torch.zeros_like(fresh)
    return grown


def _set_into(fresh: Tensor, tensor: Tensor, name: str, old: dict[str, int], new: dict[str, int]) -> Tensor:
    """``tensor`` at its place in ``fresh``; the weights of its rows from added channels are zero."""
    if tensor.ndim == 0:
        return tensor
    if name.endswith("intervals.template"):  # as many keys more on either side
        out, beyond = torch.zeros_like(fresh), (fresh.shape[1] - tensor.shape[1]) // 2
        out[: len(tensor), beyond : beyond + tensor.shape[1]] = tensor
        return out
    outputs, inputs = next((o, i) for pattern, o, i in LAYERS if re.match(pattern, name))
    rows = _places(outputs, tensor.shape[0], old, new)
    out = fresh.clone()
    if tensor.ndim == 1 or fresh.shape[1] == tensor.shape[1] == 1:  # a vector, a register
        out[rows] = tensor
    else:
        out[rows] = 0.0
        out[rows[:, None], _places(inputs, tensor.shape[1], old, new)] = tensor
    return out


def _places(channels: list[str], size: int, old: dict[str, int], new: dict[str, int]) -> Tensor:
    """Where ``size`` old channels stand among the new; names that are not a width take the rest of ``size``."""
    left = size - sum(old.get(channel, 0) for channel in channels)
    places, begin = [], 0
    for channel in channels:
        places.append(begin + torch.arange(old.get(channel, left)))
        begin += new.get(channel, left)
    return torch.cat(places)
