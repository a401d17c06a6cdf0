"""Scores: hand-counted cases, agreement with mir_eval on whole files, ends, pedals, emptiness, folders."""

import mir_eval
import numpy as np
import pytest

from amt_utils.audio.tuning import midi_to_hz
from amt_utils.evaluation.metrics import average_scores, score_performance
from amt_utils.music.notes import SUSTAIN, Performance, make_notes, make_pedals
from amt_utils.system.errors import AmtError


def random_performance(seed: int, n: int = 300) -> Performance:
    rng = np.random.default_rng(seed)
    onset = np.sort(rng.uniform(0, 40, n))
    return Performance(
        make_notes(onset, onset + rng.uniform(0.05, 1.5, n), rng.integers(48, 60, n), rng.integers(20, 110, n))
    )


def disturbed(performance: Performance, seed: int) -> Performance:
    """Some notes lost, times and velocities off, so that every measure has hits and misses."""
    rng = np.random.default_rng(seed)
    notes = performance.notes[rng.uniform(size=len(performance.notes)) > 0.1]
    onset = np.maximum(notes["onset"] + rng.normal(0, 0.03, len(notes)), 0)
    offset = np.maximum(notes["offset"] + rng.normal(0, 0.1, len(notes)), onset + 0.02)
    velocity = np.clip(notes["velocity"] * 0.7 + rng.normal(0, 8, len(notes)), 1, 127)
    return Performance(make_notes(onset, offset, notes["pitch"], velocity))


def test_agrees_with_mir_eval_on_the_whole_file():
    reference = random_performance(0)
    estimate = disturbed(reference, 1)
    ours = score_performance(reference, estimate, ends="key")
    sides = []
    for notes in (reference.notes, estimate.notes):
        sides.append((np.stack([notes["onset"], notes["offset"]], 1), midi_to_hz(notes["pitch"])))
    velocities = reference.notes["velocity"].astype(float), estimate.notes["velocity"].astype(float)
    for name, ratio in (("note", None), ("note_offset", 0.2)):
        theirs = mir_eval.transcription.precision_recall_f1_overlap(*sides[0], *sides[1], offset_ratio=ratio)
        got = [ours[f"{name}_{part}"] for part in ("precision", "recall", "f1")]
        assert got == pytest.approx(theirs[:3])
        assert 0.2 < got[2] < 0.98
        theirs = mir_eval.transcription_velocity.precision_recall_f1_overlap(
            *sides[0], velocities[0], *sides[1], velocities[1], offset_ratio=ratio
        )
        # two assignments of one size may pair two notes differently, which moves the fitted line a little
        assert ours[f"{name}_velocity_f1"] == pytest.approx(theirs[2], abs=0.01)
        assert ours[f"{name}_velocity_f1"] < ours[f"{name}_f1"]


def test_hand_counted():
    reference = Performance(make_notes([1, 2, 3, 4], [2, 3, 4, 5], [60, 62, 64, 65], [40, 60, 80, 100]))
    estimate = Performance(
        # a hit, an early one with its end too early, one 60 ms late, a wrong key, an invented one
        make_notes([1.0, 1.96, 3.06, 4, 6], [2.1, 2.7, 4, 5, 7], [60, 62, 64, 66, 70], [40, 60, 80, 100, 50])
    )
    scores = score_performance(reference, estimate)
    assert (scores["note_precision"], scores["note_recall"]) == (2 / 5, 2 / 4)
    assert scores["note_f1"] == pytest.approx(2 * 2 / 9)
    assert scores["note_offset_recall"] == 1 / 4
    wider = score_performance(reference, estimate, onset_tolerance=0.1)  # now the one that is 60 ms late counts too
    assert (wider["note_precision"], wider["note_recall"]) == (3 / 5, 3 / 4)
    assert (scores["n_reference_notes"], scores["n_estimated_notes"]) == (4, 5)
    # frames: 100 + 70 + 94 + 0 of 400 reference cells; the estimate has 110 + 74 + 94 + 100 + 100
    assert scores["frame_recall"] == pytest.approx(264 / 400)
    assert scores["frame_precision"] == pytest.approx(264 / 478)


def test_perfect_is_one_and_a_louder_recording_too():
    reference = random_performance(3)
    louder = Performance(reference.notes.copy())
    louder.notes["velocity"] = 10 + reference.notes["velocity"] // 2
    for name, value in score_performance(reference, Performance(reference.notes)).items():
        assert value == (300 if name.startswith("n_") else 1)
    assert score_performance(reference, louder)["note_offset_velocity_f1"] == 1


def test_ends_are_what_they_are_called():
    pedal = make_pedals([0.5], [4.0], [SUSTAIN])
    reference = Performance(make_notes([1], [1.3], [60], [64]), pedal)
    without_pedal = Performance(reference.notes)
    assert score_performance(reference, without_pedal, ends="key")["note_offset_f1"] == 1
    assert score_performance(reference, without_pedal, ends="sounding")["note_offset_f1"] == 0
    already_sounding = Performance(reference.with_ends("sounding"))
    assert score_performance(reference, already_sounding, ends="sounding")["note_offset_f1"] == 1
    with pytest.raises(AmtError, match="sounding"):
        score_performance(reference, reference, ends="ringing")


def test_pedals():
    reference = Performance(make_notes([1], [2], [60], [64]), make_pedals([1, 3, 5], [2, 4, 9], [0, 0, 0]))
    estimate = Performance(reference.notes, make_pedals([1.04, 3, 5.1, 7], [2.1, 3.5, 9, 8], [0, 0, 0, 2]))
    scores = score_performance(reference, estimate)
    assert scores["pedal_sustain_recall"] == pytest.approx(2 / 3)
    assert scores["pedal_sustain_offset_recall"] == pytest.approx(1 / 3)
    assert "pedal_soft_f1" not in scores and "pedal_sostenuto_f1" not in scores
    assert score_performance(estimate, reference)["pedal_soft_f1"] == 0
    assert "pedal_sustain_f1" not in score_performance(Performance(reference.notes), estimate)


def test_empty_sides():
    nothing, something = Performance(make_notes([], [], [], [])), random_performance(5, 4)
    both = score_performance(nothing, nothing)
    assert both["note_f1"] == both["frame_f1"] == both["note_offset_velocity_recall"] == 1
    for pair in ((nothing, something), (something, nothing)):
        one = score_performance(*pair)
        assert one["note_f1"] == one["frame_precision"] == one["note_velocity_f1"] == 0


def test_thousands_of_notes_are_quick():
    import time

    reference = random_performance(7, 8000)
    began = time.perf_counter()
    score_performance(reference, disturbed(reference, 8))
    assert time.perf_counter() - began < 10


def test_average_counts_only_the_recordings_that_have_a_measure():
    average = average_scores([{"note_f1": 0.5, "pedal_soft_f1": 0.2}, {"note_f1": 1.0}, {"note_f1": 0.9}])
    assert average["note_f1"]["mean"] == pytest.approx(0.8)
    assert average["note_f1"]["median"] == 0.9
    assert average["pedal_soft_f1"] == {"mean": 0.2, "median": 0.2, "std": 0.0, "q25": 0.2, "q75": 0.2, "n": 1}
