"""Several systems on the same recordings: their metrics and errors side by side (notebook 05)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from ..data.library import Recording
from .folder import COLUMNS, System
from .mistakes import SystemTranscription, find_errors, find_worst, run_systems, score_table

HEADINGS = ("P", "R", "note", "+offset", "+off+vel", "frame", "pedal")


@dataclass(frozen=True)
class Systems:
    """Transcriptions of the same recordings by several systems.

    Attributes:
        transcriptions: one per system and recording.
        ends: which ends of notes are compared, ``"sounding"`` or ``"key"``.
    """

    transcriptions: tuple[SystemTranscription, ...]
    ends: str = "sounding"

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """One row per system and recording, every measure of :mod:`amt_utils.evaluation.metrics` in percent."""
        return score_table(self.transcriptions, ends=self.ends)

    @cached_property
    def errors(self) -> pd.DataFrame:
        """Every note of reference and estimate, and its fate (:func:`amt_utils.evaluation.mistakes.find_errors`)."""
        return find_errors(self.transcriptions, ends=self.ends)

    def table(self, *, by: str = "recording") -> pd.DataFrame:
        """F1 in percent under short headings, means by ``"recording"``, ``"composer"`` or ``"system"``."""
        known = {heading: COLUMNS[heading] for heading in HEADINGS if COLUMNS[heading] in self.metrics}
        groups = ["system"] if by == "system" else [by, "system"]
        found = self.metrics.groupby(groups, sort=False)[list(known.values())].mean()
        found.columns = pd.Index(known)
        found = found if by == "system" else found.sort_index(level=0, sort_remaining=False, kind="stable")
        return found.round(1)

    def of(self, system: str) -> list[SystemTranscription]:
        """The transcriptions of one system."""
        return [one for one in self.transcriptions if one.system == system]

    def weakest(self, system: str, *, seconds: float = 10.0) -> tuple[SystemTranscription, float]:
        """A system's recording with the lowest note F1, and where its worst ``seconds`` begin."""
        own = self.metrics[self.metrics.system == system]
        name = own.loc[own.note_f1.idxmin(), "recording"]
        worst = next(one for one in self.of(system) if one.recording.name == name)
        return worst, find_worst(worst, seconds=seconds)


def compare_systems(
    recordings: Sequence[Recording], systems: Mapping[str, System], *, ends: str = "sounding"
) -> Systems:
    """Runs every named system over the recordings, with a progress bar.

    Args:
        recordings: with their MIDI (:func:`amt_utils.data.library.find_recordings`).
        systems: name -> anything with ``transcribe(path) -> Performance``.
        ends: which ends of notes are compared.
    """
    return Systems(tuple(run_systems(recordings, systems)), ends)


