"""What is said of files that are no recordings, or damaged ones: errors that name the file, and warnings."""

from __future__ import annotations

import functools
import logging
import os
from pathlib import Path

import numpy as np

from ..system.errors import AmtError

_LOUDEST = 16.0  # float files may exceed full scale; beyond +24 dB the samples are in another unit
_log = logging.getLogger(__name__)


def check_is_file(path: str | os.PathLike) -> Path:
    """``path`` as a :class:`Path`. Raises :class:`AmtError`: missing, a folder, a device, empty, not permitted."""
    path = Path(path)
    try:
        if path.is_dir():
            raise AmtError(f"{path}: a folder, not a recording; name the files in it")
        if not path.exists():
            raise AmtError(f"{path}: no such file; check the name and the folder")
        if not path.is_file():
            raise AmtError(f"{path}: not a regular file; save the recording to disk first")
        with path.open("rb") as file:
            if not file.read(1):
                raise AmtError(f"{path}: the file is empty (0 bytes); copy or record it again")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise AmtError(f"{path}: cannot be opened ({reason}); check its name and permissions") from error
    return path


def check_samples(block: np.ndarray, path: Path, sample_rate: int, start: int = 0) -> None:
    """Raises :class:`AmtError` naming the time of the first sample that is NaN, infinite or too large.

    Args:
        block: ``(n,)`` or ``(n, channels)`` float samples, n > 0.
        start: the block's first frame in the file.
    """
    if max(block.max(), -block.min()) <= _LOUDEST:  # false for NaN too
        return
    rows = block.reshape(len(block), -1)
    row, column = np.argwhere(~(np.abs(rows) <= _LOUDEST))[0]
    raise AmtError(
        f"{path}: a sample of {rows[row, column]} at {(start + row) / sample_rate:.3f} s (full scale is 1.0); "
        "export the recording again as 16- or 24-bit PCM"
    )


def cut_short(path: Path, at: float, length: float, complaint: str = "") -> AmtError:
    """The error of a file that ends after ``at`` of ``length`` seconds (infinite where that is not known)."""
    of = f" of {length:.2f}" if length < np.inf else ""
    because = f" ({complaint})" if complaint else ""
    return AmtError(f"{path}: damaged or cut short after {at:.2f}{of} s{because}; copy or download it again")


def contradiction(path: Path) -> AmtError:
    """The error of a file whose header cannot be right."""
    return AmtError(f"{path}: its header contradicts itself on rate, channels or bits; export the recording again")


def warn_of_size(path: Path, claimed: int, found: int) -> None:
    """Warns that a file holds more bytes of samples than its header says."""
    warn_once(f"{path}: its header tells of {claimed:,} bytes, the file has {found:,}; read as far as it goes")


def warn_of_damage(path: Path, n_places: int) -> None:
    """Warns that samples are missing in ``n_places``, if any."""
    if n_places:
        warn_once(f"{path}: damaged in {n_places} places, some sound is missing there; copy or download it again")


@functools.lru_cache(maxsize=4096)
def warn_once(message: str) -> None:
    """Logs a warning once, although a file may be read several times."""
    _log.warning(message)
