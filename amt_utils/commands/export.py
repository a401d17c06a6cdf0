"""``python -m amt_utils export``."""

from __future__ import annotations

import argparse

from ..transcription.onnx import export_network


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``export`` to the command line."""
    parser.description = (
        "Writes the network of a weights file as ONNX. On machines without a GPU `transcribe` takes it "
        "when it lies beside the weights under the same name."
    )
    parser.add_argument("--weights", default=None, help="base (default), tiny (faster), or a file")
    parser.add_argument("--out", default=None, metavar="FILE", help="where to write (default: beside the weights)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """``python -m amt_utils export``."""
    from ..checkpoints.weights import weights_path

    path = export_network(weights_path(args.weights), args.out)
    print(f"{path} ({path.stat().st_size / 1e6:.2f} MB)")
    return 0
