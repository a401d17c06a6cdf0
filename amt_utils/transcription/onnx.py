"""Networks as ONNX files, for machines without a GPU: audio to logits, in half of PyTorch's time, without PyTorch.

The weights ``NAME.safetensors`` have two ONNX files beside them: ``NAME.onnx``, which includes the features, and
``NAME.pedals.onnx``. Each file's metadata hold the hash of its weights; the weights' card holds the hashes of both
files. If a hash does not match, PyTorch is used instead.

The graph maps audio ``(1, n)``, ``n = (frames - 1 + 2 * margin) * hop_length`` samples, to ``frames`` frames; the
samples of ``margin`` more frames on either side are context for the features' long filters and for the convolutions.
The metadata hold ``margin``.

ONNX Runtime is a tenth faster when the number of samples is fixed. All windows of a recording except the last have the
same length, stored in the weights' card: one session is opened for this length, another one, for any length, if needed.
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

HASHES = "onnx_sha256"  # in the card: file name -> hash
WINDOW_SAMPLES = "onnx_window_samples"  # in the card: samples of a full window
SAMPLES = "samples"  # name of the graph's dynamic axis
WEIGHTS_HASH, MARGIN, WINDOW_BYTES = "weights_sha256", "margin", "window_bytes"  # in the graph's metadata


def onnx_paths(weights: str | os.PathLike) -> tuple[Path, Path]:
    """The paths of a weights file's two ONNX files: the network, and its pedal head."""
    weights = Path(weights)
    return weights.with_suffix(".onnx"), weights.with_suffix(".pedals.onnx")


def open_session(path: str | os.PathLike, *, samples: int | None = None) -> onnxruntime.InferenceSession:
    """An ONNX file as a session that runs in the calling thread. Raises exceptions of onnxruntime, or ImportError.

    Args:
        path: the file.
        samples: fixed number of input samples; ``None`` for any.
    """
    import onnxruntime

    _share_memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # windows run in parallel instead
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    options.add_session_config_entry("session.use_env_allocators", "1")
    if samples:
        options.add_free_dimension_override_by_name(SAMPLES, samples)
    return onnxruntime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])


@lru_cache(maxsize=1)
def _share_memory() -> None:
    """One memory arena for all sessions: otherwise each session keeps its own peak."""
    import onnxruntime

    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    info = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    as_requested = onnxruntime.OrtArenaCfg({"arena_extend_strategy": 1})
    onnxruntime.create_and_register_allocator(info, as_requested)


def find_session(path: Path, weights: Path, *, samples: int | None = None) -> onnxruntime.InferenceSession | None:
    """A session for the ONNX file ``path`` of ``weights``; ``None`` if it is missing or has a wrong hash.

    Also ``None`` without onnxruntime. ``samples`` as in :func:`open_session`.
    """
    if not path.is_file():
        return None
    try:
        hashes = read_card(weights).get(HASHES, {})
        if hash_file(path) != hashes.get(path.name):
            raise ValueError("its hash is not the one in the weights' card; export it again")
        session = open_session(path, samples=samples)
    except ImportError:
        return None
    except Exception as error:  # onnxruntime raises many kinds; PyTorch always works
        warnings.warn(f"{path}: cannot be used ({error}); PyTorch does its work", stacklevel=2)
        return None
    return session if metadata(session).get(WEIGHTS_HASH) == hash_file(weights) else None


def metadata(session: onnxruntime.InferenceSession) -> dict[str, Any]:
    """The graph's metadata, as the exporter wrote them."""
    return {key: json.loads(text) for key, text in session.get_modelmeta().custom_metadata_map.items()}


class OnnxNetwork:
    """A network and its pedal head in ONNX Runtime. A call computes one window; calls may run in parallel threads."""

    batch = 1
    parallel = True

    def __init__(
        self,
        path: Path,
        session: onnxruntime.InferenceSession,
        pedals: onnxruntime.InferenceSession,
        *,
        samples: int | None = None,  # fixed input length of `session`; other lengths get another session of `path`
    ):
        self.path, self.samples, self.session, self.pedal_session = path, samples, session, pedals
        self.names = [output.name for output in session.get_outputs()]
        stored = metadata(session)
        self.margin, self.window_bytes = stored[MARGIN], stored[WINDOW_BYTES]
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
    """The ONNX network of a weights file; ``None`` unless both files exist and match the weights."""
    path, pedals_path = onnx_paths(weights)
    if not (path.is_file() and pedals_path.is_file()):
        return None
    samples = read_card(weights).get(WINDOW_SAMPLES)
    session, pedals = find_session(path, weights, samples=samples), find_session(pedals_path, weights)
    return OnnxNetwork(path, session, pedals, samples=samples) if session and pedals else None
