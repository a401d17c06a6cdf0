"""``python -m amt_utils eda``."""

from __future__ import annotations

import argparse

from ..data.maestro.catalogue import open_maestro
from ..figures.eda import analyse, balance_table, composers_table, summarise
from ..figures.eda_figures import save_report


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``eda`` to the command line."""
    parser.add_argument("data", nargs="?", help="folder or zip; default: where this machine has MAESTRO")
    parser.add_argument("--output", default="eda", help="folder for PNG figures and CSV tables (default: eda)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    maestro = open_maestro(args.data)
    eda = analyse(maestro)
    written = save_report(eda, args.output)
    print(summarise(maestro, eda))
    print(composers_table(eda).head(12).to_string(index=False, float_format="{:.2f}".format))
    print(balance_table(eda).to_string(float_format="{:.4g}".format))
    print(f"{len(written)} files in {args.output}")
    return 0
