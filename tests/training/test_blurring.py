"""Rolls made from notes look as a network's do: sure of onsets, unsure of keys that come up under the pedal."""

import numpy as np

from amt_utils.config import Config
from amt_utils.music.notes import LOWEST_PITCH, SUSTAIN, Performance, make_notes, make_pedals
from amt_utils.training.blurring import make_blurred_rolls
from amt_utils.training.targets import make_rolls

COUNT = 300
ON = 1.0 + 0.5 * np.arange(COUNT)


def play(*, pedal: bool) -> Performance:
    """Notes a second long on keys in turn, all under one pedal or without any."""
    notes = make_notes(ON, ON + 1.0, 40 + np.arange(COUNT) % 40, np.full(COUNT, 70))
    return Performance(notes, make_pedals([0.1], [ON[-1] + 5], [SUSTAIN]) if pedal else make_pedals([], [], []))


def peaks(performance: Performance, name: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The roll's greatest value within 60 ms of each event, and its sum within half a second."""
    n = round(ON[-1] / 0.02) + 200
    roll = make_blurred_rolls(performance, n, Config(), np.random.default_rng(seed))[name]
    assert roll.shape == (n, 88) and roll.dtype == np.float32 and roll.min() >= 0 and roll.max() <= 1
    times = performance.notes["onset" if name == "onset" else "offset"]
    frames, keys = np.rint(times / 0.02).astype(int), performance.notes["pitch"] - LOWEST_PITCH
    best = [roll[f - 3 : f + 4, k].max() for f, k in zip(frames, keys, strict=True)]
    return np.array(best), np.array([roll[f - 24 : f + 25, k].sum() for f, k in zip(frames, keys, strict=True)])


def test_key_ups_are_blurred_most_under_the_pedal():
    onset, _ = peaks(play(pedal=True), "onset")
    up, mass_up = peaks(play(pedal=False), "key_offset")
    down, mass_down = peaks(play(pedal=True), "key_offset")
    assert np.median(onset) > 0.85
    assert 0.45 < np.median(up) < 0.75 and 0.2 < np.median(down) < 0.45
    for mass in (mass_up, mass_down):  # blurred, not lost
        assert 1.5 < mass.mean() < 2.3


def test_onsets_and_pedals_stay_what_they_are():
    performance = play(pedal=True)
    blurred = make_blurred_rolls(performance, 1000, Config(), np.random.default_rng(1), start=2.0)
    exact = make_rolls(performance, 1000, Config(), start=2.0)
    assert np.array_equal(blurred["pedal"], exact["pedal"])
    assert np.corrcoef(blurred["onset"].ravel(), exact["onset"].ravel())[0, 1] > 0.9
    assert np.corrcoef(blurred["key_offset"].ravel(), exact["key_offset"].ravel())[0, 1] < 0.75
    assert (blurred["frame"] <= exact["frame"]).all() and blurred["frame"][exact["frame"] > 0].mean() > 0.3


def test_it_is_a_function_of_its_generator():
    one, two, other = (make_blurred_rolls(play(pedal=True), 500, Config(), np.random.default_rng(s)) for s in (1, 1, 2))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert not np.array_equal(one["key_offset"], other["key_offset"])
