"""``python -m amt_utils address OWNER/NAME``: writes the repository's GitHub address everywhere it is needed.

``pyproject.toml`` (``project.urls``) holds the address. Badges, set-up cells, documentation and package data repeat it,
since notebooks and READMEs cannot look it up. This command rewrites all of them; a test checks that they agree.
"""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from ..system.errors import AmtError
from ..system.files import written_whole
from ..system.paths import repository_folder

SUFFIXES = {".cfg", ".html", ".ipynb", ".json", ".md", ".py", ".sh", ".toml", ".yaml", ".yml"}
LEFT_OUT = {".git", ".venv", "build", "data", "node_modules", "runs", "site"}
NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``address`` to the command line."""
    parser.description = (
        "Without an argument, prints the repository's address. With OWNER/NAME, writes https://github.com/OWNER/NAME "
        "into every badge, set-up cell and document of this checkout."
    )
    parser.add_argument("name", nargs="?", metavar="OWNER/NAME", help="of the repository on GitHub")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints or writes the address; returns 0."""
    folder = repository_folder()
    old = read_address(folder)
    if args.name is None:
        print(f"https://github.com/{old}")
        return 0
    for path, count in write_address(folder, args.name):
        print(f"{path.relative_to(folder)}: {count}")
    print(f"https://github.com/{read_address(folder)}")
    return 0


def read_address(folder: Path) -> str:
    """``OWNER/NAME`` as ``pyproject.toml`` has it. Raises :class:`AmtError` outside a checkout."""
    try:
        url = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise AmtError(f"{folder}/pyproject.toml: no project.urls.Repository; run this in a checkout") from error
    return url.removeprefix("https://github.com/").strip("/")


def find_addresses(folder: Path, name: str) -> Iterator[tuple[Path, int]]:
    """The text files of ``folder`` that hold ``name`` as a GitHub address, and how often."""
    pattern = _pattern(name)
    for path in sorted(folder.rglob("*")):
        hidden = LEFT_OUT.intersection(path.relative_to(folder).parts[:-1])
        if path.suffix in SUFFIXES and not hidden and path.is_file():
            count = len(pattern.findall(path.read_text(encoding="utf-8")))
            if count:
                yield path, count


def write_address(folder: Path, name: str) -> list[tuple[Path, int]]:
    """Replaces the address in every file; ``pyproject.toml`` last, so that a run that was stopped can be repeated."""
    name = name.removeprefix("https://github.com/").removesuffix(".git").strip("/")
    if not NAME.fullmatch(name):
        raise AmtError(f"{name!r}: expected OWNER/NAME, as in https://github.com/OWNER/NAME")
    old = read_address(folder)
    found = sorted(find_addresses(folder, old), key=lambda entry: entry[0].name == "pyproject.toml")
    for path, _ in found:
        text = _pattern(old).sub(lambda match: match[1] + name, path.read_text(encoding="utf-8"))
        with written_whole(path) as partial:
            partial.write_text(text, encoding="utf-8", newline="")
            partial.chmod(path.stat().st_mode)
    return found


def _pattern(name: str) -> re.Pattern[str]:
    """``github.com/NAME`` and Colab's ``google.com/github/NAME``, not the beginning of a longer name."""
    return re.compile(rf"((?:github\.com|google\.com/github)/){re.escape(name)}(?![\w-])")
