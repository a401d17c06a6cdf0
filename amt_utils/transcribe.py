"""A recording -> activations -> notes and pedals, in memory that does not grow with the network's work.

Long audio is cut into overlapping chunks on the frame grid; at each inner border half the overlap is discarded and
the centres are joined, so that the joined activations equal those of one long pass in the interior.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from .audio import load_audio, stream_audio
from .checkpoints import load_weights
from .config import Config
from .decode import ROLLS, decode_performance
from .errors import AmtError
from .exported import find_exported
from .notes import Performance
from .paths import package_folder

DEFAULT_WEIGHTS = "tiny"


def weights_path(name: str | os.PathLike | None = None) -> Path:
    """A shipped name (``"tiny"``), a path, or ``None`` for the default -> the weights file.

    Raises:
        AmtError: neither a file nor a shipped name.
    """
    name = DEFAULT_WEIGHTS if name is None else name
    shipped = package_folder() / "weights"
    for path in (Path(name), shipped / f"{name}.safetensors"):
        if path.is_file():
            return path
    known = sorted(p.stem for p in shipped.glob("*.safetensors"))
    raise AmtError(f"{name}: no such weights file; shipped with the package: {', '.join(known) or 'none'}")


class Transcriber:
    """Holds a network; ``transcribe`` turns audio files or arrays into performances.

    Args:
        weights: a shipped name, a ``.safetensors`` or ``.pt`` file; ``None`` for the default.
        device: ``"cpu"``, ``"cuda"`` or ``None`` for what is there.
    """

    def __init__(self, weights: str | os.PathLike | None = None, *, device: str | None = None):
        path = weights_path(weights)
        model, config, card = load_weights(path)
        self._set(model, config, device)
        if self.device.type == "cpu":
            self.network = find_exported(path) or self.network
        self.card = card

    @classmethod
    def from_model(cls, model: torch.nn.Module, config: Config, *, device: str | None = None) -> Transcriber:
        """Around a network that is already in memory (validation during training)."""
        self = cls.__new__(cls)
        self._set(model, config, device)
        self.card = {"config": config.to_dict()}
        return self

    def _set(self, model: torch.nn.Module, config: Config, device: str | None) -> None:
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model, self.config = model.to(self.device).eval(), config
        self.network = self.model.network.to(memory_format=torch.channels_last)  # a quarter faster on CPU

    def transcribe(
        self,
        audio: str | os.PathLike | np.ndarray,
        *,
        decode: dict | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> Performance:
        """A file (any length) or a float32 array at the model's rate -> notes with key ends, and pedals.

        Args:
            audio: what to transcribe.
            decode: fields of :class:`amt_utils.config.DecodeConfig` to change.
            on_progress: called with the seconds of audio that each chunk adds.
        """
        config = self.config.replace(decode=decode) if decode else self.config
        return decode_performance(self.activations(audio, on_progress=on_progress), config)

    def activations(
        self, audio: str | os.PathLike | np.ndarray, *, on_progress: Callable[[float], None] | None = None
    ) -> dict[str, np.ndarray]:
        """Probabilities, float16: :data:`amt_utils.decode.ROLLS`, each ``(T, 88)``, ``pedal`` ``(T, 3)``."""
        parts: dict[str, list[np.ndarray]] = {name: [] for name in ROLLS}
        for chunk in self.stream_activations(audio):
            for name in ROLLS:
                parts[name].append(chunk[name])
            if on_progress:
                on_progress(len(chunk["onset"]) * self.config.feature.frame_seconds)
        joined = {}
        for name in ROLLS:  # one at a time: a long recording must not be held twice
            joined[name] = np.concatenate(parts.pop(name))
        return joined

    def stream_activations(self, audio: str | os.PathLike | np.ndarray) -> Iterator[dict[str, np.ndarray]]:
        """The same, in consecutive pieces of about ``decode.chunk_seconds``."""
        feature, decode = self.config.feature, self.config.decode
        hop = feature.hop_length
        margin = round(decode.overlap_seconds / 2 * feature.sample_rate / hop)  # frames
        body = max(round(decode.chunk_seconds * feature.sample_rate / hop), 2 * margin + 1)
        buffer, first, total = np.zeros(0, np.float32), True, 0
        for block in self._blocks(audio):
            buffer = np.concatenate([buffer, block])
            total += len(block)
            # a chunk of `body` frames with a margin on either side; then move on by `body`
            while len(buffer) >= (body + 2 * margin) * hop + hop:
                keep_from = 0 if first else margin
                out = self._forward(buffer[: (body + 2 * margin) * hop])
                yield {name: roll[keep_from : margin + body] for name, roll in out.items()}
                buffer, first = buffer[body * hop :], False
        if total == 0:
            raise AmtError(f"{audio if not isinstance(audio, np.ndarray) else 'audio'}: holds no samples")
        out = self._forward(buffer)
        yield {name: roll[0 if first else margin :] for name, roll in out.items()}

    def _blocks(self, audio) -> Iterator[np.ndarray]:
        if isinstance(audio, np.ndarray):
            if audio.ndim != 1 or not np.all(np.isfinite(audio)):
                raise AmtError("audio must be a one-dimensional array of finite samples")
            yield audio.astype(np.float32, copy=False)
        else:
            yield from stream_audio(audio, sample_rate=self.config.feature.sample_rate)

    def _forward(self, samples: np.ndarray) -> dict[str, np.ndarray]:
        batch = torch.from_numpy(np.ascontiguousarray(samples))[None].to(self.device)
        with torch.inference_mode():
            logits = self.network(self.model.feature(batch))
        return {name: torch.sigmoid(logits[name][0].float()).half().cpu().numpy() for name in ROLLS}


def transcribe_file(
    path: str | os.PathLike, *, weights: str | None = None, start: float = 0.0, duration: float | None = None
) -> Performance:
    """One call for notebooks: a recording, or ``duration`` seconds of it from ``start`` on -> :class:`Performance`."""
    transcriber = Transcriber(weights)
    if start == 0.0 and duration is None:
        return transcriber.transcribe(path)
    rate = transcriber.config.feature.sample_rate
    return transcriber.transcribe(load_audio(path, sample_rate=rate, start=start, duration=duration))
