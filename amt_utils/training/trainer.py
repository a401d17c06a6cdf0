"""Training that loses nothing: every step is a function of the seed and its number.

The loop runs on Lightning Fabric (devices, precision, several GPUs or machines). Windows, dropout and learning rate
depend on the step number alone; the checkpoint adds weights, EMA, optimizer and history. A run that is killed and
resumed therefore repeats at most the steps since its last checkpoint, with the same losses.

A run's folder holds ``config.json``, the newest two checkpoints ``step_00001200.pt`` (with cards),
``best.safetensors`` (EMA, by decoded note F1 on the validation recordings), ``steps.csv``, ``epochs.csv`` and
``curves.png``.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch.utils.data import DataLoader, default_collate
from tqdm.auto import tqdm

from .. import __version__
from ..checkpoints.checkpoint import load_checkpoint, save_checkpoint
from ..checkpoints.inventory import find_newest, prune
from ..checkpoints.mirrors import Store
from ..checkpoints.weights import save_weights
from ..config import Config, save_config
from ..evaluation.validation import validate
from ..models import build_model, count_parameters
from ..system.errors import AmtError
from ..system.memory import keep_memory
from .losses import compute_losses, total_loss
from .optimizer import choose_precision, learning_rate, make_optimizer, update_average
from .run_log import RunLog, read_table
from .windows import ResumableSampler, WindowDataset

SAFETY_SECONDS = 20.0  # kept free before --max-time for the last checkpoint
ENOUGH_SHARED_MEMORY = 2**30  # bytes; containers often have 64 MB, in which workers cannot hand over their tensors


def train(
    config: Config,
    folder: str | os.PathLike,
    *,
    resume: bool = False,
    start_from: str | os.PathLike | None = None,
    max_seconds: float | None = None,
    devices: int | str = "auto",
    num_nodes: int = 1,
    accelerator: str = "auto",
    mirrors: Sequence[str | os.PathLike] = (),
    on_epoch: Callable[[Trainer, dict[str, Any]], None] | None = None,
    on_step: Callable[[Trainer, dict[str, Any]], None] | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Trains until the epochs or the time are used up; returns the last epoch's row, ``step`` and ``finished``.

    Args:
        config: everything that shapes the run; stored in its folder and in every checkpoint.
        folder: of the run.
        resume: go on from the newest valid checkpoint in ``folder`` (a fresh start where there is none).
        start_from: a checkpoint or weights file whose weights a fresh run begins with.
        max_seconds: wall time, from the call on.
        devices, num_nodes, accelerator: as Lightning Fabric's.
        mirrors: folders, or ``kaggle:OWNER/SLUG``, that get verified copies of the checkpoints in the background and
            are searched when resuming.
        on_epoch: called with (trainer, row) after each epoch, e.g. to draw in a notebook.
        on_step: called with (trainer, row) after each step.
        progress: show a bar.
    """
    first = int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) == 0
    store = Store(folder, mirrors if first else ())
    if resume and store.mirrors:
        store.newest()
    with store.mirroring():
        options: dict[str, Any] = {"devices": devices, "num_nodes": num_nodes, "accelerator": accelerator}
        trainer = Trainer(config, folder, progress=progress, **options)
        return trainer.run(
            resume=resume, start_from=start_from, max_seconds=max_seconds, on_epoch=on_epoch, on_step=on_step
        )


class Trainer:
    """One run's state. Most callers want :func:`train`."""

    def __init__(self, config: Config, folder, *, devices="auto", num_nodes=1, accelerator="auto", progress=True):
        self.started = time.monotonic()
        self.config, self.folder, self.progress = config, Path(folder), progress
        several = devices not in ("auto", 1, "1") or num_nodes > 1
        self.fabric = Fabric(
            accelerator=accelerator,
            devices=devices,
            num_nodes=num_nodes,
            strategy="ddp" if several else "auto",
            precision=choose_precision(config.train.precision, accelerator),
        )
        self.step = 0
        self.best = -1.0
        self.history: list[dict[str, Any]] = []
        self.log = RunLog(self.folder)
        self.stop_asked = False
        self.waited = 0.0  # seconds in which a step waited for its windows

    # -- set up ---------------------------------------------------------------------------------------------------

    def prepare(self, *, resume: bool, start_from=None) -> None:
        """Launches the processes, builds network, optimizer and data, and loads the state to go on from."""
        self.fabric.launch()
        train, rank = self.config.train, self.fabric.global_rank
        if self.fabric.device.type == "cpu":
            keep_memory()
        torch.manual_seed(train.seed)
        model = build_model(self.config)
        self.parameters = count_parameters(model)
        model.network.to(memory_format=torch.channels_last)
        optimizer = make_optimizer(model, self.config)
        # the first process decides for all: other machines need not see its folder
        state = self._find_state(resume) if rank == 0 else None
        state = self.fabric.broadcast(state) if self.fabric.world_size > 1 else state
        if state:
            model.load_state_dict(state["model"])
            try:
                optimizer.load_state_dict(state["optimizer"])
            except ValueError as error:
                raise AmtError(f"{self.folder}: its checkpoint holds another optimizer's state ({error})") from error
            self.step, self.best, self.history = state["step"], state["best"], json.loads(state["history"])
            self.fabric.strategy.precision.load_state_dict(state.get("precision", {}))
        elif start_from:
            model.load_state_dict(_read_weights(start_from))
        self.model, self.optimizer = self.fabric.setup(model, optimizer)
        averages = state["ema"] if state else self._plain().state_dict()
        self.ema = {k: v.detach().clone().to(self.fabric.device) for k, v in averages.items()}
        self.sampler = ResumableSampler(
            self.windows_per_step * train.steps_per_epoch, rank=rank, replicas=self.fabric.world_size
        )
        self.loader = DataLoader(
            WindowDataset(self.config),
            batch_size=train.batch_size,
            sampler=self.sampler,
            num_workers=self.config.data.workers,
            pin_memory=self.fabric.device.type == "cuda",
            worker_init_fn=_start_worker,
            collate_fn=None if shared_memory_bytes() > ENOUGH_SHARED_MEMORY else _collate_arrays,
            multiprocessing_context="fork" if self.config.data.workers else None,
        )
        if rank == 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_config(self.config, self.folder / "config.json")
            self.log.trim(self.step)

    def _find_state(self, resume: bool) -> dict[str, Any] | None:
        newest, skipped = find_newest([self.folder])
        for _path, reason in skipped:
            self.fabric.print(f"skipped: {reason}")
        if newest and not resume:
            raise AmtError(f"{self.folder}: holds a run already; add --resume to go on, or name another folder")
        if not newest:
            return None
        existing = newest.path
        state, card = load_checkpoint(existing)
        theirs, mine = Config.from_dict(card["config"], where=str(existing)), self.config
        for section in ("feature", "model", "target"):
            if getattr(theirs, section) != getattr(mine, section):
                raise AmtError(
                    f"{existing}: was trained with another {section} configuration "
                    f"({getattr(theirs, section)}, now {getattr(mine, section)}); start a new folder"
                )
        if theirs.train.optimizer != mine.train.optimizer:
            raise AmtError(
                f"{existing}: was trained with {theirs.train.optimizer}, now train.optimizer is "
                f"{mine.train.optimizer}; start a new folder with --start-from {existing}"
            )
        self.fabric.print(f"going on from {existing} at step {state['step']}")
        return state

    @property
    def windows_per_step(self) -> int:
        """Over all devices and accumulated batches: the effective batch."""
        train = self.config.train
        return train.batch_size * train.accumulate * self.fabric.world_size

    def _plain(self) -> torch.nn.Module:
        return getattr(self.model, "module", self.model)

    # -- the loop -------------------------------------------------------------------------------------------------

    def run(self, *, resume=False, start_from=None, max_seconds=None, on_epoch=None, on_step=None) -> dict[str, Any]:
        """Trains; see :func:`train`."""
        self.on_step = on_step
        self.prepare(resume=resume, start_from=start_from)
        deadline = self.started + max_seconds - SAFETY_SECONDS if max_seconds else math.inf
        earlier = _on_signals(lambda: setattr(self, "stop_asked", True))
        train = self.config.train
        row: dict[str, Any] = self.history[-1] if self.history else {}
        validated = row.get("step", 0)
        try:
            while True:
                # also first thing after a resume, when the run was killed between an epoch's end and its validation
                if self.step % train.steps_per_epoch == 0 and self.step != validated:
                    row, validated = self._end_epoch(), self.step
                    if on_epoch:
                        on_epoch(self, row)
                if self.step >= train.epochs * train.steps_per_epoch or not self._train_epoch(deadline):
                    break
            self.save()
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)
        finished = self.step >= train.epochs * train.steps_per_epoch
        return {**row, "step": self.step, "finished": finished}

    def _train_epoch(self, deadline: float) -> bool:
        """To the epoch's end (True), or to the deadline or a signal (False)."""
        train = self.config.train
        self.model.train()
        self.sampler.position = self.step * self.windows_per_step
        remaining = train.steps_per_epoch - self.step % train.steps_per_epoch
        bar = tqdm(
            total=train.steps_per_epoch,
            initial=train.steps_per_epoch - remaining,
            desc=f"epoch {self.step // train.steps_per_epoch + 1}/{train.epochs}",
            disable=not self.progress or self.fabric.global_rank > 0,
            mininterval=2.0,
        )
        batches = iter(self.loader)
        log, last = [], time.monotonic()
        for _ in range(remaining):
            terms = self._step(batches)
            log.append({"step": self.step, **terms, "seconds": round(time.monotonic() - last, 4)})
            last = time.monotonic()
            if self.on_step:
                self.on_step(self, log[-1])
            bar.update()
            bar.set_postfix(loss=f"{terms['loss']:.3f}")
            stop = self._all_agree_to_stop(deadline)
            if self.step % train.checkpoint_every_steps == 0 or stop or self.step % train.steps_per_epoch == 0:
                log = self._save_if_possible(log)
            if stop:
                break
        bar.close()
        return self.step % train.steps_per_epoch == 0

    def _step(self, batches) -> dict[str, float]:
        train, fabric = self.config.train, self.fabric
        torch.manual_seed(train.seed * 1_000_003 + self.step)  # dropout: a function of the step
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, self.step)
        sums: dict[str, torch.Tensor] = {}
        for part in range(train.accumulate):
            asked = time.monotonic()
            batch = {k: torch.as_tensor(v).to(fabric.device, non_blocking=True) for k, v in next(batches).items()}
            self.waited += time.monotonic() - asked
            with fabric.no_backward_sync(self.model, enabled=part + 1 < train.accumulate):
                terms = compute_losses(self.model(batch["audio"]), batch, self.config.loss)
                loss = total_loss(terms, self.config.loss)
                fabric.backward(loss / train.accumulate)
            for name, value in {"loss": loss, **terms}.items():
                sums[name] = sums.get(name, 0) + value.detach() / train.accumulate
        # a step with a non-finite loss or gradient is left out: one bad batch must not end a run. In fp16 the loss
        # scaler leaves it out itself, and must be asked to, or it would never lower its scale.
        norm = fabric.clip_gradients(self.model, self.optimizer, max_norm=train.clip_norm, error_if_nonfinite=False)
        if torch.isfinite(norm) or getattr(fabric.strategy.precision, "scaler", None) is not None:
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        update_average(self.ema, self._plain(), self.step, train.ema_decay)
        sums = fabric.all_reduce(sums, reduce_op="mean")
        return {name: round(float(value), 6) for name, value in sums.items()}

    def _all_agree_to_stop(self, deadline: float) -> bool:
        mine = torch.tensor(float(self.stop_asked or time.monotonic() > deadline), device=self.fabric.device)
        return bool(self.fabric.all_reduce(mine, reduce_op="sum") > 0) if self.fabric.world_size > 1 else bool(mine)

    # -- the end of an epoch --------------------------------------------------------------------------------------

    def _end_epoch(self) -> dict[str, Any]:
        """Validates the EMA weights, ranks, writes weights, tables and curves."""
        if self.fabric.global_rank == 0:
            scores, decode = validate(self.averaged_model(), self.config)
            config = self.config.replace(decode=decode) if decode else self.config
            recent = [float(r["loss"]) for r in read_table(self.log.steps)[-self.config.train.steps_per_epoch :]]
            row = {
                "epoch": self.step // self.config.train.steps_per_epoch,
                "step": self.step,
                "seconds": round(time.monotonic() - self.started, 1),
                "loss": sum(recent) / max(1, len(recent)),
                **scores,
            }
            self.history.append(row)
            if row.get("note_f1", 0.0) > self.best:
                self.best = row.get("note_f1", 0.0)
                save_weights(self.folder / "best.safetensors", self.ema, self.card(config))
            self.log.write_epochs(self.history)
            self.save()
            shown = {k: round(v, 4) for k, v in row.items() if k in ("epoch", "loss", "note_f1", "note_offset_f1")}
            self.fabric.print(" ".join(f"{k} {v}" for k, v in shown.items()))
        self.fabric.barrier()
        return self.history[-1] if self.history else {}

    def averaged_model(self) -> torch.nn.Module:
        """A copy of the network with the EMA weights, in eval mode."""
        model = build_model(self.config).to(self.fabric.device)
        model.load_state_dict(self.ema)
        return model.eval()

    def card(self, config: Config | None = None) -> dict[str, Any]:
        """What a checkpoint says of itself."""
        return {
            "version": __version__,
            "commit": _read_commit(),
            "step": self.step,
            "parameters": self.parameters,
            "audio_hours": round(
                self.step * self.windows_per_step * self.config.data.window_seconds / 3600, 3
            ),
            "scores": self.history[-1] if self.history else {},
            "config": (config or self.config).to_dict(),
        }

    def save(self) -> None:
        """``step_00001200.pt`` and its card; the one before is kept, and older ones go once this one is safe."""
        if self.fabric.global_rank != 0:
            return
        state = {
            "model": self._plain().state_dict(),
            "ema": self.ema,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "best": self.best,
            "history": json.dumps(self.history),
            "precision": self.fabric.strategy.precision.state_dict(),
        }
        save_checkpoint(self.folder / f"step_{self.step:08d}.pt", state, self.card())
        prune(self.folder, keep=2)

    def _save_if_possible(self, log: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Log and checkpoint; a full disk is named and tried again next time. Returns the rows not yet written."""
        try:
            if self.fabric.global_rank == 0:
                self.log.append(log)
            log = []
            self.save()
        except (AmtError, OSError) as error:
            self.fabric.print(f"step {self.step} is not saved, training goes on: {error}")
        return log


def _read_weights(path) -> dict[str, torch.Tensor]:
    from ..checkpoints.weights import load_weights

    return load_weights(path)[0].state_dict()


def shared_memory_bytes() -> int:
    """Free bytes where processes share tensors; plenty on systems that do not use ``/dev/shm``."""
    return shutil.disk_usage("/dev/shm").free if Path("/dev/shm").is_dir() else 2**62


def _collate_arrays(items: list[dict[str, torch.Tensor]]) -> dict[str, np.ndarray]:
    """A batch that goes through a pipe: slower than shared memory, but it needs none."""
    return {name: value.numpy() for name, value in default_collate(items).items()}


def _start_worker(_worker: int) -> None:
    torch.set_num_threads(1)
    for number in (signal.SIGINT, signal.SIGTERM):  # the trainer decides when to stop, not the keyboard's group signal
        signal.signal(number, signal.SIG_IGN)


def _on_signals(action) -> dict[int, Any]:
    """SIGTERM and SIGINT ask for a clean stop; returns the handlers they had."""
    try:
        return {s: signal.signal(s, lambda *_: action()) for s in (signal.SIGTERM, signal.SIGINT)}
    except ValueError:  # not in the main thread
        return {}


def _read_commit() -> str | None:
    import subprocess

    from ..system.paths import repository_folder

    try:
        command = ["git", "-C", str(repository_folder()), "rev-parse", "--short", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
