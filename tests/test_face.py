"""``import amt_utils as amt``: quick, typed, documented, and every name is there."""

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import amt_utils as amt
from amt_utils.__main__ import main
from amt_utils.commands import address
from amt_utils.system.errors import AmtError

REPOSITORY = Path(__file__).resolve().parents[1]


def test_every_name_resolves_and_says_what_it_does():
    for face in (amt, amt.figures):
        for name in face.__all__:
            assert getattr(face, name).__doc__, name
    with pytest.raises(AttributeError):
        amt.nothing  # noqa: B018


def test_importing_the_package_loads_no_library():
    heavy = ["torch", "numpy", "librosa", "matplotlib", "pandas", "lightning", "optuna", "partitura"]
    code = f"import amt_utils, sys; print([name for name in {heavy} if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "EAGER_IMPORT": ""}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_documentation_has_every_name():
    page = (REPOSITORY / "docs" / "face.md").read_text(encoding="utf-8")
    listed = {line.split("amt_utils.")[-1].strip() for line in page.splitlines() if "amt_utils." in line}
    assert {name for name in amt.__all__ if name != "figures"} <= {entry.split(".")[-1] for entry in listed}
    stub = ast.parse((REPOSITORY / "amt_utils" / "__init__.pyi").read_text())
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom) and node.module]
    homes = {f"{node.module}.{alias.name}" for node in imports for alias in node.names}
    assert homes <= listed  # under the address where it lives, so that the page shows the right object


# ---- where the project lies


def test_every_address_is_the_one_in_pyproject():
    name = address.read_address(REPOSITORY)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert project["urls"]["Repository"] == f"https://github.com/{name}"
    stem = name.split("/")[1]
    others = []
    for path in REPOSITORY.rglob("*"):
        hidden = address.LEFT_OUT.intersection(path.relative_to(REPOSITORY).parts[:-1])
        if path.suffix not in address.SUFFIXES or hidden or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8")
        for start in ("github.com/", "google.com/github/"):
            for part in text.split(start)[1:]:
                owner, _, rest = part.partition("/")
                if rest.startswith(stem) and f"{owner}/{stem}" != name:
                    others.append(f"{path.relative_to(REPOSITORY)}: {owner}/{stem}")
    assert not others
    written = {path.relative_to(REPOSITORY).as_posix() for path, _ in address.find_addresses(REPOSITORY, name)}
    assert {"README.md", "pyproject.toml"} <= written
    assert len([path for path in written if path.endswith(".ipynb")]) == 8


def test_the_address_is_written_everywhere(tmp_path, monkeypatch, capsys):
    name = address.read_address(REPOSITORY)
    for path in ("pyproject.toml", "README.md", "notebooks/01_eda_composers_and_works.ipynb"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text((REPOSITORY / path).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "other.md").write_text(f"https://github.com/{name}-more/x and https://github.com/else/where")
    monkeypatch.setattr(address, "repository_folder", lambda: tmp_path)
    assert main(["address", "https://github.com/someone/some-thing.git"]) == 0
    assert capsys.readouterr().out.endswith("https://github.com/someone/some-thing\n")
    assert list(address.find_addresses(tmp_path, name)) == []
    assert len(list(address.find_addresses(tmp_path, "someone/some-thing"))) == 3
    assert f"{name}-more" in (tmp_path / "other.md").read_text()
    monkeypatch.setattr(address, "repository_folder", lambda: REPOSITORY)
    with pytest.raises(AmtError, match="OWNER/NAME"):
        address.write_address(tmp_path, "no name")
