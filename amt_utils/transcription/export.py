"""Writes networks as ONNX (:mod:`.onnx` reads them): ``python -m amt_utils export``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..audio.windows import key_cut
from ..checkpoints.checkpoint import read_card
from ..checkpoints.weights import VELOCITY_WEIGHTS, load_weights
from ..models.blocks import HDConv, KeyNetwork, sum_convolutions
from ..models.velocities import DESCRIPTION
from ..system.errors import AmtError
from ..system.files import hash_file, written_whole
from .lean import make_lean
from .onnx import HASHES, MARGIN, SAMPLES, WEIGHTS_HASH, WINDOW_BYTES, WINDOW_SAMPLES, onnx_paths
from .torch_network import feature_margin, window_margin
from .velocities import load_velocity_network

DEFAULT_WINDOW_BYTES = 300_000_000  # if it cannot be measured
# a script for a separate process on Linux: prints by how many bytes one window raises its peak memory
_MEASURE = """
import sys, numpy
from amt_utils.transcription.onnx import open_session
peak = lambda: int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024
session = open_session(sys.argv[1], samples=int(sys.argv[2]))
before = peak()
session.run(None, {"audio": numpy.zeros((1, int(sys.argv[2])), "float32")})
print(peak() - before)
"""


class AudioToLogits(nn.Module):
    """Features, without ``margin`` frames on either side, and network as one module; outputs ordered as ``names``.

    A window in, with all its context, its logits out (:meth:`.KeyNetwork.read_window`).
    """

    def __init__(self, feature: nn.Module, network: KeyNetwork, margin: int, names: list[str]):
        super().__init__()
        self.feature, self.network, self.margin, self.names = feature, network, margin, names

    def forward(self, audio: Tensor) -> tuple[Tensor, ...]:
        logits = self.network.read_window(self.feature(audio)[:, :, self.margin : -self.margin])
        return tuple(logits[name] for name in self.names)


class Taps(nn.Module):
    """An :class:`.HDConv` with precomputed weights, as the exporter requires."""

    def __init__(self, conv: HDConv):
        super().__init__()
        self.dilations: list[int] = []
        for i, (weight, bias, dilation) in enumerate(conv.taps()):
            self.register_buffer(f"weight_{i}", weight.detach().contiguous())
            self.register_buffer(f"bias_{i}", None if bias is None else bias.detach())
            self.dilations.append(dilation)

    def forward(self, x: Tensor) -> Tensor:
        buffers = dict(self.named_buffers())
        return sum_convolutions(
            x, ((buffers[f"weight_{i}"], buffers.get(f"bias_{i}"), d) for i, d in enumerate(self.dilations))
        )


class NotesToVelocities(nn.Module):
    """The velocity network without padding; returns only the final estimate."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, notes: Tensor, key: Tensor) -> Tensor:
        return self.network(notes, key, torch.ones_like(notes[..., 0]))[1]


def export_weights(weights: str | os.PathLike) -> list[Path]:
    """Writes a weights file's ONNX files beside it, and their hashes into its card. Returns their paths.

    Raises:
        AmtError: the weights are unreadable, or the package ``onnx`` is missing.
    """
    weights = Path(weights)
    if weights.resolve() == VELOCITY_WEIGHTS.resolve():
        return [export_velocities(weights)]
    model, config, _ = load_weights(weights)
    margin, cut = window_margin(model), key_cut(config.feature)
    samples = (cut.length - 1 + 2 * margin) * config.feature.hop_length
    audio = torch.zeros(1, samples)
    with torch.inference_mode():
        example = model.network(model.feature(audio[:, : 4 * config.feature.sample_rate]))
    names = sorted(example)
    head, network = model.network.pedal_head, make_lean(model.network)
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, HDConv):
                setattr(parent, name, Taps(child))
    path, pedals = onnx_paths(weights)
    stored = {MARGIN: margin, "window_frames": cut.length, "context_frames": cut.context, "config": config.to_dict()}
    _export(
        AudioToLogits(model.feature, network, feature_margin(model), names),
        {"audio": (audio, {1: SAMPLES})},
        {name: {1: "frames"} for name in names},
        path,
        {**stored, WEIGHTS_HASH: hash_file(weights)},
        lambda partial: {WINDOW_BYTES: _window_bytes(partial, samples)},
    )
    cue = torch.zeros_like(example["pedal_cue"])
    _export(
        head, {"cue": (cue, {1: "frames"})}, {"pedal": {1: "frames"}}, pedals, {WEIGHTS_HASH: hash_file(weights)}
    )
    _update_card(weights, [path, pedals], **{WINDOW_SAMPLES: samples})
    return [path, pedals]


def export_velocities(weights: Path = VELOCITY_WEIGHTS) -> Path:
    """Writes the velocity network's ONNX file beside its weights, and the hash into the card. Raises AmtError."""
    path = weights.with_suffix(".onnx")
    notes, key = torch.zeros(1, 50, DESCRIPTION), torch.zeros(1, 50, dtype=torch.int64)
    axes = {1: "notes"}
    inputs = {"notes": (notes, axes), "key": (key, axes)}
    stored = {WEIGHTS_HASH: hash_file(weights)}
    _export(NotesToVelocities(load_velocity_network(weights)), inputs, {"velocity": axes}, path, stored)
    _update_card(weights, [path])
    return path


def _export(
    module: nn.Module,
    inputs: dict[str, tuple[Tensor, dict[int, str]]],
    outputs: dict[str, dict[int, str]],
    path: Path,
    stored: dict[str, Any],
    measure: Callable[[Path], dict[str, Any]] = lambda partial: {},
) -> None:
    """Writes ``module``. ``inputs`` are examples with their dynamic axes; ``stored`` becomes the graph's metadata."""
    try:
        import onnx
    except ImportError:
        raise AmtError("exporting needs the package onnx: pip install onnx") from None
    with written_whole(path) as partial:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the newer exporter needs another package and writes the same graph
            try:
                torch.onnx.export(
                    module.eval(),
                    tuple(example for example, _ in inputs.values()),
                    str(partial),
                    input_names=list(inputs),
                    output_names=list(outputs),
                    dynamic_axes={name: axes for name, (_, axes) in inputs.items()} | outputs,
                    dynamo=False,
                )
            except torch.onnx.errors.OnnxExporterError as error:
                raise AmtError(f"{path}: this network cannot be written as ONNX ({error})") from error
        graph = onnx.load(str(partial))
        _keep_in_half(graph.graph)
        onnx.save(graph, str(partial))
        for key, value in {**stored, **measure(partial)}.items():
            graph.metadata_props.add(key=key, value=json.dumps(value))
        onnx.save(graph, str(partial))


def _window_bytes(path: Path, samples: int) -> int:
    if not sys.platform.startswith("linux"):
        return DEFAULT_WINDOW_BYTES
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(path), str(samples)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise AmtError(f"{path}: ONNX Runtime cannot run what was exported ({done.stderr.strip().splitlines()[-1]})")
    return int(done.stdout)


def _update_card(weights: Path, files: list[Path], **values: int) -> None:
    card = {**read_card(weights), **values}
    card[HASHES] = {path.name: hash_file(path) for path in files}
    with written_whole(weights.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(card, indent=2) + "\n")


def _keep_in_half(graph: Any) -> None:
    """Stores large float32 constants as float16 with a cast where that is exact, as it is for shipped weights."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for constant in list(graph.initializer):
        if constant.data_type != TensorProto.FLOAT or len(constant.raw_data) < 4096:
            continue
        exact = numpy_helper.to_array(constant)
        values = exact.astype("float16")
        if (values != exact).any():  # not exact: a norm is folded into it
            continue
        graph.initializer.remove(constant)
        graph.initializer.append(numpy_helper.from_array(values, f"{constant.name}_half"))
        casts.append(helper.make_node("Cast", [f"{constant.name}_half"], [constant.name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
