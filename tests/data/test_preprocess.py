"""Raw recordings to processed_data and back: nothing lost, nothing read that is not needed."""

import argparse
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from amt_utils.__main__ import build_parser
from amt_utils.audio.features import make_feature
from amt_utils.audio.reading import load_audio, save_audio
from amt_utils.config import Config
from amt_utils.data.library import find_recordings
from amt_utils.data.maestro.catalogue import open_maestro
from amt_utils.data.maestro.miniature import make_miniature
from amt_utils.data.preprocess import estimate_disk, preprocess
from amt_utils.data.stored_features import feature_config
from amt_utils.figures.data_figures import plot_throughput
from amt_utils.music.midi import read_midi
from amt_utils.system.errors import AmtError
from amt_utils.training.speed import loading_lines
from amt_utils.training.stored_windows import Windows, open_processed
from amt_utils.training.throughput import measure_loading, measure_throughput


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return make_miniature(tmp_path_factory.mktemp("mini"))


@pytest.fixture(scope="module")
def folder(raw, tmp_path_factory):
    config = Config().replace(target={"mode": "grid"})
    folder = tmp_path_factory.mktemp("processed")
    return preprocess(raw, folder, config=config, features="hcqt", dtype="uint8", say=lambda text: None)


def sizes(folder):
    return {p.relative_to(folder): (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*.*")}


def test_everything_is_there_and_the_same_as_the_original(raw, folder):
    maestro, processed = open_maestro(raw), open_processed(folder)
    assert {r.name for r in processed.recordings} == {p.stem for p in maestro.pieces}
    for piece in maestro.pieces[:5]:
        found = next(r for r in processed.recordings if r.name == piece.stem)
        assert found.split == piece.split
        exact = read_midi(maestro.midi_path(piece))
        assert np.array_equal(found.performance.notes, exact.notes)
        assert np.array_equal(found.performance.pedals, exact.pedals)
        assert np.array_equal(read_midi(found.audio.with_suffix(".mid")).notes, exact.notes)
        info = soundfile.info(found.audio)
        assert (info.samplerate, info.channels, info.frames) == (16_000, 1, found.samples)
        expected = load_audio(maestro.audio_path(piece))
        assert np.abs(load_audio(found.audio) - expected).max() < 1e-4


def test_estimate_before_is_the_space_taken_after(raw, folder):
    items = find_recordings(raw)
    need = estimate_disk(items, Config(), features="hcqt", dtype="uint8")
    size = lambda *suffixes: sum(p.stat().st_size for p in folder.rglob("*") if p.suffix in suffixes)  # noqa: E731
    assert need.features == size(".npy")
    assert need.labels == size(".npz", ".mid")
    assert need.flac == pytest.approx(size(".flac"), rel=0.1)
    assert need.features == 12 * 128 + 448 * sum(int(i.seconds * 16_000) // 320 + 1 for i in items)


@pytest.mark.parametrize("features", ["hcqt", "logmel", "cqt"])
def test_stored_features_are_those_of_the_whole_recording(raw, folder, features, tmp_path, monkeypatch):
    monkeypatch.setattr("amt_utils.data.stored_features._BLOCK_SECONDS", 4.0)  # several blocks, so that joints are seen
    source = tmp_path / "one"
    source.mkdir()
    piece = open_maestro(raw).pieces[2]
    for suffix in (".wav", ".midi"):
        shutil.copy(raw / (piece.stem + suffix), source / ("a" + suffix))
    out = preprocess(source, tmp_path / "out", features=features, dtype="float16", say=lambda text: None)
    processed = open_processed(out)
    windows = Windows(processed, seconds=4.0, read="features")
    audio = torch.from_numpy(load_audio(processed.recordings[0].audio))
    whole = make_feature(feature_config(processed.config, features))(audio[None])[0]
    for i in (0, 1):
        got = windows[i]["features"]
        expected = whole[:, i * 200 : i * 200 + got.shape[1]]
        assert got.shape == expected.shape and (got - expected).abs().max() < 3e-3


def test_windows_carry_labels_and_a_mask(folder):
    processed = open_processed(folder)
    grid = Windows(processed, split="train", seconds=5.0)
    soft = Windows(processed, split="train", seconds=5.0, labels="soft")
    assert len(grid) == sum(-(-r.samples // 80_000) for r in processed.recordings if r.split == "train")
    recording = grid.places[0][0]
    last = next(i for i, (r, _) in enumerate(grid.places) if r is not recording) - 1
    for i in (0, 1, last):
        item, (_, first) = grid[i], grid.places[i]
        start, end = first / 16_000, (first + 80_000) / 16_000
        notes = recording.performance.notes
        n = np.sum((notes["onset"] >= start - 0.01) & (notes["onset"] < end - 0.01))
        assert set(np.unique(item["onset"].numpy())) <= {0.0, 1.0}
        assert item["onset"].sum() == pytest.approx(n, abs=1)
        assert item["audio"].shape == (80_000,) and item["onset"].shape == (250, 88)
    assert 0 < soft[0]["onset"][soft[0]["onset"] > 0].min() < 1
    frames = -(-(recording.samples - grid.places[last][1]) // 320)
    assert grid[last]["mask"].sum() == frames < 250
    assert grid[last]["audio"][frames * 320 :].abs().max() == 0
    batch = next(iter(grid.loader(batch_size=3)))
    assert batch["audio"].shape == (3, 80_000) and batch["mask"].shape == (3, 250)
    features = Windows(processed, split="test", seconds=5.0, read="features")[0]
    assert features["features"].shape == (3, 250, 352) and features["features"].min() >= 0


def test_window_reads_only_what_it_needs(folder, monkeypatch):
    windows = Windows(open_processed(folder), seconds=2.0)
    read, real = [], soundfile.SoundFile.read

    def counting(self, frames=-1, *args, **kwargs):
        read.append(frames)
        return real(self, frames, *args, **kwargs)

    monkeypatch.setattr(soundfile.SoundFile, "read", counting)
    windows[3]
    assert read == [32_000]


def test_a_name_that_is_no_text_is_trained_on(raw, tmp_path):
    piece = open_maestro(raw).pieces[0]
    (tmp_path / "raw").mkdir()
    try:
        for source in (open_maestro(raw).audio_path(piece), open_maestro(raw).midi_path(piece)):
            shutil.copy(source, tmp_path / "raw" / os.fsdecode(b"caf\xe9" + source.suffix.encode()))
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    done = preprocess(tmp_path / "raw", tmp_path / "out", features="none", workers=1, say=lambda text: None)
    assert Windows(open_processed(done), split=None, seconds=1.0, read="audio")[0]["audio"].abs().max() > 0


def test_resuming_does_only_what_is_missing_and_other_settings_are_refused(raw, folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    before = sizes(copy)
    victim = open_processed(copy).recordings[4].audio
    for suffix in (".npz", ".npy"):
        victim.with_suffix(suffix).unlink()
    assert len(open_processed(copy).recordings) == 11
    said = []
    preprocess(raw, copy, features="hcqt", dtype="uint8", say=said.append)
    assert "1 recordings" in said[0] and "11 recordings are done" in said[0]
    after = sizes(copy)
    name = victim.relative_to(copy).with_suffix("")
    changed = {p for p in after if after[p] != before.get(p) and p.name != "processed.json"}
    assert changed == {name.with_suffix(suffix) for suffix in (".flac", ".mid", ".npz", ".npy")}
    assert open_processed(copy).config.target.mode == "soft"  # the labels' default follows the last call
    with pytest.raises(AmtError, match="was made with dtype = uint8, not float16"):
        preprocess(raw, copy, features="hcqt", say=said.append)
    with pytest.raises(AmtError, match="was made with config"):
        preprocess(raw, copy, features="hcqt", dtype="uint8", config=Config().replace(feature={"hop_length": 160}))


def test_a_work_in_two_splits_is_kept_out_of_training(raw, tmp_path, monkeypatch):
    from amt_utils.data.performances import load_performances

    leaky = shutil.copytree(raw, tmp_path / "leaky")
    table = leaky / "maestro-v3.0.0.csv"
    text = table.read_text(encoding="utf-8").splitlines()
    second = next(i for i, line in enumerate(text) if "Prelude in C Major" in line and "2009" in line)
    text[second] = text[second].replace(",train,", ",test,")
    table.write_text("\n".join(text) + "\n", encoding="utf-8")
    before, after = find_recordings(raw), find_recordings(leaky)
    assert [sum(i.split == "train" for i in items) for items in (before, after)] == [8, 6]
    assert [sum(i.split == "test" for i in items) for items in (before, after)] == [2, 3]
    assert [len(load_performances(folder, split="train")) for folder in (raw, leaky)] == [8, 6]


def test_any_folder_of_pairs_and_trimming(raw, tmp_path):
    piece = open_maestro(raw).pieces[0]
    for split in ("train", "validation"):
        (tmp_path / "mine" / split).mkdir(parents=True)
        shutil.copy(raw / piece.audio, tmp_path / "mine" / split / "take.wav")
        shutil.copy(raw / piece.midi, tmp_path / "mine" / split / "take.midi")
    out = preprocess(tmp_path / "mine", tmp_path / "out", trim=True, say=lambda text: None)
    found = open_processed(out).recordings
    assert {(r.split, r.name) for r in found} == {("train", "take"), ("validation", "take")}
    exact = read_midi(raw / piece.midi)
    assert found[0].performance.notes["onset"][0] == pytest.approx(0.5, abs=1e-4)
    assert found[0].samples == pytest.approx((piece.duration - exact.notes["onset"][0] + 0.5) * 16_000, abs=2)
    (tmp_path / "empty").mkdir()
    with pytest.raises(AmtError, match="no recording has MIDI"):
        find_recordings(tmp_path / "empty")


def test_dry_run_disk_and_broken_folders(raw, tmp_path, monkeypatch):
    said = []
    preprocess(raw, tmp_path / "a", dry_run=True, say=said.append)
    assert "12 recordings" in said[0] and not list((tmp_path / "a").rglob("*.flac"))
    monkeypatch.setattr("amt_utils.data.preprocess.shutil.disk_usage", lambda path: argparse.Namespace(free=1000))
    with pytest.raises(AmtError, match=r"needs \d MB, 1 kB are free"):
        preprocess(raw, tmp_path / "b", say=said.append)
    with pytest.raises(AmtError, match="not a processed folder"):
        open_processed(tmp_path)


def test_a_recording_that_cannot_be_read_is_named_and_the_others_are_done(raw, tmp_path):
    takes = tmp_path / "takes"
    for item in find_recordings(raw)[:3]:
        name = takes / item.name.replace("/", "_")
        save_audio(name.with_suffix(".flac"), load_audio(item.audio, sample_rate=16_000))
        shutil.copy(item.midi, name.with_suffix(".mid"))
    broken = min(takes.glob("*.flac"))
    content = bytearray(broken.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 64] = bytes(64)  # its header and its length are as before
    broken.write_bytes(content)
    with pytest.raises(AmtError, match=rf"1 recordings could not be processed: .*{broken.name}"):
        preprocess(takes, tmp_path / "done", trim=False, workers=1, say=lambda text: None)
    assert len(list((tmp_path / "done").rglob("*.flac"))) == 2


def test_throughput_names_every_way(raw, folder):
    table = measure_throughput(open_processed(folder), open_maestro(raw), seconds=2.0, n=3)
    assert len(table) == 5 and (table["windows/s per worker"] > 0).all()
    assert len(plot_throughput(open_processed(folder), open_maestro(raw), seconds=1.0).patches) == 5


def test_benchmark_says_how_many_workers_a_gpu_needs(monkeypatch):
    monkeypatch.setenv("AMT_SHARED_DATA", "")
    rates = measure_loading(seconds=2.0, n=4)
    assert len(rates) == 4 and min(rates.values()) > 0
    assert rates["from recordings"] > rates["from recordings, augmented"]
    monkeypatch.setattr("amt_utils.training.speed.measure_loading", lambda: {"from recordings": 40.0, "rendered": 9.0})
    told = loading_lines({"tiny": None, "base": 100.0})
    assert "base needs 3" in told[1] and "base needs 12" in told[2] and "tiny needs" not in "".join(told)
    assert "tiny: not measured" in told[3] and "base: 100.0 windows" in told[4]


def test_command(raw, tmp_path, capsys):
    words = ["preprocess", str(raw), "--output", str(tmp_path), "--labels", "grid", "--workers", "2"]
    args = build_parser().parse_args(words)
    assert args.run(args) == 0
    assert "to do: 12 recordings" in capsys.readouterr().out
    processed = open_processed(Path(tmp_path))
    assert processed.config.target.mode == "grid" and len(processed.recordings) == 12
