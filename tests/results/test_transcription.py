"""The files of a transcription: what is written, under which names, and what is offered."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from helpers_transcription import PerfectEar

from amt_utils.audio.reading import save_audio
from amt_utils.data.pianos import simple_tone_piano
from amt_utils.data.pieces import perform_piece
from amt_utils.data.synth import render
from amt_utils.music.midi import read_midi, read_midi_and_tempo
from amt_utils.results import transcription as outputs
from amt_utils.results.inputs import title_of
from amt_utils.system.errors import AmtError


@pytest.fixture(scope="module")
def played():
    return perform_piece("waltz", seed=3)


@pytest.fixture
def recording(played, tmp_path):
    return save_audio(tmp_path / "my_waltz.flac", render(played, simple_tone_piano(seconds=1.0)))


@pytest.fixture(autouse=True)
def perfect(monkeypatch, played):
    monkeypatch.setattr("amt_utils.transcription.performance.decode_performance", lambda activations, config: played)
    monkeypatch.setattr("amt_utils.transcription.candidates.find_candidates", lambda *_, **options: None)
    monkeypatch.setattr(PerfectEar, "played", played)


def test_everything_is_written(recording, played, tmp_path):
    heard = outputs.transcribe(recording, transcriber=PerfectEar(), metre="3/4")
    assert heard.title == "My waltz" and "3/4" in heard.summary and str(len(played.notes)) in heard.summary
    files = heard.save(tmp_path / "out", ["midi", "musicxml", "html"])
    assert [path.name for path in files] == ["my_waltz.mid", "my_waltz.musicxml", "my_waltz.html"]
    assert len(read_midi(files[0]).notes) == len(played.notes)
    assert "<score-partwise" in files[1].read_text()
    page = files[2].read_text(encoding="utf-8")
    assert "My waltz" in page and '"score": {"' in page
    with pytest.raises(AmtError, match="gif"):
        heard.save(tmp_path, ["gif"])


def test_links_carry_the_files(tmp_path):
    (tmp_path / "a&b.mid").write_bytes(b"MThd")
    text = outputs.offer_downloads([tmp_path / "a&b.mid"]).data
    assert base64.b64decode(re.search(r"base64,([^\"]+)", text).group(1)) == b"MThd"
    assert 'download="a&amp;b.mid"' in text


@pytest.mark.parametrize("name", ["a\x01b\ufffe.wav", "caf\udce9.wav", "..wav", "&<>.wav"])
def test_titles_are_what_can_be_printed(played, tmp_path, name):
    made = outputs.Transcription(tmp_path / name, played, None, 0.02)
    assert made.title.isprintable()
    assert title_of(tmp_path / "BWV_846 in C.mid") == "BWV 846 in C"
    files = made.save(tmp_path / "out", ["midi", "musicxml"])
    assert all(path.parent == tmp_path / "out" for path in files)
    ET.parse(files[1])  # is XML
    assert not list(tmp_path.glob("*.mid"))


def test_a_title_given_by_hand_cannot_break_the_xml(played, tmp_path):
    made = outputs.Transcription(tmp_path / "a.wav", played, None, 0.02, {"title": "x\x00\x0b\ud800\uffff"})
    ET.parse(made.save(tmp_path, ["musicxml"])[0])


def test_the_tempo_map_is_the_players_or_constant(played, tmp_path):
    made = outputs.Transcription(tmp_path / "a.wav", played, None, 0.02, {"metre": "3/4"})
    maps = {}
    for kind in outputs.TEMPO_MAPS:
        (path,) = made.save(tmp_path / kind, ["midi"], tempo_map=kind)
        performance, maps[kind] = read_midi_and_tempo(path)
        assert np.abs(performance.notes["onset"] - played.notes["onset"]).max() < 2e-3
        assert maps[kind].ticks_per_beat == 960 and maps[kind].time_signatures[-1][1:] == (3, 4)
    assert len(maps["performance"].tempos) > 10
    ((tick, microseconds),) = maps["constant"].tempos
    assert tick == 0 and microseconds == pytest.approx(60e6 / made.score.tempo, rel=1e-3)
    with pytest.raises(AmtError, match="unknown tempo map"):
        made.tempo_map("rubato")
