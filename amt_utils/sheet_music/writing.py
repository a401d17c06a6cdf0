"""Notes on a beat grid -> the page: hands, voices, note values, names, clefs, marks, and each note's position."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .bars import Bars
from .beats import Beats
from .events import Events
from .evidence import log_softmax
from .hands import LEFT, RIGHT, assign_hands
from .layout import choose_clefs, dynamic_marks, pedal_marks, tempo_marks
from .musicxml import Page, note_id
from .notation import write_voice
from .note_network import VALUES, Reading
from .spelling import Key, spell
from .voices import separate_voices, write_lengths

POSITION = np.dtype(
    [("note", "i8"), ("measure", "i8"), ("beat", "f8"), ("tick", "i8"), ("length", "i8"), ("staff", "i1"),
     ("voice", "i1"), ("id", "U24")]
)  # fmt: skip

STACCATO_HELD = 0.6  # largest share of its written length for which a staccato chord is held


@dataclass(frozen=True)
class Placed:
    """Notes on a beat grid.

    Attributes:
        notes: of the performance.
        pedals: pedals to write; ``None`` writes none.
        events: of the notes.
        reading: the network's logits for each note.
        tick: ``(n,)`` ticks of the page at which the notes begin.
        held: ``(n,)`` ticks for which each key is held.
    """

    notes: np.ndarray
    pedals: np.ndarray | None
    events: Events
    reading: Reading
    tick: np.ndarray
    held: np.ndarray


def write_page(
    placed: Placed, beats: Beats, shift: int, bars: Bars, keys: tuple[Key, ...], title: str
) -> tuple[Page, np.ndarray]:
    """Notes on a grid -> the page, and its :data:`POSITION` rows, ordered by tick.

    ``shift`` is the tick of the page at ``beats.times[0]``; ``keys`` has the key of each bar.
    """
    notes, reading, tick, held = placed.notes, placed.reading, placed.tick, placed.held
    written = _first_of_each(notes["pitch"], tick)
    bar = bars.number(tick)
    names = _spell_by_key(notes["pitch"], reading.name, [keys[b] for b in bar])
    hands = assign_hands(notes, placed.events, reading.staff)
    value = log_softmax(reading.value)
    beat = np.array([metre_.beat_ticks for metre_ in bars.metres])[bar]
    want = VALUES[value.argmax(1)] * beat
    division = _divisions(beats, shift)
    voices, chord_notes = [], []
    for hand, staff in ((RIGHT, 1), (LEFT, 2)):
        own = written[hands[written] == hand]
        own = own[np.lexsort((notes["pitch"][own], tick[own]))]
        chords = separate_voices(tick[own], notes["pitch"][own], want[own], bar[own], reading.voice[own])
        for chord in chords:
            chord.notes = [int(own[i]) for i in chord.notes]
        write_lengths(chords, value, bars, division, held)
        for chord in chords:
            cut_short = np.median(held[chord.notes]) < STACCATO_HELD * chord.length
            chord.staccato = bool(cut_short and np.mean(reading.short[chord.notes]) > 0)
        for voice in (1, 2):
            line = [chord for chord in chords if chord.voice == voice]
            voices.append((staff, voice, write_voice(line, bars, secondary=voice == 2)))
            chord_notes += [(chord, note, staff) for chord in line for note in chord.notes]
    marks = pedal_marks(placed.pedals, beats, shift, bars) if placed.pedals is not None else []
    marks += dynamic_marks(notes["velocity"], tick, bars) if np.ptp(notes["velocity"]) else []
    marks += tempo_marks(beats, shift, bars)
    clefs, octaves = choose_clefs(voices, names, bars.count)
    page = Page(bars, keys, voices, names, clefs, marks, title, octaves)
    return page, _positions(chord_notes, bars)


def _spell_by_key(pitch: np.ndarray, said: np.ndarray, keys: list[Key]) -> list[tuple[str, int, int]]:
    """Step, alteration and octave of each note, by the key at the note."""
    names: list[tuple[str, int, int]] = [("C", 0, 4)] * len(pitch)
    for key in dict.fromkeys(keys):
        own = [i for i, k in enumerate(keys) if k == key]
        found = zip(*(x.tolist() for x in spell(pitch[own], said[own], key)), strict=True)
        for i, name in zip(own, found, strict=True):
            names[i] = name
    return names


def _divisions(beats: Beats, shift: int) -> dict[int, int]:
    """First tick of each beat -> its division, if not 1."""
    return {int(t) + shift: int(s) for t, s in zip(beats.ticks, beats.divisions, strict=False) if s > 1}


def _first_of_each(pitch: np.ndarray, tick: np.ndarray) -> np.ndarray:
    """Indices of the notes to write: the first one of each pitch and tick."""
    _, first = np.unique(np.column_stack([tick, pitch]), axis=0, return_index=True)
    return np.sort(first)


def _positions(placed: list, bars: Bars) -> np.ndarray:
    rows = np.zeros(len(placed), POSITION)
    for i, (chord, note, staff) in enumerate(placed):
        measure, beat = measure_and_beat(bars, chord.tick)
        rows[i] = (note, measure, beat, chord.tick, chord.length, staff, chord.voice, note_id(note, 0))
    return rows[np.lexsort((rows["note"], rows["tick"]))]


def measure_and_beat(bars: Bars, tick: float) -> tuple[int, float]:
    """Measure number as printed and beat (from 1) of a tick of the page."""
    number = int(bars.number(tick))
    return number + (0 if bars.pickup else 1), float(1 + bars.place(tick) / bars.metres[number].beat_ticks)


def write_rests(bars: Bars, key: Key, tempo: float, title: str) -> tuple[Page, np.ndarray]:
    """The page of a performance without notes."""
    voices = [(staff, 1, write_voice([], bars)) for staff in (1, 2)]
    marks = [(0, f"tempo {tempo:.0f}")]
    return Page(bars, (key,), voices, [], (["treble"], ["bass"]), marks, title), np.zeros(0, POSITION)
