"""Chords of a voice -> written values, tuplets and marks."""

import xml.etree.ElementTree as ET

import numpy as np

from amt_utils.sheet_music.bars import Bars
from amt_utils.sheet_music.metre import Metre
from amt_utils.sheet_music.musicxml import Page, to_musicxml
from amt_utils.sheet_music.notation import write_voice
from amt_utils.sheet_music.note_network import VALUES
from amt_utils.sheet_music.spelling import Key
from amt_utils.sheet_music.voices import Chord, write_lengths


def test_staccato_is_written_over_chords_that_were_cut_short():
    chords = [Chord(0, [0], length=24, staccato=True), Chord(24, [1], length=24)]
    first, second = [s for s in write_voice(chords, Bars((Metre(),)))[0] if s.notes]
    assert (first.staccato, second.staccato) == (True, False)
    page = Page(Bars((Metre(),)), (Key(),), [(1, 1, [[first, second]])], [("C", 0, 5)] * 2, (["treble"], ["bass"]))
    notes = list(ET.fromstring(to_musicxml(page)).iter("note"))
    assert [len(list(note.iter("staccato"))) for note in notes] == [1, 0]


def test_a_note_let_go_after_two_thirds_of_a_beat_makes_no_tuplet():
    bars = Bars((Metre(3, 4),))
    even = np.zeros((4, len(VALUES)))  # the network says nothing about values
    thirds = {0: 3, 24: 3, 48: 3}
    alone = [Chord(24, [0])]
    write_lengths(alone, even, bars, thirds, held=np.full(4, 15.0))
    assert not any(symbol.tuplet for symbol in write_voice(alone, bars)[0])
    among_others = [Chord(24 + 8 * k, [k]) for k in range(3)]
    write_lengths(among_others, even, bars, thirds, held=np.full(4, 7.0))
    assert [chord.length for chord in among_others] == [8, 8, 8]


def test_triplets_in_a_row_are_numbered_at_first():
    bars = Bars((Metre(4, 4),) * 3)
    triplets = [Chord(8 * k, [k], length=8) for k in range(27)]
    then = [Chord(216, [27], length=12), Chord(228, [28], length=12)]
    again = [Chord(240 + 8 * k, [29 + k], length=8) for k in range(3)]
    line = [s for measure in write_voice(triplets + then + again, bars) for s in measure if s.bracket == "start"]
    assert [symbol.numbered for symbol in line] == [True] * 6 + [False] * 3 + [True]
    voices = [(1, 1, write_voice(triplets + then + again, bars))]
    page = Page(bars, (Key(),) * 3, voices, [("C", 0, 5)] * 32, (["treble"] * 3, ["bass"] * 3))
    shown = [t.get("show-number") for t in ET.fromstring(to_musicxml(page)).iter("tuplet") if t.get("type") == "start"]
    assert shown == [None] * 6 + ["none"] * 3 + [None]
