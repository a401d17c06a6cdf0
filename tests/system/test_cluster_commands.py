"""The commands that do many files: on two workers, or in shares, they make what one process makes."""

import json

import numpy as np
import pytest

from amt_utils.__main__ import main
from amt_utils.audio.reading import save_audio
from amt_utils.data.pianos import simple_tone_piano
from amt_utils.data.pieces import perform_piece
from amt_utils.data.synth import render
from amt_utils.music.midi import write_midi

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    for seed, kind in enumerate(("waltz", "nocturne", "waltz")):
        performance = perform_piece(kind, seed=seed).window(0.0, 6.0)
        write_midi(folder / f"{seed}.mid", performance)
        save_audio(folder / f"{seed}.flac", render(performance, simple_tone_piano())[: 6 * 16_000])
    return folder


def contents(folder, pattern="*.mid"):
    return {path.name: path.read_bytes() for path in sorted(folder.rglob(pattern))}


def test_transcribing_on_two_workers_and_in_shares(pairs, tmp_path):
    words = ["transcribe", str(pairs), "--weights", "tiny", "--device", "cpu", "--out"]
    assert main([*words, str(tmp_path / "alone")]) == 0
    assert main([*words, str(tmp_path / "cluster"), "--cluster", "local:2"]) == 0
    for share in ("1/2", "2/2"):
        assert main([*words, str(tmp_path / "shares"), "--shard", share]) == 0
    alone = contents(tmp_path / "alone")
    assert len(alone) == 3
    assert contents(tmp_path / "cluster") == alone and contents(tmp_path / "shares") == alone


def test_evaluating_on_two_workers(pairs, tmp_path, capsys):
    words = ["evaluate", "--pairs", str(pairs), "--weights", "tiny", "--json"]
    assert main([*words, str(tmp_path / "alone.json")]) == 0
    assert main([*words, str(tmp_path / "cluster.json"), "--cluster", "local:2"]) == 0
    alone, cluster = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("alone", "cluster"))
    for result in (alone, cluster):
        result["systems"][0].pop("seconds")
    assert cluster == alone


def test_rendering_and_preprocessing_on_two_workers(pairs, tmp_path):
    for where in ("alone", "cluster"):
        extra = ["--cluster", "local:2"] if where == "cluster" else []
        out = tmp_path / where
        assert main(["render", str(pairs), "--out", str(out / "rendered"), "--seconds", "2", *extra]) == 0
        words = ["preprocess", str(pairs), "--output", str(out / "processed"), "--no-trim", "--keep-unequal"]
        assert main([*words, "--features", "cqt", *extra]) == 0
    for pattern in ("*.flac", "*.mid"):
        assert contents(tmp_path / "cluster", pattern) == contents(tmp_path / "alone", pattern)
    for path in (tmp_path / "alone").rglob("*.npy"):
        other = tmp_path / "cluster" / path.relative_to(tmp_path / "alone")
        np.testing.assert_array_equal(np.load(other), np.load(path))
