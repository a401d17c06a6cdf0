"""The files of a transcription: what is written, what is offered, and that one bad file does not stop a folder."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest

from amt_utils.audio.reading import load_audio, save_audio
from amt_utils.config import Config
from amt_utils.data.maestro.miniature import perform
from amt_utils.data.synth import render, simple_tone_piano
from amt_utils.music.midi import read_midi
from amt_utils.results import transcription as outputs
from amt_utils.system.errors import AmtError


class PerfectEar:
    """Stands in for the network: hears exactly what was rendered."""

    config = Config()
    played = None

    def activations(self, path, on_progress=None):
        load_audio(path)
        return {"onset": np.zeros((700, 88)), "pedal": np.zeros((700, 3))}

    def transcribe(self, path, on_progress=None):
        load_audio(path)
        return self.played


@pytest.fixture(scope="module")
def played():
    return perform("waltz", seed=3)


@pytest.fixture
def recording(played, tmp_path):
    return save_audio(tmp_path / "my_waltz.flac", render(played, simple_tone_piano(seconds=1.0)))


@pytest.fixture(autouse=True)
def perfect(monkeypatch, played):
    monkeypatch.setattr("amt_utils.transcription.performance.decode_performance", lambda activations, config: played)
    monkeypatch.setattr("amt_utils.transcription.candidates.find_candidates", lambda activations, config: None)
    monkeypatch.setattr(PerfectEar, "played", played)


def test_everything_is_written(recording, played, tmp_path):
    heard = outputs.transcribe(recording, transcriber=PerfectEar(), metre="3/4")
    assert heard.title == "My waltz" and "3/4" in heard.summary and str(len(played.notes)) in heard.summary
    files = heard.save(tmp_path / "out", ["midi", "musicxml", "html"])
    assert [path.name for path in files] == ["my_waltz.mid", "my_waltz.musicxml", "my_waltz.html"]
    assert len(read_midi(files[0]).notes) == len(played.notes)
    assert "<score-partwise" in files[1].read_text()
    page = files[2].read_text(encoding="utf-8")
    assert "My waltz" in page and '"score": true' in page
    with pytest.raises(AmtError, match="gif"):
        heard.save(tmp_path, ["gif"])


def test_links_carry_the_files(tmp_path):
    (tmp_path / "a&b.mid").write_bytes(b"MThd")
    text = outputs.offer_downloads([tmp_path / "a&b.mid"]).data
    assert base64.b64decode(re.search(r"base64,([^\"]+)", text).group(1)) == b"MThd"
    assert 'download="a&amp;b.mid"' in text


def test_a_folder_goes_on_after_a_bad_file(recording, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"this is no sound")
    rows = outputs.transcribe_folder(tmp_path, tmp_path / "out", transcriber=PerfectEar())
    assert [row["file"] for row in rows] == ["broken.wav", "my_waltz.flac"]
    assert "broken.wav" in rows[0]["error"] and rows[1]["error"] == "" and rows[1]["notes"] > 10
    assert (tmp_path / "out" / "my_waltz.mid").is_file()
    (tmp_path / "empty").mkdir()
    with pytest.raises(AmtError, match="no recordings"):
        outputs.transcribe_folder(tmp_path / "empty", tmp_path, transcriber=PerfectEar())
