"""What a phone does to a recording stays in time, is heard, and is a function of its generator."""

import numpy as np
import pytest

from amt_utils.audio.reading import save_audio
from amt_utils.data.augment import Surroundings, augment, filter_randomly
from amt_utils.data.devices import (
    add_background,
    babble,
    clip_peaks,
    control_gain,
    device_response,
    imitate_codec,
    load_noises,
)
from amt_utils.system.errors import AmtError

RATE = 16_000


def strikes(seconds: float = 4.0) -> np.ndarray:
    """A decaying tone twice a second, the first half loud, the second 20 dB softer."""
    time = np.arange(int(seconds * RATE)) / RATE
    level = np.where(time < seconds / 2, 0.5, 0.05)
    return (level * np.exp(-6 * (time % 0.5)) * np.sin(2 * np.pi * 440 * time)).astype(np.float32)


@pytest.fixture(scope="module")
def noises(tmp_path_factory):
    folder = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(0)
    for i in range(3):
        save_audio(folder / f"{i}.wav", (0.05 * (i + 1) * rng.standard_normal(RATE * (i + 1))).astype(np.float32))
    return load_noises(folder)


def decibels(y: np.ndarray) -> float:
    return 10 * np.log10(np.mean(y**2))


def correlation_delay(y: np.ndarray, x: np.ndarray) -> int:
    """Samples by which ``y`` comes after ``x``: where their envelopes fit best."""
    smooth = [np.convolve(np.abs(s), np.ones(80) / 80, mode="same") for s in (x, y)]
    shifts = range(-800, 801, 20)
    return max(shifts, key=lambda s: float(np.dot(smooth[0][1000:-1000], np.roll(smooth[1], -s)[1000:-1000])))


def test_noises_are_read_at_one_level(noises, tmp_path):
    assert len(noises) == 3
    assert [np.sqrt(np.mean(y**2)) for y in noises] == pytest.approx([1, 1, 1], rel=1e-3)
    with pytest.raises(AmtError, match="no such folder"):
        load_noises(tmp_path / "none")
    with pytest.raises(AmtError, match="no recordings of noise"):
        load_noises(tmp_path)


@pytest.mark.parametrize("below", [5.0, 20.0, 30.0])
def test_background_is_as_far_below_as_asked(noises, below):
    y = strikes()
    for seed in range(8):
        heard = add_background(y, noises, np.random.default_rng(seed), decibels=(below, below))
        assert decibels(y) - decibels(heard - y) == pytest.approx(below, abs=0.3)
        assert heard.dtype == np.float32 and heard.shape == y.shape


def test_babble_moves_as_speech_does(noises):
    talk = babble(6 * RATE, noises, np.random.default_rng(1))
    assert np.sqrt(np.mean(talk**2)) == pytest.approx(1, rel=1e-3)
    envelope = np.sqrt(np.mean(talk.reshape(-1, RATE // 50) ** 2, axis=1))
    speed = np.abs(np.fft.rfft(envelope - envelope.mean()))
    rate = np.fft.rfftfreq(len(envelope), 1 / 50)
    assert speed[(rate > 1) & (rate < 10)].mean() > 2 * speed[rate > 15].mean()
    spectrum = np.abs(np.fft.rfft(talk)) ** 2
    frequency = np.fft.rfftfreq(len(talk), 1 / RATE)
    assert spectrum[frequency < 4000].sum() > 3 * spectrum[frequency > 4000].sum()


def test_a_device_hears_a_band():
    frequency = np.linspace(0, RATE / 2, 2000)
    curves = 20 * np.log10(np.stack([device_response(frequency, np.random.default_rng(s)) for s in range(60)]) + 1e-9)
    middle = curves[:, (frequency > 500) & (frequency < 2500)].mean(axis=1)
    assert np.isfinite(curves).all()
    assert np.median(middle - curves[:, np.argmin(np.abs(frequency - 40))]) > 6
    assert np.median(middle - curves[:, -5:].mean(axis=1)) > 6


def test_automatic_gain_makes_soft_and_loud_alike():
    y = strikes(8.0)
    half = len(y) // 2
    for seed in range(6):
        heard = control_gain(y, np.random.default_rng(seed))
        before = decibels(y[half // 2 : half]) - decibels(y[half + half // 2 :])
        after = decibels(heard[half // 2 : half]) - decibels(heard[half + half // 2 :])
        assert 0 < after < before - 1


def test_clipping_cuts_few_samples():
    y = strikes()
    for seed in range(6):
        heard = clip_peaks(y, np.random.default_rng(seed))
        assert 0 < np.mean(heard != y) < 0.04
        assert np.abs(heard).max() < np.abs(y).max()
    assert not clip_peaks(np.zeros(100, np.float32), np.random.default_rng(0)).any()


def test_a_codec_loses_little_and_stays_in_time():
    y = strikes() + 0.003 * np.random.default_rng(0).standard_normal(4 * RATE).astype(np.float32)
    for seed in range(6):
        heard = imitate_codec(y, np.random.default_rng(seed))
        assert heard.shape == y.shape and heard.dtype == np.float32
        assert 6 < decibels(y) - decibels(heard - y) < 40
        assert abs(correlation_delay(heard, y)) <= 20


def test_the_chain_keeps_onsets_in_their_place(noises):
    y = strikes()
    room = (np.random.default_rng(2).standard_normal(8000) * np.exp(-np.arange(8000) / 1500)).astype(np.float32)
    room = np.concatenate([[3.0], room]).astype(np.float32)
    around = Surroundings(rooms=[room / np.sqrt(np.sum(room**2))], noises=noises, noise_share=0.5, device_share=1.0)
    steady = []
    for seed in range(12):
        one, two = (augment(y, np.random.default_rng(seed), around) for _ in range(2))
        assert np.array_equal(one[0], two[0]) and one[0].dtype == np.float32 and one[0].shape == y.shape
        assert np.abs(one[0]).max() <= 1
        steady.append(one[2])
    assert 0 < sum(steady) < len(steady)  # automatic gain in some
    for seed in range(6):
        heard, _ = filter_randomly(y, np.random.default_rng(seed), rooms=around.rooms, device=True)
        assert abs(correlation_delay(heard, y)) <= 100  # 6 ms
