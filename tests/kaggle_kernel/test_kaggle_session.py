"""The kernel's code file for real, in a copy of /kaggle's layout: wheel, mounts, training, kill, second session."""

import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers_resume import make_config, make_data

from amt_utils.checkpoints.inventory import find_newest
from amt_utils.system.files import hash_file

ROOT = Path(__file__).parents[2]
NEEDED = ("amt_utils", "pyproject.toml", "requirements.txt", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    if int(importlib.metadata.version("setuptools").split(".")[0]) < 77:
        pytest.skip("needs setuptools 77 to build the wheel offline")
    folder = tmp_path_factory.mktemp("wheel")
    for name in NEEDED:  # a copy: building leaves folders behind
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, folder / "source")
    words = ["pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", *words, str(folder / "source")], check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def lay_out(root, wheel, job):
    """/kaggle as it is mounted: the package one way, the data the other."""
    package = root / "input" / "datasets" / "clara" / "amt-piano-package"
    package.mkdir(parents=True)
    shutil.copy(wheel, package)
    make_data(root / "input" / "my-recordings" / "train")
    (root / "working").mkdir()
    code = (ROOT / "kaggle_kernel" / "train_on_kaggle.py").read_text()
    script = root / "script.py"
    script.write_text(code.replace("JOB: dict = {}", f"JOB: dict = json.loads({json.dumps(job)!r})"))
    return script


def start(root, script):
    environment = dict(os.environ, OMP_NUM_THREADS="1", AMT_KAGGLE_ROOT=str(root), AMT_WORK=str(root / "working"))
    # stands in for Kaggle's own Python, into which the wheel would be installed
    environment |= {"PIP_TARGET": str(root / "site"), "PYTHONPATH": str(root / "site")}
    return subprocess.Popen(
        [sys.executable, str(script)],
        cwd=root / "working",
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds child processes in /proc")
def test_two_sessions_with_a_kill_between(tmp_path, wheel):
    config = make_config("data").replace(
        data={"recordings": ("input/my-recordings/train",), "validation": ("input/my-recordings/train",)},
        train={"steps_per_epoch": 40, "epochs": 1, "checkpoint_every_steps": 2},
    )
    job = {"id": "j1", "wheel": hash_file(wheel), "checkpoint": None, "config": config.to_dict(), "hours": 1.0}
    script = lay_out(tmp_path, wheel, job)
    run = tmp_path / "working" / "run"
    first = start(tmp_path, script)
    end = time.monotonic() + 300
    while not list(run.glob("step_*.json")) and first.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    # the whole session disappears, as when Kaggle ends it
    for pid in descendants(first.pid):
        os.kill(pid, signal.SIGKILL)
    said = first.communicate()[0]
    reached, _ = find_newest([run])
    assert reached is not None, said
    assert reached.step < 40 and not (tmp_path / "working" / "result.json").exists()

    second = start(tmp_path, script)
    said = second.communicate(timeout=600)[0]
    assert second.returncode == 0, said
    result = json.loads((tmp_path / "working" / "result.json").read_text())
    assert result["state"] == "trained" and result["finished"] and result["step"] == 40, said
    assert result["resumed_from"]["step"] >= reached.step
    assert "going on from" in said
    for name, card in result["files"].items():
        assert hash_file(tmp_path / "working" / name) == card["sha256"]
    assert len(list(run.glob("step_*.pt"))) == 1  # few files
    assert not list((tmp_path / "working").rglob("*.whl"))

    # a job that expects a checkpoint which is not mounted must not begin again from the start
    shutil.rmtree(run)
    job |= {"id": "j2", "checkpoint": {"step": 40, "sha256": ""}}
    code = (ROOT / "kaggle_kernel" / "train_on_kaggle.py").read_text()
    script.write_text(code.replace("JOB: dict = {}", f"JOB: dict = json.loads({json.dumps(job)!r})"))
    assert start(tmp_path, script).wait(timeout=300) == 0
    result = json.loads((tmp_path / "working" / "result.json").read_text())
    assert result["state"] == "failed" and "not mounted yet" in result["reason"]


def test_an_older_version_of_the_package_is_not_taken(tmp_path):
    (tmp_path / "amt_piano-0-py3-none-any.whl").write_bytes(b"an older wheel")
    job = {"id": "j3", "wheel": "0" * 64, "config": {}, "hours": 1.0}
    script = lay_out(tmp_path, tmp_path / "amt_piano-0-py3-none-any.whl", job)
    assert start(tmp_path, script).wait(timeout=60) == 0
    result = json.loads((tmp_path / "working" / "result.json").read_text())
    assert result["state"] == "failed" and "an older version of the data set" in result["reason"]


def descendants(pid):
    """The process and everything it started, children first."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += descendants(int(child))
    return [*found, pid]
