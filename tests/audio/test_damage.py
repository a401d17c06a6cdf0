"""Damaged files of all formats, as many as ``AMT_FUZZ`` says."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from helpers_audio import WALTZ, ffmpeg, judge_audio, needs_ffmpeg
from helpers_fuzz import damages

from amt_utils.audio.reading import load_audio
from amt_utils.system.errors import AmtError


def fuzz_audio(folder: Path, clean: dict[str, Path], n: int, seed: int = 0) -> Counter:
    """``n`` damaged files of those in ``clean`` -> how many came out how.

    Wrong is what is read in silence a quarter of a second too long or too short, or 50 ms off. Damage to samples that
    no checksum guards (PCM, MP3 frames) changes the sound and no more, which nobody can know.
    """
    contents = {name: path.read_bytes() for name, path in clean.items()}
    wholes = {name: load_audio(path) for name, path in clean.items()}
    outcomes: Counter = Counter()
    for name, way, content in damages(contents, n, seed):
        path = folder / f"fuzzed{clean[name].suffix}"
        path.write_bytes(content)
        try:
            outcome = judge_audio(path, wholes[name])
        except AmtError as error:
            assert "fuzzed" in str(error)
            outcome = "refused"
        if outcome.startswith("wrong"):
            print(name, way, outcome)
            (folder / f"wrong{sum(outcomes.values())}{path.suffix}").write_bytes(content)
            outcome = f"wrong: {name} {way}"
        outcomes[outcome] += 1
    return outcomes


@needs_ffmpeg
def test_damaged_files_are_refused_or_read_right_or_warned_of(tmp_path):
    clean = {}
    for suffix in ("wav", "flac", "ogg", "mp3", "opus", "m4a", "mkv", "wma", "aiff"):
        clean[suffix] = tmp_path / f"clean.{suffix}"
        ffmpeg("-t", 5, "-i", WALTZ, out=clean[suffix])
    n = int(os.environ.get("AMT_FUZZ", "63"))
    outcomes = fuzz_audio(tmp_path, clean, n)
    print(outcomes)
    assert sum(outcomes.values()) == n
    assert not [outcome for outcome in outcomes if outcome.startswith("wrong")], outcomes
    assert outcomes["refused"] > n / 10 and outcomes["read right"] > n / 20
