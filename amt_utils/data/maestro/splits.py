"""Selects pieces within the splits: leaks between splits, conditions, and a fixed sampling order."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...system.errors import AmtError
from .catalogue import SPLITS, Piece


@dataclass(frozen=True)
class Leak:
    """One work that is in several splits; ``sure`` when composer and title agree, else by catalogue number."""

    composer: str
    title: str
    splits: tuple[str, ...]
    pieces: tuple[Piece, ...]
    sure: bool


def find_leaks(pieces: Iterable[Piece]) -> list[Leak]:
    """Works with performances in more than one split.

    Composer and title are compared without regard to case, accents and punctuation (``sure``), and then by the
    catalogue number in the title, such as BWV, K., Hob. or D. (not ``sure``: two movements may share a number).
    """
    pieces = list(pieces)
    groups: dict[tuple, list[Piece]] = defaultdict(list)
    for piece in pieces:
        groups["title", _plain(piece.composer), _plain(piece.title)].append(piece)
        number = _catalogue_number(piece.title)
        if number:
            groups["number", _plain(piece.composer), number].append(piece)
    leaks: list[Leak] = []
    explained: set[Piece] = set()
    for (kind, *_), same in groups.items():
        splits = tuple(split for split in SPLITS if any(p.split == split for p in same))
        sure = kind == "title"
        if len(splits) > 1 and (sure or not explained.issuperset(same)):
            leaks.append(Leak(same[0].composer, same[0].title, splits, tuple(same), sure))
            explained.update(same if sure else ())
    return sorted(leaks, key=lambda leak: (not leak.sure, leak.composer, leak.title))


def without_leaks(pieces: Iterable[Piece]) -> tuple[list[Piece], list[tuple[Piece, str]]]:
    """Pieces for training and evaluation without a work in common: ``(kept, [(excluded, reason), ...])``.

    The test split is kept whole; works in test or validation are removed from the splits before it, also those that
    only share a catalogue number.
    """
    pieces = list(pieces)
    excluded: dict[Piece, str] = {}
    for leak in find_leaks(pieces):
        last = leak.splits[-1]
        for piece in leak.pieces:
            if piece.split != last:
                excluded.setdefault(piece, f"{leak.title} by {leak.composer} is also in {last}")
    return [p for p in pieces if p not in excluded], list(excluded.items())


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", " ", text).strip()


def _catalogue_number(title: str) -> str | None:
    """``"Sonata in F Major, K. 280, 1st mov."`` -> ``"k 280"``; opus numbers only with the number within."""
    text = _plain(title)
    found = re.search(r"\b(op) ?(\d+) no ?(\d+)\b(?! (?:and|to|\d))", text)
    found = found or re.search(r"\b(bwv|hwv|kv?|d|s) ?(\d+)(?: (?:no )?(\d{1,2})\b)?", text)
    found = found or re.search(r"\b(hob) ?([xvi]+) ?(\d+)\b", text)
    return " ".join(filter(None, found.groups())).replace("kv ", "k ") if found else None


def select(
    pieces: Iterable[Piece],
    *,
    splits: Sequence[str] | None = None,
    years: Sequence[int] | None = None,
    composers: Sequence[str] | None = None,
    min_seconds: float = 0.0,
    max_seconds: float = float("inf"),
    fraction: float | None = None,
) -> list[Piece]:
    """The pieces that meet every condition, in the metadata's order.

    Args:
        splits, years: any of these.
        composers: any of these appears in the composer's name, ignoring case.
        min_seconds, max_seconds: limits of the duration, both included.
        fraction: 0..1 of the hours of every split, at least one piece each; deterministic, and a smaller
            fraction is always part of a larger one.

    Raises:
        AmtError: nothing is left, or an argument is invalid.
    """
    pieces = list(pieces)
    for split in splits or ():
        if split not in SPLITS:
            raise AmtError(f"split {split!r} is none of {', '.join(SPLITS)}")
    if fraction is not None and not 0 < fraction <= 1:
        raise AmtError(f"fraction must be in 0..1, not {fraction}")
    names = [_plain(name) for name in composers or ()]
    chosen = [
        piece
        for piece in pieces
        if (not splits or piece.split in splits)
        and (not years or piece.year in years)
        and (not names or any(name in _plain(piece.composer) for name in names))
        and min_seconds <= piece.duration <= max_seconds
    ]
    if not chosen:
        raise AmtError(f"none of the {len(pieces)} pieces meets these conditions; widen them")
    if fraction is None:
        return chosen
    ranks = sampling_ranks(chosen)
    first = {split: min((r for p, r in ranks.items() if p.split == split), default=0) for split in SPLITS}
    return [piece for piece in chosen if ranks[piece] <= max(fraction, first[piece.split])]


def sampling_ranks(pieces: Iterable[Piece]) -> dict[Piece, float]:
    """Each piece's place, 0..1, in a fixed random order of its split, measured in hours.

    Taking the pieces with ranks up to ``f`` takes about the share ``f`` of the hours of every split.
    """
    ranks: dict[Piece, float] = {}
    pieces = list(pieces)
    for split in SPLITS:
        own = sorted((p for p in pieces if p.split == split), key=lambda p: hashlib.sha256(p.stem.encode()).digest())
        total, passed = sum(p.duration for p in own), 0.0
        for piece in own:
            ranks[piece] = (passed + piece.duration / 2) / total if total else 0.0
            passed += piece.duration
    return ranks
