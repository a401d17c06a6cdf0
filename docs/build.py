"""Builds the documentation as a site that needs no network.

    python docs/build.py                      # into site/
    python docs/build.py --execute            # and runs the notebooks first, so that their outputs are shown

Pages are Markdown (docs/*.md), the notebooks, and docstrings. Needs the extra ``docs``: pip install -e ".[docs]".
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from amt_utils.widget.transcriber_page import write_page

REPOSITORY = Path(__file__).resolve().parents[1]
LINKED = ("amt_utils", "colab_setup.sh", "kaggle_kernel", "notebooks", "pyproject.toml", "requirements.txt")


def prepare(folder: Path) -> Path:
    """Pages, notebooks and the page that transcribes, side by side in ``folder``; returns Sphinx's source folder.

    The front page's ``*`` becomes the pages that it does not list before.
    """
    source = folder / "source"
    shutil.copytree(REPOSITORY / "docs", source, ignore=shutil.ignore_patterns("__pycache__", "site", "*.ipynb"))
    shutil.copytree(REPOSITORY / "notebooks", source / "notebooks")
    shutil.copy(REPOSITORY / "CHANGELOG.md", source / "changelog.md")
    shutil.copy(REPOSITORY / "CONTRIBUTING.md", source / "contributing.md")
    write_page(source / "extra" / "transcribe.html")
    index = (source / "index.md").read_text(encoding="utf-8")
    listed = {line.strip() for line in index.splitlines()} | {"index"}
    rest = sorted(page.stem for page in source.glob("*.md") if page.stem not in listed)
    (source / "index.md").write_text(index.replace("\n*\n", "\n" + "\n".join(rest) + "\n"), encoding="utf-8")
    return source


def execute(notebooks: Path, folder: Path, *, timeout: int = 600) -> None:
    """Runs every notebook of ``notebooks`` in place, on the miniature data, in a working folder of its own.

    Piano rolls are shown as pages that play without a kernel; widgets that need one, as progress bars, are left out.
    """
    import nbclient
    import nbformat

    for path in sorted(notebooks.glob("*.ipynb")):
        work = folder / path.stem
        work.mkdir()
        for name in LINKED:
            (work / name).symlink_to(REPOSITORY / name)
        os.environ |= {"AMT_MINI": "1", "AMT_SHARED_DATA": "", "AMT_WORK": str(work / "work")}
        os.environ |= {"AMT_PYTHON": sys.executable, "AMT_WIDGET": "html"}
        print(f"running {path.name} ...", flush=True)
        notebook = nbformat.read(path, as_version=4)
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbclient.NotebookClient(notebook, timeout=timeout, resources={"metadata": {"path": str(work)}}).execute()
        drop_widgets(notebook)
        nbformat.write(notebook, path)


def drop_widgets(notebook) -> None:
    """Removes the outputs that are nothing but a widget."""
    for cell in notebook.cells:
        if "outputs" in cell:
            kinds = [output.get("data", {}) for output in cell.outputs]
            live = ["application/vnd.jupyter.widget-view+json" in kind and "text/html" not in kind for kind in kinds]
            cell.outputs = [output for output, is_live in zip(cell.outputs, live) if not is_live]


def build(out: Path, *, run_notebooks: bool = False, strict: bool = True) -> int:
    """Sphinx's exit code; with ``strict`` a warning is an error."""
    from sphinx.cmd.build import main

    with tempfile.TemporaryDirectory(prefix="amt-docs-") as name:
        folder = Path(name)
        source = prepare(folder)
        if run_notebooks:
            execute(source / "notebooks", folder)
        options = ["-q", "--keep-going", *(["-W"] if strict else [])]
        return main([*options, "-b", "html", "-d", str(folder / "doctrees"), str(source), str(out)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=REPOSITORY / "site", help="where the site goes (default: site/)")
    parser.add_argument("--execute", action="store_true", help="run the notebooks first (ten minutes)")
    parser.add_argument("--lenient", action="store_true", help="do not fail on warnings")
    args = parser.parse_args()
    sys.exit(build(args.out, run_notebooks=args.execute, strict=not args.lenient))
