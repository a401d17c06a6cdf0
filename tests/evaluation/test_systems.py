"""Several systems side by side: figures, errors, the weakest recording."""

import numpy as np
import pytest

from amt_utils.audio.reading import save_audio
from amt_utils.data.library import find_recordings
from amt_utils.data.synth import render
from amt_utils.evaluation.systems import compare_systems
from amt_utils.music.midi import read_midi, write_midi
from amt_utils.music.notes import Performance, make_notes

LONG = "a_folder_with_a_rather_long_name/and_a_recording_with_a_longer_one"


class Reads:
    """Transcribes by reading the MIDI beside the recording, without every ``n``-th note."""

    def __init__(self, leave_out=0):
        self.leave_out = leave_out

    def transcribe(self, path):
        notes = read_midi(path.with_suffix(".mid")).notes
        keep = np.arange(len(notes)) % self.leave_out != 0 if self.leave_out else np.ones(len(notes), bool)
        return Performance(notes[keep])


@pytest.fixture
def recordings(tmp_path):
    for number, name in enumerate(("a", LONG)):
        onsets = np.arange(8) * 0.5 + 0.2
        performance = Performance(make_notes(onsets, onsets + 0.4, 60 + np.arange(8) + number, [80] * 8))
        save_audio(tmp_path / f"{name}.flac", render(performance, duration=5.0))
        write_midi(tmp_path / f"{name}.mid", performance)
    return find_recordings(tmp_path)


def test_tables_have_short_headings_and_systems_side_by_side(recordings):
    results = compare_systems(recordings, {"all": Reads(), "half": Reads(2)})
    table = results.table()
    assert list(table.columns)[:4] == ["P", "R", "note", "+offset"]
    assert [system for _, system in table.index] == ["all", "half"] * 2  # of each recording, then the next
    assert {name for name, _ in table.index} == {recording.name for recording in recordings}  # whole
    assert table["note"].tolist() == pytest.approx([100, 66.7, 100, 66.7], abs=0.1)
    means = results.table(by="system")
    assert means.loc["half", "R"] == 50 and means.loc["half", "P"] == 100
    assert len(results.of("half")) == 2


def test_the_weakest_recording_and_its_worst_seconds(recordings):
    results = compare_systems(recordings, {"half": Reads(2)})
    worst, start = results.weakest("half", seconds=2.0)
    assert worst.system == "half" and 0 <= start < 4
    assert (results.errors.fate == "missed").sum() == 8
