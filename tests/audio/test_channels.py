"""Channels become one: their mean, or the loudest where they cancel."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from helpers_audio import EXCERPT, ffmpeg, needs_ffmpeg

from amt_utils.audio.channels import find_lone_channel
from amt_utils.audio.reading import load_audio


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3"])
def test_where_the_mean_loses_the_sound_one_channel_is_taken(waltz, tmp_path, suffix):
    path = tmp_path / f"inverted{suffix}"
    soundfile.write(path, np.stack([0.2 * waltz, -waltz], axis=1), 16_000)
    assert find_lone_channel(path) is None  # 0.4 of the louder is left
    soundfile.write(path, np.stack([0.9 * waltz, -waltz], axis=1), 16_000)
    y = load_audio(path)
    assert y.std() == pytest.approx(waltz.std(), rel=0.02)
    assert np.abs(load_audio(path, start=10, duration=3) - y[160_000:208_000]).max() < 1e-6


@needs_ffmpeg
def test_inverted_channels_through_ffmpeg(waltz, tmp_path):
    ffmpeg(*EXCERPT, "-af", "pan=stereo|c0=c0|c1=-1*c0", "-b:a", "192k", out=tmp_path / "inverted.m4a")
    y = load_audio(tmp_path / "inverted.m4a")
    assert y.std() == pytest.approx(waltz.std(), rel=0.02)


def test_usual_stereo_is_averaged(waltz, tmp_path):
    other = np.roll(waltz, 40)
    for pair in ([waltz, other], [waltz, 0 * waltz], [0 * waltz, 0 * waltz]):
        soundfile.write(tmp_path / "a.wav", np.stack(pair, axis=1), 16_000)
        assert find_lone_channel(tmp_path / "a.wav") is None
        assert np.abs(load_audio(tmp_path / "a.wav") - np.mean(pair, axis=0)).max() < 1e-4
