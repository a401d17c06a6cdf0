"""Writes constraints.txt: the exact versions of the environment that this runs in, where the tests have passed.

``python tests/make_constraints.py`` follows requirements.txt to everything that it brings in. A version's local part
(``2.13.0+cpu``) is left out: it names a build, which an index may not have.
"""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

REPOSITORY = Path(__file__).resolve().parents[1]
CONSTRAINTS = REPOSITORY / "constraints.txt"


def read_requirements(path: Path) -> list[Requirement]:
    """The requirements in a file, one a line."""
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line]


def installed_closure(wanted: list[Requirement]) -> dict[str, str]:
    """Names and versions of what is installed of ``wanted`` and of all that those need here."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        extras = sorted(requirement.extras) or [""]
        fresh = [extra for extra in {"", *extras} if (name, extra) not in seen]
        seen |= {(name, extra) for extra in fresh}
        if not fresh:
            continue
        package = metadata.distribution(name)  # PackageNotFoundError: the tests cannot have passed here
        found[name] = Version(package.version).public
        for text in package.requires or []:
            needed = Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in fresh):
                wanted.append(needed)
    return found


def main() -> None:
    versions = installed_closure(read_requirements(REPOSITORY / "requirements.txt"))
    heading = f"# The tests passed with these, on {platform.system()} with Python {platform.python_version()}.\n"
    heading += "# pip install -c constraints.txt .      made by: python tests/make_constraints.py\n"
    lines = "".join(f"{name}=={version}\n" for name, version in sorted(versions.items()))
    CONSTRAINTS.write_text(heading + lines, encoding="utf-8")


if __name__ == "__main__":
    main()
