"""The session sheet as a score: notes and rests by partitura, what it leaves out (words, pedals, signs, beams) added.

partitura's export writes no words, accidental signs, ottava lines or beams, and not every pedal release.
"""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from ...music.midi import TempoMap, write_midi
from ...music.notes import SOFT, SOSTENUTO, SUSTAIN
from ...sheet_music.engrave import to_svg
from ...system.files import written_whole
from .session_sheet import BEATS_PER_BAR, Sheet

DIVISIONS = 4  # per quarter: all lengths are multiples of a sixteenth
_BAR = BEATS_PER_BAR * DIVISIONS
_PEDAL_WORDS = {SOSTENUTO: ("sost. ped.", "up"), SOFT: ("una corda", "tre corde")}
_BLACK = {1: ("C", 1), 3: ("E", -1), 6: ("F", 1), 8: ("A", -1), 10: ("B", -1)}
_WHITE = {0: "C", 2: "D", 4: "E", 5: "F", 7: "G", 9: "A", 11: "B"}


def to_musicxml(sheet: Sheet, *, title: str = "Session sheet") -> str:
    """The sheet as MusicXML text for two staves."""
    import partitura
    from partitura import score

    part = score.Part("P1", "Piano", quarter_duration=DIVISIONS)
    n_bars = int(np.ceil(max(onset + length for onset, length, _, _ in sheet.notes) / BEATS_PER_BAR))
    part.add(score.TimeSignature(BEATS_PER_BAR, 4), 0)
    part.add(score.KeySignature(0, "major"), 0)
    part.add(score.Clef(staff=1, sign="G", line=2, octave_change=0), 0)
    part.add(score.Clef(staff=2, sign="F", line=4, octave_change=0), 0)
    for i, (onset, length, pitch, _) in enumerate(sheet.notes):
        step, alter = _BLACK.get(pitch % 12) or (_WHITE[pitch % 12], None)
        staff, voice = (1, 1) if pitch >= 60 else (2, 5)
        note = score.Note(step, pitch // 12 - 1, alter, id=f"n{i}", voice=voice, staff=staff)
        part.add(note, round(onset * DIVISIONS), round((onset + length) * DIVISIONS))
    _fill_with_rests(part, n_bars * _BAR)
    score.add_measures(part)
    root = ET.fromstring(partitura.save_musicxml(score.Score([part])).decode())
    work = ET.Element("work")
    ET.SubElement(work, "work-title").text = title
    root.insert(0, work)
    measures = list(root.iter("measure"))
    for measure in measures:
        _add_accidentals(measure)
        _beam_measure(measure)
        _shift_octaves(measure)
    _direct(measures, 0, ("metronome", f"{sheet.tempo:.0f}"), "above", 1)
    for beat, text in sheet.words:
        _direct(measures, beat, ("words", text), "above", 1)
    for beat, name in sheet.dynamics:
        _direct(measures, beat, ("dynamics", name), "below", 1)
    for onset, offset, kind in sheet.pedals:
        name, signs = ("pedal", ("start", "stop")) if kind == SUSTAIN else ("words", _PEDAL_WORDS[kind])
        for beat, sign in zip((onset, offset), signs, strict=True):
            _direct(measures, beat, (name, sign), "below", 2)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode")


def _direct(measures: list, beat: float, what: tuple[str, str], placement: str, staff: int) -> None:
    """Puts a direction at a beat: after the bar's attributes, with the rest of the way as an offset."""
    t = min(round(beat * DIVISIONS), len(measures) * _BAR - 1)
    measure, offset = measures[t // _BAR], t % _BAR
    direction = ET.Element("direction", placement=placement)
    kind, value = what
    if kind == "pedal":
        content = ET.Element("pedal", type=value, line="no", sign="yes")
    elif kind == "metronome":
        content = ET.Element("metronome", parentheses="no")
        ET.SubElement(content, "beat-unit").text = "quarter"
        ET.SubElement(content, "per-minute").text = value
    elif kind == "dynamics":
        content = ET.Element("dynamics")
        ET.SubElement(content, value)
    else:
        content = ET.Element("words")
        content.text = value
    ET.SubElement(direction, "direction-type").append(content)
    if offset:
        ET.SubElement(direction, "offset").text = str(offset)
    ET.SubElement(direction, "staff").text = str(staff)
    place = next(i for i, child in enumerate(measure) if child.tag in ("note", "backup", "forward"))
    measure.insert(place, direction)


def _add_accidentals(measure: ET.Element) -> None:
    """Signs where a note differs from its line's last one in the bar, by the usual rule, in C major."""
    signs = {-1: "flat", 0: "natural", 1: "sharp"}
    current: dict[tuple, int] = {}
    for note in measure.iter("note"):
        pitch = note.find("pitch")
        if pitch is None:
            continue
        line = (note.findtext("staff"), pitch.findtext("step"), pitch.findtext("octave"))
        alter = int(pitch.findtext("alter", "0"))
        if alter != current.get(line, 0):
            sign = ET.Element("accidental")
            sign.text = signs[alter]
            tags = [child.tag for child in note]
            note.insert(tags.index("dot" if "dot" in tags else "type") + 1, sign)
        current[line] = alter


def _shift_octaves(measure: ET.Element) -> None:
    """An 8va or 15ma line over a bar whose upper staff is all ledger lines, 8vb under such a lower staff."""
    for staff in (1, 2):
        notes = [n for n in measure.iter("note") if n.find("pitch") is not None and n.findtext("staff") == str(staff)]
        octaves = [int(n.findtext("pitch/octave", "")) for n in notes]
        size = _octaves_away(octaves, staff)
        if not size:
            continue
        kind = "down" if staff == 1 else "up"  # MusicXML names the way from the sound to the page
        for place, state in ((list(measure).index(notes[0]), kind), (list(measure).index(notes[-1]) + 2, "stop")):
            direction = ET.Element("direction", placement="above" if staff == 1 else "below")
            ET.SubElement(ET.SubElement(direction, "direction-type"), "octave-shift", type=state, size=str(size))
            ET.SubElement(direction, "staff").text = str(staff)
            measure.insert(place, direction)


def _octaves_away(octaves: list[int], staff: int) -> int:
    if not octaves:
        return 0
    if staff == 1:
        return 15 if min(octaves) >= 7 else 8 if min(octaves) >= 6 else 0
    return 8 if max(octaves) <= 1 else 0


def _fill_with_rests(part, end: int) -> None:
    """Rests wherever a staff of ``part`` is silent up to ``end``, cut at the beats; bars of rest are one rest."""
    from partitura import score

    for staff, voice in ((1, 1), (2, 5)):
        busy = np.zeros(end, dtype=bool)
        for note in part.iter_all(score.Note):
            if note.staff == staff:
                busy[note.start.t : note.end.t] = True
        for start in range(0, end, _BAR):
            if not busy[start : start + _BAR].any():
                part.add(score.Rest(voice=voice, staff=staff), start, start + _BAR)
                continue
            t = start
            while t < start + _BAR:
                length = 1
                if not busy[t]:
                    # the longest rest that stays within its beat, or fills a half bar
                    for length in (2 * DIVISIONS, DIVISIONS, DIVISIONS // 2, 1):
                        if t % length == 0 and not busy[t : t + length].any():
                            break
                    part.add(score.Rest(voice=voice, staff=staff), t, t + length)
                t += length


def _beam_measure(measure: ET.Element) -> None:
    """Joins the eighths and sixteenths within each beat by beams."""
    groups: dict[tuple, list] = {}  # (voice, beat) -> first note of each chord, with its start
    now = 0
    for element in measure:
        duration = int(element.findtext("duration", "0"))
        if element.tag == "backup":
            now -= duration
        elif element.tag == "forward":
            now += duration
        elif element.tag == "note" and element.find("chord") is None:
            if element.find("rest") is None and duration < DIVISIONS:
                groups.setdefault((element.findtext("voice"), now // DIVISIONS), []).append((now, element))
            now += duration
    for group in groups.values():
        _beam_group(group)


def _beam_group(group: list) -> None:
    """``(start, note)`` of one beat: a first beam through all of them, a second through all sixteenths."""
    adjacent = all(b[0] - a[0] == int(a[1].findtext("duration")) for a, b in zip(group, group[1:], strict=False))
    if len(group) < 2 or not adjacent:
        return
    sixteenths = all(note.findtext("type") == "16th" for _, note in group)
    for i, (_, note) in enumerate(group):
        kind = "begin" if i == 0 else "end" if i == len(group) - 1 else "continue"
        place = [child.tag for child in note].index("staff") + 1
        for number in (2, 1) if sixteenths else (1,):
            beam = ET.Element("beam", number=str(number))
            beam.text = kind
            note.insert(place, beam)


def save_sheet(folder: str | os.PathLike, sheet: Sheet, *, name: str = "session_sheet") -> list[Path]:
    """Writes ``<name>.mid``, ``<name>.musicxml`` and ``<name>_1.svg`` … into ``folder`` and returns their paths."""
    folder = Path(folder)
    signature = ((0, BEATS_PER_BAR, 4),)
    tempo = TempoMap(tempos=((0, round(60e6 / sheet.tempo)),), time_signatures=signature)
    paths = [write_midi(folder / f"{name}.mid", sheet.performance(), tempo=tempo, name="Session sheet")]
    score = to_musicxml(sheet)
    pages = {f"{name}.musicxml": score}
    pages |= {f"{name}_{i}.svg": svg for i, svg in enumerate(to_svg(score), start=1)}
    for file, text in pages.items():
        with written_whole(folder / file) as partial:
            partial.write_text(text, encoding="utf-8")
        paths.append(folder / file)
    return paths
