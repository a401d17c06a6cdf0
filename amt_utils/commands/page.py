"""``python -m amt_utils page``."""

from __future__ import annotations

import argparse


def register(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``page``."""
    parser.description = (
        "Writes one HTML file that transcribes in the browser: drop or record a piano, see, hear, correct and save the "
        "result. It works offline, needs no installation, and no data leaves the machine."
    )
    parser.add_argument("--out", required=True, metavar="FILE.html", help="where to write")
    parser.add_argument("--weights", default="tiny", help="tiny (default), base (slower), or a file with its .onnx")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Writes the page and says how large it is."""
    from ..widget.transcriber_page import write_page  # anywidget and ONNX Runtime: not for --help

    path = write_page(args.out, weights=args.weights)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB; open it in a browser")
    return 0
