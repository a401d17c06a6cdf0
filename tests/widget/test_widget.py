"""The piano roll as Python sees it: what is compared, what is packed, what the saved page holds."""

from __future__ import annotations

import base64
import io
import os
import re
import types

import numpy as np
import pytest
import soundfile

from amt_utils.audio.reading import save_audio
from amt_utils.music.notes import NOTE, Performance, make_notes, make_pedals
from amt_utils.system.errors import AmtError
from amt_utils.widget import AudioInput, PianoRoll, compare_notes
from amt_utils.widget import payload as payload_module
from amt_utils.widget.compare import HIT, UNMATCHED, WRONG_END
from amt_utils.widget.payload import Sound, pack_image, pack_notes

RATE = 16_000


def tone(seconds: float, hz: float, rate: int = RATE) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def random_notes(rng, n: int, seconds: float = 30.0) -> np.ndarray:
    onset = rng.random(n) * seconds
    return make_notes(onset, onset + 0.05 + rng.random(n), rng.integers(40, 80, n), rng.integers(1, 128, n))


@pytest.fixture
def small() -> Performance:
    notes = make_notes([0.5, 1.0, 1.5], [0.9, 1.2, 2.0], [60, 64, 67], [40, 80, 120])
    return Performance(notes, make_pedals([0.4], [1.4], [0]))


def test_each_kind_of_error_is_told_apart():
    reference = make_notes([0, 1, 2, 3], [0.5, 1.5, 2.5, 3.5], [60, 62, 64, 65], [80] * 4)
    estimate = make_notes([0.01, 1.03, 3.2, 4], [0.52, 1.9, 3.5, 4.5], [60, 62, 65, 70], [80] * 4)
    found = compare_notes(reference, estimate)
    assert found.status.tolist() == [HIT, WRONG_END, UNMATCHED, UNMATCHED]
    assert found.partner.tolist() == [0, 1, -1, -1]
    assert found.reference_status.tolist() == [HIT, WRONG_END, UNMATCHED, UNMATCHED]
    assert found.counts == {"hit": 1, "wrong_end": 1, "extra": 2, "missed": 2}


def test_pairs_are_as_many_as_mir_eval_finds(rng):
    from mir_eval.transcription import precision_recall_f1_overlap
    from mir_eval.util import midi_to_hz

    reference = random_notes(rng, 400)
    moved = reference.copy()
    moved["onset"] += rng.normal(0, 0.04, len(moved)).clip(-0.09, 0.09) + 0.1
    moved["offset"] += rng.normal(0, 0.15, len(moved)) + 0.1
    moved["offset"] = np.maximum(moved["offset"], moved["onset"] + 0.03)
    reference["onset"] += 0.1
    reference["offset"] += 0.1
    estimate = make_notes(*(moved[name] for name in NOTE.names))
    found = compare_notes(reference, estimate)
    columns = [
        part
        for notes in (reference, estimate)
        for part in (np.stack([notes["onset"], notes["offset"]], 1), midi_to_hz(notes["pitch"].astype(float)))
    ]
    precision, recall, _, _ = precision_recall_f1_overlap(*columns, offset_ratio=None)
    assert np.mean(found.status != UNMATCHED) == pytest.approx(precision)
    assert np.mean(found.reference_status != UNMATCHED) == pytest.approx(recall)
    precision_with_ends, *_ = precision_recall_f1_overlap(*columns, offset_ratio=0.2)
    assert precision_with_ends - 0.03 < np.mean(found.status == HIT) <= precision_with_ends  # see compare.py


def test_packed_notes_read_back(small):
    data, n = pack_notes(small.notes, np.array([0.5, 0.75, 1.0]), np.array([0, 1, 0])), len(small.notes)
    floats = np.frombuffer(data[: 16 * n], "<f8").reshape(2, n)
    np.testing.assert_array_equal(floats[0], small.notes["onset"])
    np.testing.assert_array_equal(floats[1], small.notes["offset"])
    assert np.frombuffer(data[16 * n : 20 * n], "<f4").tolist() == [0.5, 0.75, 1.0]
    assert np.frombuffer(data[20 * n :], "u1").reshape(3, n).tolist() == [[60, 64, 67], [40, 80, 120], [0, 1, 0]]


def test_sound_of_a_file_whose_name_is_no_text(tmp_path):
    try:
        path = save_audio(tmp_path / "a.wav", tone(1, 440.0)).rename(tmp_path / os.fsdecode(b"caf\xe9.wav"))
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    assert Sound(path).duration == pytest.approx(1.0)


@pytest.mark.parametrize("small_file", [False, True])
def test_sound_comes_back_in_time(small_file, rng):
    audio = np.zeros(3 * RATE, np.float32)
    audio[RATE : RATE + 400] = 0.8 * rng.standard_normal(400).clip(-1, 1)
    data, mime = Sound(audio, sample_rate=RATE).encoded(small=small_file)
    assert mime == ("audio/mpeg" if small_file else "audio/flac")
    decoded, rate = soundfile.read(io.BytesIO(data))
    assert rate == RATE and len(decoded) == len(audio)
    loud = np.flatnonzero(np.abs(decoded) > 0.2)
    assert abs(loud[0] - RATE) < 100 and abs(loud[-1] - RATE - 400) < 200


def test_spectrum_is_bright_on_the_played_key():
    values, step = Sound(tone(2, 440.0)).spectrum()
    assert values.shape == (int(2 * RATE / 512) + 1, 176) and step == 512 / RATE
    assert values[len(values) // 2].argmax() // 2 == 69 - 21
    assert values.min() >= 0 and values.max() <= 1


def test_spectrum_of_blocks_equals_that_of_the_whole(monkeypatch, rng):
    audio = (0.1 * rng.standard_normal(int(3.7 * RATE))).astype(np.float32)
    whole, _ = Sound(audio).spectrum()
    monkeypatch.setattr(payload_module, "_BLOCK_SECONDS", 0.8)
    blocks, _ = Sound(audio).spectrum()
    assert blocks.shape == whole.shape
    np.testing.assert_allclose(blocks, whole, atol=2e-3)


def test_image_tiles_cover_every_frame(rng):
    from PIL import Image

    values = rng.random((5000, 88))
    about, data = pack_image("onset", values, 0.02)
    assert sum(tile["columns"] for tile in about["tiles"]) == 5000
    first = Image.open(io.BytesIO(data[: about["tiles"][0]["bytes"]]))
    assert first.size == (about["tiles"][0]["columns"], 88)
    lit = np.zeros((100, 88))
    lit[:, 87] = 1
    about, data = pack_image("onset", lit, 0.02)
    assert np.array(Image.open(io.BytesIO(data)).convert("L"))[0].min() > 200  # the highest key is on top
    long, _ = pack_image("onset", np.zeros((90_000, 88)), 0.02)
    assert sum(tile["columns"] for tile in long["tiles"]) <= 40_000
    assert long["seconds_per_column"] == pytest.approx(0.06)


def test_page_is_self_contained_and_names_are_harmless(small, tmp_path):
    title = '</script><script>alert("x")</script> & Söhne'
    roll = PianoRoll(small, tone(3, 261.6), title=title, spectrum=False)
    text = roll.to_html(tmp_path / "new" / "roll.html").read_text(encoding="utf-8")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["roll.html"]
    assert "alert(" in text and "<script>alert" not in text
    outside = re.sub(r"http://www\.w3\.org/\d+/svg", "", text)
    assert not re.search(r"(https?:)?//[a-z0-9.-]+\.(com|org|net|io|dev)\b", outside)
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=\"(?!data:)", text)
    audio = base64.b64decode(re.search(r'id="amt_audio">([^<]*)<', text).group(1))
    assert soundfile.info(io.BytesIO(audio)).format == "MP3"


def test_three_minutes_with_five_thousand_notes_stay_small(rng, tmp_path):
    n, seconds = 5000, 180
    loudness = np.repeat(0.02 + 0.2 * rng.random(seconds * 4), RATE // 4)
    chord = sum(tone(seconds, hz) for hz in (98.0, 246.9, 392.0, 987.8))
    audio = (loudness * (chord + 0.1 * rng.standard_normal(seconds * RATE))).astype(np.float32)
    roll = PianoRoll(Performance(random_notes(rng, n, seconds - 2.0)), audio, activations=rng.random((9000, 88)) ** 9)
    assert roll.to_html(tmp_path / "long.html").stat().st_size < 5e6


def test_ends_follow_what_is_compared(small):
    assert PianoRoll(small).ends == "key"
    roll = PianoRoll(small, reference=small)
    assert roll.ends == "sounding" and roll.comparison.counts["hit"] == 3


def test_selection_gives_notes(small):
    roll = PianoRoll(small)
    roll.selection = [2, 0]
    assert roll.selected_notes["pitch"].tolist() == [67, 60]


def test_kaggle_and_saved_notebooks_get_a_frame(small, monkeypatch):
    assert "application/vnd.jupyter.widget-view+json" in PianoRoll(small)._repr_mimebundle_()[0]
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    data, _ = PianoRoll(small)._repr_mimebundle_()
    assert "<iframe srcdoc=" in data["text/html"] and "mountPage" in data["text/html"]
    assert "application/vnd.jupyter.widget-view+json" not in data


def test_nothing_played_is_still_shown(tmp_path):
    empty = Performance(make_notes([], [], [], []))
    roll = PianoRoll(empty, tone(1, 440.0), reference=empty)
    assert roll.comparison.counts == {"hit": 0, "wrong_end": 0, "extra": 0, "missed": 0}
    assert roll.to_html(tmp_path / "empty.html").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"audio": np.zeros((5, 2))}, r"\(5, 2\)"),
        ({"audio": np.array([0.0, np.nan])}, "finite"),
        ({"audio": np.zeros(9), "sample_rate": 12_345}, "12345"),
        ({"audio": "no/such/recording.flac"}, "no/such/recording.flac"),
        ({"activations": np.zeros((5, 87))}, r"\(5, 87\)"),
        ({"theme": "pink"}, "pink"),
        ({"language": "fr"}, "fr"),
        ({"ends": "late"}, "late"),
    ],
)
def test_wrong_arguments_are_named(small, arguments, said):
    with pytest.raises(AmtError, match=said):
        PianoRoll(small, **arguments)


def test_orders_that_cannot_be_followed(small, tmp_path):
    roll = PianoRoll(small)
    with pytest.raises(AmtError, match="harp"):
        roll.listen_to("harp")
    with pytest.raises(AmtError, match="reference"):
        roll.show_mode("comparison")
    (tmp_path / "file").write_text("")
    with pytest.raises(AmtError, match="choose a folder"):
        roll.to_html(tmp_path / "file" / "roll.html")


def test_upload_arrives_in_pieces_inside_the_folder(tmp_path):
    target = io.BytesIO()
    soundfile.write(target, tone(1.0, 440.0), RATE, format="WAV")
    data, source = target.getvalue(), AudioInput(tmp_path / "in")
    assert source.choose("example.flac").name == "example.flac"
    half = len(data) // 2
    source._receive(source, {"name": "../../evil.wav", "first": True, "last": False}, [data[:half]])
    assert source.path == ""
    source._receive(source, {"name": "../../evil.wav", "first": False, "last": True}, [memoryview(data)[half:]])
    assert source.choose("example.flac") == tmp_path / "in" / "evil.wav"
    assert source.summary == "evil.wav · 0:01.0"
    source._receive(source, {"name": "bad.wav", "first": True, "last": True}, [b"no sound"])
    assert "bad.wav" in source.summary and not (tmp_path / "in" / "bad.wav").exists()


def test_the_transcribe_button_runs_once_per_recording_and_shows_progress(tmp_path):
    calls, summaries = [], []

    def transcribe(path, *, on_progress):
        calls.append(path.name)
        on_progress(0.5)
        summaries.append(source.summary)
        if path.name == "bad.wav":
            raise AmtError("bad.wav: cannot be read")
        return types.SimpleNamespace(summary=f"{path.name}: 3 notes")

    source = AudioInput(tmp_path / "in", transcribe=transcribe)
    assert source.can_transcribe and calls == [] and source.result is None  # nothing runs before the button
    source._receive(source, {"transcribe": True}, [])
    source._receive(source, {"transcribe": True}, [])
    assert calls == ["waltz.flac"] and source.result.summary == source.summary == "waltz.flac: 3 notes"
    assert "waltz.flac · 1 %" in summaries[0] and "s left" in summaries[0]
    target = io.BytesIO()
    soundfile.write(target, tone(1.0, 440.0), RATE, format="WAV")
    for name in ("mine.wav", "bad.wav"):
        source._receive(source, {"name": name, "first": True, "last": True}, [target.getvalue()])
        source._receive(source, {"transcribe": True}, [])
    assert calls == ["waltz.flac", "mine.wav", "bad.wav"]
    assert source.summary == "bad.wav: cannot be read" and not source.busy
    assert source.result.summary == "mine.wav: 3 notes"  # the last one that worked
    assert AudioInput(tmp_path / "in").transcribe() is None
