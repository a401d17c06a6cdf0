"""Metrics of transcriptions, and the definition of a correct note.

A note counts as found when an estimated note of the same key begins within 50 ms of it; each note, of either
side, is used at most once, and the assignment is the largest possible (mir_eval's bipartite matching; Bay, Ehmann
and Downie, ISMIR 2009; Raffel et al., ISMIR 2014). On top of that, in the names used below:

=======================  ====================================================================================
``note``                 onset within 50 ms, the end does not matter
``note_offset``          and the end within 50 ms or 20 % of the reference's duration, whichever is more
``note_velocity``        onset as above, and the velocity within 0.1 after mir_eval's rescaling (the reference
                         scaled to 0..1, the estimate fitted to it by a line over all matched notes;
                         Hawthorne et al., ISMIR 2018)
``note_offset_velocity`` onset, end and velocity
``frame``                cells of a (time, key) grid of 10 ms in which the key sounds. Published frame scores are
                         taken on the model's own grid of 10..32 ms with ends quantised to it; here both sides
                         come from the notes, so that systems with different hops compare
``pedal_sustain``        a pressing of the pedal within 50 ms; ``pedal_sustain_offset`` also its release within
                         50 ms or 20 %; likewise ``pedal_sostenuto`` and ``pedal_soft``
=======================  ====================================================================================

each with ``_precision``, ``_recall`` and ``_f1``, as fractions. Reference times are the MIDI's, never those of a
quantised roll. Ends are ``key`` or ``sounding`` (see :mod:`amt_utils.music.notes`): the same transcription scores very
differently by that choice, so it is always named. A :class:`~amt_utils.music.notes.Performance` holds key ends and
pedals, and ``sounding`` ends are derived from its own pedals for *both* sides: wrong pedals cost an estimate
offsets, as they do when listening. To score notes that are sounding already, give a Performance without pedals.

Two deviations from mir_eval, neither of which changes a matched note's meaning: keys are matched one by one (a
match never joins two keys, so the size of the assignment is the same; 12,000 notes take 0.1 s instead of 20 s and
5 GB), and where reference and estimate are *both* empty the score is 1 rather than 0. One side empty gives 0.
A pedal is scored only where the reference has any press of it: a MIDI file without CC64 cannot say whether the
pedal was up or was not recorded.
"""

from __future__ import annotations

import numpy as np

from ..audio.tuning import midi_to_hz
from ..music.notes import ENDS, PEDAL_NAMES, Performance, check_notes, check_pedals
from ..system.errors import AmtError

ONSET_TOLERANCE = 0.05  # seconds
OFFSET_RATIO, OFFSET_MIN_TOLERANCE = 0.2, 0.05  # of the reference's duration; seconds
VELOCITY_TOLERANCE = 0.1  # of the reference's velocity range
FRAME_SECONDS = 0.01


def score_performance(
    reference: Performance,
    estimate: Performance,
    *,
    ends: str = "sounding",
    onset_tolerance: float = ONSET_TOLERANCE,
) -> dict[str, float]:
    """All scores of one recording; the module's docstring defines them.

    Args:
        reference: what was played.
        estimate: what was transcribed.
        ends: ``"key"`` or ``"sounding"``: which ends are compared, derived the same way for both.
        onset_tolerance: of notes, in seconds. A wider one distinguishes missed notes from inaccurate labels.

    Returns:
        ``{"note_precision": 0.98, ...}``, fractions 0..1, and ``n_reference_notes``, ``n_estimated_notes``.

    Raises:
        AmtError: unknown ``ends``, or notes that :func:`~amt_utils.music.notes.check_notes` refuses.

    >>> from amt_utils.music.notes import make_notes
    >>> played = Performance(make_notes([0.5, 1.0], [0.9, 2.0], [60, 64], [70, 80]))
    >>> estimate = Performance(make_notes([0.52, 1.2], [0.9, 2.0], [60, 64], [70, 80]))
    >>> score_performance(played, estimate)["note_f1"]
    0.5
    """
    if ends not in ENDS:
        raise AmtError(f"ends must be one of {ENDS}, not {ends!r}")
    check_notes(reference.notes, where="reference notes"), check_notes(estimate.notes, where="estimated notes")
    ref, est = reference.with_ends(ends), estimate.with_ends(ends)
    scores: dict[str, float] = {}
    for name, offset_ratio in (("note", None), ("note_offset", OFFSET_RATIO)):
        matched = match_notes(ref, est, offset_ratio=offset_ratio, onset_tolerance=onset_tolerance)
        loud_enough = keep_matching_velocities(ref, est, matched)
        scores |= _ratios(name, len(matched), len(est), len(ref))
        scores |= _ratios(f"{name}_velocity", len(loud_enough), len(est), len(ref))
    scores |= score_frames(ref, est)
    scores |= score_pedals(reference.pedals, estimate.pedals)
    scores |= {"n_reference_notes": float(len(ref)), "n_estimated_notes": float(len(est))}
    return scores


def score_notes(reference: Performance, estimate: Performance, *, offset_ratio: float | None = None) -> float:
    """Note F1 alone, fast enough for a search over thresholds."""
    matched = len(match_notes(reference.notes, estimate.notes, offset_ratio=offset_ratio))
    return 2 * matched / max(1, len(reference.notes) + len(estimate.notes))


def match_notes(
    reference: np.ndarray,
    estimate: np.ndarray,
    *,
    offset_ratio: float | None = None,
    onset_tolerance: float = ONSET_TOLERANCE,
) -> np.ndarray:
    """Which estimated note is which reference note: ``(k, 2)`` int indices into the two arrays of notes.

    Args:
        reference: ``(n,)`` notes.
        estimate: ``(m,)`` notes.
        offset_ratio: tolerance of the end as a share of the reference's duration; ``None`` ignores ends.
        onset_tolerance: in seconds.
    """
    pairs = [np.zeros((0, 2), np.int64)]
    for pitch in np.intersect1d(reference["pitch"], estimate["pitch"]):
        ours, theirs = np.flatnonzero(reference["pitch"] == pitch), np.flatnonzero(estimate["pitch"] == pitch)
        hz = float(midi_to_hz(pitch))
        found = _match_intervals(reference[ours], estimate[theirs], hz, offset_ratio, onset_tolerance)
        pairs.append(np.stack([ours[found[:, 0]], theirs[found[:, 1]]], axis=1))
    return np.concatenate(pairs)


def _match_intervals(
    reference: np.ndarray,
    estimate: np.ndarray,
    hz: float,
    offset_ratio: float | None,
    onset_tolerance: float = ONSET_TOLERANCE,
) -> np.ndarray:
    """Events of one pitch -> ``(k, 2)`` matched indices, by mir_eval."""
    from mir_eval.transcription import match_notes as mir_eval_match

    intervals = [np.stack([events["onset"], events["offset"]], axis=1) for events in (reference, estimate)]
    found = mir_eval_match(
        intervals[0],
        np.full(len(reference), hz),
        intervals[1],
        np.full(len(estimate), hz),
        onset_tolerance=onset_tolerance,
        offset_ratio=offset_ratio,
        offset_min_tolerance=OFFSET_MIN_TOLERANCE,
    )
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def keep_matching_velocities(reference: np.ndarray, estimate: np.ndarray, matched: np.ndarray) -> np.ndarray:
    """The matched pairs whose velocities agree too, by mir_eval.transcription_velocity's rule.

    Args:
        reference, estimate: notes.
        matched: ``(k, 2)`` indices from :func:`match_notes`.

    Returns:
        ``(j, 2)`` indices, j <= k.
    """
    if not len(matched):
        return matched
    velocity = reference["velocity"].astype(np.float64)
    velocity = (velocity - velocity.min()) / max(1.0, np.ptp(velocity))
    target, given = velocity[matched[:, 0]], estimate["velocity"][matched[:, 1]].astype(np.float64)
    line = np.stack([given, np.ones_like(given)], axis=1)
    fitted = line @ np.linalg.lstsq(line, target, rcond=None)[0]
    return matched[np.abs(fitted - target) < VELOCITY_TOLERANCE]


def score_frames(reference: np.ndarray, estimate: np.ndarray, *, step: float = FRAME_SECONDS) -> dict[str, float]:
    """Precision, recall and F1 over the (time, key) cells in which a key sounds; ``step`` is in seconds."""
    end = max([0.0, *(events["offset"].max() for events in (reference, estimate) if len(events))])
    ref, est = (sounding_cells(events, end, step) for events in (reference, estimate))
    return _ratios("frame", int(np.sum(ref & est)), int(est.sum()), int(ref.sum()))


def sounding_cells(notes: np.ndarray, end: float, step: float = FRAME_SECONDS) -> np.ndarray:
    """Notes -> ``(88, ceil(end / step))`` bool; a cell is on where a note covers the middle of its time."""
    cells = np.zeros((88, int(np.ceil(end / step))), dtype=bool)
    first, last = (np.rint(notes[side] / step).astype(np.int64) for side in ("onset", "offset"))
    for a, b, key in zip(first, last, notes["pitch"] - 21, strict=True):
        cells[key, a:b] = True
    return cells


def score_pedals(reference: np.ndarray, estimate: np.ndarray) -> dict[str, float]:
    """Scores of each pedal that the reference has; pedal events of one kind are matched like notes of one key."""
    check_pedals(reference), check_pedals(estimate)
    scores: dict[str, float] = {}
    for kind, name in enumerate(PEDAL_NAMES):
        ref, est = reference[reference["kind"] == kind], estimate[estimate["kind"] == kind]
        if not len(ref):
            continue
        for suffix, offset_ratio in (("", None), ("_offset", OFFSET_RATIO)):
            n = len(_match_intervals(ref, est, 440.0, offset_ratio)) if len(est) else 0
            scores |= _ratios(f"pedal_{name}{suffix}", n, len(est), len(ref))
    return scores


def _ratios(name: str, n_matched: int, n_estimated: int, n_reference: int) -> dict[str, float]:
    if not n_estimated and not n_reference:
        precision = recall = f1 = 1.0
    else:
        precision, recall = n_matched / max(1, n_estimated), n_matched / max(1, n_reference)
        f1 = 2 * n_matched / (n_estimated + n_reference)
    return {f"{name}_precision": precision, f"{name}_recall": recall, f"{name}_f1": f1}


def average_scores(scores: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Scores of several recordings -> per measure ``mean, median, std, q25, q75, n``.

    A measure that some recordings lack (a pedal their reference does not use) is averaged over the ``n`` that
    have it. Every recording weighs the same, as in published tables.
    """
    summary = {}
    for name in dict.fromkeys(key for row in scores for key in row):
        values = np.array([row[name] for row in scores if name in row], dtype=np.float64)
        q25, median, q75 = np.percentile(values, [25, 50, 75])
        spread = {"std": float(values.std()), "q25": float(q25), "q75": float(q75)}
        summary[name] = {"mean": float(values.mean()), "median": float(median), **spread, "n": len(values)}
    return summary


def mean_scores(scores: list[dict[str, float]]) -> dict[str, float]:
    """The means alone of :func:`average_scores`."""
    return {name: summary["mean"] for name, summary in average_scores(scores).items()}
