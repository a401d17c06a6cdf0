"""Fine-tunes heads, registers and norms of a network to one piano, from minutes of recordings with their MIDI.

The other weights are frozen. The fitted ones are those that depend most on piano and room: each key's brightness (the
registers), the strength of an onset (the heads), the channels' levels (the norms' scale and offset). The first three
quarters of every recording are for training and for tuning the thresholds; the last quarter is held out, and the new
weights are kept only if their metrics are better there.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..audio.reading import load_audio, save_audio
from ..config import Config, DataConfig
from ..data.library import Recording
from ..evaluation.metrics import average_scores, score_performance
from ..evaluation.thresholds import tune_endings, tune_onset, validation_activations
from ..models.blocks import Register, Transcriptor
from ..music.midi import write_midi
from ..system.errors import AmtError
from ..transcription.performance import decode_performance
from .losses import compute_losses, total_loss
from .optimizer import choose_precision, learn_alone
from .windows import WindowDataset

KEPT_BACK = 0.25  # of every recording, its end
SHORTEST = 20.0  # seconds of a recording, so that its held-out end has notes
WINDOW_SECONDS, BATCH = 5.0, 2
RATE, FINAL_RATE, AVERAGED = 1e-3, 0.05, 0.98
JUDGED_WINDOWS = 8
METRICS = ("note_f1", "note_offset_f1", "note_velocity_f1", "frame_f1")


@dataclass(frozen=True)
class Adaptation:
    """The result of :func:`adapt`.

    Attributes:
        config: with the tuned thresholds; the old ones where the old weights are kept.
        before, after: mean metrics on the held-out parts, fractions (:mod:`amt_utils.evaluation.metrics`).
        steps: of training.
    """

    config: Config
    before: dict[str, float]
    after: dict[str, float]
    steps: int

    @property
    def helped(self) -> bool:
        """Whether the new weights are better: the mean of :data:`METRICS` is higher, and note F1 is not lower."""
        gains = [self.after[name] - self.before[name] for name in METRICS]
        return sum(gains) > 0 and gains[0] >= 0


class OwnParts(nn.Module):
    """The parameters that are fitted: of heads, registers and norms, by their names in the network."""

    def __init__(self, network: nn.Module):
        super().__init__()
        chosen = {
            f"{name}.{key}".strip(".").replace(".", "/"): value
            for name, module in network.named_modules()
            for key, value in module.named_parameters(recurse=False)
            if "pedal" not in name
            and (isinstance(module, (Register, nn.BatchNorm2d, nn.InstanceNorm2d)) or "head" in name)
        }
        self.values = nn.ParameterDict(chosen)


def adapt(
    model: Transcriptor, config: Config, recordings: list[Recording], folder: Path, *, minutes: float
) -> Adaptation:
    """Fine-tunes ``model`` to ``recordings``; where that does not help, its weights are restored.

    Args:
        model: a transcribing network (:class:`.Transcriptor`) with trained weights.
        config: of the network.
        recordings: audio with aligned MIDI (``python -m amt_utils recordings`` aligns it).
        folder: an empty one, for the parts that the recordings are cut into.
        minutes: wall time of training.

    Raises:
        AmtError: every recording is shorter than 20 s.
    """
    learning, kept_back = (os.fspath(folder / part) for part in ("train", "validation"))
    if not cut_recordings(recordings, folder, sample_rate=config.feature.sample_rate):
        raise AmtError(f"every recording is shorter than {SHORTEST:.0f} s; record more")
    before = _measure(model, config, kept_back)
    old = {name: value.clone() for name, value in model.state_dict().items()}
    steps = _fit(model, config, learning, kept_back, minutes)
    tuned = _tune(model, config, learning)
    result = Adaptation(tuned, before, _measure(model, tuned, kept_back), steps)
    if result.helped:
        return result
    model.load_state_dict(old)
    return Adaptation(config, before, result.after, steps)


def cut_recordings(recordings: list[Recording], folder: Path, *, sample_rate: int) -> int:
    """Each recording's beginning into ``folder/train``, its end into ``folder/validation``; returns how many."""
    done = 0
    for number, recording in enumerate(recordings):
        audio = load_audio(recording.audio, sample_rate=sample_rate)
        seconds = len(audio) / sample_rate
        if seconds < SHORTEST:
            continue
        border = (1 - KEPT_BACK) * seconds
        parts = {"train": (0.0, border), "validation": (border, seconds)}
        for part, (begin, end) in parts.items():
            name = folder / part / f"{number:03d}"
            save_audio(name.with_suffix(".flac"), audio[round(begin * sample_rate) : round(end * sample_rate)],
                       sample_rate=sample_rate)  # fmt: skip
            write_midi(name.with_suffix(".mid"), recording.performance.window(begin, end))
        done += 1
    return done


def _fit(model: Transcriptor, config: Config, learning: str, kept_back: str, minutes: float) -> int:
    """Trains the parts for about ``minutes``; returns the number of steps."""
    own = OwnParts(model.network)
    model.requires_grad_(False)
    own.requires_grad_(True)
    model.eval()  # the norms keep their statistics
    for module in model.modules():
        if isinstance(module, nn.LSTM):
            module.train()  # one pass over a window instead of blocks
    batches = iter(_batches(config, learning, augment=True))
    judged = list(itertools.islice(iter(_batches(config, kept_back, augment=False)), JUDGED_WINDOWS // BATCH))
    bfloat = choose_precision(config.train.precision) == "bf16-mixed"

    def loss_on(batch: dict[str, Tensor]) -> Tensor:
        device = next(own.parameters()).device
        batch = {name: value.to(device) for name, value in batch.items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat):
            logits = model(batch["audio"])
        return total_loss(compute_losses(logits, batch, config.loss), config.loss)

    def judge(averaged: nn.Module) -> float:
        mine = {name: value.clone() for name, value in own.state_dict().items()}
        own.load_state_dict(averaged.state_dict())
        with torch.inference_mode():
            loss = float(torch.stack([loss_on(batch) for batch in judged]).mean())
        own.load_state_dict(mine)
        return loss

    began = time.perf_counter()
    loss_on(next(batches)).backward()  # measures how long a step takes
    seconds = time.perf_counter() - began
    own.zero_grad()
    steps = max(2, round(60 * minutes / seconds))
    learn_alone(
        own, lambda: loss_on(next(batches)), steps=steps, rate=RATE, final_rate=FINAL_RATE, weight_decay=0.0,
        ema_decay=AVERAGED, name="adapt", judge=judge,
    )  # fmt: skip
    model.requires_grad_(True).eval()
    return steps


def _batches(config: Config, folder: str, *, augment: bool) -> DataLoader:
    data = DataConfig(recordings=(folder,), window_seconds=WINDOW_SECONDS, augment=augment)
    return DataLoader(WindowDataset(dataclasses.replace(config, data=data)), batch_size=BATCH)


def _tune(model: Transcriptor, config: Config, folder: str) -> Config:
    held = validation_activations(model, config.replace(data={"validation": (folder,), "validation_limit": None}))
    config = config.replace(decode=tune_onset(held, config))
    return config.replace(decode=tune_endings(held, config))


def _measure(model: Transcriptor, config: Config, folder: str) -> dict[str, float]:
    held = validation_activations(model, config.replace(data={"validation": (folder,), "validation_limit": None}))
    metrics = [score_performance(reference, decode_performance(rolls, config)) for _, rolls, reference in held]
    return {name: value["mean"] for name, value in average_scores(metrics).items()}
