"""What a run writes down beside its checkpoints: every step, every epoch, and the curves.

``steps.csv`` and ``epochs.csv`` for reading, ``curves.png`` for looking, TensorBoard's event files for watching.
"""

from __future__ import annotations

import csv
import os
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..system.files import written_whole


class RunLog:
    """The log in a run's folder. Only the first process writes it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.steps, self.epochs = folder / "steps.csv", folder / "epochs.csv"

    @cached_property
    def _board(self):
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(self.folder / "tensorboard"))

    def append(self, rows: list[dict[str, Any]]) -> None:
        """Adds steps; on a full disk the file is left as it was, and the error goes on."""
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
            os.truncate(self.steps, size)
            raise
        self._show("train", rows)

    def trim(self, step: int) -> None:
        """Drops the steps after ``step``: they are about to be repeated."""
        rows = [r for r in read_table(self.steps) if r["step"] and int(r["step"]) <= step]
        if rows:
            _write_table(self.steps, rows)
        else:
            self.steps.unlink(missing_ok=True)

    def write_epochs(self, history: list[dict[str, Any]]) -> None:
        """The table of epochs anew, and the curves where matplotlib is there to draw them."""
        _write_table(self.epochs, history)
        if find_spec("matplotlib"):
            from .curves import plot_curves  # slow to import

            figure = plot_curves(read_table(self.steps), history).figure
            with written_whole(self.folder / "curves.png") as partial:
                figure.savefig(partial, dpi=90)
        self._show("validation", history[-1:])

    def _show(self, group: str, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            for name, value in row.items():
                if name not in ("step", "epoch") and isinstance(value, (int, float)):
                    self._board.add_scalar(f"{group}/{name}", value, row["step"])
        self._board.flush()


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a run's ``steps.csv`` or ``epochs.csv``; none before the file is there."""
    if not path.exists():
        return []
    with path.open(newline="") as f:
        return list(csv.DictReader(f))


def _write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    with written_whole(path) as partial, partial.open("w", newline="") as f:
        writer = csv.DictWriter(f, list(dict.fromkeys(k for r in rows for k in r)))
        writer.writeheader()
        writer.writerows(rows)
