"""``python -m tests.faults``: every kind of fault, and the table of docs/faults.md."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile

from . import OUTCOMES, find_kinds, run_kind


def main() -> int:
    """Runs the kinds; 0 when nothing was wrong, hung or ended in a traceback."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--only", metavar="TEXT", default="", help="kinds with this in their name")
    parser.add_argument("--few", action="store_true", help="as many tries as the test run makes")
    parser.add_argument("--tries", type=int, help="this many tries of each kind")
    parser.add_argument("--seed", type=int, default=0, help="other faults of the same kinds")
    parser.add_argument("--list", action="store_true", help="name the kinds and stop")
    args = parser.parse_args()
    os.environ["AMT_WORK"] = os.environ.get("AMT_WORK", tempfile.mkdtemp(prefix="amt-faults-"))
    kinds = [k for name, k in sorted(find_kinds().items()) if args.only.lower() in name.lower()]
    if args.list:
        print("\n".join(f"{k.name}: {k.full * k.each}" for k in kinds))
        return 0
    print(f"| kind | tries | {' | '.join(OUTCOMES)} | seconds |\n|---|---{'|---' * len(OUTCOMES)}|---|")
    problems = []
    for chosen in kinds:
        tries = args.tries or (chosen.few if args.few else chosen.full)
        stdout, sys.stdout = sys.stdout, sys.stderr  # what the package says while it is maltreated
        try:
            result = run_kind(chosen, tries, args.seed)
        finally:
            sys.stdout = stdout
        cells = " | ".join(str(result.outcomes[name]) for name in OUTCOMES)
        print(f"| {chosen.name} | {tries * chosen.each} | {cells} | {result.seconds:.0f} |", flush=True)
        problems += result.problems
    for problem in problems:
        print(problem, file=sys.stderr)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
