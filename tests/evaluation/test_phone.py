"""Through a phone: the same every time, nothing moves in time, noise as far below the music as said."""

import shutil

import numpy as np
import pytest

from amt_utils.audio.reading import load_audio
from amt_utils.evaluation.phone import through_phone
from amt_utils.system.paths import example_files

pytestmark = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="AAC is encoded by ffmpeg")


def test_same_length_same_time_same_every_time():
    y = load_audio(example_files()[0], duration=6.0)
    heard = through_phone(y, name="waltz")
    assert heard.shape == y.shape and heard.dtype == np.float32
    np.testing.assert_array_equal(heard, through_phone(y, name="waltz"))
    assert not np.array_equal(heard, through_phone(y, name="another"))
    size = 2 * len(y)
    together = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(y, size)), size)
    lag = int(np.argmax(together))
    assert min(lag, size - lag) <= 32  # samples: 2 ms
    silence = through_phone(np.zeros(16_000, np.float32), name="silence")
    assert np.isfinite(silence).all()
