"""colab_setup.sh, run with interpreters whose pip only pretends: what it would install where, and what it says."""

import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import packaging
import pytest
from packaging.requirements import Requirement

from amt_utils.system import paths

REPOSITORY = Path(__file__).resolve().parents[1]
TOOLS = ("bash", "cat", "dirname", "mktemp", "readlink", "rm", "sed")

FAKE_PIP = """
import json, os, pathlib, re, sys
site, args = pathlib.Path(os.environ["FAKE_SITE"]), sys.argv[1:]
if args == ["--version"]:
    sys.exit()
call = {"args": args, "constraints": None, "python": os.environ["FAKE_PYTHON"]}
if "--constraint" in args:
    call["constraints"] = pathlib.Path(args[args.index("--constraint") + 1]).read_text().splitlines()
with open(os.environ["FAKE_LOG"], "a") as log:
    log.write(json.dumps(call) + "\\n")
failures = pathlib.Path(os.environ["FAKE_LOG"] + ".failures")
if failures.exists() and (left := int(failures.read_text())):
    failures.write_text(str(left - 1))
    sys.exit("ERROR: ResolutionImpossible")
def add(name, version, url=None):
    folder = site / f"{re.sub(r'[-.]+', '_', name)}-{version}.dist-info"
    folder.mkdir(exist_ok=True)
    (folder / "METADATA").write_text(f"Name: {name}\\nVersion: {version}\\n")
    if url:
        (folder / "direct_url.json").write_text(json.dumps({"url": url, "dir_info": {"editable": True}}))
if "--editable" in args:
    add("amt-piano", "0.1.0", pathlib.Path.cwd().as_uri())
else:
    skipped = {"--constraint", *([args[args.index("--constraint") + 1]] if "--constraint" in args else [])}
    for word in args[1:]:
        if word not in skipped and not word.startswith("--"):
            name, version = re.match(r"[\\w.-]+", word)[0], re.search(r"[>=]=([\\d.]+)", word)
            add(name, version[1] if version else "1.0")
"""

# an interpreter that knows only what lies in FAKE_SITE, whose pip is the above and whose venv makes another such
FAKE_PYTHON = """#!{bash}
export FAKE_PYTHON="$0"
case "$1 $2" in
    "-m pip") exec {python} -I {pip} "${{@:3}}" ;;
    "-m venv")
        [ -z "$FAKE_NO_VENV" ] || {{ echo "ensurepip is not available"; exit 1; }}
        {mkdir} -p .venv/bin && {cp} "$0" .venv/bin/python; exit ;;
    "-m virtualenv") exit 1 ;;
    "-m amt_utils"|"-m pytest") echo "RAN $*"; exit "${{FAKE_EXIT:-0}}" ;;
    "-m ruff") echo "RAN $*"; exit "${{FAKE_RUFF_EXIT:-0}}" ;;
    "-m mypy") echo "RAN $*"; exit "${{FAKE_MYPY_EXIT:-0}}" ;;
esac
[ "$1" != --version ] || {{ echo "Python 3.12.3"; exit; }}
if [ -n "$FAKE_OLD" ]; then exit 1; fi
PYTHONPATH="$FAKE_SITE" exec {python} -S "$@"
"""


class Machine:
    """A checkout and a pretended Python on an otherwise bare PATH."""

    def __init__(self, folder):
        self.repository, self.bin, self.site = folder / "amt", folder / "bin", folder / "site"
        self.log = folder / "log"
        for made in (self.repository, self.bin, self.site):
            made.mkdir()
        for name in ("colab_setup.sh", "requirements.txt", "pyproject.toml"):
            shutil.copy(REPOSITORY / name, self.repository)
        (self.site / "packaging").symlink_to(Path(packaging.__file__).parent)
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))
        (folder / "pip.py").write_text(FAKE_PIP)
        tools = {tool: shutil.which(tool) for tool in ("bash", "mkdir", "cp")}
        self.fake_python = FAKE_PYTHON.format(python=sys.executable, pip=folder / "pip.py", **tools)

    def add_python(self, name="python3"):
        path = self.bin / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.fake_python)
        path.chmod(0o755)
        return path

    def add_packages(self, **versions):
        for name, version in versions.items():
            folder = self.site / f"{name}-{version}.dist-info"
            folder.mkdir()
            (folder / "METADATA").write_text(f"Name: {name.replace('_', '-')}\nVersion: {version}\n")

    def run(self, *args, script=None, **environment):
        environment = {"PATH": str(self.bin), "FAKE_SITE": str(self.site), "FAKE_LOG": str(self.log), **environment}
        command = [shutil.which("bash"), str(script or self.repository / "colab_setup.sh"), *args]
        ran = subprocess.run(
            command, cwd=self.bin, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        return ran

    @property
    def pip_calls(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def installed(self):
        """What pip was asked for, call by call, without options."""
        calls = []
        for call in self.pip_calls:
            words = [w for w in call["args"][1:] if not w.startswith("--")]
            calls.append([w for w in words if not os.path.isabs(w)])
        return calls


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def required_names():
    lines = (REPOSITORY / "requirements.txt").read_text().splitlines()
    return {Requirement(line.split("#")[0]).name for line in lines if line.split("#")[0].strip()}


def test_an_ordinary_machine_gets_a_virtual_environment(machine):
    machine.add_python()
    ran = machine.run()
    assert ran.returncode == 0, ran.stderr
    torch, rest, package = machine.installed()
    assert torch == ["torch==2.13.0"]
    assert {Requirement(r).name for r in rest} == required_names() - {"torch"}
    assert package == ["."]
    assert all(call["constraints"] is None for call in machine.pip_calls)
    assert {call["python"] for call in machine.pip_calls} == {".venv/bin/python"}
    assert "Ready, with Python 3.12.3 at .venv/bin/python" in ran.stdout


def test_the_second_run_is_quick_and_installs_nothing(machine):
    machine.add_python()
    machine.run()
    before = len(machine.pip_calls)
    start = time.monotonic()
    ran = machine.run()
    assert time.monotonic() - start < 10  # half a second on a machine with nothing else to do
    assert ran.returncode == 0 and len(machine.pip_calls) == before
    assert ran.stdout.startswith("Ready")


def test_a_changed_project_file_or_an_uninstalled_package_is_noticed(machine):
    machine.add_python()
    machine.run()
    os.utime(machine.repository / "pyproject.toml", (time.time() + 9, time.time() + 9))
    (gone,) = machine.site.glob("mido-*.dist-info")
    shutil.rmtree(gone)
    before = len(machine.pip_calls)
    machine.run()
    assert machine.installed()[before:] == [["mido>=1.3"], ["."]]


@pytest.mark.parametrize("where", ["colab", "kaggle", "virtualenv", "conda", "named"])
def test_elsewhere_only_what_is_missing_comes_and_nothing_there_changes(machine, where):
    there = {name.replace("-", "_"): "99.0" for name in required_names() - {"mir_eval", "optuna", "torch"}}
    # older than asked for, and yet theirs
    machine.add_packages(**{**there, "numpy": "1.26.4", "torch": "2.4.1+cu121", "pandas": "2.1.4", "google_colab": "1"})
    python = machine.add_python({"virtualenv": "env/bin/python", "conda": "env/bin/python"}.get(where, "python3"))
    environment = {
        "colab": {"COLAB_RELEASE_TAG": "release-colab-20260801"},
        "kaggle": {"KAGGLE_KERNEL_RUN_TYPE": "Interactive"},
        "virtualenv": {"VIRTUAL_ENV": str(machine.bin / "env")},
        "conda": {"CONDA_PREFIX": str(machine.bin / "env")},
        "named": {"AMT_PYTHON": str(python)},
    }[where]
    ran = machine.run(**environment)
    assert ran.returncode == 0, ran.stderr
    assert not (machine.repository / ".venv").exists()
    missing, package = machine.installed()
    assert {Requirement(r).name for r in missing} == {"mir_eval", "optuna"}
    assert package == ["."]
    constraints = machine.pip_calls[0]["constraints"]
    assert {"numpy==1.26.4", "torch==2.4.1+cu121", "pandas==2.1.4", "google-colab==1"} <= set(constraints)
    assert machine.run(**environment).stdout.startswith("Ready")
    assert len(machine.pip_calls) == 2


def test_where_not_everything_can_stay_torch_and_numpy_still_do(machine):
    machine.add_python()
    machine.add_packages(numpy="2.1.3", torch="2.11.0", protobuf="5.29.0")
    (machine.log.parent / "log.failures").write_text("1")
    ran = machine.run(COLAB_GPU="1")
    assert ran.returncode == 0 and "trying again" in ran.stdout
    first, second = (call["constraints"] for call in machine.pip_calls[:2])
    assert set(first) == {"numpy==2.1.3", "torch==2.11.0", "protobuf==5.29.0"}
    assert set(second) == {"numpy==2.1.3", "torch==2.11.0"}


def test_torch_comes_first_where_it_is_absent(machine):
    machine.add_python()
    machine.run(COLAB_GPU="1")
    assert machine.installed()[0] == ["torch==2.13.0"]
    assert "torch==2.13.0" in machine.pip_calls[1]["constraints"]


@pytest.mark.parametrize(("environment", "advice"), [({}, "Check the network"), ({"COLAB_GPU": "1"}, "On Kaggle")])
def test_a_failed_installation_says_what_to_do(machine, environment, advice):
    machine.add_python()
    (machine.log.parent / "log.failures").write_text("9")
    ran = machine.run(**environment)
    assert ran.returncode != 0
    assert "ResolutionImpossible" in ran.stderr and advice in ran.stderr
    assert "Ready" not in ran.stdout


def test_no_python_an_old_one_or_no_ensurepip(machine):
    ran = machine.run()
    assert ran.returncode != 0 and "needs Python 3.11 or newer" in ran.stderr
    python = machine.add_python()
    ran = machine.run(FAKE_OLD="1")
    assert ran.returncode != 0 and "needs Python 3.11 or newer" in ran.stderr
    ran = machine.run(FAKE_OLD="1", AMT_PYTHON=str(python))
    assert ran.returncode != 0 and "is no Python 3.11 or newer" in ran.stderr
    ran = machine.run(FAKE_NO_VENV="1")
    assert ran.returncode != 0
    assert "ensurepip is not available" in ran.stderr and "apt install python3-venv" in ran.stderr
    assert not list(machine.repository.glob(".venv*"))


def test_demo_and_test_hand_on_arguments_and_exit_codes(machine):
    machine.add_python()
    assert "RAN -m amt_utils demo --out x" in machine.run("demo", "--out", "x").stdout
    ran = machine.run("test", "-x")
    assert "RAN -m ruff check ." in ran.stdout and "RAN -m pytest -n auto --dist worksteal -x" in ran.stdout
    optional = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {*optional["test"], *optional["docs"]} <= {word for call in machine.installed() for word in call}
    assert "RAN -m mypy" in ran.stdout
    assert machine.run("test", FAKE_EXIT="3").returncode == 3
    ran = machine.run("test", FAKE_RUFF_EXIT="1")
    assert ran.returncode != 0 and "RAN -m pytest" in ran.stdout and "but ruff has something to say" in ran.stderr
    ran = machine.run("test", FAKE_MYPY_EXIT="1")
    assert ran.returncode != 0 and "RAN -m pytest" in ran.stdout and "but mypy has something to say" in ran.stderr
    ran = machine.run("dmeo")
    assert ran.returncode != 0 and "does not know 'dmeo'" in ran.stderr


def test_a_link_to_the_script_works_on_the_checkout(machine, tmp_path):
    machine.add_python()
    (tmp_path / "link.sh").symlink_to(machine.repository / "colab_setup.sh")
    assert machine.run(script=tmp_path / "link.sh").returncode == 0
    assert (machine.repository / ".venv").is_dir()


# ---- amt_utils.system.paths


def test_folders_follow_the_platform(monkeypatch, tmp_path):
    monkeypatch.delenv("AMT_WORK", raising=False)
    assert paths.platform() == "local"
    assert paths.work_folder() == REPOSITORY
    assert paths.data_folder() == REPOSITORY / "data"
    monkeypatch.setenv("COLAB_RELEASE_TAG", "x")
    assert paths.platform() == "colab"
    assert paths.checkpoints_folder() == Path("/content/amt/checkpoints")
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Batch")  # Kaggle's image keeps Colab's variables
    assert paths.platform() == "kaggle"
    assert paths.checkpoints_folder() == Path("/kaggle/working/checkpoints")
    assert paths.data_folder() == Path("/kaggle/temp/data")
    monkeypatch.setenv("AMT_WORK", str(tmp_path))
    assert paths.checkpoints_folder() == tmp_path / "checkpoints"
    assert paths.data_folder() == tmp_path / "data"
    monkeypatch.setenv("AMT_DATA", str(tmp_path / "mine"))
    assert paths.data_folder() == tmp_path / "mine"


def test_shared_data_may_be_absent(monkeypatch, tmp_path):
    monkeypatch.setenv("AMT_SHARED_DATA", str(tmp_path))
    assert paths.shared_data() == tmp_path
    monkeypatch.setenv("AMT_SHARED_DATA", str(tmp_path / "none"))
    assert paths.shared_data() is None
    monkeypatch.setenv("AMT_SHARED_DATA", "")
    assert paths.shared_data() is None
