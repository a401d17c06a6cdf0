"""Overlap and stitch equals one pass; the command line survives bad files."""

import numpy as np
import pytest
import soundfile
import torch

from amt_utils.__main__ import main
from amt_utils.audio.reading import save_audio
from amt_utils.audio.windows import Cut
from amt_utils.checkpoints.weights import load_weights, save_weights, weights_path
from amt_utils.config import ROLLS, Config
from amt_utils.evaluation.metrics import match_notes
from amt_utils.models import build_model
from amt_utils.music.midi import read_midi
from amt_utils.system.errors import AmtError
from amt_utils.system.paths import example_files
from amt_utils.transcription.decode import find_notes
from amt_utils.transcription.performance import decode_performance
from amt_utils.transcription.transcriber import Transcriber

RATE = 16_000


@pytest.fixture(scope="module")
def shipped() -> Transcriber:
    return Transcriber("tiny", device="cpu")


@pytest.fixture(scope="module")
def music() -> np.ndarray:
    audio, _ = soundfile.read(example_files()[0], dtype="float32")
    return audio


def test_windows_equal_one_pass_of_the_model(music):
    """Every cell: features, network and pedals window by window are what the model makes of the whole recording."""
    model, config, _ = load_weights(weights_path("tiny"))
    joined = Transcriber.from_model(model, config, device="cpu").activations(music)
    with torch.inference_mode():
        whole = {name: torch.sigmoid(value[0]).numpy() for name, value in model(torch.from_numpy(music)[None]).items()}
    for name in ROLLS:
        assert joined[name].shape == whole[name].shape == (len(music) // 320 + 1, 3 if name == "pedal" else 88)
        assert np.abs(joined[name].astype(np.float32) - whole[name]).max() < 3e-3, name


def test_cutting_into_windows_hardly_changes_a_note(shipped, music, monkeypatch):
    """Against one window as long as the recording, in which LSTMs remember all of it."""
    cut = shipped.transcribe(music)
    monkeypatch.setattr("amt_utils.transcription.transcriber.key_cut", lambda feature: Cut(10**6, 50))
    whole = shipped.transcribe(music)
    assert 2 * len(match_notes(whole.notes, cut.notes)) / (len(whole.notes) + len(cut.notes)) > 0.98


def test_memory_decides_how_many_windows_go_side_by_side_and_nothing_else(music):
    little, much = (Transcriber("tiny", device="cpu", memory=memory) for memory in (10**6, 10**12))
    if not little.network.parallel:
        pytest.skip("needs onnxruntime")
    assert little.workers == 1 and much.workers >= little.workers
    a, b = little.activations(music[: 20 * RATE]), much.activations(music[: 20 * RATE])
    assert all(np.array_equal(a[name], b[name]) for name in ROLLS)


def test_many_recordings_share_batches_and_keep_their_order(music):
    """As on a GPU: windows of several recordings in one batch, one of them unreadable."""
    model, config, _ = load_weights(weights_path("tiny"))
    transcriber = Transcriber.from_model(model, config, device="cpu")
    parts = [music[: 12 * RATE], np.zeros(0, np.float32), music[12 * RATE : 30 * RATE]]
    single = [transcriber.transcribe(parts[0]), None, transcriber.transcribe(parts[2])]
    transcriber.network.batch = 5
    first, wrong, last = transcriber.transcribe_all(parts)
    assert isinstance(wrong, AmtError) and "no samples" in str(wrong)
    for batched, alone in ((first, single[0]), (last, single[2])):
        np.testing.assert_array_equal(batched.notes["pitch"], alone.notes["pitch"])
        np.testing.assert_allclose(batched.notes["onset"], alone.notes["onset"], atol=1e-3)


def test_notes_are_the_same_however_the_rolls_are_cut(shipped, music):
    heard = shipped.activations(music)
    whole = find_notes([heard], shipped.config)
    assert len(whole) > 100
    for size in (1, 3, 50, 777):
        pieces = ({n: heard[n][i : i + size] for n in ROLLS} for i in range(0, len(heard["onset"]), size))
        cut = find_notes(pieces, shipped.config)
        cut, plain = (notes[np.lexsort((notes["key"], notes["strike"]))] for notes in (cut, whole))
        for name in plain.dtype.names:
            np.testing.assert_allclose(cut[name], plain[name], atol=1e-9, err_msg=name)
    performance, joined = shipped.transcribe(music), decode_performance(heard, shipped.config)
    np.testing.assert_array_equal(performance.notes, joined.notes)
    np.testing.assert_array_equal(performance.pedals, joined.pedals)


def test_file_and_array_give_the_same(shipped, music, tmp_path):
    part = music[: 12 * RATE]
    path = save_audio(tmp_path / "part.wav", part)
    a, b = shipped.activations(path), shipped.activations(part)
    assert all(np.abs(a[n].astype(np.float32) - b[n].astype(np.float32)).max() < 0.02 for n in ROLLS)


def test_demo_recording_is_transcribed(capsys, tmp_path):
    assert main(["demo", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    note = float(next(line for line in shown.splitlines() if "onset within 50 ms" in line).split()[-2])
    assert note > 80
    assert len(read_midi(tmp_path / "waltz.mid").notes) > 100


@pytest.fixture
def bad_files(tmp_path):
    time = np.arange(2 * RATE) / RATE
    tone = 0.1 * np.sin(2 * np.pi * 440 * time)
    files = {name: tmp_path / name for name in ("text.wav", "empty.wav", "nan.wav", "nothing.flac", "missing.wav")}
    files["text.wav"].write_text("this is not sound")
    files["empty.wav"].write_bytes(b"")
    soundfile.write(files["nan.wav"], np.where(time > 1, np.nan, tone), RATE, subtype="FLOAT")
    soundfile.write(files["nothing.flac"], np.zeros(0), RATE)
    good = tmp_path / "good.wav"
    soundfile.write(good, np.stack([tone, tone], axis=1), 96_000, subtype="PCM_U8")
    return files, good


def test_goes_on_after_bad_files_and_names_them(bad_files, tmp_path, capsys):
    files, good = bad_files
    names = [str(f) for f in files.values()]
    assert main(["transcribe", *names, str(good), "--out", str(tmp_path / "out")]) == 1
    printed = capsys.readouterr()
    assert (tmp_path / "out" / "good.mid").is_file()
    assert len(list((tmp_path / "out").iterdir())) == 1
    assert "x real time" in printed.out
    for name in names:
        assert name in printed.err
    assert "Traceback" not in printed.err


@pytest.mark.parametrize("decibels", [-40, 15])
def test_faint_and_loud_recordings_give_the_same_notes(shipped, music, decibels):
    usual = shipped.transcribe(music[: 16_000 * 10])
    other = shipped.transcribe(music[: 16_000 * 10] * np.float32(10 ** (decibels / 20)))
    assert len(usual.notes) > 20
    matched = match_notes(usual.notes, other.notes)
    assert 2 * len(matched) / (len(usual.notes) + len(other.notes)) > 0.97


def test_the_hiss_of_an_empty_recording_is_no_music(shipped):
    hiss = 10 ** (-75 / 20) * np.random.default_rng(0).standard_normal(16_000 * 5)
    assert len(shipped.transcribe(hiss.astype(np.float32)).notes) == 0


def test_a_lower_threshold_finds_more_notes(shipped, music):
    keen = Transcriber("tiny", device="cpu", settings=["decode.onset_threshold=0.2"])
    assert len(keen.transcribe(music).notes) > len(shipped.transcribe(music).notes)
    with pytest.raises(AmtError, match="only decode"):
        Transcriber("tiny", settings=["model.size=base"])


def test_silence_gives_an_empty_file_not_an_error(tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(3 * RATE), RATE)
    assert main(["transcribe", str(tmp_path / "silence.wav"), "--out", str(tmp_path)]) == 0
    assert len(read_midi(tmp_path / "silence.mid").notes) == 0


def test_very_short_audio(shipped):
    assert shipped.activations(np.zeros(10, np.float32))["onset"].shape == (1, 88)
    with pytest.raises(AmtError, match="no samples"):
        shipped.activations(np.zeros(0, np.float32))
    with pytest.raises(AmtError, match="finite"):
        shipped.activations(np.full(RATE, np.nan, np.float32))


def test_weights_of_another_model_are_refused(tmp_path):
    micro = Config().replace(model={"size": "micro"})
    torch.manual_seed(0)
    path = save_weights(tmp_path / "w.safetensors", build_model(micro).state_dict(), {"config": micro.to_dict()})
    assert load_weights(path)[1] == micro
    card = path.with_suffix(".json")
    card.write_text(card.read_text().replace('"micro"', '"tiny"'))
    with pytest.raises(AmtError, match="another model"):
        load_weights(path)
    card.unlink()
    with pytest.raises(AmtError, match="card"):
        load_weights(path)
    path.write_bytes(b"not weights")
    card.write_text('{"format": 1, "config": {}}')
    with pytest.raises(AmtError, match="safetensors"):
        Transcriber(path)
    with pytest.raises(AmtError, match="no such weights"):
        Transcriber("grandpiano9000")


def test_help_names_every_subcommand(capsys):
    with pytest.raises(SystemExit) as leaving:
        main(["--help"])
    assert leaving.value.code == 0
    shown = capsys.readouterr().out
    for name in ("transcribe", "evaluate", "train", "benchmark", "demo", "tune", "download", "preprocess"):
        assert name in shown
    with pytest.raises(SystemExit):
        main(["transcribe"])
