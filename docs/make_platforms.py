"""Writes docs/platforms.md: on which Python and system everything in requirements.txt installs from wheels.

``python docs/make_platforms.py`` resolves the requirements for each pair from the packages' metadata and installs
nothing. It needs ``uv`` (``pip install uv``), which, unlike pip, reads each package's conditions as the other system
would, and a package index; it takes a few minutes.
"""

from __future__ import annotations

import datetime
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "platforms.md"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SYSTEMS = {  # uv's names
    "Linux x86-64 (glibc 2.28)": "x86_64-manylinux_2_28",
    "Linux arm64 (glibc 2.28)": "aarch64-manylinux_2_28",
    "macOS 14 arm64": "aarch64-apple-darwin",
    "macOS 14 Intel": "x86_64-apple-darwin",
    "Windows x86-64": "x86_64-pc-windows-msvc",
}


def find_uv() -> str:
    """The program ``uv``, beside this Python or on the path."""
    found = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        sys.exit("uv is missing: pip install uv")
    return found


def resolve(uv: str, python: str, system: str) -> tuple[dict[str, str], str]:
    """The versions that would be installed, by name; or none, and the name of what has no wheel."""
    words = [uv, "pip", "compile", "--quiet", "--no-build", "--no-header", "--no-annotate", "--color", "never"]
    words += ["--python-version", python, "--python-platform", system, str(REPOSITORY / "requirements.txt")]
    environment = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0"}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        return {}, find_missing(done.stderr)
    return dict(re.findall(r"^([\w.-]+)==(\S+)", done.stdout, re.MULTILINE)), ""


def find_missing(text: str) -> str:
    """uv's explanation -> the package that it found no wheel of. Ends the program when it says something else."""
    found = re.findall(r"([\w.-]+)(?:[=<>!]=?\S+)? (?:has|have) no (?:\S+ )*wheels", " ".join(text.split()))
    if not found:
        sys.exit(f"uv failed for another reason than a missing wheel:\n{text}")
    return found[-1]


def make_rows(uv: str) -> list[str]:
    """The table's lines: a system each, a column for each Python."""
    rows = ["| | " + " | ".join(f"Python {python}" for python in PYTHONS) + " |", "|---" * (len(PYTHONS) + 1) + "|"]
    for name, system in SYSTEMS.items():
        cells = []
        for python in PYTHONS:
            versions, missing = resolve(uv, python, system)
            cells.append(f"no wheel of {missing}" if missing else f"yes (torch {versions['torch']})")
            print(f"{name}, Python {python}: {cells[-1]}", flush=True)
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return rows


def main() -> None:
    text = TEXT.format(table="\n".join(make_rows(find_uv())), day=datetime.date.today().isoformat())
    PAGE.write_text(text, encoding="utf-8")


TEXT = """# Pythons and systems

What installs from wheels alone, without a compiler, as the packages' metadata said on {day}. *Yes* means that every
package has a wheel there, not that the tests ran there: they run on Linux x86-64 with Python 3.11. Made by
`python docs/make_platforms.py`.

{table}

Macs with Intel processors are not served: PyTorch has made no wheels for them since version 2.2. On Windows,
`colab_setup.sh` needs Git Bash or WSL; `pip install .` and `amt-piano demo` need neither.

## The command from any folder

```bash
pip wheel --no-deps --wheel-dir dist .    # or python -m build --wheel: weights, example and configurations are inside
pip install dist/amt_piano-*.whl          # in any environment
cd anywhere && amt-piano demo             # every command, as `python -m amt_utils` has it
```

## The exact versions of the tests

`constraints.txt`, beside `requirements.txt`, names the version of each package that the tests passed with, those that
the requirements require among them:

```bash
pip install -c constraints.txt .
python tests/make_constraints.py     # writes it anew, from the environment that it runs in
```

It is for a fresh environment. On Colab and Kaggle use `colab_setup.sh`, which replaces nothing that is there.
"""

if __name__ == "__main__":
    main()
