"""What an hour of piano costs: processor time, memory and disk of the commands that do many files.

``python docs/measure_costs.py FOLDER --piano BANK --rooms DIR`` runs each command on the pairs of audio and MIDI in
FOLDER, in a process of its own with one thread, and prints the table of docs/scale.md. Processor time (user and
system) is counted, which other programs on the machine stretch far less than wall time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from amt_utils.data.library import find_recordings
from amt_utils.training.processes import describe_processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--piano", help="a folder with piano.json; the piano by formula unless given")
    parser.add_argument("--rooms", help="a folder of impulse responses")
    args = parser.parse_args()
    hours = sum(recording.seconds for recording in find_recordings(args.folder)) / 3600
    print(f"{describe_processor()}; {60 * hours:.1f} minutes of audio\n")
    print("| command | CPU hours | peak memory (MB) | written (MB) |\n|---|---|---|---|")
    pairs = str(args.folder)
    bank = [*(["--piano", args.piano] if args.piano else []), *(["--rooms", args.rooms] if args.rooms else [])]
    for command in (
        ["transcribe", pairs, "--weights", "base", "--device", "cpu", "--out", "OUT"],
        ["transcribe", pairs, "--weights", "tiny", "--device", "cpu", "--out", "OUT"],
        ["transcribe", pairs, "--weights", "tiny", "--device", "cpu", "--out", "OUT", "--score"],
        ["evaluate", "--pairs", pairs, "--json", "OUT/metrics.json"],
        ["render", pairs, "--out", "OUT", *bank],
        ["preprocess", pairs, "--output", "OUT", "--workers", "1"],
        ["preprocess", pairs, "--output", "OUT", "--workers", "1", "--features", "hcqt"],
    ):
        print(measure(command, hours), flush=True)


def measure(command: list[str], hours: float) -> str:
    """The row of one command, per hour of audio; ``OUT`` in it is an empty folder."""
    with tempfile.TemporaryDirectory(prefix="amt-costs-") as folder:
        words = [sys.executable, "-m", "amt_utils", *(word.replace("OUT", folder) for word in command)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        child = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        if status:
            sys.exit(f"{' '.join(command)} failed; run it alone to see why")
        written = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    seconds, memory = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024  # Linux counts in KiB
    name = " ".join(word for word in (command[0], *command[2:]) if "/" not in word and word not in ("--out", "OUT"))
    return f"| `{name}` | {seconds / 3600 / hours:.3f} | {memory:.0f} | {written / 1e6 / hours:.2g} |"


if __name__ == "__main__":
    main()
