"""Sequenced MIDI: beats, hands and note values from ticks; compositions that are held out are recognised."""

from pathlib import Path

import mido
import numpy as np
import pytest

from amt_utils.sheet_music.asap import Aligned
from amt_utils.sheet_music.sequenced import Sequenced, find_sequenced
from amt_utils.system.errors import AmtError

UNIT = 480


def write_waltz(path: Path, seed: int = 0, *, shift: int = 0, off_grid: bool = False, bars: int = 24) -> Path:
    """A waltz in G with an upbeat of a quarter; a melody of eighths and quarters over a bass, the tempo wandering."""
    rng = np.random.default_rng(seed)
    signs, right, left = mido.MidiTrack(), mido.MidiTrack(), mido.MidiTrack()
    signs.append(mido.MetaMessage("key_signature", key="G", time=0))
    signs.append(mido.MetaMessage("time_signature", numerator=1, denominator=4, time=0))
    signs.append(mido.MetaMessage("set_tempo", tempo=500_000, time=0))
    signs.append(mido.MetaMessage("time_signature", numerator=3, denominator=4, time=UNIT))
    for bar in range(bars):
        signs.append(
            mido.MetaMessage("set_tempo", tempo=500_000 + 20_000 * (bar % 4), time=0 if bar == 0 else 3 * UNIT)
        )
    pitches = 67 + shift + np.cumsum(rng.integers(-3, 4, 6 * bars + 1)) % 17

    def notes(track: mido.MidiTrack, rows: list[tuple[int, int, int]]) -> None:
        events = [(b, 1, p) for b, e, p in rows] + [(e, 0, p) for b, e, p in rows]
        now = 0
        for tick, on, pitch in sorted(events):
            track.append(mido.Message("note_on", note=int(pitch), velocity=64 * on, time=tick - now))
            now = tick

    late = 7 if off_grid else 0
    begins = [0] + [UNIT * (1 + 3 * b) + i * UNIT // 2 for b in range(bars) for i in range(6)]
    notes(right, [(b + late, b + late + UNIT // 2 - 10, p) for b, p in zip(begins, pitches, strict=True)])
    notes(left, [(UNIT * (1 + 3 * b), UNIT * (1 + 3 * b) + 3 * UNIT - 200, 43 + b % 5) for b in range(bars)])
    file = mido.MidiFile(ticks_per_beat=UNIT, tracks=[signs, right, left])
    file.save(path)
    return path


def test_beats_hands_and_values_are_read_from_the_ticks(tmp_path):
    own = Sequenced("waltz", write_waltz(tmp_path / "waltz.mid"))
    beats, rows = own.annotations, own.alignment
    np.testing.assert_allclose(beats.beats[:5], [0.0, 0.5, 1.0, 1.5, 2.0])
    assert beats.beats[5] - beats.beats[4] == pytest.approx(0.52)
    assert beats.first[:8].tolist() == [False, True, False, False, True, False, False, True]
    assert set(map(tuple, beats.metre.tolist())) == {(3, 4)} and set(beats.fifths.tolist()) == {1}
    assert rows["quarter"][:4].tolist() == [0.0, 1.0, 1.0, 1.5]
    assert rows["place"][:4].tolist() == [2.0, 0.0, 0.0, 0.5]  # an upbeat ends at its bar line
    pitch = own.performance.notes["pitch"][rows["note"]]
    assert ((rows["staff"] == 2) == (pitch < 50)).all()
    assert (rows["duration"][rows["staff"] == 1] == 0.5).all()
    assert (rows["duration"][rows["staff"] == 2] < 0).all()  # held for 2.58 quarters: no value is near
    assert {"F"} >= set(rows["step"][(pitch % 12 == 6)]) and (rows["alter"][pitch % 12 == 6] == 1).all()


def test_each_composition_once_and_none_that_is_held_out(tmp_path):
    write_waltz(tmp_path / "a.mid", seed=1)
    write_waltz(tmp_path / "b.mid", seed=1, shift=2)  # the same in another key
    write_waltz(tmp_path / "c.mid", seed=2)
    write_waltz(tmp_path / "d-op10.mid", seed=3)
    write_waltz(tmp_path / "played.mid", seed=4, off_grid=True)
    assert [own.name for own in find_sequenced(tmp_path)] == ["a", "c", "d-op10"]
    held = Aligned("c", "c", tmp_path / "c.mid")
    assert [own.name for own in find_sequenced(tmp_path, held_out=[held], without=["*op10*"])] == ["a"]


def test_a_folder_without_such_files_is_said(tmp_path):
    write_waltz(tmp_path / "played.mid", off_grid=True)
    with pytest.raises(AmtError, match="ticks are places"):
        find_sequenced(tmp_path)
