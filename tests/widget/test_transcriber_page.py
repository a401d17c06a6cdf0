"""The page that transcribes on its own: the same notes as Python's, from a file on disk, without a network."""

import numpy as np
import pytest
from helpers_browser import open_browser, why_no_browser

from amt_utils.audio.reading import load_audio, save_audio
from amt_utils.data.maestro.miniature import perform
from amt_utils.data.synth import render, simple_tone_piano
from amt_utils.evaluation.metrics import score_performance
from amt_utils.music.notes import Performance, make_notes, make_pedals
from amt_utils.system.errors import AmtError
from amt_utils.system.paths import example_files
from amt_utils.transcription.transcriber import Transcriber
from amt_utils.widget.transcriber_page import write_page

browser = pytest.mark.browser


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("page") / "page.html")


def test_the_page_is_whole_and_small(page_file):
    text = page_file.read_text()
    assert len(text) < 20e6 and "https://cdn" not in text
    with pytest.raises(AmtError, match=r"no such weights"):
        write_page(page_file.with_name("other.html"), weights="nothing")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """The beginning of the example, a rendered piece, and one in stereo whose channels cancel each other."""
    folder = tmp_path_factory.mktemp("recordings")
    example = load_audio(example_files()[0], duration=15.0)
    save_audio(folder / "example.wav", example)
    save_audio(folder / "nocturne.wav", render(perform("nocturne", seed=3), simple_tone_piano())[: 15 * 16_000])
    import soundfile

    soundfile.write(folder / "opposed.wav", np.stack([example, -example], axis=1), 16_000)
    return folder


@browser
@pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser())
def test_the_browser_finds_the_notes_that_python_finds(page_file, recordings):
    transcriber = Transcriber("tiny", device="cpu")
    with open_browser() as chromium:
        page = chromium.new_page()
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(("file:", "blob:", "data:")) else problems.append(r.url))
        page.goto(page_file.resolve().as_uri())
        for name in ("example", "nocturne", "opposed"):
            page.evaluate("window.amtTranscription = null")
            page.set_input_files("input[type=file]", str(recordings / f"{name}.wav"))
            page.wait_for_function("window.amtTranscription", timeout=240_000)
            found = page.evaluate("window.amtTranscription")
            notes = [[note[key] for note in found["notes"]] for key in ("onset", "offset", "pitch", "velocity")]
            pedals = [[press[key] for press in found["pedals"]] for key in ("onset", "offset", "kind")]
            theirs = Performance(make_notes(*notes), make_pedals(*pedals))
            source = "example" if name == "opposed" else name
            ours = transcriber.transcribe(load_audio(recordings / f"{source}.wav"))
            metrics = score_performance(ours, theirs, ends="key")
            assert metrics["note_f1"] >= 0.995 and metrics["note_offset_velocity_f1"] >= 0.98, name
            assert page.locator(".amt-roll canvas").count() >= 2
            page.get_by_role("button", name="Another recording").click()
        assert not problems
        page.close()


@browser
@pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser())
def test_cancelling_and_files_that_are_no_sound(page_file, recordings, tmp_path):
    (tmp_path / "text.wav").write_text("no sound")
    with open_browser() as chromium:
        page = chromium.new_page()
        page.goto(page_file.resolve().as_uri())
        page.set_input_files("input[type=file]", str(tmp_path / "text.wav"))
        page.get_by_text("cannot read it as audio").wait_for(timeout=20_000)
        page.set_input_files("input[type=file]", str(recordings / "example.wav"))
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("Choose a recording").first.wait_for()
        assert page.evaluate("window.amtTranscription") is None
        page.close()
