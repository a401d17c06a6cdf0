"""A run that is killed again and again ends with the same weights as one that was not.

``AMT_KILLS`` says how many times; ten unless it is set.
"""

import contextlib
import csv
import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from helpers_resume import INTERVAL, make_config, make_data

from amt_utils.checkpoints.checkpoint import load_checkpoint
from amt_utils.checkpoints.inventory import find_newest
from amt_utils.system.errors import AmtError
from amt_utils.training import ending
from amt_utils.training import trainer as module
from amt_utils.training.trainer import Trainer, train

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("AMT_KILLS", "10"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resume") / "data"
    make_data(folder)
    return folder


def same(one, other, path=""):
    """Asserts that two states are equal to the last bit."""
    assert type(one) is type(other), path
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), path
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for key in one:
            same(one[key], other[key], f"{path}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), path
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            same(a, b, f"{path}[{i}]")
    else:
        assert one == other, path


def without_times(rows):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the children are forked")
def test_killed_and_resumed_ends_with_the_same_weights(tmp_path):
    environment = dict(os.environ, OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT), AMT_WORK=str(tmp_path / "work"))
    words = [sys.executable, str(ROOT / "tests" / "helpers_resume.py"), str(tmp_path), str(KILLS), "1"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    attempts = [json.loads(line) for line in done.stdout.splitlines()]
    assert [a["kind"] for a in attempts].count("full disk") == 1
    assert all(a["status"] != 0 for a in attempts if a["kind"] == "full disk" or a["kind"].startswith("write"))
    assert attempts[-1]["status"] == 0
    reached = 0  # the first step that no attempt has trained yet
    for attempt in attempts:
        steps = attempt["steps"]
        assert steps == list(range(steps[0], steps[0] + len(steps))) if steps else True
        if steps:
            assert steps[0] <= reached, "a step was skipped"
            assert steps[0] >= reached - INTERVAL, "more than one interval is repeated"
            reached = max(reached, steps[-1] + 1)
    whole, killed = (load_checkpoint(find_newest([tmp_path / n])[0].path)[0] for n in ("whole", "killed"))
    history = [without_times(json.loads(state.pop("history"))) for state in (whole, killed)]
    same(*history)
    same(whole, killed)
    logs = []
    for name in ("whole", "killed"):
        with (tmp_path / name / "steps.csv").open(newline="") as file:
            logs.append(without_times(csv.DictReader(file)))
    assert logs[0] == logs[1]


def run_steps(config, folder, **options):
    return train(config, folder, devices=1, accelerator="cpu", progress=False, **options)


def test_a_disk_that_is_full_for_a_while_does_not_end_the_run(data, tmp_path, monkeypatch, capsys):
    config = make_config(data).replace(data={"validation": ()}, train={"steps_per_epoch": 6, "epochs": 1})
    real, calls = module.save_checkpoint, []

    def full_once(*words):
        calls.append(words[0])
        if len(calls) == 1:
            raise AmtError(f"{words[0]}: the checkpoint could not be written ({os.strerror(errno.ENOSPC)})")
        return real(*words)

    monkeypatch.setattr(module, "save_checkpoint", full_once)
    result = run_steps(config, tmp_path / "run")
    assert result["finished"] and "training goes on" in capsys.readouterr().out
    with (tmp_path / "run" / "steps.csv").open() as file:
        assert [int(r["step"]) for r in csv.DictReader(file)] == [1, 2, 3, 4, 5, 6]


def test_time_that_is_over_stops_with_a_checkpoint_and_the_rest_follows(data, tmp_path, monkeypatch):
    monkeypatch.setattr(ending, "SAFETY_SECONDS", 0.0)
    config = make_config(data).replace(data={"validation": ()}, train={"epochs": 1})
    result = run_steps(config, tmp_path / "run", max_seconds=1e-3)
    assert not result["finished"] and result["step"] == 1
    assert find_newest([tmp_path / "run"])[0].step == 1
    with pytest.raises(AmtError, match="--resume"):
        run_steps(config, tmp_path / "run")
    assert run_steps(config, tmp_path / "run", resume=True)["finished"]


def test_another_networks_checkpoint_is_refused_with_an_explanation(data, tmp_path, monkeypatch):
    monkeypatch.setattr(ending, "SAFETY_SECONDS", 0.0)
    config = make_config(data).replace(data={"validation": ()})
    run_steps(config, tmp_path / "run", max_seconds=1e-3)
    with pytest.raises(AmtError, match="another model configuration"):
        run_steps(config.replace(model={"residual": False}), tmp_path / "run", resume=True)
    with pytest.raises(AmtError, match="trained with muon"):
        run_steps(config.replace(train={"optimizer": "adamw"}), tmp_path / "run", resume=True)
    # a rate may change in the middle of a run
    run_steps(config.replace(train={"learning_rate": 1e-4}), tmp_path / "run", resume=True, max_seconds=1e-3)


def test_a_run_killed_before_its_validation_makes_up_for_it(data, tmp_path, monkeypatch):
    config = make_config(data).replace(train={"steps_per_epoch": 2, "epochs": 1})

    def killed(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_end_epoch", killed)
        with pytest.raises(KeyboardInterrupt):
            run_steps(config, tmp_path / "run")
    result = run_steps(config, tmp_path / "run", resume=True)
    assert result["finished"] and result["epoch"] == 1 and "note_f1" in result


def test_fp16_lowers_its_scale_instead_of_failing(data, tmp_path):
    """What a T4 does, with a scaler that begins far too high."""
    from lightning.fabric import Fabric
    from lightning.fabric.plugins.precision import MixedPrecision

    class HalfOnCpu(MixedPrecision):
        def __init__(self):
            super().__init__("bf16-mixed", device="cpu")
            self.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**126)

        def forward_context(self):
            return contextlib.nullcontext()  # the scaler is what is tested; not every CPU has 16-bit LSTMs

    config = make_config(data).replace(data={"validation": ()}, train={"steps_per_epoch": 4, "epochs": 1})
    trainer = Trainer(config, tmp_path / "run", devices=1, accelerator="cpu", progress=False)
    trainer.fabric = Fabric(accelerator="cpu", devices=1, plugins=HalfOnCpu())
    trainer.run()
    state = load_checkpoint(find_newest([tmp_path / "run"])[0].path)[0]
    assert state["precision"]["scale"] < 2.0**126


def test_from_the_start_of_the_process_to_the_first_step(data, tmp_path, monkeypatch):
    """A resumed process is training again within 20 s, imports included."""
    monkeypatch.setattr(ending, "SAFETY_SECONDS", 0.0)
    config = make_config(data).replace(data={"validation": ()})
    run_steps(config, tmp_path / "run", max_seconds=1e-3)
    code = (
        "from amt_utils.training.trainer import train, Trainer\nfrom amt_utils.config import load_config\nimport os\n"
        "Trainer._step = lambda self, batches: (next(batches), print('first step', self.step), os._exit(0))\n"
        f"train(load_config({str(tmp_path / 'run' / 'config.json')!r}), {str(tmp_path / 'run')!r}, resume=True, "
        "devices=1, accelerator='cpu', progress=False)\n"
    )
    begin = time.process_time() + os.times().children_user
    environment = dict(os.environ, OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT), PYTHONUNBUFFERED="1")
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert "first step 1" in done.stdout, done.stderr[-2000:]
    # processor time, which a busy machine does not lengthen
    assert time.process_time() + os.times().children_user - begin < 20
