"""Sheet music as plain data, note by note, for other programs and for :mod:`.check_asap`."""

from __future__ import annotations

from typing import Any

from ..music.notes import Performance
from .metre import TICKS
from .score import Score


def make_record(score: Score, performance: Performance) -> dict[str, Any]:
    """A score and its performance -> the record that ``--json`` writes.

    ``beats`` and ``downbeats`` are in seconds; ``metre`` and ``fifths`` are the signatures that hold longest. Each
    written note has ``onset`` (seconds, as played), ``pitch``, ``quarter`` (quarter notes from the first bar line,
    negative in a pick-up), ``duration`` (quarter notes), ``staff`` (1 is the upper), ``voice`` (of the staff),
    ``measure`` as printed, ``place`` (quarter notes from the beginning of the bar; a pick-up ends at its bar line),
    ``step``, ``alter`` and ``octave``.
    """
    notes, bars = performance.notes, score.page.bars
    lead = bars.start(1) if bars.pickup else 0
    rows = []
    for row in score.positions:
        note = int(row["note"])
        step, alter, octave = score.page.names[note]
        rows.append({
            "onset": round(float(notes["onset"][note]), 6), "pitch": int(notes["pitch"][note]),
            "quarter": _plain((int(row["tick"]) - lead) / TICKS), "duration": _plain(int(row["length"]) / TICKS),
            "staff": int(row["staff"]), "voice": int(row["voice"]), "measure": int(row["measure"]),
            "place": _plain(int(bars.place(int(row["tick"]))) / TICKS),
            "step": str(step), "alter": int(alter), "octave": int(octave),
        })  # fmt: skip
    return {
        "beats": [round(float(t), 4) for t in score.beats.times],
        "downbeats": [round(float(t), 4) for t in score.beats.downbeats],
        "metre": str(score.metre),
        "fifths": int(score.key.fifths),
        "notes": rows,
    }


def _plain(quarters: float) -> float:
    return round(quarters, 6)
