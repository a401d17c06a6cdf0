"""Peaks on the frame grid and between frames."""

import numpy as np
import pytest

from amt_utils.config import Config
from amt_utils.music.notes import Performance, make_notes
from amt_utils.training.targets import make_rolls
from amt_utils.transcription.decode import find_peaks
from amt_utils.transcription.performance import decode_performance


def test_without_refinement_onsets_stay_on_the_grid():
    config = Config()
    times = 0.2 + np.array([0.0, 0.505, 1.013, 1.518])
    played = Performance(make_notes(times, times + 0.4, [60, 62, 64, 65], [80] * 4))
    rolls = make_rolls(played, 120, config)
    fine = decode_performance(rolls, config).notes["onset"]
    coarse = decode_performance(rolls, config.replace(decode={"onset_refinement": False})).notes["onset"]
    frames = coarse / config.feature.frame_seconds
    assert fine == pytest.approx(times, abs=1e-3)
    assert frames == pytest.approx(np.rint(frames)) and np.abs(coarse - times).max() > 3e-3
    assert np.abs(coarse - times).max() <= config.feature.frame_seconds / 2 + 1e-9


def test_refinement_changes_times_and_no_frame():
    roll = np.array([0, 0.2, 0.9, 0.6, 0, 0.8, 0.1], np.float32)
    frames, times = find_peaks(roll, 0.5)
    same, grid = find_peaks(roll, 0.5, refine=False)
    assert frames.tolist() == same.tolist() == [2, 5] and grid.tolist() == [2.0, 5.0]
    assert 2.0 < times[0] < 2.5 and 5.0 < times[1] < 5.5
