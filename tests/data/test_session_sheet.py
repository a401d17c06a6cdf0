"""The sheet to play from: what it asks for, the same notes in MIDI and score, the command."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from amt_utils.__main__ import build_parser
from amt_utils.data.own_piano.session_sheet import LOUDNESS, make_sheet
from amt_utils.data.own_piano.sheet_score import write_page
from amt_utils.music.midi import read_midi
from amt_utils.music.notes import SOFT, SOSTENUTO, SUSTAIN
from amt_utils.sheet_music.metre import TICKS
from amt_utils.sheet_music.musicxml import to_musicxml
from amt_utils.system.errors import AmtError


def written_notes(musicxml: str) -> list[tuple[float, int]]:
    """(beat, MIDI pitch) of every note in the score."""
    found, bar_start = [], 0
    for measure in ET.fromstring(musicxml).iter("measure"):
        now = start = bar_start
        for element in measure:
            duration = int(element.findtext("duration", "0"))
            if element.tag == "backup":
                now -= duration
            elif element.tag == "forward":
                now += duration
            elif element.tag == "note":
                if element.find("chord") is None:
                    start, now = now, now + duration
                if (pitch := element.find("pitch")) is not None:
                    step = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[pitch.findtext("step")]
                    midi = 12 * (int(pitch.findtext("octave")) + 1) + step + int(pitch.findtext("alter", "0"))
                    found.append((start / TICKS, midi))
        bar_start += 4 * TICKS
    return sorted(found)


def test_sheet_asks_for_everything():
    sheet = make_sheet()
    performance = sheet.performance()
    assert 180 < sheet.seconds < 360
    assert set(performance.pedals["kind"]) == {SUSTAIN, SOSTENUTO, SOFT}
    assert performance.notes["pitch"].min() == 21 and performance.notes["pitch"].max() == 105
    single = make_sheet(("keys",)).performance().notes
    assert {v: np.sum(single["velocity"] == v) for v in (45, 70, 115)} == {45: 15, 70: 15, 115: 15}
    same_key = np.diff(np.sort(performance.notes["onset"][performance.notes["pitch"] == 84]))
    assert same_key.min() == pytest.approx(60 / 72 / 4)
    chords = np.unique(performance.notes["onset"], return_counts=True)[1]
    assert chords.max() >= 5
    first, last = (performance.notes[performance.notes["velocity"] == LOUDNESS["ff"]][i]["pitch"] for i in (0, -1))
    assert {first, last} <= {60, 72}


def test_no_key_is_struck_before_it_came_up():
    notes = make_sheet().performance().notes
    for pitch in np.unique(notes["pitch"]):
        same = notes[notes["pitch"] == pitch]
        assert np.all(same["onset"][1:] > same["offset"][:-1])


def test_score_and_midi_are_the_same_notes(tmp_path):
    sheet = make_sheet(tempo=90)
    expected = sorted((onset, pitch) for onset, _, pitch, _ in sheet.notes)
    score = to_musicxml(write_page(sheet))
    assert written_notes(score) == expected
    root = ET.fromstring(score)
    words = {element.text for element in root.iter("words")}
    assert {"una corda", "tre corde"} <= words and any("Chords" in text for text in words)
    kinds = [element.get("type") for element in root.iter("pedal")]
    assert kinds.count("start") == kinds.count("stop") == sum(kind == SUSTAIN for *_, kind in sheet.pedals)
    flats = [n for n in root.iter("note") if n.findtext("pitch/alter") == "-1"]
    assert flats and any(n.findtext("accidental") == "flat" for n in flats)


def test_bars_on_ledger_lines_alone_have_octave_lines():
    score = to_musicxml(write_page(make_sheet(("keys",), loudness=("p",))))
    lines = [
        (element.get("type"), element.get("size"), direction.findtext("staff"))
        for direction in ET.fromstring(score).iter("direction")
        for element in direction.iter("octave-shift")
    ]
    assert lines == [
        *(("up", "8", "2"), ("stop", "8", "2")),  # A0, E flat 1
        *(("down", "8", "1"), ("stop", "8", "1")),  # A6, E flat 7
        *(("down", "15", "1"), ("stop", "15", "1")),  # A7
    ]


def test_smaller_keyboards_and_a_choice_of_sections():
    sheet = make_sheet(("keys", "scales"), lowest=36, highest=96, loudness=("pp",))
    pitches = {pitch for _, _, pitch, _ in sheet.notes}
    assert min(pitches) == 36 and max(pitches) <= 96 and not sheet.pedals
    for wrong in ({"sections": ("trills",)}, {"loudness": ("fff",)}, {"tempo": 5}, {"lowest": 60, "highest": 70}):
        with pytest.raises(AmtError):
            make_sheet(**wrong)


def test_command_writes_midi_and_pages(tmp_path, capsys):
    pytest.importorskip("verovio")
    args = build_parser().parse_args(["sheet", "--out", str(tmp_path), "--tempo", "100"])
    assert args.run(args) == 0
    notes = read_midi(tmp_path / "session_sheet.mid").notes
    assert f"{len(notes)} notes" in capsys.readouterr().out
    assert "<svg" in (tmp_path / "session_sheet_1.svg").read_text() and (tmp_path / "session_sheet.musicxml").exists()
