"""What is in the repository: nothing of anybody's machine, nothing big, nothing missing from the package."""

import ast
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

REPOSITORY = Path(__file__).resolve().parents[1]
TEXT = {".cfg", ".css", ".html", ".ipynb", ".js", ".json", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml", ""}
LARGEST, LARGEST_BINARY = 1_000_000, 4_000_000
MAY_BE_LARGER = ("weights", "onnxruntime_web")
# google.colab is on Colab, the rest are extras
OPTIONAL = {"google", "nnAudio", "onnx", "dask", "distributed", "huggingface_hub", "music21"}


def tracked_files():
    git = shutil.which("git")
    listed = git and subprocess.run([git, "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=False)
    if not listed or listed.returncode:
        pytest.skip("not a git checkout")
    return [REPOSITORY / name for name in listed.stdout.decode().split("\0") if name and (REPOSITORY / name).is_file()]


def requirements():
    lines = (line.split("#")[0].strip() for line in (REPOSITORY / "requirements.txt").read_text().splitlines())
    return [Requirement(line) for line in lines if line]


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_no_paths_of_anybodys_machine():
    folders = "|".join(("farm", "home/[a-z]", "mnt", "opt", "root", "Users/[A-Za-z]", "work"))
    absolute = re.compile(rf"(?<![\w.~}}$)*-])(?<!:/)/(?:{folders})/")
    found = []
    for path in tracked_files():
        if path.suffix not in TEXT:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if absolute.search(line):
                found.append(f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)


def test_nothing_big_but_weights_and_the_browsers_runtime():
    big = {
        str(path.relative_to(REPOSITORY)): path.stat().st_size
        for path in tracked_files()
        if path.stat().st_size > (LARGEST if path.parent.name not in MAY_BE_LARGER else LARGEST_BINARY)
    }
    assert not big


def test_notebooks_carry_no_outputs():
    for path in tracked_files():
        if path.suffix == ".ipynb":
            for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
                assert not cell.get("outputs") and not cell.get("execution_count"), f"{path.name}, cell {number}"


def imported_modules(path):
    """Top-level names of everything a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def test_every_import_is_a_requirement_and_every_requirement_is_imported():
    imports = {}
    for folder in ("amt_utils", "kaggle_kernel"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            for module in imported_modules(path):
                imports.setdefault(module, str(path.relative_to(REPOSITORY)))
    for module in [*sys.stdlib_module_names, "amt_utils", "kaggle_kernel", *OPTIONAL]:
        imports.pop(module, None)
    distributions = importlib.metadata.packages_distributions()
    required = {normal(requirement.name) for requirement in requirements()}
    missing = {
        module: where
        for module, where in imports.items()
        if not required & {normal(name) for name in distributions.get(module, [module])}
    }
    assert not missing, "imported, but not in requirements.txt"
    imported = {normal(name) for module in imports for name in distributions.get(module, [module])}
    used_otherwise = {"ipywidgets", "kaggle", "tensorboard"}  # in notebooks and as programs
    assert not required - imported - used_otherwise, "in requirements.txt, but imported nowhere"


def test_requirements_are_installed_in_the_versions_asked_for():
    for requirement in requirements():
        version = importlib.metadata.version(requirement.name)
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement} but {version} is installed"


def test_constraints_name_every_requirement_and_satisfy_it():
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    for requirement in requirements():
        version = pinned[normal(requirement.name)]
        assert Version(version) in requirement.specifier, f"{requirement} but constraints.txt has {version}"
        assert Version(version).local is None


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The package, built from a copy of the tracked files."""
    try:
        recent = Version(importlib.metadata.version("setuptools")) >= Version("77")
    except importlib.metadata.PackageNotFoundError:
        recent = False
    if not recent:
        pytest.skip("no setuptools 77 to build with")
    folder = tmp_path_factory.mktemp("wheel")
    for path in tracked_files():
        copy = folder / "source" / path.relative_to(REPOSITORY)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(folder / "source")], check=True)
    return next(folder.glob("amt_piano-*.whl"))


def test_the_wheel_holds_every_file_of_the_package(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    package = {str(p.relative_to(REPOSITORY)) for p in tracked_files() if p.is_relative_to(REPOSITORY / "amt_utils")}
    assert package - inside == set()
    assert not {name for name in inside if name.startswith(("tests/", "notebooks/"))}


def test_the_installed_command_runs_the_demo_from_any_folder(wheel, tmp_path):
    site, anywhere = tmp_path / "site", tmp_path / "anywhere"
    anywhere.mkdir()
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AMT_")}
    environment |= {"PYTHONPATH": str(site)}  # before a checkout that is installed in this environment
    command = [str(site / "bin" / "amt-piano"), "demo", "--weights", "tiny"]
    done = subprocess.run(command, cwd=anywhere, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "F1" in done.stdout and (anywhere / "demo_output" / "waltz.mid").is_file()
    where = [sys.executable, "-c", "import amt_utils; print(amt_utils.__file__)"]
    found = subprocess.run(where, cwd=anywhere, env=environment, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()).is_relative_to(site)


def test_the_command_exists_and_the_continuous_integration_runs_the_tests():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    module, function = project["scripts"]["amt-piano"].split(":")
    names = {
        node.name
        for node in ast.parse((REPOSITORY / f"{module.replace('.', '/')}.py").read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    assert function in names
    assert "bash colab_setup.sh test" in (REPOSITORY / ".ci" / "run").read_text()
    extras = project["optional-dependencies"]
    for extra in ("cluster", "hub"):  # their tests are skipped without them
        assert set(extras[extra]) <= set(extras["test"]), extra
