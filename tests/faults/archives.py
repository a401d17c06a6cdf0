"""MAESTRO's metadata and archives, damaged or made by somebody else."""

from __future__ import annotations

import functools
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from amt_utils.data.maestro.catalogue import NAME, parse_metadata, read_metadata, unpack_midi
from amt_utils.data.maestro.miniature import make_miniature

from . import damage, kind


@functools.cache
def miniature() -> Path:
    return make_miniature(Path(tempfile.mkdtemp(prefix="amt-fault-miniature-")))


@functools.cache
def archive() -> bytes:
    """MIDI and metadata of the miniature as MAESTRO zips them."""
    path = miniature() / "midi.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for file in sorted(miniature().rglob("*.*")):
            if file.suffix in (".midi", ".csv", ".json"):
                zipped.write(file, f"{NAME}/{file.relative_to(miniature()).as_posix()}")
    return path.read_bytes()


@kind("MAESTRO CSVs", full=100, few=20)
def metadata(rng: np.random.Generator, folder: Path) -> None:
    """Rows are changed or the file is damaged: refused by file and line, or the pieces that are in it."""
    original = (miniature() / f"{NAME}.csv").read_bytes()
    pieces = {p.stem: p for p in parse_metadata(original.decode())}
    header, *rows = original.decode().splitlines()
    cells = rows[int(rng.integers(len(rows)))].split(",")
    odd = ("", "nan", "-1", "inf", "1e9", "../../etc/passwd", "/etc/passwd", "a" * 300, "\x00", "C:\\x.mid", '"', "2x")
    match int(rng.integers(8)):
        case 0:
            content = header.encode() + b"\n" + ",".join(cells[: int(rng.integers(len(cells)))]).encode()
        case 1:
            cells[int(rng.integers(len(cells)))] = str(odd[int(rng.integers(len(odd)))])
            content = "\n".join([header, ",".join(cells)]).encode()
        case 2:
            content = original.decode().encode("utf-16")
        case 3:
            content = b"\xef\xbb\xbf" + original.replace(b"\n", b"\r\n")
        case 4:
            content = "\n".join([header, *rows, rows[0]]).encode()
        case 5:
            content = header.replace("split", "splt").encode() + b"\n" + rows[0].encode()
        case 6:
            content = header.encode() + b"\n" + b'"' + b"x" * 200_000
        case _:
            content = rng.bytes(int(rng.integers(3000)))
    path = folder / f"{NAME}.csv"
    path.write_bytes(content)
    try:
        found = read_metadata(folder)
    except Exception as error:
        assert str(path) in str(error), f"does not name the file: {error}"
        raise
    assert found
    for piece in found:
        assert 0 < piece.duration < 90_000 and piece.midi and ".." not in piece.midi
        assert piece.stem in pieces


@kind("MAESTRO archives", full=100, few=20)
def archives(rng: np.random.Generator, folder: Path) -> None:
    """A damaged or hostile zip: refused by name, or every file in it as it was; never a file outside the folder."""
    path, out = folder / "midi.zip", folder / "deep" / "out"
    hostile = int(rng.integers(6))
    if hostile < 3:
        path.write_bytes(damage(archive(), rng))
    else:
        names = (f"{NAME}/../../../evil.midi", "/evil.midi", f"{NAME}/{'a' * 400}.midi", f"{NAME}/a\nb.midi")
        path.write_bytes(archive())
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as zipped:
            if hostile == 3:
                zipped.writestr(names[int(rng.integers(len(names)))], b"x")
            elif hostile == 4:
                zipped.writestr(f"{NAME}/bomb.midi", bytes(64_000_000))
            else:
                zipped.writestr("other/other.csv", b"x")
    try:
        root = unpack_midi(path, out)
    finally:
        outside = [p for p in folder.rglob("*") if p.is_file() and out not in p.parents and p != path]
        assert not outside, outside
    for piece in read_metadata(root):
        for name in (piece.midi,):
            assert (root / name).read_bytes() == (miniature() / name).read_bytes()
