"""Metrics of a folder: runs a system over recordings, then makes a table, JSON and a picture (notebook 05).

:mod:`amt_utils.evaluation.metrics` defines the metrics.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from ..data.library import Recording, find_midi
from ..music.midi import read_midi
from ..music.notes import ENDS, Performance
from ..system.cluster import run_each
from ..system.errors import AmtError
from ..system.files import written_whole
from .kinds import Count, count_kinds, pool_kinds
from .metrics import ONSET_TOLERANCE, average_scores, score_performance

# column heading -> measure
COLUMNS = {
    "note": "note_f1",
    "P": "note_precision",
    "R": "note_recall",
    "+offset": "note_offset_f1",
    "+off+vel": "note_offset_velocity_f1",
    "note+vel": "note_velocity_f1",
    "frame": "frame_f1",
    "pedal": "pedal_sustain_f1",
    "ped+off": "pedal_sustain_offset_f1",
}


class System(Protocol):
    """Anything that turns a recording into notes: the network, the baseline, a folder of MIDI."""

    def transcribe(self, path: str | os.PathLike) -> Performance: ...


class MidiFolder:
    """Existing transcriptions, of this program or another: ``<folder>/<audio's stem>.mid``."""

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise AmtError(f"{self.folder}: no such folder; give the one that holds the transcribed .mid files")
        self.name = f"MIDI in {self.folder.name}"

    def transcribe(self, path: str | os.PathLike) -> Performance:
        """The MIDI file of that name. Raises :class:`AmtError` where there is none."""
        try:
            midi = find_midi(self.folder, Path(path).stem)
        except AmtError as error:
            raise AmtError(f"{error}; transcribe {Path(path).name} into {self.folder} first") from error
        return read_midi(midi)


@dataclass
class FolderScores:
    """One system's metrics.

    Attributes:
        system: its name.
        recordings: recording's name -> ``{"key": {...}, "sounding": {...}, "seconds": ...}``.
        failed: recording's name -> the error; these are in no average.
        onset_tolerance: of notes, in seconds.
        kinds: recording's name -> its notes by kind, as :mod:`amt_utils.evaluation.kinds` defines them.
    """

    system: str
    recordings: dict[str, dict] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    onset_tolerance: float = ONSET_TOLERANCE
    kinds: dict[str, dict[str, Count]] = field(default_factory=dict)

    def average(self, ends: str) -> dict[str, dict[str, float]]:
        """Measure -> mean, median, std, quartiles over the recordings."""
        return average_scores([scores[ends] for scores in self.recordings.values()])

    def to_dict(self, ends: Iterable[str] = ENDS) -> dict:
        """Plain dicts and numbers, for JSON."""
        by_ends = {
            e: {"average": self.average(e), "recordings": {n: s[e] for n, s in self.recordings.items()}} for e in ends
        }
        seconds = {name: scores["seconds"] for name, scores in self.recordings.items()}
        how = {"system": self.system, "onset_tolerance": self.onset_tolerance}
        kinds = {name: count.to_dict() for name, count in pool_kinds(self.kinds.values()).items()}
        by_kind = {"pooled": kinds, "recordings": {
            recording: {name: count.to_dict() for name, count in counts.items()}
            for recording, counts in self.kinds.items()
        }}  # fmt: skip
        return {**how, "ends": by_ends, "kinds": by_kind, "seconds": seconds, "failed": self.failed}

    def title(self, ends: str) -> str:
        """The system and what was compared; the tolerance where it is not the default."""
        unusual = self.onset_tolerance != ONSET_TOLERANCE
        return f"{self.system}, {ends} ends" + (f", onsets ±{1000 * self.onset_tolerance:.0f} ms" if unusual else "")


def evaluate(
    recordings: Iterable[Recording],
    transcriber: System,
    *,
    name: str | None = None,
    reference_shift: float = 0.0,
    onset_tolerance: float = ONSET_TOLERANCE,
    cluster: str | None = None,
    on_result: Callable[[str, dict | str], None] | None = None,
) -> FolderScores:
    """Transcribes every recording and scores it, for both kinds of note ends; continues after one that fails.

    Args:
        recordings: from :func:`amt_utils.data.library.find_recordings`.
        transcriber: has ``transcribe(path) -> Performance``.
        name: what to call it in tables; the transcriber's own ``name`` otherwise.
        reference_shift: seconds by which every reference is moved later first, for labels known to be early.
        onset_tolerance: of notes, in seconds.
        cluster: run recordings in parallel, as :func:`.run_each` takes it.
        on_result: called after each recording with its name and its scores, or the error message.
    """
    system = name or str(getattr(transcriber, "name", type(transcriber).__name__))
    scores = FolderScores(system, onset_tolerance=onset_tolerance)
    one = partial(_evaluate_one, transcriber=transcriber, shift=reference_shift, onset_tolerance=onset_tolerance)
    recordings = list(recordings)
    outcomes: dict[str, dict[str, Any] | str] = {}
    for recording, result in run_each(one, recordings, cluster=cluster):
        if isinstance(result, AmtError):
            outcomes[recording.name] = str(result)
        else:
            outcomes[recording.name], scores.kinds[recording.name] = result
        if on_result:
            on_result(recording.name, outcomes[recording.name])
    for recording in recordings:  # in the given order
        outcome = outcomes[recording.name]
        if isinstance(outcome, str):
            scores.failed[recording.name] = outcome
        else:
            scores.recordings[recording.name] = outcome
    return scores


def _evaluate_one(
    recording: Recording, *, transcriber: System, shift: float, onset_tolerance: float
) -> tuple[dict[str, Any], dict[str, Count]]:
    reference = read_midi(recording.midi)
    reference = reference.shifted(shift) if shift else reference
    began = time.perf_counter()
    estimate = transcriber.transcribe(recording.audio)
    row: dict[str, Any] = {"seconds": time.perf_counter() - began}
    options = {"onset_tolerance": onset_tolerance}
    row |= {ends: score_performance(reference, estimate, ends=ends, **options) for ends in ENDS}
    return row, count_kinds(reference, estimate, **options)


def recordings_table(scores: FolderScores, ends: str, *, markdown: bool = False) -> str:
    """F1 in % of every recording, then mean, median and standard deviation; ``-`` where there is nothing to score."""
    rows = [(name, {m: row[ends].get(m) for m in COLUMNS.values()}) for name, row in scores.recordings.items()]
    average = scores.average(ends)
    for statistic in ("mean", "median", "std"):
        rows.append((statistic, {m: average[m][statistic] if m in average else None for m in COLUMNS.values()}))
    return _table(scores.title(ends), rows, markdown, rule_before=len(scores.recordings))


def systems_table(systems: list[FolderScores], ends: str, *, markdown: bool = False) -> str:
    """One row per system: the mean over recordings, in %."""
    rows = []
    for scores in systems:
        average = scores.average(ends)
        rows.append((scores.system, {m: average[m]["mean"] if m in average else None for m in COLUMNS.values()}))
    return _table(f"mean F1, {ends} ends", rows, markdown)


def _table(title: str, rows: list[tuple[str, dict]], markdown: bool, rule_before: int | None = None) -> str:
    names = [name if markdown else shorten(name) for name, _ in rows]
    width = max(map(len, [title, *names]))
    cells = [[_percent(values[m]) for m in COLUMNS.values()] for _, values in rows]
    if markdown:
        lines = [f"| {title} | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
        return "\n".join(lines + [f"| {n} | " + " | ".join(row) + " |" for n, row in zip(names, cells, strict=True)])
    lines = [title.ljust(width) + "".join(f"{heading:>9}" for heading in COLUMNS)]
    rule = "-" * len(lines[0])
    lines.append(rule)
    for i, (name, row) in enumerate(zip(names, cells, strict=True)):
        lines += [rule] if i == rule_before else []
        lines.append(name.ljust(width) + "".join(f"{cell:>9}" for cell in row))
    return "\n".join(lines)


def shorten(name: str, longest: int = 40) -> str:
    """The end of a long name, where recordings differ."""
    return name if len(name) <= longest else "…" + name[-longest + 1 :]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def save_scores(path: str | os.PathLike, systems: list[FolderScores], *, ends: Iterable[str] = ENDS) -> Path:
    """All metrics of all systems as JSON, fractions 0..1; the file is written atomically."""
    path = Path(path)
    content = {"measures": "see amt_utils.evaluation.metrics", "systems": [s.to_dict(ends) for s in systems]}
    with written_whole(path) as partial:
        partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
