"""Figures and tables of data preparation: inventory, disk space, labels, reading speed, alignment (03 and 08)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.axes import Axes
from pandas.io.formats.style import Styler

from ..audio.reading import load_audio
from ..config import Config
from ..data.library import Inventory, Recording, find_recordings
from ..data.maestro.catalogue import SPLITS, Maestro
from ..data.maestro.splits import select
from ..data.own_piano.align import Alignment, strong_windows
from ..data.own_piano.preparing import Prepared
from ..data.preprocess import estimate_disk
from ..data.stored_features import make_computer
from ..data.tidy import Finding
from ..music.notes import LOWEST_PITCH, Performance
from ..sheet_music.score import Score
from ..training.stored_windows import Processed, Windows, read_audio
from ..training.throughput import measure_throughput
from ..widget.piano_roll import PianoRoll
from .plots import BLUE, VERMILION, new_axes, overlay_labels, plot_spectrogram, plot_waveform

STORED = (("none", "float16"), ("hcqt", "uint8"), ("hcqt", "float16"), ("logmel", "float16"))


def fractions_table(maestro: Maestro, fractions: Sequence[float] = (0.1, 0.3, 1.0)) -> pd.DataFrame:
    """Pieces and minutes per split that each fraction of the data set takes."""
    rows = {}
    for fraction in fractions:
        chosen = select(maestro.pieces, fraction=fraction)
        minutes = {f"{s} (min)": sum(p.duration for p in chosen if p.split == s) / 60 for s in SPLITS}
        rows[f"{fraction:.0%}"] = {"pieces": len(chosen), **minutes}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("fraction").round(1)


def findings_table(findings: Iterable[Finding], *, most: int = 12) -> Styler:
    """The first ``most`` findings of :func:`amt_utils.data.tidy.check_pairs`, the worst first; in seconds."""
    shown = ["name", "status", "reason", "first_attack", "first_note", "offset", "drift"]
    table = pd.DataFrame([asdict(finding) for finding in findings])[shown]
    seconds = table.select_dtypes("number").columns
    table[seconds] = table[seconds].round(3) + 0.0  # -0.0 becomes 0.0
    return _show_whole(table.sort_values("status", key=lambda s: s == "ok", kind="stable").head(most), precision=3)


def _show_whole(table: pd.DataFrame, *, precision: int) -> Styler:
    """A table whose long texts are not cut off."""
    return table.style.format(precision=precision, na_rep="")


def inventory_table(inventory: Inventory) -> Styler:
    """The contents of a folder of recordings, one file or pair per row."""
    rows = [(one.name, "audio and MIDI", "") for one in inventory.recordings]
    rows += [(path.name, "audio alone", "is transcribed into a draft") for path in inventory.audio_only]
    rows += [(path.name, "left out", reason) for path, reason in inventory.excluded]
    return _show_whole(pd.DataFrame(rows, columns=["file", "what", "remark"]), precision=0)


def prepared_table(rows: Iterable[Prepared]) -> Styler:
    """The status of each recording (:func:`amt_utils.data.own_piano.preparing.prepare_recordings`)."""
    return _show_whole(pd.DataFrame([asdict(row) for row in rows]), precision=1)


def show_page(svg: str) -> HTML:
    """A page of sheet music (:meth:`.Score.to_svg`) on white paper, whatever the notebook's theme."""
    return HTML(f'<div style="background:#fff;color:#000">{svg}</div>')


def selection_table(roll: PianoRoll, performance: Performance, score: Score, *, most: int = 8) -> pd.DataFrame:
    """The notes selected in a roll (the first ``most`` where none is), with measure and beat in the sheet music."""
    notes = roll.selected_notes if roll.selection else performance.notes[:most]
    table = pd.DataFrame(notes).round(3)
    places = [score.where(float(onset)) for onset in table["onset"]] if len(table) else []
    table.insert(0, "measure", [place[0] for place in places])
    table.insert(1, "beat", [round(float(place[1]), 2) for place in places])
    return table


def disk_table(folder: str | os.PathLike, *, most: int = 20) -> pd.DataFrame:
    """Megabytes that the first ``most`` recordings of ``folder`` take once preprocessed, by what is stored."""
    recordings = find_recordings(folder)[:most]
    rows = {}
    for features, dtype in STORED:
        need = estimate_disk(recordings, Config(), features=features, dtype=dtype)
        name = "audio and labels" if features == "none" else f"with {features}, {dtype}"
        parts = {"FLAC": need.flac, "labels": need.labels, "features": need.features, "total": need.total}
        rows[name] = {part: size / 1e6 for part, size in parts.items()}
    title = f"MB for {len(recordings)} recordings, {sum(r.seconds for r in recordings) / 60:.1f} min"
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(title).round(2)


def shapes_table(batch: Mapping[str, object]) -> pd.DataFrame:
    """The arrays of a batch or window and their shapes."""
    rows = [(name, " × ".join(map(str, value.shape))) for name, value in batch.items() if hasattr(value, "shape")]
    return pd.DataFrame(rows, columns=["name", "shape"])


def plot_labels(processed: Processed, *, split: str = "validation", index: int = 1, seconds: float = 2.0) -> np.ndarray:
    """The labels of one window as ``grid`` and as ``soft`` over its CQT; two Axes."""
    axes = plt.subplots(1, 2, figsize=(15, 5), sharey=True, layout="constrained")[1]
    for ax, labels in zip(axes, ("grid", "soft"), strict=True):
        windows = processed.windows(split=split, seconds=5.0, labels=labels)
        _plot_window(windows, min(index, len(windows) - 1), seconds, ax)
    return axes


def _plot_window(windows: Windows, index: int, seconds: float, ax: Axes) -> None:
    """The first ``seconds`` of a window, zoomed to the keys that are played."""
    recording, first = windows.places[index]
    rate, frame = windows.config.feature.sample_rate, windows.config.feature.frame_seconds
    compute = make_computer(windows.config, "cqt")
    values = next(compute(read_audio(recording.audio, first, windows.n_samples)))[: windows.n_frames]
    count = min(windows.n_frames, round(seconds / frame))
    rolls = {name: roll[:count].numpy() for name, roll in windows[index].items() if roll.ndim == 2}
    plot_spectrogram(
        values[:count], frame_seconds=frame, start=first / rate, lowest_pitch=LOWEST_PITCH,
        bins_per_key=windows.config.feature.bins_per_key, limits=(0.3, 0.85), ax=ax,
    )  # fmt: skip
    overlay_labels(rolls, frame_seconds=frame, start=first / rate, ax=ax)
    played = np.flatnonzero(rolls["frame"].any(axis=0))
    if len(played):
        ax.set_ylim(LOWEST_PITCH + played[0] - 2.5, LOWEST_PITCH + played[-1] + 2.5)
    ax.set_title(f"{windows.config.target.mode} labels", loc="right", fontsize=10)


def plot_throughput(
    processed: Processed, raw: Maestro | None = None, *, seconds: float = 5.0, ax: Axes | None = None
) -> Axes:
    """Measures how many windows a worker reads per second in each way, one bar per way with the number at its end."""
    table = measure_throughput(processed, raw, seconds=seconds)
    ax = new_axes(ax, size=(9, 0.4 * len(table) + 0.8))
    values = table["windows/s per worker"].to_numpy()
    ax.barh(np.arange(len(table)), values, color=BLUE)
    for i, value in enumerate(values):
        ax.text(value, i, f" {value:.3g}", va="center", fontsize=9)
    ax.set_yticks(np.arange(len(table)), table.index)
    ax.set(xlabel="windows per second and worker", xlim=(0, 1.1 * values.max()), ylim=(len(table) - 0.4, -0.6))
    return ax


def plot_alignment(alignment: Alignment, *, ax: Axes | None = None) -> Axes:
    """Lag of the sound behind the MIDI as measured (line), and what remains after the correction (dots)."""
    ax = new_axes(ax)
    used = strong_windows(alignment.windows)
    span = used[:, 0] if len(used) else alignment.midi_times
    seconds = np.linspace(span.min(), span.max(), 200)
    found = alignment.to_audio(seconds) - seconds
    ax.plot(seconds, found, color=VERMILION, linewidth=1.5, label="the recording's lag behind its MIDI, as measured")
    label = f"left after the correction ({1000 * alignment.spread:.0f} ms in a typical window)"
    ax.plot(used[:, 0], used[:, 1], "o", color=BLUE, markersize=4, label=label)
    ax.axhline(0, color="0.6", linewidth=0.8)
    ax.set(xlabel="MIDI time in s", ylabel="lag in s", title=alignment.describe())
    ax.legend(frameon=False)
    return ax


def plot_onsets(
    recording: Recording, performance: Performance, *, seconds: float = 4.0, ax: Axes | None = None
) -> Axes:
    """The waveform around the first notes of ``performance``, with its onsets as dashed lines."""
    rate = Config().feature.sample_rate
    start = max(0.0, float(performance.notes["onset"][0]) - 0.3)
    audio = load_audio(recording.audio, sample_rate=rate, start=start, duration=seconds)
    ax = plot_waveform(audio, sample_rate=rate, start=start, ax=ax)
    onsets = performance.notes["onset"][performance.notes["onset"] < start + seconds]
    ax.vlines(onsets, *ax.get_ylim(), color=VERMILION, linestyle="--", linewidth=1)
    ax.set_xlim(start, start + seconds)
    return ax
