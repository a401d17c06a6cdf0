"""Ablations: variants of a configuration, trained on the same windows for the same number of steps.

Every row is a run of ``train`` in its own folder, so that it can be killed and resumed; calling again continues where
the last call was stopped. The picture shows decoded note F1 against steps and against minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from ..checkpoints.checkpoint import read_card
from ..config import Config, change_config, save_config
from ..system.errors import AmtError
from .run_log import read_table
from .step_times import time_parts
from .trainer import train

if TYPE_CHECKING:
    import pandas as pd

ROWS: dict[str, tuple[str, ...]] = {  # what each row changes in the base configuration
    "ours": (),
    "without-residuals": ("model.residual=false",),
    "without-register": ("model.register=false",),
    "without-hcqt": ("feature.kind=cqt",),
    "without-detach": ("model.detach_onset=false",),
    "grid-targets": ("target.mode=grid",),
    "grid-decoding": ("decode.onset_refinement=false",),
    "frame-without-onset": ("loss.frame_target=frame_ex",),
    "velocity-at-onset": ("loss.velocity_after_onset=0",),
    "pedal-focal": ("loss.pedal_kind=focal",),
    "pedal-weighted": ("loss.pedal_pos_weight=2",),
    "hppnet": ("model.name=hppnet", "feature.kind=cqt"),
    "unet": ("model.name=unet",),
    "onsets-frames": ("model.name=onsets_frames", "feature.kind=logmel"),
}
CLAIM = "hcqt_hppnet"  # the shipped configuration, and the rows that it is compared with
CLAIM_ROWS = ("ours", "without-residuals", "without-hcqt", "without-detach")
CLAIM_EPOCHS = 3
MEASURES = {"note_f1": "note", "note_offset_f1": "+offset", "note_offset_velocity_f1": "+velocity", "frame_f1": "frame"}
SECONDS_TO_START = 60.0  # a row with less time left than this is not begun


def row_config(config: Config, row: str) -> Config:
    """The configuration of one row. Raises :class:`AmtError` for a name that is not in :data:`ROWS`."""
    if row not in ROWS:
        raise AmtError(f"row {row!r}: choose from {', '.join(ROWS)}")
    return change_config(config, list(ROWS[row]))


def estimate_minutes(
    config: Config, rows: Sequence[str], *, steps: int = 2, accelerator: str = "auto"
) -> Iterator[tuple[str, float]]:
    """``(row, minutes)`` that a row's training takes here, by a few of its steps; without validation."""
    for row in rows:
        changed = row_config(config, row)
        seconds = sum(time_parts(changed, steps=steps, accelerator=accelerator).values()) * changed.train.accumulate
        yield row, seconds * changed.train.steps_per_epoch * changed.train.epochs / 60


def run_rows(
    config: Config,
    folder: str | os.PathLike,
    rows: Sequence[str],
    *,
    devices: int | str = 1,
    accelerator: str = "auto",
    max_seconds: float | None = None,
    progress: bool = True,
) -> bool:
    """Trains the rows one after the other, each in ``folder/<row>``; True when all are finished.

    Args:
        config: what the rows start from; its ``train`` section fixes steps, batch and seed for all.
        folder: of the comparison.
        rows: names in :data:`ROWS`.
        devices, accelerator: as for :func:`amt_utils.training.trainer.train`.
        max_seconds: in all.
        progress: a bar and a line for each epoch; otherwise one bar over all epochs of all rows.

    Raises:
        AmtError: an unknown row, or a training that fails; the other rows' runs are kept.
    """
    folder, deadline = Path(folder), time.monotonic() + max_seconds if max_seconds else None
    epochs = config.train.epochs
    with tqdm(total=len(rows) * epochs, desc="rows", unit="epoch", disable=progress) as bar:
        for number, row in enumerate(rows):
            left = deadline - time.monotonic() if deadline else None
            if left is not None and left < SECONDS_TO_START:
                return False
            changed = row_config(config, row)
            if str(devices) == "1":
                options: dict[str, Any] = {"devices": 1, "accelerator": accelerator, "progress": progress}
                options["on_epoch"] = lambda _trainer, _row: bar.update()
                result = train(changed, folder / row, resume=True, max_seconds=left, **options)
                if not result["finished"]:
                    return False
            else:
                _train_apart(changed, folder, row, ["--devices", str(devices), "--accelerator", accelerator], left)
            bar.update((number + 1) * epochs - bar.n)  # epochs of an earlier call, or of another process
    return all(len(read_table(folder / row / "epochs.csv")) >= config.train.epochs for row in rows)


def _train_apart(config: Config, folder: Path, row: str, options: list[str], left: float | None) -> None:
    """In a process of its own: with several devices Lightning starts the program again for each of them."""
    path = save_config(config, folder / f"{row}.json")
    command = [sys.executable, "-m", "amt_utils", "train", "--config", str(path), "--out", str(folder / row)]
    command += ["--resume", *options, *(["--max-time", str(int(left))] if left else [])]
    if subprocess.run(command, check=False).returncode:
        raise AmtError(f"{row}: training failed (see above); the other rows' runs are kept in {folder}")


def read_row(folder: Path) -> dict[str, list[float]]:
    """A run's folder -> ``step``, ``minutes`` (of training alone) and the F1 values after each epoch."""
    steps, epochs = read_table(folder / "steps.csv"), read_table(folder / "epochs.csv")
    minutes = np.cumsum([float(s["seconds"]) for s in steps]) / 60
    found = {int(s["step"]): m for s, m in zip(steps, minutes, strict=True)}
    row: dict[str, list[float]] = {"step": [int(e["step"]) for e in epochs]}
    row["minutes"] = [float(found.get(int(step), np.nan)) for step in row["step"]]
    for name in MEASURES:
        row[name] = [float(e.get(name) or np.nan) for e in epochs]
    return row


def make_table(folder: str | os.PathLike, rows: Sequence[str]) -> str:
    """Markdown table: each row after the last epoch that *all* rows have finished, so that the steps are the same."""
    folder = Path(folder)
    read = {row: read_row(folder / row) for row in rows}
    common = min((len(r["step"]) for r in read.values()), default=0)
    if not common:
        raise AmtError(f"{folder}: not every row has finished an epoch yet; call again to go on")
    head = ["row", "parameters", "steps", "minutes", *MEASURES.values()]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row, values in read.items():
        parameters = read_card(folder / row / "best.safetensors").get("parameters", 0)
        figures = [f"{100 * values[name][common - 1]:.1f}" for name in MEASURES]
        cells = [row, f"{parameters:,}", values["step"][common - 1], f"{values['minutes'][common - 1]:.0f}", *figures]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def epochs_table(folder: str | os.PathLike, rows: Sequence[str]) -> pd.DataFrame:
    """Note F1 in % after each epoch, one row of the table for each row of the ablation."""
    import pandas as pd  # slow to import; not needed for Markdown

    read = {row: read_row(Path(folder) / row)["note_f1"] for row in rows}
    longest = max(map(len, read.values()), default=0)
    columns = [f"epoch {i + 1}" for i in range(longest)]
    cells = [[100 * f for f in values] + [np.nan] * (longest - len(values)) for values in read.values()]
    return pd.DataFrame(cells, index=pd.Index(list(read), name="row"), columns=columns).round(1)
