"""Clefs and octave lines: few ledger lines, and the same notes."""

import numpy as np
import pytest

from amt_utils.music.notes import Performance, make_notes
from amt_utils.sheet_music.bars import Bars
from amt_utils.sheet_music.layout import choose_clefs
from amt_utils.sheet_music.metre import Metre
from amt_utils.sheet_music.notation import write_voice
from amt_utils.sheet_music.score import make_score
from amt_utils.sheet_music.voices import Chord


@pytest.mark.parametrize(
    ("lowest", "clef", "octave"), [(60, "treble", 0), (76, "treble", 0), (98, "treble", 1), (40, "bass", 0)]
)
def test_clefs_and_octave_lines_where_ledger_lines_would_be_many(lowest, clef, octave):
    pitch = lowest + np.array([0, 2, 4, 5, 7, 5, 4, 2])
    bars = Bars(tuple([Metre()] * 12))
    names = [("CDEFGAB"[line % 7], 0, line // 7) for line in np.rint((np.tile(pitch, 4) - 12) * 7 / 12).astype(int)]
    high = [Chord(12 * (32 + i), [i], 1, 12) for i in range(32)]  # four bars between others on the lowest line
    around = [Chord(12 * i, [32], 1, 12) for i in (*range(32), *range(64, 96))]
    line = sorted(high + around, key=lambda chord: chord.tick)
    voices = [(1, 1, write_voice(line, bars)), (2, 1, write_voice([], bars))]
    clefs, octaves = choose_clefs(voices, [*names, ("E", 0, 4)], bars.count)
    assert clefs[0][4:8] == [clef] * 4 and octaves[0][4:8] == [octave] * 4
    assert clefs[0][:4] == clefs[0][8:] == ["treble"] * 4 and octaves[0][:4] == octaves[0][8:] == [0] * 4
    assert set(octaves[1]) == {0}


def test_an_octave_line_sounds_where_it_is_written_to():
    onset = 0.5 * np.arange(64)
    performance = Performance(make_notes(onset, onset + 0.45, 60 + np.arange(64) % 7, np.full(64, 64)))
    performance.notes["pitch"][16:48] += 38
    score = make_score(performance, metre="4/4", tempo=120, key="C", pickup=0)
    assert any(score.page.octaves[0])
    assert score.musicxml.count("<octave-shift") == 2
    music21 = pytest.importorskip("music21")
    read = music21.converter.parseData(score.musicxml, format="musicxml")
    assert sorted({p.midi for p in read.pitches}) == sorted(set(performance.notes["pitch"].tolist()))
