"""Files appear whole or not at all."""

from __future__ import annotations

import contextlib
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
