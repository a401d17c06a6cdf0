"""A lock on a folder for one process at a time, released when the process ends."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .errors import AmtError, WriteError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".in-use.lock"
_held: set[Path] = set()  # by this process: record locks do not prevent locking twice in one process


@contextlib.contextmanager
def hold_folder(folder: str | os.PathLike, *, doing: str, say: Callable[[str], None] = print) -> Iterator[None]:
    """Holds ``folder`` (made if missing) while the block runs, so that no second process works in it.

    The system releases the lock when the process ends in any way; child processes do not inherit it (POSIX record
    locks). On a disk without locks, such as Google Drive, a message is printed and the block runs.

    Args:
        folder: to hold.
        doing: what the holder does, for the message: ``"trains"``.
        say: called with a sentence where locks are not supported.

    Raises:
        AmtError: another process holds it; the message says which one, on which machine and since when.
    """
    folder = Path(folder)
    path = folder / LOCK
    me = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S"), "doing": doing}
    if folder.resolve() in _held:
        raise AmtError(_describe(folder, me))
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(open(path, "a+", encoding="utf-8"))
        except OSError as error:
            raise WriteError(f"{folder}: cannot be written ({error.strerror or error}); choose another") from error
        try:
            if fcntl is None:
                raise OSError(errno.ENOTSUP, "no record locks on this system")
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                file.seek(0)
                raise AmtError(_describe(folder, _read_holder(file.read(10_000)))) from error
            say(f"{folder}: this disk has no locks ({error.strerror}); see to it that one process alone {doing} there")
        else:
            with contextlib.suppress(OSError):  # a full disk: the lock holds, only its message is short
                file.truncate(0)
                file.write(json.dumps(me))
                file.flush()
        _held.add(folder.resolve())
        stack.callback(_held.discard, folder.resolve())
        yield


def _read_holder(text: str) -> dict[str, object]:
    try:
        holder = json.loads(text)
    except (ValueError, RecursionError):
        holder = None
    return holder if isinstance(holder, dict) else {}


def _describe(folder: Path, holder: dict[str, object]) -> str:
    who = f"process {holder.get('pid', '?')} on {holder.get('host', 'another machine')}"
    since = f" since {holder['since']}" if "since" in holder else ""
    return (
        f"{folder}: {who} {holder.get('doing', 'works')} there{since}; wait until it has ended, stop it, "
        "or name another folder"
    )
