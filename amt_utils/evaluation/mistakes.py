"""Error analysis: every note of reference and estimate, and whether it was hit, missed or extra (notebook 05).

A note of the reference is *hit* or *missed*, one of the estimate that hits nothing is *extra*; matching is
:func:`.match_notes`'s, onsets within 50 ms. Each error gets one cause, the first that applies:

=========== ======================================================================================================
``timing``  the same key was written within 150 ms, but not within 50 (missed and extra alike)
``octave``  the other side has a note an octave, a twelfth or two octaves away at the same onset
``repeat``  missed: the key had been struck less than 0.4 s before. Extra: the key was sounding already
``soft``    missed: velocity below 40
``buried``  missed: eight or more other notes begin within half a second
``ghost``   extra: none of these
``other``   missed: none of these
=========== ======================================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from ..data.library import Recording
from ..music.notes import Performance
from ..system.errors import AmtError
from .folder import System
from .metrics import ONSET_TOLERANCE, match_notes, score_performance

if TYPE_CHECKING:
    import pandas as pd

NEAR_MISS = 0.15  # seconds
REPEAT_SECONDS, SOFT_VELOCITY, CROWD = 0.4, 40, 8
OCTAVES = (12, -12, 19, -19, 24, -24)


@dataclass(frozen=True)
class SystemTranscription:
    """One system's transcription of a recording."""

    system: str
    recording: Recording
    estimate: Performance


def run_systems(recordings: Sequence[Recording], systems: Mapping[str, System]) -> list[SystemTranscription]:
    """Every recording through every named system; one that lacks a recording (a folder of MIDI) is left out there."""
    found = []
    total = sum(round(recording.seconds) for recording in recordings) * len(systems)
    with tqdm(total=total, unit="s of audio", desc="transcribe", mininterval=0.5) as bar:
        for name, system in systems.items():
            for recording in recordings:
                bar.set_postfix_str(f"{name}: {recording.name[-24:]}")
                try:
                    found.append(SystemTranscription(name, recording, system.transcribe(recording.audio)))
                except AmtError as error:
                    bar.write(f"{name}: {recording.name} left out: {error}")
                bar.update(round(recording.seconds))
    return found


def score_table(transcriptions: Sequence[SystemTranscription], *, ends: str = "sounding") -> pd.DataFrame:
    """One row per system and recording: all measures of :mod:`amt_utils.evaluation.metrics`, in percent."""
    import pandas as pd

    rows = []
    for one in transcriptions:
        scores = score_performance(one.recording.performance, one.estimate, ends=ends)
        row = {"system": one.system, "composer": one.recording.composer, "recording": one.recording.name}
        rows.append(row | {name: 100 * value for name, value in scores.items() if not name.startswith("n_")})
    return pd.DataFrame(rows)


def find_errors(transcriptions: Sequence[SystemTranscription], *, ends: str = "sounding") -> pd.DataFrame:
    """Every note of reference and estimate, and its fate.

    Returns:
        Columns ``system, composer, recording``; ``fate`` (``hit``, ``missed``, ``extra``); ``cause`` of an error;
        ``onset`` in seconds, ``pitch``, ``velocity``, ``duration`` (the reference's, or the extra note's own);
        ``density`` (other reference notes that begin within half a second); of hits ``late`` (seconds the
        estimate's onset comes after), ``estimated_velocity`` and ``end_right`` (within 50 ms or 20 %).
    """
    import pandas as pd

    return pd.concat([_find_errors(one, ends) for one in transcriptions], ignore_index=True)


def _find_errors(one: SystemTranscription, ends: str) -> pd.DataFrame:
    import pandas as pd

    reference, estimate = one.recording.performance.with_ends(ends), one.estimate.with_ends(ends)
    pairs = match_notes(reference, estimate)
    with_end = {int(i) for i, _ in match_notes(reference, estimate, offset_ratio=0.2)}
    of_reference = np.full(len(reference), -1)
    of_reference[pairs[:, 0]] = pairs[:, 1]
    missed = np.flatnonzero(of_reference < 0)
    extra = np.setdiff1d(np.arange(len(estimate)), pairs[:, 1])
    hit = np.flatnonzero(of_reference >= 0)
    partner = estimate[of_reference[hit]]
    frames = []
    for fate, notes in (("hit", reference[hit]), ("missed", reference[missed]), ("extra", estimate[extra])):
        low, high = (np.searchsorted(reference["onset"], notes["onset"] + d) for d in (-0.5, 0.5))
        columns = {name: notes[name] for name in ("onset", "pitch", "velocity")}
        columns |= {"duration": notes["offset"] - notes["onset"], "density": high - low - (fate != "extra")}
        frames.append(pd.DataFrame({"fate": fate, **columns}))
    frames[0]["late"] = partner["onset"] - reference["onset"][hit]
    frames[0]["estimated_velocity"] = partner["velocity"]
    frames[0]["end_right"] = [int(i) in with_end for i in hit]
    crowded = frames[1]["density"].to_numpy() >= CROWD
    frames[1]["cause"] = [
        _missed_cause(reference[i], reference, estimate[extra], crowd) for i, crowd in zip(missed, crowded, strict=True)
    ]
    frames[2]["cause"] = [_extra_cause(estimate[i], reference, reference[missed]) for i in extra]
    table = pd.concat([frame for frame in frames if len(frame)], ignore_index=True)
    for place, (name, value) in enumerate(
        (("system", one.system), ("composer", one.recording.composer), ("recording", one.recording.name))
    ):
        table.insert(place, name, value)
    return table


def _near(notes: np.ndarray, onset: float, seconds: float) -> np.ndarray:
    return notes[np.searchsorted(notes["onset"], onset - seconds) : np.searchsorted(notes["onset"], onset + seconds)]


def _missed_cause(note: np.void, reference: np.ndarray, extra: np.ndarray, crowded: bool) -> str:
    if np.any(_near(extra, note["onset"], NEAR_MISS)["pitch"] == note["pitch"]):
        return "timing"
    if np.any(np.isin(_near(extra, note["onset"], ONSET_TOLERANCE)["pitch"] - note["pitch"], OCTAVES)):
        return "octave"
    first, end = np.searchsorted(reference["onset"], [note["onset"] - REPEAT_SECONDS, note["onset"]])
    if np.any(reference["pitch"][first:end] == note["pitch"]):
        return "repeat"
    if note["velocity"] < SOFT_VELOCITY:
        return "soft"
    return "buried" if crowded else "other"


def _extra_cause(note: np.void, reference: np.ndarray, missed: np.ndarray) -> str:
    if np.any(_near(missed, note["onset"], NEAR_MISS)["pitch"] == note["pitch"]):
        return "timing"
    if np.any(np.isin(_near(reference, note["onset"], ONSET_TOLERANCE)["pitch"] - note["pitch"], OCTAVES)):
        return "octave"
    sounding = (reference["onset"] < note["onset"]) & (reference["offset"] > note["onset"])
    return "repeat" if np.any(sounding & (reference["pitch"] == note["pitch"])) else "ghost"


def find_worst(one: SystemTranscription, *, seconds: float = 10.0) -> float:
    """Where the ``seconds`` with the most missed and extra notes begin."""
    errors = _find_errors(one, "sounding").query("fate != 'hit'")["onset"].sort_values().to_numpy()
    if not len(errors):
        return 0.0
    counts = np.searchsorted(errors, errors + seconds) - np.arange(len(errors))
    return max(0.0, float(errors[int(np.argmax(counts))]) - 0.2)


def sweep_thresholds(transcriber, recordings: Sequence[Recording], thresholds: Sequence[float]) -> pd.DataFrame:
    """Note precision, recall and F1 in percent for each onset threshold, mean over recordings.

    Args:
        transcriber: :class:`amt_utils.transcription.transcriber.Transcriber`; each recording passes its network once.
        recordings: with their MIDI.
        thresholds: in 0..1.
    """
    import pandas as pd

    from ..transcription.performance import decode_performance

    rows = []
    for recording in tqdm(recordings, desc="thresholds", unit="recording"):
        activations = transcriber.activations(recording.audio)
        for threshold in thresholds:
            config = transcriber.config.replace(decode={"onset_threshold": float(threshold)})
            notes, played = decode_performance(activations, config).notes, recording.performance.notes
            n = len(match_notes(played, notes))
            rows.append((threshold, n / len(notes) if len(notes) else np.nan, n / max(1, len(played))))
    table = pd.DataFrame(rows, columns=["threshold", "precision", "recall"])
    table["f1"] = 2 * table.precision * table.recall / (table.precision + table.recall)
    return 100 * table.groupby("threshold").mean()
