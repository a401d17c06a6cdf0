"""The package's folders follow the data: none imports one that comes after it, and no modules import in a circle."""

from __future__ import annotations

import ast
import re
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "amt_utils"
ORDER = (  # a folder may import itself and those before it
    "system",
    "music",
    "sheet_music",  # needs music alone, which the second test holds
    "config",
    "audio",
    "models",
    "data",
    "checkpoints",
    "transcription",
    "evaluation",
    "training",
    "widget",
    "figures",
    "results",
    "commands",
    "__main__",
)


def find_imports() -> dict[str, set[str]]:
    """Every module of the package -> the modules of the package that it imports, also inside functions."""
    modules = {".".join(p.relative_to(PACKAGE).with_suffix("").parts): p for p in PACKAGE.rglob("*.py")}
    modules = {name.removesuffix(".__init__"): path for name, path in modules.items() if name != "__init__"}
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
        found = graph.setdefault(name, set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("amt_utils")):
                base = package[: len(package) - node.level + 1] if node.level else []
                written = (node.module or "").removeprefix("amt_utils").strip(".")
                source = ".".join([*base, *([written] if written else [])])
                found |= {f"{source}.{a.name}" if f"{source}.{a.name}" in modules else source for a in node.names}
    return {name: {i for i in found if i in modules and i != name} for name, found in graph.items()}


def test_no_folder_imports_one_that_comes_after_it():
    place = {folder: i for i, folder in enumerate(ORDER)}
    graph = find_imports()
    assert {name.split(".")[0] for name in graph} == set(ORDER)
    wrong = [
        f"{name} imports {imported}"
        for name, found in graph.items()
        for imported in sorted(found)
        if place[imported.split(".")[0]] > place[name.split(".")[0]]
    ]
    assert not wrong, "\n".join(wrong)


def test_sheet_music_needs_notes_alone():
    graph = find_imports()
    needed = {i.split(".")[0] for name in graph if name.startswith("sheet_music") for i in graph[name]}
    assert needed <= {"sheet_music", "music", "system"}


def test_no_modules_import_in_a_circle():
    graph = find_imports()
    state: dict[str, int] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert state.get(name) != 1, " -> ".join([*path[path.index(name) :], name])
        if state.get(name) is None:
            state[name] = 1
            for imported in sorted(graph[name]):
                visit(imported, (*path, name))
            state[name] = 2

    for name in graph:
        visit(name, ())


def test_every_folder_says_what_it_is_for():
    silent = [path for path in PACKAGE.rglob("__init__.py") if not ast.get_docstring(ast.parse(path.read_text()))]
    assert not silent


def test_walk_and_readme_list_the_folders_in_this_order():
    walk, readme = (PACKAGE.parent / name for name in ("docs/walk.md", "README.md"))
    assert re.findall(r"^\| `(\w+)` \|", walk.read_text(encoding="utf-8"), re.MULTILINE) == list(ORDER[:-1])
    tree = readme.read_text(encoding="utf-8").split("amt_utils/\n")[1].split("```")[0]
    assert re.findall(r"^  (\w+)(?:\.py)? ", tree, re.MULTILINE) == list(ORDER[:-1])
