"""The network as ONNX, for machines without a GPU: the same numbers as PyTorch, on some processors in 60 % of its time.

The file lies beside the weights it was made from (``tiny.safetensors`` -> ``tiny.onnx``) and holds their hash; a
:class:`.Transcriber` on a CPU takes it when the hash is right, onnxruntime is installed and a short
trial shows that it is the quicker one here. The features stay in PyTorch: they are a hundredth of the work.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ..checkpoints.weights import load_weights
from ..system.errors import AmtError
from ..system.files import hash_file, written_whole

Network = Callable[[Tensor], dict[str, Tensor]]
_HASH = "weights_sha256"


class ExportedNetwork:
    """An ``.onnx`` file as a callable: features ``(1, C, T, bins)`` -> the logits of the network it was made from."""

    def __init__(self, path: str | os.PathLike):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.enable_mem_pattern = False  # a plan kept for every length of chunk costs memory and saves no time
        self.run_options = onnxruntime.RunOptions()  # between chunks memory is given back: others need it too
        self.run_options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self.session = onnxruntime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
        self.names = [output.name for output in self.session.get_outputs()]
        self.weights_hash = self.session.get_modelmeta().custom_metadata_map.get(_HASH)

    def __call__(self, features: Tensor) -> dict[str, Tensor]:
        outputs = self.session.run(None, {"features": features.contiguous().numpy()}, self.run_options)
        return {name: torch.from_numpy(values) for name, values in zip(self.names, outputs, strict=True)}


def find_exported(weights: Path) -> ExportedNetwork | None:
    """The network beside a weights file; ``None`` without onnxruntime, without the file, or of other weights."""
    path = weights.with_suffix(".onnx")
    if not path.is_file():
        return None
    try:
        network = ExportedNetwork(path)
    except Exception as error:  # no onnxruntime, or one that cannot read the file: PyTorch can always do the work
        if not isinstance(error, ImportError):
            warnings.warn(f"{path}: cannot be used ({error}); PyTorch does its work", stacklevel=2)
        return None
    return network if network.weights_hash == hash_file(weights) else None


def choose_quicker(networks: Sequence[Network], features: Tensor) -> Network:
    """The one of ``networks`` that does ``features`` in the least time, here and now (second of two runs)."""

    def seconds(network: Network) -> float:
        with torch.inference_mode():
            network(features)  # what is made on first use is not what a recording takes
            begin = time.perf_counter()
            network(features)
        return time.perf_counter() - begin

    return min(networks, key=seconds)


def export_network(weights: str | os.PathLike, out: str | os.PathLike | None = None) -> Path:
    """Writes the network of a weights file as ONNX, by default beside it.

    Raises:
        AmtError: the weights are unreadable, or the package ``onnx`` is missing.
    """
    try:
        import onnx
    except ImportError:
        raise AmtError("exporting needs the package onnx: pip install onnx") from None
    model, config, _ = load_weights(weights)
    example = model.feature(torch.zeros(1, 4 * config.feature.sample_rate))
    names = sorted(model.network(example))
    out = Path(out or Path(weights).with_suffix(".onnx"))
    out.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(out) as partial:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the newer exporter needs a package more and writes the same graph
            torch.onnx.export(
                _Tuple(model.network, names).eval(),
                (example,),
                str(partial),
                input_names=["features"],
                output_names=names,
                dynamic_axes={"features": {2: "frames"}, **{name: {1: "frames"} for name in names}},
                dynamo=False,
            )
        graph = onnx.load(str(partial))
        _keep_in_half(graph.graph)
        graph.metadata_props.add(key=_HASH, value=hash_file(weights))
        onnx.save(graph, str(partial))
    return out


def _keep_in_half(graph) -> None:
    """Stores large float32 constants that are as exact in float16, as shipped weights are, so; casts give them back."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for constant in list(graph.initializer):
        if constant.data_type != TensorProto.FLOAT or len(constant.raw_data) < 4096:
            continue
        exact = numpy_helper.to_array(constant)
        values = exact.astype("float16")
        if (values != exact).any():  # a norm was folded into it
            continue
        graph.initializer.remove(constant)
        graph.initializer.append(numpy_helper.from_array(values, f"{constant.name}_half"))
        casts.append(helper.make_node("Cast", [f"{constant.name}_half"], [constant.name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


class _Tuple(nn.Module):
    """ONNX outputs have an order."""

    def __init__(self, network: nn.Module, names: list[str]):
        super().__init__()
        self.network, self.names = network, names

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        logits = self.network(features)
        return tuple(logits[name] for name in self.names)
