"""Parts of files as streams, and results that are kept until a file changes."""

from __future__ import annotations

import functools
import io
import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")


def once_per_file(function: Callable[[Path], _T]) -> Callable[[Path], _T]:
    """``function(path)``, cached until the file's size or modification time changes."""

    @functools.lru_cache(maxsize=4096)
    def compute(path: Path, size: int, changed: int) -> _T:
        return function(path)

    @functools.wraps(function)
    def compute_or_recall(path: Path) -> _T:
        status = path.stat()
        return compute(path.absolute(), status.st_size, status.st_mtime_ns)

    return compute_or_recall


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap]:
    """The bytes of a file, read as they are needed."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


class Section(io.RawIOBase):
    """Bytes ``begin`` to ``end`` of a file as a seekable stream, some of them replaced."""

    def __init__(self, path: Path, begin: int = 0, end: int | None = None, replaced: dict[int, bytes] | None = None):
        self._file = path.open("rb")
        self._begin, self._replaced = begin, replaced or {}
        self._size = (os.path.getsize(path) if end is None else end) - begin
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer) -> int:
        view = memoryview(buffer).cast("B")
        self._file.seek(self._begin + self._at)
        content = bytearray(self._file.read(max(0, min(len(view), self._size - self._at))))
        for at, new in self._replaced.items():
            for i, byte in enumerate(new, at - self._at):
                if 0 <= i < len(content):
                    content[i] = byte
        view[: len(content)] = content
        self._at += len(content)
        return len(content)

    def close(self) -> None:
        self._file.close()
        super().close()
