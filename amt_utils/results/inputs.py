"""The recordings of a batch, given as files, folders or patterns, and the name of each one's results."""

from __future__ import annotations

import glob
import mimetypes
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..audio.reading import AUDIO_SUFFIXES

LONGEST_NAME = 255 - len(f".{os.getpid()}.partial.transcription.json") - 4  # bytes: file systems' limit less suffixes


@dataclass(frozen=True)
class Input:
    """A recording of a batch.

    Attributes:
        path: the file.
        name: its results' path below the output folder, without suffix.
    """

    path: Path
    name: Path


@dataclass
class Inputs:
    """The recordings found.

    Attributes:
        found: recordings, in the order in which they were named.
        failed: ``(path, reason)`` of what cannot be a recording.
        skipped: files in folders that look like sound but whose kind is not known.
    """

    found: list[Input] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)


def find_inputs(arguments: Iterable[str | os.PathLike]) -> Inputs:
    """Files, folders (with all below them) and patterns such as ``takes/**/*.wav`` -> the recordings.

    Hidden files and folders (also macOS's ``._take.wav``) are skipped unless given by name. Results carry
    the recording's name; where recordings come from different folders, the folders are mirrored, and where two would
    still share a name, the suffix is part of it.
    """
    inputs = Inputs()
    roots: dict[Path, Path] = {}  # a recording -> the folder that its results' names begin after
    for path in map(Path, arguments):
        argument = str(path)
        matches = [path]
        if not _exists(path) and glob.has_magic(argument):
            matches = sorted(map(Path, glob.glob(argument, recursive=True)))
            if not matches:
                inputs.failed.append((path, f"{path}: no file fits this pattern"))
        for match in matches:
            if not _exists(match):
                inputs.failed.append((match, f"{match}: no such file; check the name and the folder"))
            elif match.is_dir():
                _look_into(match, roots, inputs)
            else:
                roots.setdefault(_absolute(match), _absolute(match).parent)
    names = _name_results(roots)
    for path, name in names.items():
        if len(os.fsencode(name.name)) > LONGEST_NAME:
            inputs.failed.append((path, f"{path}: its name is too long for those of its results; rename the file"))
        else:
            inputs.found.append(Input(path, name))
    return inputs


def safe_stem(path: Path) -> str:
    """A file's name without suffix, fit to be another file's: ``..wav`` has none."""
    return path.stem if path.stem.strip(". ") else "recording"


def title_of(path: Path) -> str:
    """A file's name as a title: spaces for underscores, a capital first, no characters that cannot be printed."""
    readable = "".join(c if c.isprintable() else " " for c in safe_stem(path).replace("_", " "))
    title = " ".join(readable.split())
    return title[:1].upper() + title[1:]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or a NUL in it
        return False


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))


def _look_into(folder: Path, roots: dict[Path, Path], inputs: Inputs) -> None:
    before = len(roots)
    for current, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = _absolute(Path(current) / name)
            if name.startswith("."):
                continue
            if path.suffix.lower() in AUDIO_SUFFIXES:
                roots.setdefault(path, _absolute(folder))
            elif (mimetypes.guess_type(name)[0] or "").startswith("audio/") and "mid" not in path.suffix.lower():
                inputs.skipped.append(path)
    if len(roots) == before:
        inputs.failed.append((folder, f"{folder}: no recordings in it or below it ({', '.join(AUDIO_SUFFIXES)})"))


def _name_results(roots: dict[Path, Path]) -> dict[Path, Path]:
    try:
        base = Path(os.path.commonpath(set(roots.values()))) if roots else Path()
    except ValueError:  # several drives
        base = None
    names = {}
    for path in roots:
        relative = path.relative_to(base) if base else Path(*path.parts[1:])
        names[path] = relative.with_name(safe_stem(path))
    sharing = defaultdict(list)
    for path, name in names.items():
        sharing[os.path.normcase(name).casefold()].append(path)  # some file systems ignore case
    taken = set(sharing)
    for paths in sharing.values():
        for path in paths if len(paths) > 1 else []:
            name, number = names[path].with_name(path.name), 2
            while os.path.normcase(name).casefold() in taken:
                name, number = names[path].with_name(f"{path.name} ({number})"), number + 1
            taken.add(os.path.normcase(name).casefold())
            names[path] = name
    return names
