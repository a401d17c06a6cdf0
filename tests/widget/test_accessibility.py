"""axe-core finds nothing wrong with any page of ours, dark or light."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from helpers_browser import find_violations, open_browser, open_page, why_no_browser

from amt_utils.audio.reading import save_audio
from amt_utils.music.notes import Performance, make_notes, make_pedals
from amt_utils.sheet_music.score import make_score
from amt_utils.transcription.candidates import Candidates
from amt_utils.widget import PianoRoll
from amt_utils.widget import page as parts
from amt_utils.widget.transcriber_page import write_page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser() or "-"),
    pytest.mark.skipif(
        importlib.util.find_spec("axe_playwright_python") is None, reason="axe-playwright-python is not installed"
    ),
]
RATE = 16_000
INPUT = """<!doctype html><html lang="en"><head><title>Recording</title><style>
body {{ background: {ground}; color: {ink} }} {style}</style></head>
<body><main><h1>Recording</h1></main><script>{script}
const state = {{ language: "en", can_transcribe: true, busy: false, summary: "" }}, heard = [];
const model = {{ get: (name) => state[name], on: (names, f) => heard.push(f), off() {{}}, send() {{}} }};
new AudioInputView(model, document.querySelector("main"));
window.say = (values) => {{ Object.assign(state, values); heard.forEach((f) => f()); }};
</script></body></html>"""


@pytest.fixture(scope="module")
def browser():
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def rolls(tmp_path_factory):
    """A roll with everything that a recording can have, and one beside a reference."""
    onset = 0.5 + 0.5 * np.arange(32)
    notes = make_notes(onset, onset + 0.45, 55 + np.arange(32) % 17, 40 + 2 * np.arange(32))
    probability = np.tile(np.array([0.95, 0.7, 0.4, 0.9], np.float32), 8)
    candidates = Candidates(notes, probability, 0.6, 0.1, 0.03)
    heard = Performance(candidates.at(), make_pedals([1.0], [3.0], [0]))
    audio = (0.2 * np.sin(2 * np.pi * 262 * np.arange(17 * RATE) / RATE)).astype(np.float32)
    score = make_score(heard, tempo=120, metre="4/4")
    folder = tmp_path_factory.mktemp("rolls")
    full = PianoRoll(heard, audio, candidates=candidates, score=score, title="Everything", language="en")
    compared = PianoRoll(heard, audio, reference=Performance(notes), title="Compared", language="en")
    return {"full": full.to_html(folder / "full.html"), "compared": compared.to_html(folder / "compared.html")}


themes = pytest.mark.parametrize("theme", ["dark", "light"])


@themes
@pytest.mark.parametrize("name", ["full", "compared"])
def test_the_roll(browser, rolls, name, theme):
    """Listening, correcting, corrected, practising, notes that fall, saving, with the list of keys."""
    opened = open_page(browser, rolls[name], theme=theme, height=1000)
    if name == "full":
        opened.wait_for_selector(".amt-sheet svg g.note")
    found = {"opened": find_violations(opened)}
    for keys in ("x", "n", "Delete", "d" if name == "full" else "e", "y", "t", "f", "f", "w", "?"):
        opened.keyboard.press(keys)
        opened.wait_for_timeout(150)
        found[keys] = find_violations(opened)
    assert not any(found.values()), found
    assert opened.problems == []
    opened.close()


@themes
def test_the_page_that_transcribes(browser, tmp_path, theme):
    """At first, at work, what cannot be read, and the result."""
    page = browser.new_page(color_scheme=theme)
    page.goto(write_page(tmp_path / "page.html").as_uri())
    found = {"start": find_violations(page)}
    (tmp_path / "text.wav").write_text("no sound")
    page.set_input_files("input[type=file]", str(tmp_path / "text.wav"))
    page.get_by_text("cannot read it as audio").wait_for()
    found["error"] = find_violations(page)
    page.evaluate(
        """() => { amtApp.transcriber.transcribe = (samples, tell) => { tell({ seconds: 1, total: 4 });
        return new Promise((resolve) => { window.finish = () => resolve({ pedals: [], candidates: null, beats: null,
          ...Object.fromEntries(["notes", "offered"].map((name) => [name,
            [{ onset: 1, offset: 2, pitch: 60, velocity: 64, probability: 0.9, hand: 0 }]])) }); }); }; }"""
    )
    sound = save_audio(tmp_path / "tone.wav", np.sin(np.arange(4 * RATE) / 10).astype(np.float32) / 3)
    page.set_input_files("input[type=file]", str(sound))
    page.get_by_text("1 of 0:04 transcribed").wait_for()
    found["busy"] = find_violations(page)
    page.evaluate("finish()")
    page.wait_for_selector(".amt-roll canvas")
    found["result"] = find_violations(page)
    assert not any(found.values()), found
    page.close()


@themes
def test_the_input_widget(browser, tmp_path, theme):
    ground, ink = ("#111318", "#eef1f7") if theme == "dark" else ("#ffffff", "#1a2030")
    script = parts.script(("words", "elements", "microphone", "input"))
    text = INPUT.format(ground=ground, ink=ink, style=parts.style("input.css"), script=script)
    (tmp_path / "input.html").write_text(text, encoding="utf-8")
    page = browser.new_page(color_scheme=theme)
    page.goto((tmp_path / "input.html").as_uri())
    found = {"start": find_violations(page)}
    page.evaluate("say({ busy: true, summary: 'take.wav · 40 % · 3 s left' })")
    found["busy"] = find_violations(page)
    page.focus("input[type=file]")
    found["focus"] = find_violations(page)
    assert not any(found.values()), found
    page.close()
