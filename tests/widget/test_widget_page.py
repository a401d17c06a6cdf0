"""The piano roll for practising, on a phone, by keyboard alone, for screen readers; and how fast it draws."""

from __future__ import annotations

import os

import numpy as np
import pytest
from helpers_browser import open_browser, open_page, why_no_browser

from amt_utils.music.notes import Performance, make_notes, make_pedals
from amt_utils.sheet_music.score import make_score
from amt_utils.transcription.candidates import Candidates
from amt_utils.widget import PianoRoll, compare_notes

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser() or "-")]
RATE = 16_000


@pytest.fixture(scope="module")
def browser():
    with open_browser() as opened:
        yield opened


def two_hands() -> Performance:
    """Sixteen bars of 4/4 at 120: a melody over chords."""
    beat = 0.5 + 0.5 * np.arange(64)
    melody = 67 + np.array([0, 2, 4, 5, 7, 5, 4, 2] * 8)
    bass = 0.5 + 2.0 * np.arange(16)
    onset = np.concatenate([beat, bass, bass])
    pitch = np.concatenate([melody, np.full(16, 48), np.full(16, 43)])
    return Performance(
        make_notes(onset, onset + 0.45, pitch, np.full(96, 70)), make_pedals(bass, bass + 1.5, np.zeros(16, int))
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    played = two_hands()
    t = np.arange(33 * RATE) / RATE
    audio = (0.2 * np.sin(2 * np.pi * 262 * t)).astype(np.float32)
    probability = np.random.default_rng(1).uniform(0.6, 1.0, len(played.notes)).astype(np.float32)
    candidates = Candidates(played.notes, probability, 0.6, 0.1, 0.03)
    score = make_score(played, tempo=120, metre="4/4")
    roll = PianoRoll(played, audio, candidates=candidates, score=score, title="Two hands", language="en")
    return roll.to_html(tmp_path_factory.mktemp("pages") / "score.html")


@pytest.fixture
def shown(browser, saved):
    opened = open_page(browser, saved, height=900)
    yield opened
    assert opened.problems == []
    opened.close()


@pytest.fixture
def phone(browser, saved):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, device_scale_factor=2
    )
    opened = context.new_page()
    opened.goto(saved.as_uri())
    opened.wait_for_function("window.amtPiano && amtPiano.drawMilliseconds !== undefined && amtPiano.sheet.score")
    yield opened
    context.close()


# ---- practising --------------------------------------------------------------------------------------------------


def test_hands_are_the_scores_and_each_is_heard_alone(shown):
    low, high = shown.evaluate(
        "[0, 1].map(h => amtPiano.data.notes.rows.filter(r => r.hand === h).map(r => r.pitch)).reverse()"
    )
    assert max(low) == 48 and min(high) == 67
    shown.keyboard.press("t")
    shown.get_by_role("radio", name="Left hand").click()
    assert shown.evaluate("amtPiano.player.sound") == "midi"  # a recording cannot be taken apart
    struck = """async () => { const struck = [], { player } = amtPiano; player.start();
        const own = player.piano.strike.bind(player.piano);
        player.piano.strike = (pitch, ...rest) => { struck.push(pitch); return own(pitch, ...rest); };
        await player.play(); await new Promise(r => setTimeout(r, 1500)); player.pause(); return struck; }"""
    assert set(shown.evaluate(struck)) == {43, 48}
    shown.keyboard.press("r")  # on to both, and to the right hand
    shown.keyboard.press("r")
    shown.evaluate("amtPiano.transport.seek(0)")
    assert min(shown.evaluate(struck)) >= 67


def test_falling_notes_reach_their_keys_when_they_sound(shown):
    shown.evaluate("amtPiano.transport.seek(3.0)")
    shown.keyboard.press("f")
    shown.wait_for_timeout(300)
    assert shown.get_attribute(".amt-roll", "data-layout") == "falling"
    looks = shown.evaluate(
        """() => { const { falling } = amtPiano.painter, { notes } = amtPiano.data, at = 3.0;
        const i = notes.onset.findIndex((t, k) => t > 4 && notes.pitch[k] > 60), g = amtPiano.canvas.getContext("2d");
        const [x, w] = falling.key(notes.pitch[i]), s = amtPiano.painter.scale;
        const pixel = (x, y) => [...g.getImageData(x * s, y * s, 1, 1).data].slice(0, 3).join();
        const y = (falling.y(notes.onset[i], at) + falling.y(notes.end[i], at)) / 2;
        const below = falling.y(notes.onset[i], at) + 4;
        return [falling.y(at, at) - falling.bottom, pixel(x + w / 4, y), pixel(x + w / 4, below),
          falling.noteAt(x + w / 4, y, at)[1] === i]; }"""
    )
    assert looks[0] == 0 and looks[1] != looks[2] and looks[3]
    box = shown.locator(".amt-overlay").bounding_box()
    shown.mouse.move(box["x"] + 300, box["y"] + 50)
    shown.mouse.down()
    shown.mouse.move(box["x"] + 300, box["y"] + 150)
    shown.mouse.up()
    assert shown.evaluate("amtPiano.player.position()") > 3.3  # dragged on through time
    before = shown.evaluate("amtPiano.player.position()")
    shown.keyboard.press("f")
    shown.wait_for_timeout(200)
    assert shown.evaluate("[amtPiano.state.layout, amtPiano.player.position()]") == ["roll", before]


def test_metronome_clicks_on_the_beats_and_counts_in(shown):
    shown.evaluate("amtPiano.transport.setSound('midi'); amtPiano.transport.seek(amtPiano.data.beats.barStart(2))")
    shown.keyboard.press("m")
    shown.keyboard.press("i")
    clicks, began, positions = shown.evaluate(
        """async () => { const { player, data } = amtPiano, clicks = []; player.start(); await player.context.resume();
        const own = player.clicks.click.bind(player.clicks);
        player.clicks.click = (...how) => { clicks.push(how.slice(0, 2)); return own(...how); };
        await player.play(); const { when, from } = player.segments[0], positions = [];
        for (let k = 0; k < 12; k++) {
          await new Promise(r => setTimeout(r, 250)); positions.push(player.position() - from); }
        player.pause(); return [clicks, when, positions]; }"""
    )
    times = np.sort([when for when, _ in clicks]) - began
    beat = 0.5
    assert np.allclose(times[:5], np.arange(-4, 1) * beat, atol=0.02)  # a bar before, then on each beat
    assert [accented for _, accented in sorted(clicks)][:5] == [True, False, False, False, True]
    assert positions[0] == 0 and positions[-1] > 0.2  # the music waits until the bar is counted


def test_loops_go_from_bar_to_bar_and_bars_can_be_moved(shown):
    shown.evaluate("amtPiano.transport.seek(5.1)")
    shown.keyboard.press("Shift+L")
    first = shown.evaluate("amtPiano.state.loop")
    shown.keyboard.press("Shift+L")
    assert first == pytest.approx([4.5, 6.5], abs=0.05)
    assert shown.evaluate("amtPiano.state.loop") == pytest.approx([4.5, 8.5], abs=0.05)
    shown.keyboard.press("Escape")
    shown.evaluate("amtPiano.transport.seek(5.45)")
    shown.keyboard.press("1")
    bars = shown.evaluate("[0, 1].map(k => amtPiano.data.beats.barStart(k + 2))")
    assert bars == pytest.approx([5.5, 7.5], abs=0.05)
    assert shown.evaluate("amtPiano.model.get('downbeat')") == shown.evaluate("amtPiano.data.beats.downbeat")


# ---- a phone -----------------------------------------------------------------------------------------------------


def test_a_phone_shows_everything_in_its_width(phone):
    for key in ("x", "t", "w"):
        phone.keyboard.press(key)
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    outside = phone.evaluate(
        """[...document.querySelectorAll('button, select, input')].filter(e => e.offsetParent)
        .filter(e => { const b = e.getBoundingClientRect(); return b.right > 390.5 || b.left < 0; })
        .map(e => e.outerHTML)"""
    )
    assert outside == []
    small = phone.evaluate(
        """[...document.querySelectorAll('button')].filter(e => e.offsetParent)
        .filter(e => { const b = e.getBoundingClientRect(); return b.height < 24 || b.width < 24; })
        .map(e => e.outerHTML)"""
    )
    assert small == []
    phone.wait_for_selector(".amt-sheet svg g.staff")
    height = phone.evaluate(
        """() => { const staff = document.querySelector('.amt-sheet svg g.staff');
        const lines = [...staff.children].filter(e => e.localName === 'path');
        const tops = lines.map(line => line.getBoundingClientRect().top);
        return Math.max(...tops) - Math.min(...tops); }"""
    )
    assert height > 24  # px, from the top to the bottom line of a staff


def touch(phone, kind: str, x: float, y: float) -> None:
    if not hasattr(phone, "fingers"):
        phone.fingers = phone.context.new_cdp_session(phone)
    points = [] if kind == "touchEnd" else [{"x": x, "y": y}]
    phone.fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_fingers_choose_without_any_key(phone):
    box = phone.locator(".amt-overlay").bounding_box()
    right, bottom = box["x"] + box["width"] - 10, box["y"] + box["height"] * 0.8
    touch(phone, "touchStart", box["x"] + 80, box["y"] + 40)
    phone.wait_for_timeout(600)  # resting begins a box
    for x, y in ((right - 40, bottom - 20), (right, bottom)):
        touch(phone, "touchMove", x, y)
    touch(phone, "touchEnd", 0, 0)
    chosen = phone.evaluate("amtPiano.state.selection")
    assert len(chosen) > 5 and phone.evaluate("amtPiano.camera.start") == 0
    start = phone.evaluate("amtPiano.camera.start")
    touch(phone, "touchStart", right, box["y"] + 60)  # moving at once goes through time, as before
    for x in (right - 50, right - 150):
        touch(phone, "touchMove", x, box["y"] + 60)
    touch(phone, "touchEnd", 0, 0)
    assert phone.evaluate("amtPiano.camera.start") > start
    phone.keyboard.press("x")
    phone.evaluate("amtPiano.chooser.choose([]); amtPiano.camera.show(0)")
    touch(phone, "touchStart", box["x"] + 80, phone.locator(".amt-overlay").bounding_box()["y"] + 40)
    box = phone.locator(".amt-overlay").bounding_box()
    for x, y in ((right - 40, box["y"] + 100), (right, box["y"] + box["height"] * 0.8)):
        touch(phone, "touchMove", x, y)  # while correcting a drag over nothing chooses
    touch(phone, "touchEnd", 0, 0)
    assert len(phone.evaluate("amtPiano.state.selection")) > 5


# ---- keys alone, and screen readers ------------------------------------------------------------------------------


def test_a_page_just_opened_listens_to_its_keys(shown):
    assert shown.evaluate("document.activeElement === document.body")
    shown.keyboard.press("Space")
    shown.wait_for_function("amtPiano.player.playing")
    shown.click(".amt-play")
    shown.wait_for_function("!amtPiano.player.playing")
    before = shown.evaluate("amtPiano.player.position()")
    shown.keyboard.press("ArrowRight")  # and goes on listening after a click on a button
    assert shown.evaluate("amtPiano.player.position()") == pytest.approx(before + 1)
    shown.focus(".amt-play")
    shown.keyboard.press("ArrowRight")
    assert shown.evaluate("amtPiano.player.position()") == pytest.approx(before + 2)
    shown.focus("[aria-label=Speed]")
    shown.keyboard.press("ArrowRight")  # but a list of choices keeps its own
    assert shown.evaluate("amtPiano.player.position()") == pytest.approx(before + 2)


def test_files_and_the_list_of_keys_are_reached_by_keys(shown, tmp_path):
    shown.keyboard.press("w")
    with shown.expect_download() as started:
        shown.keyboard.press("Enter")
    assert started.value.suggested_filename == "Two_hands.mid"
    shown.keyboard.press("Tab")
    with shown.expect_download() as started:
        shown.keyboard.press("Enter")
    assert started.value.suggested_filename == "Two_hands.musicxml"
    shown.keyboard.press("w")  # and the roll has the keys again
    assert shown.evaluate("document.activeElement.className").endswith("amt-overlay")
    shown.keyboard.press("?")
    low = shown.evaluate("amtPiano.camera.low")
    shown.keyboard.press("End")
    shown.keyboard.press("ArrowUp")
    shown.wait_for_function("document.querySelector('.amt-help').scrollTop > 0")
    assert shown.evaluate("[amtPiano.camera.low, amtPiano.player.position()]") == [low, 0]
    shown.keyboard.press("Escape")
    assert shown.locator(".amt-help").is_hidden()
    shown.keyboard.press("ArrowRight")
    assert shown.evaluate("amtPiano.player.position()") == 1


def test_the_scores_notes_are_reached_by_keys(shown):
    shown.wait_for_selector(".amt-sheet svg g.note")
    shown.focus(".amt-sheet-panel")
    names = []
    for _ in range(5):
        shown.keyboard.press("ArrowRight")
        names.append(shown.evaluate("document.activeElement.getAttribute('aria-label')"))
    assert all("s" in name for name in names) and len(set(names)) >= 4
    chosen = shown.evaluate("amtPiano.state.selection")
    assert len(chosen) == 1 and shown.evaluate("document.activeElement.classList.contains('amt-chosen')")
    assert shown.evaluate("amtPiano.player.position()") == pytest.approx(
        shown.evaluate("amtPiano.data.notes.onset[amtPiano.state.selection[0]]")
    )
    shown.keyboard.press("ArrowLeft")
    assert shown.evaluate("amtPiano.state.selection[0]") == chosen[0] - 1


def test_headings_and_a_dark_score(browser, saved):
    opened = open_page(browser, saved, theme="dark")
    opened.wait_for_selector(".amt-sheet svg g.note")
    assert opened.locator("h1").inner_text() == "Two hands"
    ground, ink = opened.evaluate(
        """[getComputedStyle(document.querySelector('.amt-sheet-panel')).backgroundColor,
        getComputedStyle(document.querySelector('.amt-sheet g.note path, .amt-sheet g.note use')).fill]
        .map(c => c.match(/\\d+/g).slice(0, 3).map(Number))"""
    )
    assert max(ground) < 60 and min(ink) > 180
    opened.close()


# ---- minutes to correct ------------------------------------------------------------------------------------------


def plant_errors(truth: np.ndarray, rng) -> tuple[Candidates, dict[str, int]]:
    """Twenty errors as transcribers make them, and five right notes of which the network was unsure."""
    n = len(truth)
    probability = rng.uniform(0.88, 0.99, n).astype(np.float32)
    notes = truth.copy()
    which = rng.permutation(np.arange(2, n - 2))
    at = {
        "missed": which[:5],
        "octave": which[5:7],
        "late": which[7:9],
        "long": which[9:11],
        "unheard": which[11:12],
        "unsure": which[12:17],
    }
    probability[at["missed"]] = rng.uniform(0.36, 0.58, 5)
    probability[at["octave"]] = rng.uniform(0.62, 0.78, 2)
    notes["pitch"][at["octave"]] += 12
    probability[at["late"]] = rng.uniform(0.62, 0.78, 2)
    notes["onset"][at["late"]] += 0.07
    notes["offset"][at["long"]] += 0.5
    probability[at["unsure"]] = rng.uniform(0.62, 0.78, 5)
    keep = np.setdiff1d(np.arange(n), at["unheard"])
    extra = rng.choice(n, 8, replace=False)
    columns = [truth["onset"][extra] + 0.11, truth["onset"][extra] + 0.2, truth["pitch"][extra] + 7, np.full(8, 40)]
    columns = [np.append(notes[name][keep], column) for name, column in zip(notes.dtype.names, columns, strict=True)]
    order = np.lexsort((columns[2], columns[0]))
    probability = np.append(probability[keep], rng.uniform(0.62, 0.8, 8).astype(np.float32))[order]
    planted = {"extra": 8, **{name: len(where) for name, where in at.items() if name != "unsure"}}
    return Candidates(make_notes(*columns), probability, 0.6, 0.1, 0.03), planted


def test_twenty_errors_in_a_minute_are_corrected_by_keys(browser, tmp_path, rng):
    """Who knows what was played corrects a transcription by its keys alone; the presses are counted."""
    onset = np.round(np.sort(rng.choice(np.arange(4, 240), 150, replace=False)) * 0.25, 2)
    truth = make_notes(onset, onset + 0.22, rng.integers(45, 80, 150), rng.integers(50, 90, 150))
    candidates, planted = plant_errors(truth, rng)
    assert sum(planted.values()) == 20
    roll = PianoRoll(Performance(candidates.at()), candidates=candidates, language="en")
    opened = open_page(browser, roll.to_html(tmp_path / "draft.html"))
    presses = 0

    def press(key: str, times: int = 1) -> None:
        nonlocal presses
        for _ in range(times):
            opened.keyboard.press(key)
            presses += 1

    def first() -> list | None:
        return opened.evaluate(
            "(f => f && [f[0] === amtPiano.data.ghosts, f[0].onset[f[1]], f[0].pitch[f[1]]])(amtPiano.chooser.first)"
        )

    def true(at: float, pitch: int, within: float = 0.05) -> bool:
        return bool(np.any((np.abs(truth["onset"] - at) < within) & (truth["pitch"] == pitch)))

    press("x")
    visited = set()
    while True:  # what the network was unsure of, one after the other
        press("d")
        here = first()
        if here is None or tuple(here) in visited:
            break
        visited.add(tuple(here))
        possible, at, pitch = here
        if possible:
            if true(at, pitch):
                press("y")
        elif true(at, pitch):
            continue
        elif true(at, pitch - 12):
            press("Shift+ArrowDown")
        elif true(at - 0.07, pitch, 0.03):
            press("<", 7)
        else:
            press("Delete")
    # what it did not doubt is heard while playing: stop there, and correct
    press("Escape")
    for at, offset, pitch, _ in truth.tolist():
        now = np.array(opened.evaluate("amtPiano.data.notes.rows.map(r => [r.onset, r.offset, r.pitch])"))
        own = np.flatnonzero((np.abs(now[:, 0] - at) < 0.05) & (now[:, 2] == pitch))
        if len(own) and abs(now[own[0], 1] - offset) < 0.05:
            continue
        opened.evaluate(
            "t => { amtPiano.chooser.choose([]); amtPiano.transport.seek(t); }", at - 0.01
        )  # playing has come here
        presses += 1  # Space, to stop there
        if len(own):
            press("n")  # the note at the playhead
            press("Shift+ArrowLeft", round((now[own[0], 1] - offset) / 0.05))
        else:
            press("a")
            press("ArrowUp" if pitch > first()[2] else "ArrowDown", abs(int(pitch - first()[2])) % 12)
            press("Shift+ArrowUp" if pitch > first()[2] else "Shift+ArrowDown", abs(int(pitch - first()[2])) // 12)
        press("Escape")
    roll.corrections = opened.evaluate("amtPiano.model.get('corrections')")
    result = compare_notes(truth, roll.performance.notes).counts
    assert opened.problems == []
    opened.close()
    print(f"{presses} key presses for 20 errors: {presses / 20:.1f} each")
    assert result == {"hit": 150, "wrong_end": 0, "extra": 0, "missed": 0}
    assert presses / 20 < 5


# ---- speed -------------------------------------------------------------------------------------------------------


def test_ten_thousand_notes_over_twenty_pages_play_smoothly(browser, tmp_path, rng):
    """Only a few pages of the score are in the document while it plays; the quietest third of the frames is short."""
    onset = np.round(np.sort(rng.random(10_000)) * 300 * 8) / 8
    notes = make_notes(
        onset, onset + 0.1 + 0.5 * rng.random(10_000), rng.integers(30, 95, 10_000), rng.integers(10, 127, 10_000)
    )
    score = make_score(Performance(notes[:7600]), tempo=120, metre="4/4")
    opened = open_page(
        browser, PianoRoll(Performance(notes), score=score, language="en").to_html(tmp_path / "long.html"), height=900
    )
    opened.wait_for_selector(".amt-sheet svg g.note")
    script, whole, pages, attached = opened.evaluate(
        """async () => { const a = amtPiano, frame = () => new Promise(requestAnimationFrame), script = [], whole = [];
        a.camera.show(0, 60); a.transport.seek(60); await a.player.play(); await frame(); await frame();
        for (let k = 0, last = performance.now(); k < 120; k++) { await frame(); const now = performance.now();
          whole.push(now - last); last = now; script.push(a.drawMilliseconds); }
        return [script, whole, a.sheet.pages.length, document.querySelectorAll('.amt-sheet svg').length]; }"""
    )
    script, whole = (np.median(np.reshape(times, (3, 40)), axis=1).min() for times in (script, whole))
    print(f"{pages} pages, {attached} in the document; script {script:.1f} ms a frame, in all {whole:.1f} ms")
    assert pages >= 20 and attached <= 5
    assert script < 16
    if os.getloadavg()[0] <= os.cpu_count():  # else others have the processor
        assert whole < 50
    assert opened.problems == []
    opened.close()
