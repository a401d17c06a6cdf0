"""Putting a folder of recordings in order: names, pairs, the noise before the first note. Nothing is overwritten.

Renaming is planned first and can be undone; pairs are checked without being changed; trimming returns new audio
and notes shifted by the same amount.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..audio.reading import load_audio
from ..config import FeatureConfig
from ..music.notes import Performance
from ..system.errors import AmtError
from ..system.files import read_json, written_whole
from .library import Recording, take_inventory
from .own_piano.align import align

RATE = FeatureConfig().sample_rate
JOURNAL = ".tidy-renamed.json"
_TABLE_BYTES = 20_000_000  # larger files are no metadata

# ---------------------------------------------------------------- names


@dataclass(frozen=True)
class Renaming:
    """What would be renamed, ``(old, new)`` relative to ``folder``, and what stays because its new name is taken."""

    folder: Path
    pairs: tuple[tuple[str, str], ...]
    blocked: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        lines = [f"{old} -> {Path(new).name}" for old, new in self.pairs[:10]]
        lines += [f"... and {len(self.pairs) - 10} more"] if len(self.pairs) > 10 else []
        lines += [f"stays: {old}, because {Path(new).name} exists" for old, new in self.blocked]
        return "\n".join(lines or ["nothing to rename"])


def plan_renames(folder: str | os.PathLike, *, suffix: str = ".mid", old: Sequence[str] = (".midi",)) -> Renaming:
    """A dry run: every ``.midi`` (any case) below ``folder`` would end in ``.mid``.

    Names that differ in case only count as taken, because on some disks they are the same file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise AmtError(f"{folder}: no such folder")
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    taken = {str(p.relative_to(folder)).lower() for p in files}
    pairs: list[tuple[str, str]] = []
    blocked: list[tuple[str, str]] = []
    for path in files:
        renamed = path.with_suffix(suffix)
        if path.suffix.lower() in (*old, suffix) and path.suffix != suffix:
            names = path.relative_to(folder).as_posix(), renamed.relative_to(folder).as_posix()
            only_case = names[0].lower() == names[1].lower()
            free = only_case or str(renamed.relative_to(folder)).lower() not in taken
            (pairs if free else blocked).append(names)
            taken.add(str(renamed.relative_to(folder)).lower())
    return Renaming(folder, tuple(pairs), tuple(blocked))


def apply_renames(renaming: Renaming) -> int:
    """Renames as planned, and in the CSV and JSON tables of the folder; returns how many files were renamed.

    A journal is written before the first file is touched, so that :func:`undo_renames` also mends half a run.
    """
    if not renaming.pairs:
        return 0
    journal = renaming.folder / JOURNAL
    done = _read_journal(renaming.folder) if journal.is_file() else []
    with written_whole(journal) as partial:
        partial.write_text(json.dumps([*done, *renaming.pairs]))
    return _rename(renaming.folder, renaming.pairs)


def undo_renames(folder: str | os.PathLike) -> int:
    """Takes back every renaming the journal knows; returns how many files got their old name back.

    Raises:
        AmtError: there is no journal, or it holds what :func:`apply_renames` never does.
    """
    folder = Path(folder)
    if not (folder / JOURNAL).is_file():
        raise AmtError(f"{folder}: nothing to undo here (no {JOURNAL})")
    count = _rename(folder, [(new, old) for old, new in reversed(_read_journal(folder))])
    (folder / JOURNAL).unlink()
    return count


def _read_journal(folder: Path) -> list[tuple[str, str]]:
    """The renamings done in ``folder``: names below it, each changed in its suffix alone."""
    path = folder / JOURNAL
    pairs = read_json(path)
    for pair in pairs if isinstance(pairs, list) else [None]:
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(name, str) for name in pair)):
            raise AmtError(f"{path}: damaged, it does not hold pairs of names; rename by hand and delete it")
        old, new = (PurePosixPath(name) for name in pair)
        inside = (folder / old).parent.resolve().is_relative_to(folder.resolve()) and ".." not in old.parts
        if not inside or "\0" in pair[0] + pair[1] or old.with_suffix("") != new.with_suffix(""):
            raise AmtError(f"{path}: {pair[0]!r} -> {pair[1]!r} is no renaming of this folder; nothing was changed")
    return [(old, new) for old, new in pairs]


def _rename(folder: Path, pairs: Iterable[tuple[str, str]]) -> int:
    done = []
    for old, new in pairs:
        source, target = folder / old, folder / new
        if not source.exists():
            continue  # renamed by a run that was stopped
        if target.exists() and not os.path.samefile(source, target):
            raise AmtError(f"{target}: exists, {source.name} keeps its name; move one of them away and start again")
        try:
            os.rename(source, target)
        except OSError as error:
            raise AmtError(f"{source}: cannot be renamed ({error.strerror}); start again when it can") from error
        done.append((old, new))
    for table in [*folder.rglob("*.csv"), *folder.rglob("*.json")]:
        if table.name != JOURNAL and table.stat().st_size <= _TABLE_BYTES:
            _rename_in_table(folder, table, pairs)
    return len(done)


def _rename_in_table(folder: Path, table: Path, pairs: Iterable[tuple[str, str]]) -> None:
    """Replaces the names, as written relative to the table, where they stand as whole fields."""
    try:
        before = text = table.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return  # not a table of ours
    for old, new in pairs:
        old, new = (Path(os.path.relpath(folder / name, table.parent)).as_posix() for name in (old, new))
        for left, right in (",,", '""', ",\n", "\n,", ",\r", '",', ',"'):
            text = text.replace(left + old + right, left + new + right)
    if text != before:
        with written_whole(table) as partial:
            partial.write_bytes(text.encode("utf-8"))


# ---------------------------------------------------------------- pairs


@dataclass(frozen=True)
class Finding:
    """What was found out about one recording; times in seconds, ``None`` where it was not measured.

    ``status`` is ``ok``, ``shifted`` (audio and MIDI fit after a correction) or ``excluded``, with the ``reason``.
    """

    name: str
    status: str
    reason: str = ""
    audio_seconds: float | None = None
    midi_seconds: float | None = None
    first_attack: float | None = None
    first_note: float | None = None
    offset: float | None = None
    drift: float | None = None


def check_pairs(folder: str | os.PathLike, *, listen: bool = True, tolerance: float = 0.05) -> list[Finding]:
    """Every audio and MIDI file below ``folder``: is it part of a pair, and do the two fit?

    Args:
        listen: also measure offset and drift by the sound (:func:`.align`), which takes about a
            hundredth of the recording's length.
        tolerance: seconds that sound and MIDI may be apart, at the beginning or, by drift, at the end.
    """

    inventory = take_inventory(folder)
    found = [_check_pair(pair, listen, tolerance) for pair in inventory.recordings]
    for path in inventory.audio_only:
        found.append(Finding(_name(path, folder), "excluded", "no MIDI of the same name"))
    for path, reason in inventory.excluded:
        found.append(Finding(_name(path, folder), "excluded", reason))
    return found


def _name(path: Path, folder: str | os.PathLike) -> str:
    return path.relative_to(folder).as_posix()


def _check_pair(pair: Recording, listen: bool, tolerance: float) -> Finding:
    mismatch = pair.mismatch
    try:
        performance, seconds = pair.performance, pair.seconds
    except AmtError as error:
        return Finding(pair.name, "excluded", str(error))
    about: dict[str, Any] = {"audio_seconds": seconds, "midi_seconds": 0.0}
    if len(performance.notes):
        last, first = float(performance.notes["offset"].max()), float(performance.notes["onset"][0])
        about |= {"midi_seconds": last, "first_note": first}
    if mismatch:
        return Finding(pair.name, "excluded", mismatch, **about)
    if not listen:
        return Finding(pair.name, "ok", **about)
    try:
        audio = load_audio(pair.audio, sample_rate=RATE)
        about["first_attack"] = find_first_attack(audio, sample_rate=RATE)
        alignment = align(audio, performance)
    except AmtError as error:
        return Finding(pair.name, "excluded", str(error), **about)
    about |= {"offset": alignment.offset, "drift": alignment.drift}
    if not alignment.reliable:
        return Finding(pair.name, "excluded", "audio and MIDI do not sound alike: another take?", **about)
    apart = np.abs(alignment.to_audio(np.array([first, last])) - [first, last]).max()
    if apart > tolerance:
        return Finding(pair.name, "shifted", f"up to {apart:.3f} s apart; {alignment.describe()}", **about)
    return Finding(pair.name, "ok", **about)


def find_first_attack(audio: np.ndarray, *, sample_rate: int = RATE) -> float | None:
    """Seconds until the sound first rises well out of the noise before it; ``None`` where it never does."""
    hop = sample_rate // 100
    blocks = audio[: len(audio) // hop * hop].reshape(-1, hop).astype(np.float64)
    if not len(blocks):
        return None
    level = 10 * np.log10(np.mean(blocks**2, axis=1) + 1e-12)
    quiet = np.quantile(level[:500], 0.05)  # the first five seconds have some silence, if only between notes
    loud = level > max(quiet + 15, level.max() - 50)
    held = loud[:-2] & loud[1:-1] & loud[2:] if len(loud) > 2 else loud
    return float(np.argmax(held)) / 100 if held.any() else None


def write_report(findings: Iterable[Finding], path: str | os.PathLike) -> Path:
    """The findings as CSV: what was kept, what was excluded and why."""
    with written_whole(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Finding)])
        writer.writeheader()
        writer.writerows(asdict(finding) for finding in findings)
    return Path(path)


# ---------------------------------------------------------------- length


def trim_lead(
    audio: np.ndarray, performance: Performance, *, keep: float = 0.5, sample_rate: int = RATE
) -> tuple[np.ndarray, Performance, float]:
    """Cuts what is more than ``keep`` seconds before the first note, in audio and notes alike.

    Returns:
        ``(audio, performance, seconds cut)``; the cut is a whole number of samples.
    """
    if not len(performance.notes):
        return audio, performance, 0.0
    cut = max(0, int((performance.notes["onset"][0] - keep) * sample_rate))
    cut = min(cut, len(audio))
    return audio[cut:], performance.shifted(-cut / sample_rate), cut / sample_rate
