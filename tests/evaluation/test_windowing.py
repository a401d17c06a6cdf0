"""Longer windows come closer to one pass, and a window as long as the recording is one."""

import shutil

from amt_utils.__main__ import main
from amt_utils.data.library import find_recordings
from amt_utils.evaluation.windowing import compare_windows
from amt_utils.system.paths import example_files
from amt_utils.transcription.transcriber import Transcriber


def test_windows_and_one_pass(tmp_path, monkeypatch, capsys):
    for path in example_files():
        shutil.copy(path, tmp_path)
    windows = ((4.0, 0.0), (8.0, 1.0), (60.0, 1.0))
    transcriber = Transcriber("tiny", device="cpu")
    cut = transcriber.cut
    whole, bare, usual, long = compare_windows(transcriber, find_recordings(tmp_path), windows)
    assert transcriber.cut == cut and whole.note > 0.95
    assert (long.mean, long.most, long.alike) == (whole.mean, whole.most, whole.alike) == (0.0, 0.0, 1.0)
    assert bare.mean > usual.mean > 0 and bare.most > usual.most and bare.alike < usual.alike < 1

    monkeypatch.setattr(compare_windows, "__defaults__", ((),))
    assert main(["benchmark", "--windows", str(tmp_path), "--weights", "tiny"]) == 0
    assert "| one pass | 0.00000 | 0.00 | 100.00 | " in capsys.readouterr().out
