"""Staff and voice from the order of a score's notes."""

import numpy as np
import pytest

from amt_utils.sheet_music.score_order import staves_and_voices


def piece(*bars):
    """Bars of voices of (begin, end, pitch) -> measure, begin, end, pitch, and (staff, voice) of each note."""
    rows, truth = [], []
    for number, voices in enumerate(bars):
        for place, notes in voices.items():
            rows += [(number, 4 * number + begin, 4 * number + end, pitch) for begin, end, pitch in notes]
            truth += [place] * len(notes)
    return np.array(rows, float).T, np.array(truth)


def quarters(*pitch):
    return [(i, i + 1, p) for i, p in enumerate(pitch)]


MELODY = {(1, 1): quarters(76, 77, 79, 76), (2, 1): quarters(48, 55, 52, 55)}
UNDER_A_HELD_NOTE = {(1, 1): [(0, 4, 79)], (1, 2): quarters(64, 65, 67, 64), (2, 1): quarters(48, 55, 52, 55)}
OVER_A_HELD_BASS = {(1, 1): quarters(76, 77, 79, 76), (2, 1): quarters(55, 57, 55, 57), (2, 2): [(0, 4, 36)]}
CHORDS = {(1, 1): [(0, 2, 72), (0, 2, 76), (2, 4, 71), (2, 4, 74)], (2, 1): [(0, 2, 48), (0, 2, 55), (2, 4, 43)]}
ONE_CHORD_EACH = {(1, 1): [(0, 4, 67), (0, 4, 72)], (2, 1): [(0, 4, 36), (0, 4, 48)]}
GRACE = {(1, 1): [(0, 0, 77), (0, 4, 76)], (2, 1): quarters(48, 55, 52, 55)}


@pytest.mark.parametrize("bar", [MELODY, UNDER_A_HELD_NOTE, OVER_A_HELD_BASS, CHORDS, ONE_CHORD_EACH, GRACE])
def test_voices_are_listed_one_after_the_other(bar):
    notes, truth = piece(MELODY, bar, bar, MELODY)
    staff, voice = staves_and_voices(*notes)
    assert np.array_equal(np.column_stack([staff, voice]), truth)


def test_what_is_not_clear_stays_open():
    notes, _ = piece({(1, 1): quarters(62, 62, 62, 62)})
    staff, voice = staves_and_voices(*notes)
    assert not staff.any() and not voice.any()
