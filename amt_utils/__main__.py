"""The command line: ``python -m amt_utils SUBCOMMAND``; each subcommand is a module of :mod:`amt_utils.commands`."""

from __future__ import annotations

import argparse
import importlib
import io
import sys
from collections.abc import Sequence

from . import __version__
from .system.errors import AmtError

COMMANDS = {  # name: what it does, in one line; the module is commands/<name>.py
    "transcribe": "recordings to MIDI, and sheet music and piano roll if wanted",
    "demo": "transcribe the embedded recording and score the result",
    "evaluate": "transcribe a folder of recordings and score them against their MIDI",
    "train": "train a network; stops at a time limit and resumes where it stopped",
    "pack": "everything training needs in one folder, for a machine without internet access",
    "ablation": "train variants of a network for the same number of steps and compare them",
    "tune": "fit the decoding thresholds to validation recordings and write weights to ship",
    "export": "write a network as ONNX beside its weights, for faster transcription without a GPU",
    "grow": "initialise a larger network from a smaller trained one",
    "learn-dynamics": "train the velocity correction network, from MIDI alone",
    "learn-beats": "train the beat and notation network, from performances with known scores",
    "learn-pedals": "train a network's pedal head alone: from MIDI, then from audio",
    "adapt": "fine-tune weights to your own piano from minutes of your recordings",
    "page": "write an HTML file that transcribes in the browser, offline",
    "search": "search training hyper-parameters with Optuna",
    "download": "get MAESTRO, all of it or a part, as 16 kHz FLAC and MIDI",
    "tidy": "rename .midi to .mid (dry run first), check audio and MIDI pairs",
    "preprocess": "recordings and MIDI to 16 kHz FLAC, labels and features",
    "eda": "statistics and figures of MAESTRO or of any folder in its shape",
    "recordings": "make a data set of your own recordings and their MIDI",
    "align": "align a recording's MIDI in time with the recording",
    "sheet": "test notes to play on your own piano, as MIDI and score",
    "score": "performances as MIDI to sheet music: MusicXML, SVG, PDF",
    "score-check": "how much of the sheet music is right, on pieces with a known score",
    "render": "MIDI to audio on a sampled piano",
    "address": "write the repository's address into badges, set-up cells and documents",
    "benchmark": "speed of features, networks and transcription on this machine",
}


def build_parser(chosen: Sequence[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """The parser with every subcommand's name, and the arguments of the ``chosen`` ones.

    A subcommand's module is imported only when it is chosen, so that ``--help`` imports no heavy library.
    """
    parser = argparse.ArgumentParser(
        prog="python -m amt_utils",
        description="AMT Piano: piano recordings to notes, pedals, MIDI and sheet music; and the training behind it.",
        epilog="`python -m amt_utils SUBCOMMAND --help` explains each one.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(metavar="SUBCOMMAND", required=True)
    for name, line in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=line)
        if name in chosen:
            importlib.import_module(f".commands.{name.replace('-', '_')}", __package__).register(subparser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a subcommand; user errors become one line on standard error and exit code 1."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names may hold bytes that are not valid UTF-8
    try:
        args = build_parser(arguments[:1]).parse_args(arguments)
        return args.run(args)
    except AmtError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
