"""Two processes under torchrun give the loss curve of one process at the same effective batch."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from helpers_resume import make_config, make_data

from amt_utils.checkpoints.inventory import find_newest
from amt_utils.config import save_config

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from amt_utils.config import load_config
from amt_utils.training.trainer import train
config, folder, devices = sys.argv[1:]
train(load_config(config), folder, resume=True, devices=int(devices), accelerator="cpu", progress=False)
"""


def start(tmp_path, config, folder, processes):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    path = save_config(config, tmp_path / f"config_{processes}.json")
    launcher = [sys.executable]
    if processes > 1:
        launcher += ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    environment = dict(os.environ, OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT))
    words = [*launcher, str(script), str(path), str(folder), str(processes)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def read_losses(folder):
    with (folder / "steps.csv").open(newline="") as file:
        return np.array([float(row["loss"]) for row in csv.DictReader(file)])


def test_two_processes_learn_as_one(tmp_path):
    make_data(tmp_path / "data")
    # norms over one example and no term averaged over a varying number of cells: the sums are then the same
    same = make_config(tmp_path / "data").replace(model={"norm": "instance", "dropout": 0.0}, loss={"velocity": 0.0})
    same = same.replace(data={"validation": ()}, train={"steps_per_epoch": 6, "epochs": 1, "checkpoint_every_steps": 4})
    start(tmp_path, same.replace(train={"batch_size": 4}), tmp_path / "one", 1)
    start(tmp_path, same.replace(train={"batch_size": 2}), tmp_path / "two", 2)
    one, two = read_losses(tmp_path / "one"), read_losses(tmp_path / "two")
    assert len(one) == len(two) == 6
    np.testing.assert_allclose(one, two, rtol=1e-4)
    assert np.ptp(one) > 0.1  # the curves are no straight lines
    assert find_newest([tmp_path / "two"])[0].step == 6
    # two processes go on from the checkpoint together
    longer = same.replace(train={"batch_size": 2, "epochs": 2})
    assert "at step 6" in start(tmp_path, longer, tmp_path / "two", 2)
    assert find_newest([tmp_path / "two"])[0].step == 12
