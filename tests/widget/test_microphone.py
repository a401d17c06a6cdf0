"""The microphone's button in a real browser, whose microphone is a made-up one that beeps."""

from __future__ import annotations

import pytest
from helpers_browser import open_browser, why_no_browser

from amt_utils.widget import page as widget_page

pytestmark = pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser() or "a browser")
HARNESS = """<!doctype html><body></body><script>
const sent = [], state = { language: "en", can_transcribe: false, summary: "", busy: false };
const send = (message, _, buffers) => sent.push([message, buffers[0]]);
const model = { get: (name) => state[name], on() {}, off() {}, send };
%s
const view = new AudioInputView(model, document.body);
</script>"""
SECONDS_AND_PEAK = """() => {
  const view = new DataView(sent[0][1]), samples = new Int16Array(sent[0][1], 44);
  const peak = samples.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  return [view.getUint32(40, true) / 2 / view.getUint32(24, true), peak];
}"""


@pytest.fixture
def page(tmp_path):
    script = widget_page.script(("words", "elements", "microphone", "input"))
    (tmp_path / "input.html").write_text(HARNESS % script, encoding="utf-8")
    with open_browser() as browser:
        page = browser.new_page()
        page.problems = []
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.goto((tmp_path / "input.html").as_uri())
        yield page


def test_what_is_recorded_comes_as_a_wav(page):
    button = page.locator("button.amt-record")
    button.click()
    page.wait_for_selector("button.amt-on")
    assert button.inner_text().endswith("Stop")
    page.wait_for_function("document.querySelector('.amt-status').textContent.includes('0:02')")
    button.click()
    page.wait_for_function("sent.length && sent.at(-1)[0].last")
    assert page.evaluate("sent[0][0].name") == "recording.wav"
    seconds, peak = page.evaluate(SECONDS_AND_PEAK)
    assert 1 < seconds < 20 and peak > 300
    assert button.inner_text() == "Record" and not page.problems


def test_a_microphone_that_is_denied_is_said(page):
    page.evaluate("() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new Error('no')); }")
    page.click("button.amt-record")
    page.wait_for_function("document.querySelector('.amt-status').textContent.includes('no access')")
    assert page.locator("button.amt-record").inner_text() == "Record" and not page.problems
