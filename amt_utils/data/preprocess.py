"""A raw folder of recordings and MIDI -> ``processed_data/``: 16 kHz FLAC and labels, features if wanted.

::

    processed_data/
        processed.json                 what it was made with, and a row per recording
        train/2004/name.flac           16 kHz mono
                      name.mid         the MIDI, so that any tool that wants pairs finds them
                      name.npz         notes and pedals as arrays; written last, it says that the recording is done
                      name.npy         features (frames, bins), if asked for

Labels are stored as notes, exact to the tick; ``grid`` or ``soft`` rolls are drawn from them for the window that is
read, so that the choice stays a switch. Of an HCQT whose harmonics are octaves one CQT is stored and read at
shifts, a bit less than half the space. Nothing is computed twice: a run that was stopped goes on, and what was damaged
since is done again.
"""

from __future__ import annotations

import functools
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from tqdm.auto import tqdm

from ..audio.reading import convert_audio, load_audio, save_audio
from ..config import Config
from ..music.midi import read_midi, write_midi
from ..system.cluster import choose_shard, run_each
from ..system.errors import AmtError, WriteError
from ..system.files import describe_bytes, read_json, written_whole
from .library import Recording, find_recordings, is_maestro, without_unequal
from .stored_features import Computer, feature_config, make_computer, quantise, stored_bins
from .stored_labels import find_damage, pack_labels
from .tidy import trim_lead

FEATURES = ("none", "cqt", "hcqt", "logmel")
DTYPES = ("float16", "uint8")
CARD = "processed.json"
_VERSION = 1


@dataclass(frozen=True)
class Estimate:
    """Bytes on disk: of labels (with the MIDI) and features exact, of FLAC measured on excerpts."""

    recordings: int
    seconds: float
    flac: int
    labels: int
    features: int

    @property
    def total(self) -> int:
        return self.flac + self.labels + self.features

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {describe_bytes(getattr(self, name))}" for name in ("flac", "labels", "features"))
        return f"{self.recordings} recordings, {self.seconds / 3600:.2f} h: {describe_bytes(self.total)} ({parts})"


def estimate_disk(
    items: list[Recording], config: Config, *, features: str = "none", dtype: str = "float16"
) -> Estimate:
    """The disk space that :func:`preprocess` will take, before it is taken."""
    flac = labels = feature_bytes = 0
    for item in items:
        try:
            flac += _flac_bytes(item, config.feature.sample_rate)
        except AmtError:  # a damaged one is named when its turn comes
            flac += item.audio.stat().st_size
        labels += item.midi.stat().st_size + len(pack_labels(read_midi(item.midi), 0, {}))
        if features != "none":
            frames = round(item.seconds * config.feature.sample_rate) // config.feature.hop_length + 1
            feature_bytes += 128 + frames * stored_bins(feature_config(config, features)) * np.dtype(dtype).itemsize
    return Estimate(len(items), sum(item.seconds for item in items), flac, labels, feature_bytes)


def _flac_bytes(item: Recording, rate: int, *, excerpts: int = 4, seconds: float = 3.0) -> int:
    """By encoding a few excerpts, spread over the recording."""
    if item.seconds <= excerpts * seconds:
        starts, seconds = np.zeros(1), item.seconds
    else:
        starts = np.linspace(0, item.seconds - seconds, excerpts + 2)[1:-1]
    samples = size = 0
    for start in starts:
        y = load_audio(item.audio, sample_rate=rate, start=float(start), duration=seconds)
        encoded = io.BytesIO()
        soundfile.write(encoded, y, rate, subtype="PCM_16", format="FLAC")
        samples, size = samples + len(y), size + len(encoded.getbuffer())
    return round(size / max(samples, 1) * item.seconds * rate)


def preprocess(
    raw: str | os.PathLike,
    folder: str | os.PathLike,
    *,
    config: Config | None = None,
    features: str = "none",
    dtype: str = "float16",
    trim: bool | None = None,
    keep_unequal: bool = False,
    workers: int | None = None,
    dry_run: bool = False,
    cluster: str | None = None,
    shard: str | None = None,
    say: Callable[[str], None] = print,
) -> Path:
    """Processes every recording of ``raw`` that is not processed yet; returns ``folder``.

    Args:
        raw: MAESTRO's folder, or any folder with audio and MIDI of the same names; it is only read.
        folder: where the result goes.
        config: frames, bins, and ``target.mode``, which is the labels' default (``grid`` or ``soft``).
        features: ``none``, ``cqt``, ``hcqt`` or ``logmel``.
        dtype: of the stored features: ``float16``, or ``uint8`` (steps of 0.4 dB).
        trim: cut the noise before the first note, in audio and MIDI alike (:func:`amt_utils.data.tidy.trim_lead`).
            ``None`` cuts it in one's own recordings, and leaves MAESTRO as it is.
        keep_unequal: also take pairs whose audio and MIDI are not of one length; else they are left out and named.
        workers: recordings at the same time; the number of processors when ``None``.
        dry_run: only say how much disk it takes.
        cluster: do recordings on a cluster, as :func:`.run_each` takes it.
        shard: only share ``"i/n"`` of the recordings.

    Raises:
        AmtError: nothing to do, not enough disk, or ``folder`` was made with other settings.
    """
    config, folder = config or Config(), Path(folder)
    if features not in FEATURES or dtype not in DTYPES:
        raise AmtError(f"features must be one of {FEATURES} and dtype one of {DTYPES}, not {features!r}, {dtype!r}")
    items = without_unequal(find_recordings(raw), keep=keep_unequal, say=say)
    if trim is None:
        trim = _stored_settings(folder).get("trim", not is_maestro(raw))
    settings = {"features": features, "dtype": dtype, "trim": trim, "config": config.to_dict()}
    _check_settings(folder, settings)
    missing = [item for item in items if not _is_done(_paths(folder, item)["labels"], say)]
    need = estimate_disk(missing, config, features=features, dtype=dtype)
    say(f"to do: {need}; {len(items) - len(missing)} recordings are done already")
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if need.total > free:
        short = f"needs {describe_bytes(need.total)}, {describe_bytes(free)} are free"
        raise AmtError(f"{folder}: {short}; leave features out, take --dtype uint8, or process a part")
    if dry_run:
        return folder
    with written_whole(folder / CARD) as partial:  # first, so that a resumed run knows the settings
        partial.write_text(json.dumps({"version": _VERSION, **settings, "items": _rows(items)}, indent=1))
    rate = config.feature.sample_rate
    if cluster:
        work = functools.partial(
            _process_anywhere, folder=folder, config=config, features=features, dtype=dtype, trim=trim
        )
        done = run_each(work, choose_shard(missing, shard), cluster=cluster)
        _raise_failures([str(e) for _, e in tqdm(done, "preprocess", len(missing), unit="recording") if e])
        return folder
    compute = make_computer(config, features) if features != "none" else None
    missing = choose_shard(missing, shard)
    with _one_torch_thread(compute is not None), ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        jobs = [pool.submit(_process, item, folder, compute, dtype, trim, rate) for item in missing]
        failed = []
        try:
            for job in tqdm(jobs, unit="recording", desc="preprocess", disable=not jobs):
                try:
                    job.result()
                except WriteError:
                    raise  # a full disk: no other recording would fit
                except AmtError as error:
                    failed.append(str(error))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    _raise_failures(failed)
    return folder


def _raise_failures(failed: list[str]) -> None:
    """One error for all recordings that could not be processed; the others are done."""
    if failed:
        raise AmtError(f"{len(failed)} recordings could not be processed: {'; '.join(failed[:3])}")


@contextmanager
def _one_torch_thread(wanted: bool) -> Iterator[None]:
    """The recordings run side by side; each on one processor wastes none."""
    if not wanted:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _stored_settings(folder: Path) -> dict[str, Any]:
    path = folder / CARD
    return read_settings(path) if path.is_file() else {}


def read_settings(path: Path) -> dict[str, Any]:
    """``processed.json``. Raises :class:`AmtError` where it is missing, damaged or not ours."""
    card = read_json(path)
    fields = {"config": dict, "items": list, "features": str, "dtype": str}
    if not isinstance(card, dict) or not all(isinstance(card.get(name), kind) for name, kind in fields.items()):
        raise AmtError(f"{path}: not what preprocess writes; delete it and run preprocess again with its options")
    rows = [row for row in card["items"] if isinstance(row, dict)]
    names = [(row.get("split"), row.get("name")) for row in rows]
    words = [word for both in names for word in both]
    inside = all(isinstance(w, str) and ".." not in Path(w).parts and not os.path.isabs(w) for w in words)
    if len(rows) != len(card["items"]) or not inside or card["features"] not in FEATURES or card["dtype"] not in DTYPES:
        raise AmtError(f"{path}: was changed; delete it and run preprocess again with its options")
    Config.from_dict(card["config"], where=f"{path}: config")
    return card


def _is_done(labels: Path, say: Callable[[str], None]) -> bool:
    """Whether a recording is processed and its files are still what was written; says what is to be done again."""
    if not labels.is_file():
        return False
    damage = find_damage(labels)
    if damage:
        say(f"done again: {damage.removesuffix('; run preprocess again')}")
    return not damage


def _check_settings(folder: Path, settings: dict[str, Any]) -> None:
    stored = _stored_settings(folder)
    if not stored:
        return
    for name, value in settings.items():
        old = stored.get(name)
        if name == "config":  # only what decides what is stored; the labels' mode may change
            old, value = stored["config"].get("feature"), value["feature"]
        if old != value:
            raise AmtError(f"{folder}: was made with {name} = {old}, not {value}; choose another folder or delete it")


def _rows(items: list[Recording]) -> list[dict]:
    return [{"name": item.name, "split": item.split, "seconds": item.seconds} for item in items]


def _paths(folder: Path, item: Recording) -> dict[str, Path]:
    stem = folder / item.split / item.name
    suffixes = {"audio": ".flac", "midi": ".mid", "labels": ".npz", "features": ".npy"}
    return {kind: stem.with_name(stem.name + suffix) for kind, suffix in suffixes.items()}


def _process(item: Recording, folder: Path, compute: Computer | None, dtype: str, trim: bool, rate: int) -> None:
    paths, performance = _paths(folder, item), read_midi(item.midi)
    if trim:
        audio = load_audio(item.audio, sample_rate=rate)
        audio, performance, _ = trim_lead(audio, performance, sample_rate=rate)
        save_audio(paths["audio"], audio, sample_rate=rate)
        write_midi(paths["midi"], performance)
        n = len(audio)
    else:
        n = convert_audio(item.audio, paths["audio"], sample_rate=rate)
        with written_whole(paths["midi"]) as partial:
            shutil.copyfile(item.midi, partial)
    if compute is not None:
        audio = load_audio(paths["audio"], sample_rate=rate)
        values = np.concatenate([quantise(block, dtype) for block in compute(audio)])
        with written_whole(paths["features"]) as partial:
            np.save(partial, values)
    with written_whole(paths["labels"]) as partial:
        partial.write_bytes(pack_labels(performance, n, paths))


def _process_anywhere(
    item: Recording, *, folder: Path, config: Config, features: str, dtype: str, trim: bool
) -> None:
    """As :func:`_process`, in a process that makes its own computer."""
    compute = _make_computer_once(config, features) if features != "none" else None
    _process(item, folder, compute, dtype, trim, config.feature.sample_rate)


@functools.lru_cache(maxsize=1)
def _make_computer_once(config: Config, features: str) -> Computer:
    return make_computer(config, features)
