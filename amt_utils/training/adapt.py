"""Fits the heads of a network to one piano, from minutes of recordings with their MIDI.

The heads are the last, linear layers: one reads from a network's features whether a key's note begins, another how hard
it was struck. All other weights are frozen, so the features are computed once, and fitting takes seconds. With so few
notes, fitting registers and norms as well was slower and no better.

Every recording is cut into three parts (:data:`PARTS`). The heads are fitted to the first. The second decides after
which step to stop, and tunes the thresholds; tuned ones are used only where every recording agrees. The third is read
when heads and thresholds are final: its metrics are reported, and the new weights are kept only if they are better
there.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..audio.reading import audio_duration, load_audio, save_audio
from ..config import KEY_ROLLS, Config, LossConfig
from ..data.library import Recording, find_recordings
from ..evaluation.metrics import mean_scores
from ..evaluation.thresholds import Activations, score_held, tune_endings, tune_onset, validation_activations
from ..models.blocks import Transcriptor
from ..music.midi import write_midi
from ..system.errors import AmtError
from .losses import roll_loss
from .optimizer import learn_alone
from .targets import make_rolls

PARTS = {"train": (0.0, 0.5), "choose": (0.5, 0.75), "report": (0.75, 1.0)}  # of every recording: from, to
SHORTEST = 20.0  # seconds of a recording, so that its last part has notes
WINDOW_SECONDS, MARGIN = 5.0, 25  # of a window; frames at either end of it that are left out
MOST_WINDOWS = {"train": 60, "choose": 30}  # 1 GB of features
STEPS, RATE, FINAL_RATE, AVERAGED, WARMUP, LOOK = 200, 3e-3, 0.1, 0.95, 10, 10
SHARE = 0.1  # of the frames, for each step
WORTH_A_THRESHOLD = 0.005  # of the mean metric: a smaller gain on the second parts may be chance
METRICS = ("note_f1", "note_offset_f1", "note_velocity_f1", "frame_f1")


@dataclass(frozen=True)
class Adaptation:
    """The result of :func:`adapt`.

    Attributes:
        config: with the thresholds in use; the old ones where the old weights are kept.
        before, after: mean metrics on the last parts, fractions (:mod:`amt_utils.evaluation.metrics`).
        seconds: of audio that the heads were fitted to.
    """

    config: Config
    before: dict[str, float]
    after: dict[str, float]
    seconds: float

    @property
    def helped(self) -> bool:
        """Whether the new weights are better: the mean of :data:`METRICS` is higher, and note F1 is not lower."""
        return _mean(self.after) > _mean(self.before) and self.after["note_f1"] >= self.before["note_f1"]


@dataclass(frozen=True)
class Heard:
    """What the heads read in some windows, and what was played there.

    Attributes:
        inputs: by head, ``(frames, ...)``, float16.
        targets: by head, ``(frames, 88)``; ``where``: how much each cell's velocity counts.
        seconds: of audio.
    """

    inputs: dict[str, Tensor]
    targets: dict[str, Tensor]
    seconds: float


def adapt(
    model: Transcriptor, config: Config, recordings: list[Recording], folder: Path, *, minutes: float
) -> Adaptation:
    """Fits the heads of ``model`` to ``recordings``; where that does not help, its weights are restored.

    Args:
        model: a transcribing network (:class:`.Transcriptor`) with trained weights.
        config: of the network.
        recordings: audio with aligned MIDI (``python -m amt_utils recordings`` aligns it).
        folder: an empty one, for the parts that the recordings are cut into.
        minutes: wall time to compute features for; what is left over then is not read.

    Raises:
        AmtError: every recording is shorter than 20 s, or the network's heads are not linear layers.
    """
    rate = config.feature.sample_rate
    recordings = [recording for recording in recordings if audio_duration(recording.audio) >= SHORTEST]
    if not recordings:
        raise AmtError(f"every recording is shorter than {SHORTEST:.0f} s; record more")
    heads = find_heads(model.network)
    learning, choosing = (cut_part(recordings, folder, part, sample_rate=rate) for part in ("train", "choose"))
    old = {name: value.clone() for name, value in model.state_dict().items()}
    model.eval()
    heard = hear(model, heads, config, learning, most=MOST_WINDOWS["train"], seconds=40 * minutes)
    judged = hear(model, heads, config, choosing, most=MOST_WINDOWS["choose"], seconds=20 * minutes)
    for name in heard.inputs:
        fit_head(name, heads[name], heard, judged, config.loss)
    tuned = tune_carefully(_activations(model, config, choosing), config)
    # nothing is chosen from here on, but whether the new weights are kept
    reporting = cut_part(recordings, folder, "report", sample_rate=rate)
    after = mean_scores(score_held(_activations(model, tuned, reporting), tuned))
    new = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(old)
    before = mean_scores(score_held(_activations(model, config, reporting), config))
    result = Adaptation(tuned, before, after, heard.seconds)
    if not result.helped:
        return dataclasses.replace(result, config=config)
    model.load_state_dict(new)
    return result


def find_heads(network: nn.Module) -> dict[str, nn.Linear]:
    """The linear layers that give the logits of :data:`.KEY_ROLLS`, by the roll's name."""
    named = ((name.rpartition(".")[2].removesuffix("_head"), module) for name, module in network.named_modules())
    heads = {roll: module for roll, module in named if roll in KEY_ROLLS and isinstance(module, nn.Linear)}
    if not heads:
        raise AmtError("this network has no linear heads that could be fitted")
    return heads


def cut_part(recordings: list[Recording], folder: Path, part: str, *, sample_rate: int) -> Path:
    """Writes the part of each recording that :data:`PARTS` names, with its MIDI, to ``folder/part``; returns it."""
    for number, recording in enumerate(recordings):
        audio = load_audio(recording.audio, sample_rate=sample_rate)
        begin, end = (share * len(audio) / sample_rate for share in PARTS[part])
        name = folder / part / f"{number:03d}"
        samples = audio[round(begin * sample_rate) : round(end * sample_rate)]
        save_audio(name.with_suffix(".flac"), samples, sample_rate=sample_rate)
        write_midi(name.with_suffix(".mid"), recording.performance.window(begin, end))
    return folder / part


@torch.no_grad()
def hear(
    model: Transcriptor, heads: dict[str, nn.Linear], config: Config, folder: Path, *, most: int, seconds: float
) -> Heard:
    """What ``heads`` read in a folder's recordings: at most ``most`` windows, at random, in at most so many seconds.

    Windows overlap by what is left out at their ends. Heads that read other frames than the targets' are left out.
    """
    feature = config.feature
    size, margin = round(WINDOW_SECONDS * feature.sample_rate), MARGIN * feature.hop_length
    sounds = [(load_audio(r.audio, sample_rate=feature.sample_rate), r.performance) for r in find_recordings(folder)]
    windows = [(y, p, at) for y, p in sounds for at in range(0, max(1, len(y) - size + 1), size - 2 * margin)]
    windows = [windows[i] for i in np.random.default_rng(0).permutation(len(windows))[:most]]
    read: dict[str, Tensor] = {}
    inputs: dict[str, list[Tensor]] = {}
    targets: dict[str, list[Tensor]] = {}
    hooks = [
        head.register_forward_pre_hook(lambda _, given, name=name: read.update({name: given[0]}))
        for name, head in heads.items()
    ]
    began, heard = time.perf_counter(), 0
    for y, performance, at in windows:
        audio = torch.from_numpy(y[at : at + size])[None].to(next(model.parameters()).device)
        model.network(model.feature(audio))
        frames = audio.shape[1] // feature.hop_length + 1
        rolls = make_rolls(performance, frames, config, start=at / feature.sample_rate)
        rolls["where"] = np.maximum(rolls["onset"], config.loss.velocity_after_onset * rolls["frame_ex"])
        kept, seen = slice(MARGIN, frames - MARGIN), dict[int, Tensor]()
        for name, given in read.items():
            if given.shape[1] == frames:  # heads that read the same features share them
                half = seen.setdefault(given.data_ptr(), given[0, kept].half())
                inputs.setdefault(name, []).append(half)
        for name in (*heads, "where"):
            targets.setdefault(name, []).append(torch.from_numpy(rolls[name][kept]))
        heard += 1
        if time.perf_counter() - began > seconds:
            break
    for hook in hooks:
        hook.remove()
    joined: dict[tuple[int, ...], Tensor] = {}
    for parts in inputs.values():
        if (shared := tuple(map(id, parts))) not in joined:
            joined[shared] = torch.cat(parts)
    return Heard(
        {name: joined[tuple(map(id, parts))] for name, parts in inputs.items()},
        {name: torch.cat(parts) for name, parts in targets.items()},
        heard * (size - 2 * margin) / feature.sample_rate,
    )


def fit_head(name: str, head: nn.Linear, heard: Heard, judged: Heard, loss: LossConfig) -> float:
    """Fits one head to what was ``heard``, up to the step with the lowest loss on what is ``judged``; returns that."""
    rng, frames = np.random.default_rng(0), len(heard.targets[name])

    def loss_on(part: nn.Linear, of: Heard, chosen: Tensor | slice) -> Tensor:
        logits = part(of.inputs[name][chosen].float()).reshape(-1, of.targets[name].shape[1])
        target, where = (of.targets[roll][chosen].to(logits.device) for roll in (name, "where"))
        if name == "velocity":
            cells = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
            return (cells * where).sum() / where.sum().clamp_min(1e-6)
        weight = {"frame": loss.frame_pos_weight, "onset": loss.onset_pos_weight}.get(name, loss.offset_pos_weight)
        return roll_loss(loss.kind, logits, target, torch.ones_like(target), weight, gamma=loss.focal_gamma)

    def draw_loss() -> Tensor:
        chosen = torch.from_numpy(rng.integers(frames, size=max(1, round(SHARE * frames))))
        return loss_on(head, heard, chosen)

    @torch.no_grad()
    def judge(averaged: nn.Linear) -> float:
        return float(loss_on(averaged, judged, slice(None)))

    return learn_alone(
        head, draw_loss, steps=STEPS, rate=RATE, final_rate=FINAL_RATE, weight_decay=0.0, ema_decay=AVERAGED,
        name=name, judge=judge, warmup=WARMUP, look=LOOK,
    )  # fmt: skip


def tune_carefully(held: list[Activations], config: Config) -> Config:
    """Tuned thresholds of onsets, then of ends, each where it raises the mean metric and lowers no recording's.

    In a minute or two of music some other thresholds look better by chance. Where all recordings agree, they also are
    better elsewhere more often than not.
    """
    best = [_mean(metrics) for metrics in score_held(held, config)]
    for tune in (tune_onset, tune_endings):
        tuned = config.replace(decode=tune(held, config))
        tried = [_mean(metrics) for metrics in score_held(held, tuned)]
        gains = [new - old for new, old in zip(tried, best, strict=True)]
        if min(gains) >= 0 and sum(gains) >= WORTH_A_THRESHOLD * len(gains):
            best, config = tried, tuned
    return config


def _mean(metrics: dict[str, float]) -> float:
    return sum(metrics[name] for name in METRICS) / len(METRICS)


def _activations(model: Transcriptor, config: Config, folder: Path) -> list[Activations]:
    return validation_activations(model, config.replace(data={"validation": (str(folder),), "validation_limit": None}))
