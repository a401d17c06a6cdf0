"""Own recordings become a data set: aligned pairs, drafts, reasons; and corrected drafts join at the next call."""

import json
import re

import numpy as np
import pytest

from amt_utils.audio.reading import save_audio
from amt_utils.data.library import take_inventory
from amt_utils.data.own_piano.preparing import prepare_recordings
from amt_utils.data.pianos import simple_tone_piano
from amt_utils.data.pieces import perform_piece
from amt_utils.data.synth import render
from amt_utils.evaluation.metrics import score_performance
from amt_utils.music.midi import read_midi, write_midi
from amt_utils.music.notes import Performance
from amt_utils.system.errors import AmtError


class Pretender:
    """Stands in for the network: hears all notes but the first."""

    def __init__(self, performance: Performance):
        self.heard = Performance(performance.notes[1:], performance.pedals)

    def transcribe(self, path) -> Performance:
        return self.heard


@pytest.fixture(scope="module")
def played():
    performance = perform_piece("waltz", seed=1)
    return render(performance, simple_tone_piano()), performance


@pytest.fixture
def home(tmp_path, played):
    audio, performance = played
    folder = tmp_path / "home"
    lead = 1e-4 * np.random.default_rng(0).standard_normal(round(1.4 * 16000))
    save_audio(folder / "monday" / "waltz.wav", np.concatenate([lead, audio]))
    write_midi(folder / "monday" / "waltz.mid", performance)
    save_audio(folder / "wrong.wav", audio)
    write_midi(folder / "wrong.mid", perform_piece("etude", tonic=63, tempo=130, seed=9))
    save_audio(folder / "phone.flac", audio)
    (folder / "broken.wav").write_bytes(b"RIFF....")
    write_midi(folder / "broken.mid", performance)
    write_midi(folder / "lonely.mid", performance)
    return folder


def test_pairs_drafts_and_reasons(home, tmp_path, played):
    _, performance = played
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    rows = prepare_recordings(home, tmp_path / "set", transcriber=Pretender(performance))
    status = {row.name: row.status for row in rows}
    excluded = {"wrong": "excluded", "broken": "excluded", "lonely.mid": "excluded"}
    assert status == {"monday/waltz": "pair", "phone": "draft", **excluded}
    details = {row.name: row.detail for row in rows}
    assert (
        re.match(r"offset \+1\.(39|40)", details["monday/waltz"])
        and "NOT RELIABLE" in details["wrong"]
        and "broken" in details["broken"]
    )
    assert json.loads((tmp_path / "set" / "recordings.json").read_text())[0]["status"] in ("pair", "excluded")
    (pair,) = take_inventory(tmp_path / "set").recordings
    onsets = read_midi(pair.midi).notes["onset"]
    assert np.abs(onsets - performance.notes["onset"] - 1.4).max() < 0.01
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


def test_a_corrected_draft_becomes_a_pair(home, tmp_path, played):
    _, performance = played
    pretender = Pretender(performance)
    prepare_recordings(home, tmp_path / "set", transcriber=pretender)
    draft = read_midi(tmp_path / "set" / "drafts" / "phone.mid")
    assert len(draft.notes) == len(performance.notes) - 1
    write_midi(home / "phone.mid", performance)  # the missing note put back
    rows = prepare_recordings(home, tmp_path / "set", transcriber=pretender)
    assert {row.name: row.status for row in rows}["phone"] == "pair"
    assert not (tmp_path / "set" / "drafts" / "phone.mid").exists()
    pairs = {pair.name: pair for pair in take_inventory(tmp_path / "set").recordings}
    assert score_performance(performance, read_midi(pairs["phone"].midi), ends="key")["note_offset_f1"] == 1


def test_a_pair_that_became_unreliable_leaves_the_set(home, tmp_path):
    prepare_recordings(home, tmp_path / "set")
    write_midi(home / "monday" / "waltz.mid", perform_piece("etude", tonic=63, tempo=130, seed=9))
    rows = prepare_recordings(home, tmp_path / "set")
    assert not take_inventory(tmp_path / "set").recordings and all(row.status == "excluded" for row in rows)


def test_the_set_is_not_written_into_the_recordings(home):
    for out in (home, home / "set", home.parent):
        with pytest.raises(AmtError, match="choose an --out"):
            prepare_recordings(home, out)
