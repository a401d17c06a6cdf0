"""Notes and pedals as structured arrays, and the checks that every module calls on its inputs.

A *note* has an onset and an offset in seconds, a pitch (MIDI 21..108) and a velocity (1..127).
A *pedal* event is an interval during which one pedal is down. Both are numpy structured arrays, so that
``notes["onset"]`` is a float64 vector and a selection such as ``notes[notes["pitch"] > 60]`` is again notes.

Two definitions of a note's end (papers evaluate the second, sheet music and DAWs need the first):

* ``key``: the key is released;
* ``sounding``: under the sustain pedal the note goes on until the pedal comes up or the same key is struck
  again; the sostenuto pedal likewise holds the keys that were down when it was pressed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..system.errors import AmtError

if TYPE_CHECKING:
    from pretty_midi import PrettyMIDI

LOWEST_PITCH, HIGHEST_PITCH, N_KEYS = 21, 108, 88
SUSTAIN, SOSTENUTO, SOFT = 0, 1, 2
PEDAL_NAMES = ("sustain", "sostenuto", "soft")
ENDS = ("key", "sounding")
PEDAL_CONTROLLERS = (64, 66, 67)  # MIDI control changes of sustain, sostenuto, soft: index = pedal kind
TICKS_PER_BEAT = 960  # of MIDI files, at 120 beats per minute: about half a millisecond each

NOTE = np.dtype([("onset", "f8"), ("offset", "f8"), ("pitch", "i2"), ("velocity", "i2")])
PEDAL = np.dtype([("onset", "f8"), ("offset", "f8"), ("kind", "i1")])


@dataclass(frozen=True)
class Performance:
    """Notes with ``key`` ends, and pedals.

    Attributes:
        notes: ``(n,)`` array of :data:`NOTE`, sorted by onset, offsets are key releases.
        pedals: ``(m,)`` array of :data:`PEDAL`, sorted by onset.
    """

    notes: np.ndarray
    pedals: np.ndarray = field(default_factory=lambda: np.zeros(0, PEDAL))

    def with_ends(self, ends: str) -> np.ndarray:
        """Notes whose offsets are ``key`` ends (as stored) or ``sounding`` ends (under the pedals)."""
        if ends not in ENDS:
            raise AmtError(f"ends must be one of {ENDS}, not {ends!r}")
        return self.notes if ends == "key" else extend_to_sounding(self.notes, self.pedals)

    def shifted(self, seconds: float) -> Performance:
        """The same performance ``seconds`` later; notes and pedals that would begin before 0 are cut there."""
        notes, pedals = self.notes.copy(), self.pedals.copy()
        for events in (notes, pedals):
            events["onset"] += seconds
            events["offset"] += seconds
        return Performance(_cut(notes, 0.0, np.inf), _cut(pedals, 0.0, np.inf))

    def window(self, start: float, end: float) -> Performance:
        """The events in ``[start, end)`` seconds, times counted from ``start``; notes that began earlier are left out.

        Pedals held across a border are cut at it.
        """
        inside = (self.notes["onset"] >= start) & (self.notes["onset"] < end)
        notes, pedals = self.notes[inside].copy(), _cut(self.pedals, start, end)
        for events in (notes, pedals):
            events["onset"] -= start
            events["offset"] -= start
        notes["offset"] = np.minimum(notes["offset"], end - start)
        return Performance(notes[notes["offset"] > notes["onset"]], pedals)

    def to_pretty_midi(self) -> PrettyMIDI:
        """As ``pretty_midi.PrettyMIDI``: one piano with the notes (key ends), and the pedals as CC64, CC66 and CC67.

        Times are exact; ``write`` rounds them to ticks of 1/1920 s. A note or press is at least one tick long.
        """
        import pretty_midi  # slow to import

        midi = pretty_midi.PrettyMIDI(resolution=TICKS_PER_BEAT, initial_tempo=120.0)
        piano, tick = pretty_midi.Instrument(program=0, name="Piano"), 0.5 / TICKS_PER_BEAT
        for onset, offset, pitch, velocity in self.notes.tolist():
            piano.notes.append(pretty_midi.Note(velocity, pitch, onset, max(offset, onset + tick)))
        for onset, offset, kind in self.pedals.tolist():
            for time, value in ((onset, 127), (max(offset, onset + tick), 0)):
                piano.control_changes.append(pretty_midi.ControlChange(PEDAL_CONTROLLERS[kind], value, time))
        midi.instruments.append(piano)
        return midi

    def around(self, start: float, end: float) -> Performance:
        """The events that touch ``[start, end)`` seconds, uncut and at their own times."""
        notes, pedals = (e[(e["offset"] > start) & (e["onset"] < end)] for e in (self.notes, self.pedals))
        return Performance(notes, pedals)


def _cut(events: np.ndarray, start: float, end: float) -> np.ndarray:
    kept = events[(events["offset"] > start) & (events["onset"] < end)].copy()
    kept["onset"] = np.maximum(kept["onset"], start)
    kept["offset"] = np.minimum(kept["offset"], end)
    return kept


def make_notes(onset, offset, pitch, velocity) -> np.ndarray:
    """Columns of equal length -> checked, sorted ``(n,)`` notes. Seconds, MIDI pitch, velocity 1..127."""
    notes = np.zeros(len(onset), NOTE)
    for name, column in zip(NOTE.names or (), (onset, offset, pitch, velocity), strict=True):
        notes[name] = column
    return check_notes(notes[np.lexsort((notes["pitch"], notes["onset"]))])


def make_pedals(onset, offset, kind) -> np.ndarray:
    """Columns -> checked, sorted ``(m,)`` pedal events. Seconds, kind 0..2.

    Events of one kind that overlap are one: a pedal is down or up.
    """
    pedals = np.zeros(len(onset), PEDAL)
    for name, column in zip(PEDAL.names or (), (onset, offset, kind), strict=True):
        pedals[name] = column
    pedals = check_pedals(pedals[np.lexsort((pedals["kind"], pedals["onset"]))])
    joined = [_join_overlaps(pedals[pedals["kind"] == one]) for one in np.unique(pedals["kind"])]
    pedals = np.concatenate([np.zeros(0, PEDAL), *joined])
    return pedals[np.lexsort((pedals["kind"], pedals["onset"]))]


def _join_overlaps(events: np.ndarray) -> np.ndarray:
    """Sorted events of one pedal -> their union; events that only touch stay apart."""
    reached = np.maximum.accumulate(events["offset"])
    first = np.flatnonzero(np.append(True, events["onset"][1:] >= reached[:-1]))
    joined = events[first]
    joined["offset"] = np.maximum.reduceat(events["offset"], first)
    return joined


def check_notes(notes: np.ndarray, *, where: str = "notes") -> np.ndarray:
    """Returns ``notes`` unchanged, or raises :class:`AmtError` that names the first offending value."""
    _check_events(notes, NOTE, where)
    for name, low, high in (("pitch", LOWEST_PITCH, HIGHEST_PITCH), ("velocity", 1, 127)):
        bad = np.flatnonzero((notes[name] < low) | (notes[name] > high))
        if len(bad):
            raise AmtError(f"{where}: {name} {notes[name][bad[0]]} of note {bad[0]} is outside {low}..{high}")
    return notes


def check_pedals(pedals: np.ndarray, *, where: str = "pedals") -> np.ndarray:
    """Returns ``pedals`` unchanged, or raises :class:`AmtError` that names the first offending value."""
    _check_events(pedals, PEDAL, where)
    bad = np.flatnonzero((pedals["kind"] < 0) | (pedals["kind"] >= len(PEDAL_NAMES)))
    if len(bad):
        raise AmtError(f"{where}: kind {pedals['kind'][bad[0]]} of event {bad[0]} is none of {PEDAL_NAMES}")
    return pedals


def _check_events(events: np.ndarray, dtype: np.dtype, where: str) -> None:
    if not isinstance(events, np.ndarray) or events.dtype != dtype or events.ndim != 1:
        raise AmtError(f"{where}: expected a one-dimensional array of {dtype.names}; build it with make_{where}()")
    for name in ("onset", "offset"):
        bad = np.flatnonzero(~np.isfinite(events[name]) | (events[name] < 0))
        if len(bad):
            raise AmtError(f"{where}: {name} {events[name][bad[0]]} of event {bad[0]} is not a time >= 0 s")
    bad = np.flatnonzero(events["offset"] <= events["onset"])
    if len(bad):
        first = events[bad[0]]
        raise AmtError(f"{where}: event {bad[0]} ends at {first['offset']} s, not after its onset {first['onset']} s")
    if len(events) and np.any(np.diff(events["onset"]) < 0):
        raise AmtError(f"{where}: not sorted by onset; build them with make_{where}()")


def next_onsets(key: np.ndarray, onset: np.ndarray) -> np.ndarray:
    """Keys or pitches ``(n,)`` and onsets ``(n,)`` -> the following onset of each note's key; inf for its last note.

    Of two simultaneous notes the first has none either.
    """
    order = np.lexsort((onset, key))
    earlier, later = order[:-1], order[1:]
    same = key[earlier] == key[later]
    following = np.full(len(order), np.inf)
    following[earlier[same]] = onset[later[same]]
    following[following == onset] = np.inf
    return following


def extend_to_sounding(notes: np.ndarray, pedals: np.ndarray) -> np.ndarray:
    """Key ends -> sounding ends, from the sustain and sostenuto pedals (see the module's docstring).

    Args:
        notes: ``(n,)`` notes with key ends.
        pedals: ``(m,)`` pedal events.

    Returns:
        ``(n,)`` notes in the same order, no offset earlier than before, except that a note ends where
        its own key is struck again.
    """
    out = check_notes(notes).copy()
    check_pedals(pedals)
    if not len(out):
        return out
    sustain, sostenuto = (pedals[pedals["kind"] == kind] for kind in (SUSTAIN, SOSTENUTO))
    ends = out["offset"]
    while True:  # one pedal may be released while the other holds
        longer = _held_until(ends, sustain)
        if len(sostenuto):
            which = np.searchsorted(sostenuto["onset"], longer, side="right") - 1
            pressed, released = sostenuto["onset"][which], sostenuto["offset"][which]
            caught = (which >= 0) & (out["onset"] <= pressed) & (notes["offset"] > pressed) & (longer < released)
            longer = np.where(caught, released, longer)
        if np.array_equal(longer, ends):
            break
        ends = longer
    out["offset"] = np.minimum(ends, next_onsets(out["pitch"], out["onset"]))
    return out


def _held_until(ends: np.ndarray, pedal: np.ndarray) -> np.ndarray:
    """``ends`` moved to the pedal's release where the pedal is down at that moment."""
    if not len(pedal):
        return ends.copy()
    which = np.searchsorted(pedal["onset"], ends, side="right") - 1
    down = (which >= 0) & (ends < pedal["offset"][which])
    return np.where(down, pedal["offset"][which], ends)
