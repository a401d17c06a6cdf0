"""Hyper-parameter search with Optuna, which can be interrupted, on any number of machines (notebook 07).

A study lives in a journal file (or in a database, ``--storage postgresql://…``). It can be stopped or killed at any
moment: the next writer removes an incomplete last line, trials whose worker is gone are continued *from their own
checkpoint*, and the journal is copied to the mirrors after every trial. Trials that fall behind are pruned
by the note F1 that the training reports after each epoch. The best trial is written as a configuration file::

    python -m amt_utils search --config base.json --folder search --trials 40 --workers 2
    python -m amt_utils train --config search/best.json
"""

from __future__ import annotations

import math
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.trial import FrozenTrial, Trial, TrialState
from tqdm.auto import tqdm

from ...checkpoints.mirrors import FolderMirror
from ...config import Config, save_config
from ...system.errors import AmtError
from ...system.files import is_running
from ..run_log import read_table
from ..trainer import Trainer, train
from .journal import SafeJournal, check_journal, fetch_journal, publish_journal

# section.field: ("log" | "float" | "int", low, high) or ("choice", options)
SPACE: dict[str, list] = {
    "train.learning_rate": ["log", 3e-4, 1e-2],
    "train.weight_decay": ["log", 1e-4, 1e-1],
    "loss.onset_pos_weight": ["log", 1.0, 5.0],
    "loss.offset": ["log", 0.2, 2.0],
    "loss.frame": ["log", 0.3, 3.0],
    "loss.velocity": ["log", 0.1, 3.0],
    "model.size": ["choice", ["tiny", "base"]],
    "model.dropout": ["float", 0.0, 0.3],
}
RETRIES = 3  # how often a trial whose worker was lost is continued
LOST_AFTER = timedelta(hours=13)  # a trial begun longer ago on another machine is lost: no free session lasts longer
# a trial: configuration, folder for its checkpoints, report(epoch, note F1) which may raise TrialPruned -> note F1
Objective = Callable[[Config, Path, Callable[[int, float], None]], float]


def open_study(
    name: str, storage: str | os.PathLike, *, mirrors: Iterable[str | os.PathLike | FolderMirror] = ()
) -> optuna.Study:
    """A study that maximises, new or continued.

    Args:
        name: its name.
        storage: a journal file, or a database address such as ``sqlite:///study.db`` or ``postgresql://…``.
        mirrors: folders with copies of the journal; the longest one continues the local one.

    Raises:
        AmtError: the storage cannot be opened, or a mirror holds a different study's journal.
    """
    text = os.fspath(storage)
    try:
        if is_address(text):
            # workers of several machines wait for each other
            arguments = {"connect_args": {"timeout": 60}} if text.startswith("sqlite") else {"pool_pre_ping": True}
            backend: BaseStorage = optuna.storages.RDBStorage(text, engine_kwargs=arguments)
        else:
            fetch_journal(Path(text), as_mirrors(mirrors))
            check_journal(Path(text))
            backend = JournalStorage(SafeJournal(text))
        return optuna.create_study(
            study_name=name,
            storage=backend,
            direction="maximize",
            load_if_exists=True,
            sampler=optuna.samplers.TPESampler(multivariate=True, constant_liar=True, n_startup_trials=8),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1),
        )
    except AmtError:
        raise
    except ImportError as error:
        raise AmtError(f"--storage {text}: its driver is missing ({error}); install it") from error
    except Exception as error:  # SQLAlchemy's, Optuna's, or of a damaged journal
        reason = f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else 'no reason given'}"
        raise AmtError(f"--storage {text}: cannot be opened ({reason})") from error


def is_address(storage: str | os.PathLike) -> bool:
    """Whether ``storage`` is a database's address, not a file. Raises :class:`AmtError` for an incomplete address."""
    text = os.fspath(storage)
    # a letter and a colon are a Windows drive
    if re.match(r"[A-Za-z][\w+.-]+:(?!//)", text) and not Path(text).exists():
        raise AmtError(f"--storage {text}: an address has two slashes, as in postgresql://user@host/name")
    return "://" in text


def as_mirrors(places: Iterable[str | os.PathLike | FolderMirror]) -> list[FolderMirror]:
    """Folders as mirrors, each created at the start only (:class:`.FolderMirror`)."""
    return [p if isinstance(p, FolderMirror) else FolderMirror(p) for p in places]


def apply_values(config: Config, values: dict[str, object]) -> Config:
    """``{"train.learning_rate": 1e-3}`` into the configuration; an unknown name is an error."""
    changes: dict[str, dict] = {}
    known = config.to_dict()
    for name, value in values.items():
        section, _, field = name.partition(".")
        if field not in known.get(section, {}):
            raise AmtError(f"search space: {name!r} is no field of the configuration")
        changes.setdefault(section, {})[field] = value
    return config.replace(**changes)


def suggest(trial: Trial, space: dict[str, list]) -> dict[str, object]:
    """One value for every name in the search space."""
    values: dict[str, object] = {}
    for name, (kind, *rest) in space.items():
        try:
            if kind == "choice":
                values[name] = trial.suggest_categorical(name, rest[0])
            elif kind == "int":
                values[name] = trial.suggest_int(name, *rest)
            elif kind in ("float", "log"):
                values[name] = trial.suggest_float(name, *rest, log=kind == "log")
            else:
                raise AmtError(f"search space: {name}: {kind!r} must be 'log', 'float', 'int' or 'choice'")
        except (IndexError, TypeError, ValueError, OverflowError) as error:
            raise AmtError(f"search space: {name}: {[kind, *rest]} cannot be searched ({error})") from error
    return values


def revive_lost(study: optuna.Study) -> list[int]:
    """Close the trials whose worker is gone and queue their values again; the numbers of those closed."""
    closed = []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if _is_alive(trial):
            continue
        try:
            study.tell(trial.number, state=TrialState.FAIL)
        except ValueError:  # another worker was first
            continue
        closed.append(trial.number)
        retries = trial.user_attrs.get("retries", 0)
        if retries < RETRIES and trial.params:
            attributes = {"run": trial.user_attrs.get("run", trial.number), "retries": retries + 1}
            study.enqueue_trial(trial.params, user_attrs=attributes)
    return closed


def _is_alive(trial: FrozenTrial) -> bool:
    host, pid = trial.user_attrs.get("host"), trial.user_attrs.get("pid")
    if host == socket.gethostname() and pid is not None:
        return _process_mark(pid) == trial.user_attrs.get("process")
    return trial.datetime_start is not None and datetime.now() - trial.datetime_start < LOST_AFTER


def _process_mark(pid: int) -> str | None:
    """The start time of a process, to tell it from a later one with the same number; None when it does not run."""
    if not is_running(pid):
        return None
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:  # not Linux
        return "runs"


def run_search(
    config: Config,
    folder: str | os.PathLike,
    objective: Objective | None = None,
    *,
    space: dict[str, list] | None = None,
    storage: str | os.PathLike | None = None,
    trials: int = 20,
    seconds: float | None = None,
    mirrors: Iterable[str | os.PathLike | FolderMirror] = (),
    name: str = "amt",
    leave_out: Iterable[str] = (),
    quiet: bool = False,
) -> optuna.Study:
    """Run trials until ``trials`` of the study are finished (by whichever worker) or ``seconds`` are over.

    Args:
        config: what every trial starts from.
        folder: gets the journal, one folder per trial, and ``best.json``.
        objective: trains one configuration (see :data:`Objective`); :func:`train_once` unless given.
        space: what is searched; :data:`SPACE` unless given.
        storage: a journal file or database address; ``folder/study.journal`` unless given.
        mirrors: folders that get a copy of the journal and ``best.json`` after every trial.
        name: of the study in a shared database.
        leave_out: fields of ``space`` that are not searched.
        quiet: a bar over the trials in place of a line for each.

    Returns:
        The study.
    """
    folder, places = Path(folder), as_mirrors(mirrors)
    folder.mkdir(parents=True, exist_ok=True)
    storage = storage or folder / "study.journal"
    fixed = set(leave_out)
    space = {field: what for field, what in (SPACE if space is None else space).items() if field not in fixed}
    if quiet:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
    deadline = time.monotonic() + (math.inf if seconds is None else seconds)
    study = open_study(name, storage, mirrors=places)
    revive_lost(study)

    def run_trial(trial: Trial) -> float:
        trial.set_user_attr("host", socket.gethostname())
        trial.set_user_attr("pid", os.getpid())
        trial.set_user_attr("process", _process_mark(os.getpid()))
        run = _run_folder(folder, trial)

        def report(epoch: int, score: float) -> None:
            if math.isfinite(score):
                trial.report(score, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
            if time.monotonic() > deadline:
                raise KeyboardInterrupt

        try:
            return (objective or train_once)(apply_values(config, suggest(trial, space)), run, report)
        except KeyboardInterrupt:  # Ctrl-C, or the time is over: the trial is continued by the next call
            attributes = {"run": trial.user_attrs.get("run", trial.number)}
            study.enqueue_trial(trial.params, user_attrs=attributes)
            raise

    def after_trial(study: optuna.Study, trial: FrozenTrial) -> None:
        best = _best_number(study)
        for other in finished(study):
            if other.number != best:
                shutil.rmtree(_run_folder(folder, other), ignore_errors=True)
        write_best(study, config, folder / "best.json")
        if not is_address(storage):
            publish_journal(Path(storage), places)
        for mirror in places if (folder / "best.json").exists() else ():
            try:
                mirror.send_file(folder / "best.json")
            except (AmtError, OSError) as error:
                print(f"{mirror.name}: best.json was not copied ({error}); the local one is safe")
        bar.update(len(finished(study)) - bar.n)
        if len(finished(study)) >= trials:
            study.stop()

    done = len(finished(study))
    if done < trials:
        bar = tqdm(total=trials, initial=done, desc="search", unit="trial", disable=not quiet)
        try:
            study.optimize(run_trial, timeout=seconds, callbacks=[after_trial], catch=(FloatingPointError,))
        except KeyboardInterrupt:
            print("stopped; the trial under way goes on when the search is started again")
        finally:
            bar.close()
    return study


def train_once(config: Config, folder: Path, report: Callable[[int, float], None]) -> float:
    """Train one configuration, resuming in ``folder``; returns its best note F1 on the validation recordings.

    Raises:
        AmtError: nothing to validate on.
        KeyboardInterrupt: the training was asked to stop.
    """
    if not config.data.validation:
        raise AmtError("data.validation is empty: trials are compared by their note F1 on validation recordings")
    table = folder / "epochs.csv"
    for row in read_table(table):  # a continued trial has finished these epochs
        report(int(row["epoch"]), float(row["note_f1"]))

    def on_epoch(_trainer: Trainer, row: dict[str, Any]) -> None:
        report(row["epoch"], row["note_f1"])

    result = train(config, folder, resume=True, devices=1, on_epoch=on_epoch, progress=False)
    if not result["finished"]:
        raise KeyboardInterrupt
    return max(float(row["note_f1"]) for row in read_table(table))


def _run_folder(folder: Path, trial: Trial | FrozenTrial) -> Path:
    return folder / f"trial_{trial.user_attrs.get('run', trial.number):04d}"


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that were completed or pruned."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _best_number(study: optuna.Study) -> int | None:
    return study.best_trial.number if study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)) else None


def write_best(study: optuna.Study, config: Config, path: Path) -> Config | None:
    """The best trial's configuration as a file that ``train`` takes; None before the first trial is complete."""
    if _best_number(study) is None:
        return None
    best = apply_values(config, study.best_trial.params)
    save_config(best, path)
    return best
