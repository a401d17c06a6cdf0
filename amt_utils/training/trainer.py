"""Resumable training: every step is a function of the seed and its number.

The loop runs on Lightning Fabric (devices, precision, several GPUs or machines). Windows, dropout and learning rate
depend on the step number alone; the checkpoint adds weights, EMA, optimizer and history. A run that is killed and
resumed therefore repeats at most the steps since its last checkpoint, with the same losses.

A run's folder holds ``config.json``, the newest two checkpoints ``step_00001200.pt`` (with cards),
``best.safetensors`` (EMA, by decoded note F1 on the validation recordings), ``steps.csv``, ``epochs.csv`` and
``curves.png``.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from lightning.fabric import Fabric
from lightning.fabric.utilities.rank_zero import rank_zero_module
from tqdm.auto import tqdm

from .. import __version__
from ..checkpoints.checkpoint import save_checkpoint
from ..checkpoints.inventory import BEST, find_newest, prune
from ..checkpoints.mirrors import Store
from ..checkpoints.weights import save_weights
from ..config import Config, save_config
from ..evaluation.validation import validate
from ..models import Transcriptor, build_model, count_parameters
from ..system.errors import AmtError
from ..system.files import clear_leftovers
from ..system.lock import hold_folder
from ..system.memory import keep_memory
from ..system.paths import repository_folder
from .ending import Ending, Writer
from .loading import make_batches
from .losses import compute_losses, total_loss
from .optimizer import choose_precision, learning_rate, make_optimizer, update_average
from .resuming import find_state, load_initial_weights, load_state
from .run_log import RunLog, describe_epoch, read_table
from .windows import ResumableSampler

OnEpoch = Callable[["Trainer", dict[str, Any]], None]


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
    on_epoch: OnEpoch | None = None,
    on_step: OnEpoch | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Trains until the epochs or the time are over; returns the last epoch's row, ``step`` and ``finished``.

    Args:
        config: everything that shapes the run; stored in its folder and in every checkpoint.
        folder: of the run.
        resume: continue from the newest valid checkpoint in ``folder`` (a new run where there is none).
        start_from: a checkpoint or weights file with the initial weights of a new run.
        max_seconds: wall time, from the call on.
        devices, num_nodes, accelerator: as Lightning Fabric's.
        mirrors: folders, or ``kaggle:OWNER/SLUG``, that get verified copies of the checkpoints in the background and
            are searched when resuming.
        on_epoch: called with (trainer, row) after each epoch, e.g. to draw in a notebook.
        on_step: called with (trainer, row) after each step.
        progress: show a bar, and print a line after each epoch.

    Raises:
        AmtError: the configuration cannot be trained, another process trains in ``folder``, or the last checkpoint
            could not be written (the message names the step from which the run can resume).
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

    def __init__(
        self,
        config: Config,
        folder: str | os.PathLike,
        *,
        devices: int | str = "auto",
        num_nodes: int = 1,
        accelerator: str = "auto",
        progress: bool = True,
    ):
        self.started = time.monotonic()
        self.config, self.folder, self.progress = config, Path(folder), progress
        several = devices not in ("auto", 1, "1") or num_nodes > 1
        rank_zero_module.log.setLevel(logging.WARNING)  # Fabric would tell the precision
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
        self.pending: list[dict[str, Any]] = []  # rows of steps that are not in steps.csv yet
        self.ending = Ending()
        self.writer = Writer(self.ending, self.fabric.print)
        self.on_step: OnEpoch | None = None
        self.waited = 0.0  # seconds that steps waited for windows

    # -- set up ---------------------------------------------------------------------------------------------------

    def prepare(self, *, resume: bool, start_from: str | os.PathLike | None = None) -> None:
        """Launches the processes, builds network, optimizer and data, and loads the state to resume from."""
        self.fabric.launch()
        train, rank = self.config.train, self.fabric.global_rank
        if self.fabric.device.type == "cpu":
            keep_memory()
        torch.manual_seed(train.seed)
        model = build_model(self.config)
        self.parameters = count_parameters(model)
        model.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
        optimizer = make_optimizer(model, self.config)
        # the first process decides for all: other machines may not see its folder
        state = find_state(self.folder, self.config, resume=resume, show=self.fabric.print) if rank == 0 else None
        state = self.fabric.broadcast(state) if self.fabric.world_size > 1 else state
        if state:
            load_state(state, model, optimizer, self.fabric.strategy.precision, folder=self.folder)
            self.step, self.best, self.history = state["step"], state["best"], json.loads(state["history"])
        elif start_from:
            load_initial_weights(model, start_from)
        self.model, self.optimizer = self.fabric.setup(model, optimizer)
        averages = state["ema"] if state else self._plain().state_dict()
        self.ema = {k: v.detach().clone().to(self.fabric.device) for k, v in averages.items()}
        self.sampler = ResumableSampler(
            self.windows_per_step * train.steps_per_epoch, rank=rank, replicas=self.fabric.world_size
        )
        self.loader = make_batches(self.config, self.sampler, pin_memory=self.fabric.device.type == "cuda")
        if rank == 0:
            save_config(self.config, self.folder / "config.json")
            self.log.trim(self.step)

    @property
    def windows_per_step(self) -> int:
        """Over all devices and accumulated batches: the effective batch."""
        train = self.config.train
        return train.batch_size * train.accumulate * self.fabric.world_size

    def _plain(self) -> torch.nn.Module:
        return getattr(self.model, "module", self.model)

    # -- the loop -------------------------------------------------------------------------------------------------

    def run(
        self,
        *,
        resume: bool = False,
        start_from: str | os.PathLike | None = None,
        max_seconds: float | None = None,
        on_epoch: OnEpoch | None = None,
        on_step: OnEpoch | None = None,
    ) -> dict[str, Any]:
        """Trains; see :func:`train`."""
        self.on_step = on_step
        with self._alone_in_folder():
            self.prepare(resume=resume, start_from=start_from)
            self.ending.set_deadline(self.started, max_seconds)
            with self.ending.on_signals():
                row = self._train_epochs(on_epoch)
        finished = self.step >= self.config.train.epochs * self.config.train.steps_per_epoch
        return {**row, "step": self.step, "finished": finished}

    @contextlib.contextmanager
    def _alone_in_folder(self) -> Iterator[None]:
        """Holds the folder against other runs; done by the run's first process, before it starts the others."""
        if int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", 0))) != 0:
            yield
            return
        with hold_folder(self.folder, doing="trains"):
            clear_leftovers(self.folder)
            yield

    def _train_epochs(self, on_epoch: OnEpoch | None) -> dict[str, Any]:
        """To the end, the deadline or a signal; returns the last epoch's row."""
        train = self.config.train
        row: dict[str, Any] = self.history[-1] if self.history else {}
        validated = row.get("step", 0)
        while True:
            # also right after resuming, when the run was killed before the epoch's validation
            if self.step % train.steps_per_epoch == 0 and self.step != validated:
                row, validated = self._end_epoch(), self.step
                if on_epoch:
                    on_epoch(self, row)
            if self.step >= train.epochs * train.steps_per_epoch or not self._train_epoch():
                break
        if not self.writer.write_patiently(self._save_all, f"step {self.step}", last=True):
            saved = find_newest([self.folder])[0]
            left = f"--resume goes on from step {saved.step}" if saved else "nothing of this run is saved"
            raise AmtError(f"{self.folder}: steps up to {self.step} could not be saved; {left}. Free some disk space")
        return row

    def _train_epoch(self) -> bool:
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
        last = time.monotonic()
        for _ in range(remaining):
            terms = self._step(batches)
            self.pending.append({"step": self.step, **terms, "seconds": round(time.monotonic() - last, 4)})
            last = time.monotonic()
            if self.on_step:
                self.on_step(self, self.pending[-1])
            bar.update()
            bar.set_postfix(loss=f"{terms['loss']:.3f}")
            stop = self._all_agree_to_stop()
            if self.step % train.checkpoint_every_steps == 0 or stop or self.step % train.steps_per_epoch == 0:
                self.writer.write(self._save_all, f"step {self.step}", "training goes on")
            if stop:
                break
        bar.close()
        return self.step % train.steps_per_epoch == 0

    def _step(self, batches: Iterator[dict[str, torch.Tensor]]) -> dict[str, float]:
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
        # a step with a non-finite loss or gradient is skipped. In fp16 the loss scaler skips it itself, and its step
        # must be called, or it would never lower its scale.
        norm = fabric.clip_gradients(self.model, self.optimizer, max_norm=train.clip_norm, error_if_nonfinite=False)
        if norm is None or torch.isfinite(norm) or getattr(fabric.strategy.precision, "scaler", None) is not None:
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        update_average(self.ema, self._plain(), self.step, train.ema_decay)
        means = cast(dict[str, torch.Tensor], fabric.all_reduce(sums, reduce_op="mean"))
        return {name: round(float(value), 6) for name, value in means.items()}

    def _all_agree_to_stop(self) -> bool:
        mine = self.ending.has_come
        if self.fabric.world_size == 1:
            return mine
        votes = self.fabric.all_reduce(torch.tensor(float(mine), device=self.fabric.device), reduce_op="sum")
        return bool(cast(torch.Tensor, votes) > 0)

    # -- the end of an epoch --------------------------------------------------------------------------------------

    def _end_epoch(self) -> dict[str, Any]:
        """Validates the EMA weights, ranks, writes weights, tables and curves."""
        if self.fabric.global_rank == 0:
            scores, decode = validate(self.averaged_model(), self.config)
            config = self.config.replace(decode=decode) if decode else self.config
            rows = [*read_table(self.log.steps), *self.pending]
            recent = [float(r["loss"]) for r in rows[-self.config.train.steps_per_epoch :]]
            row = {
                "epoch": self.step // self.config.train.steps_per_epoch,
                "step": self.step,
                "seconds": round(time.monotonic() - self.started, 1),
                "loss": sum(recent) / max(1, len(recent)),
                **scores,
            }
            self.history.append(row)
            epoch, metric = row["epoch"], row.get("note_f1", 0.0)
            write = self.writer.write_patiently
            if metric > self.best and write(lambda: self._save_best(config), f"{BEST} of epoch {epoch}"):
                self.best = metric
            write(lambda: self.log.write_epochs(self.history), f"the tables of epoch {epoch}")
            write(self._save_all, f"step {self.step}")
            if self.progress:
                self.fabric.print(describe_epoch(row))
        self.fabric.barrier()
        return self.history[-1] if self.history else {}

    def averaged_model(self) -> Transcriptor:
        """A copy of the network with the EMA weights, in eval mode."""
        model = build_model(self.config).to(self.fabric.device)
        model.load_state_dict(self.ema)
        return model.eval()

    def card(self, config: Config | None = None) -> dict[str, Any]:
        """A checkpoint's card."""
        return {
            "version": __version__,
            "commit": _read_commit(),
            "step": self.step,
            "parameters": self.parameters,
            "audio_hours": round(self.step * self.windows_per_step * self.config.data.window_seconds / 3600, 3),
            "scores": self.history[-1] if self.history else {},
            "config": (config or self.config).to_dict(),
        }

    def save(self) -> None:
        """``step_00001200.pt`` and its card; the previous one is kept, older ones are deleted after."""
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

    def _save_best(self, config: Config) -> None:
        save_weights(self.folder / BEST, self.ema, self.card(config))

    def _save_all(self) -> None:
        """Saves the new rows of steps, and a checkpoint."""
        if self.fabric.global_rank == 0:
            self.log.append(self.pending)
        self.pending = []
        self.save()


def _read_commit() -> str | None:
    try:
        command = ["git", "-C", str(repository_folder()), "rev-parse", "--short", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
