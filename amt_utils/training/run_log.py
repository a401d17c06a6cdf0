"""A run's log beside its checkpoints: ``steps.csv``, ``epochs.csv``, ``curves.png`` and TensorBoard's event files.
"""

from __future__ import annotations

import csv
import os
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..system.files import written_whole


def describe_epoch(row: dict[str, Any]) -> str:
    """One line on an epoch: its number, mean loss and metrics."""
    shown = {k: round(v, 4) for k, v in row.items() if k in ("epoch", "loss", "note_f1", "note_offset_f1")}
    return " ".join(f"{name} {value}" for name, value in shown.items())


class RunLog:
    """The log in a run's folder. Only the first process writes it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.steps, self.epochs = folder / "steps.csv", folder / "epochs.csv"
        self._board: Path | None = None  # TensorBoard's file
        self._board_failed = False

    def append(self, rows: list[dict[str, Any]]) -> None:
        """Adds steps. Raises OSError on a full disk; the file is then left as it was."""
        if not rows:
            return
        size = self.steps.stat().st_size if self.steps.exists() else 0
        try:
            with self.steps.open("a", newline="") as f:
                writer = csv.DictWriter(f, rows[0].keys())
                if not size:
                    writer.writeheader()
                writer.writerows(rows)
        except OSError:
            if self.steps.exists():
                os.truncate(self.steps, size)
            raise
        self._show("train", rows)

    def trim(self, step: int) -> None:
        """Drops the steps after ``step``, which are repeated; a damaged table is kept beside the new one."""
        rows, damaged = _read_rows(self.steps)
        if damaged:
            os.replace(self.steps, self.steps.with_name(self.steps.name + ".damaged"))
            print(f"{self.steps}: {damaged} damaged lines are left out; the old file is {self.steps.name}.damaged")
        rows = [r for r in rows if int(r["step"]) <= step]
        if rows:
            _write_table(self.steps, rows)
        else:
            self.steps.unlink(missing_ok=True)

    def write_epochs(self, history: list[dict[str, Any]]) -> None:
        """Rewrites the table of epochs, and the curves where matplotlib is installed."""
        _write_table(self.epochs, history)
        if find_spec("matplotlib"):
            from .curves import plot_curves  # slow to import

            figure = plot_curves(read_table(self.steps), history).figure
            with written_whole(self.folder / "curves.png") as partial:
                figure.savefig(partial, dpi=90)
        self._show("validation", history[-1:])

    def _show(self, group: str, rows: list[dict[str, Any]]) -> None:
        """Appends to TensorBoard's event file; errors are only printed."""
        try:
            from tensorboard.compat.proto.event_pb2 import Event  # slow to import
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.record_writer import RecordWriter

            # torch's SummaryWriter writes in a thread; after a full disk has ended it, flush() blocks for ever
            begin = "" if self._board else "brain.Event:2"
            self._board = self._board or self.folder / "tensorboard" / f"events.out.tfevents.{time.time_ns()}"
            self._board.parent.mkdir(exist_ok=True)
            with open(self._board, "ab") as file:
                record = RecordWriter(file)
                if begin:
                    record.write(Event(wall_time=time.time(), file_version=begin).SerializeToString())
                for row in rows:
                    values = [
                        Summary.Value(tag=f"{group}/{name}", simple_value=value)
                        for name, value in row.items()
                        if name not in ("step", "epoch") and isinstance(value, (int, float))
                    ]
                    event = Event(wall_time=time.time(), step=row["step"], summary=Summary(value=values))
                    record.write(event.SerializeToString())
        except (ImportError, OSError) as error:
            self._board = None  # its last record may be incomplete: the next one goes to a new file
            if not self._board_failed:
                print(f"{self.folder}: TensorBoard's file was not written ({error}); steps.csv is complete")
            self._board_failed = True


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a run's ``steps.csv`` or ``epochs.csv``; none before the file exists. Damaged rows are left out."""
    rows, damaged = _read_rows(path)
    if damaged:
        print(f"{path}: {damaged} damaged lines are left out")
    return rows


def _read_rows(path: Path) -> tuple[list[dict[str, str]], int]:
    """The valid rows (an integer ``step``, numbers or nothing), and the number of other rows."""
    if not path.exists():
        return [], 0
    lines = path.read_bytes().decode("utf-8", errors="replace").replace("\0", "\ufffd").splitlines()
    rows, damaged = [], 0
    header = lines[0].split(",") if lines else []
    for line in lines[1:]:
        values = line.split(",")  # numbers are never quoted
        row = dict(zip(header, values, strict=False))
        if len(values) == len(header) == len(row) and _is_sound(row):
            rows.append(row)
        else:
            damaged += 1
    return rows, damaged + (bool(lines) and "step" not in header)


def _is_sound(row: dict[str, str]) -> bool:
    try:
        return int(row["step"]) >= 0 and all(isinstance(float(value), float) for value in row.values() if value)
    except (KeyError, ValueError):
        return False


def _write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    with written_whole(path) as partial, partial.open("w", newline="") as f:
        writer = csv.DictWriter(f, list(dict.fromkeys(k for r in rows for k in r)))
        writer.writeheader()
        writer.writerows(rows)
