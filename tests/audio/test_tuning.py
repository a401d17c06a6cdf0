"""The tuning is found within half a semitone, left alone where nothing tells, and times stay what they are."""

import numpy as np
import pytest
import soxr

from amt_utils.audio.reading import load_audio, save_audio
from amt_utils.audio.tuning import A4, estimate_tuning, hz_to_midi, midi_to_hz, rate_for_tuning
from amt_utils.evaluation.metrics import score_notes
from amt_utils.music.midi import read_midi
from amt_utils.music.notes import Performance
from amt_utils.system.paths import example_files
from amt_utils.transcription.transcriber import Transcriber

RATE = 16_000


def tune(y: np.ndarray, a4: float) -> np.ndarray:
    """The example as a piano tuned to ``a4`` plays it: faster and higher, or slower and lower."""
    return soxr.resample(y, RATE * a4 / A4, RATE).astype(np.float32)


@pytest.mark.parametrize("a4", [415.3, 428, 433, 440, 446, 452, 466.16])
def test_tuning_of_the_example_modulo_a_semitone(a4):
    found = estimate_tuning([tune(load_audio(example_files()[0]), a4)], sample_rate=RATE)
    away = (1200 * np.log2(found / a4) + 50) % 100 - 50
    assert abs(away) < 6


def test_nothing_to_tell_from_is_left_alone():
    rng = np.random.default_rng(0)
    for y in (np.zeros(0), np.zeros(5 * RATE), rng.standard_normal(100), rng.standard_normal(20 * RATE)):
        assert estimate_tuning([y.astype(np.float32)], sample_rate=RATE) == A4
    assert estimate_tuning([], sample_rate=RATE) == A4


def test_small_deviations_change_nothing_and_pitch_comes_back():
    assert rate_for_tuning(RATE, 441.5) == RATE and rate_for_tuning(RATE, 427) == round(RATE * 427 / 440)
    np.testing.assert_allclose(hz_to_midi(midi_to_hz(np.arange(21, 109))), np.arange(21, 109))


def test_a_low_piano_is_transcribed_in_its_own_time(tmp_path):
    recording, midi = example_files()
    a4 = 430.0
    low = save_audio(tmp_path / "low.wav", tune(load_audio(recording), a4), sample_rate=RATE)
    notes = read_midi(midi).notes.copy()
    notes["onset"] *= A4 / a4
    notes["offset"] *= A4 / a4
    transcriber = Transcriber("tiny")
    tuned = transcriber.tuned(low)
    assert tuned.tuning == pytest.approx(a4, abs=1.5)
    assert score_notes(Performance(notes), transcriber.transcribe(low)) > 0.95
    ((together, heard),) = transcriber.transcribe_all([low])
    assert heard == tuned.tuning and score_notes(Performance(notes), together) > 0.95
    untuned = Transcriber("tiny", tuning=A4).transcribe(low)
    assert score_notes(Performance(notes), untuned) < score_notes(Performance(notes), tuned.transcribe(low))
