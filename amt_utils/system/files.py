"""Files appear whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from .errors import AmtError


@contextlib.contextmanager
def written_whole(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; it takes ``path``'s place when the block ends without an error.

    Parent folders are made. After an error, also a full disk, nothing is left of it and an older file stays::

        with written_whole("scores.json") as partial:
            partial.write_text(text)

    Raises:
        AmtError: the system would not write there.
    """
    path = Path(path)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        reason = error.strerror or error
        raise AmtError(f"{path}: could not be written ({reason}); free some space or choose another folder") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def hash_file(path: str | os.PathLike) -> str:
    """SHA-256 of a file, hexadecimal."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def parse_size(text: str) -> int:
    """``"15GB"``, ``"800 MB"``, ``"1.5e9"`` -> bytes (powers of 1000). Raises :class:`AmtError`."""
    units = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
    number = text.strip().upper().rstrip("KMGTB ")
    try:
        value = float(number) * units[text.strip().upper()[len(number) :].strip()]
    except (ValueError, KeyError):
        value = 0
    if not 0 < value < float("inf"):
        raise AmtError(f"{text!r} is not a size; write it like 15GB or 800MB")
    return int(value)


def describe_bytes(n: int) -> str:
    """``12_500_000_000`` -> ``"12.5 GB"``."""
    return f"{n / 1e9:.1f} GB" if n >= 1e9 else f"{n / 1e6:.0f} MB" if n >= 1e6 else f"{n / 1e3:.0f} kB"
