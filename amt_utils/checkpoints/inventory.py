"""Finds checkpoints at any depth, verifies them against their cards, copies and deletes them.

:mod:`.checkpoint` writes and loads them; :mod:`.mirrors` sends them to other places.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..system.errors import AmtError
from ..system.files import written_whole
from .checkpoint import check_hash, read_card

SUFFIX, CARD_SUFFIX = ".pt", ".json"
BEST = "best.safetensors"  # beside the checkpoints: the EMA weights with the best note F1 on validation recordings


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose hash agrees with its card (see :mod:`amt_utils.checkpoints.checkpoint`)."""

    path: Path
    card: dict

    @property
    def step(self) -> int:
        return int(self.card.get("step", 0))

    @property
    def sha256(self) -> str:
        return self.card["sha256"]

    @property
    def name(self) -> str:
        """The file name of a copy, unique to this checkpoint."""
        return f"step_{self.step:08d}" if self.path.suffix == SUFFIX else self.path.stem

    @property
    def files(self) -> list[Path]:
        return [self.path, self.path.with_suffix(CARD_SUFFIX)]

    def copy_to(self, folder: Path, *, make_folder: bool = True) -> Checkpoint:
        """A verified copy called :attr:`name`: the weights first, the card last.

        Args:
            folder: where to.
            make_folder: make it if it is missing.

        Raises:
            AmtError: the copy, read back, differs, or the folder cannot be written.
            OSError: the checkpoint cannot be read.
        """
        for source in self.files:
            with written_whole(folder / (self.name + source.suffix), make_folder=make_folder) as partial:
                shutil.copyfile(source, partial)
        copy = folder / (self.name + self.path.suffix)
        return Checkpoint(copy, inspect_checkpoint(copy))


def inspect_checkpoint(path: Path) -> dict:
    """The card of ``path`` if the file is intact; raises :class:`AmtError` with the reason otherwise."""
    card = read_card(path)
    size = path.stat().st_size
    if size != card["bytes"]:
        changed = "cut short" if size < card["bytes"] else "too long"
        raise AmtError(f"{path.name}: {changed}, {size} of {card['bytes']} bytes")
    check_hash(path, card)
    return card


Skipped = list[tuple[Path, str]]


def find_all(folders: Iterable[str | os.PathLike]) -> tuple[list[Checkpoint], Skipped]:
    """Every valid checkpoint at any depth below ``folders``, newest first, and what was skipped with the reason."""
    found, skipped = _inspect_all(path for folder in folders for path in sorted(Path(folder).rglob("*" + SUFFIX)))
    return sorted(found, key=lambda c: c.step, reverse=True), skipped


def _inspect_all(paths: Iterable[Path]) -> tuple[list[Checkpoint], Skipped]:
    found, skipped = [], []
    for path in paths:
        try:
            found.append(Checkpoint(path, inspect_checkpoint(path)))
        except (AmtError, OSError) as error:
            skipped.append((path, str(error)))
    return found, skipped


def find_newest(folders: Iterable[str | os.PathLike]) -> tuple[Checkpoint | None, Skipped]:
    """The valid checkpoint with the most steps below ``folders`` (None if there is none), and what was skipped."""
    found, skipped = find_all(folders)
    return (found[0] if found else None), skipped


def find_weights(folders: Iterable[str | os.PathLike]) -> tuple[list[Checkpoint], Skipped]:
    """Valid weights at any depth below ``folders``, the best by note F1 first, and what was skipped with the reason."""
    suffix = Path(BEST).suffix
    found, skipped = _inspect_all(path for folder in folders for path in sorted(Path(folder).rglob("*" + suffix)))
    return sorted(found, key=lambda c: _note_f1(c.card), reverse=True), skipped


def find_best(folder: str | os.PathLike) -> Checkpoint | None:
    """The best weights in or below ``folder``, by note F1, if they are intact."""
    found, _ = _inspect_all(sorted(Path(folder).rglob(BEST)))
    return max(found, key=lambda c: _note_f1(c.card), default=None)


def _note_f1(card: dict) -> float:
    value = (card.get("scores") or {}).get("note_f1")
    return float(value) if isinstance(value, int | float) else -1.0


def choose_kept(folder: str | os.PathLike, keep: int = 2) -> list[Checkpoint]:
    """The newest ``keep`` valid checkpoints of ``folder``, each step once, newest first, and the best weights."""
    by_step = {c.step: c for c in reversed(find_all([folder])[0])}
    best = find_best(folder)
    return [by_step[step] for step in sorted(by_step, reverse=True)[:keep]] + ([best] if best else [])


def prune(folder: str | os.PathLike, keep: int = 2) -> list[Path]:
    """Delete all but the newest ``keep`` valid checkpoints; broken ones too, once there is a valid one.

    Returns:
        What was deleted.
    """
    found, skipped = find_all([folder])
    if not found:
        return []
    kept = {file for checkpoint in choose_kept(folder, keep) for file in checkpoint.files}
    gone = [f for c in found for f in c.files if f not in kept]
    # files without a card are not deleted
    broken = [path for path, _ in skipped if path.with_suffix(CARD_SUFFIX).exists()]
    gone += [f for path in broken for f in (path, path.with_suffix(CARD_SUFFIX)) if f not in kept]
    for file in gone:
        file.unlink(missing_ok=True)
    return gone
