"""The waltz, as samples and in formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers_audio import EXCERPT, SECONDS, WALTZ, ffmpeg

from amt_utils.audio.reading import load_audio


@pytest.fixture(scope="module")
def waltz() -> np.ndarray:
    return load_audio(WALTZ, duration=SECONDS)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """The waltz in formats that only ffmpeg writes, in one folder."""
    folder = tmp_path_factory.mktemp("made")
    for name in ("a.mp3", "a.ogg", "a.opus", "a.m4a", "a.mkv", "a.wma", "a.wav", "a.caf", "a.w64", "a.oga", "a.aiff"):
        options = ["-movflags", "+faststart"] if name == "a.m4a" else []
        ffmpeg(*EXCERPT, *options, out=folder / name)
    ffmpeg(*EXCERPT, "-vn", out=folder / "a.mka")
    return folder
