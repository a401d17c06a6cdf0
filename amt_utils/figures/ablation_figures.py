"""Rows of an ablation side by side (notebook 04)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..training.ablation import read_row


def plot_rows(folder: str | os.PathLike, rows: Sequence[str]) -> Figure:
    """Note F1 against steps and against minutes of training -> the figure.

    The axis is limited to the range in which trained rows differ; the legend gives every row's last F1.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    read = {row: read_row(Path(folder) / row) for row in rows}
    best = np.array([100 * max(values["note_f1"], default=0.0) for values in read.values()])
    for i, (row, values) in enumerate(read.items()):
        note_f1 = 100 * np.array(values["note_f1"])
        style: dict[str, Any] = {"lw": 2.4 if row == "ours" else 1.2, "marker": "osv^Dph*X"[i % 9], "ms": 4}
        style["label"] = f"{row} {note_f1[-1]:.1f}" if len(note_f1) else row
        left.plot(values["step"], note_f1, **style)
        right.plot(values["minutes"], note_f1, **style)
    left.set(xlabel="steps", ylabel="note F1 on validation (%)")
    right.set(xlabel="minutes of training")
    for ax in (left, right):
        ax.grid(alpha=0.2)
    if best.max() > 0:
        left.set_ylim(0.8 * best[best > best.max() / 2].min(), 1.02 * best.max())
    right.legend(frameon=False, fontsize=8, loc="lower right")
    return figure
