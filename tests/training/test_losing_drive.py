"""Notebook 04 with a Google Drive that takes every write and then loses a part of it."""

import itertools
import json
import os
import shutil
import sys
import threading
import types
from pathlib import Path

import pytest
from helpers_resume import INTERVAL, make_config, make_data

import amt_utils as amt
from amt_utils.checkpoints.checkpoint import load_checkpoint
from amt_utils.checkpoints.inventory import find_newest
from amt_utils.checkpoints.mirrors import FolderMirror
from amt_utils.system import session
from amt_utils.training.trainer import Trainer

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "04_training.ipynb"


def training_cell():
    """The notebook's own cell that trains, with Drive switched on."""
    cells = ("".join(cell["source"]) for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"])
    (cell,) = (text for text in cells if text.startswith("DRIVE, NAME = False"))
    return cell.replace("DRIVE, NAME = False", "DRIVE, NAME = True").replace("amt.figures.LiveView(config)", "None")


def cut_short(file):
    os.truncate(file, file.stat().st_size // 2)


def replace_by_zeros(file):
    file.write_bytes(bytes(file.stat().st_size))


LOSSES = (  # what becomes of the newest checkpoint: its weights or its card
    (".pt", cut_short),
    (".pt", Path.unlink),
    (".json", Path.unlink),
    (".pt", replace_by_zeros),
    (".json", cut_short),
)


@pytest.fixture
def drive(tmp_path, monkeypatch):
    """Colab with a Drive that loses something after every publication; the folder of the run's copies."""
    root, losses = tmp_path / "drive", itertools.cycle(LOSSES)
    colab = types.ModuleType("google.colab")
    colab.drive = types.SimpleNamespace(mount=lambda place: Path(place, "MyDrive").mkdir(parents=True))
    monkeypatch.setitem(sys.modules, "google", types.ModuleType("google"))
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    monkeypatch.setattr(session, "DRIVE_ROOT", root)
    monkeypatch.setenv("COLAB_RELEASE_TAG", "x")
    send = FolderMirror.send

    def send_and_lose(self, checkpoints):
        send(self, checkpoints)
        suffix, lose = next(losses)
        lose(max(self.path.glob("step_*" + suffix)))

    monkeypatch.setattr(FolderMirror, "send", send_and_lose)
    return root / "MyDrive" / "amt-piano" / "checkpoints" / "notebook"


def run_cell(config):
    """Runs the cell as a notebook does, and waits for its copies, also when the session ends in the middle of it."""
    names = {"amt": amt, "config": config}
    try:
        exec(training_cell(), names)
    finally:
        for thread in threading.enumerate():
            if thread.name == "checkpoint-mirrors":
                thread.join(60)
    return names


def test_a_drive_that_loses_writes_costs_steps_and_never_the_run(tmp_path, drive, monkeypatch, capsys):
    make_data(tmp_path / "data")
    config = make_config(tmp_path / "data").replace(data={"validation": ()})
    whole = amt.train(config, tmp_path / "whole", devices=1, accelerator="cpu", progress=False)
    for last_step in (10, 17, None, None):  # two sessions end in the middle, the last one begins from Drive alone
        step = Trainer._step

        def end_there(self, batches, *, last_step=last_step, step=step):
            if self.step == last_step:
                raise ConnectionError("the session is over")
            return step(self, batches)

        with monkeypatch.context() as patched:
            patched.setattr(Trainer, "_step", end_there)
            if last_step is None:
                result = run_cell(config)["result"]
                assert result["finished"] and result["step"] == whole["step"]
            else:
                with pytest.raises(ConnectionError):
                    run_cell(config)
        local = Path(os.environ["AMT_WORK"]) / "checkpoints" / "notebook"
        reached, kept = find_newest([local])[0], find_newest([drive])[0]
        assert kept is not None and reached.step - 2 * INTERVAL <= kept.step < reached.step  # Drive lost the newest one
        ended = load_checkpoint(reached.path)[0]
        shutil.rmtree(local)  # the next session is on another machine
    assert "comes from" in capsys.readouterr().out
    reference = load_checkpoint(find_newest([tmp_path / "whole"])[0].path)[0]
    assert all((ended["model"][name] == value).all() for name, value in reference["model"].items())
