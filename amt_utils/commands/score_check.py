"""``python -m amt_utils score-check``."""

from __future__ import annotations

import argparse
from typing import Any

from tqdm.auto import tqdm

from ..sheet_music.asap import Aligned, find_performances
from ..sheet_music.check import LEVELS, MEASURES, check_level
from ..sheet_music.check_asap import MEASURES as ASAP_MEASURES
from ..sheet_music.check_asap import SECONDS, check_record, excerpt, mean_measures, one_of_each
from ..sheet_music.record import make_record
from ..sheet_music.score import make_score
from ..sheet_music.tapped import Tapped
from ..system.errors import AmtError


def register(parser: argparse.ArgumentParser) -> None:
    """Adds the ``score-check`` subcommand."""
    parser.description = (
        "Counts how much of the sheet music is right: of pieces with a known score and made-up human timing, or, "
        "with --asap, of real performances of (n)ASAP (the first 75 seconds of one performance of each composition)."
    )
    parser.add_argument(
        "--level", choices=[*LEVELS, "every"], default="every", help="jitter and rubato (default: every)"
    )
    parser.add_argument("--given", action="store_true", help="give tempo, metre, key, pick-up; of ASAP, beats, bars")
    parser.add_argument("--seed", type=int, default=0, help="of the performances (default: 0)")
    parser.add_argument("--asap", metavar="FOLDER", help="a folder in (n)ASAP's shape")
    parser.add_argument(
        "--part", choices=["held-out", "all"], default="held-out",
        help="of ASAP's compositions: those no network learnt from, or all in the folder (default: held-out)",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints one table per level, or one of ASAP; returns 0."""
    if arguments.asap:
        return run_asap(arguments)
    for level in LEVELS if arguments.level == "every" else [arguments.level]:
        jitter, rubato = LEVELS[level]
        print(f"{level}: onset jitter {1000 * jitter:.0f} ms, rubato {100 * rubato:.0f} %")
        print(f"  {'':12}" + "".join(f"{m:>9}" for m in MEASURES))
        table = check_level(level, given=arguments.given, seed=arguments.seed)
        for kind in sorted(table, key=lambda kind: kind == "all"):
            print(f"  {kind:12}" + "".join(f"{100 * table[kind][m]:9.1f}" for m in MEASURES))
    return 0


def run_asap(arguments: argparse.Namespace) -> int:
    """Prints a row per performance and the means."""
    performances = find_performances(arguments.asap)
    if arguments.part == "held-out":
        performances = [own for own in performances if own.held_out]
    performances = one_of_each(performances)
    if not performances:
        raise AmtError(f"{arguments.asap}: none of its compositions is held out; --part all takes every one")
    width = max(len(own.name) for own in performances)
    print(" " * width + "".join(f"{m:>11}" for m in ASAP_MEASURES))
    rows = []
    for own in tqdm(performances, unit="piece"):
        rows.append(check_one(own, given=arguments.given))
        tqdm.write(f"{own.name:{width}}" + "".join(f"{100 * rows[-1][m]:11.1f}" for m in ASAP_MEASURES))
    means = mean_measures(rows)
    print(f"{f'mean of {len(rows)}':{width}}" + "".join(f"{100 * means[m]:11.1f}" for m in ASAP_MEASURES))
    return 0


def check_one(own: Aligned, *, given: bool = False) -> dict[str, float]:
    """A performance's measures; with ``given``, its beats and bars are not estimated."""
    performance = excerpt(own.performance)
    told: dict[str, Any] = {}
    if given:
        beats = own.annotations.until(SECONDS)
        told["beats"] = Tapped(beats.beats, beats.first)
    return check_record(make_record(make_score(performance, **told), performance), own)
