"""The ONNX network is the network: same numbers and notes, without PyTorch, only for the weights it was made from."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch

from amt_utils.__main__ import main
from amt_utils.checkpoints.weights import load_weights, weights_path
from amt_utils.system.paths import example_files
from amt_utils.transcription.onnx import OnnxNetwork, find_onnx, onnx_paths
from amt_utils.transcription.torch_network import TorchNetwork
from amt_utils.transcription.transcriber import Transcriber

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def music() -> np.ndarray:
    return soundfile.read(example_files()[0], dtype="float32")[0][: 15 * 16_000]


@pytest.fixture(scope="module")
def eager() -> TorchNetwork:
    return TorchNetwork(load_weights(weights_path("tiny"))[0], torch.device("cpu"))


@pytest.mark.parametrize("name", ["tiny", "base"])
def test_shipped_networks_give_the_notes_of_pytorch(music, name):
    model, config, _ = load_weights(weights_path(name))
    fast = Transcriber(name, device="cpu")
    assert isinstance(fast.network, OnnxNetwork)
    found, exact = fast.transcribe(music), Transcriber.from_model(model, config, device="cpu").transcribe(music)
    assert len(found.notes) == len(exact.notes) > 20
    np.testing.assert_array_equal(found.notes["pitch"], exact.notes["pitch"])
    for field in ("onset", "offset"):
        np.testing.assert_allclose(found.notes[field], exact.notes[field], atol=1e-3)
    assert len(found.pedals) == len(exact.pedals)


@pytest.mark.parametrize("frames", [1, 7, 333])
def test_any_length(eager, frames):
    network = find_onnx(weights_path("tiny"))
    assert network is not None and network.margin == eager.margin
    samples = (frames - 1 + 2 * network.margin) * 320
    audio = np.random.default_rng(0).standard_normal((1, samples)).astype(np.float32) * 0.1
    fast, exact = network(audio), eager(audio)
    assert set(fast) == set(exact)
    for name in exact:
        assert fast[name].shape == exact[name].shape and fast[name].shape[1] == frames
        np.testing.assert_allclose(fast[name], exact[name], atol=2e-3, rtol=2e-3)
    cue = exact["pedal_cue"]
    np.testing.assert_allclose(network.pedals(cue), eager.pedals(cue), atol=1e-3, rtol=1e-3)


def test_transcribing_imports_no_torch(music, tmp_path):
    soundfile.write(tmp_path / "a.wav", music[: 3 * 16_000], 16_000)
    script = "import sys; from amt_utils.__main__ import main; code = main(sys.argv[1:]); "
    script += "sys.exit(code or ('torch' in sys.modules) * 7)"
    words = ["transcribe", str(tmp_path / "a.wav"), "--weights", "tiny", "--device", "cpu", "--out", str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.mid").is_file()


@pytest.fixture
def mine(tmp_path):
    """A copy of the small network and everything beside it."""
    weights = weights_path("tiny")
    for path in (weights, weights.with_suffix(".json"), *onnx_paths(weights)):
        shutil.copy(path, tmp_path / path.name)
    return tmp_path / weights.name


def test_a_file_whose_bytes_changed_is_left_alone_with_a_word(mine):
    assert find_onnx(mine) is not None
    for path in onnx_paths(mine):
        whole = path.read_bytes()
        path.write_bytes(whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:])
        with pytest.warns(UserWarning, match=path.name):
            assert find_onnx(mine) is None
        path.write_bytes(whole)
    for path in onnx_paths(mine):
        path.unlink()
    assert find_onnx(mine) is None
    assert isinstance(Transcriber(mine, device="cpu").network, TorchNetwork)


def test_exporting(mine, capsys, eager):
    pytest.importorskip("onnx")
    for path in onnx_paths(mine):
        path.unlink()
    assert main(["export", "--weights", str(mine)]) == 0
    assert all(path.name in capsys.readouterr().out or path.is_file() for path in onnx_paths(mine))
    network = find_onnx(mine)
    assert network is not None
    audio = np.random.default_rng(1).standard_normal((1, (99 + 2 * network.margin) * 320)).astype(np.float32) * 0.1
    np.testing.assert_allclose(network(audio)["frame"], eager(audio)["frame"], atol=2e-3, rtol=2e-3)
