"""Soft notes that sound early or late, each by itself, are found by the sound of their own partials."""

import numpy as np
import pytest

from amt_utils.data.own_piano.note_onsets import find_note_onsets
from amt_utils.data.pianos import simple_tone_piano
from amt_utils.data.synth import render
from amt_utils.music.notes import Performance, make_notes, make_pedals


@pytest.fixture(scope="module")
def played():
    """Chords and runs as they sound, and the sound of them."""
    rng = np.random.default_rng(5)
    onset = 1.0 + np.cumsum(rng.choice([0.0, 0.12, 0.2, 0.3], 400, p=[0.3, 0.3, 0.2, 0.2]))
    velocity = rng.choice([30, 45, 80], 400)
    notes = make_notes(onset, onset + 0.4, rng.integers(40, 90, 400), velocity)
    performance = Performance(notes, make_pedals([2.0, 9.0], [5.0, 12.0], [0, 0]))
    return performance, render(performance, simple_tone_piano())


def errors(found: Performance, true: Performance) -> dict[int, np.ndarray]:
    """Velocity -> seconds of its onsets, compared key by key in their order."""
    sides = [p.notes[np.lexsort((p.notes["onset"], p.notes["velocity"], p.notes["pitch"]))] for p in (found, true)]
    assert np.array_equal(sides[0]["pitch"], sides[1]["pitch"])
    off = sides[0]["onset"] - sides[1]["onset"]
    return {v: off[sides[1]["velocity"] == v] for v in (30, 45, 80)}


def test_finds_single_notes(played):
    true, audio = played
    rng = np.random.default_rng(6)
    notes = true.notes
    spread = np.select([notes["velocity"] == 30, notes["velocity"] == 45], [0.04, 0.02], 0.004)
    told = np.maximum(notes["onset"] + spread * rng.standard_normal(len(notes)), 0)
    labels = Performance(make_notes(told, told + 0.5, notes["pitch"], notes["velocity"]), true.pedals)
    before, after = errors(labels, true), errors(find_note_onsets(audio, labels), true)
    for velocity, share in ((30, 0.5), (45, 0.6)):
        assert np.median(np.abs(after[velocity])) < share * np.median(np.abs(before[velocity]))
        assert np.mean(np.abs(after[velocity]) > 0.05) <= 0.5 * np.mean(np.abs(before[velocity]) > 0.05)
        assert abs(np.median(after[velocity])) < 0.006
    assert np.percentile(np.abs(after[80]), 95) < 0.012


def test_right_labels_stay(played):
    true, audio = played
    found = find_note_onsets(audio, true)
    for off in errors(found, true).values():
        assert np.percentile(np.abs(off), 90) < 0.015
    assert np.array_equal(found.pedals, true.pedals)
    assert np.abs(np.sort(found.notes["offset"]) - np.sort(true.notes["offset"])).max() < 0.15


def test_silence_moves_nothing(played):
    true, audio = played
    silent = find_note_onsets(np.zeros(len(audio), np.float32), true)
    assert np.abs(silent.notes["onset"] - true.notes["onset"]).max() < 0.01
    assert not len(find_note_onsets(audio, Performance(true.notes[:0])).notes)
