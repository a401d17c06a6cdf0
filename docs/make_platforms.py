"""Writes docs/platforms.md: on which Python and system everything in requirements.txt installs from wheels.

``python docs/make_platforms.py`` asks pip to resolve the requirements for each pair without installing anything; it
needs a package index and some minutes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SYSTEMS = {
    "Linux x86-64": [f"manylinux_2_{n}_x86_64" for n in (28, 27, 24, 17, 12, 5)] + ["manylinux2014_x86_64"],
    "Linux arm64": [f"manylinux_2_{n}_aarch64" for n in (28, 27, 24, 17)] + ["manylinux2014_aarch64"],
    "macOS arm64": [f"macosx_{n}_0_{kind}" for n in range(14, 10, -1) for kind in ("arm64", "universal2")],
    "macOS Intel": [f"macosx_{n}_{m}_{kind}" for n, m in ((14, 0), (13, 0), (12, 0), (11, 0), (10, 15), (10, 9))
                    for kind in ("x86_64", "universal2")],
    "Windows x86-64": ["win_amd64"],
}  # fmt: skip


def resolve(python: str, tags: list[str]) -> tuple[dict[str, str], str]:
    """The versions pip would install, or none and what is missing."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--report", f"{folder}/report.json"]
        command += ["--ignore-installed", "--only-binary", ":all:", "--target", folder, "--python-version", python]
        for tag in tags:
            command += ["--platform", tag]
        done = subprocess.run(
            [*command, "-r", str(REPOSITORY / "requirements.txt")], capture_output=True, text=True, check=False
        )
        if done.returncode:
            missing = re.findall(r"(?:distribution found for|satisfies the requirement) ([\w.-]+)", done.stderr)
            return {}, missing[-1] if missing else done.stderr.strip().splitlines()[-1][:100]
        report = json.loads(Path(folder, "report.json").read_text())
    return {item["metadata"]["name"].lower(): item["metadata"]["version"] for item in report["install"]}, ""


def main() -> None:
    rows, newest = [], {}
    for system, tags in SYSTEMS.items():
        cells = []
        for python in PYTHONS:
            versions, missing = resolve(python, tags)
            newest = newest or versions
            cells.append(f"no wheel of {missing}" if missing else f"yes (torch {versions['torch']})")
            print(f"{system}, Python {python}: {cells[-1]}", flush=True)
        rows.append(f"| {system} | " + " | ".join(cells) + " |")
    heading = ["| | " + " | ".join(f"Python {python}" for python in PYTHONS) + " |", "|---" * (len(PYTHONS) + 1) + "|"]
    page = PAGE.format(table="\n".join([*heading, *rows]))
    (REPOSITORY / "docs" / "platforms.md").write_text(page, encoding="utf-8")


PAGE = """# Pythons and systems

What installs from wheels alone, without a compiler, as `python docs/make_platforms.py` found it from the packages'
metadata. Tests run on Linux x86-64 with Python 3.11.

{table}

Macs with Intel processors are not served: PyTorch has made no wheels for them since 2.2. On Windows use Git Bash or
WSL for `colab_setup.sh`, or `pip install .` and `python -m amt_utils demo`.

`constraints.txt` holds the exact versions that the tests passed with: `pip install -c constraints.txt .`
"""

if __name__ == "__main__":
    main()
