"""Recording and MIDI brought together: known shifts and stretches are undone, wrong MIDI is refused."""


import numpy as np
import pytest
import soxr

from amt_utils.__main__ import build_parser
from amt_utils.audio.reading import load_audio, save_audio
from amt_utils.data.own_piano import align
from amt_utils.data.pianos import simple_tone_piano
from amt_utils.data.pieces import perform_piece
from amt_utils.data.synth import render
from amt_utils.figures.data_figures import plot_alignment
from amt_utils.music.midi import read_midi, write_midi
from amt_utils.music.notes import Performance, make_notes
from amt_utils.system.errors import AmtError
from amt_utils.system.paths import shared_data

RATE = align.SAMPLE_RATE


@pytest.fixture(scope="module")
def played():
    """Half a minute of music by formula, and its MIDI."""
    forms = ("waltz", 60), ("invention", 67), ("nocturne", 57)
    parts = [perform_piece(form, tonic=tonic, seed=seed) for seed, (form, tonic) in enumerate(forms, start=1)]
    start, columns = 1.0, []
    for part in parts:
        moved = part.shifted(start).notes
        columns.append(moved)
        start = moved["offset"].max() + 0.5
    notes = np.concatenate(columns)
    performance = Performance(make_notes(*(notes[name] for name in notes.dtype.names)))
    return render(performance, simple_tone_piano()), performance


def shift_and_stretch(audio: np.ndarray, *, shift: float = 0.73, stretch: float = 1.002) -> np.ndarray:
    """A recorder that was started ``shift`` s earlier and whose clock runs ``stretch`` fast."""
    slower = soxr.resample(audio, RATE, RATE * stretch, quality="VHQ")
    hiss = 1e-4 * np.random.default_rng(0).standard_normal(round(shift * RATE))
    return np.concatenate([hiss, slower]).astype(np.float32)


def test_a_known_shift_and_stretch_are_found_to_the_millisecond(played):
    audio, performance = played
    onsets = performance.notes["onset"]
    there = align.align(audio, performance)
    assert there.reliable and np.abs(there.to_audio(onsets) - onsets).max() < 0.005
    found = align.align(shift_and_stretch(audio), performance)
    assert found.reliable and found.method == "linear"
    assert np.abs(found.to_audio(onsets) - (0.73 + 1.002 * onsets)).max() < 0.01
    assert found.offset == pytest.approx(0.73, abs=0.01) and found.drift == pytest.approx(0.002, abs=3e-4)
    assert "drift +0.2" in found.describe()


def test_a_recording_begun_late(played):
    audio, performance = played
    late = audio[round(5.3 * RATE) :]
    found = align.align(late, performance)
    assert found.reliable and found.offset == pytest.approx(-5.3, abs=0.01)
    moved = found.apply(performance, duration=len(late) / RATE)
    kept = performance.notes["onset"] > 5.31
    assert len(moved.notes) == pytest.approx(kept.sum(), abs=2) and moved.notes["onset"][0] < 1.0


def test_another_tempo_is_warped(played):
    audio, performance = played
    notes = performance.notes.copy()
    grid = np.linspace(0, notes["offset"].max(), 300)
    other = 1.06 * grid + 0.4 * np.sin(2 * np.pi * grid / 25) + 1
    for side in ("onset", "offset"):
        notes[side] = np.interp(notes[side], grid, other)
    found = align.align(audio, Performance(notes))
    assert found.reliable and found.method == "dtw"
    error = np.abs(found.to_audio(notes["onset"]) - performance.notes["onset"])
    assert np.median(error) < 0.01 and np.percentile(error, 95) < 0.04


def test_wrong_midi_is_not_reliable(played):
    audio, _ = played
    wrong = perform_piece("etude", tonic=63, tempo=120, seed=9)
    found = align.align(audio, wrong)
    assert not found.reliable and "NOT RELIABLE" in found.describe()


def test_what_cannot_be_aligned(played):
    audio, performance = played
    with pytest.raises(AmtError, match="4"):
        align.align(audio, Performance(performance.notes[:3]))
    with pytest.raises(AmtError, match="silent"):
        align.align(np.zeros(5 * RATE, np.float32), performance)


def test_picture_has_the_line_and_the_windows(played):
    audio, performance = played
    found = align.align(shift_and_stretch(audio), performance)
    ax = plot_alignment(found)
    lag, left = (line.get_ydata() for line in ax.lines[:2])
    assert lag[0] == pytest.approx(0.73, abs=0.02) and np.median(np.abs(left)) < 0.005


def run_command(*arguments) -> int:
    args = build_parser().parse_args(["align", *map(str, arguments)])
    return args.run(args)


def test_command(played, tmp_path, capsys):
    audio, performance = played
    folder, out = tmp_path / "in", tmp_path / "out"
    save_audio(folder / "take.flac", shift_and_stretch(audio))
    write_midi(folder / "take.mid", performance)
    assert run_command(folder, "--out", out) == 0
    corrected = read_midi(out / "take.mid").notes["onset"]
    assert np.abs(corrected - (0.73 + 1.002 * performance.notes["onset"])).max() < 0.01
    picture = tmp_path / "lag.png"
    assert run_command(folder / "take.flac", folder / "take.mid", "--picture", picture) == 0
    assert picture.stat().st_size > 5000
    with pytest.raises(AmtError, match="choose another"):
        run_command(folder / "take.flac", folder / "take.mid", "--out", folder / "take.mid")
    write_midi(folder / "other.mid", perform_piece("etude", tonic=63, tempo=120, seed=9))
    assert run_command(folder / "take.flac", folder / "other.mid", "--out", out / "other.mid") == 1
    assert not (out / "other.mid").exists() and "NOT RELIABLE" in capsys.readouterr().out


@pytest.mark.skipif(shared_data() is None, reason="needs the shared recordings")
@pytest.mark.parametrize("name", ["chpn-p14_ENSTDkAm", "chpn-p19_ENSTDkCl", "scn15_9_ENSTDkAm"])
def test_real_recordings_are_brought_back_under_ten_milliseconds(name):
    path = shared_data() / "maps_real_dev" / f"MAPS_MUS-{name}.flac"
    audio, performance = load_audio(path), read_midi(path.with_suffix(".mid"))
    seconds = np.linspace(0, len(audio) / RATE, 100)
    untouched = align.align(audio, performance).to_audio(seconds)  # the labels of some are early by themselves
    moved = align.align(shift_and_stretch(audio), performance)
    assert moved.reliable
    assert np.abs(moved.to_audio(seconds) - (0.73 + 1.002 * untouched)).max() < 0.01
