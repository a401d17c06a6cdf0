"""Trains from a pack (see :mod:`amt_utils.training.pack`): fits the run to the machine, trains, keeps the results."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..checkpoints.checkpoint import load_checkpoint
from ..checkpoints.halved import halve_checkpoint, restore_checkpoint
from ..checkpoints.inventory import BEST, find_newest
from ..checkpoints.weights import save_weights
from ..config import Config, change_config, load_config
from ..models import build_model
from ..system.errors import AmtError
from .loading import shared_memory_bytes
from .losses import compute_losses, total_loss
from .optimizer import make_optimizer
from .pack import CHECKPOINT, START
from .run_log import describe_epoch
from .trainer import Trainer, train
from .windows import WindowDataset

BATCHES = (8, 16, 32, 64, 128)  # that are tried on a GPU
WORTH_DOUBLING = 1.15  # minimum speed-up for doubling the batch: small batches take more steps
REPORTS = (15, 30, 60)  # seconds of training after which its speed is printed, then every minute
VALIDATE_MINUTES = 4.0  # of training between validations


def main(pack: Path, arguments: list[str] | None = None) -> int:
    """``python train.py`` of a pack; 0, or 1 with one line where something is wrong."""
    args = _parser().parse_args(arguments)
    args.out = args.out.resolve()
    args.resume = args.resume.resolve() if args.resume else None
    os.chdir(pack)  # the configuration's paths are relative to it
    try:
        run(args)
    except AmtError as error:
        print(f"error: {error}", flush=True)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="train.py", description=__doc__)
    parser.add_argument("--minutes", type=float, default=8.0, help="wall time in all (default: 8)")
    parser.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help="folder for the results")
    parser.add_argument("--resume", type=Path, default=None, metavar="DIR", help="continue from an earlier --out")
    parser.add_argument("--workers", type=int, default=None, help="processes that render (default: one per core)")
    parser.add_argument("--batch", type=int, default=None, help="windows per step (default: what the GPU does best)")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.FIELD=VALUE", help="change a field")
    return parser


def run(args: argparse.Namespace) -> None:
    """Trains for ``args.minutes`` and leaves the results in ``args.out``, also when it is stopped early."""
    begun = time.monotonic()
    config = change_config(load_config("config.json"), args.set)
    cuda = torch.cuda.is_available()
    cores = len(os.sched_getaffinity(0))
    print(
        f"{torch.cuda.get_device_name() if cuda else 'no GPU'}, {cores} cores, Python {platform.python_version()}, "
        f"torch {torch.__version__}, {shared_memory_bytes() / 2**30:.1f} GiB of shared memory",
        flush=True,
    )
    if cuda:
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")

    folder = Path("run")
    shutil.rmtree(folder, ignore_errors=True)  # of an earlier call; its results are in its --out
    earlier = _restore(args.resume, folder)
    start = START if not earlier and Path(START).is_file() else None
    batch, rate = _choose_batch(config, args.batch, cuda)
    workers = max(1, cores - 1) if args.workers is None else args.workers
    config = config.replace(data={"workers": workers}, train={"batch_size": batch, "accumulate": 1})
    loading = workers * _loading_rate(config)
    expected = min(rate, loading) if rate else loading
    gpu = f", the GPU trains on {rate:.0f}" if rate else ""
    print(f"batch {batch}; {workers} workers render {loading:.0f} windows/s{gpu}", flush=True)

    seconds = args.minutes * 60 - (time.monotonic() - begun)
    config = _plan(config, args.set, earlier, seconds, expected / batch)
    reporter = Reporter(batch, config.data.window_seconds)

    def after_epoch(trainer: Trainer, row: dict[str, Any]) -> None:
        print(describe_epoch(row), flush=True)
        keep_results(trainer.folder, args.out)

    try:
        train(
            config,
            folder,
            resume=earlier > 0,
            start_from=start,
            max_seconds=seconds,
            devices=1,
            on_epoch=after_epoch,
            on_step=reporter,
            progress=False,
        )
    finally:
        keep_results(folder, args.out)
    print(f"kept in {args.out}: {', '.join(sorted(p.name for p in args.out.iterdir()))}", flush=True)


def _restore(resume: Path | None, folder: Path) -> int:
    """Restores the checkpoint to resume from in ``folder``; returns its step, 0 where there is none."""
    if resume:
        newest, _ = find_newest([resume])
        if not newest:
            raise AmtError(f"{resume}: holds no whole checkpoint to go on from")
        for name in ("steps.csv", "epochs.csv", BEST, Path(BEST).with_suffix(".json").name):
            if (resume / name).is_file():
                folder.mkdir(exist_ok=True)
                shutil.copyfile(resume / name, folder / name)
        source = newest.path
    elif Path(CHECKPOINT).is_file():
        source = Path(CHECKPOINT)
    else:
        return 0
    return int(load_checkpoint(restore_checkpoint(source, folder))[0]["step"])


def _choose_batch(config: Config, requested: int | None, cuda: bool) -> tuple[int, float | None]:
    """Windows per step, and windows per second of the GPU: the smallest batch that uses it well."""
    if not cuda:
        return requested or config.train.batch_size, None
    best, best_rate = 0, 0.0
    for batch in (requested,) if requested else BATCHES:
        try:
            rate = measure_steps(config, batch)
        except torch.cuda.OutOfMemoryError:
            if not best:
                raise AmtError(f"a batch of {batch} does not fit on the GPU; give a smaller --batch") from None
            break
        finally:
            torch.cuda.empty_cache()
        print(f"  batch {batch}: {rate:.0f} windows/s", flush=True)
        if best and rate < WORTH_DOUBLING * best_rate:
            break
        best, best_rate = batch, rate
    return best, best_rate


def measure_steps(config: Config, batch: int, *, steps: int = 4) -> float:
    """Windows per second of whole training steps on the GPU: features, forward, backward, optimizer."""
    trainer = Trainer(config.replace(train={"batch_size": batch}), "unused", devices=1, progress=False)
    model = build_model(config)
    model.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
    network, optimizer = trainer.fabric.setup(model, make_optimizer(model, config))
    item = WindowDataset(config.replace(data={"pianos": ()}))[0]  # on the synthetic piano: quick to load
    one = {name: value.to(trainer.fabric.device)[None].expand(batch, *value.shape) for name, value in item.items()}

    def step() -> None:
        loss = total_loss(compute_losses(network(one["audio"].contiguous()), one, config.loss), config.loss)
        trainer.fabric.backward(loss)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    for _ in range(2):
        step()
    torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(steps):
        step()
    torch.cuda.synchronize()
    return steps * batch / (time.perf_counter() - begun)


def _loading_rate(config: Config, *, n: int = 12) -> float:
    """Windows per second that one worker renders."""
    windows = WindowDataset(config)
    windows[0]
    begun = time.process_time()
    for index in range(1, n + 1):
        windows[index]
    return n / (time.process_time() - begun)


def _plan(config: Config, settings: list[str], earlier: int, seconds: float, steps_per_second: float) -> Config:
    """Steps of the session and of an epoch; the learning rate falls to its floor at the session's end."""
    given = {setting.partition("=")[0] for setting in settings}
    steps = max(1, int(0.85 * seconds * steps_per_second))  # the rest is for validation and start-up
    plan: dict[str, int] = {}
    if "train.steps_per_epoch" not in given:
        plan["steps_per_epoch"] = max(1, min(steps, round(VALIDATE_MINUTES * 60 * steps_per_second)))
    if "train.total_steps" not in given:
        plan["total_steps"] = earlier + steps
    if "train.warmup_steps" not in given:
        plan["warmup_steps"] = min(config.train.warmup_steps, max(1, steps // 10))
    if "train.checkpoint_every_steps" not in given:
        plan["checkpoint_every_steps"] = max(1, round(60 * steps_per_second))
    plan["epochs"] = 10**6  # limited by time
    print(f"planned: {steps} steps from step {earlier} on", flush=True)
    return config.replace(train=plan)


class Reporter:
    """Prints the speed: windows and audio per second, and the share of time that steps wait for windows."""

    def __init__(self, batch: int, window_seconds: float, *, clock: Callable[[], float] = time.monotonic):
        self.batch, self.window_seconds, self.clock = batch, window_seconds, clock
        self.begun: float | None = None
        self.steps, self.waited, self.reported = 0, 0.0, 0.0

    def __call__(self, trainer: Trainer, row: dict[str, float]) -> None:
        if self.begun is None:  # the first step starts workers and compiles kernels
            self.begun, self.waited = self.clock(), trainer.waited
            print(f"first step at {row['seconds']:.0f} s, loss {row['loss']:.3f}", flush=True)
            return
        self.steps += 1
        passed = self.clock() - self.begun
        due = next((t for t in REPORTS if t > self.reported), self.reported + 60)
        if passed < due:
            return
        self.reported = passed if passed >= REPORTS[-1] else float(due)
        windows = self.steps * self.batch / passed
        print(
            f"{passed:5.0f} s: step {row['step']}, loss {row['loss']:.3f}, {self.steps / passed:.2f} steps/s, "
            f"{windows:.1f} windows/s, {windows * self.window_seconds:.0f} s of audio per s, "
            f"{100 * (trainer.waited - self.waited) / passed:.0f} % of the time waiting for windows",
            flush=True,
        )


def keep_results(folder: Path, out: Path) -> None:
    """Copies what the next pack continues from, tables and curves into ``out``; each file well under 16 MiB."""
    newest, _ = find_newest([folder])
    if not newest:
        return
    out.mkdir(parents=True, exist_ok=True)
    halve_checkpoint(newest.path, out / CHECKPOINT)
    state, card = load_checkpoint(newest.path)
    save_weights(out / "newest.safetensors", state["ema"], card)
    for name in (BEST, Path(BEST).with_suffix(".json").name, "config.json", "steps.csv", "epochs.csv", "curves.png"):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, out / name)
