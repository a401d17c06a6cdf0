"""Training windows, cut on the fly: from recordings by offset, from MIDI by rendering.

A window is a function of the seed and its index alone. A run that is killed and resumed at index ``i`` therefore
sees exactly what an uninterrupted one would have seen, on any number of workers and machines.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import soxr
import torch
from torch.utils.data import Dataset, Sampler

from ..audio.reading import load_audio
from ..config import Config
from ..data.augment import Surroundings, augment, load_impulse_responses
from ..data.devices import load_noises
from ..data.drills import make_drill
from ..data.library import Recording, find_recordings, without_unequal
from ..data.performances import load_performances
from ..data.pianos import load_piano, simple_tone_piano
from ..data.synth import Touch, render, with_loudness_velocities
from ..music.notes import N_KEYS
from ..system.errors import AmtError
from .targets import make_rolls
from .variations import RINGING, excerpt, vary_playing

DRILL_LEAD = 3.0  # seconds before a window in which a drill begins


class WindowDataset(Dataset):
    """Endless training windows; ``dataset[i]`` depends on the seed and ``i`` alone.

    An item holds ``audio`` ``(n,)``, the rolls of :func:`amt_utils.training.targets.make_rolls`, ``mask`` ``(T,)`` and
    ``velocity_relative``, 1 where velocities can be compared within the window only.

    Raises:
        AmtError: the configuration names no source, or one that is not there.
    """

    def __init__(self, config: Config):
        data = config.data
        self.config, self.seed = config, config.train.seed
        self.samples = round(data.window_seconds * config.feature.sample_rate)
        self.n_frames = self.samples // config.feature.hop_length + 1
        self.recordings = [p for folder in data.recordings for p in _load_recordings(folder, data.keep_unequal)]
        self.performances = [p for source in data.midi for p in load_performances(source, split=data.midi_split)]
        if not self.recordings and not self.performances:
            raise AmtError("data.recordings and data.midi are both empty: name a folder of audio and MIDI to train on")
        weights = [data.recordings_weight * bool(self.recordings), data.midi_weight * bool(self.performances)]
        self.recording_share = weights[0] / sum(weights)
        self.recording_odds = _odds([p.seconds for p in self.recordings])
        self.performance_odds = _odds([p.notes["onset"][-1] if len(p.notes) else 0.0 for p in self.performances])
        rate = config.feature.sample_rate
        self.pianos = [load_piano(p, sample_rate=rate) for p in data.pianos]
        if self.performances and not self.pianos:
            self.pianos = [simple_tone_piano(sample_rate=rate)]
        self.around = Surroundings(
            rooms=load_impulse_responses(data.impulse_responses, sample_rate=rate) if data.impulse_responses else (),
            noises=load_noises(data.noise, sample_rate=rate) if data.noise else (),
            noise_share=data.noise_share,
            noise_decibels=(data.noise_decibels[0], data.noise_decibels[1]),
            device_share=data.device_share,
            sample_rate=rate,
        )

    def __len__(self) -> int:
        return 2**31 - 1

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng((self.seed, index))
        make = self._from_recording if rng.random() < self.recording_share else self._from_performance
        audio, performance, touch, seconds = make(rng)
        steady = True
        if self.config.data.augment:
            audio, decibels, steady = augment(audio, rng, self.around)
            performance = with_loudness_velocities(performance, touch or Touch(), float(np.median(decibels)))
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
        recording = self.recordings[rng.choice(len(self.recordings), p=self.recording_odds)]
        ratio = 2.0 ** (rng.uniform(-12, 12) / 1200) if self.config.data.augment else 1.0  # pitch and tempo together
        begin = rng.uniform(0, max(0.0, recording.seconds - window * ratio))
        y = load_audio(recording.audio, sample_rate=rate, start=begin, duration=window * ratio)
        if ratio != 1.0 and len(y):
            y = soxr.resample(y, rate * ratio, rate, quality="HQ")
        seconds = len(y) / rate
        y = np.pad(y, (0, max(0, self.samples - len(y))))[: self.samples].astype(np.float32)
        return y, excerpt(recording.performance, begin, window, ratio), None, seconds

    def _from_performance(self, rng: np.random.Generator):
        window, data = self.config.data.window_seconds, self.config.data
        drill = rng.random() < data.drill_share
        if drill:
            near = make_drill(rng, start=RINGING - DRILL_LEAD, end=RINGING + window)
        else:
            performance = self.performances[rng.choice(len(self.performances), p=self.performance_odds)]
            speed = rng.uniform(0.8, 1.25) if data.augment else 1.0
            end = float(performance.notes["onset"][-1]) if len(performance.notes) else 0.0
            begin = rng.uniform(0, max(0.01, end - window * speed))
            near = excerpt(performance, begin, window, speed)
        touch = Touch()
        if data.augment:
            near = near if drill else vary_playing(near, rng)
            touch = Touch(
                decibels_per_velocity=rng.uniform(0.2, 0.42),
                timbre_jitter=rng.uniform(0, 12),
                release_seconds=rng.uniform(0.025, 0.12),
                detune_cents=rng.normal(0, 8) if rng.random() < 0.8 else 0.0,
                borrowed_keys=int(rng.choice([-3, 0, 0, 3])),
                key_decibels=rng.uniform(0, 2) * rng.standard_normal(N_KEYS),
                resonance_decibels=rng.uniform(-42, -26),
                half_damped=rng.random() < 0.7,
                key_noise_decibels=rng.uniform(-40, -17) if rng.random() < 0.75 else None,
                pedal_noise_decibels=rng.uniform(-44, -20) if rng.random() < 0.7 else None,
            )
        piano = self.pianos[rng.integers(len(self.pianos))]
        y = render(near, piano, start=RINGING, duration=window, touch=touch, rng=rng)
        return y, near, touch, window


def _load_recordings(folder: str, keep_unequal: bool) -> list[Recording]:
    found = without_unequal(find_recordings(folder, split="train"), keep=keep_unequal)
    return [recording for recording in found if len(recording.performance.notes)]


def _odds(weights: list[float]) -> np.ndarray:
    return np.array(weights) / sum(weights) if sum(weights) > 0 else np.array(weights)


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
