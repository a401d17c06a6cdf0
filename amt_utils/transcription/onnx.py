"""Networks as ONNX files, for machines without a GPU: audio in, logits out, in half of PyTorch's time and without it.

Beside the weights ``NAME.safetensors`` lie ``NAME.onnx``, with the features in the graph, and ``NAME.pedals.onnx``.
Each holds the hash of the weights it was made from; the weights' card holds the hashes of both files. One that does
not match is left alone, and PyTorch does the work.

The graph takes audio ``(1, n)``, ``n = (frames - 1 + 2 * margin) * hop_length`` samples, and gives ``frames`` frames:
the first and the last ``margin`` frames only serve the features' long filters. Its metadata tell ``margin``.

ONNX Runtime is a tenth quicker where it knows how many samples come. All windows of a recording but the last have one
length, which the weights' card tells: the graph is opened for that, and once more, for any length, where one is needed.
"""

from __future__ import annotations

import json
import os
import threading
import warnings
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checkpoints.checkpoint import read_card
from ..system.files import hash_file

if TYPE_CHECKING:
    import onnxruntime

HASHES = "onnx_sha256"  # in the card: file name -> its hash
WINDOW_SAMPLES = "onnx_window_samples"  # in the card: of whole windows
SAMPLES = "samples"  # the graph's free dimension
WEIGHTS_HASH, MARGIN, WINDOW_BYTES = "weights_sha256", "margin", "window_bytes"  # in the graph's metadata


def onnx_paths(weights: str | os.PathLike) -> tuple[Path, Path]:
    """Where the network and its pedals' part lie beside a weights file."""
    weights = Path(weights)
    return weights.with_suffix(".onnx"), weights.with_suffix(".pedals.onnx")


def open_session(path: str | os.PathLike, *, samples: int | None = None) -> onnxruntime.InferenceSession:
    """An ONNX file, ready to run in the thread that calls it. Any exception of onnxruntime, or ImportError.

    Args:
        path: the file.
        samples: that its input will have, always; ``None`` for any number.
    """
    import onnxruntime

    _share_memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # windows go side by side instead
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    options.add_session_config_entry("session.use_env_allocators", "1")
    if samples:
        options.add_free_dimension_override_by_name(SAMPLES, samples)
    return onnxruntime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])


@lru_cache(maxsize=1)
def _share_memory() -> None:
    """One arena for all sessions, which would otherwise each keep the most that it ever took."""
    import onnxruntime

    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    info = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    as_requested = onnxruntime.OrtArenaCfg({"arena_extend_strategy": 1})
    onnxruntime.create_and_register_allocator(info, as_requested)


def find_session(path: Path, weights: Path, *, samples: int | None = None) -> onnxruntime.InferenceSession | None:
    """The ONNX file ``path`` of the ``weights``; ``None`` without onnxruntime or the file, or where a hash is wrong.

    ``samples`` as in :func:`open_session`.
    """
    if not path.is_file():
        return None
    try:
        hashes = read_card(weights).get(HASHES, {})
        if hash_file(path) != hashes.get(path.name):
            raise ValueError("its bytes are not those that the weights' card tells; export it again")
        session = open_session(path, samples=samples)
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

    def __init__(
        self,
        path: Path,
        session: onnxruntime.InferenceSession,
        pedals: onnxruntime.InferenceSession,
        *,
        samples: int | None = None,  # that `session` is opened for; `path` opens others
    ):
        self.path, self.samples, self.session, self.pedal_session = path, samples, session, pedals
        self.names = [output.name for output in session.get_outputs()]
        told = metadata(session)
        self.margin, self.window_bytes = told[MARGIN], told[WINDOW_BYTES]
        self._any_length: onnxruntime.InferenceSession | None = None
        self._opening = threading.Lock()

    def __call__(self, audio: np.ndarray) -> dict[str, np.ndarray]:
        """Samples ``(1, n)`` -> logits ``(1, frames, ...)``."""
        session = self.session if self.samples in (None, audio.shape[1]) else self._for_any_length()
        return dict(zip(self.names, session.run(None, {"audio": audio}), strict=True))

    def _for_any_length(self) -> onnxruntime.InferenceSession:
        with self._opening:
            if self._any_length is None:
                self._any_length = open_session(self.path)
            return self._any_length

    def pedals(self, cue: np.ndarray) -> np.ndarray:
        """``(1, T, C)`` -> logits ``(1, T, 3)``."""
        return self.pedal_session.run(None, {"cue": cue})[0]


def find_onnx(weights: Path) -> OnnxNetwork | None:
    """The network beside a weights file, if both of its files are there and of these weights."""
    path, pedals_path = onnx_paths(weights)
    if not (path.is_file() and pedals_path.is_file()):
        return None
    samples = read_card(weights).get(WINDOW_SAMPLES)
    session, pedals = find_session(path, weights, samples=samples), find_session(pedals_path, weights)
    return OnnxNetwork(path, session, pedals, samples=samples) if session and pedals else None
