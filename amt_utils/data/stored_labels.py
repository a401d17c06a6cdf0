"""``NAME.npz`` of ``processed_data/``: the labels of a recording, and what its other files are by size and SHA-256.

It is written last: where it is, the recording is done. The zip's own CRC guards the labels; sizes and hashes tell
whether sound, MIDI and features are still those that were written with them.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..music.notes import Performance
from ..system.errors import AmtError
from ..system.files import hash_file

SUFFIX = ".npz"
KINDS = {"audio": ".flac", "midi": ".mid", "features": ".npy"}  # of the files beside it
_ABSENT = -1


@dataclass(frozen=True)
class StoredLabels:
    """Notes and pedals of a recording, its samples, and size and hash of its files by kind (none in old folders)."""

    performance: Performance
    samples: int
    files: dict[str, tuple[int, str]]


def labels_path(audio: Path) -> Path:
    """Where the labels of a processed recording lie: beside its sound."""
    return audio.with_name(audio.name.removesuffix(KINDS["audio"]) + SUFFIX)


def pack_labels(performance: Performance, n_samples: int, files: dict[str, Path]) -> bytes:
    """The content of a labels file; ``files`` that are missing are noted as absent."""
    there = {kind: path for kind, path in files.items() if kind in KINDS and path.is_file()}
    sizes = [there[kind].stat().st_size if kind in there else _ABSENT for kind in KINDS]
    hashes = [bytes.fromhex(hash_file(there[kind])) if kind in there else bytes(32) for kind in KINDS]
    packed = io.BytesIO()
    np.savez(
        packed,
        notes=performance.notes,
        pedals=performance.pedals,
        samples=np.int64(n_samples),
        sizes=np.array(sizes, np.int64),
        hashes=np.frombuffer(b"".join(hashes), np.uint8).reshape(len(KINDS), 32),
    )
    return packed.getvalue()


def read_labels(path: str | os.PathLike) -> StoredLabels:
    """A labels file. Raises :class:`AmtError` that names it: missing, damaged, or not one of ours."""
    try:
        with np.load(path) as stored:
            performance = Performance(stored["notes"], stored["pedals"])
            samples = int(stored["samples"])
            files = {}
            if "sizes" in stored.files:
                rows = zip(KINDS, stored["sizes"].tolist(), stored["hashes"], strict=True)
                files = {kind: (size, row.tobytes().hex()) for kind, size, row in rows if size != _ABSENT}
    except AmtError as error:
        raise AmtError(f"{path}: damaged ({error}); run preprocess again") from error
    except (OSError, ValueError, KeyError, TypeError, EOFError, IndexError, AttributeError, NotImplementedError,
            RuntimeError, OverflowError, MemoryError, SyntaxError, zipfile.BadZipFile) as error:  # fmt: skip
        # what numpy and zipfile raise on bytes that they did not write
        reason = str(error) or type(error).__name__
        raise AmtError(f"{path}: damaged or no labels ({reason[:200]}); run preprocess again") from error
    if samples < 0:
        raise AmtError(f"{path}: damaged (it tells {samples} samples); run preprocess again")
    return StoredLabels(performance, samples, files)


def find_damage(path: Path, *, hashed: Iterable[str] = KINDS) -> str:
    """Why the recording of the labels file ``path`` is not what was written; ``""`` where it is.

    Args:
        path: the labels; missing ones are a reason too.
        hashed: whose bytes are read and hashed as well; of the other kinds only the size is compared.
    """
    try:
        labels = read_labels(path)
    except AmtError as error:
        return str(error)
    for kind, (size, digest) in labels.files.items():
        file = path.with_name(path.name.removesuffix(SUFFIX) + KINDS[kind])
        try:
            changed = file.stat().st_size != size or (kind in hashed and hash_file(file) != digest)
        except OSError as error:
            return f"{file}: cannot be read ({error.strerror}); run preprocess again"
        if changed:
            return f"{file}: was changed or damaged since preprocess wrote it; run preprocess again"
    return ""
