"""The miniature MAESTRO has the official shape, and its audio is what its MIDI says."""

import csv
import hashlib
import json

import numpy as np
import pytest
import soundfile

from amt_utils.data.maestro.miniature import COLUMNS, NAME, make_miniature
from amt_utils.music.midi import read_midi
from amt_utils.music.notes import PEDAL_NAMES
from amt_utils.system.errors import AmtError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_miniature(tmp_path_factory.mktemp("miniature"))


@pytest.fixture(scope="module")
def rows(root):
    with open(root / f"{NAME}.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_official_shape(root, rows):
    assert tuple(rows[0]) == COLUMNS
    by_column = json.loads((root / f"{NAME}.json").read_text(encoding="utf-8"))
    assert by_column["audio_filename"] == {str(i): row["audio_filename"] for i, row in enumerate(rows)}
    assert {row["split"] for row in rows} == {"train", "validation", "test"}
    for row in rows:
        info = soundfile.info(root / row["audio_filename"])
        assert (info.samplerate, info.channels, info.subtype) == (44_100, 2, "PCM_16")
        assert info.duration == pytest.approx(float(row["duration"]))
        assert row["midi_filename"].startswith(row["year"] + "/") and row["midi_filename"].endswith(".midi")


def test_every_pedal_and_split_has_its_share(root, rows):
    kinds = {split: set() for split in ("train", "validation", "test")}
    for row in rows:
        performance = read_midi(root / row["midi_filename"])
        kinds[row["split"]] |= {PEDAL_NAMES[kind] for kind in performance.pedals["kind"]}
        assert len(performance.notes) > 20
        assert performance.notes["offset"].max() < float(row["duration"])
    assert kinds["train"] == set(PEDAL_NAMES)
    assert all("sustain" in found for found in kinds.values())
    assert sum(float(row["duration"]) for row in rows) < 240


def test_no_work_is_in_two_splits(rows):
    splits = {}
    for row in rows:
        splits.setdefault((row["canonical_composer"], row["canonical_title"]), set()).add(row["split"])
    assert all(len(found) == 1 for found in splits.values())


def test_sound_begins_with_the_first_note(root, rows):
    for row in rows[:4]:
        audio, rate = soundfile.read(root / row["audio_filename"])
        onset = read_midi(root / row["midi_filename"]).notes["onset"][0]
        loud = np.flatnonzero(np.abs(audio[:, 0]) > 0.002)[0] / rate
        assert loud == pytest.approx(onset, abs=0.01)


def test_second_call_finds_the_first_and_another_folder_gets_the_same_notes(root, rows, tmp_path):
    before = (root / rows[0]["midi_filename"]).stat().st_mtime_ns
    assert make_miniature(root.parent) == root
    assert (root / rows[0]["midi_filename"]).stat().st_mtime_ns == before
    other = make_miniature(tmp_path, sample_rate=16_000, stereo=False)
    for row in rows:
        digests = {hashlib.sha256((r / row["midi_filename"]).read_bytes()).hexdigest() for r in (root, other)}
        assert len(digests) == 1


def test_an_earlier_version_is_replaced_and_real_data_is_not(root, tmp_path):
    old = tmp_path / "old" / NAME
    old.mkdir(parents=True)
    (old / ".complete-0").touch()
    (old / "left_over.wav").touch()
    assert not (make_miniature(tmp_path / "old") / "left_over.wav").exists()
    mine = tmp_path / "mine" / NAME
    mine.mkdir(parents=True)
    (mine / "precious.wav").touch()
    with pytest.raises(AmtError, match="holds something else"):
        make_miniature(tmp_path / "mine")
    assert (mine / "precious.wav").exists()
