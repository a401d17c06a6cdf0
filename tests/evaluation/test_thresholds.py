"""Activations of the middle of a recording are those of its samples there, and nothing else is read."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from amt_utils.audio.reading import load_audio
from amt_utils.config import Config
from amt_utils.data.library import Recording
from amt_utils.evaluation.thresholds import recording_activations
from amt_utils.music.midi import write_midi
from amt_utils.music.notes import Performance, make_notes


@pytest.fixture
def recording(tmp_path, rng) -> Recording:
    soundfile.write(tmp_path / "a.flac", 0.1 * rng.standard_normal(60 * 44_100), 44_100)
    onsets = np.arange(60.0)
    write_midi(tmp_path / "a.mid", Performance(make_notes(onsets, onsets + 0.5, 60 + np.arange(60) % 12, 80)))
    return Recording("a", tmp_path / "a.flac", tmp_path / "a.mid")


def test_only_the_middle_is_read(recording, monkeypatch):
    seen, frames_read = [], []
    transcriber = SimpleNamespace(config=Config(), activations=lambda audio: seen.append(audio) or {})
    whole, read = load_audio(recording.audio), soundfile.SoundFile.read

    def counted(self, *args, **kwargs):
        block = read(self, *args, **kwargs)
        frames_read.append(len(block))
        return block

    monkeypatch.setattr(soundfile.SoundFile, "read", counted)
    ((name, _, reference),) = recording_activations(transcriber, [recording], excerpt_seconds=10.0)
    assert name == "a" and sum(frames_read) < 11 * 44_100
    np.testing.assert_allclose(seen[0], whole[25 * 16_000 : 35 * 16_000], atol=1e-6)
    np.testing.assert_allclose(reference.notes["onset"], np.arange(10.0), atol=1e-3)
    assert reference.notes["pitch"][0] == 60 + 25 % 12


def test_short_recordings_are_read_whole(recording):
    seen = []
    transcriber = SimpleNamespace(config=Config(), activations=lambda audio: seen.append(audio) or {})
    for seconds in (None, 100.0):
        ((_, _, reference),) = recording_activations(transcriber, [recording], excerpt_seconds=seconds)
        assert len(seen[-1]) == 60 * 16_000 and len(reference.notes) == 60
