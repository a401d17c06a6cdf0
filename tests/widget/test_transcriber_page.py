"""The page that transcribes on its own: the same notes as Python's, from a file on disk, without a network."""

import json

import numpy as np
import pytest
import soundfile
import soxr
from helpers_browser import download, open_browser, open_page, why_no_browser

from amt_utils.audio.reading import load_audio, save_audio
from amt_utils.data.pianos import simple_tone_piano
from amt_utils.data.pieces import perform_piece
from amt_utils.data.synth import render
from amt_utils.evaluation.metrics import score_performance
from amt_utils.music.midi import read_midi
from amt_utils.music.notes import Performance, make_notes, make_pedals
from amt_utils.system.errors import AmtError
from amt_utils.system.paths import example_files
from amt_utils.transcription.candidates import find_candidates
from amt_utils.transcription.transcriber import Transcriber
from amt_utils.widget import page as page_parts
from amt_utils.widget.corrections import find_hands
from amt_utils.widget.transcriber_page import write_page

RATE = 16_000
ROWS = "amtPiano.data.notes.rows.map(r => [r.onset, r.offset, r.pitch, r.velocity])"
browser = pytest.mark.browser
needs_browser = pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser() or "-")


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("page") / "page.html")


@pytest.fixture(scope="module")
def chromium():
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def transcriber():
    return Transcriber("tiny", device="cpu")


def test_the_page_is_whole_and_small(page_file):
    text = page_file.read_text()
    assert len(text) < 20e6 and "https://cdn" not in text
    with pytest.raises(AmtError, match=r"no such weights"):
        write_page(page_file.with_name("other.html"), weights="nothing")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """The waltz; a nocturne with silence in it; an etude a fifth of a semitone flat in a room, its channels opposed."""
    folder = tmp_path_factory.mktemp("recordings")
    (folder / "waltz.flac").write_bytes(example_files()[0].read_bytes())
    nocturne = render(perform_piece("nocturne", seed=3), simple_tone_piano())[: 14 * RATE]
    silence = np.zeros(5 * RATE, np.float32)
    save_audio(folder / "silence.wav", np.concatenate([silence, nocturne[: 7 * RATE], silence, nocturne[7 * RATE :]]))
    etude = render(perform_piece("etude", seed=5), simple_tone_piano(brightness=1.3, inharmonicity=6e-4))[: 14 * RATE]
    flat = soxr.resample(etude, RATE, RATE * 2 ** (20 / 1200))
    tail = np.random.default_rng(0).standard_normal(RATE // 2) * np.exp(-np.arange(RATE // 2) / 0.06 / RATE)
    wet = 0.8 * flat + 0.02 * np.convolve(flat, tail)[: len(flat)]
    soundfile.write(folder / "room.wav", np.stack([wet, -wet], axis=1).astype(np.float32), RATE)
    return folder


def watched(chromium, file):
    """The page with all that goes wrong in it, and all that it asks of a network."""
    page = chromium.new_page()
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    local = ("file:", "blob:", "data:")
    page.on("request", lambda r: None if r.url.startswith(local) else page.problems.append(r.url))
    page.goto(file.resolve().as_uri())
    return page


def transcribe(page, file) -> dict:
    page.evaluate("window.amtTranscription = null")
    page.set_input_files("input[type=file]", str(file))
    page.wait_for_function("window.amtTranscription", timeout=400_000)
    return page.evaluate("window.amtTranscription")


def as_notes(rows: list[dict]) -> np.ndarray:
    return make_notes(*([row[name] for row in rows] for name in ("onset", "offset", "pitch", "velocity")))


@pytest.fixture(scope="module")
def waltz(chromium, page_file, recordings):
    """The page with the waltz transcribed in it, and what it found."""
    page = watched(chromium, page_file)
    yield page, transcribe(page, recordings / "waltz.flac")
    assert page.problems == []
    page.close()


def compare(transcriber, file, found: dict) -> None:
    """What the page found is what Python finds, candidates and hands too."""
    ours = transcriber.transcribe(load_audio(file))
    pedals = make_pedals(*([press[name] for press in found["pedals"]] for name in ("onset", "offset", "kind")))
    metrics = score_performance(ours, Performance(as_notes(found["notes"]), pedals), ends="key")
    print(f"{file.name}: {len(ours.notes)} notes, {metrics}")
    assert len(ours.notes) > 30
    assert metrics["note_f1"] >= 0.995 and metrics["note_offset_velocity_f1"] >= 0.98, file.name


@browser
@needs_browser
def test_the_browser_finds_the_notes_that_python_finds(chromium, page_file, recordings, transcriber, waltz):
    compare(transcriber, recordings / "waltz.flac", waltz[1])
    assert f"{len(waltz[1]['notes'])} notes and" in waltz[0].get_by_role("status").first.inner_text()
    page = watched(chromium, page_file)
    for name in ("silence.wav", "room.wav"):
        compare(transcriber, recordings / name, transcribe(page, recordings / name))
        assert page.locator(".amt-roll canvas").count() >= 2
        page.get_by_role("button", name="Another recording").click()
    assert page.problems == []
    page.close()


@browser
@needs_browser
def test_what_it_thought_possible_and_its_hands_are_pythons(transcriber, recordings, waltz):
    found = waltz[1]
    activations = transcriber.activations(load_audio(recordings / "waltz.flac"))
    expected = find_candidates(activations, transcriber.config)
    metrics = score_performance(Performance(expected.notes), Performance(as_notes(found["offered"])), ends="key")
    assert metrics["note_f1"] >= 0.995 and metrics["note_offset_f1"] >= 0.99
    assert found["candidates"] == {
        "threshold": expected.threshold, "lowest": expected.lowest, "shortest": expected.shortest,
    }  # fmt: skip
    hands = find_hands(as_notes(found["offered"]), None, None)
    np.testing.assert_array_equal([row["hand"] for row in found["offered"]], hands)


@browser
@needs_browser
def test_what_was_corrected_is_saved_in_each_way(chromium, waltz, tmp_path):
    from partitura import load_musicxml

    page, _ = waltz
    before = page.evaluate(ROWS)
    page.keyboard.press("x")
    page.evaluate("amtPiano.chooser.chooseOne(amtPiano.data.notes, 5, false)")
    for key in ("Shift+ArrowUp", "ArrowRight", "."):
        page.keyboard.press(key)
    page.evaluate("amtPiano.chooser.chooseOne(amtPiano.data.notes, 12, false)")
    page.keyboard.press("Delete")
    page.get_by_label("Sensitivity").fill("0.5")
    page.evaluate("amtPiano.transport.seek(amtPiano.data.beats.time(2))")
    page.keyboard.press("1")
    screen = np.array(page.evaluate(ROWS))
    assert screen.tolist() != before

    back = read_midi(download(page, "midi", tmp_path))
    order = [
        np.lexsort((onset, pitch))  # key by key
        for onset, pitch in ((back.notes["onset"], back.notes["pitch"]), (screen[:, 0], screen[:, 2]))
    ]
    assert len(back.notes) == len(screen)
    for k, name in enumerate(("onset", "offset", "pitch", "velocity")):
        np.testing.assert_allclose(back.notes[name][order[0]], screen[order[1], k], atol=0.0006, err_msg=name)
    pedals = page.evaluate("amtPiano.data.pedals.rows.map(r => r.onset)")
    np.testing.assert_allclose(back.pedals["onset"], pedals, atol=0.0006)

    said = json.loads(download(page, "json", tmp_path).read_text(encoding="utf-8"))
    assert [[n["onset"], n["offset"], n["pitch"], n["velocity"]] for n in said["notes"]] == screen.tolist()
    assert said["beats"]["downbeat"] == 2 and said["beats"]["metre"] == "3/4"

    written = load_musicxml(download(page, "musicxml", tmp_path))[0].note_array()
    assert set(written["pitch"]) == set(screen[:, 2].astype(int))
    # of one key struck twice within a sixteenth one is written
    assert 0.97 * len(screen) <= len(written) <= len(screen)

    saved = download(page, "html", tmp_path)
    assert saved.name == "waltz.html" and saved.stat().st_size < 2e6  # without the networks
    again = open_page(chromium, saved)
    assert again.evaluate(ROWS) == screen.tolist() and again.locator("h1").inner_text() == "waltz"
    assert again.evaluate("[amtPiano.data.beats.downbeat, amtPiano.draft.threshold]") == pytest.approx([2, 0.55])
    assert again.evaluate("amtPiano.data.audio.bytes().length") == example_files()[0].stat().st_size
    assert again.evaluate("amtPiano.player.start(), amtPiano.player.play().then(() => true)")
    again.keyboard.press("x")
    again.keyboard.press("u")  # what was done on the other page is no step of this one
    again.evaluate("amtPiano.chooser.chooseOne(amtPiano.data.notes, 0, false)")
    again.keyboard.press("Delete")
    third = open_page(chromium, download(again, "html", tmp_path))
    assert third.evaluate(ROWS) == screen[1:].tolist()
    assert again.problems == third.problems == []
    for opened in (again, third):
        opened.close()


@browser
@needs_browser
@pytest.mark.parametrize(("encoder", "mime", "expected"), [(True, "audio/ogg", 2), (False, "audio/flac", 1)])
def test_a_saved_page_of_three_minutes_is_small_and_sounds_the_same(
    chromium, page_file, tmp_path, encoder, mime, expected
):
    """CD quality weighs 32 MB; the page keeps it as Opus, or as FLAC of one channel, in step with the notes."""
    waltz = np.tile(load_audio(example_files()[0]), 5)[: 180 * RATE]
    wide = soxr.resample(waltz, RATE, 44_100)
    soundfile.write(tmp_path / "three minutes.wav", np.stack([wide, 0.5 * wide], axis=1), 44_100)
    page = watched(chromium, page_file)
    if not encoder:
        page.evaluate("delete window.AudioEncoder")  # an older Safari
    page.evaluate(
        """() => { const notes = [{ onset: 1, offset: 2, pitch: 60, velocity: 64, probability: 0.9, hand: 0 }];
        const found = { notes, offered: notes, pedals: [], candidates: null, beats: null };
        amtApp.transcriber.transcribe = async () => found; }"""
    )
    transcribe(page, tmp_path / "three minutes.wav")
    saved = download(page, "html", tmp_path)
    print(f"{saved.stat().st_size / 1e6:.2f} MB")
    assert saved.stat().st_size < 5e6
    again = open_page(chromium, saved)
    rate, channels, seconds, heard = again.evaluate(
        """async () => { const { player, data } = amtPiano; await player.decoded; const { recording } = player;
        return [recording.sampleRate, recording.numberOfChannels, recording.duration,
          Array.from(recording.getChannelData(0).subarray(170 * 48000, 172 * 48000))]; }"""
    )
    assert again.evaluate("amtPiano.data.audio.mime") == mime
    assert (rate, channels) == (48_000, expected) and seconds == pytest.approx(180, abs=1e-3)
    played = soxr.resample(waltz[170 * RATE : 172 * RATE], RATE, 48_000)
    lag = np.argmax(np.correlate(heard, played[2000:-2000])) - 2000
    assert abs(lag) <= 5  # samples: a tenth of a millisecond
    assert again.problems == page.problems == []
    for opened in (again, page):
        opened.close()


@browser
@needs_browser
def test_cancelling_and_files_that_are_no_sound(chromium, page_file, recordings, tmp_path):
    (tmp_path / "text.wav").write_text("no sound")
    page = chromium.new_page()
    page.goto(page_file.resolve().as_uri())
    page.set_input_files("input[type=file]", str(tmp_path / "text.wav"))
    page.get_by_text("cannot read it as audio").wait_for(timeout=20_000)
    page.set_input_files("input[type=file]", str(recordings / "room.wav"))
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Choose a recording").first.wait_for()
    assert page.evaluate("window.amtTranscription") is None
    page.close()


# ---- beats that the page finds itself ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finder(chromium):
    page = chromium.new_page()
    folder = page_parts.files(page_parts.__package__) / "transcriber"
    text = (folder / "beat_finder.js").read_text(encoding="utf-8")
    page.add_script_tag(content=f"{text}\nObject.assign(window, {{ findBeats, assignHands }});")
    yield page
    page.close()


def play(beats: np.ndarray, per_bar: int, rng) -> list[dict]:
    """A bass note on each bar's first beat, chords on the others, a melody in halves of beats that leaves some out."""
    rows = []
    for k, (t, end) in enumerate(zip(beats[:-1], beats[1:], strict=True)):
        first = k % per_bar == 0
        keys = [36 + (k // per_bar * 5) % 12] if first else [55, 59]
        rows += [(t, t + (end - t) * (2 if first else 0.8), key, 70 if first else 55) for key in keys]
        for half in (0, 1):
            if rng.random() < 0.7:
                at = t + half * (end - t) / 2
                rows.append((at, at + (end - t) / 2, 67 + int(rng.integers(0, 12)), 70))
    rows.sort()
    return [{"onset": a + rng.normal(0, 0.008), "offset": b, "pitch": p, "velocity": v} for a, b, p, v in rows]


@browser
@needs_browser
@pytest.mark.parametrize(("per_bar", "tempo"), [(4, 120), (3, 96), (4, 76), (3, 150)])
def test_beats_and_bars_are_found_where_the_tempo_sways(finder, rng, per_bar, tempo):
    period = 60 / tempo * (1 + 0.08 * np.sin(np.arange(96) / 9))
    beats = 0.7 + np.concatenate([[0], np.cumsum(period)])
    found = finder.evaluate("([n, d]) => findBeats(n, d)", [play(beats, per_bar, rng), float(beats[-1] + 1)])
    times = np.array(found["times"])
    hits = np.abs(times[:, None] - beats).min(0) < 0.05
    assert hits.mean() > 0.95 and len(times) < 1.05 * len(beats)
    assert found["perBar"] == per_bar
    assert np.abs(beats[::per_bar] - times[found["downbeat"]]).min() < 0.05


@browser
@needs_browser
def test_few_notes_have_no_beats_and_chords_no_crossed_hands(finder, rng):
    assert finder.evaluate("findBeats([{ onset: 1, offset: 2, pitch: 60, velocity: 60 }], 5)") is None
    notes = [{"onset": 1.0 + 0.3 * (k // 4), "pitch": int(p)} for k, p in enumerate(rng.integers(40, 80, 200))]
    how = {"span": 15, "stretch": 0.5, "fingers": 5, "crowded": 2.0, "middle": 60, "perSemitone": 0.3}
    hands = finder.evaluate("([n, h]) => assignHands(n, h)", [notes, how])
    for k in range(0, 200, 4):
        left = [notes[i]["pitch"] for i in range(k, k + 4) if hands[i]]
        right = [notes[i]["pitch"] for i in range(k, k + 4) if not hands[i]]
        assert not left or not right or max(left) <= min(right)
