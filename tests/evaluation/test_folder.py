"""A folder scored: one row per recording, averages, failures named, JSON, picture, the command's exit code."""

import json

import numpy as np
import pytest

from amt_utils.__main__ import build_parser
from amt_utils.audio.reading import save_audio
from amt_utils.data.library import take_inventory
from amt_utils.evaluation.folder import MidiFolder, evaluate, recordings_table, save_scores, systems_table
from amt_utils.evaluation.pictures import plot_scores
from amt_utils.music.midi import write_midi
from amt_utils.music.notes import SUSTAIN, Performance, make_notes, make_pedals
from amt_utils.system.errors import AmtError


@pytest.fixture
def folders(tmp_path):
    """``truth``: three recordings, one with broken MIDI, one without any; ``guess``: their transcriptions."""
    truth, guess = tmp_path / "truth", tmp_path / "guess"
    silence = np.zeros(16000, np.float32)
    pedal = make_pedals([0.2], [3.0], [SUSTAIN])
    full = Performance(make_notes([0.5, 1.0, 1.5, 2.0], [0.9, 1.4, 1.9, 2.5], [60, 62, 64, 65], [60] * 4), pedal)
    for name in ("sub/one", "two", "broken", "alone"):
        save_audio(truth / f"{name}.flac", silence)
    write_midi(truth / "sub" / "one.mid", full)
    write_midi(truth / "two.midi", Performance(full.notes))
    (truth / "broken.mid").write_bytes(b"MThd")
    write_midi(truth / "lonely.mid", full)
    write_midi(guess / "one.mid", full)
    write_midi(guess / "two.mid", Performance(full.notes[:2]))
    write_midi(guess / "broken.mid", full)
    return truth, guess


def run_command(*arguments: str) -> int:
    args = build_parser().parse_args(["evaluate", *map(str, arguments)])
    return args.run(args)


def test_pairs_and_what_is_left_out(folders):
    truth, _ = folders
    inventory = take_inventory(truth)
    assert [pair.name for pair in inventory.recordings] == ["broken", "sub/one", "two"]
    assert [path.name for path in inventory.audio_only] == ["alone.flac"]
    ((path, reason),) = inventory.excluded
    assert path.name == "lonely.mid" and "no audio" in reason
    save_audio(truth / "two.wav", np.zeros(10, np.float32))
    inventory = take_inventory(truth)
    assert [pair.name for pair in inventory.recordings] == ["broken", "sub/one"]
    assert sum("several files" in reason for _, reason in inventory.excluded) == 3
    with pytest.raises(AmtError, match="no such folder"):
        take_inventory(truth / "nowhere")


def test_folder_scores_and_its_failures(folders):
    truth, guess = folders
    scores = evaluate(take_inventory(truth).recordings, MidiFolder(guess))
    assert list(scores.failed) == ["broken"] and "broken.mid" in scores.failed["broken"]
    with pytest.raises(AmtError, match=r"three\.mid: no such file.*transcribe three\.flac into"):
        MidiFolder(guess).transcribe("three.flac")
    assert scores.recordings["sub/one"]["sounding"]["note_offset_f1"] == 1
    assert scores.recordings["two"]["key"]["note_f1"] == pytest.approx(2 / 3)
    assert scores.average("key")["note_f1"]["mean"] == pytest.approx(5 / 6)
    assert scores.average("key")["pedal_sustain_f1"]["n"] == 1
    table = recordings_table(scores, "key")
    assert "66.7" in table and "83.3" in table and "key ends" in table
    assert recordings_table(scores, "key", markdown=True).splitlines()[2].startswith("| sub/one | 100.0 |")
    assert systems_table([scores, scores], "sounding").count("83.3") >= 2
    late = evaluate(take_inventory(truth).recordings, MidiFolder(guess), reference_shift=0.1)
    assert late.recordings["sub/one"]["key"]["note_f1"] == 0


def test_json_and_picture(folders, tmp_path):
    truth, guess = folders
    scores = evaluate(take_inventory(truth).recordings, MidiFolder(guess))
    content = json.loads(save_scores(tmp_path / "out" / "scores.json", [scores]).read_text())
    (system,) = content["systems"]
    assert system["ends"]["sounding"]["recordings"]["two"]["note_recall"] == 0.5
    assert system["ends"]["key"]["average"]["note_f1"]["median"] == pytest.approx(5 / 6)
    ax = plot_scores(scores, ends="key")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["two", "sub/one"]
    assert sorted(bar.get_width() for bar in ax.containers[0]) == pytest.approx([200 / 3, 100])


def test_command(folders, tmp_path, capsys):
    truth, guess = folders
    out, picture = tmp_path / "s.json", tmp_path / "s.png"
    options = ("--midi-folder", guess, "--json", out, "--picture", picture)
    assert run_command("--pairs", truth, *options) == 1  # one recording failed
    printed = capsys.readouterr().out
    assert "failed" in printed and "broken.mid" in printed and "alone.flac" in printed and "lonely.mid" in printed
    assert picture.stat().st_size > 5000 and len(json.loads(out.read_text())["systems"]) == 1
    (truth / "broken.mid").unlink()
    assert run_command("--pairs", truth, *options, "--ends", "key", "--limit", "1") == 0
    assert list(json.loads(out.read_text())["systems"][0]["ends"]) == ["key"]
    assert "sounding ends" not in capsys.readouterr().out
    with pytest.raises(AmtError, match="same name"):
        run_command("--pairs", guess, "--midi-folder", guess)
    with pytest.raises(AmtError, match="no such folder"):
        run_command("--pairs", truth, "--midi-folder", tmp_path / "none")
