"""Recordings -> activations -> notes and pedals, in memory that does not grow with a recording's length.

Recordings are cut into overlapping windows (:mod:`amt_utils.audio.windows`), of which as many are computed side by side
as there are processor cores and as the memory allows, one thread each; on a GPU, windows of many recordings make a
batch. Meanwhile the windows before are decoded.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from ..audio.reading import stream_audio
from ..audio.tuning import estimate_tuning, rate_for_tuning
from ..audio.windows import key_cut, pedal_cut, window_samples
from ..checkpoints import hub
from ..checkpoints.checkpoint import read_card
from ..checkpoints.weights import load_weights, weights_path
from ..config import KEY_ROLLS, Config, change_config
from ..music.notes import Performance
from ..system.errors import AmtError
from .decode import decode_pedals, find_notes
from .onnx import find_onnx
from .performance import perform
from .pretrained import LICENSE, save_folder

if TYPE_CHECKING:  # transcribing by ONNX needs no torch
    from ..models import Transcriptor

USUAL_LEVELS = (-34.0, -14.0)  # dB; how loud the loud moments are of most of what networks are trained on
MOST_GAIN = 30.0  # dB; more would turn the noise of an empty recording into music
MEMORY = 800_000_000  # bytes of the process, by default
MEMORY_WITHOUT_WINDOWS = 150_000_000  # Python, libraries, weights, what is read and decoded
GPU_FILES = ("/dev/nvidia0", "/dev/dxg", "/dev/kfd")  # drivers of CUDA on Linux and WSL, and of ROCm

Recording = str | os.PathLike | np.ndarray
Piece = dict[str, np.ndarray]  # probabilities of consecutive frames by name, and `pedal_cue`
# the number of a recording, its configuration, and its next piece or what is wrong with it
Computed = tuple[int, Config, Piece | AmtError]


class Network(Protocol):
    """What computes windows: :class:`.OnnxNetwork` or :class:`.TorchNetwork`."""

    margin: int  # frames beyond a window on either side whose samples it needs
    batch: int  # windows in one call, at most
    parallel: bool  # whether calls may go side by side
    window_bytes: int  # memory that one of such calls takes

    def __call__(self, audio: np.ndarray) -> dict[str, np.ndarray]: ...

    def pedals(self, cue: np.ndarray) -> np.ndarray: ...


class Job(NamedTuple):
    """A window to compute, and which of its frames to keep; or why the recording ``number`` has no more."""

    number: int
    config: Config  # of this recording: its tuning tells the rate it is read at
    samples: np.ndarray | None
    kept: slice
    error: AmtError | None = None


class Transcriber:
    """Holds a network; ``transcribe`` turns audio files or arrays into performances.

    Args:
        weights: a shipped name, a ``.safetensors`` or ``.pt`` file, a folder of :meth:`save_pretrained`, or
            ``hf:OWNER/NAME`` on the Hugging Face Hub; ``None`` for the default.
        device: ``"cpu"``, ``"cuda"`` or ``None`` for what is there.
        settings: changes to how it decodes, as ``["decode.onset_threshold=0.5"]``.
        memory: bytes that the process may take on a CPU, by ONNX: how many windows are computed side by side.
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
        memory: int = MEMORY,
        tuning: float | None = None,
    ):
        path, device = weights_path(weights), device or find_device()
        network: Network | None = find_onnx(path) if device == "cpu" else None
        if network:
            card: dict[str, Any] = read_card(path)
            config = Config.from_dict(card["config"], where=f"{path.with_suffix('.json')}: config")
        else:
            model, config, card = load_weights(path)
            network = _torch_network(model, device)
        settings = tuple(settings)
        for setting in settings:
            if not setting.startswith("decode."):
                raise AmtError(f"{setting!r}: weights are what they are; only decode.FIELD=VALUE can be changed")
            config = change_config(config, [setting])
        self.network, self.config, self.card, self.memory = network, config, card, memory
        self.tuning = tuning
        self._recipe = (os.path.abspath(path), device, settings, memory, tuning)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by where its weights lie: another process opens them once and keeps the network."""
        if not hasattr(self, "_recipe"):
            raise AmtError("a network in memory cannot go to another process; save its weights and name the file")
        return _open_once, self._recipe

    def tuned(self, audio: str | os.PathLike | np.ndarray) -> Transcriber:
        """This transcriber, reading files at the rate that the tuning of ``audio`` asks for.

        An array stays what it is: its samples are at the model's rate already.
        """
        if isinstance(audio, np.ndarray) or self._is_tuned:
            return self
        rate, a4 = self.config.feature.sample_rate, self.tuning
        if a4 is None:
            a4 = estimate_tuning(stream_audio(audio, sample_rate=rate), sample_rate=rate)
        tuned = object.__new__(type(self))
        tuned.__dict__.update(self.__dict__)
        tuned.tuning, tuned._is_tuned = a4, True
        tuned.config = self.config.replace(feature={"sample_rate": rate_for_tuning(rate, a4)})
        return tuned

    @classmethod
    def from_model(cls, model: Transcriptor, config: Config, *, device: str | None = None) -> Transcriber:
        """Around a PyTorch network that is already in memory (validation during training)."""
        self = cls.__new__(cls)
        self.network, self.config, self.memory = _torch_network(model, device or find_device()), config, MEMORY
        self.card = {"config": config.to_dict()}
        return self

    @classmethod
    def from_pretrained(cls, name: str | os.PathLike, **options: Any) -> Transcriber:
        """From a folder of :meth:`save_pretrained`, a shipped name, or ``OWNER/NAME`` on the Hugging Face Hub.

        Args:
            name: what to load; a file or folder of that name comes first. ``OWNER/NAME@REVISION`` is one version.
            options: as of :class:`Transcriber`.

        Raises:
            AmtError: no such weights, or damaged ones; no network, or no ``huggingface_hub`` (the extra ``hub``).
        """
        known = Path(name).exists() or not hub.is_repository(os.fspath(name))
        return cls(name if known else f"{hub.PREFIX}{name}", **options)

    def save_pretrained(self, folder: str | os.PathLike, *, license: str = LICENSE) -> Path:
        """Writes a folder that :meth:`from_pretrained` loads, and ``hf upload OWNER/NAME FOLDER`` publishes.

        It holds ``model.safetensors`` with its card (hash, configuration, thresholds, metrics), ``config.json``, the
        ONNX files if there are any, and a ``README.md`` with the Hub's metadata. Weights from memory are rounded to
        float16.

        Args:
            folder: made if it is missing; files of these names in it are replaced.
            license: as the Hub names it. Shipped weights, and what was trained on MAESTRO, keep the default.

        Raises:
            AmtError: the weights' file has changed or the folder cannot be written.
        """
        decode = self.config.to_dict()["decode"]  # as changed by ``settings``
        card = {**self.card, "config": {**self.card["config"], "decode": decode}}
        if hasattr(self, "_recipe"):
            return save_folder(Path(folder), Path(self._recipe[0]), card, license=license)
        tensors = self.network.model.state_dict()  # type: ignore[attr-defined]  # from_model: a TorchNetwork
        return save_folder(Path(folder), tensors, card, license=license)

    @property
    def workers(self) -> int:
        """How many windows are computed side by side."""
        if not self.network.parallel:
            return 1
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(cores, max(1, (self.memory - MEMORY_WITHOUT_WINDOWS) // max(1, self.network.window_bytes)))

    def transcribe(self, recording: Recording, *, on_progress: Callable[[float], None] | None = None) -> Performance:
        """A file (any length) or a float32 array at the model's rate -> notes with key ends, and pedals.

        Args:
            recording: what to transcribe.
            on_progress: called with the seconds of audio that each window adds.

        Raises:
            AmtError: it cannot be read, or holds no samples.
        """
        (result,) = self.transcribe_all([recording], on_progress=on_progress)
        if isinstance(result, AmtError):
            raise result
        return result

    def transcribe_all(
        self, recordings: Iterable[Recording], *, on_progress: Callable[[float], None] | None = None
    ) -> Iterator[Performance | AmtError]:
        """What :meth:`transcribe` gives for each of many recordings, in order, or why one cannot be read.

        While one is decoded, windows of the next are computed.
        """
        for (_, config), pieces in itertools.groupby(self._compute(recordings), key=itemgetter(0, 1)):
            pedals = _Pedals(self.network, config)
            try:
                notes = find_notes(self._read(pieces, pedals, on_progress), config)
                yield perform(notes, decode_pedals(pedals.finish(), config), config)
            except AmtError as error:
                yield error

    def activations(
        self, recording: Recording, *, on_progress: Callable[[float], None] | None = None
    ) -> dict[str, np.ndarray]:
        """Probabilities, float16: :data:`.ROLLS`, each ``(T, 88)``, ``pedal`` ``(T, 3)``."""
        self = self.tuned(recording)
        parts: dict[str, list[np.ndarray]] = {name: [] for name in KEY_ROLLS}
        pedals = _Pedals(self.network, self.config)
        for piece in self._read(self._compute([recording]), pedals, on_progress):
            for name in KEY_ROLLS:
                parts[name].append(piece[name])
        return {name: np.concatenate(parts.pop(name)) for name in KEY_ROLLS} | {"pedal": pedals.finish()}

    def _read(self, pieces: Iterable[Computed], pedals: _Pedals, on_progress) -> Iterator[Piece]:
        """The pieces of one recording; what the pedals are read from goes to ``pedals``."""
        for _, config, piece in pieces:
            if isinstance(piece, AmtError):
                raise piece
            pedals.add(piece.pop("pedal_cue"))
            yield piece
            if on_progress:
                on_progress(len(piece["onset"]) * config.feature.frame_seconds)

    def _compute(self, recordings: Iterable[Recording]) -> Iterator[Computed]:
        """The pieces of all recordings, in order, computed some way ahead."""
        jobs = self._jobs(recordings)
        with ThreadPoolExecutor(self.workers) as pool:
            waiting: deque = deque()
            while batch := list(itertools.islice(jobs, self.network.batch)):
                waiting.append(pool.submit(self._forward, batch))
                if len(waiting) > self.workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()

    def _forward(self, jobs: list[Job]) -> list[Computed]:
        results: dict[int, Piece | AmtError] = {i: job.error for i, job in enumerate(jobs) if job.error}
        windows = {i: job.samples for i, job in enumerate(jobs) if job.samples is not None}
        for size in set(map(len, windows.values())):  # a recording's last window may be shorter
            chosen = [i for i in windows if len(windows[i]) == size]
            logits = self.network(np.stack([windows[i] for i in chosen]))
            for row, i in enumerate(chosen):
                piece = {name: values[row, jobs[i].kept] for name, values in logits.items()}
                rolls = {name: _sigmoid(piece[name]) for name in KEY_ROLLS}
                results[i] = {name: value.astype(np.float16) for name, value in {**piece, **rolls}.items()}
        return [(job.number, job.config, results[i]) for i, job in enumerate(jobs)]

    def _jobs(self, recordings: Iterable[Recording]) -> Iterator[Job]:
        for number, recording in enumerate(recordings):
            config = self.config
            try:
                tuned = self.tuned(recording)
                config, feature = tuned.config, tuned.config.feature
                windows = window_samples(
                    tuned._blocks(recording),
                    key_cut(feature),
                    hop_length=feature.hop_length,
                    margin=self.network.margin,
                )
                job = None
                for samples, kept in windows:
                    job = Job(number, config, samples, kept)
                    yield job
                if job is None:
                    name = "audio" if isinstance(recording, np.ndarray) else recording
                    raise AmtError(f"{name}: holds no samples")
            except AmtError as error:
                yield Job(number, config, None, slice(0), error)

    def _blocks(self, recording: Recording) -> Iterator[np.ndarray]:
        gain = self._gain(self._samples(recording))
        return (gain * block for block in self._samples(recording))

    def _samples(self, recording: Recording) -> Iterator[np.ndarray]:
        if isinstance(recording, np.ndarray):
            if recording.ndim != 1 or not np.all(np.isfinite(recording)):
                raise AmtError("audio must be a one-dimensional array of finite samples")
            size = 10 * self.config.feature.sample_rate
            yield from (recording[i : i + size].astype(np.float32) for i in range(0, len(recording), size))
        else:
            yield from stream_audio(recording, sample_rate=self.config.feature.sample_rate, block_seconds=10.0)

    def _gain(self, blocks: Iterator[np.ndarray]) -> np.float32:
        """What brings a recording fainter or louder than usual to the nearest usual level; 1 for all others."""
        moment = self.config.feature.sample_rate // 20
        power = [np.square(b[: len(b) // moment * moment].reshape(-1, moment)).mean(1) for b in blocks]
        loud = np.percentile(np.concatenate(power), 95) if sum(map(len, power)) else 0.0
        level = 10 * np.log10(loud) if loud > 0 else USUAL_LEVELS[0]
        return np.float32(10 ** (min(MOST_GAIN, np.clip(level, *USUAL_LEVELS) - level) / 20))


class _Pedals:
    """Reads the pedals window by window, ten minutes each, as what they are read from comes."""

    def __init__(self, network: Network, config: Config):
        self.network, self.cut = network, pedal_cut(config.feature)
        self.number, self.held, self.first = 0, [np.zeros((0, 0), np.float16)], 0  # `first`: the frame it begins at
        self.probabilities: list[np.ndarray] = []

    def add(self, cue: np.ndarray) -> None:
        """The next ``(t, C)`` frames."""
        self.held = [*self.held, cue] if self.held[0].size else [cue]
        n_frames = self.first + sum(map(len, self.held))
        if n_frames > self.number * self.cut.step + self.cut.length:  # it is not the last window
            self._run(n_frames)

    def finish(self) -> np.ndarray:
        """``(T, 3)`` probabilities, float16, of all frames that came."""
        self._run(self.first + sum(map(len, self.held)))
        return np.concatenate(self.probabilities)

    def _run(self, n_frames: int) -> None:
        window = self.cut.window(self.number, n_frames)
        cue = np.concatenate(self.held)
        logits = self.network.pedals(cue[None, window.begin - self.first : window.end - self.first].astype(np.float32))
        self.probabilities.append(_sigmoid(logits[0, window.kept]).astype(np.float16))
        self.number += 1
        following = self.number * self.cut.step
        self.held, self.first = [cue[following - self.first :]], following


@lru_cache(maxsize=2)
def _open_once(
    weights: str, device: str, settings: tuple[str, ...], memory: int, tuning: float | None
) -> Transcriber:
    return Transcriber(weights, device=device, settings=settings, memory=memory, tuning=tuning)


def find_device() -> str:
    """``"cuda"`` where PyTorch can use a GPU, otherwise ``"cpu"``; imports PyTorch only where a driver is installed."""
    if not (any(Path(name).exists() for name in GPU_FILES) or shutil.which("nvidia-smi")):
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _torch_network(model: Transcriptor, device: str) -> Network:
    import torch

    from .torch_network import TorchNetwork

    return TorchNetwork(model, torch.device(device))


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(0.5 * logits)
