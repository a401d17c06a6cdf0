"""Possible notes: at their own threshold they are the transcription, at any other they have its onsets."""

from __future__ import annotations

import numpy as np
import pytest

from amt_utils.config import KEY_ROLLS, Config
from amt_utils.music.notes import Performance, make_notes
from amt_utils.system.errors import AmtError
from amt_utils.transcription.candidates import Candidates, cut_at_strikes, find_candidates, onset_probabilities
from amt_utils.transcription.performance import decode_performance
from amt_utils.widget import PianoRoll
from amt_utils.widget.corrections import correct


def random_rolls(rng, frames: int = 600) -> dict[str, np.ndarray]:
    """Peaks of every height, close enough on a key to cut each other's notes."""
    rolls = {name: np.zeros((frames, 88), np.float32) for name in KEY_ROLLS}
    for key in rng.integers(0, 88, 12):
        for frame in np.sort(rng.choice(frames - 4, 12, replace=False)):
            rolls["onset"][frame : frame + 3, key] = rng.random() * np.array([0.5, 1.0, 0.6])
            rolls["frame"][frame : frame + rng.integers(4, 120), key] = 0.9
        for name, count in (("offset", 5), ("key_offset", 8)):
            for frame in rng.choice(np.arange(1, frames - 1), count):
                rolls[name][frame - 1 : frame + 2, key] = [0.5, 0.95, 0.5]
    rolls["velocity"][:] = rng.random((frames, 88))
    pedal = (np.sin(np.arange(frames) / 25)[:, None] > 0.3) * np.array([0.9, 0.0, 0.0])
    return {name: roll.astype(np.float16) for name, roll in rolls.items()} | {"pedal": pedal.astype(np.float16)}


@pytest.mark.parametrize(("shift", "release"), [(0.0, 0.0), (-0.01, 0.0), (-0.01, 0.02)])
def test_at_their_own_threshold_they_are_the_transcription(rng, shift, release):
    config = Config().replace(decode={"onset_threshold": 0.5, "time_shift": shift, "release_shift": release})
    rolls = random_rolls(rng)
    candidates = find_candidates(rolls, config)
    expected = decode_performance(rolls, config).notes
    for name in expected.dtype.names:
        np.testing.assert_allclose(candidates.at()[name], expected[name], atol=1e-9)
    assert len(candidates.notes) > 1.3 * len(expected)
    assert candidates.probability.min() >= 0.1


def test_at_other_thresholds_onsets_are_those_of_decoding_anew(rng):
    config = Config().replace(decode={"onset_threshold": 0.5})
    rolls = random_rolls(rng)
    candidates = find_candidates(rolls, config)
    for threshold in (0.15, 0.3, 0.7, 0.9):
        found = candidates.at(threshold)
        expected = decode_performance(rolls, config.replace(decode={"onset_threshold": threshold})).notes
        np.testing.assert_allclose(found["onset"], expected["onset"], atol=1e-12)
        np.testing.assert_array_equal(found["pitch"], expected["pitch"])
        same = np.abs(found["offset"] - expected["offset"]) < 1e-6
        assert np.mean(same) > 0.7  # random pedals explain more ends otherwise than real ones


def test_nothing_heard_has_no_candidates():
    rolls = {name: np.zeros((50, 88), np.float16) for name in KEY_ROLLS} | {"pedal": np.zeros((50, 3), np.float16)}
    candidates = find_candidates(rolls, Config())
    assert len(candidates.notes) == len(candidates.at()) == 0


def test_a_strike_cuts_what_sounds_on_its_key():
    notes = make_notes([0.0, 1.0, 1.01, 1.0], [5.0, 2.0, 3.0, 9.0], [60, 60, 60, 61], [70] * 4)
    cut = cut_at_strikes(notes, 0.03)
    assert cut["offset"].tolist() == [1.0, 1.03, 9.0, 3.0]


def test_probabilities_are_read_where_notes_begin():
    onset = np.zeros((100, 88), np.float32)
    onset[50, 39] = 0.8
    notes = make_notes([1.0, 1.015, 1.2], [1.5, 1.5, 1.5], [60, 60, 60], [70] * 3)
    np.testing.assert_allclose(onset_probabilities(notes, onset, 0.02), [0.8, 0.8, 0.0])


def test_corrections_make_the_performance():
    every = make_notes([0.5, 1.0, 1.5], [3.0, 1.4, 3.2], [60, 60, 64], [70, 71, 72])
    candidates = Candidates(every, np.array([0.9, 0.3, 0.8], np.float32), 0.6, 0.1, 0.03)
    roll = PianoRoll(Performance(candidates.at()), candidates=candidates)
    assert roll.performance.notes["offset"].tolist() == [3.0, 3.2]
    roll.corrections = {"threshold": 0.2, "deleted": [2], "added": [[0.2, 0.7, 72, 90, 1, None]]}
    corrected = roll.performance.notes
    assert corrected["onset"].tolist() == [0.2, 0.5, 1.0] and corrected["offset"].tolist() == [0.7, 1.0, 1.4]
    assert roll.hands[0] == 1 and len(roll.hands) == 3
    roll.selection = [0]
    assert roll.selected_notes["pitch"].tolist() == [72]
    assert '"deleted": [2]' in roll.page()


def test_comparison_follows_corrections():
    played = make_notes([0.5, 1.0], [0.9, 1.4], [60, 62], [70, 70])
    roll = PianoRoll(Performance(played[:1]), reference=Performance(played))
    assert roll.comparison.counts == {"hit": 1, "wrong_end": 0, "extra": 0, "missed": 1}
    roll.corrections = {"threshold": None, "deleted": [], "added": [[1.01, 1.4, 62, 70, 0, None]]}
    assert roll.comparison.counts == {"hit": 2, "wrong_end": 0, "extra": 0, "missed": 0}


def test_what_does_not_belong_together_is_refused():
    notes = make_notes([0.5, 1.0], [0.9, 1.4], [60, 62], [70, 70])
    other = Candidates(notes[:1], np.ones(1, np.float32), 0.6, 0.1, 0.03)
    with pytest.raises(AmtError, match="candidates"):
        PianoRoll(Performance(notes), candidates=other)
    with pytest.raises(AmtError, match="note 7"):
        correct(notes, np.zeros(2, np.uint8), None, {"deleted": [7]})
