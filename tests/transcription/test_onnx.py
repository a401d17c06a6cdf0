"""The exported network is the network: same numbers, same notes, only for its weights, and without PyTorch."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from amt_utils.__main__ import main
from amt_utils.checkpoints.weights import VELOCITY_WEIGHTS, load_weights, weights_path
from amt_utils.config import ROLLS
from amt_utils.system.paths import example_files
from amt_utils.transcription import velocities
from amt_utils.transcription.onnx import OnnxNetwork, find_onnx, find_session, onnx_paths
from amt_utils.transcription.transcriber import Transcriber

pytest.importorskip("onnxruntime")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def music() -> np.ndarray:
    return soundfile.read(example_files()[0], dtype="float32")[0][: 15 * 16_000]


@pytest.fixture
def copied(tmp_path) -> Path:
    """The weights ``tiny`` with everything beside them, in a folder of their own."""
    for path in weights_path("tiny").parent.glob("tiny.*"):
        shutil.copy(path, tmp_path)
    return tmp_path / "tiny.safetensors"


@pytest.mark.parametrize("name", ["base", "tiny"])
def test_shipped_networks_give_the_numbers_of_pytorch(name, music):
    fast = Transcriber(name, device="cpu")
    assert isinstance(fast.network, OnnxNetwork)
    exact = Transcriber.from_model(*load_weights(weights_path(name))[:2], device="cpu")
    a, b = fast.activations(music), exact.activations(music)
    for roll in ROLLS:
        assert np.abs(a[roll].astype(np.float32) - b[roll].astype(np.float32)).max() < 3e-3, roll


@pytest.mark.parametrize("seconds", (0.001, 0.14, 6.66))
def test_any_length(seconds, music):
    fast = Transcriber("tiny", device="cpu")
    exact = Transcriber.from_model(*load_weights(weights_path("tiny"))[:2], device="cpu")
    part = music[: int(seconds * 16_000)]
    a, b = fast.activations(part), exact.activations(part)
    assert all(a[roll].shape == b[roll].shape for roll in ROLLS)
    assert max(np.abs(a[roll].astype(np.float32) - b[roll].astype(np.float32)).max() for roll in ROLLS) < 3e-3


def test_velocities_are_those_of_pytorch(monkeypatch, rng):
    onset, pitch = np.sort(rng.uniform(0, 60, 400)), rng.integers(21, 109, 400)
    velocity = rng.integers(20, 110, 400).astype(np.int16)
    assert find_session(VELOCITY_WEIGHTS.with_suffix(".onnx"), VELOCITY_WEIGHTS)
    fast = velocities.even_velocities(onset, pitch, velocity)
    velocities._velocity_network.cache_clear()
    monkeypatch.setattr(velocities, "find_session", lambda path, weights: None)
    exact = velocities.even_velocities(onset, pitch, velocity)
    velocities._velocity_network.cache_clear()
    assert np.abs(fast - exact).max() <= 1 and (fast != velocity).any()


def test_transcribing_imports_neither_torch_nor_scipy(tmp_path):
    code = (
        "import sys; from amt_utils.__main__ import main\n"
        f"status = main(['transcribe', {str(example_files()[0])!r}, '--out', {str(tmp_path)!r}, '--device', 'cpu'])\n"
        "sys.exit(status or str({'torch', 'scipy'} & set(sys.modules) or '') or 0)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "waltz.mid").is_file()


def test_files_that_do_not_match_are_left_alone(copied):
    assert find_onnx(copied) is not None
    network = onnx_paths(copied)[0]
    network.write_bytes(network.read_bytes()[:-1] + b"x")  # damaged
    with pytest.warns(UserWarning, match="tiny.onnx.*PyTorch does its work"):
        assert find_onnx(copied) is None
    with pytest.warns(UserWarning):
        assert not isinstance(Transcriber(copied, device="cpu").network, OnnxNetwork)
    network.unlink()
    assert find_onnx(copied) is None


def test_other_weights_are_not_mistaken(copied):
    copied.write_bytes(copied.read_bytes() + b" ")
    assert find_onnx(copied) is None


def test_exporting(copied, capsys, music):
    pytest.importorskip("onnx")
    before = Transcriber(copied, device="cpu").activations(music)
    for path in onnx_paths(copied):
        path.unlink()
    assert main(["export", "--weights", str(copied)]) == 0
    assert "tiny.pedals.onnx" in capsys.readouterr().out
    network = find_onnx(copied)
    assert network.window_bytes > 10**7 or not sys.platform.startswith("linux")
    after = Transcriber(copied, device="cpu").activations(music)
    assert all(np.abs(after[r].astype(np.float32) - before[r].astype(np.float32)).max() < 1e-3 for r in ROLLS)
    assert not list(copied.parent.glob(".*partial*"))
