"""The documentation: its site builds without a warning, its pictures and links hold, the README is short."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]


def load_script(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_walk_names_modules_that_exist_one_a_step():
    walk = load_script("walk")
    for steps in (walk.RECORDING, walk.WINDOW):
        for _, _, module in steps:
            assert importlib.util.find_spec(module), module


def test_the_walks_pictures_are_up_to_date(tmp_path):
    load_script("walk").write(tmp_path)
    for picture in tmp_path.iterdir():
        assert picture.read_text() == (DOCS / "images" / picture.name).read_text(), "run python docs/walk.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_hold(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_that_are_named_exist(page):
    for name in set(re.findall(r"`(amt_utils(?:\.\w+)+)`", page.read_text(encoding="utf-8"))):
        parts = name.split(".")
        while len(parts) > 1 and not _exists(".".join(parts)):
            parts.pop()  # a function or class of a module
        assert len(parts) >= len(name.split(".")) - 2 and len(parts) > 1, name


def _exists(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def test_the_readme_is_short():
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) < 150


@pytest.mark.docs
def test_the_site_builds(tmp_path):
    for module in ("sphinx", "myst_nb", "furo"):
        pytest.importorskip(module, reason='needs the extra docs: pip install -e ".[docs]"')
    command = [sys.executable, str(DOCS / "build.py"), "--out", str(tmp_path / "site")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    front, face = (tmp_path / "site" / name for name in ("index.html", "face.html"))
    assert "The walk" in front.read_text(encoding="utf-8")
    assert "amt_utils.results.transcription.transcribe" in face.read_text(encoding="utf-8")
    assert 'href="transcribe.html"' in front.read_text(encoding="utf-8")
    assert (tmp_path / "site" / "transcribe.html").stat().st_size > 5e6
    assert len(list((tmp_path / "site" / "notebooks").glob("*.html"))) == 8
    fetched = re.compile(r'<(?:script|link|img)[^>]+(?:src|href)="https?://(?!colab|kaggle)')  # but for the badges
    for page in (tmp_path / "site").rglob("*.html"):
        assert not fetched.search(page.read_text(encoding="utf-8")), page


def test_widgets_that_need_a_kernel_are_left_out():
    nbformat = pytest.importorskip("nbformat")
    view = "application/vnd.jupyter.widget-view+json"
    bundles = ({view: {}, "text/plain": "0 %"}, {view: {}, "text/html": "<p>"}, {"text/plain": "3 notes"})
    outputs = [nbformat.v4.new_output("display_data", data=data) for data in bundles]
    cells = [nbformat.v4.new_code_cell("1", outputs=outputs), nbformat.v4.new_markdown_cell("2")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    load_script("build").drop_widgets(notebook)
    assert [dict(output.data) for output in notebook.cells[0].outputs] == list(bundles[1:])
