"""Weights as a folder for the Hub: it loads again, says what it is, and comes back from the Hub or says why not."""

import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from amt_utils.__main__ import main
from amt_utils.checkpoints.weights import load_weights, weights_path
from amt_utils.config import Config, load_config
from amt_utils.models import build_model
from amt_utils.system.errors import AmtError
from amt_utils.system.paths import example_files
from amt_utils.transcription.onnx import OnnxNetwork
from amt_utils.transcription.transcriber import Transcriber

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def music() -> np.ndarray:
    return soundfile.read(example_files()[0], dtype="float32")[0][: 6 * 16_000]


@pytest.fixture
def published(tmp_path):
    settings = ["decode.onset_threshold=0.35"]
    return Transcriber("tiny", device="cpu", settings=settings).save_pretrained(tmp_path / "clara" / "tiny-piano")


def metadata(readme):
    """What stands between the README's first two lines of dashes."""
    lines = readme.split("---\n")[1].splitlines()
    return {key: json.loads(value) for key, _, value in (line.partition(": ") for line in lines)}


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_saved_folder_loads_again_and_gives_the_same_notes(published, music, tmp_path):
    before = Transcriber("tiny", device="cpu", settings=["decode.onset_threshold=0.35"])
    after = Transcriber.from_pretrained(published, device="cpu")
    assert after.config.decode == before.config.decode and isinstance(after.network, OnnxNetwork)
    np.testing.assert_array_equal(after.transcribe(music).notes, before.transcribe(music).notes)
    again = after.save_pretrained(tmp_path / "again")
    assert (again / "model.safetensors").read_bytes() == weights_path("tiny").read_bytes()
    assert load_config(published / "config.json").model == before.config.model
    words = ["transcribe", str(example_files()[0]), "--weights", str(published), "--out", str(tmp_path / "out")]
    assert main(words) == 0  # the command line takes the folder, too


def test_a_network_in_memory_is_saved_without_paths(tmp_path, music):
    config = Config().replace(model={"size": "micro"}, data={"recordings": ("/somebody/here/takes",)})
    torch.manual_seed(0)
    model = build_model(config).eval()
    folder = Transcriber.from_model(model, config, device="cpu").save_pretrained(tmp_path / "mine", license="mit")
    again, loaded, _ = load_weights(folder / "model.safetensors")
    for name, value in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, atol=1e-3, rtol=1e-3)
    assert loaded.data.recordings == ("takes",)
    assert not any("/somebody" in path.read_text() for path in folder.iterdir() if path.suffix in (".json", ".md"))
    head = metadata((folder / "README.md").read_text())
    assert head["license"] == "mit" and "model-index" not in head  # nothing was measured


def test_weights_of_another_kind_leave_no_old_graph_behind(published, music):
    micro = Config().replace(model={"size": "micro"})
    Transcriber.from_model(build_model(micro), micro, device="cpu").save_pretrained(published)
    assert not list(published.glob("*.onnx"))
    assert Transcriber.from_pretrained(published, device="cpu").config.model.size == "micro"


def test_the_readme_has_what_the_hub_reads(published):
    head = metadata((published / "README.md").read_text())
    assert head["library_name"] == "amt-piano" and head["license"] == "cc-by-nc-sa-4.0"
    assert head["pipeline_tag"] and "piano" in head["tags"] and "f1" in head["metrics"]
    (result,) = head["model-index"][0]["results"]
    scores = json.loads((published / "model.json").read_text())["scores"]
    assert result["metrics"][0]["value"] == round(100 * scores["note_f1"], 1)


def test_damaged_bytes_are_refused(published, tmp_path):
    flip_a_byte(published / "model.safetensors")
    with pytest.raises(AmtError, match="SHA-256"):
        Transcriber.from_pretrained(published, device="cpu")
    for path in weights_path("tiny").parent.glob("tiny.*"):
        shutil.copy(path, tmp_path)
    transcriber = Transcriber(tmp_path / "tiny.safetensors", device="cpu")
    flip_a_byte(tmp_path / "tiny.safetensors")
    with pytest.raises(AmtError, match="SHA-256"):
        transcriber.save_pretrained(tmp_path / "copy")


@pytest.fixture
def client(monkeypatch, published):
    """Stands in for the Hub's client: one repository, at one revision."""
    asked = []

    def snapshot_download(name, *, revision=None, allow_patterns=None):
        asked.append((name, revision))
        if name != "clara/tiny-piano":
            raise OSError("401 Client Error: Repository Not Found\nfor url: https://huggingface.co")
        return str(published)

    module = types.SimpleNamespace(snapshot_download=snapshot_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return asked


def test_weights_come_from_the_hub(client, music):
    transcriber = Transcriber.from_pretrained("clara/tiny-piano@v1", device="cpu")
    assert transcriber.config.decode.onset_threshold == 0.35
    assert weights_path("hf:clara/tiny-piano").name == "model.safetensors"
    assert client == [("clara/tiny-piano", "v1"), ("clara/tiny-piano", None)]


def test_what_the_hub_does_not_give_is_said(client, published, monkeypatch):
    with pytest.raises(AmtError, match=r"hf:clara/violin: .*Repository Not Found.*\); check the name and the network"):
        Transcriber.from_pretrained("clara/violin")
    with pytest.raises(AmtError, match="expected hf:OWNER/NAME"):
        weights_path("hf:tiny")
    (published / "model.json").unlink()
    with pytest.raises(AmtError, match=r"holds no model\.json"):
        Transcriber.from_pretrained("clara/tiny-piano")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(AmtError, match="pip install huggingface_hub"):
        Transcriber.from_pretrained("clara/tiny-piano")


class LocalHub(http.server.BaseHTTPRequestHandler):
    """One repository, ``clara/tiny-piano``, as the Hub's client asks for it."""

    folder: Path
    commit = "a" * 40

    def do_GET(self):
        path = self.path.partition("?")[0]
        files = [file for file in self.folder.iterdir() if file.name == path.rpartition("/")[2]]
        if path.startswith("/api/models/clara/tiny-piano"):
            listed = sorted(file.name for file in self.folder.iterdir())
            if "/tree/" in path:
                self.reply(json.dumps([{"type": "file", "path": n, "size": 0, "oid": "b" * 40} for n in listed]))
            else:
                self.reply(json.dumps({"id": "clara/tiny-piano", "sha": self.commit,
                                       "siblings": [{"rfilename": name} for name in listed]}))  # fmt: skip
        elif path.startswith("/clara/tiny-piano/resolve/") and files:
            self.reply(files[0].read_bytes(), kind="application/octet-stream")
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    do_HEAD = do_GET

    def reply(self, content, kind="application/json"):
        content = content if isinstance(content, bytes) else content.encode()
        self.send_response(200)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "ETag": f'"{hashlib.sha1(content).hexdigest()}"',
            "X-Repo-Commit": self.commit,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *words):
        pass


def test_the_hubs_own_client_loads_it_also_from_its_cache(published, tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    card = hub.ModelCard.load(published / "README.md")
    assert card.data.library_name == "amt-piano" and card.data.eval_results
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (LocalHub,), {"folder": published}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    code = (
        "import amt_utils as amt\n"
        "for name in ('clara/tiny-piano', 'clara/violin'):\n"
        "    try: print(amt.Transcriber.from_pretrained(name, device='cpu').config.decode.onset_threshold)\n"
        "    except Exception as error: print(type(error).__name__, error)"
    )
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path / "cache")}
    environment |= {"PYTHONPATH": str(ROOT), "HF_HUB_DISABLE_XET": "1"}
    for _ in ("with a network", "and without"):
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        found, missing = done.stdout.splitlines()
        assert found == "0.35" and missing.startswith("AmtError hf:clara/violin: the Hugging Face Hub does not give it")
        server.shutdown()
        server.server_close()


def test_folders_and_shipped_names_come_before_the_hub(client, published, monkeypatch):
    monkeypatch.chdir(published.parents[1])
    Transcriber.from_pretrained("clara/tiny-piano", device="cpu")
    Transcriber.from_pretrained("tiny", device="cpu")
    assert client == []
    (published.parent / "empty").mkdir()
    with pytest.raises(AmtError, match=r"clara/empty: holds no model\.safetensors"):
        Transcriber.from_pretrained("clara/empty")
    with pytest.raises(AmtError, match="no such weights"):
        Transcriber.from_pretrained("grandpiano9000")
