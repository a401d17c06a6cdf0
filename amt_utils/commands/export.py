"""``python -m amt_utils export``."""

from __future__ import annotations

import argparse

from ..system.paths import package_folder


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``export`` to the command line."""
    parser.description = (
        "Writes networks as ONNX beside their weights, audio in and logits out, and the files' hashes into the "
        "weights' cards. On machines without a GPU `transcribe` takes them: it is quicker then and needs no PyTorch."
    )
    parser.add_argument(
        "--weights", nargs="+", metavar="NAME", help="base, tiny, dynamics, or files (default: all that are shipped)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """``python -m amt_utils export``."""
    from ..checkpoints.weights import weights_path
    from ..transcription.export import export_weights

    names = args.weights or sorted((package_folder() / "weights").glob("*.safetensors"))
    for path in (path for name in names for path in export_weights(weights_path(name))):
        print(f"{path} ({path.stat().st_size / 1e6:.2f} MB)")
    return 0
