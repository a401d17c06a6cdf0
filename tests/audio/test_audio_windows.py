"""Windows: every frame is kept once, and samples come as they stand in the recording, however it is read."""

import numpy as np
import pytest

from amt_utils.audio.windows import Cut, window_samples

HOP, MARGIN = 4, 3


@pytest.mark.parametrize("cut", [Cut(10, 2), Cut(7, 1)])
@pytest.mark.parametrize("n_samples", [0, 1, 3, 4, 25, 39, 40, 41, 96, 97, 300, 1000])
def test_windows_of_any_recording(cut, n_samples, rng):
    audio = rng.standard_normal(n_samples).astype(np.float32)
    n_frames = n_samples // HOP + 1
    windows = list(cut.windows(n_frames)) if n_samples else []
    kept = [frame for w in windows for frame in range(w.keep_begin, w.keep_end)]
    assert kept == (list(range(n_frames)) if n_samples else [])
    padded = np.pad(audio, (MARGIN * HOP, 2000))
    for size in (1, 5, 64, 5000):
        blocks = (audio[i : i + size] for i in range(0, n_samples, size))
        given = list(window_samples(blocks, cut, hop_length=HOP, margin=MARGIN))
        assert len(given) == len(windows)
        for (samples, frames), window in zip(given, windows, strict=True):
            length = (window.end - window.begin - 1 + 2 * MARGIN) * HOP
            assert frames == window.kept
            np.testing.assert_array_equal(samples, padded[window.begin * HOP : window.begin * HOP + length])
