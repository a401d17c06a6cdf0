"""Pulses: a steady beat shows at its period and its phase, and music that comes back after its lag."""

import numpy as np

from amt_utils.music.notes import NOTE
from amt_utils.sheet_music.events import find_events
from amt_utils.sheet_music.pulses import LAGS, PULSES, SCALE, describe_pulses


def play(onset: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    notes = np.zeros(len(onset), NOTE)
    notes["onset"], notes["offset"], notes["pitch"], notes["velocity"] = onset, onset + 0.2, pitch, 64
    return notes


def test_bass_on_every_third_event_beats_at_its_period_and_in_phase():
    onset = 1.0 + 0.2667 * np.arange(80)
    notes = play(onset, np.where(np.arange(80) % 3 == 0, 40, 72))
    found = describe_pulses(notes, find_events(notes)) / SCALE
    period = int(np.abs(PULSES - 0.8).argmin())
    bass = found[:, 4 * period + 2]
    assert bass[21:60:3].min() > 0.7  # in step on the bass notes
    assert bass[22:60:3].max() < -0.3 and bass[23:60:3].max() < -0.3  # a third of a period away from them


def test_pitch_classes_that_come_back_after_a_lag():
    onset = 0.2 * np.arange(120)
    notes = play(onset, 60 + np.tile([0, 2, 4, 5, 7, 9, 11, 1], 15))  # comes back after 1.6 s
    found = describe_pulses(notes, find_events(notes)) / SCALE
    after = found[20:90, 4 * len(PULSES) :: 2].mean(0)
    lag = int(np.abs(LAGS - 1.6).argmin())
    assert after[lag] > 0.8 and after[lag] > after[lag - 2] + 0.3


def test_one_note_alone():
    notes = play(np.array([0.5]), np.array([60]))
    assert np.isfinite(describe_pulses(notes, find_events(notes))).all()
