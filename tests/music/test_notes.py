"""Notes and pedals: what a border check lets through, and when a note stops sounding."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amt_utils.music.notes import (
    NOTE,
    PEDAL,
    SOFT,
    SOSTENUTO,
    SUSTAIN,
    Performance,
    check_notes,
    check_pedals,
    extend_to_sounding,
    make_notes,
    make_pedals,
    next_onsets,
)
from amt_utils.system.errors import AmtError


def notes_of(*rows):
    """Rows of (onset, offset, pitch)."""
    onset, offset, pitch = np.array(rows, dtype=float).reshape(-1, 3).T
    return make_notes(onset, offset, pitch, np.full(len(rows), 64))


def sounding_ends(notes, *pedals):
    pedals = make_pedals(*np.array(pedals, dtype=float).reshape(-1, 3).T)
    return extend_to_sounding(notes, pedals)["offset"].tolist()


def test_notes_are_sorted_by_onset_then_pitch():
    notes = make_notes([2, 1, 1], [3, 2, 2], [60, 64, 62], [1, 2, 3])
    assert notes["pitch"].tolist() == [62, 64, 60]
    assert notes["velocity"].tolist() == [3, 2, 1]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ((-0.5, 1, 60, 64), "onset -0.5 of event 0"),
        ((np.nan, 1, 60, 64), "onset nan"),
        ((0, np.inf, 60, 64), "offset inf"),
        ((1, 1, 60, 64), "not after its onset 1.0 s"),
        ((0, 1, 20, 64), "pitch 20 of note 0 is outside 21..108"),
        ((0, 1, 109, 64), "pitch 109"),
        ((0, 1, 60, 0), "velocity 0 of note 0 is outside 1..127"),
        ((0, 1, 60, 128), "velocity 128"),
    ],
)
def test_check_names_the_offending_value(row, complaint):
    with pytest.raises(AmtError, match=complaint):
        make_notes(*([value] for value in row))


def test_check_wants_the_right_arrays_in_order():
    with pytest.raises(AmtError, match="build it with make_notes"):
        check_notes(np.zeros((3, 4)))
    with pytest.raises(AmtError, match="build it with make_pedals"):
        check_pedals([(0, 1, 0)])
    with pytest.raises(AmtError, match="not sorted"):
        check_notes(notes_of((0, 1, 60), (1, 2, 60))[::-1])
    with pytest.raises(AmtError, match="kind 3 of event 0"):
        make_pedals([0], [1], [3])


def test_overlapping_events_of_one_pedal_are_one_and_touching_ones_are_two():
    pedals = make_pedals([0, 1, 5, 6, 2], [4, 3, 6, 7, 9], [SUSTAIN, SUSTAIN, SUSTAIN, SUSTAIN, SOFT])
    assert pedals.tolist() == [(0, 4, SUSTAIN), (2, 9, SOFT), (5, 6, SUSTAIN), (6, 7, SUSTAIN)]


def test_sustain_holds_a_note_until_the_pedal_comes_up():
    notes = notes_of((0, 1, 60), (3, 4, 64))
    assert sounding_ends(notes, (0.5, 2, SUSTAIN)) == [2, 4]
    assert sounding_ends(notes, (1.01, 2, SUSTAIN)) == [1, 4]  # pressed after the damper fell
    assert sounding_ends(notes, (0, 0.9, SUSTAIN)) == [1, 4]  # released while the key is still down
    assert sounding_ends(notes) == [1, 4]


def test_a_key_struck_again_ends_its_earlier_note():
    notes = notes_of((0, 1, 60), (2, 3, 60), (2, 3, 61))
    assert sounding_ends(notes, (0, 5, SUSTAIN)) == [2, 5, 5]
    overlapping = notes_of((0, 10, 60), (2, 3, 60))  # the inner one damps the outer
    assert sounding_ends(overlapping) == [2, 3]
    together = notes_of((0, 1, 60), (0, 2, 60))
    assert sounding_ends(together) == [1, 2]


def test_the_following_onset_of_a_key():
    key, onset = np.array([60, 62, 60, 60, 62, 60]), np.array([0.0, 0.1, 1.0, 1.0, 2.0, 3.0])
    np.testing.assert_array_equal(next_onsets(key, onset), [1.0, 2.0, np.inf, 3.0, np.inf, np.inf])


def test_sostenuto_holds_only_the_keys_that_were_down():
    notes = notes_of((0, 1, 60), (0.6, 1, 64), (0.2, 0.4, 67))
    ends = dict(zip(notes["pitch"], sounding_ends(notes, (0.5, 3, SOSTENUTO)), strict=True))
    assert ends == {60: 3, 64: 1, 67: 0.4}


def test_one_pedal_takes_over_from_the_other():
    notes = notes_of((0, 1, 60))
    assert sounding_ends(notes, (0.5, 3, SOSTENUTO), (2, 5, SUSTAIN)) == [5]
    assert sounding_ends(notes, (0.5, 3, SUSTAIN), (0.7, 5, SOSTENUTO)) == [5]
    assert sounding_ends(notes, (0.5, 3, SUSTAIN), (2, 5, SOSTENUTO)) == [3]  # its key was up by then


def test_the_soft_pedal_holds_nothing():
    assert sounding_ends(notes_of((0, 1, 60)), (0.5, 3, SOFT)) == [1]


def test_ends_are_chosen_by_name():
    performance = Performance(notes_of((0, 1, 60)), make_pedals([0.5], [2], [SUSTAIN]))
    assert performance.with_ends("key")["offset"] == [1]
    assert performance.with_ends("sounding")["offset"] == [2]
    with pytest.raises(AmtError, match="'pedal'"):
        performance.with_ends("pedal")


def test_shift_there_and_back_and_cut_at_zero():
    performance = Performance(notes_of((1, 2, 60), (3, 4, 64)), make_pedals([1.5], [3.5], [SUSTAIN]))
    back = performance.shifted(2.5).shifted(-2.5)
    assert back.notes.tolist() == performance.notes.tolist()
    cut = performance.shifted(-1.75)
    assert cut.notes["onset"].tolist() == [0, 1.25]
    assert cut.pedals.tolist() == [(0, 1.75, SUSTAIN)]
    assert len(performance.shifted(-9).notes) == 0


def test_window_counts_from_its_start():
    performance = Performance(notes_of((0.5, 3, 60), (1, 2, 62), (2, 9, 64), (4, 5, 65)), make_pedals([0], [9], [0]))
    window = performance.window(1, 4)
    assert window.notes[["onset", "offset", "pitch"]].tolist() == [(0, 1, 62), (1, 3, 64)]
    assert window.pedals.tolist() == [(0, 3, 0)]


def test_nothing_played_is_fine():
    nothing = Performance(np.zeros(0, NOTE))
    assert len(nothing.with_ends("sounding")) == 0
    assert nothing.pedals.dtype == PEDAL
    assert len(make_pedals([], [], [])) == 0


time = st.integers(0, 40).map(lambda n: n / 4)
length = st.integers(1, 20).map(lambda n: n / 4)
some_notes = st.lists(st.tuples(time, length, st.integers(60, 63)), max_size=12)
some_pedals = st.lists(st.tuples(time, length, st.sampled_from([SUSTAIN, SOSTENUTO])), max_size=6)


def ends_by_stepping(notes, pedals):
    """Sounding ends by walking through time in quarter steps: slow, but plainly the definition."""
    ends = []
    for note in notes:
        now, strikes = note["onset"], notes["onset"][notes["pitch"] == note["pitch"]]
        caught = False
        while True:
            down = {k: any(p["onset"] <= now < p["offset"] for p in pedals if p["kind"] == k) for k in (0, 1)}
            pressed = any(p["onset"] == now for p in pedals if p["kind"] == SOSTENUTO)
            key_down = now < note["offset"]
            if pressed:
                caught = bool(key_down)
            caught = caught and down[SOSTENUTO]
            if now > note["onset"] and now in strikes:
                break
            if not (key_down or down[SUSTAIN] or caught):
                break
            now += 0.25
        ends.append(now)
    return ends


@settings(max_examples=150, deadline=None)
@given(some_notes, some_pedals)
def test_sounding_ends_agree_with_stepping_through_time(rows, pedal_rows):
    rows = list({(on, pitch): (on, on + d, pitch) for on, d, pitch in rows}.values())  # no two on one key at once
    notes = notes_of(*rows)
    pedals = make_pedals(*np.array([(a, a + d, k) for a, d, k in pedal_rows], dtype=float).reshape(-1, 3).T)
    assert extend_to_sounding(notes, pedals)["offset"].tolist() == ends_by_stepping(notes, pedals)
