"""Reads tapped or annotated beats from a text file: Audacity's labels, or one time per line."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..system.errors import AmtError


@dataclass(frozen=True)
class Tapped:
    """Beats: ``times`` ``(n,)`` in rising seconds, n >= 2; ``first`` ``(n,)``, whether each begins a bar."""

    times: np.ndarray
    first: np.ndarray


def read_beats(path: str | os.PathLike) -> Tapped:
    """Lines of seconds and a label -> beats. A beat labelled ``db`` (or ``1``) begins a bar; ``b`` does not.

    Audacity and ASAP write begin, end and label. A line may also be a time alone, or a time and a label. Columns are
    separated by tabs, commas, semicolons or spaces; text after a comma in a label is ignored.

    Raises:
        AmtError: the file cannot be read, a line has no time, or there are fewer than two beats.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AmtError(f"{path}: not a text file of beats ({error})") from error
    rows: dict[float, bool] = {}
    for number, line in enumerate(lines, start=1):
        columns = line.replace(",", " ").replace(";", " ").split()
        if not columns or columns[0].startswith(("#", "\\")):
            continue
        try:
            time = float(columns[0])
        except ValueError:
            raise AmtError(f"{path}: line {number} begins with {columns[0]!r}, not with seconds") from None
        if not np.isfinite(time):
            raise AmtError(f"{path}: line {number}: {columns[0]!r} is not a time")
        label = next((c for c in columns[1:] if not _is_number(c) or "." not in c), "")
        rows[time] = rows.get(time, False) or label.lower() in ("db", "1", "downbeat")
    if len(rows) < 2:
        raise AmtError(f"{path}: has {len(rows)} beats; two or more are needed, a line each: seconds, tab, b or db")
    times = np.array(sorted(rows))
    return Tapped(times, np.array([rows[t] for t in times.tolist()]))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
