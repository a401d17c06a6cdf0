"""A larger network that starts where a smaller one has come to (Chen, Goodfellow & Shlens, "Net2Net", ICLR 2016).

Channels are doubled and what follows them hears each copy with a share of the old weight; added blocks begin as the
identity, added harmonics at zero. The larger network says what the smaller one said, to rounding, and learns on from
there. The shares are drawn at random: equal copies would have equal gradients and stay equal.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor

from .checkpoints import load_weights, save_weights
from .config import Config
from .errors import AmtError
from .models import build_model, count_parameters
from .models.residual import channel_widths

# layer -> what its outputs and its inputs are channels of; names that are no width stay as they are
LAYERS = (
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
    (r"pedal_chords", ["chords"], ["rolls"]),
    (r"pedal_head\.lstm", ["hidden"] * 4, ["key", "key", "states and chords"]),
    (r"onset_head|duration_heads|pedal_head\.out", ["output"], ["hidden", "hidden"]),
)


def grow(weights: dict[str, Tensor], small: Config, large: Config, *, seed: int = 0) -> dict[str, Tensor]:
    """Weights of a ``residual_hcqt_hppnet`` -> those of a larger one that hears the same.

    Args:
        weights: state of the small network's :class:`amt_utils.models.Transcriptor`.
        small, large: configurations; only the sizes and ``hdconv_harmonics`` in ``model`` may differ.
        seed: of the shares and of the added blocks.

    Raises:
        AmtError: the large network is not at least as large everywhere, or is another network.
    """
    if small.model.name != "residual_hcqt_hppnet" or large.model.name != small.model.name or not large.model.residual:
        raise AmtError("only residual_hcqt_hppnet with its residual blocks grows, and only into itself")
    few, many = small.model.hdconv_harmonics, large.model.hdconv_harmonics
    if small.feature != large.feature or many[: len(few)] != few:
        raise AmtError("the larger network must hear the same features and harmonics, and may hear further ones")
    old, new = channel_widths(small.model), channel_widths(large.model)
    if any(new[name] < old[name] for name in old):
        raise AmtError(f"cannot grow from {old} to {new}: every width must stay or become larger")
    torch.manual_seed(seed)
    widened = {name: _choose_copies(old[name], new[name]) for name in ("stem", "trunk", "key", "hidden")}
    grown = build_model(large).state_dict()
    for name, fresh in grown.items():
        inside = name.removeprefix("network.")
        if name in weights:
            grown[name] = _widen(inside, weights[name], widened) if inside != name else weights[name]
        elif re.search(r"\.time\.1\.weight$|conv\.branches\.\d+\.weight$", name):
            # an added block's last norm, an added harmonic: lets nothing through yet
            grown[name] = torch.zeros_like(fresh)
    return grown


def _choose_copies(old: int, new: int) -> tuple[Tensor, Tensor]:
    """Which old channel each new one copies, and its share of what that one used to say."""
    source = torch.arange(new) % old
    weight = 0.5 + torch.rand(new)
    total = torch.zeros(old).index_add_(0, source, weight)
    return source, weight / total[source]


def _widen(name: str, tensor: Tensor, widened: dict[str, tuple[Tensor, Tensor]]) -> Tensor:
    outputs, inputs = next((o, i) for pattern, o, i in LAYERS if re.match(pattern, name))
    if tensor.ndim == 0:
        return tensor
    source, _ = _join(outputs, tensor.shape[0], widened)
    tensor = tensor[source]
    if tensor.ndim > 1:
        source, share = _join(inputs, tensor.shape[1], widened)
        tensor = tensor[:, source] * share.view(1, -1, *[1] * (tensor.ndim - 2))
    return tensor


def _join(channels: list[str], size: int, widened: dict[str, tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Sources and shares of channels that stand side by side; what is no width takes what is left of ``size``."""
    known = sum(int(widened[c][0].max()) + 1 for c in channels if c in widened)
    sources, shares, begin = [], [], 0
    for channel in channels:
        source, share = widened.get(channel, (torch.arange(size - known), torch.ones(size - known)))
        sources.append(source + begin)
        shares.append(share)
        begin += int(source.max()) + 1
    return torch.cat(sources), torch.cat(shares)


def register(subparsers) -> None:
    """Adds ``grow`` to the command line."""
    parser = subparsers.add_parser(
        "grow",
        help="a larger network that begins with what a smaller one has learnt",
        description="Writes weights of a larger residual_hcqt_hppnet that hears what the smaller one hears. "
        "`train --start-from FILE` goes on from them, with a configuration of the same size.",
    )
    parser.add_argument("--weights", default=None, help="the smaller one: a shipped name or a file")
    parser.add_argument("--size", required=True, help="of the larger one: tiny, base, large")
    parser.add_argument(
        "--harmonics",
        default=None,
        metavar="LIST",
        help="of the larger one's harmonic convolution, e.g. 1,2,3,4,5,7: those of the smaller one, then others",
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="a .safetensors file to write")
    parser.set_defaults(run=run_command)


def run_command(args) -> int:
    """``python -m amt_utils grow``."""
    from .transcribe import weights_path

    path, out = weights_path(args.weights), Path(args.out)
    if out.suffix != ".safetensors":
        raise AmtError(f"{out}: give a name that ends in .safetensors")
    model, small, card = load_weights(path)
    large = small.replace(model={"size": args.size})
    if args.harmonics:
        large = large.replace(model={"hdconv_harmonics": _read_harmonics(args.harmonics)})
    grown = grow(model.state_dict(), small, large)
    parameters = count_parameters(build_model(large))
    hours = card.get("audio_hours_in_all", card.get("audio_hours", 0.0))
    history = {"started_from": path.name, "audio_hours_in_all": hours, "version": card.get("version")}
    save_weights(out, grown, {**history, "parameters": parameters, "config": large.to_dict()})
    print(f"{out}: {parameters:,} parameters, from {path.name}; python -m amt_utils train --start-from {out} …")
    return 0


def _read_harmonics(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.strip().isdigit() and int(part) for part in parts):
        raise AmtError(f"--harmonics {text!r}: expected whole numbers with commas between, e.g. 1,2,3,4,5,7")
    return tuple(int(part) for part in parts)
