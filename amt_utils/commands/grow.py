"""``python -m amt_utils grow``."""

from __future__ import annotations

import argparse

from ..checkpoints.weights import load_weights, save_weights, weights_path, weights_to_write
from ..config import change_config
from ..models import build_model, count_parameters
from ..system.errors import AmtError
from ..training.grow import grow


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``grow`` to the command line."""
    parser.description = (
        "Writes weights of a larger residual_hcqt_hppnet with the same outputs as the smaller one. "
        "`train --start-from FILE` continues from them, with a configuration of the same size."
    )
    parser.add_argument("--weights", default=None, help="the smaller one: a shipped name or a file")
    parser.add_argument("--size", required=True, help="of the larger one: tiny, base, large")
    parser.add_argument(
        "--harmonics",
        default=None,
        metavar="LIST",
        help="of the larger one's harmonic convolution, e.g. 1,2,3,4,5,7: those of the smaller one, then others",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.FIELD=VALUE",
        help="change another field, e.g. model.intervals=36, feature.subframes=2 or model.key_blocks=2",
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="a .safetensors file to write")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """``python -m amt_utils grow``."""
    path, out = weights_path(args.weights), weights_to_write(args.out)
    model, small, card = load_weights(path)
    large = small.replace(model={"size": args.size})
    if args.harmonics:
        large = large.replace(model={"hdconv_harmonics": _read_harmonics(args.harmonics)})
    large = change_config(large, args.set)
    grown = grow(model.state_dict(), small, large)
    parameters = count_parameters(build_model(large))
    hours = card.get("audio_hours_in_all", card.get("audio_hours", 0.0))
    history = {"started_from": path.name, "audio_hours_in_all": hours, "version": card.get("version")}
    save_weights(out, grown, {**history, "parameters": parameters, "config": large.to_dict()})
    print(f"{out}: {parameters:,} parameters, from {path.name}; python -m amt_utils train --start-from {out} …")
    return 0


def _read_harmonics(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.strip().isdigit() and int(part) for part in parts):
        raise AmtError(f"--harmonics {text!r}: expected whole numbers with commas between, e.g. 1,2,3,4,5,7")
    return tuple(int(part) for part in parts)
