"""Journals and ledgers: Optuna's, the renamer's, a mirror's."""

from __future__ import annotations

import functools
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import optuna
from helpers_store import pretend_checkpoint

from amt_utils.checkpoints.inventory import choose_kept
from amt_utils.checkpoints.mirrors import LEDGER, FolderMirror, Store
from amt_utils.config import Config, load_config
from amt_utils.data.tidy import JOURNAL, undo_renames
from amt_utils.system.errors import AmtError
from amt_utils.training.search.study import finished, open_study, run_search

from . import damage, kind

SPACE = {"train.learning_rate": ["log", 1e-4, 1e-2]}


def objective(config: Config, _run: Path, report: object) -> float:
    return -abs(config.train.learning_rate - 1e-3)


@functools.cache
def journal() -> bytes:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder = Path(tempfile.mkdtemp(prefix="amt-fault-study-"))
    run_search(Config(), folder, objective, space=SPACE, trials=4)
    return (folder / "study.journal").read_bytes()


@kind("Optuna journals", full=50, few=8)
def journals(rng: np.random.Generator, folder: Path) -> None:
    """Lines are cut, changed or another's: refused by file and line, or the study goes on with the whole trials."""
    lines = journal().splitlines(keepends=True)
    place = int(rng.integers(len(lines)))
    odd = (
        b"[" * 100_000 + b"\n", b"\n", b"{}\n", b"null\n", b'{"op_code": 99, "worker_id": "x"}\n',
        b'{"op_code": 6, "worker_id": "x", "trial_id": 77, "state": 1}\n', b"\x00" * 50 + b"\n", b"\xff\xfe\n",
    )  # fmt: skip
    match int(rng.integers(5)):
        case 0:
            content = journal()[: int(rng.integers(len(journal())))]
        case 1:
            content = b"".join([*lines[:place], odd[int(rng.integers(len(odd)))], *lines[place:]])
        case 2:
            content = b"".join([*lines[:place], *lines[place + 1 :]])
        case 3:
            content = b"".join([*lines[:place], damage(lines[place], rng), *lines[place + 1 :]])
        case _:
            content = rng.bytes(200)
    path = folder / "study.journal"
    path.write_bytes(content)
    try:
        open_study("amt", path)
        study = run_search(Config(), folder, objective, space=SPACE, trials=5)
    except AmtError as error:
        assert str(path) in str(error) or "search space" in str(error), error
        raise
    assert len(finished(study)) >= 5
    assert load_config(folder / "best.json").train.learning_rate > 0


@kind("journals of tidy --undo", full=30, few=10)
def undo(rng: np.random.Generator, folder: Path) -> None:
    """A journal that was tampered with: refused, or names in its folder alone; nothing outside is touched."""
    inside, outside = folder / "in", folder / "out"
    for place in (inside, outside):
        place.mkdir()
        (place / "a.mid").write_bytes(b"MThd")
    (inside / "link").symlink_to(outside)
    odd = (
        [["a.midi", "a.mid"]], [["../out/b.midi", "../out/a.mid"]], [["../evil.mid", "a.mid"]], {"a": 1}, [["a.midi"]],
        [[1, 2]], [[str(folder / "evil.midi"), "a.mid"]], [["link/a.midi", "link/a.mid"]], None, "x",
        [["b.mid", "a.mid"]],
        [["a\x00.midi", "a\x00.mid"]], [["a.midi", "../out/a.mid"]], [["", ""]],
    )  # fmt: skip
    text = json.dumps(odd[int(rng.integers(len(odd)))])
    content = damage(text.encode(), rng) if rng.random() < 0.2 else text.encode()
    (inside / JOURNAL).write_bytes(content)
    try:
        undo_renames(inside)
    finally:
        assert sorted(p.name for p in outside.iterdir()) == ["a.mid"]
        assert sorted(p.name for p in folder.iterdir()) == ["in", "out"]


@kind("mirrors that go away, and their ledgers", full=20, few=4)
def mirrors(rng: np.random.Generator, folder: Path) -> None:
    """A mirror is unmounted or its ledger names foreign files: nothing is made anew, nothing foreign is deleted."""
    local, mount = folder / "local", folder / "mount"
    drive = mount / "MyDrive" / "amt"
    said: list[str] = []
    mount.mkdir()
    pretend_checkpoint(local, 10)
    store = Store(local, [drive], say=said.append)
    store.publish()
    assert store.wait()
    if rng.random() < 0.5:
        shutil.rmtree(mount / "MyDrive")
        pretend_checkpoint(local, 20)
        store.publish()
        assert not store.wait() and not (mount / "MyDrive").exists()
        assert "gone" in said[-1] and "local copy is safe" in said[-1]
        return
    (folder / "precious.pt").write_bytes(b"x")
    (drive / "holiday.jpg").write_bytes(b"x")
    names = ["../../../precious.pt", "holiday.jpg", str(folder / "precious.pt"), 3, None, ["x"]]
    text = json.dumps(names if rng.random() < 0.7 else {"a": 1})
    (drive / LEDGER).write_bytes(damage(text.encode(), rng) if rng.random() < 0.3 else text.encode())
    FolderMirror(drive).send(choose_kept(local))
    assert (folder / "precious.pt").exists() and (drive / "holiday.jpg").exists()
