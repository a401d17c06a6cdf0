"""What the tests of reading audio share: the waltz in other formats, and whether it came back."""

from __future__ import annotations

import logging
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from amt_utils.audio import damage
from amt_utils.audio.reading import audio_duration, load_audio
from amt_utils.system.paths import example_files

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
WALTZ = example_files()[0]
SECONDS = 12.0  # of it
EXCERPT = ("-t", SECONDS, "-i", WALTZ)


def ffmpeg(*arguments, out=None) -> bytes:
    command = ["ffmpeg", "-y", "-v", "error", "-nostdin", *map(str, arguments), *([str(out)] if out else [])]
    return subprocess.run(command, check=True, capture_output=True).stdout


def shift(y: np.ndarray, waltz: np.ndarray) -> tuple[float, float]:
    """Seconds by which ``y`` comes later than the waltz, and how alike they are then (1 is the same)."""
    size = 1 << (len(y) + len(waltz)).bit_length()
    product = np.fft.irfft(np.fft.rfft(y, size) * np.conj(np.fft.rfft(waltz, size)), size)
    best = int(np.argmax(product))
    alike = product[best] / max(1e-9, np.linalg.norm(y) * np.linalg.norm(waltz))
    return (best - size if best > size // 2 else best) / 16_000, float(alike)


def assert_whole(path: Path, waltz: np.ndarray, *, late: float = 0.0, slack: float = 0.05) -> None:
    y = load_audio(path)
    assert len(y) / 16_000 == pytest.approx(SECONDS, abs=slack)
    assert audio_duration(path) == pytest.approx(len(y) / 16_000, abs=1e-3)
    by, alike = shift(y, waltz)
    assert by == pytest.approx(late, abs=2e-3) and alike > 0.99
    part = load_audio(path, start=9.0, duration=2.0)  # behind every seam
    assert np.abs(part - y[144_000:176_000]).max() < 1e-6


def judge_audio(path: Path, whole: np.ndarray) -> str:
    """What came of a damaged copy of ``whole``; :class:`AmtError` where it is refused."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("amt_utils").addHandler(handler)
    damage.warn_once.cache_clear()
    try:
        y = load_audio(path)
    finally:
        logging.getLogger("amt_utils").removeHandler(handler)
    by, alike = shift(y, whole)
    if abs(len(y) - len(whole)) < 4000 and (abs(by) < 0.05 or alike < 0.1):
        return "read right" if alike > 0.9 else "read, some of it sounds otherwise"
    if said:
        return "read with a warning"
    return f"wrong: {len(y) / 16_000:.3f} s, {by:.3f} s late, {alike:.3f} alike"
