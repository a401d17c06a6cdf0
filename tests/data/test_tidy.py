"""Renaming can be undone, pairs are judged by what they are, trimming moves audio and notes alike."""

import csv
import shutil

import numpy as np
import pytest
import soundfile

from amt_utils.__main__ import build_parser
from amt_utils.audio.reading import load_audio
from amt_utils.data.maestro.catalogue import open_maestro
from amt_utils.data.maestro.miniature import make_miniature
from amt_utils.data.tidy import (
    JOURNAL,
    apply_renames,
    check_pairs,
    find_first_attack,
    plan_renames,
    trim_lead,
    undo_renames,
    write_report,
)  # fmt: skip
from amt_utils.music.midi import read_midi, write_midi
from amt_utils.system.errors import AmtError


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return make_miniature(tmp_path_factory.mktemp("mini"), sample_rate=16_000, stereo=False)


@pytest.fixture
def root(original, tmp_path):
    return shutil.copytree(original, tmp_path / "data")


def snapshot(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_renaming_is_planned_applied_with_its_metadata_and_undone(root):
    before = snapshot(root)
    plan = plan_renames(root)
    assert len(plan.pairs) == 12 and not plan.blocked and snapshot(root) == before
    assert apply_renames(plan) == 12
    assert not list(root.rglob("*.midi")) and len(list(root.rglob("*.mid"))) == 12
    for piece in open_maestro(root).pieces:
        assert piece.midi.endswith(".mid") and (root / piece.midi).is_file()
    assert ".midi" not in (root / "maestro-v3.0.0.json").read_text(encoding="utf-8")
    assert plan_renames(root).pairs == ()
    assert undo_renames(root) == 12
    assert snapshot(root) == before
    with pytest.raises(AmtError, match="nothing to undo"):
        undo_renames(root)


def test_nothing_is_overwritten(root):
    midi = sorted(root.rglob("*.midi"))
    (midi[0].with_suffix(".mid")).write_text("mine")
    midi[1].rename(midi[1].with_suffix(".MIDI"))
    plan = plan_renames(root)
    assert len(plan.blocked) == 1 and "because" in str(plan)
    apply_renames(plan)
    assert midi[0].is_file() and midi[0].with_suffix(".mid").read_text() == "mine"
    assert midi[1].with_suffix(".mid").is_file()
    (midi[2].with_suffix(".midi")).write_text("appeared later")
    with pytest.raises(AmtError, match="exists"):
        undo_renames(root)
    assert midi[2].read_text() == "appeared later" and (root / JOURNAL).is_file()


def test_a_run_stopped_halfway_is_undone(root, monkeypatch):
    import os

    before, real, count = snapshot(root), os.rename, [0]

    def stop_after_five(source, target):
        count[0] += 1
        if count[0] > 5:
            raise KeyboardInterrupt
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", stop_after_five)
        with pytest.raises(KeyboardInterrupt):
            apply_renames(plan_renames(root))
    assert undo_renames(root) == 5
    assert snapshot(root) == before


def test_pairs_are_judged(root):
    stems = [root / piece.stem for piece in open_maestro(root).pieces]
    for stem in stems[6:]:  # six are enough to listen to
        for suffix in (".wav", ".midi"):
            stem.with_name(stem.name + suffix).unlink()
    c, d, a, e, b, f = stems[:6]
    f.with_name(f.name + ".wav").unlink()
    e.with_name(e.name + ".midi").unlink()
    d.with_name(d.name + ".midi").write_bytes(b"MThd broken")
    y, rate = soundfile.read(c.with_name(c.name + ".wav"))
    soundfile.write(c.with_name(c.name + ".wav"), y[: 3 * rate], rate)
    path = b.with_name(b.name + ".midi")
    write_midi(path, read_midi(path).shifted(0.4))
    findings = {finding.name: finding for finding in check_pairs(root)}
    name = lambda path: path.relative_to(root).as_posix()  # noqa: E731
    assert findings[name(f) + ".midi"].reason.startswith("no audio")
    assert findings[name(e) + ".wav"].reason == "no MIDI of the same name"
    assert "not a readable MIDI" in findings[name(d)].reason
    assert "after the end of the audio" in findings[name(c)].reason
    assert findings[name(b)].status == "shifted" and findings[name(b)].offset == pytest.approx(-0.4, abs=0.02)
    assert findings[name(a)].status == "ok", findings[name(a)]
    assert findings[name(a)].first_attack == pytest.approx(findings[name(a)].first_note, abs=0.02)
    assert sum(finding.status == "excluded" for finding in findings.values()) == 4


def test_report_and_command(root, tmp_path, capsys):
    next(root.rglob("*.wav")).unlink()
    args = build_parser().parse_args(["tidy", str(root), "--report", str(tmp_path / "report.csv")])
    assert args.run(args) == 0
    said = capsys.readouterr().out
    assert "12 files would be renamed" in said and "11 pairs kept, 1 files or pairs excluded" in said
    rows = list(csv.DictReader((tmp_path / "report.csv").open()))
    assert len(rows) == 12 and sum(row["status"] == "excluded" for row in rows) == 1
    assert list(root.rglob("*.midi"))
    for flag, suffix in (("--apply", ".mid"), ("--undo", ".midi")):
        args = build_parser().parse_args(["tidy", str(root), flag])
        assert args.run(args) == 0
        assert len(list(root.rglob("*" + suffix))) == 12
    with pytest.raises(AmtError, match="no such folder"):
        plan_renames(tmp_path / "nowhere")
    assert write_report([], tmp_path / "empty.csv").read_text().startswith("name,status")


def test_trimming_moves_audio_and_notes_alike(original):
    maestro = open_maestro(original)
    piece = maestro.pieces[3]
    audio, performance = load_audio(maestro.audio_path(piece)), read_midi(maestro.midi_path(piece))
    noise = np.random.default_rng(0).normal(0, 1e-4, 32_000).astype(np.float32)
    longer, later = np.concatenate([noise, audio]), performance.shifted(2.0)
    trimmed, moved, cut = trim_lead(longer, later, keep=0.25)
    assert cut == pytest.approx(2.0 + performance.notes["onset"][0] - 0.25, abs=1e-4)
    assert len(trimmed) == len(longer) - round(cut * 16_000)
    assert moved.notes["onset"][0] == pytest.approx(0.25, abs=1e-4)
    assert moved.notes["offset"] - later.notes["offset"] == pytest.approx(-cut)
    assert find_first_attack(trimmed) == pytest.approx(0.25, abs=0.02)
    assert trim_lead(audio, performance, keep=5.0)[2] == 0
    assert find_first_attack(np.zeros(16_000, np.float32)) is None
