"""Performances without audio, to render or to learn from: all MIDI of a folder, of MAESTRO, or of one compact file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..music.compact import COMPACT_SUFFIX, load_compact
from ..music.midi import MIDI_SUFFIXES, read_midi
from ..music.notes import Performance
from ..system.errors import AmtError
from ..system.files import written_whole
from ..system.paths import work_folder
from .library import find_folder
from .maestro.catalogue import find_root, open_maestro
from .maestro.splits import without_leaks


def load_performances(source: str | os.PathLike, *, split: str = "train") -> list[Performance]:
    """All MIDI of a folder, or one split of a MAESTRO folder or zip; parsed once, then read from a cache.

    A file of :mod:`amt_utils.music.compact` is read whole, whatever ``split`` is.

    Raises:
        AmtError: nothing there, or a MAESTRO CSV without that split.
    """
    source = find_folder(source)
    if not source.exists():
        raise AmtError(f"{source}: no such folder or zip of MIDI files")
    if source.name.endswith(COMPACT_SUFFIX):
        return load_compact(source)
    stamp = os.fsencode(f"{_stamp(source)}:{split}")
    cache = work_folder() / "cache" / f"midi-{hashlib.sha256(stamp).hexdigest()[:16]}.npz"
    if not cache.exists():
        performances = list(_parse(source, split))
        if not performances:
            raise AmtError(f"{source}: no MIDI files for split {split!r}")
        _save_performances(cache, performances)
    with np.load(cache) as stored:
        notes = np.split(stored["notes"], stored["note_ends"][:-1])
        pedals = np.split(stored["pedals"], stored["pedal_ends"][:-1])
    return [Performance(n, p) for n, p in zip(notes, pedals, strict=True)]


def _stamp(source: Path) -> str:
    """What changes with a zip, or with any MIDI file or table of a folder."""
    suffixes = {*MIDI_SUFFIXES, ".csv", ".json"}
    files = [source] if source.is_file() else (p for p in sorted(source.rglob("*")) if p.suffix.lower() in suffixes)
    stats = ((path, path.stat()) for path in files)
    return "\n".join(f"{path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}" for path, stat in stats)


def _save_performances(cache: Path, performances: list[Performance]) -> None:
    with written_whole(cache) as partial:
        np.savez(
            partial,
            notes=np.concatenate([p.notes for p in performances]),
            note_ends=np.cumsum([len(p.notes) for p in performances]),
            pedals=np.concatenate([p.pedals for p in performances]),
            pedal_ends=np.cumsum([len(p.pedals) for p in performances]),
        )


def _parse(source: Path, split: str) -> Iterator[Performance]:
    try:
        maestro = open_maestro(find_root(source) if source.is_dir() else source)
    except AmtError:
        if not source.is_dir():
            raise
        files = [p for p in sorted(source.rglob("*")) if p.suffix.lower() in MIDI_SUFFIXES]
    else:
        pieces, _ = without_leaks(maestro.pieces)
        files = [maestro.midi_path(piece) for piece in pieces if piece.split == split]
    yield from (read_midi(f) for f in files)
