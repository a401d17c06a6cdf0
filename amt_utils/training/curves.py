"""A run's learning curves: loss against steps, decoded note F1 against steps."""

from __future__ import annotations

from typing import Any

import numpy as np

LINES = (
    ("note_f1", "note", "#0072B2", "o-"),
    ("note_offset_f1", "note+offset (sounding)", "#D55E00", "s--"),
    ("frame_f1", "frame", "#009E73", "^:"),
)


def plot_curves(steps: list[dict[str, Any]], epochs: list[dict[str, Any]], *, ax=None):
    """Rows of ``steps.csv`` and ``epochs.csv`` -> the axes: loss on the left scale, F1 on the right."""
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure(figsize=(8, 3.6), layout="constrained").subplots()
    if steps:
        x = np.array([int(r["step"]) for r in steps])
        loss = np.array([float(r["loss"]) for r in steps])
        width = max(1, len(loss) // 100)
        smooth = np.convolve(loss, np.ones(width) / width, mode="valid")
        ax.plot(x[width - 1 :], smooth, color="0.45", lw=1.2, label="loss")
        ax.set_ylim(0, np.percentile(smooth, 98) * 1.1 + 1e-6)
    ax.set_xlabel("step")
    ax.set_ylabel("training loss")
    right = ax.twinx()
    for name, label, colour, style in LINES:
        points = [(int(r["step"]), 100 * float(r[name])) for r in epochs if r.get(name) not in (None, "")]
        if points:
            right.plot(*zip(*points, strict=True), style, color=colour, ms=4, lw=1.4, label=label)
    right.set_ylim(0, 100)
    right.set_ylabel("validation F1 (%)")
    handles, labels = (a + b for a, b in zip(ax.get_legend_handles_labels(), right.get_legend_handles_labels(),
                                             strict=True))  # fmt: skip
    ax.legend(handles, labels, loc="center right", frameon=False, fontsize=8)
    ax.grid(alpha=0.2)
    return ax
