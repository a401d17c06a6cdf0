"""The session sheet on paper: written as MusicXML by :mod:`amt_utils.sheet_music`, engraved, and as MIDI."""

from __future__ import annotations

import math
import os
from pathlib import Path

from ...music.midi import TempoMap, write_midi
from ...music.notes import SOFT, SOSTENUTO, SUSTAIN
from ...sheet_music.bars import Bars
from ...sheet_music.engrave import to_svg
from ...sheet_music.metre import TICKS, Metre
from ...sheet_music.musicxml import Page, to_musicxml
from ...sheet_music.notation import Symbol, write_voice
from ...sheet_music.spelling import Key
from ...sheet_music.voices import Chord
from ...system.files import written_whole
from .session_sheet import BEATS_PER_BAR, Sheet

MIDDLE_C = 60  # the lowest key of the upper staff
_NAMES = (  # step and alteration of each pitch class
    *(("C", 0), ("C", 1), ("D", 0), ("E", -1), ("E", 0), ("F", 0)),
    *(("F", 1), ("G", 0), ("A", -1), ("A", 0), ("B", -1), ("B", 0)),
)
_PEDAL_MARKS = {
    SUSTAIN: ("pedal start", "pedal stop"),
    SOSTENUTO: ("sost. ped.", "up"),
    SOFT: ("una corda", "tre corde"),
}


def write_page(sheet: Sheet, *, title: str = "Session sheet") -> Page:
    """The sheet as a page of sheet music, one voice on each of two staves."""
    n_bars = math.ceil(max(onset + length for onset, length, _, _ in sheet.notes) / BEATS_PER_BAR)
    bars = Bars((Metre(BEATS_PER_BAR, 4),) * n_bars)
    names = [(*_NAMES[pitch % 12], pitch // 12 - 1) for _, _, pitch, _ in sheet.notes]
    voices = []
    for staff in (1, 2):
        chords: dict[int, Chord] = {}
        for i, (onset, length, pitch, _) in enumerate(sheet.notes):
            if (pitch >= MIDDLE_C) == (staff == 1):
                tick = round(onset * TICKS)
                chords.setdefault(tick, Chord(tick, [], length=round(length * TICKS))).notes.append(i)
        voices.append((staff, 1, write_voice(list(chords.values()), bars)))
    octaves = tuple([_octaves_away(bar, names, staff) for bar in measures] for staff, _, measures in voices)
    marks = [(0.0, f"tempo {sheet.tempo:.0f}"), *((beat, f"above {text}") for beat, text in sheet.words)]
    marks += [(beat, f"dynamics {name}") for beat, name in sheet.dynamics]
    for onset, offset, kind in sheet.pedals:
        marks += zip((onset, offset), _PEDAL_MARKS[kind], strict=True)
    ticks = [(min(round(beat * TICKS), bars.end), mark) for beat, mark in marks]
    clefs = (["treble"] * n_bars, ["bass"] * n_bars)
    return Page(bars, (Key(0, False),) * n_bars, voices, names, clefs, ticks, title, (octaves[0], octaves[1]))


def _octaves_away(bar: list[Symbol], names: list[tuple[str, int, int]], staff: int) -> int:
    """By how many octaves a bar is written nearer to its staff: where all of it would be on ledger lines."""
    octaves = [names[note][2] for symbol in bar for note in symbol.notes]
    if not octaves:
        return 0
    if staff == 1:
        return 2 if min(octaves) >= 7 else 1 if min(octaves) >= 6 else 0
    return -1 if max(octaves) <= 1 else 0


def save_sheet(folder: str | os.PathLike, sheet: Sheet, *, name: str = "session_sheet") -> list[Path]:
    """Writes ``<name>.mid``, ``<name>.musicxml`` and ``<name>_1.svg`` … into ``folder`` and returns their paths."""
    folder = Path(folder)
    signature = ((0, BEATS_PER_BAR, 4),)
    tempo = TempoMap(tempos=((0, round(60e6 / sheet.tempo)),), time_signatures=signature)
    paths = [write_midi(folder / f"{name}.mid", sheet.performance(), tempo=tempo, name="Session sheet")]
    score = to_musicxml(write_page(sheet))
    pages = {f"{name}.musicxml": score}
    pages |= {f"{name}_{i}.svg": svg for i, svg in enumerate(to_svg(score), start=1)}
    for file, text in pages.items():
        with written_whole(folder / file) as partial:
            partial.write_text(text, encoding="utf-8")
        paths.append(folder / file)
    return paths
