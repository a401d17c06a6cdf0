"""Batches: one result for each recording, whatever it is called; nothing done twice, overwritten or lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers_transcription import PerfectEar

from amt_utils.__main__ import main
from amt_utils.music.midi import read_midi
from amt_utils.music.notes import Performance, make_notes
from amt_utils.results.batch import transcribe_batch, transcribe_folder
from amt_utils.results.inputs import find_inputs
from amt_utils.results.records import RECORD
from amt_utils.system.errors import AmtError

RATE = 16_000


@pytest.fixture(autouse=True)
def played(monkeypatch):
    performance = Performance(make_notes([0.0, 0.5], [0.4, 0.9], [60, 64], [70, 80]))
    monkeypatch.setattr(PerfectEar, "played", performance)
    return performance


@pytest.fixture
def ear():
    return PerfectEar()


def make(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(seed).uniform(-0.1, 0.1, RATE), RATE)
    return path


def written(folder: Path, suffix: str = ".mid") -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob(f"*{suffix}"))


def names(arguments) -> list[str]:
    return sorted(one.name.as_posix() for one in find_inputs(arguments).found)


# ---- what is found, and what its results are called


def test_recordings_of_one_name_in_several_folders_keep_their_folders(tmp_path, ear):
    paths = [make(tmp_path / folder / "rec.wav", i) for i, folder in enumerate("abc")]
    results = transcribe_batch(paths, tmp_path / "O", transcriber=ear)
    assert written(tmp_path / "O") == ["a/rec.mid", "b/rec.mid", "c/rec.mid"]
    assert [len(read_midi(r.files[0]).notes) for r in results] == [2, 2, 2]


def test_folders_are_searched_to_the_bottom_and_mirrored(tmp_path):
    for name in ("one.wav", "set/two.flac", "set/deep/three.wav", "set/deep/.hidden.wav", ".git/four.wav"):
        make(tmp_path / "in" / name)
    (tmp_path / "in" / "._one.wav").write_bytes(b"\0\5\x16\7")  # as macOS leaves on other systems' disks
    assert names([tmp_path / "in"]) == ["one", "set/deep/three", "set/two"]
    assert names([tmp_path / "in", tmp_path / "in" / "one.wav"]) == ["one", "set/deep/three", "set/two"]


def test_one_name_with_several_suffixes(tmp_path):
    for suffix in (".wav", ".flac"):
        make(tmp_path / f"take{suffix}")
    assert names([tmp_path]) == ["take.flac", "take.wav"]
    make(tmp_path / "other" / "take.wav.wav")
    make(tmp_path / "take.wav.flac")
    assert len(set(names([tmp_path]))) == 4


def test_patterns_that_the_shell_passed_through(tmp_path, monkeypatch):
    for name in ("a/x.wav", "b/c/y.wav", "odd[1].wav"):
        make(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert names(["**/*.wav"]) == ["a/x", "b/c/y", "odd[1]"]
    assert names(["?"]) == ["a/x", "b/c/y"]
    assert names(["odd[1].wav"]) == ["odd[1]"]
    inputs = find_inputs(["*.mp3", "a"])
    assert len(inputs.found) == 1 and "no file fits" in inputs.failed[0][1]


@pytest.mark.parametrize("suffix", [".caf", ".w64", ".oga", ".3gp", ".amr", ".AIF", ".wv", ".m4b"])
def test_other_kinds_are_found(tmp_path, suffix):
    (tmp_path / f"a{suffix}").write_bytes(b"x")
    assert names([tmp_path]) == ["a"]


def test_kinds_not_known_are_named(tmp_path, ear, caplog):
    make(tmp_path / "in" / "a.wav")
    (tmp_path / "in" / "b.ra").write_bytes(b"x")
    (tmp_path / "in" / "c.mid").write_bytes(b"x")
    transcribe_batch([tmp_path / "in"], tmp_path / "out", transcriber=ear)
    assert "b.ra: left out" in caplog.text and "c.mid" not in caplog.text


def test_a_file_without_a_name_stays_in_the_folder(tmp_path, ear):
    make(tmp_path / "in" / "a.wav").rename(tmp_path / "in" / "..wav")
    transcribe_batch([tmp_path / "in" / "..wav"], tmp_path / "O", transcriber=ear)
    assert written(tmp_path) == ["O/recording.mid"]


def test_names_that_are_no_text(tmp_path, ear, capsys):
    good = make(tmp_path / "in" / "good.wav")
    try:
        for name in (b"caf\xe9.wav", b"\x01x.wav", "￾.wav".encode()):
            shutil.copy(good, tmp_path / "in" / os.fsdecode(name))
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    kinds = ["midi", "musicxml"]
    results = transcribe_batch([tmp_path / "in"], tmp_path / "O", kinds=kinds, transcriber=ear)
    assert [r.error for r in results] == [""] * 4 and len(written(tmp_path / "O", ".musicxml")) == 4
    again = transcribe_batch([tmp_path / "in"], tmp_path / "O", kinds=kinds, transcriber=ear, skip_existing=True)
    assert all(r.skipped for r in again)


# ---- what fails


def test_what_cannot_be_read_is_named_and_the_rest_is_done(tmp_path, ear):
    good = make(tmp_path / "in" / "good.wav")
    (tmp_path / "in" / "broken.wav").write_bytes(b"this is no sound")
    (tmp_path / "empty").mkdir()
    long = tmp_path / f"{'x' * 250}.wav"
    make(long)
    said = []
    results = transcribe_batch(
        [tmp_path / "none.wav", tmp_path / "empty", tmp_path / "in", long, f"{'y' * 300}.wav", "a\0b.wav"],
        tmp_path / "O",
        transcriber=ear,
        on_result=said.append,
    )
    assert said == results and len(results) == 7
    failed = {r.path.name: r.error for r in results if r.error}
    assert set(failed) == {"none.wav", "empty", long.name, f"{'y' * 300}.wav", "a\0b.wav", "broken.wav"}
    assert "no such file" in failed["none.wav"] and "no recordings" in failed["empty"]
    assert "too long" in failed[long.name]
    assert [r.path for r in results if not r.error] == [good] and written(tmp_path / "O") == ["in/good.mid"]


def test_an_error_nobody_thought_of_ends_one_recording(tmp_path, ear, monkeypatch):
    for name in ("a.wav", "b.wav"):
        make(tmp_path / name)
    real = ear.transcribe
    monkeypatch.setattr(ear, "transcribe", lambda path, **k: 1 / 0 if path.name == "a.wav" else real(path, **k))
    a, b = transcribe_batch([tmp_path], tmp_path / "O", transcriber=ear)
    assert "ZeroDivisionError" in a.error and not b.error
    one_by_one = ear.transcribe_all

    def hasty(paths, **options):  # begins all before it gives the first
        yield from list(one_by_one(paths, **options))

    monkeypatch.setattr(ear, "transcribe_all", hasty)
    monkeypatch.setattr(ear, "transcribe", lambda path, **k: 1 / 0 if path.name == "b.wav" else real(path, **k))
    a, b = transcribe_batch([tmp_path], tmp_path / "O", transcriber=ear)
    assert not a.error and "ZeroDivisionError" in b.error


def test_a_file_that_comes_meanwhile_gets_its_own_result(tmp_path, ear):
    paths = [make(tmp_path / f"{name}.wav", i) for i, name in enumerate("abc")]
    (tmp_path / "b.wav").rename(tmp_path / "hidden")
    heard = []

    class Hasty(PerfectEar):
        """Reads all recordings before it gives the first result."""

        def transcribe_all(self, recordings, on_progress=None):
            for path in list(recordings):
                heard.append(path.name)
                lone = make_notes([0.0], [1.0], [60 + ord(path.stem) - ord("a")], [70])
                yield Performance(lone), 440.0

    def come(result):
        if result.path.name == "a.wav":
            (tmp_path / "hidden").rename(tmp_path / "b.wav")

    inputs = [str(path) for path in paths]
    (tmp_path / "b.wav").touch()  # it is there, and empty, when the batch begins
    results = transcribe_batch(inputs, tmp_path / "O", transcriber=Hasty(), on_result=come)
    assert [r.error for r in results] == [""] * 3 and heard == ["a.wav", "c.wav", "b.wav", "c.wav"]
    assert [read_midi(r.files[0]).notes["pitch"].tolist() for r in results] == [[60], [61], [62]]


@pytest.mark.parametrize("kind", ["file", "below a file", "long", "unwritable", "nul"])
def test_an_output_folder_that_will_not_do_is_refused_before_any_work(tmp_path, ear, monkeypatch, kind):
    path = make(tmp_path / "a.wav")
    out = {"file": path, "below a file": path / "x", "long": tmp_path / ("y" * 300), "nul": tmp_path / "a\0b"}.get(
        kind, tmp_path / "O"
    )
    if kind == "unwritable":  # as root, modes forbid nothing

        def refuse(*_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(AmtError, match=r"cannot be written to .*; choose another folder"):
        transcribe_batch([path], out, transcriber=ear)
    with pytest.raises(AmtError, match="unknown kind"):
        transcribe_batch([path], tmp_path / "P", kinds=["gif"], transcriber=ear)
    assert not ear.heard


# ---- what is there already


def test_done_is_what_the_same_network_made_of_the_same_sound(tmp_path, ear):
    paths = [make(tmp_path / "in" / f"{name}.wav", i) for i, name in enumerate("abc")]

    def run(**options):
        ear.heard.clear()
        chosen = {"transcriber": ear, "skip_existing": True, **options}
        transcribe_batch([tmp_path / "in"], tmp_path / "O", **chosen)
        return list(chosen["transcriber"].heard)

    assert run() == ["a.wav", "b.wav", "c.wav"]
    assert run() == []
    os.utime(paths[0])  # touched, not changed
    assert run() == []
    make(paths[1], 9)
    assert run() == ["b.wav"]
    (tmp_path / "O" / "c.mid").unlink()
    assert run() == ["c.wav"]
    (tmp_path / "O" / f"a{RECORD}").write_text("{")
    (tmp_path / "O" / "a.mid").unlink()
    assert run() == ["a.wav"]
    assert run(metre="3/4") == ["a.wav", "b.wav", "c.wav"]
    assert run(metre="3/4", kinds=["midi", "musicxml"]) == ["a.wav", "b.wav", "c.wav"]
    assert run(metre="3/4") == []  # more was made before
    other = PerfectEar(seed=1)
    assert run(metre="3/4", transcriber=other) == ["a.wav", "b.wav", "c.wav"]
    assert run(skip_existing=False, metre="3/4") == ["a.wav", "b.wav", "c.wav"]
    assert written(tmp_path / "O") == ["a.mid", "b.mid", "c.mid"]


def test_another_recordings_result_is_never_overwritten(tmp_path, ear):
    for i, folder in enumerate("ab"):
        make(tmp_path / folder / "rec.wav", i)
    for _ in range(2):  # the second time everything is its own
        for folder in "ab":
            transcribe_batch([tmp_path / folder / "rec.wav"], tmp_path / "O", transcriber=ear)
    assert written(tmp_path / "O") == ["rec (2).mid", "rec.mid"]
    record = json.loads((tmp_path / "O" / f"rec (2){RECORD}").read_text())
    assert record["source"] == str(tmp_path / "b" / "rec.wav") and record["files"] == ["rec (2).mid"]


def test_a_midi_that_was_there_is_not_overwritten(tmp_path, ear):
    path = make(tmp_path / "take.wav")
    (tmp_path / "take.mid").write_bytes(b"what was really played")
    (result,) = transcribe_batch([path], tmp_path, transcriber=ear)
    assert (tmp_path / "take.mid").read_bytes() == b"what was really played" and result.files[0].name == "take (2).mid"


def test_killed_and_run_again_it_does_what_is_missing(tmp_path, ear):
    for i in range(6):
        make(tmp_path / "in" / f"{i}.wav", i)
    program = """
import sys, time
sys.path.insert(0, sys.argv[1])
from helpers_transcription import PerfectEar
from amt_utils.music.notes import Performance, make_notes
from amt_utils.results.batch import transcribe_batch
PerfectEar.played = Performance(make_notes([0.0, 0.5], [0.4, 0.9], [60, 64], [70, 80]))
def say(result):
    print(result.path.name, flush=True)
    time.sleep(0.2)
transcribe_batch([sys.argv[2]], sys.argv[3], transcriber=PerfectEar(), on_result=say)
"""
    tests = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-c", program, str(tests), str(tmp_path / "in"), str(tmp_path / "O")]
    environment = {**os.environ, "PYTHONPATH": str(tests.parent)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout.readline() == "0.wav\n" and process.stdout.readline() == "1.wav\n"
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    n_done = len(written(tmp_path / "O", RECORD))
    assert 2 <= n_done < 6
    results = transcribe_batch([tmp_path / "in"], tmp_path / "O", transcriber=ear, skip_existing=True)
    assert sum(r.skipped for r in results) == n_done and len(ear.heard) == 6 - n_done
    assert len(written(tmp_path / "O")) == 6


# ---- notebook and command


def test_a_folder_becomes_rows(tmp_path, ear):
    make(tmp_path / "in" / "good.wav")
    make(tmp_path / "in" / "set" / "other.wav")
    (tmp_path / "in" / "broken.wav").write_bytes(b"this is no sound")
    rows = transcribe_folder(tmp_path / "in", tmp_path / "out", transcriber=ear)
    assert [row["file"] for row in rows] == ["broken.wav", "good.wav", os.path.join("set", "other.wav")]
    assert "broken.wav" in rows[0]["error"] and rows[1] == {"file": "good.wav", "notes": 2, "pedals": 0, "error": ""}
    assert written(tmp_path / "out") == ["good.mid", "set/other.mid"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(AmtError, match="no recordings"):
        transcribe_folder(tmp_path / "empty", tmp_path / "out", transcriber=ear)


@pytest.fixture
def quick(monkeypatch, ear):
    monkeypatch.setattr("amt_utils.commands.transcribe.Transcriber", lambda *_, **__: ear)
    return ear


def test_the_command_names_what_failed_and_exits_with_1(tmp_path, quick, capsys):
    make(tmp_path / "in" / "good.wav")
    (tmp_path / "empty").mkdir()
    arguments = [str(tmp_path / name) for name in ("none.wav", "empty", "in")]
    assert main(["transcribe", *arguments, "--out", str(tmp_path / "O")]) == 1
    printed = capsys.readouterr()
    assert "good.wav: 2 notes" in printed.out and "x real time" in printed.out
    assert "2 of 3 failed: " in printed.err and "Traceback" not in printed.err
    assert main(["transcribe", str(tmp_path / "in"), "--out", str(tmp_path / "O"), "--skip-existing"]) == 0
    assert "good.wav: done before" in capsys.readouterr().out
    assert main(["transcribe", str(tmp_path / "in"), "--out", str(tmp_path / "in" / "good.wav")]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_the_estimated_tuning_is_told(tmp_path, quick, capsys):
    make(tmp_path / "in" / "low.wav")
    for a4, told in ((441.0, False), (427.04, True)):
        quick.tuning = a4
        assert main(["transcribe", str(tmp_path / "in"), "--out", str(tmp_path / "O")]) == 0
        assert ("2 notes, 0 pedal presses, A4 = 427 Hz, " in capsys.readouterr().out) == told
    again = transcribe_batch([tmp_path / "in"], tmp_path / "O", transcriber=quick, skip_existing=True)
    assert [(r.skipped, r.tuning) for r in again] == [(False, 427.04)]  # the command's settings are others
    again = transcribe_batch([tmp_path / "in"], tmp_path / "O", transcriber=quick, skip_existing=True)
    assert [(r.skipped, r.tuning) for r in again] == [(True, 427.0)]


def test_a_name_that_cannot_be_printed_is_printed_all_the_same(tmp_path):
    good = make(tmp_path / "good.wav")
    try:
        shutil.copy(good, tmp_path / os.fsdecode(b"caf\xe9.wav"))
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    program = """
import sys
sys.path.insert(0, sys.argv[1])
from amt_utils.__main__ import main
from amt_utils.commands import transcribe
from helpers_transcription import PerfectEar
from amt_utils.music.notes import Performance, make_notes
PerfectEar.played = Performance(make_notes([0.0], [0.4], [60], [70]))
transcribe.Transcriber = lambda *_, **__: PerfectEar()
sys.exit(main(sys.argv[2:]))
"""
    tests, name = Path(__file__).resolve().parents[1], os.fsencode(tmp_path) + b"/caf\xe9.wav"
    command = [sys.executable, "-c", program, str(tests), "transcribe", name, "--out", str(tmp_path / "O")]
    environment = {**os.environ, "PYTHONPATH": str(tests.parent), "PYTHONIOENCODING": "utf-8"}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr
    assert "caf\\udce9.wav: " in ran.stdout
