"""Checkpoints travel to mirrors, prove themselves there, and the newest valid one is found among all places."""

import os
import shutil
import time

import pytest
from helpers_store import pretend_checkpoint

from amt_utils.checkpoints import inventory as module
from amt_utils.checkpoints.checkpoint import load_checkpoint
from amt_utils.checkpoints.inventory import find_all, find_best, find_newest, prune
from amt_utils.checkpoints.mirrors import FolderMirror, KaggleMirror, Store, make_mirror
from amt_utils.system.errors import AmtError


def names(folder):
    return sorted(p.name for p in folder.glob("*.pt"))


def test_the_newest_two_and_the_best_reach_every_mirror(tmp_path):
    local, drive = tmp_path / "local", tmp_path / "drive"
    for step in (10, 20, 30):
        pretend_checkpoint(local, step)
    pretend_checkpoint(local, 40, score=0.9)
    (local / "step_00000040.pt").rename(local / "last.pt")  # names do not matter
    (local / "step_00000040.json").rename(local / "last.json")
    store = Store(local, [drive, tmp_path / "disk"])
    store.publish()
    assert store.wait()
    for place in (drive, tmp_path / "disk"):
        assert names(place) == ["step_00000030.pt", "step_00000040.pt"]
        assert load_checkpoint(place / "step_00000040.pt")[0]["step"] == 40
        assert find_best(place).card["scores"] == {"note_f1": 0.9}
    pretend_checkpoint(local, 50, score=0.95)
    store.publish()
    assert store.wait()
    assert names(drive) == ["step_00000040.pt", "step_00000050.pt"]
    assert find_best(drive).step == 50


def test_the_newest_valid_one_is_found_among_all_places(tmp_path):
    local, drive, inputs = (tmp_path / n for n in ("local", "drive", "input/datasets/clara/amt-piano-checkpoints"))
    pretend_checkpoint(local, 10)
    pretend_checkpoint(drive, 20)
    deep = pretend_checkpoint(inputs, 30)
    os.truncate(deep, deep.stat().st_size - 7)
    (drive / "resnet.pt").write_bytes(b"somebody else's")
    changed = pretend_checkpoint(drive, 40)
    content = bytearray(changed.read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(content)
    lonely = pretend_checkpoint(drive, 50)
    lonely.with_suffix(".json").unlink()
    foreign = pretend_checkpoint(drive, 60)
    foreign.with_suffix(".json").write_text('{"model": "yolo"}')
    newest, skipped = find_newest([local, drive, tmp_path / "input", tmp_path / "not there"])
    assert newest.step == 20
    reasons = {path.name: reason for path, reason in skipped}
    assert "cut short" in reasons["step_00000030.pt"]
    assert "hash" in reasons["step_00000040.pt"]
    assert "card" in reasons["step_00000050.pt"] and "card" in reasons["resnet.pt"]
    assert "not a card" in reasons["step_00000060.pt"]
    said = []
    found = Store(local, [drive], say=said.append).newest()
    assert (found.step, found.path.parent) == (20, local)
    assert any("comes from" in line for line in said)


def test_a_mirror_that_loses_a_write_is_repaired_the_next_time(tmp_path):
    local, drive = tmp_path / "local", tmp_path / "drive"
    pretend_checkpoint(local, 10)
    store = Store(local, [drive])
    store.publish()
    assert store.wait()
    os.truncate(drive / "step_00000010.pt", 100)  # as Drive does, long after it said yes
    pretend_checkpoint(local, 20)
    store.publish()
    assert store.wait()
    assert [c.step for c in find_all([drive])[0]] == [20, 10]


def test_a_copy_that_reads_back_wrong_is_reported_and_does_not_stop_the_others(tmp_path, monkeypatch):
    local, drive, disk = tmp_path / "local", tmp_path / "drive", tmp_path / "disk"
    pretend_checkpoint(local, 10)
    real = os.replace

    def lossy(source, target):
        if str(target).startswith(str(drive)) and str(target).endswith(".pt"):
            os.truncate(source, 50)
        real(source, target)

    monkeypatch.setattr(module.os, "replace", lossy)
    said = []
    store = Store(local, [drive, disk], say=said.append)
    store.publish()
    assert not store.wait()
    assert "cut short" in store.problems[str(drive)]
    assert any("the local copy is safe" in line for line in said)
    assert names(disk) == ["step_00000010.pt"]
    monkeypatch.undo()
    store.publish()
    assert store.wait()
    assert find_newest([drive])[0].step == 10


def test_an_unreachable_mirror_does_not_disturb(tmp_path):
    local = tmp_path / "local"
    pretend_checkpoint(local, 10)
    blocked = tmp_path / "file"
    blocked.write_text("a file where a folder should be")
    store = Store(local, [blocked / "drive"], say=lambda text: None)
    store.publish()
    assert not store.wait()
    assert store.newest().step == 10


def test_a_mirror_keeps_other_peoples_files(tmp_path):
    local, drive = tmp_path / "local", tmp_path / "drive"
    drive.mkdir()
    (drive / "holiday.pt").write_bytes(b"x")
    store = Store(local, [drive])
    for step in (10, 20, 30):
        pretend_checkpoint(local, step)
        store.publish()
        store.wait()
    assert names(drive) == ["holiday.pt", "step_00000020.pt", "step_00000030.pt"]


def test_publishing_never_waits_and_the_watch_finds_new_checkpoints(tmp_path):
    local = tmp_path / "local"

    class Slow(FolderMirror):
        def send(self, wanted):
            time.sleep(0.3)
            super().send(wanted)

    store = Store(local, [Slow(tmp_path / "slow")])
    pretend_checkpoint(local, 10)
    begin = time.monotonic()
    store.publish()
    assert time.monotonic() - begin < 0.2
    store.wait()
    with store.mirroring(every=0.05):
        pretend_checkpoint(local, 20)
        for _ in range(100):
            time.sleep(0.05)
            if (tmp_path / "slow" / "step_00000020.json").exists():
                break
        assert (tmp_path / "slow" / "step_00000020.json").exists()
        pretend_checkpoint(local, 30)
    assert find_newest([tmp_path / "slow"])[0].step == 30  # leaving the block publishes once more


def test_a_checkpoint_deleted_while_it_is_copied_is_no_problem(tmp_path):
    local, drive = tmp_path / "local", tmp_path / "drive"

    class Racing(FolderMirror):
        def send(self, wanted):
            if wanted[0].step == 10:
                pretend_checkpoint(local, 20)
                wanted[0].path.unlink()
                wanted[0].path.with_suffix(".json").unlink()
            super().send(wanted)

    pretend_checkpoint(local, 10)
    store = Store(local, [Racing(drive)])
    store.publish()
    assert store.wait(), store.problems
    assert names(drive) == ["step_00000020.pt"]


def test_prune_leaves_the_newest_the_best_and_strangers(tmp_path):
    for step, score in ((10, 0.9), (20, None), (30, None), (40, None)):
        pretend_checkpoint(tmp_path, step, score=score)
    os.truncate(tmp_path / "step_00000020.pt", 10)
    (tmp_path / "weights_of_a_friend.pt").write_bytes(b"x")
    gone = prune(tmp_path, keep=1)
    assert names(tmp_path) == ["step_00000040.pt", "weights_of_a_friend.pt"]
    assert len(gone) == 6
    assert find_best(tmp_path).step == 10


class FakeKaggle:
    """Data sets as folders."""

    def __init__(self, folder, lossy=False):
        self.folder, self.lossy, self.version = folder, lossy, 0

    def dataset_version(self, dataset):
        return ("ready", self.version) if self.version else None

    def publish_dataset(self, folder, message, **_):
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(folder, self.folder)
        if self.lossy:
            next(self.folder.glob("*.pt")).unlink()
        self.version += 1

    def call(self, *words):
        shutil.copytree(self.folder, words[words.index("-p") + 1], dirs_exist_ok=True)


def test_a_kaggle_data_set_is_a_mirror_that_is_read_back(tmp_path):
    local = tmp_path / "local"
    pretend_checkpoint(local, 10)
    mirror = KaggleMirror("clara/amt-run", FakeKaggle(tmp_path / "remote"))
    store = Store(local, [mirror])
    store.publish()
    assert store.wait()
    assert Store(tmp_path / "elsewhere", [mirror]).newest().step == 10
    lossy = Store(local, [KaggleMirror("clara/amt-run", FakeKaggle(tmp_path / "r2", lossy=True))], say=lambda _: None)
    lossy.publish()
    assert not lossy.wait()
    assert "not at all" in lossy.problems["kaggle:clara/amt-run"]


def test_a_mirrors_address_is_checked():
    assert make_mirror("/somewhere").path.name == "somewhere"
    with pytest.raises(AmtError, match="OWNER/SLUG"):
        make_mirror("kaggle:amt-run")


def test_the_train_command_mirrors_and_finds_its_checkpoint_again(tmp_path, monkeypatch):
    from amt_utils.__main__ import build_parser
    from amt_utils.training import trainer as training

    parser = build_parser()

    def pretend(self, *, resume, **_):
        found, _skipped = find_newest([self.folder])
        step = (found.step if found else 0) + 10
        pretend_checkpoint(self.folder, step)
        return {"step": step, "finished": True}

    monkeypatch.setattr(training.Trainer, "run", pretend)
    for machine in ("a", "b"):
        words = ["train", "--config", "tiny", "--out", str(tmp_path / machine), "--resume", "--mirror"]
        args = parser.parse_args([*words, str(tmp_path / "drive")])
        assert args.run(args) == 0
    assert [c.step for c in find_all([tmp_path / "drive"])[0]] == [20, 10]
