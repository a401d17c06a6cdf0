"""The ``search`` command: a study of :mod:`.study` by one or several workers, and its pictures."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ..config import Config
from ..system.errors import AmtError
from ..training.run_log import read_table


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``search`` to the command line."""
    parser.description = (
        "Trains one configuration after another, drops those that fall behind and writes the best one to "
        "FOLDER/best.json, which `train --config` takes. It can be killed at any moment and started again, here or on "
        "another machine: trials that were under way go on from their own checkpoints."
    )
    parser.add_argument("--config", metavar="FILE", required=True, help="what every trial starts from")
    parser.add_argument("--folder", metavar="DIR", default="search", help="journal, trials and best.json")
    parser.add_argument("--space", metavar="FILE", help="JSON, e.g. {\"train.learning_rate\": [\"log\", 1e-4, 1e-2]}")
    parser.add_argument("--storage", metavar="ADDRESS", help="a journal file, sqlite:///FILE or postgresql://…")
    parser.add_argument("--mirror", metavar="DIR", action="append", default=[], help="gets copies, e.g. on Drive")
    parser.add_argument("--trials", metavar="N", type=int, default=20, help="finished trials of the whole study")
    parser.add_argument("--seconds", metavar="S", type=float, help="begin no new trial after so many seconds")
    parser.add_argument("--workers", metavar="N", type=int, default=1, help="processes at once; each takes one GPU")
    parser.add_argument("--name", default="amt", help="the study's name in a shared database")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """The ``search`` command; 0 when the study has a best trial."""
    from ..config import load_config
    from ..training.search.study import finished, open_study, run_search

    config = load_config(args.config)
    space = read_space(args.space) if args.space else None
    storage = args.storage or Path(args.folder) / "study.journal"
    if args.workers > 1:
        open_study(args.name, storage, mirrors=args.mirror)  # created once, before the workers race for it
        statuses = run_workers(args.workers, worker_words(args), Path(args.folder))
        if any(statuses):
            print(f"{sum(map(bool, statuses))} of {args.workers} workers failed; see {args.folder}/worker_*.log")
        study = open_study(args.name, storage)
    else:
        study = run_search(
            config,
            args.folder,
            train_once,
            space=space,
            storage=storage,
            trials=args.trials,
            seconds=args.seconds,
            mirrors=args.mirror,
            name=args.name,
        )
    best = Path(args.folder) / "best.json"
    if not best.exists():
        print("no trial is complete yet; run the same command again")
        return 1
    print(f"{len(finished(study))} trials; best note F1 {100 * study.best_value:.1f} (trial {study.best_trial.number})")
    print(f"wrote {best}; train it with: python -m amt_utils train --config {best}")
    return 0


def train_once(config: Config, folder: Path, report: Callable[[int, float], None]) -> float:
    """Train one configuration, going on from what is in ``folder``; its best note F1 on the validation recordings.

    Raises:
        AmtError: nothing to validate on.
        KeyboardInterrupt: the training was asked to stop.
    """
    from ..training.trainer import train

    if not config.data.validation:
        raise AmtError("data.validation is empty: trials are compared by their note F1 on validation recordings")
    table = folder / "epochs.csv"
    for row in read_table(table):  # a trial taken up again has been through these epochs
        report(int(row["epoch"]), float(row["note_f1"]))

    def on_epoch(trainer, row: dict) -> None:
        report(row["epoch"], row["note_f1"])

    result = train(config, folder, resume=True, devices=1, on_epoch=on_epoch, progress=False)
    if not result["finished"]:
        raise KeyboardInterrupt
    return max(float(row["note_f1"]) for row in read_table(table))


def read_space(path: str | os.PathLike) -> dict[str, list]:
    """A search space from JSON. Raises :class:`AmtError` when it is none."""
    try:
        space = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise AmtError(f"{path}: cannot read the search space ({error})") from error
    if not isinstance(space, dict) or not all(isinstance(v, list) and len(v) >= 2 for v in space.values()):
        raise AmtError(f'{path}: expected an object such as {{"train.learning_rate": ["log", 1e-4, 1e-2]}}')
    return space


def worker_words(args) -> list[str]:
    """The command line of one worker."""
    words = ["search", "--config", args.config, "--folder", args.folder, "--trials", str(args.trials)]
    words += ["--name", args.name]
    for name in ("space", "storage", "seconds"):
        if getattr(args, name):
            words += [f"--{name}", str(getattr(args, name))]
    return words + [word for place in args.mirror for word in ("--mirror", place)]


def run_workers(workers: int, words: list[str], folder: Path) -> list[int]:
    """Several workers on this machine, one GPU each in turn; their exit statuses. Their output goes to log files."""
    folder.mkdir(parents=True, exist_ok=True)
    gpus = _count_gpus()
    running = []
    for index in range(workers):
        environment = dict(os.environ)
        if gpus:
            environment["CUDA_VISIBLE_DEVICES"] = str(index % gpus)
        else:
            environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
        command = [sys.executable, "-m", "amt_utils", *words]
        with open(folder / f"worker_{index}.log", "ab") as log:
            running.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment))
    try:
        return [process.wait() for process in running]
    finally:
        for process in running:
            if process.poll() is None:
                process.terminate()


def _count_gpus() -> int:
    if shutil.which("nvidia-smi") is None:
        return 0
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout
    return sum(line.startswith("GPU ") for line in listed.splitlines())


def plot_search(study, *, score: str = "note F1 (%)", axes=None):
    """How a study went: every trial's score in time, and against each searched value.

    Args:
        study: an Optuna study.
        score: what it is ranked by, for the axis.
        axes: one Axes for the history and one for each parameter; new ones unless given.

    Returns:
        The Axes. Completed trials are filled circles, pruned ones are crosses at their last score.
    """
    import matplotlib.pyplot as plt
    import numpy as np
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

    trials = [t for t in study.get_trials(deepcopy=False) if t.state.name in ("COMPLETE", "PRUNED")]
    names = sorted({name for t in trials for name in t.params})
    if axes is None:
        columns = min(3, 1 + len(names))
        rows = -(-(1 + len(names)) // columns)
        size = (4 * columns, 2.8 * rows)
        grid = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)[1]
        axes = grid.ravel()
        for spare in axes[1 + len(names) :]:
            spare.remove()
    styles = (("COMPLETE", "o", "#0072B2"), ("PRUNED", "x", "#D55E00"))
    for state, marker, colour in styles:
        chosen = [t for t in trials if t.state.name == state]
        scores = [100 * _last_score(t) for t in chosen]
        axes[0].scatter([t.number for t in chosen], scores, marker=marker, color=colour, label=state.lower())
        for ax, name in zip(axes[1:], names, strict=False):
            ax.scatter([t.params.get(name) for t in chosen], scores, marker=marker, color=colour)
    complete = [t for t in trials if t.state.name == "COMPLETE"]
    if complete:
        best = np.maximum.accumulate([100 * t.value for t in complete])
        axes[0].step([t.number for t in complete], best, where="post", color="black", label="best so far")
    axes[0].set(xlabel="trial", ylabel=score)
    axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].legend(fontsize=8)
    low, high = axes[0].get_ylim()
    for ax in axes[: 1 + len(names)]:
        ax.set_ylim(max(low, 0.0), max(high, 1.0))
    for ax, name in zip(axes[1:], names, strict=False):
        ax.set(xlabel=name)
        if any(getattr(t.distributions.get(name), "log", False) for t in trials):
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            ax.xaxis.set_minor_formatter(NullFormatter())
    return axes


def _last_score(trial) -> float:
    if trial.value is not None:
        return trial.value
    steps = trial.intermediate_values
    return steps[max(steps)] if steps else float("nan")
