"""The baseline: formula tones come back as notes, the updates never make the fit worse, blocks equal the whole."""

import numpy as np
import pytest

from amt_utils.evaluation import nmf
from amt_utils.evaluation.metrics import score_performance
from amt_utils.music.notes import Performance, make_notes
from amt_utils.system.errors import AmtError


@pytest.fixture(scope="module")
def baseline():
    return nmf.NmfTranscriber()


def test_plays_and_hears_a_little_piece(baseline):
    rng = np.random.default_rng(0)
    onset = 0.4 + 0.25 * np.arange(24)
    pitch = rng.permutation(np.arange(40, 88))[:24]
    audio = 0.001 * rng.standard_normal(8 * 16000).astype(np.float32)
    for t, p in zip(onset, pitch, strict=True):
        tone = nmf.formula_tone(int(p), seconds=0.6)
        audio[round(t * 16000) :][: len(tone)] += 0.2 * tone
    played = Performance(make_notes(onset, onset + 0.6, pitch, np.full(24, 64)))
    heard = baseline.transcribe_audio(audio)
    scores = score_performance(played, heard)
    assert scores["note_recall"] > 0.9 and scores["note_f1"] > 0.75
    assert not len(heard.pedals)


def test_louder_is_louder(baseline):
    audio = np.zeros(3 * 16000, np.float32)
    for t, gain in ((0.5, 0.1), (1.5, 0.5)):
        tone = nmf.formula_tone(60, seconds=0.6)
        audio[round(t * 16000) :][: len(tone)] += gain * tone
    notes = baseline.transcribe_audio(audio).notes
    soft, loud = (notes[(notes["pitch"] == 60) & (abs(notes["onset"] - t) < 0.05)] for t in (0.5, 1.5))
    assert len(soft) == len(loud) == 1 and loud["velocity"][0] > soft["velocity"][0] + 10


def test_updates_never_raise_the_divergence():
    rng = np.random.default_rng(1)
    spectrum, templates = rng.uniform(size=(20, 30)), rng.uniform(size=(8, 30))

    def divergence(n):
        fit = nmf.fit_activations(spectrum, templates, iterations=n) @ templates
        return np.sum(spectrum * np.log(spectrum / fit) - spectrum + fit)

    course = [divergence(n) for n in (0, 1, 2, 5, 20)]
    assert all(a > b for a, b in zip(course, course[1:], strict=False))
    exact = rng.uniform(0.1, 1, size=(5, 8)) @ templates
    assert nmf.fit_activations(exact, templates, iterations=300) @ templates == pytest.approx(exact, rel=0.05)


def test_blocks_equal_the_whole(baseline, monkeypatch):
    audio = np.random.default_rng(2).standard_normal(20 * 16000).astype(np.float32) * 0.1
    whole = baseline.activations(audio)
    monkeypatch.setattr(nmf, "_BLOCK_SECONDS", 4)
    assert np.allclose(baseline.activations(audio), whole, rtol=1e-3, atol=1e-4 * whole.max())


def test_silence_and_wrong_templates(baseline):
    assert not len(baseline.transcribe_audio(np.zeros(16000, np.float32)).notes)
    with pytest.raises(AmtError, match="88"):
        nmf.NmfTranscriber([np.zeros(100, np.float32)])


def test_inharmonicity_of_a_piano():
    b = nmf.inharmonicity(np.arange(21, 109))
    assert 1e-4 < b.min() < 3e-4 and b[-1] > 5e-3 and b[0] > b.min()
