"""Compact performances come back to the millisecond; a damaged file is named."""

import numpy as np
import pytest

from amt_utils.data.performances import load_performances
from amt_utils.music.compact import load_compact, save_compact
from amt_utils.music.midi import read_midi
from amt_utils.music.notes import Performance
from amt_utils.system.errors import AmtError
from amt_utils.system.paths import example_files


def test_there_and_back(tmp_path):
    played = read_midi(example_files()[1])
    path = save_compact(tmp_path / "midi.npz.xz", [played, Performance(played.notes[:0]), played])
    first, nothing, last = load_performances(path)
    assert len(nothing.notes) == len(nothing.pedals) == 0
    for back in (first, last):
        assert len(back.notes) == len(played.notes) and len(back.pedals) == len(played.pedals)
        for field in ("onset", "offset"):
            assert np.abs(np.sort(back.notes[field]) - np.sort(played.notes[field])).max() <= 0.00101
        assert np.bincount(back.notes["pitch"]).tolist() == np.bincount(played.notes["pitch"]).tolist()
        assert np.bincount(back.notes["velocity"]).tolist() == np.bincount(played.notes["velocity"]).tolist()
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(AmtError, match=r"midi\.npz\.xz: not a whole file"):
        load_compact(path)
    with pytest.raises(AmtError, match="written as"):
        save_compact(tmp_path / "midi.bin", [played])
