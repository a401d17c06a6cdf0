"""Correcting in the piano roll, in a real browser: each gesture and key, undo, what Python and the saved files get."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from helpers_browser import download, open_browser, open_page, why_no_browser

from amt_utils.audio.reading import save_audio
from amt_utils.config import Config
from amt_utils.data.library import find_recordings
from amt_utils.data.own_piano.preparing import prepare_recordings
from amt_utils.data.pianos import simple_tone_piano
from amt_utils.data.pieces import perform_piece
from amt_utils.data.synth import render
from amt_utils.evaluation.metrics import score_performance
from amt_utils.music.midi import read_midi
from amt_utils.music.notes import LOWEST_PITCH, Performance, make_notes, make_pedals
from amt_utils.sheet_music.score import make_score
from amt_utils.training.windows import WindowDataset
from amt_utils.transcription.candidates import Candidates
from amt_utils.widget import PianoRoll, compare_notes, page
from amt_utils.widget.corrections import correct

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser() or "-")]

MELODY = 60 + np.array([0, 2, 4, 5, 7, 9, 11, 12, 11, 9] * 2)
POSSIBLE = ((3.25, 3.4, 80, 50), (6.0, 6.3, 40, 60), (1.75, 1.95, 71, 55))  # under the threshold
ROWS = "amtPiano.data.notes.rows.map(r => [r.onset, r.offset, r.pitch, r.velocity, r.hand])"


@pytest.fixture(scope="module")
def browser():
    with open_browser() as opened:
        yield opened


def make_roll(**options) -> PianoRoll:
    onset = 0.5 + 0.5 * np.arange(20)
    sure = make_notes(onset, onset + 0.4, MELODY, 40 + 4 * np.arange(20))
    every = make_notes(*(np.append(sure[k], [p[i] for p in POSSIBLE]) for i, k in enumerate(sure.dtype.names)))
    probability = np.full(len(every), 0.95, np.float32)
    for possible, p in zip(POSSIBLE, (0.45, 0.2, 0.4), strict=True):
        probability[np.flatnonzero((every["onset"] == possible[0]) & (every["pitch"] == possible[2]))] = p
    probability[np.flatnonzero((every["onset"] == 4.0) & (every["pitch"] == 72))] = 0.7  # over it, but unsure
    candidates = Candidates(every, probability, 0.6, 0.1, 0.03)
    played = Performance(candidates.at(), make_pedals([0.55, 3.0], [0.8, 3.3], [0, 0]))
    score = make_score(played, tempo=120, metre="4/4")
    return PianoRoll(played, candidates=candidates, score=score, title="Draft", language="en", **options)


@pytest.fixture(scope="module")
def roll():
    return make_roll()


@pytest.fixture(scope="module")
def saved(roll, tmp_path_factory):
    return roll.to_html(tmp_path_factory.mktemp("page") / "draft.html")


@pytest.fixture
def shown(browser, saved):
    opened = open_page(browser, saved, height=900)
    opened.focus(".amt-overlay")
    opened.keyboard.press("x")
    # the tray makes the roll lower
    opened.evaluate("new Promise(f => requestAnimationFrame(() => requestAnimationFrame(f)))")
    yield opened
    assert opened.problems == []
    opened.close()


def rows(shown) -> np.ndarray:
    return np.array(shown.evaluate(ROWS))


def choose(shown, i: int) -> None:
    shown.evaluate("i => amtPiano.chooser.chooseOne(amtPiano.data.notes, i, false)", i)


def place(shown, i: int, where: float = 0.5) -> tuple[float, float]:
    """Pixels of a note: ``where`` between its beginning (0) and its end (1)."""
    box = shown.locator(".amt-overlay").bounding_box()
    x, y = shown.evaluate(
        """([i, where]) => { const { camera, data: { notes } } = amtPiano;
        const a = camera.x(notes.onset[i]), b = camera.x(notes.offset[i]);
        return [a + (b - a) * where, camera.y(notes.pitch[i]) + camera.row / 2]; }""",
        [i, where],
    )
    return box["x"] + x, box["y"] + y


def drag(shown, start, dx: float, dy: float) -> None:
    shown.mouse.move(*start)
    shown.mouse.down()
    shown.mouse.move(start[0] + dx / 2, start[1] + dy / 2)
    shown.mouse.move(start[0] + dx, start[1] + dy)
    shown.mouse.up()


def undo_and_redo(shown, before: np.ndarray) -> None:
    """What was done is undone whole, and done again."""
    after = rows(shown)
    assert not np.array_equal(before, after)
    shown.keyboard.press("Control+z")
    np.testing.assert_array_equal(rows(shown), before)
    shown.keyboard.press("Control+Shift+z")
    np.testing.assert_array_equal(rows(shown), after)


# ---- pointer -----------------------------------------------------------------------------------------------------


def test_drag_moves_in_time_and_pitch(shown):
    before = rows(shown)
    row, second = shown.evaluate("[amtPiano.camera.row, amtPiano.camera.rollWidth / amtPiano.camera.span]")
    drag(shown, place(shown, 3), 0.2 * second, -2 * row)
    moved = rows(shown)[3]
    assert moved[:2] == pytest.approx(before[3][:2] + 0.2, abs=1.5 / second)
    assert moved[2] == before[3][2] + 2 and list(moved[3:]) == list(before[3][3:])
    undo_and_redo(shown, before)


@pytest.mark.parametrize(("where", "column"), [(0.02, 0), (0.98, 1)])
def test_drag_at_an_end_stretches(shown, where, column):
    before = rows(shown)
    second = shown.evaluate("amtPiano.camera.rollWidth / amtPiano.camera.span")
    drag(shown, place(shown, 5, where), -0.1 * second, 30)
    after = rows(shown)[5]
    assert after[column] == pytest.approx(before[5][column] - 0.1, abs=1.5 / second)
    assert np.delete(after, column).tolist() == np.delete(before[5], column).tolist()
    undo_and_redo(shown, before)


def test_drag_with_control_changes_velocity(shown):
    before = rows(shown)
    shown.keyboard.down("Control")
    drag(shown, place(shown, 2), 0, -40)
    shown.keyboard.up("Control")
    assert rows(shown)[2][3] == before[2][3] + 20
    undo_and_redo(shown, before)


def test_double_click_adds_and_deletes(shown):
    before = rows(shown)
    x, y = place(shown, 4)
    shown.mouse.dblclick(x, y + 8 * shown.evaluate("amtPiano.camera.row"))
    after = rows(shown)
    assert len(after) == len(before) + 1
    assert after[4:6, 2].min() == before[4][2] - 8
    undo_and_redo(shown, before)
    shown.keyboard.press("Control+z")
    shown.mouse.dblclick(x, y)
    np.testing.assert_array_equal(rows(shown), np.delete(before, 4, axis=0))


def test_double_click_deletes_what_it_was_aimed_at(shown):
    """The first of the two clicks brings the note's beginning into sight, and moves the roll away under the second."""
    choose(shown, 6)
    shown.keyboard.press("Shift+ArrowRight")
    before = rows(shown)
    start, span = before[6][1] - 0.2, 2.0
    shown.evaluate("([start, span]) => amtPiano.camera.show(start, span)", [start, span])
    shown.mouse.dblclick(*place(shown, 6, 0.8))
    assert shown.evaluate("amtPiano.camera.start") < start
    np.testing.assert_array_equal(rows(shown), np.delete(before, 6, axis=0))


def test_nothing_moves_the_roll_under_the_pointer(browser, saved):
    """Neither the score, which is engraved in the file but comes late, nor what is said of it after a correction."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.add_init_script(
        """window.heights = new Set(); (function look() { requestAnimationFrame(look);
        const roll = document.querySelector(".amt-overlay"); if (roll) heights.add(roll.clientHeight); })()"""
    )
    opened.goto(saved.as_uri())
    opened.wait_for_selector(".amt-sheet svg g.note")
    opened.evaluate("amtPiano.editor.add(2, 60)")
    opened.locator(".amt-banner").wait_for()
    assert opened.evaluate("[...heights].length") == 1
    opened.close()


def test_box_and_shift_choose_several_and_delete_takes_them(shown):
    before = rows(shown)
    (x0, y0), (x1, y1) = place(shown, 0, -0.2), place(shown, 3, 1.2)
    drag(shown, (x0, y0 + 12), x1 - x0, y1 - y0 - 24)
    assert shown.evaluate("amtPiano.state.selection") == [0, 1, 2, 3]
    shown.keyboard.down("Shift")
    shown.mouse.click(*place(shown, 6))
    shown.mouse.click(*place(shown, 1))
    shown.keyboard.up("Shift")
    assert shown.evaluate("amtPiano.state.selection.toSorted((a, b) => a - b)") == [0, 2, 3, 6]
    shown.keyboard.press("Delete")
    np.testing.assert_array_equal(rows(shown), np.delete(before, [0, 2, 3, 6], axis=0))
    undo_and_redo(shown, before)


def test_several_move_together_and_stay_on_the_keyboard(shown):
    before = rows(shown)
    shown.keyboard.press("Control+a")
    drag(shown, place(shown, 7), 0, -2000)
    after = rows(shown)
    assert after[:, 2].max() == 108 and len(np.unique(after[:, 2] - before[:, 2])) == 1


# ---- keys --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "column", "change"),
    [
        ("ArrowRight", 0, 0.01), ("ArrowLeft", 0, -0.01), ("ArrowUp", 2, 1), ("ArrowDown", 2, -1),
        ("Shift+ArrowUp", 2, 12), ("Shift+ArrowDown", 2, -12), ("Shift+ArrowRight", 1, 0.05),
        ("Shift+ArrowLeft", 1, -0.05), (">", 0, 0.01), ("<", 0, -0.01), (".", 3, 8), (",", 3, -8), ("h", 4, 1),
    ],
)  # fmt: skip
def test_keys_change_what_is_chosen(shown, key, column, change):
    before = rows(shown)
    choose(shown, 9)
    shown.keyboard.press(key)
    after = rows(shown)[9]
    expected = before[9].copy()
    expected[column] = 1 - expected[column] if column == 4 else expected[column] + change
    if key in ("ArrowRight", "ArrowLeft"):
        expected[1] += change  # the whole note moves
    assert after == pytest.approx(expected, abs=1e-9)
    undo_and_redo(shown, before)


def test_ends_at_the_playhead_and_notes_added_there(shown):
    before = rows(shown)
    choose(shown, 2)
    shown.evaluate("amtPiano.transport.seek(1.8)")
    shown.keyboard.press("]")
    assert rows(shown)[2][:2].tolist() == [1.5, 1.8]
    shown.evaluate("amtPiano.transport.seek(1.6)")
    shown.keyboard.press("[")
    assert rows(shown)[2][:2].tolist() == [1.6, 1.8]
    shown.evaluate("amtPiano.transport.seek(8.2)")
    shown.keyboard.press("a")
    added = rows(shown)
    assert len(added) == len(before) + 1
    new = added[np.flatnonzero(added[:, 0] == 8.2)[0]]
    assert new[2] == before[2][2]  # at the key chosen before
    assert shown.evaluate("amtPiano.state.selection.length") == 1
    for _ in range(3):
        shown.keyboard.press("u")
    np.testing.assert_array_equal(rows(shown), before)


def test_snapping_keeps_to_the_beats_that_were_found(shown):
    times = np.array(shown.evaluate("amtPiano.data.beats.times"))
    grid = np.interp(np.arange(4 * len(times) - 3) / 4, np.arange(len(times)), times)
    choose(shown, 4)
    shown.keyboard.press("ArrowRight")
    assert np.abs(grid - rows(shown)[4][0]).min() > 0.005
    shown.keyboard.press("q")
    assert np.abs(grid - rows(shown)[4][0]).min() < 1e-6
    shown.keyboard.press("g")
    onset = rows(shown)[4][0]
    shown.keyboard.press("ArrowRight")
    later = rows(shown)[4][0]
    assert np.abs(grid - later).min() < 1e-6 and 0.1 < later - onset < 0.15  # a sixteenth at 120
    shown.keyboard.press("Shift+ArrowRight")
    assert np.abs(grid - rows(shown)[4][1]).min() < 1e-6


def test_arrows_seek_again_once_nothing_is_chosen(shown):
    before = rows(shown)
    choose(shown, 4)
    shown.keyboard.press("Escape")
    shown.keyboard.press("ArrowRight")
    assert shown.evaluate("amtPiano.player.position()") == 1
    shown.keyboard.press("x")
    choose(shown, 4)
    for key in ("Delete", "ArrowUp", "a", "h"):  # nothing is changed by whoever only listens
        shown.keyboard.press(key)
    np.testing.assert_array_equal(rows(shown), before)


# ---- doubt and sensitivity ---------------------------------------------------------------------------------------


def test_doubtful_notes_come_one_after_the_other(shown):
    before = rows(shown)
    seen = []
    for _ in range(4):
        shown.keyboard.press("d")
        seen.append(shown.evaluate("(([notes, i]) => [notes.onset[i], notes.pitch[i]])(amtPiano.chooser.first)"))
    assert seen == [[1.75, 71], [3.25, 80], [4.0, 72], [1.75, 71]]  # 40 at 6 s is too unlikely to be offered
    assert "possible note" in shown.inner_text(".amt-inspector")
    shown.keyboard.press("y")
    assert len(rows(shown)) == len(before) + 1 and [1.75, 71] in rows(shown)[:, [0, 2]].tolist()
    undo_and_redo(shown, before)
    for _ in range(2):
        shown.keyboard.press("d")
    shown.keyboard.press("y")  # the unsure one is right
    assert "1 doubtful" in shown.inner_text(".amt-tray:not([hidden])")


def test_judging_what_is_doubtful_leaves_the_score_as_it_is(shown):
    """A possible note is refused, a doubtful one kept: the same notes stand, and the score's own file is saved."""
    before = rows(shown)
    for expected in (3, 2, 1):
        assert f"{expected} doubtful" in shown.inner_text(".amt-tray:not([hidden])")
        shown.keyboard.press("d")
        shown.keyboard.press("Delete" if shown.evaluate("amtPiano.state.ghost !== null") else "y")
    assert "0 doubtful" in shown.inner_text(".amt-tray:not([hidden])")
    np.testing.assert_array_equal(rows(shown), before)
    assert not shown.evaluate("amtPiano.draft.isCorrected") and not shown.locator(".amt-banner").is_visible()
    deleted = shown.evaluate("amtPiano.model.get('corrections').deleted.length")
    assert deleted == 3  # and it is remembered
    for _ in range(3):
        shown.keyboard.press("u")
    assert "3 doubtful" in shown.inner_text(".amt-tray:not([hidden])")


def test_without_probabilities_doubt_is_said_to_be_unknown(browser, tmp_path):
    notes = make_notes([0.5], [0.9], [60], [70])
    opened = open_page(browser, PianoRoll(Performance(notes), language="en").to_html(tmp_path / "midi.html"))
    opened.keyboard.press("d")
    assert "not known" in opened.inner_text(".amt-inspector")
    opened.close()


def test_slider_shows_and_hides_candidates_at_once(roll, shown):
    slider = shown.get_by_label("Sensitivity")
    for value in (0.0, 0.3, 0.62, 0.8, 1.0):
        slider.fill(str(value))
        expected = roll.candidates.at(1 - value * 0.9)
        np.testing.assert_allclose(
            rows(shown).reshape(-1, 5)[:, :2], np.stack([expected["onset"], expected["offset"]], 1)
        )
    assert len(rows(shown)) == 23


def test_a_note_ends_where_its_key_is_struck_again(browser, tmp_path):
    every = make_notes([0.5, 1.0, 1.5], [3.0, 1.4, 3.2], [60, 60, 60], [70, 70, 70])
    candidates = Candidates(every, np.array([0.9, 0.3, 0.8], np.float32), 0.6, 0.1, 0.03)
    performance = Performance(candidates.at())
    assert performance.notes["offset"].tolist() == [1.5, 3.2]
    roll = PianoRoll(performance, candidates=candidates, language="en")
    opened = open_page(browser, roll.to_html(tmp_path / "strikes.html"))
    opened.keyboard.press("x")
    for action, expected in (
        ("amtPiano.draft.setThreshold(0.2)", [1.0, 1.4, 3.2]),
        ("amtPiano.draft.setThreshold(0.6)", [1.5, 3.2]),
        ("amtPiano.chooser.chooseOne(amtPiano.data.notes, 1); amtPiano.editor.remove()", [3.0]),  # its strike was none
    ):
        opened.evaluate(action)
        assert rows(opened)[:, 1].tolist() == expected
        roll.corrections = opened.evaluate("amtPiano.model.get('corrections')")
        assert roll.performance.notes["offset"].tolist() == expected
    opened.close()


# ---- what leaves the page ----------------------------------------------------------------------------------------


def make_corrections(shown) -> None:
    choose(shown, 0)
    for key in ("ArrowUp", "ArrowRight", "."):
        shown.keyboard.press(key)
    choose(shown, 7)
    shown.keyboard.press("Delete")
    shown.evaluate("amtPiano.transport.seek(2.62)")
    shown.keyboard.press("a")
    shown.evaluate("amtPiano.transport.seek(2.7)")
    shown.keyboard.press("a")  # the same key before it is up
    for key in ("h", "Shift+ArrowRight"):
        shown.keyboard.press(key)
    shown.keyboard.press("PageUp")


def test_python_has_what_is_on_the_screen(roll, shown):
    make_corrections(shown)
    corrections = shown.evaluate("amtPiano.model.get('corrections')")
    notes, hands = correct(roll._offered, roll._hands, roll.candidates, corrections)
    screen = rows(shown)
    for k, name in enumerate(("onset", "offset", "pitch", "velocity")):
        np.testing.assert_array_equal(notes[name], screen[:, k])
    np.testing.assert_array_equal(hands, screen[:, 4])
    np.testing.assert_array_equal(roll.performance.notes, roll.candidates.at())  # this one was not touched


def test_a_draft_corrected_in_the_roll_goes_on_to_training(browser, tmp_path):
    """As notebook 08 does it: beside the audio, prepared, found by name, cut into windows."""
    home, own = tmp_path / "home", tmp_path / "own"
    played = perform_piece("waltz", seed=1)
    audio = save_audio(home / "take.wav", render(played, simple_tone_piano()))
    wrong = played.notes.copy()
    wrong["pitch"][4] += 1  # heard a semitone too high
    spare = make_notes([0.31], [0.7], [96], [30])
    heard = np.concatenate([wrong, spare])
    heard = Performance(heard[np.lexsort((heard["pitch"], heard["onset"]))], played.pedals)
    roll = PianoRoll(heard, audio, language="en")
    opened = open_page(browser, roll.to_html(tmp_path / "draft.html"))
    opened.keyboard.press("x")
    at = "p => amtPiano.chooser.chooseOne(amtPiano.data.notes, p, false)"
    opened.evaluate(at, int(np.flatnonzero(heard.notes["pitch"] == 96)[0]))
    opened.keyboard.press("Delete")
    opened.evaluate(at, 4)
    opened.keyboard.press("ArrowDown")
    roll.corrections = opened.evaluate("amtPiano.model.get('corrections')")
    assert opened.problems == []
    opened.close()
    np.testing.assert_array_equal(roll.performance.notes["pitch"], played.notes["pitch"])

    roll.to_midi(home / "take.mid")
    assert [row.status for row in prepare_recordings(home, own)] == ["pair"]
    (pair,) = find_recordings(own)
    assert score_performance(played, read_midi(pair.midi), ends="key")["note_offset_velocity_f1"] == 1
    data = {"recordings": (str(own),), "window_seconds": 5.0, "augment": False}
    windows = WindowDataset(Config().replace(data=data))
    struck = {LOWEST_PITCH + int(key) for k in range(12) for key in np.flatnonzero(windows[k]["onset"].amax(0) > 0.9)}
    assert len(struck) > 10 and struck <= set(played.notes["pitch"].tolist())


@pytest.mark.parametrize("corrected", [False, True])
def test_saved_midi_reads_back_as_what_was_on_the_screen(roll, shown, tmp_path, corrected):
    if corrected:
        make_corrections(shown)
    path = download(shown, "midi", tmp_path)
    assert path.name == "Draft.mid"
    back, screen = read_midi(path), rows(shown)
    order = np.lexsort((back.notes["pitch"], back.notes["onset"].round(2)))
    expected = screen[np.lexsort((screen[:, 2], screen[:, 0].round(2)))]
    assert len(back.notes) == len(screen)
    for k, name in enumerate(("onset", "offset")):
        np.testing.assert_allclose(back.notes[name][order], expected[:, k], atol=0.0006)  # half a tick
    np.testing.assert_array_equal(back.notes["pitch"][order], expected[:, 2])
    np.testing.assert_array_equal(back.notes["velocity"][order], expected[:, 3])
    np.testing.assert_allclose(back.pedals["onset"], roll.performance.pedals["onset"], atol=0.0006)
    np.testing.assert_allclose(back.pedals["offset"], roll.performance.pedals["offset"], atol=0.0006)


def test_saved_json_and_page_hold_the_corrections(browser, shown, tmp_path):
    make_corrections(shown)
    shown.evaluate("amtPiano.transport.seek(1.5)")
    shown.keyboard.press("1")
    screen = rows(shown)
    said = json.loads(download(shown, "json", tmp_path).read_text(encoding="utf-8"))
    assert [[n["onset"], n["offset"], n["pitch"], n["velocity"]] for n in said["notes"]] == screen[:, :4].tolist()
    assert {n["hand"] for n in said["notes"]} == {"left", "right"} and said["beats"]["metre"] == "4/4"
    again = open_page(browser, download(shown, "html", tmp_path))
    np.testing.assert_array_equal(rows(again), screen)
    downbeat = "amtPiano.data.beats.downbeat"
    assert again.evaluate(downbeat) == shown.evaluate(downbeat)
    choose(again, 0)
    again.keyboard.press("x")
    again.keyboard.press("Delete")
    assert len(rows(again)) == len(screen) - 1  # and it is corrected further
    assert again.problems == []
    again.close()


def test_musicxml_is_the_scores_own_until_something_is_corrected(roll, shown, tmp_path):
    from partitura import load_musicxml

    shown.evaluate("amtPiano.sheet.score")
    untouched = download(shown, "musicxml", tmp_path).read_text(encoding="utf-8")
    assert 'id="n0"' in untouched and "AMT Piano" in untouched
    shown.keyboard.press("x")
    choose(shown, 7)
    shown.keyboard.press("Delete")
    choose(shown, 0)
    shown.keyboard.press("ArrowDown")
    assert shown.locator(".amt-banner").is_visible()
    path = download(shown, "musicxml", tmp_path)
    screen = rows(shown)
    root = ET.parse(path).getroot()
    lasts = {"whole": 48, "half": 24, "quarter": 12, "eighth": 6, "16th": 3}
    for measure in root.iter("measure"):  # each voice fills its bar, each symbol says how long it is
        for staff in ("1", "2"):
            own = [n for n in measure.iter("note") if n.findtext("staff") == staff]
            assert sum(int(n.findtext("duration")) for n in own if n.find("chord") is None) == 48
            for n in own:
                length = lasts[n.findtext("type")] * (1.5 if n.find("dot") is not None else 1)
                assert int(n.findtext("duration")) == length * (2 / 3 if n.find("time-modification") is not None else 1)
    written = load_musicxml(path)[0].note_array()
    assert sorted(written["pitch"].tolist()) == sorted(screen[:, 2].astype(int).tolist())
    np.testing.assert_allclose(
        np.diff(np.unique(written["onset_quarter"])), np.diff(np.unique(screen[:, 0])) * 2, atol=0.01
    )


# ---- the browser's arithmetic is Python's ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scripts(browser):
    opened = browser.new_page()
    opened.set_content("<main id='root'></main>")
    names = "Notes, Pedals, compare, Beats, makeModel, RollView, writeMidi"
    opened.add_script_tag(content=f"{page.script()}\nObject.assign(window, {{ {names} }});")
    opened.add_style_tag(content=page.style())
    yield opened
    opened.close()


def as_rows(events: np.ndarray) -> list[dict]:
    return [dict(zip(events.dtype.names, map(float, event.tolist()), strict=True)) for event in events]


def random_notes(rng, n: int, seconds: float = 60.0) -> np.ndarray:
    onset = rng.random(n) * seconds
    return make_notes(onset, onset + 0.05 + 2 * rng.random(n), rng.integers(40, 70, n), rng.integers(1, 128, n))


def test_sounding_ends_are_pythons(scripts, rng):
    notes = random_notes(rng, 600)
    press = np.sort(rng.random(90)) * 60
    pedals = make_pedals(press, press + 0.1 + 3 * rng.random(90), rng.integers(0, 3, 90))
    performance = Performance(notes, pedals)
    found = scripts.evaluate(
        "([notes, pedals]) => [...new Notes(notes, new Pedals(pedals), 'key').sounding]",
        [as_rows(notes), as_rows(pedals)],
    )
    np.testing.assert_array_equal(found, performance.with_ends("sounding")["offset"])


def test_comparison_is_pythons(scripts, rng):
    reference = random_notes(rng, 400)
    moved = reference.copy()
    moved["onset"] = np.maximum(0, moved["onset"] + rng.normal(0, 0.04, len(moved)))
    moved["offset"] = np.maximum(moved["onset"] + 0.03, moved["offset"] + rng.normal(0, 0.2, len(moved)))
    estimate = make_notes(*(moved[name] for name in moved.dtype.names))
    expected = compare_notes(reference, estimate)
    status, partner, of_reference = scripts.evaluate(
        """([a, b]) => { const none = new Pedals([]);
        const [reference, estimate] = [a, b].map(rows => new Notes(rows, none, 'key'));
        compare(reference, estimate); return [[...estimate.status], [...estimate.partner], [...reference.status]]; }""",
        [as_rows(reference), as_rows(estimate)],
    )
    np.testing.assert_array_equal(status, expected.status)
    np.testing.assert_array_equal(partner, expected.partner)
    np.testing.assert_array_equal(of_reference, expected.reference_status)


def test_a_page_shows_notes_that_it_found_itself(scripts):
    """No Python: notes, pedals and candidates as JavaScript has them."""
    shown = scripts.evaluate(
        """() => { const note = (onset, pitch, probability) =>
          ({ onset, offset: onset + 1, pitch, velocity: 70, probability });
        const model = makeModel({ title: "Found here", language: "en",
          notes: [note(1, 64, .9), note(0.5, 40, .9), note(0.7, 64, .3)],
          pedals: [{ onset: 0.5, offset: 2.5, kind: 0 }], candidates: { threshold: .6, lowest: .1, shortest: .03 } });
        const roll = new RollView(model, document.getElementById("root"), { page: true });
        const before = roll.data.notes.n; roll.draft.setThreshold(.2);
        const { notes } = roll.data;
        return [before, notes.n, [...notes.offset], [...notes.hand], [...notes.sounding],
          document.querySelector("h1").textContent, model.get("corrections").threshold,
          [...writeMidi(notes.rows, roll.data.pedals.rows, null, roll.data.duration).slice(0, 4)]]; }"""
    )
    assert shown == [2, 3, [1.5, 1.0, 2.0], [1, 0, 0], [2.5, 1.0, 2.5], "Found here", 0.2, list(b"MThd")]


def test_colours_come_with_the_style_sheet_however_late(browser):
    """A notebook renders the widget before it is part of the page, and may give it its style later still."""
    opened = browser.new_page(color_scheme="light")
    opened.set_content("<main id='amt-root'></main>")
    opened.add_script_tag(content=f"{page.script()}\nObject.assign(window, {{ makeModel, RollView }});")
    opened.evaluate(
        """async () => { const place = document.createElement("div");
        window.view = new RollView(makeModel({ notes: [{ onset: 1, offset: 2, pitch: 60, velocity: 64 }] }), place);
        await new Promise(r => setTimeout(r, 120)); document.getElementById("amt-root").append(place);
        await new Promise(r => setTimeout(r, 120)); }"""
    )
    opened.add_style_tag(content=page.style())
    opened.wait_for_function("view.theme.name === 'light' && view.drawMilliseconds !== undefined")
    opened.wait_for_timeout(300)
    pixel = opened.evaluate(
        """() => { const g = view.canvas.getContext("2d"), { width, height } = view.canvas;
        return [...g.getImageData(Math.round(width * 0.9), Math.round(height / 2), 1, 1).data]; }"""
    )
    assert min(pixel[:3]) > 230  # light, not the black of no colour
    opened.close()
