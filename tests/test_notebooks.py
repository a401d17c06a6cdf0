"""Every notebook, top to bottom, offline, on the miniature data, in a folder of its own."""

import json
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
LINKED = ("amt_utils", "colab_setup.sh", "kaggle_kernel", "notebooks", "pyproject.toml", "requirements.txt")
SET_UP = """\
import os, subprocess, sys
REPOSITORY = os.environ.get("AMT_REPOSITORY", "https://github.com/amt-piano/amt-piano")
if not any(os.path.exists(os.path.join(p, "amt_utils")) for p in (".", "..")):
    subprocess.run(["git", "clone", "--depth", "1", REPOSITORY, "amt-piano"], check=True)
    os.chdir("amt-piano")
elif not os.path.exists("amt_utils"):
    os.chdir("..")
subprocess.run(["bash", "colab_setup.sh"], check=True, env={**os.environ, "AMT_PYTHON": sys.executable})
from amt_utils.system.session import start
paths = start()"""

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def sources(path, kind):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == kind]


@every_notebook
def test_opens_with_title_badges_and_the_common_set_up(path):
    title, set_up = sources(path, "markdown")[0], sources(path, "code")[0]
    assert title.startswith("# ")
    assert "colab.research.google.com" in title and "kaggle.com/kernels/welcome" in title
    assert path.name in title  # the badges open this notebook, not another
    assert "amt_utils" in title  # the module it mirrors
    assert set_up.strip() == SET_UP


@every_notebook
def test_cells_are_thin(path):
    for number, source in enumerate(sources(path, "code")[1:], 1):
        assert len(source.strip().splitlines()) <= 12, f"{path.name}, code cell {number}"


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
