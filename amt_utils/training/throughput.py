"""Measures how fast windows are read (FLAC by offset, WAV, whole files, stored features) and made for training
(augmented, or rendered from MIDI)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..audio.reading import load_audio
from ..config import Config
from ..data.maestro.catalogue import Maestro
from ..data.stored_features import make_computer
from .stored_windows import Processed, Windows, read_audio


def measure_throughput(processed: Processed, raw: Maestro | None = None, *, seconds: float = 5.0, n: int = 24):
    """Windows per second and worker of each way to read them, one processor, labels not counted.

    Args:
        processed: the processed folder; rows for its stored features only where it has some.
        raw: the originals, for the two ways that decode WAV.
        seconds: length of a window.
        n: windows per way, at random places; the whole-file way takes fewer.

    Returns:
        a pandas table: way, windows per second, and times real time.
    """
    import pandas as pd

    rng = np.random.default_rng(0)
    rate = processed.config.feature.sample_rate
    size = round(seconds * rate)
    chosen = [processed.recordings[i] for i in rng.integers(0, len(processed.recordings), n)]
    places = [(r, int(rng.integers(0, max(1, r.samples - size)))) for r in chosen]
    ways: dict[str, tuple[Callable, int]] = {
        f"FLAC {rate / 1000:g} kHz, window by offset": (lambda r, first: read_audio(r.audio, first, size), n),
    }
    if processed.features != "none":
        windows = Windows(processed, split=None, seconds=seconds, read="features")
        hop = processed.config.feature.hop_length
        ways[f"stored {processed.features}, window by offset"] = (
            lambda r, first: windows.read_features(r.features, first // hop),
            n,
        )
        compute = make_computer(processed.config, processed.features)
        name = f"FLAC window and {processed.features} computed"
        ways[name] = (lambda r, first: next(compute(read_audio(r.audio, first, size))), n)
    if raw is not None:
        originals = {piece.stem: raw.audio_path(piece) for piece in raw.with_audio()}
        suffix = {path.suffix[1:].upper() for path in originals.values()}
        kind = "original " + "/".join(sorted(suffix))
        ways[f"{kind}, window by offset"] = (
            lambda r, first: load_audio(originals[r.name], start=first / rate, duration=seconds),
            n,
        )
        ways[f"{kind}, decoded whole for each window"] = (
            lambda r, first: _from_whole(originals[r.name], first, size),
            6,
        )
    rows = []
    for name, (read, count) in ways.items():
        read(*places[0])  # opens, compiles, warms up
        began = time.perf_counter()
        for recording, first in places[:count]:
            read(recording, first)
        per_second = count / (time.perf_counter() - began)
        rows.append({"way": name, "windows/s per worker": per_second, "x real time": per_second * seconds})
    return pd.DataFrame(rows).set_index("way")


def measure_loading(*, seconds: float = 10.0, n: int = 24) -> dict[str, float]:
    """Training windows per second that one worker makes on one core, by where they come from.

    Measured in CPU time, so that other processes do not matter. Cut from the embedded
    recording and rendered from its MIDI, on a sampled piano of the shared data where there is one.

    Args:
        seconds: length of a window.
        n: windows of each kind.
    """
    from ..system.paths import package_folder, shared_data
    from .windows import WindowDataset

    example = (str(package_folder() / "examples"),)
    shared = shared_data()
    found = sorted((shared / "pianos").glob("*/piano.json")) if shared else []
    pianos = (str(found[0].parent),) if found else ()
    on = f"on {found[0].parent.name}" if found else "on a piano by formula"
    ways: dict[str, dict[str, Any]] = {
        "from recordings": {"recordings": example, "augment": False},
        "from recordings, augmented": {"recordings": example},
        f"rendered {on}": {"midi": example, "pianos": pianos, "augment": False},
        f"rendered {on}, augmented": {"midi": example, "pianos": pianos},
    }
    rates = {}
    for name, data in ways.items():
        windows = WindowDataset(Config().replace(data={"window_seconds": seconds, **data}))
        windows[0]  # opens, decodes, warms up
        began = time.process_time()
        for index in range(1, n + 1):
            windows[index]
        rates[name] = n / (time.process_time() - began)
    return rates


def _from_whole(path: str | os.PathLike, first: int, size: int) -> np.ndarray:
    return load_audio(Path(path))[first : first + size]
