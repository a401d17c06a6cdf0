"""Packs everything that training needs into one folder, for a machine without internet access.

The folder holds this package, wheels of packages that a plain PyTorch installation lacks, the MIDI as one compact file,
piano banks, rooms, noise, excerpts to validate on, the weights or the checkpoint to start from, and ``train.py``, which
calls :mod:`amt_utils.training.packed`. Recordings are too large to pack: all audio is rendered.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..audio.reading import load_audio, save_audio
from ..checkpoints.halved import halve_checkpoint
from ..checkpoints.inventory import find_newest
from ..checkpoints.weights import VELOCITY_WEIGHTS, read_weights, save_weights, weights_path
from ..config import Config, save_config
from ..data.library import find_recordings
from ..data.performances import load_performances
from ..music.compact import COMPACT_SUFFIX, save_compact
from ..music.midi import write_midi
from ..music.notes import Performance
from ..system.errors import AmtError
from ..system.files import describe_bytes
from ..system.paths import package_folder, shared_data

if TYPE_CHECKING:
    import torch

WHEELS = ("soundfile", "cffi", "pycparser", "soxr", "mido", "mir_eval", "decorator", "lazy_loader")
PYTHONS = ("3.11", "3.12", "3.13")  # what GPU machines run
MEGABYTES = 45  # in all
EXCERPTS, EXCERPT_SECONDS = 8, 30.0  # of recordings to validate on
BYTES_PER_NOTE = 3.8  # of compact MIDI, an upper bound
START, CHECKPOINT, MIDI = "start.safetensors", "resume.pt", f"midi{COMPACT_SUFFIX}"
SCRIPT = '''\
"""Trains for so many minutes: python train.py --minutes 8 --out results; see README.txt."""

import importlib.util
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def unpack_missing_wheels() -> None:
    """Makes missing packages importable; a wheel is a zip, so that neither pip nor a network is needed."""
    from packaging.tags import sys_tags
    from packaging.utils import parse_wheel_filename

    fitting = set(sys_tags())
    for wheel in sorted((HERE / "wheels").glob("*.whl")):
        name, _version, _build, tags = parse_wheel_filename(wheel.name)
        if importlib.util.find_spec(name.replace("-", "_")) is None and tags & fitting:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(HERE / "site")
    importlib.invalidate_caches()  # the folder is new to Python's import system


sys.path[:0] = [str(HERE), str(HERE / "site")]
unpack_missing_wheels()

if __name__ == "__main__":
    from amt_utils.training.packed import main

    sys.exit(main(HERE))
'''
README = """\
Trains a piano transcription network on a machine without internet access.

    python train.py --minutes 8 --out results
    python train.py --minutes 8 --out results2 --resume results

Needs Python {pythons}, torch, numpy, scipy, lightning, safetensors and tensorboard; the rest lies in wheels/.
The first line of output describes the machine, a line after 15, 30 and 60 seconds the speed of training. The folder
--out is enough to continue from, here or in the next pack (pack --start-from results): best and newest weights, a
checkpoint in half precision, and the tables of steps and epochs. `python train.py --help` lists the options.
"""


def make_pack(
    folder: str | os.PathLike,
    *,
    start_from: str | os.PathLike | None = None,
    config: Config | None = None,
    performances: int | None = None,
    megabytes: float = MEGABYTES,
    pythons: Sequence[str] = PYTHONS,
    report=print,
) -> Path:
    """Writes the pack.

    Args:
        folder: where; must be empty or not exist.
        start_from: weights (a shipped name or a file), or the folder of a run or of a pack's results, from whose newest
            checkpoint training continues; ``None`` for the default weights.
        config: what to train; that of ``start_from`` otherwise. Its data are looked for where it names them, and by
            name in the shared data.
        performances: how many to take of ``data.midi``, evenly spread; as many as fit otherwise.
        megabytes: the most that the whole pack may have.
        pythons: versions to bring wheels for.
        report: called with a line for each part.

    Raises:
        AmtError: the folder holds something, data are missing, a wheel cannot be downloaded, or it does not all fit.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AmtError(f"{folder}: there is something already; name a new folder")
    checkpoint = find_newest([start_from])[0] if start_from and Path(start_from).is_dir() else None
    if start_from and Path(start_from).is_dir() and not checkpoint:
        raise AmtError(f"{start_from}: holds no whole checkpoint to go on from")
    weights: dict[str, torch.Tensor] = {}
    if checkpoint:
        card = checkpoint.card
    else:
        weights, card = read_weights(weights_path(start_from))
    config = config or Config.from_dict(card["config"], where=f"{start_from or 'the default weights'}: config")
    if not config.data.midi:
        raise AmtError("data.midi is empty: a pack renders all its audio, so name MIDI (maestro, or a folder)")

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.py").write_text(SCRIPT)
    (folder / "README.txt").write_text(README.format(pythons=", ".join(pythons)))
    _copy_package(folder / "amt_utils")
    _download_wheels(folder / "wheels", pythons)
    if checkpoint:
        halve_checkpoint(checkpoint.path, folder / CHECKPOINT)
    else:
        save_weights(folder / START, weights, card)
    data = _pack_data(config, folder)
    save_config(config.replace(data=data), folder / "config.json")

    left = int(megabytes * 1e6) - _size(folder)
    found = [p for source in config.data.midi for p in load_performances(_locate(source), split=config.data.midi_split)]
    chosen = _choose(found, performances, left)
    save_compact(folder / MIDI, chosen)
    for part in sorted(p for p in folder.iterdir()):
        report(f"{describe_bytes(_size(part)):>8}  {part.name}")
    hours = sum(float(p.notes["onset"][-1]) for p in chosen if len(p.notes)) / 3600
    report(f"{describe_bytes(_size(folder)):>8}  in all; {len(chosen)} of {len(found)} performances, {hours:.0f} h")
    if _size(folder) > megabytes * 1e6:
        raise AmtError(f"{folder}: {_size(folder) / 1e6:.1f} MB, more than {megabytes:g}; take fewer --performances")
    return folder


def _copy_package(target: Path) -> None:
    """Copies the package without files that training does not need."""
    source = package_folder()

    def left_out(where: str, names: list[str]) -> list[str]:
        inside, kept = Path(where), (VELOCITY_WEIGHTS.name, VELOCITY_WEIGHTS.with_suffix(".json").name)
        if inside.name == "weights":
            return [name for name in names if name not in kept]
        files = [name for name in names if not (inside / name).is_dir()]
        return ["__pycache__", "examples", *(name for name in files if not name.endswith((".py", ".pyi", ".json")))]

    shutil.copytree(source, target, ignore=left_out)


def _download_wheels(folder: Path, pythons: Sequence[str]) -> None:
    """By pip, for Linux on x86-64, each once where one serves several versions."""
    for version in pythons:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        command += ["--disable-pip-version-check", "--python-version", version, "--dest", str(folder)]
        for platform in ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64"):
            command += ["--platform", platform]
        done = subprocess.run([*command, *WHEELS], capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["pip printed no error"])[-1]
            raise AmtError(f"pip could not download the wheels for Python {version}: {reason}")


def _pack_data(config: Config, folder: Path) -> dict[str, Any]:
    """Copies banks, rooms and noise, cuts excerpts to validate on; returns the fields of ``data`` that name them."""
    data = config.data
    fields: dict[str, Any] = {"recordings": (), "midi": (MIDI,), "midi_split": "train"}
    fields["pianos"] = tuple(_copy_folder(_locate(name), folder, f"pianos/{Path(name).name}") for name in data.pianos)
    for field in ("impulse_responses", "noise"):
        if getattr(data, field, None):
            fields[field] = _copy_folder(_locate(getattr(data, field)), folder, field)
    recordings = [r for name in data.validation for r in find_recordings(_locate(name), split="validation")]
    if len(recordings) > EXCERPTS:
        recordings = [recordings[i] for i in np.linspace(0, len(recordings) - 1, EXCERPTS).round().astype(int)]
    for recording in recordings:
        begin = max(0.0, (recording.seconds - EXCERPT_SECONDS) / 2)
        rate = config.feature.sample_rate
        y = load_audio(recording.audio, sample_rate=rate, start=begin, duration=EXCERPT_SECONDS)
        stem = folder / "validation" / recording.name.replace("/", "_")
        save_audio(stem.with_name(f"{stem.name}.flac"), y, sample_rate=rate)
        performance = recording.performance.window(begin, begin + len(y) / rate)
        write_midi(stem.with_name(f"{stem.name}.mid"), performance)
    fields["validation"] = ("validation",) if recordings else ()
    fields["validation_limit"] = None
    return fields


def _locate(name: str) -> Path | str:
    """Data by their path, or by their name among the shared data. Raises :class:`AmtError`."""
    shared = shared_data()
    places = [Path(name), *([shared / Path(name).name, shared / "pianos" / Path(name).name] if shared else [])]
    for place in places:
        if place.exists():
            return place
    if name in ("maestro", "miniature"):
        return name
    raise AmtError(f"{name}: not found; looked for {', '.join(map(str, places))}")


def _copy_folder(source: Path | str, pack: Path, name: str) -> str:
    shutil.copytree(source, pack / name, copy_function=shutil.copyfile)
    return name


def _choose(found: list[Performance], count: int | None, room: int) -> list[Performance]:
    """``count`` performances, or as many as fit into ``room`` bytes, evenly spread."""
    if count is None:
        bytes_each = BYTES_PER_NOTE * sum(len(p.notes) for p in found) / len(found)
        count = int(min(len(found), room / bytes_each))
    if count < 1:
        raise AmtError("no room is left for MIDI; name fewer data.pianos, or allow more --megabytes")
    return [found[i] for i in np.unique(np.linspace(0, len(found) - 1, count).round().astype(int))]


def _size(path: Path) -> int:
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) if path.is_dir() else path.stat().st_size
