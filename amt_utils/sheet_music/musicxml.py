"""Symbols -> a MusicXML 4.0 file for piano: one part, two staves."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field

from .bars import Bars
from .metre import TICKS, Metre
from .notation import Symbol
from .spelling import Key

_HEADER = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">\n'
)
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # characters that XML 1.0 does not allow
_ACCIDENTALS = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}
_CLEFS = {"treble": ("G", 2), "bass": ("F", 4)}


@dataclass(frozen=True)
class Page:
    """Everything that is written on the page.

    Attributes:
        bars: of the page.
        keys: the key of each bar.
        voices: (staff 1 or 2, voice 1 or 2, symbols per bar).
        names: step, alteration and octave of each of the performance's notes.
        clefs: per staff, the clef of each bar.
        marks: ``(tick, element)``: ``"pedal start"``, ``"pedal stop"``, ``"dynamics mf"``, ``"tempo 96"`` (beats of the
            metre per minute), ``"above WORDS"`` over the upper staff, or words below the lower one.
        octaves: per staff, octaves by which each bar sounds higher (8va: 1, 15ma: 2, 8vb: -1); empty for none.
    """

    bars: Bars
    keys: tuple[Key, ...]
    voices: Sequence[tuple[int, int, list[list[Symbol]]]]
    names: Sequence[tuple[str, int, int]]
    clefs: Sequence[list[str]]
    marks: Sequence[tuple[int, str]] = field(default_factory=tuple)
    title: str = ""
    octaves: Sequence[Sequence[int]] = ((), ())


def note_id(note: int, part: int) -> str:
    """XML id of the ``part``-th tied piece of a performance's note."""
    return f"n{note}" if part == 0 else f"n{note}t{part}"


def to_musicxml(page: Page) -> str:
    """A page -> MusicXML text."""
    root = ET.Element("score-partwise", version="4.0")
    if page.title:
        _add(_add(root, "work"), "work-title", page.title)
    encoding = _add(_add(root, "identification"), "encoding")
    _add(encoding, "software", "AMT Piano")
    for element in ("accidental", "beam"):
        _add(encoding, "supports", element=element, type="yes")
    part = _add(_add(root, "part-list"), "score-part", id="P1")
    _add(part, "part-name", "Piano")
    measures = _add(root, "part", id="P1")
    marks: dict[int, list[tuple[int, str]]] = {}
    for tick, mark in page.marks:
        # an end mark on a bar line belongs to the previous bar
        at = int(page.bars.number(tick - (mark == "pedal stop")))
        marks.setdefault(min(max(at, 0), page.bars.count - 1), []).append((tick, mark))
    parts_of: dict[int, int] = {}  # note -> tied pieces written so far
    for number in range(page.bars.count):
        _write_bar(measures, page, number, sorted(marks.get(number, []), key=_ends_first), parts_of)
    ET.indent(root)
    return _HEADER + ET.tostring(root, encoding="unicode") + "\n"


def _ends_first(mark: tuple[int, str]) -> tuple[int, bool]:
    return mark[0], mark[1] != "pedal stop"


def _add(parent: ET.Element, tag: str, text: object = None, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, tag, attributes)
    if text is not None:
        element.text = _NOT_XML.sub(" ", str(text))
    return element


def _write_bar(measures: ET.Element, page: Page, number: int, marks: list, parts_of: dict[int, int]) -> None:
    bars = page.bars
    upbeat = number == 0 and bars.pickup
    measure = _add(measures, "measure", number=str(number + (0 if bars.pickup else 1)))
    if upbeat:
        measure.set("implicit", "yes")
    _write_attributes(measure, page, number)
    start, end = bars.start(number), bars.start(number + 1)
    for tick, mark in marks:
        _write_mark(measure, mark, tick - start, bars.metres[number])
    signs = _needed_accidentals(page, number)
    first = True
    for staff, voice, per_bar in page.voices:
        symbols = per_bar[number]
        if not symbols:
            continue
        if not first:
            _add(_add(measure, "backup"), "duration", end - start)
        first = False
        _write_octave_line(measure, page, number, staff, voice, opening=True)
        for symbol in symbols:
            if symbol.hidden:
                forward = _add(measure, "forward")
                _add(forward, "duration", symbol.length)
                continue
            for i, note in enumerate(symbol.notes or [None]):
                _write_note(measure, page, symbol, note, i > 0, staff, voice, signs, parts_of)
        _write_octave_line(measure, page, number, staff, voice, opening=False)
    if number == bars.count - 1:
        _add(_add(measure, "barline", location="right"), "bar-style", "light-heavy")


def _write_attributes(measure: ET.Element, page: Page, number: int) -> None:
    changed = [
        (staff, clefs[number])
        for staff, clefs in enumerate(page.clefs, start=1)
        if number == 0 or clefs[number] != clefs[number - 1]
    ]
    metre = page.bars.metres[number]
    new_metre = number > 0 and metre != page.bars.metres[number - 1]
    own = page.keys[number]
    new_key = number > 0 and own.fifths != page.keys[number - 1].fifths
    if not changed and not new_metre and not new_key:
        return
    attributes = _add(measure, "attributes")
    if number == 0:
        _add(attributes, "divisions", TICKS)
    if number == 0 or new_key:
        key = _add(attributes, "key")
        _add(key, "fifths", own.fifths)
        _add(key, "mode", "minor" if own.minor else "major")
    if number == 0 or new_metre:
        time = _add(attributes, "time")
        _add(time, "beats", metre.numerator)
        _add(time, "beat-type", metre.denominator)
    if number == 0:
        _add(attributes, "staves", 2)
    for staff, name in changed:
        clef = _add(attributes, "clef", number=str(staff))
        _add(clef, "sign", _CLEFS[name][0])
        _add(clef, "line", _CLEFS[name][1])


def _write_tempo(measure: ET.Element, metre: Metre, tempo: float) -> None:
    quarters = metre.quarters_per_beat
    unit, dotted = {0.25: ("16th", 0), 0.5: ("eighth", 0), 0.75: ("eighth", 1), 1.5: ("quarter", 1), 2: ("half", 0),
                    4: ("whole", 0)}.get(quarters, ("quarter", 0))  # fmt: skip
    direction = _add(measure, "direction", placement="above")
    metronome = _add(_add(direction, "direction-type"), "metronome", parentheses="no")
    _add(metronome, "beat-unit", unit)
    if dotted:
        _add(metronome, "beat-unit-dot")
    _add(metronome, "per-minute", round(tempo))
    _add(direction, "staff", 1)
    _add(direction, "sound", tempo=f"{tempo * quarters:.2f}")


def _write_mark(measure: ET.Element, mark: str, offset: int, metre: Metre) -> None:
    what, _, which = mark.partition(" ")
    if what == "tempo":
        _write_tempo(measure, metre, float(which))
        return
    direction = _add(measure, "direction", placement="above" if what == "above" else "below")
    kind = _add(direction, "direction-type")
    if what == "pedal":
        _add(kind, "pedal", type=which, line="yes", sign="no")
    elif what == "dynamics":
        _add(_add(kind, "dynamics"), which)
    else:
        _add(kind, "words", which if what == "above" else mark)
    if offset:
        _add(direction, "offset", offset)
    _add(direction, "staff", 1 if what in ("dynamics", "above") else 2)


def _write_octave_line(measure: ET.Element, page: Page, number: int, staff: int, voice: int, *, opening: bool) -> None:
    """Begins or ends an octave line, next to the notes of its staff, since programs ignore its staff number."""
    octaves = page.octaves[staff - 1]
    own = octaves[number] if octaves and voice == 1 else 0
    neighbour = number + (-1 if opening else 1)
    if not own or (0 <= neighbour < page.bars.count and octaves[neighbour] == own):
        return
    direction = _add(measure, "direction", placement="above" if own > 0 else "below")
    # MusicXML's type is the direction from sound to page
    state = ("down" if own > 0 else "up") if opening else "stop"
    _add(_add(direction, "direction-type"), "octave-shift", type=state, size=str(7 * abs(own) + 1))
    _add(direction, "staff", staff)


def _needed_accidentals(page: Page, number: int) -> dict[tuple[int, int], str]:
    """(note, tick) -> accidental to print; an accidental holds for its line or space until the end of the bar."""
    fifths = page.keys[number].fifths
    signature = {step: int(i < fifths) for i, step in enumerate("FCGDAEB")}
    signature |= {step: -1 for i, step in enumerate("BEADGCF") if i < -fifths}
    signs: dict[tuple[int, int], str] = {}
    for staff in (1, 2):
        current: dict[tuple[str, int], int] = {}
        symbols = [s for own, _, per_bar in page.voices if own == staff for s in per_bar[number]]
        for symbol in sorted(symbols, key=lambda s: s.tick):
            for note in symbol.notes:
                step, alter, octave = page.names[note]
                line = step, octave
                if symbol.tie_from:
                    continue
                if current.get(line, signature[step]) != alter:
                    signs[note, symbol.tick] = _ACCIDENTALS[alter]
                    current[line] = alter
    return signs


def _write_note(measure, page, symbol, note, in_chord, staff, voice, signs, parts_of) -> None:
    element = _add(measure, "note")
    if in_chord:
        _add(element, "chord")
    if note is None:
        rest = _add(element, "rest")
        if symbol.whole_bar:
            rest.set("measure", "yes")
    else:
        part = parts_of.get(note, 0)
        parts_of[note] = part + 1
        element.set("id", note_id(note, part))
        step, alter, octave = page.names[note]
        pitch = _add(element, "pitch")
        _add(pitch, "step", step)
        if alter:
            _add(pitch, "alter", alter)
        _add(pitch, "octave", octave)
    _add(element, "duration", symbol.length)
    ties = [kind for kind, tied in (("stop", symbol.tie_from), ("start", symbol.tie_to)) if tied]
    for kind in ties:
        _add(element, "tie", type=kind)
    _add(element, "voice", voice + (4 if staff == 2 else 0))
    if not symbol.whole_bar:
        _add(element, "type", symbol.kind)
        for _ in range(symbol.dots):
            _add(element, "dot")
    if (note, symbol.tick) in signs:
        _add(element, "accidental", signs[note, symbol.tick])
    if symbol.tuplet:
        modification = _add(element, "time-modification")
        _add(modification, "actual-notes", 3)
        _add(modification, "normal-notes", 2)
    _add(element, "staff", staff)
    if not in_chord:
        for level, beam in enumerate(symbol.beams, start=1):
            _add(element, "beam", beam, number=str(level))
    bracket = symbol.bracket if not in_chord else ""
    dot = symbol.staccato and not in_chord
    if ties or bracket or dot:
        notations = _add(element, "notations")
        for kind in ties:
            _add(notations, "tied", type=kind)
        if bracket:
            silent = {} if symbol.numbered else {"bracket": "no", "show-number": "none"}
            _add(notations, "tuplet", type=bracket, number="1", **silent)
        if dot:
            _add(_add(notations, "articulations"), "staccato")
