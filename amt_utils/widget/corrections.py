"""Applies a user's corrections in the piano roll -> the corrected notes, as ``js/draft.js`` shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..music.notes import NOTE, check_notes
from ..sheet_music.events import find_events
from ..sheet_music.hands import assign_hands
from ..system.errors import AmtError
from ..transcription.candidates import Candidates, cut_at_strikes

if TYPE_CHECKING:
    from ..sheet_music.score import Score

MIDDLE_C, PER_SEMITONE = 60, 0.3  # boundary of the hands; log odds of the left one per semitone below


def correct(
    offered: np.ndarray, hands: np.ndarray, candidates: Candidates | None, corrections: dict
) -> tuple[np.ndarray, np.ndarray]:
    """Transcribed notes and the user's corrections -> notes and hands.

    Args:
        offered: ``(n,)`` notes; the candidates' where there are any.
        hands: ``(n,)`` 0 right, 1 left.
        candidates: their probabilities decide which of ``offered`` are shown, and notes end at the next strike.
        corrections: ``deleted`` indices of ``offered``, ``added`` rows ``[onset, offset, pitch, velocity, hand,
            origin]``, ``threshold``; ``{}`` where nothing was changed.

    Returns:
        ``(k,)`` notes sorted by onset, ``(k,)`` hands.

    Raises:
        AmtError: corrections of other notes.
    """
    deleted = np.array(corrections.get("deleted", []), np.int64)
    if len(deleted) and not 0 <= deleted.min() <= deleted.max() < len(offered):
        raise AmtError(f"corrections: note {deleted.max()} is not among the {len(offered)} of this piano roll")
    if candidates is None:
        standing = np.setdiff1d(np.arange(len(offered)), deleted)
    else:
        standing = candidates.chosen(corrections.get("threshold"), deleted)
    rows = corrections.get("added", [])
    added, added_hands = np.zeros(len(rows), NOTE), np.array([row[4] for row in rows], hands.dtype)
    for row, values in zip(added, rows, strict=True):
        row["onset"], row["offset"], row["pitch"], row["velocity"] = values[:4]
    notes, sides = np.concatenate([offered[standing], added]), np.concatenate([hands[standing], added_hands])
    order = np.lexsort((notes["pitch"], notes["onset"]))
    notes, sides = notes[order], sides[order]
    if candidates is not None:
        is_offered = order < len(standing)
        notes[is_offered] = cut_at_strikes(notes, candidates.shortest)[is_offered]
    return check_notes(notes, where="corrected notes"), sides


def find_hands(offered: np.ndarray, score: Score | None, candidates: Candidates | None) -> np.ndarray:
    """``(n,)`` hand of each note, 0 right, 1 left: the staff it is written on, otherwise estimated from all notes.

    Args:
        offered: ``(n,)`` notes.
        score: :class:`.Score` or ``None``; it numbers the notes over the candidates' threshold.
        candidates: of ``offered``, or ``None``.
    """
    lower = PER_SEMITONE * (MIDDLE_C - offered["pitch"].astype(float))
    hands = assign_hands(offered, find_events(offered), lower).astype(np.uint8)
    if score is not None:
        indices = np.arange(len(offered)) if candidates is None else candidates.chosen()
        hands[indices[score.positions["note"]]] = score.positions["staff"] == 2
    return hands
