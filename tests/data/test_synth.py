"""Rendering is physics: pitch, time, loudness, dampers and pedals."""

import numpy as np
import pytest

from amt_utils.audio.reading import save_audio
from amt_utils.data.augment import Surroundings, add_noise, augment, filter_randomly, load_impulse_responses
from amt_utils.data.pianos import load_piano, simple_tone_piano
from amt_utils.data.synth import Touch, render, with_loudness_velocities
from amt_utils.music.notes import LOWEST_PITCH, SUSTAIN, Performance, make_notes, make_pedals
from amt_utils.system.errors import AmtError
from amt_utils.system.paths import shared_data

RATE = 16_000
PIANO = simple_tone_piano()


def one_note(pitch=60, velocity=90, onset=0.5, offset=1.0, pedals=()) -> Performance:
    columns = np.array(pedals, float).reshape(-1, 3).T
    return Performance(make_notes([onset], [offset], [pitch], [velocity]), make_pedals(*columns))


def rms(y: np.ndarray, start: float, end: float) -> float:
    return float(np.sqrt(np.mean(y[int(start * RATE) : int(end * RATE)] ** 2) + 1e-20))


@pytest.mark.parametrize("pitch", [33, 48, 61, 77, 95])
def test_pitch_is_right_to_three_cents(pitch):
    y = render(one_note(pitch, offset=2.4), PIANO, duration=2.5)[int(0.6 * RATE) : int(2.2 * RATE)]
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y)), 8 * len(y)))
    frequencies = np.fft.rfftfreq(8 * len(y), 1 / RATE)
    expected = 440 * 2 ** ((pitch - 69) / 12)
    near = np.abs(1200 * np.log2(np.maximum(frequencies, 1) / expected)) < 80
    heard = frequencies[near][np.argmax(spectrum[near])]
    assert abs(1200 * np.log2(heard / expected)) < 3


@pytest.mark.parametrize("pitch", [30, 61, 100])
def test_the_hammer_falls_at_the_onset(pitch):
    y = render(one_note(pitch), PIANO, duration=1.0)
    assert rms(y, 0, 0.499) < 1e-4
    assert np.argmax(np.abs(y) > 0.1 * np.abs(y).max()) / RATE == pytest.approx(0.5, abs=0.004)


def test_louder_keys_are_louder_by_the_given_slope():
    for slope in (0.2, 0.4):
        touch = Touch(decibels_per_velocity=slope)
        soft, loud = (rms(render(one_note(60, v), PIANO, duration=1.0, touch=touch), 0.5, 0.75) for v in (100, 110))
        assert 20 * np.log10(loud / soft) == pytest.approx(10 * slope, abs=0.1)


def test_dampers_and_pedals_end_the_sound():
    dry = render(one_note(), PIANO, duration=3.0)
    held = render(one_note(pedals=[(0.2, 2.0, 0)]), PIANO, duration=3.0, touch=Touch(resonance_decibels=None))
    caught = render(one_note(pedals=[(0.7, 2.0, 1)]), PIANO, duration=3.0)
    soft = render(one_note(pedals=[(0.2, 2.0, 2)]), PIANO, duration=3.0)
    assert rms(dry, 1.5, 1.9) < 0.02 * rms(held, 1.5, 1.9)
    assert np.array_equal(held, caught)  # sustain and sostenuto hold alike
    assert np.array_equal(dry, soft)  # the soft pedal holds nothing
    assert rms(held, 2.6, 3.0) < 0.02 * rms(held, 1.5, 1.9)


def test_the_top_keys_have_no_dampers():
    assert rms(render(one_note(100), PIANO, duration=2.0), 1.2, 1.4) > 0.2 * rms(
        render(one_note(100, offset=1.9), PIANO, duration=2.0), 1.2, 1.4
    )


def test_a_window_equals_its_part_of_the_whole():
    rng = np.random.default_rng(0)
    on = np.sort(rng.uniform(0, 9, 60))
    played = Performance(make_notes(on, on + 0.4, rng.integers(30, 90, 60), rng.integers(20, 110, 60)))
    whole, part = render(played, PIANO, duration=10), render(played, PIANO, start=4, duration=3)
    assert np.allclose(whole[4 * RATE : 7 * RATE], part, atol=1e-6)


def test_detuning_moves_pitch_and_not_time():
    plain = render(one_note(69, offset=2.0), PIANO, duration=2.5)
    sharp = render(one_note(69, offset=2.0), PIANO, duration=2.5, touch=Touch(detune_cents=50))
    peaks = []
    for y in (plain, sharp):
        part = y[int(0.6 * RATE) : int(1.9 * RATE)]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 8 * len(part)))
        frequencies = np.fft.rfftfreq(8 * len(part), 1 / RATE)
        near = (frequencies > 420) & (frequencies < 470)
        peaks.append(frequencies[near][np.argmax(spectrum[near])])
    assert 1200 * np.log2(peaks[1] / peaks[0]) == pytest.approx(50, abs=3)
    starts = [np.argmax(np.abs(y) > 0.1 * np.abs(y).max()) for y in (plain, sharp)]
    assert abs(starts[0] - starts[1]) < 0.003 * RATE


def test_augmentation_keeps_length_and_is_repeatable(tmp_path):
    decay = np.exp(-np.arange(4000) / 800) * np.random.default_rng(1).standard_normal(4000)
    save_audio(tmp_path / "room.wav", (0.2 * decay / np.abs(decay).max()).astype(np.float32))
    rooms = load_impulse_responses(tmp_path)
    assert np.sum(rooms[0] ** 2) == pytest.approx(1, rel=1e-4)
    y = render(one_note(), PIANO, duration=2.0)
    around = Surroundings(rooms=rooms)
    first, second = (augment(y, np.random.default_rng(5), around)[0] for _ in range(2))
    assert np.array_equal(first, second)
    assert first.shape == y.shape
    assert first.dtype == np.float32
    assert not np.array_equal(first, augment(y, np.random.default_rng(6), around)[0])
    filtered = [filter_randomly(y, np.random.default_rng(s), rooms=rooms)[0] for s in range(10)]
    late = [np.argmax(np.abs(x) > 0.02 * 0.44) for x in filtered]
    assert max(late) - min(late) < 0.01 * RATE  # no room or filter shifts the attack
    assert rms(add_noise(y, np.random.default_rng(0)), 0, 0.4) > rms(y, 0, 0.4)


@pytest.mark.parametrize(("pitch", "velocity"), [(40, 100), (60, 70), (84, 55)])
def test_velocity_by_loudness_is_the_usual_touch_at_that_loudness(pitch, velocity):
    played = one_note(pitch, velocity)
    touch = Touch(decibels_per_velocity=0.42)
    louder = 4.0
    relabelled = with_loudness_velocities(played, touch, louder)
    assert relabelled.notes["velocity"] != velocity
    assert [relabelled.notes[n] == played.notes[n] for n in ("onset", "offset", "pitch")] == [True] * 3
    there = 10 ** (louder / 20) * rms(render(played, PIANO, touch=touch), 0.5, 0.8)
    assert abs(20 * np.log10(rms(render(relabelled, PIANO), 0.5, 0.8) / there)) < 0.4


def test_the_chain_says_how_much_louder_a_fundamental_became():
    for seed in range(5):
        for pitch in (45, 60, 81):
            y = render(one_note(pitch, offset=1.9), PIANO, duration=2.0)
            filtered, decibels = filter_randomly(y, np.random.default_rng(seed))
            nearest = round(440 * 2 ** ((pitch - 69) / 12) * 2)
            before, after = (
                np.abs(np.fft.rfft(x * np.hanning(len(x))))[nearest - 2 : nearest + 3] for x in (y, filtered)
            )
            assert 20 * np.log10(after.max() / before.max()) == pytest.approx(decibels[pitch - LOWEST_PITCH], abs=0.3)


def test_broken_banks_are_named(tmp_path):
    with pytest.raises(AmtError, match="piano.json"):
        load_piano(tmp_path)
    (tmp_path / "piano.json").write_text('{"samples": []}')
    with pytest.raises(AmtError, match="lists no samples"):
        load_piano(tmp_path)


@pytest.mark.skipif(shared_data() is None, reason="needs the sampled pianos")
def test_a_sampled_piano_plays_in_tune():
    piano = load_piano(shared_data() / "pianos" / "upright_kawai")
    y = render(one_note(69, offset=2.0), piano, duration=2.0)[int(0.6 * RATE) : int(1.6 * RATE)]
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y)), 8 * len(y)))
    frequencies = np.fft.rfftfreq(8 * len(y), 1 / RATE)
    near = (frequencies > 420) & (frequencies < 460)
    assert abs(1200 * np.log2(frequencies[near][np.argmax(spectrum[near])] / 440)) < 15


def test_render_command_writes_pairs_that_fit(tmp_path, monkeypatch):
    from amt_utils.__main__ import main
    from amt_utils.audio.reading import load_audio
    from amt_utils.data.maestro.miniature import make_miniature
    from amt_utils.music.midi import read_midi

    monkeypatch.setenv("AMT_WORK", str(tmp_path))
    source = make_miniature(tmp_path / "mini", sample_rate=RATE, stereo=False)
    assert main(["render", str(source), "--out", str(tmp_path / "out"), "--count", "2", "--seconds", "3"]) == 0
    files = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert files == ["0000.flac", "0000.mid", "0001.flac", "0001.mid"]
    first = read_midi(tmp_path / "out" / "0000.mid").notes["onset"][0]
    audio = load_audio(tmp_path / "out" / "0000.flac")
    assert np.argmax(np.abs(audio) > 0.05 * np.abs(audio).max()) / RATE == pytest.approx(first, abs=0.02)
    assert main(["render", str(tmp_path / "nowhere"), "--out", str(tmp_path)]) == 1


def test_strings_resonate_only_while_the_dampers_are_up():
    notes = make_notes([0.5], [0.6], [60], [100])
    held = Performance(notes, make_pedals([0.3], [2.0], [SUSTAIN]))
    piano = simple_tone_piano()
    dry, wet = (render(held, piano, duration=3.0, touch=Touch(resonance_decibels=d)) for d in (None, -30.0))
    halo = np.abs(wet - dry)
    rate = 16_000
    assert halo[: int(0.49 * rate)].max() < 1e-4
    assert halo[int(0.6 * rate) : int(1.9 * rate)].max() > 1e-3
    assert halo[int(2.5 * rate) :].max() < 1e-5
    np.testing.assert_array_equal(
        render(Performance(notes), piano, duration=1.0, touch=Touch(resonance_decibels=-30.0)),
        render(Performance(notes), piano, duration=1.0),
    )


def test_borrowed_samples_keep_pitch_and_hammer():
    performance = Performance(make_notes([0.5], [2.0], [69], [100]))
    piano = simple_tone_piano()
    for borrowed in (-3, 3):
        y = render(performance, piano, duration=2.5, touch=Touch(borrowed_keys=borrowed))
        spectrum = np.abs(np.fft.rfft(y[16_000:32_000] * np.hanning(16_000)))
        assert abs(int(np.argmax(spectrum)) - 440) <= 2
        assert np.abs(y[: int(0.494 * 16_000)]).max() < 1e-4
        assert np.abs(y[int(0.5 * 16_000) : int(0.51 * 16_000)]).max() > 1e-2
