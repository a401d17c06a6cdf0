"""A run's folder: checkpoints, weights and cards that are damaged, full disks, kills, two trainers at once."""

from __future__ import annotations

import csv
import errno
import functools
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from helpers_resume import make_config, make_data

from amt_utils.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from amt_utils.checkpoints.inventory import find_newest
from amt_utils.checkpoints.weights import load_weights, read_weights
from amt_utils.config import Config
from amt_utils.system import files
from amt_utils.system.errors import AmtError
from amt_utils.training import ending
from amt_utils.training import trainer as training

from . import TESTS, damage, kind

ROOT = TESTS.parent


@functools.cache
def finished_run() -> tuple[Path, Config, dict[str, torch.Tensor]]:
    """A run of four steps with a validation, its configuration, and the tensors of its best weights."""
    home = Path(tempfile.mkdtemp(prefix="amt-fault-run-"))
    make_data(home / "data")
    config = make_config(home / "data").replace(
        train={"steps_per_epoch": 2, "epochs": 2, "checkpoint_every_steps": 1}, data={"validation": ()}
    )
    run_steps(config, home / "run")
    return home / "run", config, read_weights(home / "run" / "best.safetensors")[0]


def run_steps(config: Config, folder: Path, *, resume: bool = False) -> dict:
    return training.train(config, folder, resume=resume, devices=1, accelerator="cpu", progress=False)


def change_card(path: Path, rng: np.random.Generator) -> None:
    """A field of a card becomes what it never is."""
    card = json.loads(path.read_text())
    odd = (None, -1, "x", [], {}, 10**30, "é", True, float("nan"))
    field = str(rng.choice(["format", "sha256", "bytes", "step", "config", "feature"]))
    value = odd[int(rng.integers(len(odd)))]
    if field == "feature":
        card["config"]["feature"]["sample_rate"] = -1
    elif rng.random() < 0.3:
        del card[field]
    else:
        card[field] = value
    path.write_text(json.dumps(card))


@kind("checkpoints, weights and cards", full=100, few=8)
def checkpoints(rng: np.random.Generator, folder: Path) -> None:
    """One file of a run is damaged: refused by name, or the run goes on from another checkpoint and ends whole."""
    home, config, best = finished_run()
    run = folder / "run"
    shutil.copytree(home, run)
    newest = sorted(run.glob("*.pt"))[-1]
    chosen = str(rng.choice(["weights", "weights card", "checkpoint", "checkpoint card", "state", "steps.csv"]))
    if chosen.startswith("weights"):
        path = run / "best.safetensors"
        if chosen == "weights":
            path.write_bytes(damage(path.read_bytes(), rng))
        elif rng.random() < 0.5:
            change_card(path.with_suffix(".json"), rng)
        else:
            path.with_suffix(".json").write_bytes(damage(path.with_suffix(".json").read_bytes(), rng))
        try:
            load_weights(path)
        except AmtError as error:
            assert "best." in str(error)
            raise
        assert all(torch.equal(value, best[name]) for name, value in read_weights(path)[0].items())
        return
    if chosen == "checkpoint":
        newest.write_bytes(damage(newest.read_bytes(), rng))
    elif chosen == "checkpoint card":
        change_card(newest.with_suffix(".json"), rng)
    elif chosen == "state":
        state, card = load_checkpoint(newest)
        name = str(rng.choice(sorted(state)))
        if rng.random() < 0.5:
            del state[name]
        else:
            state[name] = [3, "x", {}, {"a": torch.zeros(3)}, [1]][int(rng.integers(5))]
        save_checkpoint(newest, state, card)
    else:
        table = run / "steps.csv"
        table.write_bytes(damage(table.read_bytes(), rng))
    longer = config.replace(train={"epochs": 3})
    try:
        result = run_steps(longer, run, resume=True)
    except AmtError as error:
        assert str(run) in str(error)
        raise
    assert result["finished"]
    load_checkpoint(find_newest([run])[0].path)
    with (run / "steps.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    steps = [int(row["step"]) for row in rows]
    assert steps == sorted(set(steps)) and steps[-1] == 6, steps


@kind("full disk at the n-th write of a training", full=12, few=3)
def full_disk(rng: np.random.Generator, folder: Path) -> None:
    """From the n-th write on the disk is full for a while: the run waits and ends with the weights of another run."""
    home, config, best = finished_run()
    first, refusals, seen = int(rng.integers(2, 14)), int(rng.integers(1, 4)), [0]
    real = os.fsync

    def fsync(descriptor: int) -> None:
        seen[0] += 1
        if first <= seen[0] < first + refusals:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    with mock.patch.object(files.os, "fsync", fsync), mock.patch.object(ending, "PAUSE", 0.01):
        result = run_steps(config, folder / "run")
    assert result["finished"] and seen[0] > first
    ours, theirs = (load_checkpoint(find_newest([run])[0].path)[0] for run in (folder / "run", home))
    assert all(torch.equal(ours["ema"][name], value) for name, value in theirs["ema"].items())
    weights = read_weights(folder / "run" / "best.safetensors")[0]
    assert all(torch.equal(weights[name], value) for name, value in best.items())
    assert not list((folder / "run").glob("*partial*"))
    with (folder / "run" / "steps.csv").open(newline="") as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [1, 2, 3, 4]


@kind("disk that stays full (files end at 20 kB)", full=3, few=1)
def disk_stays_full(_rng: np.random.Generator, folder: Path) -> None:
    """A real limit of the system, to the end: the run says what it could not save, and the rest is as it was."""
    home, config, _ = finished_run()
    shutil.copytree(home, folder / "run")
    before = find_newest([folder / "run"])[0]
    earlier = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, earlier[1]))
    try:
        with mock.patch.object(ending, "PAUSE", 0.01), mock.patch.object(ending, "PATIENCE", 0.2):
            run_steps(config.replace(train={"epochs": 3}), folder / "run", resume=True)
        raise AssertionError("said to be saved")
    except AmtError as error:
        assert f"--resume goes on from step {before.step}" in str(error), error
        raise
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, earlier)
        signal.signal(signal.SIGXFSZ, handler)
        assert find_newest([folder / "run"])[0].sha256 == before.sha256


@kind("kills of one training", full=1, few=1, each=20, longest=900)
def kills(_rng: np.random.Generator, folder: Path) -> None:
    """Kills at any moment, in the middle of writes too: the same weights, history and table as without."""
    from training.test_resume import same, without_times

    environment = dict(os.environ, OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT), AMT_WORK=str(folder / "work"))
    words = [sys.executable, str(TESTS / "helpers_resume.py"), str(folder), "20", "7"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    attempts = [json.loads(line) for line in done.stdout.splitlines()]
    assert sum(attempt["status"] != 0 for attempt in attempts) >= 10 and attempts[-1]["status"] == 0
    whole, killed = (load_checkpoint(find_newest([folder / n])[0].path)[0] for n in ("whole", "killed"))
    same(*(without_times(json.loads(state.pop("history"))) for state in (whole, killed)))
    same(whole, killed)


HOLD = """
import sys, time
from amt_utils.system.lock import hold_folder
with hold_folder(sys.argv[1], doing="trains"):
    print("held", flush=True)
    time.sleep(60)
"""


@kind("second process in a run's folder", full=5, few=1)
def two_trainers(_rng: np.random.Generator, folder: Path) -> None:
    """The second is told who trains there; when the first is killed, the folder is free at once."""
    home, config, _ = finished_run()
    shutil.copytree(home, folder / "run")
    words = [sys.executable, "-c", HOLD, str(folder / "run")]
    other = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=dict(os.environ, PYTHONPATH=str(ROOT)))
    assert other.stdout is not None and other.stdout.readline() == "held\n"
    try:
        run_steps(config, folder / "run", resume=True)
        raise AssertionError("trained where another process trains")
    except AmtError as error:
        assert f"process {other.pid} on " in str(error) and "since 20" in str(error)
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    time.sleep(0.01)
    assert run_steps(config, folder / "run", resume=True)["finished"]
