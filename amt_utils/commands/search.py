"""The ``search`` command: a study of :mod:`amt_utils.training.search.study` by one or several workers."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from ..system.errors import AmtError
from ..system.files import read_json
from ..system.gpus import count_gpus


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``search`` to the command line."""
    parser.description = (
        "Trains one configuration after another, drops those that fall behind and writes the best one to "
        "FOLDER/best.json, which `train --config` takes. It can be killed at any moment and started again, here or on "
        "another machine: trials that were under way go on from their own checkpoints."
    )
    parser.add_argument("--config", metavar="FILE", required=True, help="what every trial starts from")
    parser.add_argument("--folder", metavar="DIR", default="search", help="journal, trials and best.json")
    parser.add_argument("--space", metavar="FILE", help='JSON, e.g. {"train.learning_rate": ["log", 1e-4, 1e-2]}')
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


def read_space(path: str | os.PathLike) -> dict[str, list]:
    """A search space from JSON. Raises :class:`AmtError` when it is none."""
    space = read_json(path)
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
    gpus = count_gpus()
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
