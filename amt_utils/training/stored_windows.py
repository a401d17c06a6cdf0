"""``processed_data/`` read back: windows of audio or features with their labels, nothing more than needed.

A window of audio is decoded from its place in the FLAC, a window of features is a slice of a memory map, and its
rolls are drawn from the notes near it (:func:`amt_utils.training.targets.make_rolls`) as ``grid`` or ``soft``. Short
recordings are padded, and a mask says what counts; nothing is ever stretched.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from torch.utils.data import DataLoader, Dataset

from ..config import Config
from ..data.preprocess import CARD, read_settings
from ..data.stored_features import feature_config, restore, stack_channels
from ..data.stored_labels import KINDS, find_damage, labels_path, read_labels
from ..music.notes import Performance
from ..system.errors import AmtError
from .targets import make_rolls


@dataclass(frozen=True)
class StoredRecording:
    """One processed recording; ``features`` is the file's path, whether or not features were stored."""

    name: str
    split: str
    audio: Path
    features: Path
    samples: int
    performance: Performance


@dataclass(frozen=True)
class Processed:
    """A processed folder: its configuration, the kind and type of its stored features, its recordings."""

    folder: Path
    config: Config
    features: str
    dtype: str
    recordings: tuple[StoredRecording, ...]

    def windows(self, **options: Any) -> Windows:
        """Windows of these recordings; ``options`` are those of :class:`Windows`."""
        return Windows(self, **options)


def open_processed(folder: str | os.PathLike, *, verify: bool = True) -> Processed:
    """A folder made by :func:`amt_utils.data.preprocess.preprocess`; recordings not finished yet are left out.

    Args:
        folder: the folder.
        verify: read every file once and compare its hash; without it, only sizes are compared.

    Raises:
        AmtError: it is not one, holds nothing yet, or a file in it is not what was written.
    """
    folder = Path(folder)
    if not (folder / CARD).is_file():
        raise AmtError(f"{folder}: not a processed folder; make one with `python -m amt_utils preprocess`")
    card = read_settings(folder / CARD)
    found = []
    for row in card["items"]:
        audio = folder / row["split"] / (row["name"] + ".flac")
        path = labels_path(audio)
        if path.is_file():
            if damage := find_damage(path, hashed=KINDS if verify else ()):
                raise AmtError(damage)
            labels, features = read_labels(path), path.with_suffix(".npy")
            found.append(
                StoredRecording(row["name"], row["split"], audio, features, labels.samples, labels.performance)
            )
    if not found:
        raise AmtError(f"{folder}: no finished recording in it; run preprocess again")
    return Processed(folder, Config.from_dict(card["config"]), card["features"], card["dtype"], tuple(found))


class Windows(Dataset):
    """Consecutive windows of all recordings of a split.

    Item ``i`` is a dict of tensors: ``audio`` ``(n,)`` or ``features`` ``(C, T, bins)``, the rolls of
    :func:`.make_rolls` for its ``T`` frames, and ``mask`` ``(T,)``, 1 where there is a recording.

    Args:
        processed: the folder.
        split: ``train``, ``validation``, ``test``, or ``None`` for all.
        seconds: length of a window; the last one of a recording is padded with zeros.
        read: ``"audio"`` or ``"features"``.
        labels: ``"grid"`` or ``"soft"``; ``None`` takes what the folder was made with.
    """

    def __init__(
        self,
        processed: Processed,
        *,
        split: str | None = "train",
        seconds: float = 10.0,
        read: str = "audio",
        labels: str | None = None,
    ):
        if read not in ("audio", "features") or (read == "features" and processed.features == "none"):
            raise AmtError(f"{processed.folder}: holds {processed.features} features; read must be 'audio'")
        self.read, self.processed = read, processed
        self.config = processed.config.replace(target={"mode": labels}) if labels else processed.config
        feature = self.config.feature
        self.n_frames = max(1, round(seconds * feature.sample_rate / feature.hop_length))
        self.n_samples = self.n_frames * feature.hop_length
        recordings = [r for r in processed.recordings if split in (None, r.split)]
        if not recordings:
            raise AmtError(f"{processed.folder}: no recording in split {split!r}")
        self.places = [(r, first) for r in recordings for first in range(0, r.samples, self.n_samples)]

    def loader(self, *, batch_size: int = 8, workers: int = 0, shuffle: bool = False) -> DataLoader:
        """Batches of windows; ``(B, ...)`` of every tensor in an item."""
        options: dict[str, Any] = {"num_workers": workers, "persistent_workers": workers > 0}
        return DataLoader(self, batch_size, shuffle=shuffle, **options)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        recording, first = self.places[index]
        feature = self.config.feature
        start = first / feature.sample_rate
        rolls = make_rolls(recording.performance, self.n_frames, self.config, start=start)
        item = {name: torch.from_numpy(roll) for name, roll in rolls.items()}
        frames = min(self.n_frames, -(-(recording.samples - first) // feature.hop_length))
        item["mask"] = (torch.arange(self.n_frames) < frames).float()
        if self.read == "audio":
            item["audio"] = torch.from_numpy(read_audio(recording.audio, first, self.n_samples))
        else:
            begin = first // feature.hop_length
            item["features"] = torch.from_numpy(self.read_features(recording.features, begin))
        return item

    def read_features(self, path: Path, begin: int) -> np.ndarray:
        """``(C, n_frames, bins)`` float32."""
        stored = np.load(path, mmap_mode="r")[begin : begin + self.n_frames]
        values = restore(stored)
        values = np.pad(values, ((0, self.n_frames - len(values)), (0, 0)))
        return stack_channels(values, feature_config(self.config, self.processed.features))


def read_audio(path: Path, first: int, n: int) -> np.ndarray:
    """``n`` samples from ``first``, zeros after the end; only these are decoded."""
    with path.open("rb") as stored, soundfile.SoundFile(stored) as file:  # it encodes no name that is not valid UTF-8
        file.seek(first)
        out = np.zeros(n, np.float32)
        got = file.read(min(n, file.frames - first), dtype="float32")
    out[: len(got)] = got
    return out
