"""``python -m amt_utils preprocess``."""

from __future__ import annotations

import argparse

from ..config import Config
from ..data.preprocess import DTYPES, FEATURES, preprocess
from ..system.cluster import add_cluster_options


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``preprocess`` to the command line."""
    parser.add_argument("raw", nargs="?", help="MAESTRO's folder or a folder of pairs; default: this machine's MAESTRO")
    parser.add_argument("--output", help="default: processed_data in the working folder")
    parser.add_argument("--features", choices=FEATURES, default="none", help="also store features (default: none)")
    parser.add_argument("--dtype", choices=DTYPES, default="float16", help="of the stored features")
    parser.add_argument("--labels", choices=("grid", "soft"), help="the labels' default when they are read")
    parser.add_argument("--hop", type=int, help="samples from frame to frame at 16 kHz (default: 320, 20 ms)")
    parser.add_argument(
        "--trim", action=argparse.BooleanOptionalAction, default=None,
        help="cut the noise before the first note (default: in one's own recordings, not in MAESTRO)",
    )  # fmt: skip
    parser.add_argument("--keep-unequal", action="store_true", help="also take pairs of unequal length")
    parser.add_argument("--workers", type=int, help="recordings at the same time (default: processors)")
    parser.add_argument("--dry-run", action="store_true", help="only say how much disk it takes")
    add_cluster_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """``python -m amt_utils preprocess``."""
    from ..data.maestro.catalogue import open_maestro
    from ..system.paths import work_folder

    config = Config()
    if args.labels:
        config = config.replace(target={"mode": args.labels})
    if args.hop:
        config = config.replace(feature={"hop_length": args.hop})
    raw = args.raw or open_maestro(audio=True).root
    folder = args.output or work_folder() / "processed_data"
    preprocess(
        raw, folder, config=config, features=args.features, dtype=args.dtype, trim=args.trim, workers=args.workers,
        dry_run=args.dry_run, keep_unequal=args.keep_unequal, cluster=args.cluster, shard=args.shard,
    )  # fmt: skip
    print(f"{raw} -> {folder}")
    return 0
