"""Optuna's journal file, made robust against kills and copied to mirrors (see :mod:`.study`)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from ...checkpoints.mirrors import FolderMirror
from ...system.errors import AmtError
from ...system.files import parse_json, written_whole


class SafeJournal(JournalFileBackend):
    """Optuna's journal, except that a line cut short by a kill is removed before the next one is appended.

    Optuna itself would append to it, after which the file cannot be read.
    """

    def __init__(self, path: str | os.PathLike):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        # a worker killed while it held the lock blocks the others for ten seconds
        self._own_lock = JournalFileOpenLock(str(path), grace_period=10)
        super().__init__(str(path), lock_obj=self._own_lock)

    def append_logs(self, logs: list[dict]) -> None:
        self._own_lock.acquire()
        try:
            cut_partial_line(Path(self._file_path))
        finally:
            self._own_lock.release()
        super().append_logs(logs)


def cut_partial_line(path: Path) -> None:
    """Truncate ``path`` after its last newline."""
    with open(path, "rb+") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - 65_536)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < size:
            file.truncate(end)


def fetch_journal(path: Path, mirrors: Iterable[FolderMirror]) -> None:
    """Replace ``path`` by the longest mirrored copy that begins with it."""
    best = own = _whole_lines(path)
    for mirror in mirrors:
        other = _whole_lines(mirror.path / path.name)
        if not (other.startswith(own) or own.startswith(other)):
            raise AmtError(f"{mirror.path / path.name}: of another study; name another --mirror or --folder")
        best = max(best, other, key=len)
    if best is not own:
        _write(path, best)


def publish_journal(path: Path, mirrors: Iterable[FolderMirror]) -> None:
    """Copy the journal's whole lines to the mirrors; errors of a mirror are only printed."""
    content = _whole_lines(path)
    for mirror in mirrors:
        try:
            copy = mirror.check() / path.name
            if content.startswith(_whole_lines(copy)):  # never over another machine's trials
                _write(copy, content, make_folder=False)
            else:
                print(f"{mirror.name}: holds trials that are not in {path}; nothing was copied there")
        except (AmtError, OSError) as error:
            print(f"{mirror.name}: the journal was not copied ({error}); the local one is safe")


def _whole_lines(path: Path) -> bytes:
    content = path.read_bytes() if path.exists() else b""
    return content[: content.rfind(b"\n") + 1]


def _write(path: Path, content: bytes, *, make_folder: bool = True) -> None:
    with written_whole(path, make_folder=make_folder) as partial:
        partial.write_bytes(content)


def check_journal(path: Path) -> None:
    """Raises :class:`AmtError` that names the first line which is not one of Optuna's; a cut last line is none."""
    for number, line in enumerate(_whole_lines(path).splitlines(), start=1):
        where = f"{path}, line {number}"
        entry = parse_json(line, where)
        sound = isinstance(entry, dict) and isinstance(entry.get("op_code"), int) and "worker_id" in entry
        if not sound:
            raise AmtError(f"{where}: no entry of a study's journal; take a mirrored copy, or start in another folder")
