"""Keys that change, names of keys that sound alike, and tempo marks."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from amt_utils.sheet_music.bars import Bars
from amt_utils.sheet_music.beats import Beats
from amt_utils.sheet_music.layout import tempo_marks
from amt_utils.sheet_music.metre import Metre
from amt_utils.sheet_music.musicxml import Page, to_musicxml
from amt_utils.sheet_music.notation import write_voice
from amt_utils.sheet_music.note_network import KEYS
from amt_utils.sheet_music.spelling import Key, find_keys
from amt_utils.sheet_music.voices import Chord

MAJOR = np.array([0, 2, 4, 5, 7, 9, 11, 12, 7, 4, 0, 7, 4, 2, 7, 0])


def keys_of(*tonics: int, bars: int = 60) -> list[int]:
    """Bars of a major scale and its chords on each of these tonics -> the sharps of each bar's key."""
    pitch = np.concatenate([60 + t + np.tile(MAJOR, bars // 2) for t in tonics])
    bar = np.arange(len(pitch)) // 8
    found = find_keys(np.zeros((len(pitch), len(KEYS))), pitch, np.ones(len(pitch)), bar, bars * len(tonics))
    return [key.fifths for key in found]


def test_a_key_that_stays_away_is_written_and_a_short_turn_is_not():
    found = keys_of(0, 4, 0)  # C major, E major for sixty bars, C major
    assert found[0] == 0 and found[90] == 4 and found[179] == 0
    changes = np.flatnonzero(np.diff(found)) + 1
    assert len(changes) == 2 and abs(changes[0] - 60) <= 3 and abs(changes[1] - 120) <= 3
    pitch = 60 + np.concatenate([np.tile(MAJOR, 20), 7 + np.tile(MAJOR, 2), np.tile(MAJOR, 20)])
    bar = np.arange(len(pitch)) // 8
    turn = find_keys(np.zeros((len(pitch), len(KEYS))), pitch, np.ones(len(pitch)), bar, 84)
    assert {key.fifths for key in turn} == {0}


@pytest.mark.parametrize(("tonic", "fifths"), [(1, -5), (11, 5), (3, -3), (8, -4), (6, 6)])
def test_of_keys_that_sound_alike_the_one_with_fewer_signs(tonic, fifths):
    assert set(keys_of(tonic)) == {fifths}


def test_six_flats_in_minor():
    minor = np.array([0, 2, 3, 5, 7, 8, 11, 12, 7, 3, 0, 7, 3, 2, 7, 0])
    pitch = 63 + np.tile(minor, 10)
    found = find_keys(np.zeros((160, len(KEYS))), pitch, np.ones(160), np.arange(160) // 8, 20)
    assert set(found) == {Key(-6, minor=True)}


def test_a_new_key_stands_in_its_bar_and_rules_its_accidentals():
    bars = Bars((Metre(),) * 3)
    chords = [Chord(96 * i, [i], length=96) for i in range(3)]
    for chord in chords:
        chord.voice = 1
    names = [("F", 1, 4)] * 3
    keys = (Key(0), Key(1), Key(1))
    page = Page(bars, keys, [(1, 1, write_voice(chords, bars, secondary=False))], names,
                (["treble"] * 3, ["bass"] * 3))  # fmt: skip
    measures = ET.fromstring(to_musicxml(page).split('dtd">')[1]).findall("part/measure")
    assert [m.findtext("attributes/key/fifths") for m in measures] == ["0", "1", None]
    assert [m.findtext("note/accidental") for m in measures] == ["sharp", None, None]


def grid(periods: list[float]) -> tuple[Beats, Bars]:
    times = np.concatenate([[0.0], np.cumsum(np.repeat(periods, 4))])
    return Beats(times, np.arange(0, len(times) - 1, 4), (Metre(),) * len(periods)), Bars((Metre(),) * len(periods))


def test_another_tempo_is_marked_where_it_begins():
    beats, bars = grid([0.5] * 10 + [0.75] * 10)
    assert tempo_marks(beats, 0, bars) == [(0, "tempo 120"), (960, "tempo 80")]


def test_a_ritardando_and_the_tempo_after_it():
    rng = np.random.default_rng(1)
    periods = 0.5 * np.exp(rng.normal(0, 0.03, 20))
    periods[10:12] = 0.58, 0.7
    beats, bars = grid(periods.tolist())
    (at, first), *others = tempo_marks(beats, 0, bars)
    assert at == 0 and abs(int(first.split()[1]) - 120) <= 3
    assert [mark for _, mark in others] == ["above rit.", "above a tempo"]
    assert others[0][0] in (960, 1056) and others[1][0] == 1152


def test_a_steady_rubato_has_one_mark():
    rng = np.random.default_rng(2)
    beats, bars = grid((0.5 * np.exp(rng.normal(0, 0.06, 40))).tolist())
    assert len(tempo_marks(beats, 0, bars)) == 1
