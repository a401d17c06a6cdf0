"""Training windows, cut on the fly: from recordings by offset, from MIDI by rendering.

A window is a function of the seed and its index alone. A run that is killed and resumed at index ``i`` therefore
sees exactly what an uninterrupted one would have seen, on any number of workers and machines.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soxr
import torch
from torch.utils.data import Dataset, Sampler

from .audio import load_audio
from .augment import Surroundings, augment, load_impulse_responses
from .config import Config
from .devices import load_noises
from .drills import make_drill
from .errors import AmtError
from .files import written_whole
from .midi import read_midi
from .midi_bulk import parse_midi
from .notes import HIGHEST_PITCH, LOWEST_PITCH, N_KEYS, Performance, make_notes, make_pedals
from .paths import work_folder
from .recordings import MIDI_SUFFIXES
from .synth import Touch, as_heard, load_piano, render, simple_tone_piano
from .targets import make_rolls

if TYPE_CHECKING:
    from .preprocess import Item

RINGING = 12.0  # seconds before a window in which notes may have begun that still sound in it
DRILL_LEAD = 3.0  # seconds before a window in which a drill begins


@dataclass(frozen=True)
class Pair:
    """A recording and what was played."""

    audio: Path
    seconds: float
    performance: Performance


def find_source(name: str | os.PathLike, *, audio: bool = False) -> Path:
    """``"maestro"`` or ``"miniature"`` -> its folder on this machine; a path stays what it is."""
    from .maestro.catalogue import open_maestro

    if str(name) in ("maestro", "miniature"):
        return open_maestro(None if str(name) == "maestro" else "miniature", audio=audio).root
    return Path(name)


def find_items(folder: str | os.PathLike, split: str) -> list[Item]:
    """Recordings of ``split`` in a MAESTRO or processed folder; all of a plain folder of pairs.

    Raises:
        AmtError: there are none.
    """
    from .preprocess import find_items as find_all

    items = find_all(find_source(folder, audio=True))
    chosen = [i for i in items if i.split == split]
    # a plain folder knows no splits: what it is named for in the configuration is what it is for
    if not chosen and {i.split for i in items} == {"train"}:
        chosen = items
    if not chosen:
        raise AmtError(f"{folder}: no recording of the split {split!r} is there")
    return chosen


def load_performances(source: str | os.PathLike, *, split: str = "train") -> list[Performance]:
    """All MIDI of a folder, or one split of a MAESTRO folder or zip; parsed once, then read from a cache.

    Raises:
        AmtError: nothing there, or a MAESTRO CSV without that split.
    """
    source = find_source(source)
    if not source.exists():
        raise AmtError(f"{source}: no such folder or zip of MIDI files")
    stamp = f"{source.resolve()}:{source.stat().st_mtime_ns}:{split}"
    cache = work_folder() / "cache" / f"midi-{hashlib.sha256(stamp.encode()).hexdigest()[:16]}.npz"
    if not cache.exists():
        performances = list(_parse(source, split))
        if not performances:
            raise AmtError(f"{source}: no MIDI files for split {split!r}")
        _save_performances(cache, performances)
    with np.load(cache) as stored:
        notes = np.split(stored["notes"], stored["note_ends"][:-1])
        pedals = np.split(stored["pedals"], stored["pedal_ends"][:-1])
    return [Performance(n, p) for n, p in zip(notes, pedals, strict=True)]


def _save_performances(cache: Path, performances: list[Performance]) -> None:
    with written_whole(cache) as partial:
        np.savez(
            partial,
            notes=np.concatenate([p.notes for p in performances]),
            note_ends=np.cumsum([len(p.notes) for p in performances]),
            pedals=np.concatenate([p.pedals for p in performances]),
            pedal_ends=np.cumsum([len(p.pedals) for p in performances]),
        )


def _parse(source: Path, split: str) -> Iterator[Performance]:
    from .maestro.catalogue import find_root, open_maestro
    from .maestro.splits import without_leaks

    try:
        maestro = open_maestro(find_root(source) if source.is_dir() else source)
    except AmtError:
        if not source.is_dir():
            raise
        files = [p for p in sorted(source.rglob("*")) if p.suffix.lower() in MIDI_SUFFIXES]
    else:
        pieces, _ = without_leaks(maestro.pieces)
        files = [maestro.midi_path(piece) for piece in pieces if piece.split == split]
    yield from (parse_midi(f) for f in files)


class WindowDataset(Dataset):
    """Endless training windows; ``dataset[i]`` depends on the seed and ``i`` alone.

    An item holds ``audio`` ``(n,)``, the rolls of :func:`amt_utils.targets.make_rolls`, ``mask`` ``(T,)`` and
    ``velocity_relative``, 1 where velocities can be compared within the window only.

    Raises:
        AmtError: the configuration names no source, or one that is not there.
    """

    def __init__(self, config: Config):
        data = config.data
        self.config, self.seed = config, config.train.seed
        self.samples = round(data.window_seconds * config.feature.sample_rate)
        self.n_frames = self.samples // config.feature.hop_length + 1
        self.pairs = [p for folder in data.recordings for p in _load_pairs(folder)]
        self.scores = [p for source in data.midi for p in load_performances(source, split=data.midi_split)]
        if not self.pairs and not self.scores:
            raise AmtError("data.recordings and data.midi are both empty: name a folder of audio and MIDI to train on")
        weights = [data.recordings_weight * bool(self.pairs), data.midi_weight * bool(self.scores)]
        self.recording_share = weights[0] / sum(weights)
        self.pair_odds = _odds([p.seconds for p in self.pairs])
        self.score_odds = _odds([p.notes["onset"][-1] if len(p.notes) else 0.0 for p in self.scores])
        self.pianos = [load_piano(folder) for folder in data.pianos] or [simple_tone_piano()]
        self.around = Surroundings(
            rooms=load_impulse_responses(data.impulse_responses) if data.impulse_responses else (),
            noises=load_noises(data.noise) if data.noise else (),
            noise_share=data.noise_share,
            noise_decibels=data.noise_decibels,
            device_share=data.device_share,
        )

    def __len__(self) -> int:
        return 2**31 - 1

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng((self.seed, index))
        make = self._from_recording if rng.random() < self.recording_share else self._from_score
        audio, performance, touch, seconds = make(rng)
        steady = True
        if self.config.data.augment:
            audio, decibels, steady = augment(audio, rng, self.around)
            performance = as_heard(performance, touch or Touch(), float(np.median(decibels)))
        rolls = make_rolls(performance, self.n_frames, self.config, start=RINGING)
        times = np.arange(self.n_frames) * self.config.feature.frame_seconds
        item = {name: torch.from_numpy(roll) for name, roll in rolls.items()}
        item["mask"] = torch.from_numpy((times < seconds).astype(np.float32))
        item["audio"] = torch.from_numpy(audio)
        unknown = touch is None and not self.config.data.recordings_velocity
        item["velocity_relative"] = torch.tensor(float(unknown or not steady))
        return item

    def _from_recording(self, rng: np.random.Generator):
        """Window, performance that begins ``RINGING`` s before it, piano's touch, seconds that are not padding."""
        rate, window = self.config.feature.sample_rate, self.config.data.window_seconds
        pair = self.pairs[rng.choice(len(self.pairs), p=self.pair_odds)]
        ratio = 2.0 ** (rng.uniform(-12, 12) / 1200) if self.config.data.augment else 1.0  # faster: higher and shorter
        begin = rng.uniform(0, max(0.0, pair.seconds - window * ratio))
        y = load_audio(pair.audio, sample_rate=rate, start=begin, duration=window * ratio)
        if ratio != 1.0 and len(y):
            y = soxr.resample(y, rate * ratio, rate, quality="HQ")
        seconds = len(y) / rate
        y = np.pad(y, (0, max(0, self.samples - len(y))))[: self.samples].astype(np.float32)
        return y, excerpt(pair.performance, begin, window, ratio), None, seconds

    def _from_score(self, rng: np.random.Generator):
        window, data = self.config.data.window_seconds, self.config.data
        drill = rng.random() < data.drill_share
        if drill:
            near = make_drill(rng, start=RINGING - DRILL_LEAD, end=RINGING + window)
        else:
            score = self.scores[rng.choice(len(self.scores), p=self.score_odds)]
            speed = rng.uniform(0.8, 1.25) if data.augment else 1.0
            end = float(score.notes["onset"][-1]) if len(score.notes) else 0.0
            begin = rng.uniform(0, max(0.01, end - window * speed))
            near = excerpt(score, begin, window, speed)
        touch = Touch()
        if data.augment:
            near = near if drill else _vary_playing(near, rng)
            touch = Touch(
                decibels_per_velocity=rng.uniform(0.2, 0.42),
                timbre_jitter=rng.uniform(0, 12),
                release_seconds=rng.uniform(0.025, 0.12),
                detune_cents=rng.normal(0, 8) if rng.random() < 0.8 else 0.0,
                borrowed_keys=int(rng.choice([-3, 0, 0, 3])),
                key_decibels=rng.uniform(0, 2) * rng.standard_normal(N_KEYS),
                resonance_decibels=rng.uniform(-42, -28),
            )
        piano = self.pianos[rng.integers(len(self.pianos))]
        y = render(near, piano, start=RINGING, duration=window, touch=touch, rng=rng)
        return y, near, touch, window


def _load_pairs(folder: str) -> list[Pair]:
    pairs = [Pair(i.audio, i.seconds, read_midi(i.midi)) for i in find_items(folder, "train")]
    return [p for p in pairs if len(p.performance.notes)]


def _odds(weights: list[float]) -> np.ndarray:
    return np.array(weights) / sum(weights) if sum(weights) > 0 else np.array(weights)


def excerpt(performance: Performance, begin: float, seconds: float, speed: float) -> Performance:
    """``seconds`` from ``begin`` on, played ``speed`` times faster; times count from ``RINGING`` seconds before."""
    performance = performance.around(begin - RINGING, begin + seconds * speed + 1)

    def move(times: np.ndarray) -> np.ndarray:
        return np.maximum((times - begin) / speed + RINGING, 0.0)

    notes, pedals = performance.notes, performance.pedals
    on, off = move(notes["onset"]), move(notes["offset"])
    kept = off > on
    pressed, released = move(pedals["onset"]), move(pedals["offset"])
    held = released > pressed
    return Performance(
        make_notes(on[kept], off[kept], notes["pitch"][kept], notes["velocity"][kept]),
        make_pedals(pressed[held], released[held], pedals["kind"][held]),
    )


def _vary_playing(performance: Performance, rng: np.random.Generator) -> Performance:
    """Transposed, louder or softer, with more or less contrast, sometimes without pedal or with other octaves."""
    notes, pedals = performance.notes.copy(), performance.pedals
    if rng.random() < 0.2:
        notes = _vary_octaves(notes, rng)
    # a few whole octaves: the lowest and highest keys are rare in what people play
    notes["pitch"] += rng.integers(-5, 6) + 12 * rng.choice([-1, 0, 1], p=[0.2, 0.7, 0.1])
    notes = notes[(notes["pitch"] >= LOWEST_PITCH) & (notes["pitch"] <= HIGHEST_PITCH)]
    middle = notes["velocity"].mean() if len(notes) else 0.0
    contrast = rng.uniform(0.6, 1.4)  # above one: a soft voice under a loud one
    velocity = middle * rng.uniform(0.6, 1.25) + (notes["velocity"] - middle) * contrast
    notes["velocity"] = np.clip(np.rint(velocity + rng.normal(0, 3, len(notes))), 8, 127)
    if rng.random() < 0.1:
        pedals = pedals[:0]
    return Performance(notes, pedals)


def _vary_octaves(notes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Half of the doublings at the octave taken away, about as many put elsewhere.

    An octave above a struck note is what networks invent most. Whether it was struck must be heard, not guessed from
    how such music usually goes.
    """
    together = np.abs(notes["onset"][:, None] - notes["onset"]) < 0.03
    above = notes["pitch"][:, None] - notes["pitch"] == 12
    doubling = (together & above).any(axis=1)
    dropped = doubling & (rng.random(len(notes)) < 0.5)
    alone = ~(together & above).any(axis=0) & (notes["pitch"] <= HIGHEST_PITCH - 12)
    doubled = notes[alone & (rng.random(len(notes)) < max(0.03, dropped.sum() / max(1, alone.sum())))]
    onset = np.clip(doubled["onset"] + rng.normal(0, 0.008, len(doubled)), 0.0, doubled["offset"] - 0.01)
    doubled = doubled[onset >= 0]
    velocity = np.clip(np.rint(doubled["velocity"] * rng.uniform(0.5, 1.1, len(doubled))), 1, 127)
    kept = notes[~dropped]
    return make_notes(
        np.concatenate([kept["onset"], onset[onset >= 0]]),
        np.concatenate([kept["offset"], doubled["offset"]]),
        np.concatenate([kept["pitch"], doubled["pitch"] + 12]),
        np.concatenate([kept["velocity"], velocity]),
    )


class ResumableSampler(Sampler[int]):
    """Window indices ``position, position + 1, …`` of one epoch, dealt out to ``replicas`` in turn.

    Its whole state is ``position``, the index of the first window not yet trained on; the trainer moves it on
    after each step and stores it in the checkpoint.
    """

    def __init__(self, windows_per_epoch: int, *, rank: int = 0, replicas: int = 1):
        self.windows_per_epoch, self.rank, self.replicas = windows_per_epoch, rank, replicas
        self.position = 0

    def __iter__(self) -> Iterator[int]:
        end = (self.position // self.windows_per_epoch + 1) * self.windows_per_epoch
        return iter(range(self.position + self.rank, end, self.replicas))

    def __len__(self) -> int:
        return (self.windows_per_epoch - self.position % self.windows_per_epoch) // self.replicas

    def state_dict(self) -> dict[str, int]:
        return {"position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.position = int(state["position"])
