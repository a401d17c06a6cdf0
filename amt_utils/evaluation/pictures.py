"""A folder's metrics as bars."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..system.errors import AmtError
from ..system.files import written_whole
from .folder import FolderScores, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_scores(scores: FolderScores, *, ends: str = "sounding", ax: Axes | None = None) -> Axes:
    """Horizontal bars per recording, best note F1 on top: note, note+offset and frame F1, with their means as lines."""
    names = sorted(scores.recordings, key=lambda n: scores.recordings[n][ends]["note_f1"])
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(figsize=_figure_size(len(names)), layout="constrained")[1]
    # colours of Okabe & Ito with hatches, so that colour is never the only sign
    looks = (("note", "#0072B2", ""), ("frame", "#E69F00", "///"), ("note_offset", "#009E73", "..."))
    for i, (measure, colour, hatch) in enumerate(looks):
        values = np.array([100 * scores.recordings[n][ends][f"{measure}_f1"] for n in names])
        mean = values.mean() if len(values) else np.nan
        label = f"{measure.replace('_', '+')}, mean {mean:.1f}"
        ax.barh(
            np.arange(len(names)) + (1 - i) * 0.27, values, height=0.25, label=label,
            color=colour, hatch=hatch, edgecolor="white", linewidth=0.3,
        )  # fmt: skip
        ax.axvline(mean, color=colour, linestyle=("-", "--", ":")[i], linewidth=1)
    ax.set_yticks(np.arange(len(names)), [shorten(n) for n in names])
    ax.set(xlim=(0, 100), ylim=(-0.6, len(names) - 0.4), xlabel="F1 in %", title=scores.title(ends))
    below = -0.6 / max(2.0, 0.42 * len(names))  # clear of the axis label, in heights of the axes
    ax.legend(loc="upper right", bbox_to_anchor=(1, below), ncols=3, frameon=False)
    return ax


def save_picture(path: str | os.PathLike, scores: FolderScores, *, ends: str = "sounding") -> Path:
    """:func:`plot_scores` as a ``.png``, ``.svg`` or ``.pdf`` file."""
    from matplotlib.figure import Figure

    path = Path(path)
    if path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise AmtError(f"{path}: pictures are written as .png, .svg or .pdf, not {path.suffix or 'without suffix'!r}")
    figure = Figure(figsize=_figure_size(len(scores.recordings)), layout="constrained")
    plot_scores(scores, ends=ends, ax=figure.subplots())
    with written_whole(path) as partial:
        figure.savefig(partial, dpi=120)
    return path


def _figure_size(n_recordings: int) -> tuple[float, float]:
    return 8.0, max(3.5, 1.5 + 0.42 * n_recordings)
