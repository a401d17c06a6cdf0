"""A recording -> activations -> notes and pedals, in memory that does not grow with the network's work.

Long audio is cut into overlapping chunks that begin on the grid of the LSTMs' blocks
(:func:`amt_utils.models.blocks.run_in_blocks`); at each inner border two blocks on either side are discarded and
the centres are joined, so that the joined activations equal those of one long pass. Notes are decoded as chunks come.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch

from ..audio.reading import load_audio, stream_audio
from ..audio.tuning import estimate_tuning, rate_for_tuning
from ..checkpoints.weights import load_weights, weights_path
from ..config import KEY_ROLLS, Config, change_config
from ..models.blocks import BLOCK
from ..music.notes import Performance
from ..system.errors import AmtError
from ..system.memory import keep_memory
from .decode import decode_pedals, find_notes
from .onnx import choose_quicker, find_exported
from .performance import perform

USUAL_LEVELS = (-34.0, -14.0)  # dB; how loud the loud moments are of most of what networks are trained on
TRIAL_SECONDS = 3  # of audio, to see whether PyTorch or an exported network is quicker here
MOST_GAIN = 30.0  # dB; no more, lest the noise of an empty recording be taken for music


class Transcriber:
    """Holds a network; ``transcribe`` turns audio files or arrays into performances.

    Args:
        weights: a shipped name, a ``.safetensors`` or ``.pt`` file; ``None`` for the default.
        device: ``"cpu"``, ``"cuda"`` or ``None`` for what is there.
        settings: changes to how it decodes, as ``["decode.onset_threshold=0.5"]``.
        tuning: Hz of A4; ``None`` estimates it for every recording (see :mod:`amt_utils.audio.tuning`).

    Raises:
        AmtError: no such weights, or a setting that is none of ``decode``.
    """

    tuning: float | None = None
    _is_tuned = False

    def __init__(
        self,
        weights: str | os.PathLike | None = None,
        *,
        device: str | None = None,
        settings: Iterable[str] = (),
        tuning: float | None = None,
    ):
        path = weights_path(weights)
        model, config, card = load_weights(path)
        for setting in settings:
            if not setting.startswith("decode."):
                raise AmtError(f"{setting!r}: weights are what they are; only decode.FIELD=VALUE can be changed")
            config = change_config(config, [setting])
        self._set(model, config, device)
        if self.device.type == "cpu":
            exported = find_exported(path)
            if exported:
                trial = self.model.feature(torch.zeros(1, TRIAL_SECONDS * config.feature.sample_rate))
                self.network = choose_quicker((exported, self.network), trial)
            if self.network is self.model.network:
                keep_memory()
        self.card, self.tuning = card, tuning

    def tuned(self, audio: str | os.PathLike | np.ndarray) -> Transcriber:
        """This transcriber, reading files at the rate that the tuning of ``audio`` asks for.

        An array stays what it is: its samples are at the model's rate already.
        """
        if isinstance(audio, np.ndarray) or self._is_tuned:
            return self
        rate, a4 = self.config.feature.sample_rate, self.tuning
        if a4 is None:
            a4 = estimate_tuning(stream_audio(audio, sample_rate=rate), sample_rate=rate)
        tuned = copy.copy(self)
        tuned.tuning, tuned._is_tuned = a4, True
        tuned.config = self.config.replace(feature={"sample_rate": rate_for_tuning(rate, a4)})
        return tuned

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
        self = self.tuned(audio)
        config = self.config.replace(decode=decode) if decode else self.config
        cues: list[np.ndarray] = []
        notes = find_notes(self._listen(audio, cues, on_progress), config)
        return perform(notes, decode_pedals(self._read_pedals(cues), config), config)

    def activations(
        self, audio: str | os.PathLike | np.ndarray, *, on_progress: Callable[[float], None] | None = None
    ) -> dict[str, np.ndarray]:
        """Probabilities, float16: :data:`.ROLLS`, each ``(T, 88)``, ``pedal`` ``(T, 3)``."""
        self = self.tuned(audio)
        parts: dict[str, list[np.ndarray]] = {name: [] for name in KEY_ROLLS}
        cues: list[np.ndarray] = []
        for piece in self._listen(audio, cues, on_progress):
            for name in KEY_ROLLS:
                parts[name].append(piece[name])
        return {name: np.concatenate(parts.pop(name)) for name in KEY_ROLLS} | {"pedal": self._read_pedals(cues)}

    def _listen(self, audio, cues: list[np.ndarray], on_progress) -> Iterator[dict[str, np.ndarray]]:
        """Consecutive pieces of :data:`.KEY_ROLLS`; what tells of the pedals goes into ``cues``."""
        hop, seconds = self.config.feature.hop_length, self.config.feature.frame_seconds
        margin = 2 * BLOCK  # frames: one LSTM hears another, both hear what stands around their block
        body = BLOCK * max(1, round(self.config.decode.chunk_seconds / seconds / BLOCK))
        buffer, first, ended = np.zeros(0, np.float32), True, False
        blocks = self._blocks(audio)
        while not ended:
            # a chunk of `body` frames with a margin on either side; then move on by `body`
            while len(buffer) <= (body + 2 * margin) * hop and not ended:
                block = next(blocks, None)
                buffer, ended = (buffer, True) if block is None else (np.concatenate([buffer, block]), False)
            if not len(buffer):
                raise AmtError(f"{audio if not isinstance(audio, np.ndarray) else 'audio'}: holds no samples")
            heard = self._forward(buffer if ended else buffer[: (body + 2 * margin) * hop])
            kept = slice(0 if first else margin, None if ended else margin + body)
            cues.append(heard.pop("pedal_cue")[kept])
            yield {name: heard[name][kept] for name in KEY_ROLLS}
            if on_progress:
                on_progress(len(cues[-1]) * seconds)
            buffer, first = buffer[body * hop :], False

    def _blocks(self, audio) -> Iterator[np.ndarray]:
        gain = self._gain(self._read(audio))
        return (gain * block for block in self._read(audio))

    def _read(self, audio) -> Iterator[np.ndarray]:
        if isinstance(audio, np.ndarray):
            if audio.ndim != 1 or not np.all(np.isfinite(audio)):
                raise AmtError("audio must be a one-dimensional array of finite samples")
            yield audio.astype(np.float32, copy=False)
        else:
            yield from stream_audio(audio, sample_rate=self.config.feature.sample_rate)

    def _gain(self, blocks: Iterator[np.ndarray]) -> np.float32:
        """What brings a recording fainter or louder than usual to the nearest usual level; 1 for all others."""
        moment = self.config.feature.sample_rate // 20
        power = [np.square(b[: len(b) // moment * moment].reshape(-1, moment)).mean(1) for b in blocks]
        loud = np.percentile(np.concatenate(power), 95) if sum(map(len, power)) else 0.0
        level = 10 * np.log10(loud) if loud > 0 else USUAL_LEVELS[0]
        return np.float32(10 ** (min(MOST_GAIN, np.clip(level, *USUAL_LEVELS) - level) / 20))

    def _forward(self, samples: np.ndarray) -> dict[str, np.ndarray]:
        batch = torch.from_numpy(np.ascontiguousarray(samples))[None].to(self.device)
        with torch.inference_mode():
            heard = {name: value[0].float() for name, value in self.network(self.model.feature(batch)).items()}
            rolls = {name: torch.sigmoid(heard[name]) for name in KEY_ROLLS}
        return {name: value.half().cpu().numpy() for name, value in {**heard, **rolls}.items()}

    def _read_pedals(self, cues: list[np.ndarray]) -> np.ndarray:
        cue = torch.from_numpy(np.concatenate(cues))[None].to(self.device)
        cues.clear()  # an hour of them is 35 MB
        with torch.inference_mode():
            logits = self.model.network.pedal_head(cue)
        return torch.sigmoid(logits[0]).half().cpu().numpy()


def transcribe_file(
    path: str | os.PathLike, *, weights: str | None = None, start: float = 0.0, duration: float | None = None
) -> Performance:
    """One call for notebooks: a recording, or ``duration`` seconds of it from ``start`` on -> :class:`Performance`."""
    transcriber = Transcriber(weights)
    if start == 0.0 and duration is None:
        return transcriber.transcribe(path)
    rate = transcriber.config.feature.sample_rate
    return transcriber.transcribe(load_audio(path, sample_rate=rate, start=start, duration=duration))
