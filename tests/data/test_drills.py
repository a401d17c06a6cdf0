"""Drills can be played, hold what they are for, and their labels are what is rendered."""

import numpy as np
import pytest

from amt_utils.data import drills
from amt_utils.data.drills import LEAST_PERIOD, make_drill, make_playable
from amt_utils.data.pianos import simple_tone_piano
from amt_utils.data.synth import render
from amt_utils.music.notes import N_KEYS, SUSTAIN

SEEDS = range(60)


@pytest.fixture(scope="module")
def played():
    return [make_drill(np.random.default_rng(seed), start=2.0, end=10.0) for seed in SEEDS]


def test_a_drill_is_a_function_of_its_generator():
    one, two, other = (make_drill(np.random.default_rng(seed), start=0.0, end=5.0) for seed in (3, 3, 4))
    assert np.array_equal(one.notes, two.notes) and np.array_equal(one.pedals, two.pedals)
    assert not np.array_equal(one.notes, other.notes)


def test_every_key_comes_up_before_it_is_struck_again(played):
    for drill in played:
        assert len(drill.notes) and drill.notes["onset"].min() >= 2.0
        assert (drill.notes["offset"] - drill.notes["onset"]).min() > 0.01
        for pitch in np.unique(drill.notes["pitch"]):
            key = drill.notes[drill.notes["pitch"] == pitch]
            assert (key["offset"][:-1] < key["onset"][1:]).all()
            assert (np.diff(key["onset"]) >= LEAST_PERIOD).all()


def test_two_hands_on_one_key_become_one():
    onset, offset = np.array([1.0, 1.02, 1.4, 2.0]), np.array([3.0, 3.0, 1.405, 2.5])
    kept, up = make_playable(onset, offset, np.array([60, 60, 60, 120]))
    assert kept.tolist() == [0, 2]  # the second came too soon, the last is on no keyboard
    assert up[0] == pytest.approx(1.4 - drills.LEAST_UP)
    assert up[2] == pytest.approx(1.4 + drills.LEAST_DOWN)


def test_they_hold_what_music_hardly_has(played):
    notes = [d.notes for d in played]
    every = np.concatenate([np.column_stack([n["pitch"], n["velocity"]]) for n in notes])
    assert len(np.unique(every[:, 0])) == N_KEYS
    assert (every[:, 1] < 40).mean() > 0.1 and (every[:, 1] > 90).mean() > 0.1
    again = np.concatenate([np.diff(n["onset"][n["pitch"] == p]) for n in notes for p in np.unique(n["pitch"])])
    assert (again < 0.25).mean() > 0.2 and again.min() < 0.1
    doubled = 0
    for n in notes:
        together = np.abs(n["onset"][:, None] - n["onset"]) < 0.03
        doubled += (together & np.isin(n["pitch"][:, None] - n["pitch"], (12, 19, 24, 28))).any(axis=1).sum()
    assert doubled / len(every) > 0.1
    sustained = [p for d in played for p in d.pedals]
    assert sustained and all(p["kind"] == SUSTAIN for p in sustained)
    assert any(not len(d.pedals) for d in played) and any(len(d.pedals) == 1 for d in played)


@pytest.mark.parametrize("exercise", sorted({e.__name__ for e in drills.EXERCISES}))
def test_what_is_promised_is_heard(exercise, monkeypatch):
    """After the onset of a note that stands alone there is more of its sound than before."""
    monkeypatch.setattr(drills, "EXERCISES", (getattr(drills, exercise),))
    piano, rises = simple_tone_piano(), []
    for seed in range(4):
        drill = make_drill(np.random.default_rng(seed), start=0.5, end=2.5)
        y = render(drill, piano, duration=3.0)
        power = np.convolve(y**2, np.ones(160) / 160, mode="same")
        onset = drill.notes["onset"]
        alone = np.flatnonzero((np.diff(onset, prepend=-1) > 0.06) & (onset < 2.9) & (drill.notes["velocity"] > 40))
        for t in onset[alone]:
            at = round(t * 16_000)
            rises.append(power[at + 80 : at + 480].max() / (power[at - 480 : at - 80].max() + 1e-12))
    assert not rises or np.mean(np.array(rises) > 1.0) > 0.6
