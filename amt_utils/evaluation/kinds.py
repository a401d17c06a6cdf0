"""Recall and false positives by kind of note: octaves, repetitions, chords, registers, velocities.

A mean over all notes hides systematic errors. Each kind below is a property of a note among the other notes of
its own side, so that it is defined for the reference and for the estimate alike:

================  =================================================================================================
``all``           every note
``octave``        struck within 30 ms of a note an octave (12 keys) or a twelfth (19 keys) below it
``repetition``    struck again within 250 ms of the same key's last onset
``chord``         one of five or more notes within 30 ms of it, itself included
``below C2`` …    by register: below C2, from C2 to B3, from C4 to B5, C6 and above
``velocity …``    by velocity: below 40, 40 to 63, 64 to 89, 90 and above
================  =================================================================================================

*Recall* is the share of the reference's notes of a kind that are found; which kind the matching estimate is does not
matter. *Invented* are the estimate's notes of a kind that match nothing (false positives): their number, and their
share of the estimate's notes of that kind. Matching is :func:`.match_notes`'s, by onset and key alone.
Counts are pooled over recordings, since a kind may be rare in some of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

import numpy as np

from ..music.notes import Performance
from .metrics import ONSET_TOLERANCE, match_notes

TOGETHER = 0.03  # seconds between notes that are struck together
AGAIN = 0.25  # seconds within which a key is struck again
CHORD = 5  # notes
BELOW = (12, 19)  # keys: the octave and the twelfth, whose partials all lie on the lower note's


def _is_octave(notes: np.ndarray) -> np.ndarray:
    return _has_company(notes, lambda apart: np.isin(apart, BELOW)) >= 1


def _is_chord(notes: np.ndarray) -> np.ndarray:
    return _has_company(notes, lambda apart: apart != 0) >= CHORD - 1


def _has_company(notes: np.ndarray, counts: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """How many notes are struck together with each one, at distances (keys above the other) that ``counts`` accepts."""
    onset, pitch = notes["onset"], notes["pitch"].astype(int)
    first, last = np.searchsorted(onset, onset - TOGETHER), np.searchsorted(onset, onset + TOGETHER, side="right")
    return np.array([int(counts(pitch[i] - pitch[a:b]).sum()) for i, (a, b) in enumerate(zip(first, last))], dtype=int)


def _is_repetition(notes: np.ndarray) -> np.ndarray:
    again = np.zeros(len(notes), bool)
    for key in np.unique(notes["pitch"]):
        own = np.flatnonzero(notes["pitch"] == key)
        again[own[1:]] = np.diff(notes["onset"][own]) <= AGAIN
    return again


def _between(field: str, low: int, high: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda notes: (notes[field] >= low) & (notes[field] < high)


KINDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "all": lambda notes: np.ones(len(notes), bool),
    "octave": _is_octave,
    "repetition": _is_repetition,
    "chord": _is_chord,
    "below C2": _between("pitch", 0, 36),
    "C2 to B3": _between("pitch", 36, 60),
    "C4 to B5": _between("pitch", 60, 84),
    "C6 and above": _between("pitch", 84, 128),
    "velocity below 40": _between("velocity", 0, 40),
    "velocity 40 to 63": _between("velocity", 40, 64),
    "velocity 64 to 89": _between("velocity", 64, 90),
    "velocity 90 and above": _between("velocity", 90, 128),
}


@dataclass(frozen=True)
class Count:
    """Notes of one kind: in the reference and found; in the estimate and invented."""

    reference: int = 0
    found: int = 0
    estimated: int = 0
    invented: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(*(a + b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True)))

    def to_dict(self) -> dict[str, float | None]:
        """The counts, ``recall`` and ``invented_share``, ``None`` where there is no note of the kind."""
        recall = self.found / self.reference if self.reference else None
        share = self.invented / self.estimated if self.estimated else None
        return {**asdict(self), "recall": recall, "invented_share": share}


def count_kinds(
    reference: Performance, estimate: Performance, *, onset_tolerance: float = ONSET_TOLERANCE
) -> dict[str, Count]:
    """One recording's :class:`Count` for each of :data:`KINDS`."""
    ref, est = reference.notes, estimate.notes
    matched = match_notes(ref, est, onset_tolerance=onset_tolerance)
    found, right = np.zeros(len(ref), bool), np.zeros(len(est), bool)
    found[matched[:, 0]], right[matched[:, 1]] = True, True
    counts = {}
    for name, belongs in KINDS.items():
        in_reference, in_estimate = belongs(ref), belongs(est)
        numbers = in_reference.sum(), (in_reference & found).sum(), in_estimate.sum(), (in_estimate & ~right).sum()
        counts[name] = Count(*map(int, numbers))
    return counts


def pool_kinds(recordings: Iterable[dict[str, Count]]) -> dict[str, Count]:
    """The sums over recordings."""
    pooled = dict.fromkeys(KINDS, Count())
    for counts in recordings:
        pooled = {name: pooled[name] + counts[name] for name in KINDS}
    return pooled


def kinds_table(title: str, counts: dict[str, Count], *, markdown: bool = False) -> str:
    """A row for each kind: its notes and their share of all, recall, what was invented; in %."""
    headings = ("notes", "of all", "recall", "invented", "of written")
    total = max(1, counts["all"].reference)
    rows = []
    for name, count in counts.items():
        ratios = count.to_dict()
        cells = [str(count.reference), _percent(count.reference / total), _percent(ratios["recall"])]
        rows.append((name, [*cells, str(count.invented), _percent(ratios["invented_share"])]))
    if markdown:
        lines = [f"| {title} | " + " | ".join(headings) + " |", "|---" * (len(headings) + 1) + "|"]
        return "\n".join(lines + [f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows])
    width = max(len(title), *(len(name) for name, _ in rows))
    lines = [title.ljust(width) + "".join(f"{heading:>11}" for heading in headings)]
    lines.append("-" * len(lines[0]))
    return "\n".join(lines + [name.ljust(width) + "".join(f"{cell:>11}" for cell in cells) for name, cells in rows])


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
