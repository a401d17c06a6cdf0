"""Recordings of hours, which must not take memory by their length."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import soundfile

from amt_utils.music.midi import read_midi
from amt_utils.system.paths import example_files
from amt_utils.training.processes import _measure

from . import kind

SECONDS, MEMORY = 3 * 3600, 1_000_000_000


@kind("three hours of audio in 1 GB, by base", full=1, few=0, longest=4 * 3600)
def hours(rng: np.random.Generator, folder: Path) -> None:
    """The waltz again and again, louder and softer: the whole process stays below, and no waltz is left out."""
    waltz, rate = soundfile.read(example_files()[0], dtype="float32")
    times = SECONDS * rate // len(waltz) + 1
    with soundfile.SoundFile(folder / "hours.flac", "w", rate, 1, "PCM_16") as file:
        for gain in rng.uniform(0.3, 1.0, times):
            file.write(gain * waltz)
    words = ["-m", "amt_utils", "transcribe", str(folder / "hours.flac"), "--weights", "base", "--out", str(folder)]
    _, _, peak = _measure("transcribe", [sys.executable, *words], folder / "measured")
    notes = read_midi(folder / "hours.mid").notes
    found = np.bincount((notes["onset"] / (len(waltz) / rate)).astype(int), minlength=times)
    print(
        f"peak {peak / 1e6:.0f} MB, {len(notes):,} notes, {found.min()} to {found.max()} in each waltz", file=sys.stderr
    )
    assert peak < MEMORY, f"{peak / 1e6:.0f} MB"
    assert found.min() > 200 and found.max() < 250, found
