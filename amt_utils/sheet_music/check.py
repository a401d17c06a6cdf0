"""Accuracy of the sheet music: pieces with a known score, performed with jitter and rubato, transcribed to notation.

Each measure is the share of a piece's notes that are written with

* ``rhythm``: the right distance from other notes, up to one factor for the whole piece (quarters written as eighths);
* ``onset``: the right distance from the first full bar line, in quarter notes, up to one shift for the whole piece;
* ``bar``: the right position in the right bar, which also needs the right metre, downbeat and pick-up;
* ``length``: the right note value (in quarter notes; ties are added up);
* ``hand``: the right staff;
* ``spelling``: the right step, alteration and octave.

``metre`` and ``key`` are the shares of pieces with the right time and key signature. Notes that were not written count
as wrong; the table gives means over pieces.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TypedDict

import numpy as np

from .known_pieces import Piece, known_pieces, perform
from .metre import TICKS, Metre
from .score import Score, make_score
from .spelling import Key

MEASURES = ("rhythm", "onset", "bar", "length", "hand", "spelling", "metre", "key")
_FACTORS = (1, 2, 1 / 2, 3 / 2, 2 / 3, 3, 1 / 3)
LEVELS = {"steady": (0.0, 0.0), "careful": (0.010, 0.03), "human": (0.018, 0.07), "free": (0.028, 0.12)}


class Given(TypedDict, total=False):
    """Options of :func:`.make_score` that are given instead of estimated."""

    tempo: float
    metre: Metre
    key: Key
    pickup: float


def check_score(score: Score, piece: Piece, order: np.ndarray) -> dict[str, float]:
    """Shares of correct notes, 0..1, and whether metre and key signature are correct.

    Args:
        score: made from a performance of the piece.
        piece: the known score.
        order: ``(n,)`` index of each performed note in ``piece.notes`` (from :func:`known_pieces.perform`).
    """
    rows = score.positions
    truth = [piece.notes[order[note]] for note in rows["note"]]
    n = len(piece.notes)
    onset = np.array([float(note.onset) for note in truth])
    lead = score.page.bars.pickup / TICKS
    found = rows["tick"] / TICKS - lead
    fits = [np.abs(f * found - onset - _most_common(np.round(f * found - onset, 3))) < 2e-3 for f in _FACTORS]
    shift = _most_common(np.round(found - onset, 3))
    bar = piece.metre.numerator * 4 / piece.metre.denominator
    right = {"rhythm": max(fits, key=np.sum) if len(fits[0]) else fits[0]}
    right |= {"onset": np.abs(found - onset - shift) < 1e-3}
    same_metre = score.metre == piece.metre
    right["bar"] = right["onset"] & same_metre & (abs(shift / bar - round(shift / bar)) < 1e-3)
    right["length"] = np.abs(rows["length"] / TICKS - [float(note.length) for note in truth]) < 1e-3
    right["hand"] = rows["staff"] - 1 == [note.hand for note in truth]
    names = [score.page.names[note] for note in rows["note"]]
    right["spelling"] = np.array([(t.step, t.alter, t.octave) == tuple(s) for t, s in zip(truth, names, strict=True)])
    shares = {name: float(np.sum(values)) / n for name, values in right.items()}
    return shares | {"metre": float(same_metre), "key": float(score.key.fifths == piece.key.fifths)}


def _most_common(values: np.ndarray) -> float:
    if not len(values):
        return 0.0
    distinct, counts = np.unique(values, return_counts=True)
    return float(distinct[counts.argmax()])


def check_level(level: str, *, given: bool = False, seed: int = 0, pieces: list[Piece] | None = None) -> dict:
    """Pieces performed at one level -> ``{kind: {measure: share}}``; ``"all"`` is the mean over all pieces.

    Args:
        level: a key of :data:`LEVELS` (onset jitter in seconds, rubato).
        given: give tempo, metre, key and pick-up instead of estimating them.
        seed: random seed of the performances.
        pieces: all known pieces when ``None``.
    """
    jitter, rubato = LEVELS[level]
    table = defaultdict(list)
    for number, piece in enumerate(pieces or known_pieces()):
        performance, order = perform(piece, jitter=jitter, rubato=rubato, seed=1000 * seed + number)
        options = Given()
        if given:
            pickup = float(piece.pickup) / piece.metre.quarters_per_beat
            options = Given(tempo=piece.tempo, metre=piece.metre, key=piece.key, pickup=pickup)
        shares = check_score(make_score(performance, **options), piece, order)
        table[piece.kind].append(shares)
        table["all"].append(shares)
    return {kind: {m: float(np.mean([row[m] for row in rows])) for m in MEASURES} for kind, rows in table.items()}
