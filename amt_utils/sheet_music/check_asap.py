"""Accuracy of the sheet music of real performances, compared with (n)ASAP's scores (:mod:`.asap`).

The first 75 seconds of each performance are transcribed to notation from the notes and pedals alone. Each
measure is a share 0..1 per performance; tables give means over performances:

* ``beat``: F1 of the beats at 70 ms, ``mir_eval.beat.f_measure``; no beats are trimmed at the beginning (mir_eval's
  usual 5 s would be a fifteenth of the music), and beats before 0 or after the excerpt are not counted;
* ``any level``: the largest ``beat`` of the estimate, of beats twice and three times as fast, and of every second
  (third, fourth) beat at each phase; mir_eval has this for its continuity measures only;
* ``downbeat``: F1 of the downbeats at 70 ms;
* ``metre``, ``key``: whether the time signature (as written: 12/16 is not 12/8) and the number of sharps or flats are
  those that hold for most of the excerpt;
* ``hand``: notes on the right staff, of notes that the data set marks to be on one of two staves;
* ``spelling``: notes with the right step and alteration;
* ``next onset``: notes whose distance to the next onset of the score is right in quarter notes, up to one factor for
  the whole excerpt (quarters written as eighths);
* ``note value``: notes of the right duration in quarter notes, ties added up;
* ``place``: notes at the right position in the bar, in quarter notes from its bar line.

Only notes that the data set aligns with a note of the score count; the last three measures leave out grace notes. A
note that was not written is wrong. The tolerance of distances is 0.02 of a quarter note.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..music.notes import Performance
from .asap import ALIGNED, Aligned, Annotations

SECONDS, WINDOW, NEAR = 75.0, 0.07, 0.02
MEASURES = ("beat", "any level", "downbeat", "metre", "key", "hand", "spelling", "next onset", "note value", "place")
_FACTORS = (1, 2, 1 / 2, 3 / 2, 2 / 3, 3, 1 / 3, 4, 1 / 4, 4 / 3, 3 / 4)


def excerpt(performance: Performance, seconds: float = SECONDS) -> Performance:
    """Notes and pedals with onsets before ``seconds``; they keep their offsets."""
    notes, pedals = performance.notes, performance.pedals
    return Performance(notes[notes["onset"] < seconds], pedals[pedals["onset"] < seconds])


def check_record(record: dict, truth: Aligned, seconds: float = SECONDS) -> dict[str, float]:
    """A record (:func:`.record.make_record`) of an excerpt -> its :data:`MEASURES`, ``nan`` if unknown."""
    beats = truth.annotations.until(seconds)
    found = check_beats(record, beats, seconds)
    found["metre"] = float(record["metre"] == _longest([f"{a}/{b}" for a, b in beats.metre.tolist()]))
    found["key"] = float(record["fifths"] == _longest(beats.fifths.tolist()))
    notes = truth.performance.notes
    rows = truth.alignment[notes["onset"][truth.alignment["note"]] < seconds]
    return found | check_notes(record["notes"], notes, rows)


def check_beats(record: dict, beats: Annotations, seconds: float) -> dict[str, float]:
    """The measures ``beat``, ``any level`` and ``downbeat``."""
    from mir_eval.beat import f_measure

    def f1(true: np.ndarray, own: np.ndarray) -> float:
        own = own[(own >= 0) & (own < seconds)]
        return float(f_measure(true, own, f_measure_threshold=WINDOW)) if len(true) and len(own) else 0.0

    own = np.asarray(record["beats"], float)
    return {
        "beat": f1(beats.beats, own),
        "any level": max(f1(beats.beats, level) for level in _levels(own)),
        "downbeat": f1(beats.beats[beats.first], np.asarray(record["downbeats"], float)),
    }


def _levels(beats: np.ndarray) -> list[np.ndarray]:
    """The beats, twice and three times as fast, and every second, third and fourth beat at each phase."""
    n = len(beats)
    if n < 2:
        return [beats]
    faster = [np.interp(np.arange((n - 1) * k + 1) / k, np.arange(n), beats) for k in (2, 3)]
    return [beats, *faster, *(beats[phase::k] for k in (2, 3, 4) for phase in range(k))]


def check_notes(written: list[dict], notes: np.ndarray, rows: np.ndarray) -> dict[str, float]:
    """Measures from ``hand`` to ``place``, over the aligned notes ``rows``."""
    assert rows.dtype == ALIGNED
    if not len(rows):
        return dict.fromkeys(MEASURES[5:], float("nan"))
    own = _match(written, notes, rows)
    there = np.array([w is not None for w in own])
    column = {name: np.array([w[name] if w else np.nan for w in own], float) for name in
              ("quarter", "duration", "place", "staff", "alter")}  # fmt: skip
    step = np.array([w["step"] if w else "" for w in own])
    two = rows["marked"] & ((rows["staff"] == 1) | (rows["staff"] == 2))
    plain = ~rows["grace"]
    right = {"spelling": there & (step == rows["step"]) & (column["alter"] == rows["alter"])}
    found = {
        "hand": float(np.mean((column["staff"] == rows["staff"])[two])) if two.any() else float("nan"),
        "spelling": float(np.mean(right["spelling"])),
    }
    rows, column = rows[plain], {name: values[plain] for name, values in column.items()}
    if not len(rows):
        return found | dict.fromkeys(MEASURES[7:], float("nan"))
    distance, own_distance = _to_next(rows["quarter"], column["quarter"])
    fits = [np.abs(f * own_distance - distance) < NEAR for f in _FACTORS]
    has_next = np.isfinite(distance)
    found["next onset"] = float(max(np.mean(fit[has_next]) for fit in fits)) if has_next.any() else float("nan")
    found["note value"] = float(np.mean(np.abs(column["duration"] - rows["duration"]) < NEAR))
    found["place"] = float(np.mean(np.abs(column["place"] - rows["place"]) < NEAR))
    return found


def _match(written: list[dict], notes: np.ndarray, rows: np.ndarray) -> list[dict | None]:
    """The written note of each row, with the same pitch and an onset within a millisecond; ``None`` if missing."""
    by_key: dict[tuple[int, int], dict] = {(w["pitch"], round(1000 * w["onset"])): w for w in written}
    own = []
    for row in rows:
        pitch, time = int(notes["pitch"][row["note"]]), round(1000 * float(notes["onset"][row["note"]]))
        own.append(next((by_key[pitch, t] for t in (time, time - 1, time + 1) if (pitch, t) in by_key), None))
    return own


def _to_next(true: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """True and estimated distance from each note to the next onset of the score; ``nan`` at the end."""
    later = np.searchsorted(true, true + NEAR, side="right")
    inside = later < len(true)
    there = np.where(inside, later, 0)
    return np.where(inside, true[there] - true, np.nan), np.where(inside, own[there] - own, np.nan)


def _longest(values: list):
    distinct = list(dict.fromkeys(values))
    return max(distinct, key=values.count) if distinct else None


def one_of_each(performances: list[Aligned]) -> list[Aligned]:
    """One performance of each composition: the first with an alignment, or else the first."""
    chosen: dict[str, Aligned] = {}
    for own in performances:
        best = chosen.get(own.composition)
        if best is None or (own.midi.with_suffix(".match").is_file() and not best.midi.with_suffix(".match").is_file()):
            chosen[own.composition] = own
    return list(chosen.values())


def mean_measures(rows: list[dict[str, float]]) -> dict[str, float]:
    """Mean of each measure over the performances for which it is known."""
    table = {name: np.array([row[name] for row in rows], float) for name in MEASURES}
    return {name: float(np.nanmean(v)) if np.isfinite(v).any() else float("nan") for name, v in table.items()}


def check_performances(
    performances: list[Aligned], write: Callable[[Aligned], dict], *, seconds: float = SECONDS
) -> dict[str, dict[str, float]]:
    """Name of each performance -> its measures; ``write`` makes the record of the excerpt."""
    return {own.name: check_record(write(own), own, seconds) for own in performances}
