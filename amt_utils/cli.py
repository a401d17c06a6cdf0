"""The command line: ``python -m amt_utils SUBCOMMAND``. Each subject's module registers its own subcommands."""

from __future__ import annotations

import argparse
import importlib
import sys

from . import __version__
from .errors import AmtError

MODULES = (
    "transcribe_command",
    "demo",
    "evaluate_command",
    "train_command",
    "ablation",
    "validate",
    "exported",
    "growing",
    "learn_dynamics",
    "learn_pedals",
    "search.command",
    "maestro.download",
    "maestro.tidy",
    "preprocess_command",
    "figures.eda_figures",
    "recordings",
    "own_piano.align",
    "own_piano.session_sheet",
    "score.check",
    "render_command",
    "benchmark",
)


def build_parser() -> argparse.ArgumentParser:
    """The parser with every module's subcommands."""
    parser = argparse.ArgumentParser(
        prog="python -m amt_utils",
        description="AMT Piano: piano recordings to notes, pedals, MIDI and sheet music; and the training behind it.",
        epilog="`python -m amt_utils SUBCOMMAND --help` explains each one.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(metavar="SUBCOMMAND", required=True)
    for name in MODULES:
        importlib.import_module(f".{name}", __package__).register(subparsers)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs a subcommand; user errors become one line on standard error and exit code 1."""
    args = build_parser().parse_args(arguments)
    try:
        return args.run(args)
    except AmtError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
