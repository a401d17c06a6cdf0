"""A player piano's hammers are heard: soft notes that sound late are found to be late, by the sound alone."""

import numpy as np
import pytest

from amt_utils.__main__ import main
from amt_utils.audio.reading import SAMPLE_RATE, save_audio
from amt_utils.data.own_piano.hammer_lag import measure_hammer_lag
from amt_utils.data.pianos import simple_tone_piano
from amt_utils.data.synth import render
from amt_utils.music.midi import read_midi, write_midi
from amt_utils.music.notes import Performance, make_notes, make_pedals


def hammer(velocity):
    """Seconds from label to sound: 50 ms for the softest, none for the loudest."""
    return 0.05 * (1 - np.asarray(velocity) / 127)


@pytest.fixture(scope="module")
def played():
    """What a player piano was told, and the sound of it."""
    rng = np.random.default_rng(3)
    onset = 1.0 + np.cumsum(rng.uniform(0.06, 0.25, 400))
    velocity = rng.integers(25, 105, 400)
    told = Performance(
        make_notes(onset, onset + 0.3, rng.integers(40, 90, 400), velocity),
        make_pedals([2.0, 9.0], [5.0, 12.0], [0, 0]),
    )
    notes = told.notes
    late = make_notes(
        notes["onset"] + hammer(notes["velocity"]), notes["offset"] + 0.05, notes["pitch"], notes["velocity"]
    )
    return told, late, render(Performance(late, told.pedals), simple_tone_piano())


def test_finds_the_hammer(played):
    told, late, audio = played
    lag = measure_hammer_lag(audio, told)
    assert lag.velocities.min() <= 32 and lag.velocities.max() >= 96
    assert np.abs(lag.lag - hammer(lag.velocities)).max() < 0.01
    corrected = lag.apply(told)
    order = np.lexsort((corrected.notes["onset"], corrected.notes["pitch"]))
    true = np.lexsort((late["onset"], late["pitch"]))
    assert np.abs(corrected.notes["onset"][order] - late["onset"][true]).max() < 0.015
    assert np.ptp(corrected.pedals["onset"] - told.pedals["onset"]) < 1e-9  # all by as much
    exact = measure_hammer_lag(audio, Performance(late))
    assert np.abs(exact.lag).max() < 0.01  # right labels stay


def test_says_nothing_without_notes(played):
    told, _, audio = played
    for performance in (Performance(told.notes[:0]), Performance(told.notes[:5])):
        lag = measure_hammer_lag(audio, performance)
        assert not len(lag.lag) and "too few" in lag.describe()
        assert np.array_equal(lag.apply(performance).notes, performance.notes)
    silent = measure_hammer_lag(np.zeros(SAMPLE_RATE * 90, np.float32), told)
    assert not len(silent.lag)


def test_align_and_evaluate_against_what_it_wrote(played, tmp_path, capsys):
    told, late, audio = played
    pairs, aligned, heard = tmp_path / "pairs", tmp_path / "aligned", tmp_path / "heard"
    for folder in (pairs, heard):
        folder.mkdir()
    save_audio(pairs / "a.flac", 0.5 * audio / np.abs(audio).max(), sample_rate=SAMPLE_RATE)
    write_midi(pairs / "a.mid", told)
    write_midi(heard / "a.mid", Performance(late, told.pedals))
    assert main(["align", str(pairs), "--by-velocity", "--out", str(aligned)]) == 0
    assert "ms at velocity" in capsys.readouterr().out
    moved = np.sort(read_midi(aligned / "a.mid").notes["onset"]) - np.sort(late["onset"])
    assert np.percentile(np.abs(moved), 95) < 0.015
    score = ["evaluate", "--pairs", str(pairs), "--midi-folder", str(heard), "--onset-tolerance", "0.02"]
    assert main([*score, "--references", str(aligned)]) == 0
    assert float(capsys.readouterr().out.split("mean")[1].split()[0]) > 97
    assert main(score) == 0
    assert float(capsys.readouterr().out.split("mean")[1].split()[0]) < 70
    assert main([*score, "--references", str(heard / "none")]) != 0
    assert "a.mid" in capsys.readouterr().err
