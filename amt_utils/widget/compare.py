"""Prediction against reference, note by note: what the comparison view of the piano roll shows.

Two notes belong together when mir_eval says so: same pitch, onsets within 50 ms, each note used once, as many
pairs as possible (``mir_eval.transcription.match_notes``). A pair whose ends differ by more than
``max(50 ms, 20 % of the reference's duration)`` counts as found, with a wrong end. mir_eval's note+offset score
chooses its pairs by onsets and ends; where one key is struck twice within 50 ms the two can differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..music.notes import check_notes

HIT, WRONG_END, UNMATCHED = 1, 2, 3  # UNMATCHED: an extra note of the estimate, a missed one of the reference


@dataclass(frozen=True)
class Comparison:
    """The status of every note.

    Attributes:
        status: ``(n,)`` uint8 for the estimate: HIT, WRONG_END or UNMATCHED ("extra").
        partner: ``(n,)`` int32, index of the reference note, -1 for none.
        reference_status: ``(m,)`` uint8 for the reference: HIT, WRONG_END or UNMATCHED ("missed").
        reference_partner: ``(m,)`` int32, index into the estimate, -1 for none.
    """

    status: np.ndarray
    partner: np.ndarray
    reference_status: np.ndarray
    reference_partner: np.ndarray

    @property
    def counts(self) -> dict[str, int]:
        """``{"hit": …, "wrong_end": …, "extra": …, "missed": …}``."""
        return {
            "hit": int(np.sum(self.status == HIT)),
            "wrong_end": int(np.sum(self.status == WRONG_END)),
            "extra": int(np.sum(self.status == UNMATCHED)),
            "missed": int(np.sum(self.reference_status == UNMATCHED)),
        }


def compare_notes(
    reference: np.ndarray, estimate: np.ndarray, *, onset_tolerance: float = 0.05, offset_ratio: float = 0.2
) -> Comparison:
    """``(m,)`` reference and ``(n,)`` estimated notes, both with the same kind of ends -> :class:`Comparison`.

    Args:
        onset_tolerance: seconds, for onsets and as the least tolerance of ends.
        offset_ratio: of the reference note's duration.
    """
    from mir_eval.transcription import match_notes
    from mir_eval.util import midi_to_hz

    check_notes(reference, where="reference notes")
    check_notes(estimate, where="estimated notes")
    partner = np.full(len(estimate), -1, np.int32)
    reference_partner = np.full(len(reference), -1, np.int32)
    # notes of different keys never match: key by key gives the same pairs without an (m, n) matrix
    for pitch in np.intersect1d(reference["pitch"], estimate["pitch"]):
        of_ref, of_est = (np.flatnonzero(notes["pitch"] == pitch) for notes in (reference, estimate))
        columns = []
        for notes, chosen in ((reference, of_ref), (estimate, of_est)):
            intervals = np.stack([notes["onset"][chosen], notes["offset"][chosen]], axis=1)
            columns += [intervals, np.full(len(chosen), midi_to_hz(float(pitch)))]
        for i, j in match_notes(*columns, onset_tolerance=onset_tolerance, offset_ratio=None):
            partner[of_est[j]], reference_partner[of_ref[i]] = of_ref[i], of_est[j]

    status = np.full(len(estimate), UNMATCHED, np.uint8)
    reference_status = np.full(len(reference), UNMATCHED, np.uint8)
    found = np.flatnonzero(partner >= 0)
    paired = reference[partner[found]]
    tolerance = np.maximum(onset_tolerance, offset_ratio * (paired["offset"] - paired["onset"]))
    # mir_eval rounds differences to 4 decimals before it compares; do the same
    right = np.round(np.abs(paired["offset"] - estimate["offset"][found]), 4) <= np.round(tolerance, 4)
    status[found] = np.where(right, HIT, WRONG_END)
    reference_status[partner[found]] = status[found]
    return Comparison(status, partner, reference_status, reference_partner)
