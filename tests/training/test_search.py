"""Optuna studies that survive kills, torn journals and lost workers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

from amt_utils.__main__ import build_parser
from amt_utils.checkpoints.mirrors import FolderMirror
from amt_utils.config import Config, load_config, save_config
from amt_utils.system.errors import AmtError
from amt_utils.training.search.journal import publish_journal
from amt_utils.training.search.study import SPACE, apply_values, finished, open_study, revive_lost, run_search

WORKER = """
import os, sys, time
from pathlib import Path
from amt_utils.config import Config
from amt_utils.training.search.study import run_search

def objective(config, run, report):
    # what a training does: go on from what is in its folder, report, write
    run.mkdir(parents=True, exist_ok=True)
    note = run / "epochs.txt"
    for epoch in range(len(note.read_text()) if note.exists() else 0, 4):
        time.sleep(float(sys.argv[3]))
        with note.open("a") as file:
            file.write("x")
        print("epoch", flush=True)
    return -abs(config.train.learning_rate - 1e-3)

(Path(sys.argv[1]) / f"worker_{os.getpid()}").touch()  # nobody begins before all are there
while len(list(Path(sys.argv[1]).glob("worker_*"))) < int(sys.argv[5]):
    time.sleep(0.02)
run_search(Config(), sys.argv[1], objective, trials=int(sys.argv[2]), storage=sys.argv[4] or None)
"""


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def climb(config, run, report):
    run.mkdir(parents=True, exist_ok=True)
    score = -abs(config.train.learning_rate - 1e-3)
    for epoch in range(3):
        report(epoch, score)
    return score


def start_worker(folder, trials, pause, storage="", workers=1):
    environment = dict(os.environ, OMP_NUM_THREADS="1", PYTHONPATH=str(Path(__file__).parents[2]))
    words = [sys.executable, "-c", WORKER, str(folder), str(trials), str(pause), str(storage), str(workers)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)


def test_the_best_trial_is_a_configuration_that_loads(tmp_path):
    study = run_search(Config(), tmp_path, climb, trials=6)
    best = load_config(tmp_path / "best.json")
    assert best.train.learning_rate == study.best_trial.params["train.learning_rate"]
    assert best.model.size == study.best_trial.params["model.size"]
    assert {t.state.name for t in study.trials} <= {"COMPLETE", "PRUNED"}
    kept = [p.name for p in tmp_path.glob("trial_*")]
    assert kept == [f"trial_{study.best_trial.number:04d}"]
    # a second call has nothing left to do
    assert len(run_search(Config(), tmp_path, climb, trials=6).trials) == 6


def test_every_name_in_the_space_is_a_field():
    known = Config().to_dict()
    for name in SPACE:
        section, field = name.split(".")
        assert field in known[section]
    with pytest.raises(AmtError, match=r"train\.speed"):
        apply_values(Config(), {"train.speed": 1})


def test_a_torn_line_does_not_spoil_the_journal(tmp_path):
    run_search(Config(), tmp_path, climb, trials=2)
    journal = tmp_path / "study.journal"
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"kil')
    study = run_search(Config(), tmp_path, climb, trials=4)
    assert len(finished(study)) == 4
    assert len(finished(open_study("amt", journal))) == 4


@pytest.mark.parametrize("storage", ["journal", "sqlite"])
def test_a_killed_trial_goes_on_from_its_own_checkpoint(tmp_path, storage):
    address = f"sqlite:///{tmp_path}/study.db" if storage == "sqlite" else tmp_path / "study.journal"
    worker = start_worker(tmp_path, 1, 0.3, address)
    for _ in range(2):
        assert worker.stdout.readline() == "epoch\n"
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    worker.stdout.close()
    first = open_study("amt", address).get_trials()[0]
    assert first.state.name == "RUNNING"
    seen = []

    def objective(config, run, report):
        seen.append((run.name, len((run / "epochs.txt").read_text()), config.train.learning_rate))
        return 0.0

    study = run_search(Config(), tmp_path, objective, trials=1, storage=address)
    assert [t.state.name for t in study.trials] == ["FAIL", "COMPLETE"]
    name, epochs, rate = seen[0]
    assert (name, rate) == ("trial_0000", first.params["train.learning_rate"])
    assert epochs >= 2


@pytest.mark.parametrize("storage", ["journal", "sqlite"])
def test_two_workers_share_one_study(tmp_path, storage):
    address = f"sqlite:///{tmp_path}/study.db" if storage == "sqlite" else tmp_path / "study.journal"
    open_study("amt", address)
    workers = [start_worker(tmp_path, 8, 0.15, address, workers=2) for _ in range(2)]
    for worker in workers:
        worker.communicate(timeout=60)
        assert worker.returncode == 0
    done = finished(open_study("amt", address))
    assert len(done) in (8, 9)  # the other worker may be in the middle of its last trial
    assert len({t.user_attrs["pid"] for t in done}) == 2
    assert len({t.params["train.learning_rate"] for t in done}) == len(done)


def test_a_living_workers_trial_is_left_alone(tmp_path):
    worker = start_worker(tmp_path, 1, 30)
    journal = tmp_path / "study.journal"
    for _ in range(200):
        time.sleep(0.1)
        if journal.exists() and b"process" in journal.read_bytes():
            break
    study = open_study("amt", journal)
    assert revive_lost(study) == []
    worker.kill()
    worker.communicate()
    assert revive_lost(study) == [0]


def test_the_journal_is_found_again_on_a_mirror(tmp_path):
    drive = tmp_path / "drive"
    run_search(Config(), tmp_path / "a", climb, trials=3, mirrors=[drive])
    assert (drive / "best.json").exists()
    study = run_search(Config(), tmp_path / "b", climb, trials=5, mirrors=[drive])
    assert len(finished(study)) == 5
    # the first machine's copy is now behind, and takes the two trials over
    assert len(finished(open_study("amt", tmp_path / "a" / "study.journal", mirrors=[drive]))) == 5


def test_a_mirror_of_another_study_is_refused_and_never_overwritten(tmp_path, capsys):
    drive = tmp_path / "drive"
    run_search(Config(), tmp_path / "a", climb, trials=2, mirrors=[drive])
    run_search(Config(), tmp_path / "b", climb, trials=2)
    before = (drive / "study.journal").read_bytes()
    publish_journal(tmp_path / "b" / "study.journal", [FolderMirror(drive)])
    assert (drive / "study.journal").read_bytes() == before
    assert "not in" in capsys.readouterr().out
    with pytest.raises(AmtError, match="another study"):
        run_search(Config(), tmp_path / "b", climb, trials=3, mirrors=[drive])


def test_a_password_in_the_address_is_not_shown(tmp_path):
    with pytest.raises(AmtError) as error:
        open_study("amt", f"sqlite://user:hunter2@{tmp_path}/none/x.db")
    assert "hunter2" not in str(error.value)


def test_training_is_what_trials_do(tmp_path):
    """One real trial stopped by the clock in its first epoch, taken up again from its checkpoint, and completed."""
    from helpers_resume import make_config, make_data

    make_data(tmp_path / "data")
    config = make_config(tmp_path / "data").replace(train={"steps_per_epoch": 2, "epochs": 2})
    space = {"train.learning_rate": ["log", 1e-4, 1e-2]}
    folder = tmp_path / "search"
    study = run_search(config, folder, space=space, trials=1, seconds=0.01)
    assert finished(study) == []
    assert list((folder / "trial_0000").glob("step_*.pt"))
    study = run_search(config, folder, space=space, trials=1)
    assert len(finished(study)) == 1
    assert list(study.best_trial.intermediate_values) == [1, 2]
    best = load_config(folder / "best.json")
    assert best.train.learning_rate == study.trials[0].params["train.learning_rate"]
    from amt_utils.figures.search_figures import plot_search

    axes = plot_search(study)
    assert axes[0].get_xlabel() == "trial" and axes[1].get_xlabel() == "train.learning_rate"


def test_thresholds_are_found_where_they_were_hidden(tmp_path, monkeypatch):
    """Activations of which only those over 0.62 are notes, and whose notes end 0.06 s after they are heard to."""
    import numpy as np

    from amt_utils.evaluation import thresholds
    from amt_utils.training.search.threshold_studies import search_thresholds
    from amt_utils.transcription.performance import decode_performance

    rng = np.random.default_rng(0)
    config = Config()
    rolls = {name: np.zeros((400, 88), np.float32) for name in ("onset", "offset", "key_offset", "frame", "velocity")}
    rolls["pedal"] = np.zeros((400, 3), np.float32)
    for i, frame in enumerate(range(10, 380, 12)):
        key = int(rng.integers(88))
        rolls["onset"][frame, key] = 0.75 if i % 2 else 0.55
        rolls["frame"][frame : frame + 8, key] = 0.9
    truth = config.replace(decode={"onset_threshold": 0.62, "release_shift": 0.06})
    held = [("made", rolls, decode_performance(rolls, truth))]
    best, studies = search_thresholds(held, config, tmp_path)
    assert best == thresholds.tune_decoding(held, config)
    assert 0.55 < best["onset_threshold"] <= 0.75 + 1e-6
    assert best["release_shift"] == 0.02  # the last of the grid, and near enough
    assert studies["onset"].best_value == 1.0
    assert studies["endings"].trials[0].value < studies["endings"].best_value
    counts = {step: len(study.trials) for step, study in studies.items()}
    # the grids hold 19, 15 and 4 values; two of the endings are the best found so far, which is not scored again
    assert counts == {"onset": 12 + 7, "endings": 15 - 2, "velocity": 4}

    def decode_again(*_):
        raise AssertionError("scored twice")

    monkeypatch.setattr(thresholds, "decode_performance", decode_again)
    again, studies = search_thresholds(held, config, tmp_path)
    assert again == best and {step: len(study.trials) for step, study in studies.items()} == counts


def test_the_commands_configuration_is_checked_before_anything_is_trained(tmp_path):
    parser = build_parser()
    config = save_config(Config(), tmp_path / "c.json")
    (tmp_path / "space.json").write_text("[1]")
    words = ["search", "--config", str(config), "--folder", str(tmp_path / "s")]
    args = parser.parse_args([*words, "--space", str(tmp_path / "space.json")])
    with pytest.raises(AmtError, match="expected an object"):
        args.run(args)
    args = parser.parse_args(words)
    with pytest.raises(AmtError, match="validation is empty"):
        args.run(args)
