"""The exported network is the network: same numbers, same notes, and only for the weights it was made from."""

import shutil
import time

import numpy as np
import pytest
import soundfile
import torch

from amt_utils.checkpoints import load_weights, save_weights
from amt_utils.cli import main
from amt_utils.config import Config
from amt_utils.demo import example_files
from amt_utils.exported import ExportedNetwork, choose_quicker, export_network, find_exported
from amt_utils.models import build_model
from amt_utils.transcribe import Transcriber, weights_path

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def music() -> np.ndarray:
    return soundfile.read(example_files()[0], dtype="float32")[0][: 15 * 16_000]


def test_shipped_network_gives_the_notes_of_pytorch(music):
    exported, eager = Transcriber("tiny", device="cpu"), Transcriber("tiny", device="cpu")
    exported.network, eager.network = find_exported(weights_path("tiny")), eager.model.network
    fast, exact = exported.transcribe(music), eager.transcribe(music)
    assert len(fast.notes) == len(exact.notes) > 20
    np.testing.assert_array_equal(fast.notes["pitch"], exact.notes["pitch"])
    for name in ("onset", "offset"):
        np.testing.assert_allclose(fast.notes[name], exact.notes[name], atol=1e-3)
    assert len(fast.pedals) == len(exact.pedals)


@pytest.mark.parametrize("frames", (1, 7, 333))
def test_any_length(frames):
    exported, eager = find_exported(weights_path("tiny")), Transcriber("tiny", device="cpu").model.network
    features = torch.rand(1, 3, frames, 352)
    with torch.inference_mode():
        exact, fast = eager(features), exported(features)
    assert set(fast) == set(exact)
    for name in exact:
        torch.testing.assert_close(fast[name], exact[name], atol=1e-3, rtol=1e-3)


def test_the_quicker_network_is_taken(monkeypatch):
    def sluggish(features):
        time.sleep(0.05)
        return features

    def slow_at_first(features, calls=[]):  # noqa: B006 (remembers that it was called)
        time.sleep(0 if calls else 0.2)
        calls.append(1)
        return features

    assert choose_quicker((sluggish, slow_at_first), torch.zeros(1)) is slow_at_first
    for wanted in (0, 1):
        monkeypatch.setattr("amt_utils.transcribe.choose_quicker", lambda networks, _, i=wanted: networks[i])
        chosen = Transcriber("tiny", device="cpu").network
        assert isinstance(chosen, ExportedNetwork) is (wanted == 0)


def test_network_of_other_weights_is_left_alone(tmp_path):
    for suffix in (".safetensors", ".json", ".onnx"):
        shutil.copy(weights_path("tiny").with_suffix(suffix), tmp_path / f"mine{suffix}")
    mine = tmp_path / "mine.safetensors"
    assert find_exported(mine) is not None
    mine.write_bytes(mine.read_bytes() + b" ")
    assert find_exported(mine) is None
    (tmp_path / "mine.onnx").write_bytes(b"not a network")
    with pytest.warns(UserWarning, match="mine.onnx"):
        assert find_exported(mine) is None
    (tmp_path / "mine.onnx").unlink()
    assert find_exported(mine) is None


def test_exporting(tmp_path, capsys):
    pytest.importorskip("onnx")
    assert main(["export", "--weights", "tiny", "--out", str(tmp_path / "network.onnx")]) == 0
    assert "network.onnx" in capsys.readouterr().out
    fresh = ExportedNetwork(tmp_path / "network.onnx")
    assert fresh.weights_hash == find_exported(weights_path("tiny")).weights_hash
    model = Transcriber("tiny", device="cpu").model
    for frames in (1, 130, 300):  # the graph must not hold the length it was traced with
        features = torch.rand(1, 3, frames, 352)
        with torch.inference_mode():
            exact = model.network(features)
        torch.testing.assert_close(fresh(features)["frame"], exact["frame"], atol=1e-3, rtol=1e-3)
    assert list(tmp_path.iterdir()) == [export_network(weights_path("tiny"), tmp_path / "network.onnx")]


def test_intervals_and_subframes_are_exported(tmp_path):
    pytest.importorskip("onnx")
    config = Config().replace(model={"size": "micro", "intervals": 36}, feature={"subframes": 2})
    torch.manual_seed(0)
    model = build_model(config).eval()
    for name, weight in model.named_parameters():
        if name.endswith("template"):
            torch.nn.init.normal_(weight, std=0.2)
    weights = save_weights(tmp_path / "chords.safetensors", model.state_dict(), {"config": config.to_dict()})
    exported = ExportedNetwork(export_network(weights))
    eager = load_weights(weights)[0].network
    features = torch.rand(1, 6, 50, 352)
    with torch.inference_mode():
        exact, fast = eager(features), exported(features)
    for name in exact:
        torch.testing.assert_close(fast[name], exact[name], atol=1e-3, rtol=1e-3)
