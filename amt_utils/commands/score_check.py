"""``python -m amt_utils score-check``."""

from __future__ import annotations

import argparse

from ..sheet_music.check import LEVELS, MEASURES, check_level


def register(parser: argparse.ArgumentParser) -> None:
    """Adds the ``score-check`` subcommand."""
    parser.description = "Plays pieces with a known score with human timing, writes them down and counts what is right."
    parser.add_argument(
        "--level", choices=[*LEVELS, "every"], default="every", help="jitter and rubato (default: every)"
    )
    parser.add_argument("--given", action="store_true", help="tell tempo, metre, key and pick-up instead of estimating")
    parser.add_argument("--seed", type=int, default=0, help="of the performances (default: 0)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints one table per level; returns 0."""
    for level in LEVELS if arguments.level == "every" else [arguments.level]:
        jitter, rubato = LEVELS[level]
        print(f"{level}: onset jitter {1000 * jitter:.0f} ms, rubato {100 * rubato:.0f} %")
        print(f"  {'':12}" + "".join(f"{m:>9}" for m in MEASURES))
        table = check_level(level, given=arguments.given, seed=arguments.seed)
        for kind in sorted(table, key=lambda kind: kind == "all"):
            print(f"  {kind:12}" + "".join(f"{100 * table[kind][m]:9.1f}" for m in MEASURES))
    return 0
