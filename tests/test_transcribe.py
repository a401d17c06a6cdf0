"""Overlap and stitch equals one pass; the command line survives bad files."""

import numpy as np
import pytest
import soundfile
import torch

from amt_utils.audio import save_audio
from amt_utils.checkpoints import load_weights, save_weights
from amt_utils.cli import main
from amt_utils.config import Config
from amt_utils.decode import ROLLS, decode_performance
from amt_utils.demo import example_files
from amt_utils.errors import AmtError
from amt_utils.midi import read_midi
from amt_utils.models import build_model
from amt_utils.transcribe import Transcriber, weights_path
from amt_utils.validate import score_notes

RATE = 16_000


@pytest.fixture(scope="module")
def shipped() -> Transcriber:
    return Transcriber(device="cpu")


@pytest.fixture(scope="module")
def music() -> np.ndarray:
    audio, _ = soundfile.read(example_files()[0], dtype="float32")
    return audio


def in_chunks_and_whole(model, config, music, overlap=8.0):
    chunked = Transcriber.from_model(model, config.replace(decode={"chunk_seconds": 12.0, "overlap_seconds": overlap}))
    whole = Transcriber.from_model(model, config.replace(decode={"chunk_seconds": 1e4}))
    a, b = chunked.activations(music), whole.activations(music)
    for name in ROLLS:
        assert a[name].shape == b[name].shape == (len(music) // 320 + 1, 3 if name == "pedal" else 88)
    return a, b


def test_chunks_equal_one_pass_in_the_interior(music):
    """Chunks of 12 s against one pass of 41 s, with a network whose LSTMs forget within the overlap."""
    torch.manual_seed(0)
    config = load_weights(weights_path())[1]
    model = build_model(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lstm" not in name and parameter.ndim == 1 and name.endswith("weight"):
                parameter.mul_(2.0)  # norms twice as loud: an untrained network's probabilities hardly move

    def worst(overlap):
        a, b = in_chunks_and_whole(model, config, music, overlap)
        return max(np.abs(a[name].astype(np.float32) - b[name].astype(np.float32)).max() for name in ROLLS)

    assert worst(overlap=8.0) < 2e-4
    assert worst(overlap=0.1) > 2e-3  # it is the overlap that makes them equal


def test_chunks_of_the_shipped_network_give_the_notes_of_one_pass(music):
    """Trained LSTMs remember a held pedal across any border: single cells differ, the notes hardly."""
    model, config, _ = load_weights(weights_path())
    a, b = in_chunks_and_whole(model, config, music)
    for name in ROLLS[:4]:
        difference = np.abs(a[name].astype(np.float32) - b[name].astype(np.float32))
        assert difference.mean() < 1e-3, name
        assert np.quantile(difference, 0.999) < 0.1, name
    assert score_notes(decode_performance(a, config), decode_performance(b, config)) > 0.985


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
