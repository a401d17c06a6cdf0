"""Networks as ONNX files, for machines without a GPU: audio in, logits out, in half of PyTorch's time and without it.

Beside the weights ``NAME.safetensors`` lie ``NAME.onnx``, with the features in the graph, and ``NAME.pedals.onnx``.
Each holds the hash of the weights it was made from; the weights' card holds the hashes of both files. One that does
not match is left alone, and PyTorch does the work.

The graph takes audio ``(1, n)``, ``n = (frames - 1 + 2 * margin) * hop_length`` samples, and gives ``frames`` frames:
the first and the last ``margin`` frames only serve the features' long filters. Its metadata tell ``margin``.
"""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checkpoints.checkpoint import read_card
from ..system.files import hash_file

if TYPE_CHECKING:
    import onnxruntime

HASHES = "onnx_sha256"  # in the card: file name -> its hash
WEIGHTS_HASH, MARGIN, WINDOW_BYTES = "weights_sha256", "margin", "window_bytes"  # in the graph's metadata


def onnx_paths(weights: str | os.PathLike) -> tuple[Path, Path]:
    """Where the network and its pedals' part lie beside a weights file."""
    weights = Path(weights)
    return weights.with_suffix(".onnx"), weights.with_suffix(".pedals.onnx")


def open_session(path: str | os.PathLike) -> onnxruntime.InferenceSession:
    """An ONNX file, ready to run in the thread that calls it. Any exception of onnxruntime, or ImportError."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # windows go side by side instead
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])


def find_session(path: Path, weights: Path) -> onnxruntime.InferenceSession | None:
    """The ONNX file ``path`` of the ``weights``; ``None`` without onnxruntime or the file, or where a hash is wrong."""
    if not path.is_file():
        return None
    try:
        hashes = read_card(weights).get(HASHES, {})
        if hash_file(path) != hashes.get(path.name):
            raise ValueError("its bytes are not those that the weights' card tells; export it again")
        session = open_session(path)
    except ImportError:
        return None
    except Exception as error:  # onnxruntime has many; PyTorch can always do the work
        warnings.warn(f"{path}: cannot be used ({error}); PyTorch does its work", stacklevel=2)
        return None
    return session if metadata(session).get(WEIGHTS_HASH) == hash_file(weights) else None


def metadata(session: onnxruntime.InferenceSession) -> dict[str, Any]:
    """What the exporter wrote into the graph."""
    return {key: json.loads(text) for key, text in session.get_modelmeta().custom_metadata_map.items()}


class OnnxNetwork:
    """A network and its pedals' part in ONNX Runtime: one window at a time, in as many threads as there are calls."""

    batch = 1
    parallel = True

    def __init__(self, session: onnxruntime.InferenceSession, pedals: onnxruntime.InferenceSession):
        self.session, self.pedal_session = session, pedals
        self.names = [output.name for output in session.get_outputs()]
        told = metadata(session)
        self.margin, self.window_bytes = told[MARGIN], told[WINDOW_BYTES]

    def __call__(self, audio: np.ndarray) -> dict[str, np.ndarray]:
        """Samples ``(1, n)`` -> logits ``(1, frames, ...)``."""
        return dict(zip(self.names, self.session.run(None, {"audio": audio}), strict=True))

    def pedals(self, cue: np.ndarray) -> np.ndarray:
        """``(1, T, C)`` -> logits ``(1, T, 3)``."""
        return self.pedal_session.run(None, {"cue": cue})[0]


def find_onnx(weights: Path) -> OnnxNetwork | None:
    """The network beside a weights file, if both of its files are there and of these weights."""
    network, pedals = (find_session(path, weights) for path in onnx_paths(weights))
    return OnnxNetwork(network, pedals) if network and pedals else None
