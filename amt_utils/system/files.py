"""Atomic writes, and reading with size limits and error messages that name the file."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import AmtError, WriteError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LEFTOVER = re.compile(r"\..*\.(\d+)-\d+\.partial(\.\w+)?")  # the temporary names of :func:`written_whole`
JSON_BYTES = 64_000_000  # more than any JSON file of this project
_numbers = itertools.count()


@contextlib.contextmanager
def written_whole(path: str | os.PathLike, *, make_folder: bool = True) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; it replaces ``path`` when the block ends without an error.

    After an error, also on a full disk, the temporary file is removed and an older file stays. A killed process may
    leave one behind; :func:`clear_leftovers` deletes these::

        with written_whole("metrics.json") as partial:
            partial.write_text(text)

    Args:
        path: the file.
        make_folder: create missing parent folders; otherwise a missing folder is an error.

    Raises:
        WriteError: the file cannot be written.
    """
    path = Path(path)
    # short enough for any disk, and unique for every process and thread
    partial = path.with_name(f".{path.stem[:40]}.{os.getpid()}-{next(_numbers)}.partial{path.suffix[:20]}")
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except AmtError:
        raise
    except OSError as error:
        if error.filename and not _is_about(error.filename, path, partial):
            raise  # of a file that the block reads
        raise _write_error(path, error) from error
    except Exception as error:  # libraries raise their own errors on a full disk
        if _names_full_disk(error) or _is_disk_full(path.parent):
            raise _write_error(path, error) from error
        raise
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def _is_about(filename: object, path: Path, partial: Path) -> bool:
    named = Path(os.fsdecode(filename)) if isinstance(filename, str | bytes | os.PathLike) else path
    return named in (path, partial) or named in path.parents


def _names_full_disk(error: BaseException | None) -> bool:
    """Whether the error, or one it was raised from (as in ``torch.save``), is a full disk."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return True
        if re.search(r"No space left|Disk quota|File too large|os error (?:28|122|27)\b", str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def _is_disk_full(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return shutil.disk_usage(folder).free < 1 << 16
    return False


def _write_error(path: Path, error: Exception) -> WriteError:
    full = not isinstance(error, OSError) or error.errno in FULL
    reason = (isinstance(error, OSError) and error.strerror) or error
    advice = "the disk or its quota is full: free some space" if full else "choose a folder that can be written"
    return WriteError(f"{path}: could not be written ({reason}); {advice}")


def clear_leftovers(folder: str | os.PathLike) -> int:
    """Deletes temporary files that killed processes left in and below ``folder``; returns how many.

    Files of processes that still run on this machine are kept.
    """
    count = 0
    for path in Path(folder).rglob(".*.partial*"):
        found = LEFTOVER.fullmatch(path.name)
        if found and path.is_file() and not is_running(int(found[1])):
            with contextlib.suppress(OSError):
                path.unlink()
                count += 1
    return count


def is_running(pid: int) -> bool:
    """Whether a process of that number exists on this machine."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def parse_json(text: str | bytes, where: str) -> Any:
    """The value of a JSON text. Raises :class:`AmtError` that begins with ``where``."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # of 100,000 brackets; UnicodeDecodeError is a ValueError
        raise AmtError(f"{where}: not readable as JSON ({str(error)[:200]})") from error


def read_json(path: str | os.PathLike, *, limit: int = JSON_BYTES) -> Any:
    """The value in a JSON file. Raises :class:`AmtError` that names it: missing, too large, damaged."""
    return parse_json(read_text(path, limit=limit), str(path))


def read_text(path: str | os.PathLike, *, limit: int = JSON_BYTES) -> str:
    """A UTF-8 file of at most ``limit`` bytes. Raises :class:`AmtError` that names it."""
    try:
        with open(path, "rb") as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise AmtError(f"{path}: larger than {describe_bytes(limit)}; this is not the file it is taken for")
        return content.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise AmtError(f"{path}: no such file") from error
    except OSError as error:
        raise AmtError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise AmtError(f"{path}: not UTF-8 text ({error})") from error


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
