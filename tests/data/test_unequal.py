"""Pairs whose audio and MIDI are of unequal length: one check, by tidy, preprocess and train alike."""

import numpy as np
import pytest

from amt_utils.__main__ import build_parser
from amt_utils.audio.reading import save_audio
from amt_utils.config import Config
from amt_utils.data.library import find_recordings, without_unequal
from amt_utils.data.preprocess import preprocess
from amt_utils.data.synth import render
from amt_utils.data.tidy import check_pairs
from amt_utils.music.midi import write_midi
from amt_utils.music.notes import Performance, make_notes
from amt_utils.system.errors import AmtError
from amt_utils.training.stored_windows import open_processed
from amt_utils.training.windows import WindowDataset

SHORT = Performance(make_notes([2.0, 3.0], [2.8, 4.0], [60, 64], [80, 80]))
LONG = Performance(make_notes([2.0, 150.0], [2.8, 151.0], [60, 64], [80, 80]))


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "home"
    sound = render(SHORT, duration=5.0)
    for name, performance, audio in (
        ("fits", SHORT, sound),
        ("goes_on", LONG, sound),  # the MIDI goes on long after the audio
        ("applause", SHORT, np.concatenate([sound, np.zeros(60 * 16_000, np.float32)])),
    ):
        save_audio(folder / f"{name}.flac", audio)
        write_midi(folder / f"{name}.mid", performance)
    (folder / "broken.mid").write_bytes(b"MThd")
    save_audio(folder / "broken.flac", sound)
    return folder


def test_the_same_pairs_are_left_out_everywhere_with_the_same_reason(folder, tmp_path, capsys):
    reasons = {one.name: one.reason for one in check_pairs(folder, listen=False) if one.status == "excluded"}
    assert set(reasons) == {"goes_on", "applause", "broken"}
    assert "145.0 s after the end of the audio" in reasons["goes_on"]
    assert "after the last note" in reasons["applause"] and "broken.mid" in reasons["broken"]
    said = []
    processed = open_processed(preprocess(folder, tmp_path / "processed", say=said.append))
    assert [one.name for one in processed.recordings] == ["fits"]
    capsys.readouterr()
    windows = WindowDataset(Config().replace(data={"recordings": (str(folder),), "window_seconds": 1.0}))
    assert [one.name for one in windows.recordings] == ["fits"]
    printed = capsys.readouterr().out
    for name, reason in reasons.items():
        assert any(line == f"left out: {name}: {reason}" for line in said)
        assert f"left out: {name}: {reason}" in printed


def test_keep_unequal_takes_them(folder, tmp_path):
    (folder / "broken.mid").unlink()
    (folder / "broken.flac").unlink()
    data = {"recordings": (str(folder),), "window_seconds": 1.0, "keep_unequal": True, "augment": False}
    assert len(WindowDataset(Config().replace(data=data)).recordings) == 3
    processed = preprocess(folder, tmp_path / "processed", keep_unequal=True, say=lambda line: None)
    assert len(open_processed(processed).recordings) == 3
    for words in (["preprocess", "x"], ["train", "--config", "tiny"]):
        assert build_parser().parse_args([*words, "--keep-unequal"]).keep_unequal


def test_nothing_left_is_an_error(folder):
    bad = [one for one in find_recordings(folder) if one.name != "fits"]
    with pytest.raises(AmtError, match="keep-unequal"):
        without_unequal(bad, say=lambda line: None)


def test_own_recordings_are_trimmed_unless_asked_otherwise(folder, tmp_path):
    def first_onset(name, **options):
        processed = open_processed(preprocess(folder, tmp_path / name, say=lambda line: None, **options))
        return processed.recordings[0].performance.notes["onset"][0]

    assert first_onset("default") == pytest.approx(0.5, abs=1e-3)
    assert first_onset("as it is", trim=False) == pytest.approx(2.0, abs=1e-3)
    assert first_onset("as it is") == pytest.approx(2.0, abs=1e-3)  # a folder goes on as it was begun
    maestro = find_recordings("miniature")
    assert maestro[0].mismatch == ""


def test_another_sample_rate_is_stored_at_that_rate(folder, tmp_path):
    config = Config().replace(feature={"sample_rate": 22_050, "hop_length": 441})
    processed = open_processed(preprocess(folder, tmp_path / "p", config=config, features="cqt", say=lambda line: None))
    window = processed.windows(seconds=2.0)[0]
    assert len(window["audio"]) == 2 * 22_050 and len(window["onset"]) == 100
    assert np.argmax(window["onset"].max(dim=1).values.numpy()) == pytest.approx(25, abs=1)  # 0.5 s, after the trim
