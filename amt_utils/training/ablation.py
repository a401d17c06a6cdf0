"""What each part of the network is worth: the same windows and the same number of steps for every row.

Every row is a run of ``train`` of its own, in a folder of its own, so that it survives kills as any run does; calling
again goes on where the last call was stopped. The picture shows decoded note F1 against steps and against minutes.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from ..checkpoints.checkpoint import read_card
from ..config import Config, change_config, save_config
from ..system.errors import AmtError
from .run_log import read_table

ROWS: dict[str, tuple[str, ...]] = {  # what each row changes in the configuration it starts from
    "ours": (),
    "without-residuals": ("model.residual=false",),
    "without-register": ("model.register=false",),
    "without-hcqt": ("feature.kind=cqt",),
    "without-detach": ("model.detach_onset=false",),
    "grid-targets": ("target.mode=grid",),
    "velocity-at-onset": ("loss.velocity_after_onset=0",),
    "hppnet": ("model.name=hppnet", "feature.kind=cqt"),
    "unet": ("model.name=unet",),
    "onsets-frames": ("model.name=onsets_frames", "feature.kind=logmel"),
}
SCORES = {"note_f1": "note", "note_offset_f1": "+offset", "note_offset_velocity_f1": "+velocity", "frame_f1": "frame"}


def run_rows(config: Config, folder: Path, rows: list[str], *, options: list[str], max_seconds: float | None) -> bool:
    """Trains the rows one after the other, each in ``folder/<row>``; True when all are finished.

    Args:
        config: what the rows start from; its ``train`` section fixes steps, batch and seed for all.
        folder: of the comparison.
        rows: names in :data:`ROWS`.
        options: further words for ``train`` (``--devices 2``).
        max_seconds: in all.
    """
    deadline = time.monotonic() + max_seconds if max_seconds else None
    for row in rows:
        left = deadline - time.monotonic() if deadline else None
        if left is not None and left < 60:
            return False
        path = folder / f"{row}.json"
        folder.mkdir(parents=True, exist_ok=True)
        save_config(change_config(config, list(ROWS[row])), path)
        command = [sys.executable, "-m", "amt_utils", "train", "--config", str(path), "--out", str(folder / row)]
        command += ["--resume", *options, *(["--max-time", str(int(left))] if left else [])]
        if subprocess.run(command).returncode:
            raise AmtError(f"{row}: training failed (see above); what the other rows have learnt is kept in {folder}")
    return all(len(read_table(folder / row / "epochs.csv")) >= config.train.epochs for row in rows)


def read_row(folder: Path) -> dict[str, list[float]]:
    """A run's folder -> ``step``, ``minutes`` (of training alone) and the F1 scores after each epoch."""
    steps, epochs = read_table(folder / "steps.csv"), read_table(folder / "epochs.csv")
    minutes = np.cumsum([float(s["seconds"]) for s in steps]) / 60
    found = {int(s["step"]): m for s, m in zip(steps, minutes, strict=True)}
    row = {"step": [int(e["step"]) for e in epochs]}
    row["minutes"] = [float(found.get(step, np.nan)) for step in row["step"]]
    for name in SCORES:
        row[name] = [float(e.get(name) or np.nan) for e in epochs]
    return row


def make_table(folder: Path, rows: list[str]) -> str:
    """Markdown: each row after the last epoch that *all* of them have reached, so that the steps are the same."""
    read = {row: read_row(folder / row) for row in rows}
    common = min((len(r["step"]) for r in read.values()), default=0)
    if not common:
        raise AmtError(f"{folder}: not every row has finished an epoch yet; call again to go on")
    head = ["row", "parameters", "steps", "minutes", *SCORES.values()]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row, values in read.items():
        parameters = read_card(folder / row / "best.safetensors").get("parameters", 0)
        scores = [f"{100 * values[name][common - 1]:.1f}" for name in SCORES]
        cells = [row, f"{parameters:,}", values["step"][common - 1], f"{values['minutes'][common - 1]:.0f}", *scores]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def plot_rows(folder: Path, rows: list[str]):
    """Note F1 against steps and against minutes of training -> the figure.

    The axis shows where the rows differ that have learnt anything; the legend gives every row's last figure.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    read = {row: read_row(folder / row) for row in rows}
    best = np.array([100 * max(values["note_f1"], default=0.0) for values in read.values()])
    for i, (row, values) in enumerate(read.items()):
        score = 100 * np.array(values["note_f1"])
        style = {"lw": 2.4 if row == "ours" else 1.2, "marker": "osv^Dph*X"[i % 9], "ms": 4}
        style["label"] = f"{row} {score[-1]:.1f}" if len(score) else row
        left.plot(values["step"], score, **style)
        right.plot(values["minutes"], score, **style)
    left.set(xlabel="steps", ylabel="note F1 on validation (%)")
    right.set(xlabel="minutes of training")
    for ax in (left, right):
        ax.grid(alpha=0.2)
    if best.max() > 0:
        left.set_ylim(0.8 * best[best > best.max() / 2].min(), 1.02 * best.max())
    right.legend(frameon=False, fontsize=8, loc="lower right")
    return figure
