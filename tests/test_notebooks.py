"""Every notebook, top to bottom, offline, on the miniature data, in a folder of its own."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
LINKED = ("amt_utils", "colab_setup.sh", "kaggle_kernel", "notebooks", "pyproject.toml", "requirements.txt")
STANDARD = {*sys.stdlib_module_names, "IPython", "matplotlib", "amt_utils"}

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def sources(path, kind):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == kind]


def set_up_cell():
    return sources(NOTEBOOKS[0], "code")[0]


@every_notebook
def test_opens_with_title_badges_and_the_common_set_up(path):
    title, set_up = sources(path, "markdown")[0], sources(path, "code")[0]
    assert title.startswith("# ")
    assert "colab.research.google.com" in title and "kaggle.com/kernels/welcome" in title
    assert path.name in title  # the badges open this notebook, not another
    assert "*Behind it:*" in title and "amt_utils" in title
    assert set_up == set_up_cell()


@every_notebook
def test_cells_are_thin(path):
    for number, source in enumerate(sources(path, "code")[1:], 1):
        assert len(source.strip().splitlines()) <= 10, f"{path.name}, code cell {number}"


@every_notebook
def test_imports_the_face_alone(path):
    for source in sources(path, "code"):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                names = {alias.name: alias.asname for alias in node.names}
                assert {name.split(".")[0] for name in names} <= STANDARD
                assert names.get("amt_utils", "amt") == "amt"
            elif isinstance(node, ast.ImportFrom):
                assert node.module.split(".")[0] in STANDARD - {"amt_utils"}


@every_notebook
def test_every_name_of_the_face_exists(path):
    import amt_utils as amt

    for source in sources(path, "code"):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "amt":
                assert node.attr in amt.__all__
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "amt.figures":
                assert node.attr in amt.figures.__all__


# ---- the set-up cell, in a bare folder with a repository that holds next to nothing


@pytest.fixture
def tiny_repository(tmp_path):
    folder = tmp_path / "origin"
    files = {
        "amt_utils/__init__.py": "def start():\n    print('started')\n",
        "colab_setup.sh": 'echo "set up with $AMT_PYTHON"\nexit ${FAKE_EXIT:-0}\n',
        "requirements.txt": "",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *words], check=True)
    return folder


def run_set_up(folder, repository, **environment):
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "AMT_REPOSITORY": str(repository), "PYTHONPATH": "", **environment}
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, ''); exec({set_up_cell()!r})"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_set_up_clones_once_and_works_again_after_a_restart(tiny_repository, tmp_path):
    first = run_set_up(tmp_path / "content", f"file://{tiny_repository}")
    assert first.returncode == 0 and "started" in first.stdout, first.stderr
    again = run_set_up(tmp_path / "content", "file:///nowhere")  # found where it was cloned to, from the same folder
    assert again.returncode == 0 and "started" in again.stdout
    inside = run_set_up(tmp_path / "content" / "amt-piano" / "notebooks", "file:///nowhere")
    assert inside.returncode == 0 and "started" in inside.stdout


def test_half_a_clone_is_no_clone(tiny_repository, tmp_path):
    half = tmp_path / "content" / "amt-piano"
    (half / "amt_utils").mkdir(parents=True)
    (half / ".git").mkdir()
    (half / "amt_utils" / "__init__.py").write_text("raise SystemExit('half')")
    (tmp_path / "content" / "amt-piano.part").mkdir()
    ran = run_set_up(tmp_path / "content", f"file://{tiny_repository}")
    assert ran.returncode == 0 and "started" in ran.stdout, ran.stderr
    assert not (tmp_path / "content" / "amt-piano.part").exists()


def test_without_a_repository_one_sentence_says_what_to_do(tmp_path):
    ran = run_set_up(tmp_path / "content", "file:///nowhere")
    assert ran.returncode != 0 and "Traceback" not in ran.stderr
    assert "set AMT_REPOSITORY" in ran.stderr and "upload its folder" in ran.stderr


def test_a_set_up_that_fails_stops_there(tiny_repository, tmp_path):
    ran = run_set_up(tmp_path / "content", f"file://{tiny_repository}", FAKE_EXIT="1")
    assert ran.returncode != 0 and "did not finish" in ran.stderr and "started" not in ran.stdout


@pytest.mark.notebook
@every_notebook
def test_runs_top_to_bottom(path, tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    for name in LINKED:
        if (REPOSITORY / name).exists():
            (tmp_path / name).symlink_to(REPOSITORY / name)
    environment = {
        "AMT_MINI": "1",
        "AMT_SHARED_DATA": "",
        "AMT_WORK": str(tmp_path / "work"),
        "AMT_PYTHON": sys.executable,
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "jupyter"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    before = {p.name for p in REPOSITORY.iterdir()}
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    client = nbclient.NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    figures = [o for cell in notebook.cells for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
    widgets = [o for cell in notebook.cells for o in cell.get("outputs", []) if "text/html" in o.get("data", {})]
    assert figures or widgets, "nothing to look at"
    assert {p.name for p in REPOSITORY.iterdir()} <= before | {"build", "amt_piano.egg-info"}
