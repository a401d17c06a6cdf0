"""Recordings -> activations -> notes and pedals, in memory that does not grow with the recordings' length.

Recordings are cut into overlapping windows (:mod:`amt_utils.audio.windows`). On a CPU, windows are computed in
parallel, one thread each, as many as there are cores and as fit into the memory; on a GPU, windows of several
recordings form a batch. Earlier windows are decoded meanwhile.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..audio.reading import stream_audio
from ..audio.tuning import A4, estimate_tuning, rate_for_tuning
from ..audio.windows import key_cut, window_samples
from ..checkpoints import hub
from ..checkpoints.weights import weights_path
from ..config import KEY_ROLLS, Config, change_config
from ..music.notes import Performance
from ..system.errors import AmtError
from .decode import decode_pedals, find_notes
from .network import find_device, open_network, sigmoid, wrap_model
from .pedals import PedalReader
from .performance import perform
from .pretrained import LICENSE, save_folder

if TYPE_CHECKING:  # transcribing by ONNX needs no torch
    from ..models import Transcriptor

USUAL_LEVELS = (-34.0, -14.0)  # dB; level of the loud parts of most training recordings
MOST_GAIN = 30.0  # dB; more would amplify the noise of an empty recording until notes are found in it
MEMORY = 800_000_000  # bytes; default limit of the process
MEMORY_WITHOUT_WINDOWS = 150_000_000  # bytes for Python, libraries, weights, audio and decoding

Audio = str | os.PathLike | np.ndarray
Chunk = dict[str, np.ndarray]  # probabilities of consecutive frames by name, and `pedal_cue`
# a recording's number and transcriber, and its next chunk or an error
Computed = tuple[int, "Transcriber", Chunk | AmtError]


class Job(NamedTuple):
    """A window of the recording ``number`` to compute and which of its frames to keep, or an error that ends it."""

    number: int
    tuned: Transcriber  # to this recording
    samples: np.ndarray | None
    kept: slice
    error: AmtError | None = None


class Transcriber:
    """Holds a network; ``transcribe`` turns audio files or arrays into performances.

    Args:
        weights: a shipped name, a ``.safetensors`` or ``.pt`` file, a folder of :meth:`save_pretrained`, or
            ``hf:OWNER/NAME`` on the Hugging Face Hub; ``None`` for the default.
        device: ``"cpu"``, ``"cuda"``, or ``None`` for a GPU if there is one.
        settings: changes of the decoding, such as ``["decode.onset_threshold=0.5"]``.
        memory: limit of the process in bytes, for ONNX on a CPU; it bounds how many windows are computed in parallel.
        tuning: frequency of A4 in Hz; ``None`` estimates it for every recording (:mod:`amt_utils.audio.tuning`).

    Attributes:
        cut: the windows it computes, in frames, whatever rate a recording's tuning asks for.

    Raises:
        AmtError: no such weights, or a setting outside ``decode``.
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
        network, config, card = open_network(path, device)
        settings = tuple(settings)
        for setting in settings:
            if not setting.startswith("decode."):
                raise AmtError(f"{setting!r}: fixed by the weights; only decode.FIELD=VALUE can be changed")
            config = change_config(config, [setting])
        self.network, self.config, self.card, self.memory = network, config, card, memory
        self.tuning, self.cut = tuning, key_cut(config.feature)
        self._recipe = (os.path.abspath(path), device, settings, memory, tuning)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as the path of its weights: another process loads them once and keeps the network."""
        if not hasattr(self, "_recipe"):
            raise AmtError("a network in memory cannot go to another process; save its weights and name the file")
        return _open_once, self._recipe

    def tuned(self, audio: str | os.PathLike | np.ndarray) -> Transcriber:
        """This transcriber, reading files at the sample rate that compensates the tuning of ``audio``.

        For an array, which is at the model's rate already, nothing changes.
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
        """A transcriber with a PyTorch network in memory (for validation during training)."""
        self = cls.__new__(cls)
        self.network, self.config, self.memory = wrap_model(model, device or find_device()), config, MEMORY
        self.card, self.cut = {"config": config.to_dict()}, key_cut(config.feature)
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
        """Number of windows that are computed in parallel."""
        if not self.network.parallel:
            return 1
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(cores, max(1, (self.memory - MEMORY_WITHOUT_WINDOWS) // max(1, self.network.window_bytes)))

    def transcribe(self, recording: Audio, *, on_progress: Callable[[float], None] | None = None) -> Performance:
        """A file of any length, or a float32 array at the model's rate -> notes with key ends, and pedals.

        Args:
            recording: what to transcribe.
            on_progress: called after each window with its seconds of audio.

        Raises:
            AmtError: the recording cannot be read, or holds no samples.
        """
        ((result, _),) = self.transcribe_all([recording], on_progress=on_progress)
        if isinstance(result, AmtError):
            raise result
        return result

    def transcribe_all(
        self, recordings: Iterable[Audio], *, on_progress: Callable[[float], None] | None = None
    ) -> Iterator[tuple[Performance | AmtError, float]]:
        """The result of :meth:`transcribe` for each recording, in order, and Hz of A4; where there is none, the error.

        While one recording is decoded, windows of the next are computed; on a GPU a batch holds windows of several.
        """
        for (_, tuned), chunks in itertools.groupby(self._compute(recordings), key=itemgetter(0, 1)):
            config, pedals = tuned.config, PedalReader(self.network, tuned.config)
            result: Performance | AmtError
            try:
                notes = find_notes(self._read(chunks, pedals, on_progress), config)
                result = perform(notes, decode_pedals(pedals.finish(), config), config)
            except AmtError as error:
                result = error
            yield result, tuned.tuning or A4

    def activations(
        self, recording: Audio, *, on_progress: Callable[[float], None] | None = None
    ) -> dict[str, np.ndarray]:
        """Probabilities, float16: :data:`.KEY_ROLLS`, ``(T, 88)`` each, and ``pedal``, ``(T, 3)``."""
        self = self.tuned(recording)
        parts: dict[str, list[np.ndarray]] = {name: [] for name in KEY_ROLLS}
        pedals = PedalReader(self.network, self.config)
        for chunk in self._read(self._compute([recording]), pedals, on_progress):
            for name in KEY_ROLLS:
                parts[name].append(chunk[name])
        return {name: np.concatenate(parts.pop(name)) for name in KEY_ROLLS} | {"pedal": pedals.finish()}

    def _read(self, chunks: Iterable[Computed], pedals: PedalReader, on_progress) -> Iterator[Chunk]:
        """The chunks of one recording; their pedal cues go to ``pedals``."""
        for _, tuned, chunk in chunks:
            if isinstance(chunk, AmtError):
                raise chunk
            pedals.add(chunk.pop("pedal_cue"))
            yield chunk
            if on_progress:
                on_progress(len(chunk["onset"]) * tuned.config.feature.frame_seconds)

    def _compute(self, recordings: Iterable[Audio]) -> Iterator[Computed]:
        """The chunks of all recordings, in order; up to ``workers`` windows are computed ahead."""
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
        results: dict[int, Chunk | AmtError] = {i: job.error for i, job in enumerate(jobs) if job.error}
        windows = {i: job.samples for i, job in enumerate(jobs) if job.samples is not None}
        for size in set(map(len, windows.values())):  # a recording's last window may be shorter
            chosen = [i for i in windows if len(windows[i]) == size]
            logits = self.network(np.stack([windows[i] for i in chosen]))
            for row, i in enumerate(chosen):
                chunk = {name: values[row, jobs[i].kept] for name, values in logits.items()}
                rolls = {name: sigmoid(chunk[name]) for name in KEY_ROLLS}
                results[i] = {name: value.astype(np.float16) for name, value in {**chunk, **rolls}.items()}
        return [(job.number, job.tuned, results[i]) for i, job in enumerate(jobs)]

    def _jobs(self, recordings: Iterable[Audio]) -> Iterator[Job]:
        for number, recording in enumerate(recordings):
            tuned = self
            try:
                tuned = self.tuned(recording)
                windows = window_samples(
                    tuned._blocks(recording),
                    self.cut,
                    hop_length=tuned.config.feature.hop_length,
                    margin=self.network.margin,
                )
                job = None
                for samples, kept in windows:
                    job = Job(number, tuned, samples, kept)
                    yield job
                if job is None:
                    name = "audio" if isinstance(recording, np.ndarray) else recording
                    raise AmtError(f"{name}: holds no samples")
            except AmtError as error:
                yield Job(number, tuned, None, slice(0), error)

    def _blocks(self, recording: Audio) -> Iterator[np.ndarray]:
        gain = self._gain(self._samples(recording))
        return (gain * block for block in self._samples(recording))

    def _samples(self, recording: Audio) -> Iterator[np.ndarray]:
        if isinstance(recording, np.ndarray):
            if recording.ndim != 1 or not np.all(np.isfinite(recording)):
                raise AmtError("audio must be a one-dimensional array of finite samples")
            size = 10 * self.config.feature.sample_rate
            yield from (recording[i : i + size].astype(np.float32) for i in range(0, len(recording), size))
        else:
            yield from stream_audio(recording, sample_rate=self.config.feature.sample_rate, block_seconds=10.0)

    def _gain(self, blocks: Iterator[np.ndarray]) -> np.float32:
        """The gain that brings a recording outside ``USUAL_LEVELS`` to the nearest of them; 1 for all others."""
        moment = self.config.feature.sample_rate // 20
        power = [np.square(b[: len(b) // moment * moment].reshape(-1, moment)).mean(1) for b in blocks]
        loud = np.percentile(np.concatenate(power), 95) if sum(map(len, power)) else 0.0
        level = 10 * np.log10(loud) if loud > 0 else USUAL_LEVELS[0]
        return np.float32(10 ** (min(MOST_GAIN, np.clip(level, *USUAL_LEVELS) - level) / 20))


@lru_cache(maxsize=2)
def _open_once(
    weights: str, device: str, settings: tuple[str, ...], memory: int, tuning: float | None
) -> Transcriber:
    return Transcriber(weights, device=device, settings=settings, memory=memory, tuning=tuning)
