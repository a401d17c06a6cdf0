"""Figures of preparing data: a window's labels, how fast windows are read, how a recording and its MIDI fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..data.own_piano.align import Alignment, strong_windows
from ..data.stored_features import make_computer
from ..music.notes import LOWEST_PITCH
from ..training.stored_windows import Windows, read_audio
from .plots import BLUE, new_axes, overlay_labels, plot_spectrogram

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_window(windows: Windows, index: int, *, seconds: float | None = None, ax=None):
    """A window's labels over its CQT, to see that they lie where the sound is; zoomed to the keys that are played.

    Args:
        windows: of audio or of features; the CQT is computed where it is not stored.
        index: which window.
        seconds: show only so much of it, from its beginning.
    """
    recording, first = windows.places[index]
    rate, frame = windows.config.feature.sample_rate, windows.config.feature.frame_seconds
    compute = make_computer(windows.config, "cqt")
    values = next(compute(read_audio(recording.audio, first, windows.n_samples)))[: windows.n_frames]
    count = windows.n_frames if seconds is None else min(windows.n_frames, round(seconds / frame))
    rolls = {name: roll[:count].numpy() for name, roll in windows[index].items() if roll.ndim == 2}
    ax = plot_spectrogram(
        values[:count], frame_seconds=frame, start=first / rate, lowest_pitch=LOWEST_PITCH,
        bins_per_key=windows.config.feature.bins_per_key, limits=(0.3, 0.85), ax=ax,
    )  # fmt: skip
    overlay_labels(rolls, frame_seconds=frame, start=first / rate, ax=ax)
    played = np.flatnonzero(rolls["frame"].any(axis=0))
    if len(played):
        ax.set_ylim(LOWEST_PITCH + played[0] - 2.5, LOWEST_PITCH + played[-1] + 2.5)
    ax.set_title(f"{windows.config.target.mode} labels", loc="right", fontsize=10)
    return ax


def plot_throughput(table, *, ax=None):
    """Windows per second and worker, one bar per way of reading, with the number at its end."""
    ax = new_axes(ax, size=(9, 0.4 * len(table) + 0.8))
    values = table["windows/s per worker"].to_numpy()
    ax.barh(np.arange(len(table)), values, color=BLUE)
    for i, value in enumerate(values):
        ax.text(value, i, f" {value:.3g}", va="center", fontsize=9)
    ax.set_yticks(np.arange(len(table)), table.index)
    ax.set(xlabel="windows per second and worker", xlim=(0, 1.1 * values.max()), ylim=(len(table) - 0.4, -0.6))
    return ax


def plot_alignment(alignment: Alignment, *, ax: Axes | None = None) -> Axes:
    """Lag of the sound behind the MIDI as it was found (line), and what the correction leaves of it (dots)."""
    ax = new_axes(ax)
    used = strong_windows(alignment.windows)
    span = used[:, 0] if len(used) else alignment.midi_times
    seconds = np.linspace(span.min(), span.max(), 200)
    found = alignment.to_audio(seconds) - seconds
    ax.plot(seconds, found, color="#D55E00", linewidth=1.5, label="the recording's lag behind its MIDI, as found")
    label = f"left after the correction ({1000 * alignment.spread:.0f} ms in a typical window)"
    ax.plot(used[:, 0], used[:, 1], "o", color="#0072B2", markersize=4, label=label)
    ax.axhline(0, color="0.6", linewidth=0.8)
    ax.set(xlabel="MIDI time in s", ylabel="lag in s", title=alignment.describe())
    ax.legend(frameon=False)
    return ax
