"""``python -m amt_utils train``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..config import change_config, config_names, load_config
from ..system.errors import AmtError


def parse_duration(text: str) -> float:
    """``DD:HH:MM:SS`` (or fewer parts from the right) -> seconds. Raises :class:`AmtError` otherwise."""
    try:
        parts = [float(p) for p in text.split(":")]
        if not 1 <= len(parts) <= 4 or min(parts) < 0:
            raise ValueError
    except ValueError:
        raise AmtError(f"--max-time {text!r}: expected DD:HH:MM:SS, e.g. 00:11:00:00 for eleven hours") from None
    return sum(p * unit for p, unit in zip(reversed(parts), (1, 60, 3600, 86400), strict=False))


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``train`` to the command line."""
    parser.description = (
        "Trains the network that a configuration file describes. Stops cleanly at --max-time or on Ctrl-C "
        "with a checkpoint; the same command with --resume continues from there, also on another machine."
    )
    parser.add_argument(
        "--config", required=True, help=f"a JSON file, or one that comes with the package: {', '.join(config_names())}"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.FIELD=VALUE", help="change a field, e.g. train.epochs=3"
    )
    parser.add_argument("--out", default=None, help="folder of the run (default: checkpoints/<config name>)")
    parser.add_argument("--max-time", default=None, metavar="DD:HH:MM:SS", help="wall time after which to stop")
    parser.add_argument("--resume", action="store_true", help="go on from the newest valid checkpoint in --out")
    parser.add_argument(
        "--mirror",
        action="append",
        default=[],
        metavar="PLACE",
        help="a folder (Drive, another disk) or kaggle:OWNER/SLUG that gets copies, and is searched with --resume",
    )
    parser.add_argument("--keep-unequal", action="store_true", help="also train on pairs of unequal length")
    parser.add_argument("--start-from", default=None, metavar="WEIGHTS", help="begin a new run with these weights")
    parser.add_argument("--devices", default="auto", help="how many GPUs or processes (default: auto)")
    parser.add_argument("--num-nodes", type=int, default=1, help="how many machines, under torchrun")
    parser.add_argument(
        "--gpu-memory",
        type=float,
        metavar="GB",
        help="fit the batch to a GPU with so much memory and keep the windows per step (default: asks the GPU)",
    )
    parser.add_argument("--accelerator", default="auto", help="cpu, gpu or auto")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """``python -m amt_utils train``."""
    from ..system.paths import checkpoints_folder
    from ..training.sizes import fit_to_memory, gpu_memory_gb
    from ..training.trainer import train

    config = change_config(load_config(args.config), args.set)
    if args.keep_unequal:
        config = config.replace(data={"keep_unequal": True})
    memory = gpu_memory_gb() if args.gpu_memory is None else args.gpu_memory
    if args.gpu_memory is not None and not 0 < args.gpu_memory < 10_000:
        raise AmtError(f"--gpu-memory {args.gpu_memory:g}: expected gigabytes, e.g. 8")
    if memory and args.accelerator != "cpu":
        config = fit_to_memory(config, memory)
        print(f"batches of {config.train.batch_size}, {config.train.accumulate} to a step, in {memory:.1f} GB")
    folder = Path(args.out) if args.out else checkpoints_folder() / Path(args.config).stem
    result = train(
        config,
        folder,
        resume=args.resume,
        start_from=args.start_from,
        max_seconds=parse_duration(args.max_time) if args.max_time else None,
        devices=int(args.devices) if str(args.devices).isdigit() else args.devices,
        num_nodes=args.num_nodes,
        accelerator=args.accelerator,
        mirrors=args.mirror,
    )
    state = "finished" if result["finished"] else "stopped in time; add --resume to go on"
    print(f"{folder}: step {result['step']}, {state}")
    return 0
