"""Getting MAESTRO: from an unreliable server, killed and resumed, and from everything at hand."""

import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from unreliable_server import UnreliableServer

from amt_utils.__main__ import build_parser
from amt_utils.audio.reading import load_audio
from amt_utils.data.maestro import download, ranges, sources
from amt_utils.data.maestro.catalogue import NAME, open_maestro
from amt_utils.data.maestro.download import get_maestro
from amt_utils.data.maestro.miniature import COLUMNS, make_miniature
from amt_utils.data.maestro.remote import Client
from amt_utils.system.errors import AmtError
from amt_utils.system.files import parse_size

N_PIECES = 20
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A folder of 20 pieces in MAESTRO's shape: the miniature's twelve, and eight of them backwards."""
    root = make_miniature(tmp_path_factory.mktemp("raw"))
    rows = list(csv.DictReader((root / f"{NAME}.csv").open(encoding="utf-8", newline="")))
    for row in rows[: N_PIECES - len(rows)]:
        copy = row | {"canonical_title": row["canonical_title"] + ", backwards"}
        for column in ("midi_filename", "audio_filename"):
            copy[column] = row[column].replace("MIDI-", "MIDI-B_")
        y, rate = soundfile.read(root / row["audio_filename"])
        soundfile.write(root / copy["audio_filename"], y[::-1], rate, subtype="PCM_16")
        shutil.copy(root / row["midi_filename"], root / copy["midi_filename"])
        rows.append(copy)
    with open(root / f"{NAME}.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return root


@pytest.fixture(scope="module")
def archive(raw, tmp_path_factory):
    path = tmp_path_factory.mktemp("zip") / "maestro.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
        for file in sorted(raw.rglob("*.*")):
            if not file.name.startswith(".complete"):
                zipped.write(file, f"{NAME}/{file.relative_to(raw).as_posix()}")
    return path


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(ranges, "RETRY_SECONDS", 0.01)


def packed(archive, suffix=".wav"):
    with zipfile.ZipFile(archive) as zipped:
        return sum(info.compress_size for info in zipped.infolist() if info.filename.endswith(suffix))


def assert_complete(root, raw):
    found, original = open_maestro(root), open_maestro(raw)
    assert len(found.with_audio()) == len(original.pieces) == N_PIECES
    for piece in original.pieces:
        assert (root / f"{piece.stem}.flac").is_file()
        assert found.midi_path(piece).read_bytes() == original.midi_path(piece).read_bytes()
        ours, expected = (load_audio(m.audio_path(piece)) for m in (found, original))
        assert len(ours) == len(expected) and np.abs(ours - expected).max() < 1e-4  # 16-bit rounding


def test_twenty_members_from_an_unreliable_server_survive_two_kills(raw, archive, tmp_path):
    server = UnreliableServer(archive.parent, broken=0.05, seed=4, pause=0.001)
    server.script, server.script_from = ["", "drop", "", "corrupt"], 900_000  # at least these, whatever chance brings
    script = "import sys; from amt_utils.data.maestro.download import get_maestro as g; "
    script += "g(sys.argv[1], source=sys.argv[2])"
    command = [sys.executable, "-c", script, str(tmp_path), f"{server.url}/maestro.zip"]
    total = packed(archive)
    for share in (0.3, 0.65):
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while server.sent < share * total:
            assert process.poll() is None, "finished before it could be killed"
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, timeout=120)
    assert_complete(tmp_path / NAME, raw)
    assert {"drop", "corrupt"} <= set(server.faults) and len(server.faults) >= 0.03 * server.replies
    print(f"{server.sent / total:.4f} of the members' {total} bytes, {server.replies} replies, broken: {server.faults}")
    assert server.sent < 1.1 * total
    assert not (tmp_path / NAME / ".scratch").exists()


def test_a_third_of_the_replies_broken_still_ends_well(raw, archive, tmp_path):
    server = UnreliableServer(archive.parent, broken=0.33, seed=2)
    said = []
    get_maestro(tmp_path, source=f"{server.url}/maestro.zip", workers=3, say=said.append)
    assert_complete(tmp_path / NAME, raw)
    assert len(server.faults) > 6
    assert "20 pieces" in said[0] and "GB" not in said[0] and "MB of FLAC" in said[0]


def test_a_damaged_member_is_mended_in_blocks(archive, tmp_path):
    server = UnreliableServer(archive.parent)
    client = Client()
    directory = client.read_directory(f"{server.url}/maestro.zip")
    member = max((m for m in directory.members.values() if m.name.endswith(".wav")), key=lambda m: m.compressed)
    shares = []
    for seed in range(6):
        server.seed = seed
        server.sent, server.script = 0, ["corrupt"]
        client.download_member(directory, member, tmp_path / f"{seed}.wav", limit=10**9)
        shares.append(server.sent / member.compressed)
        with zipfile.ZipFile(archive) as zipped:
            assert (tmp_path / f"{seed}.wav").read_bytes() == zipped.read(member.name)
    assert all(1 < share < 2.2 for share in shares) and np.median(shares) < 1.25, shares


def test_member_damaged_on_the_server_is_reported_and_the_others_arrive(raw, archive, tmp_path):
    (tmp_path / "server").mkdir()
    data = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as zipped:
        bad = next(info for info in zipped.infolist() if info.filename.endswith("06_R1_2014_wav.wav"))
    data[bad.header_offset + bad.compress_size // 2] ^= 0x55
    (tmp_path / "server" / "maestro.zip").write_bytes(data)
    server = UnreliableServer(tmp_path / "server")
    with pytest.raises(AmtError, match=r"1 of 20 pieces failed.*06_R1_2014"):
        get_maestro(tmp_path, source=f"{server.url}/maestro.zip")
    assert len(open_maestro(tmp_path / NAME).with_audio()) == N_PIECES - 1
    before = server.sent
    shutil.copy(archive, tmp_path / "server")  # mended on the server: only that one is fetched again
    get_maestro(tmp_path, source=f"{server.url}/maestro.zip")
    assert_complete(tmp_path / NAME, raw)
    assert server.sent - before < 2 * bad.compress_size


def test_servers_that_cannot_help_are_named(archive, tmp_path):
    server = UnreliableServer(archive.parent)
    with pytest.raises(AmtError, match=r"nothing\.zip: the server answers 404"):
        get_maestro(tmp_path, source=f"{server.url}/nothing.zip")
    (archive.parent / "text.zip").write_text("not a zip" * 1000)
    with pytest.raises(AmtError, match="no usable reply"):
        get_maestro(tmp_path, source=f"{server.url}/text.zip")
    plain = UnreliableServer(archive.parent, ranges=False)
    with pytest.raises(AmtError, match="no usable reply"):
        get_maestro(tmp_path, source=f"{plain.url}/maestro.zip")


def test_official_metadata_is_verified_by_sha256_and_resumed(raw, archive, tmp_path, monkeypatch):
    midi = tmp_path / "server" / "midi.zip"
    midi.parent.mkdir()
    with zipfile.ZipFile(archive) as full, zipfile.ZipFile(midi, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name in full.namelist():
            if not name.endswith(".wav"):
                zipped.writestr(name, full.read(name))
    server = UnreliableServer(midi.parent)
    server.script = ["drop", "lie", "corrupt"]
    monkeypatch.setattr(sources, "MIDI_ZIP_URL", f"{server.url}/midi.zip")
    monkeypatch.setattr(sources, "MIDI_ZIP_SHA256", hashlib.sha256(midi.read_bytes()).hexdigest())
    maestro = get_maestro(tmp_path, midi_only=True)
    assert server.faults == ["drop", "lie", "corrupt"]
    paths = (m.midi_path(m.pieces[5]) for m in (maestro, open_maestro(raw)))
    assert len({path.read_bytes() for path in paths}) == 1
    monkeypatch.setattr(sources, "MIDI_ZIP_SHA256", "0" * 64)
    with pytest.raises(AmtError, match="sha256 is not 000"):
        get_maestro(tmp_path / "other", midi_only=True)


@pytest.mark.parametrize("kind", ["zip", "folder", "kaggle", "drive"])
def test_sources_at_hand(kind, raw, archive, tmp_path, monkeypatch):
    source = {"zip": archive, "folder": raw.parent, "kaggle": "kaggle", "drive": "https://drive.google.com/drive/x"}[
        kind
    ]
    monkeypatch.setattr(sources, "kaggle_inputs", lambda: [raw])
    fake = types.ModuleType("gdown")
    fake.download_folder = lambda url, output, **_: shutil.copytree(raw, Path(output) / "MAESTRO", dirs_exist_ok=True)
    monkeypatch.setitem(sys.modules, "gdown", fake)
    before = sorted((p, p.stat().st_mtime_ns) for p in raw.rglob("*"))
    get_maestro(tmp_path, source=source, splits=["test", "validation"])
    found = open_maestro(tmp_path / NAME)
    assert {p.split for p in found.with_audio()} == {"test", "validation"}
    assert len(found.pieces) == N_PIECES
    assert sorted((p, p.stat().st_mtime_ns) for p in raw.rglob("*")) == before


def test_budget_dry_run_and_disk(raw, archive, tmp_path, monkeypatch):
    said = []
    get_maestro(tmp_path, source=raw, budget=1_000_000, dry_run=True, say=said.append)
    assert not list(tmp_path.rglob("*.flac")) and "20 pieces" not in said[-1]
    get_maestro(tmp_path, source=raw, budget=1_000_000, workers=2, say=said.append)
    chosen = open_maestro(tmp_path / NAME).with_audio()
    assert 3 <= len(chosen) < N_PIECES and {p.split for p in chosen} == {"train", "validation", "test"}
    assert sum(p.stat().st_size for p in tmp_path.rglob("*.flac")) <= 1_000_000
    with pytest.raises(AmtError, match="do not hold a single piece"):
        get_maestro(tmp_path / "b", source=archive, budget=100_000)
    full = types.SimpleNamespace(free=1000)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: full)
    with pytest.raises(AmtError, match=r"needs .* MB, 1 kB are free"):
        get_maestro(tmp_path / "c", source=raw)


def test_directory_is_read_until_two_readings_agree(archive, tmp_path):
    server = UnreliableServer(archive.parent)
    server.script = ["", "corrupt"]  # the second reading differs or fails
    directory = Client().read_directory(f"{server.url}/maestro.zip", cache=tmp_path / "d.json")
    with zipfile.ZipFile(archive) as zipped:
        assert {n: m.crc for n, m in directory.members.items()} == {i.filename: i.CRC for i in zipped.infolist()}
    replies = server.replies
    assert Client().read_directory(f"{server.url}/maestro.zip", cache=tmp_path / "d.json") == directory
    assert server.replies == replies
    assert json.loads((tmp_path / "d.json").read_text())["size"] == archive.stat().st_size


def test_sizes_are_parsed():
    assert [parse_size(text) for text in ("15GB", "800 mb", "1.5e9", "2TB")] == [15e9, 8e8, 1.5e9, 2e12]
    for text in ("lots", "-3GB", "12XB", "", "nan"):
        with pytest.raises(AmtError, match="is not a size"):
            parse_size(text)


def test_command(raw, tmp_path, capsys):
    arguments = ["download", "--source", str(raw), "--folder", str(tmp_path), "--composer", "chopin", "--budget", "1GB"]
    args = build_parser().parse_args(arguments)
    assert args.run(args) == 0
    assert "to fetch" in capsys.readouterr().out
    assert {p.composer for p in open_maestro(tmp_path / NAME).with_audio()} == {"After Frédéric Chopin"}
    assert os.path.getsize(next(tmp_path.rglob("*.flac"))) > 10_000
