"""The noises of keys that return and of the dampers, as they are made and as a rendering has them."""

from __future__ import annotations

import numpy as np
import pytest

from amt_utils.data.mechanical_noise import LEVEL_WINDOW, make_key_noises, make_pedal_noises
from amt_utils.data.pianos import simple_tone_piano
from amt_utils.data.synth import Touch, render
from amt_utils.music.notes import Performance, make_notes, make_pedals

RATE = 16_000
PIANO = simple_tone_piano()
RELEASED, PRESSED = 1.5, 0.5  # seconds


def held_note(pitch: int = 60) -> Performance:
    """Its key is released while the pedal is down."""
    return Performance(make_notes([0.3], [RELEASED], [pitch], [64]), make_pedals([PRESSED], [2.5], [0]))


def rms(y: np.ndarray, start: float, end: float) -> float:
    return float(np.sqrt(np.mean(y[int(start * RATE) : int(end * RATE)] ** 2) + 1e-20))


@pytest.mark.parametrize("seed", range(5))
def test_noises_are_short_dull_and_of_level_one(seed):
    rng = np.random.default_rng(seed)
    for noise in [*make_key_noises(rng, RATE), *make_pedal_noises(rng, RATE)]:
        width = round(LEVEL_WINDOW * RATE)
        levels = np.sqrt(np.convolve(noise**2, np.full(width, 1 / width), "valid"))
        assert levels.max() == pytest.approx(1.0, abs=0.01)
        assert levels[-1] < 0.05  # it does not end with a click
        assert rms(noise, 0.0, 0.0005) < 0.5  # nor begin with one
    for noise in make_key_noises(rng, RATE):
        power = np.abs(np.fft.rfft(noise)) ** 2
        frequency = np.fft.rfftfreq(len(noise), 1 / RATE)
        assert power[frequency < 1000].sum() > 0.8 * power.sum()


def test_a_key_that_returns_under_the_pedal_is_heard_then_and_only_then():
    silent = render(held_note(), PIANO, duration=3.0)
    for seed in range(5):
        touch, rng = Touch(key_noise_decibels=-20.0), np.random.default_rng(seed)
        added = render(held_note(), PIANO, duration=3.0, touch=touch, rng=rng) - silent
        assert rms(added, 0.0, RELEASED - 0.04) < 1e-6
        medium = rms(silent, 0.31, 0.41)  # a note of velocity 64
        loudest = max(rms(added, t, t + LEVEL_WINDOW) for t in np.arange(RELEASED - 0.03, RELEASED + 0.1, 0.002))
        assert -32 < 20 * np.log10(loudest / medium) < -10


def test_the_pedal_is_heard_as_it_goes_down_and_up():
    silent = render(held_note(), PIANO, duration=3.0, touch=Touch(resonance_decibels=None))
    touch = Touch(resonance_decibels=None, pedal_noise_decibels=-25.0)
    added = render(held_note(), PIANO, duration=3.0, touch=touch, rng=np.random.default_rng(1)) - silent
    down, up = rms(added, PRESSED - 0.03, PRESSED + 0.1), rms(added, 2.47, 2.6)
    assert min(down, up) > 20 * max(rms(added, 0.0, PRESSED - 0.05), rms(added, 1.2, 2.4), 1e-9)


def test_a_string_that_still_sounds_goes_on_when_the_pedal_is_pressed_again():
    low = make_notes([0.2], [0.6], [36], [90])
    changed = Performance(low, make_pedals([0.4, 1.1], [1.0, 2.0], [0, 0]))  # up for a tenth of a second
    released = Performance(low, make_pedals([0.4], [1.0], [0]))
    touch = Touch(resonance_decibels=None)
    caught, ended = (render(played, PIANO, duration=2.5, touch=touch) for played in (changed, released))
    assert np.allclose(caught[: int(1.09 * RATE)], ended[: int(1.09 * RATE)], atol=1e-6)
    assert rms(caught, 1.7, 1.9) > 0.3 * rms(caught, 0.8, 1.0)
    assert rms(ended, 1.7, 1.9) < 0.1 * rms(caught, 1.7, 1.9)
    assert rms(caught, 2.4, 2.5) < 0.3 * rms(caught, 1.8, 1.9)  # until the dampers fall again
    sampler = render(changed, PIANO, duration=2.5, touch=Touch(resonance_decibels=None, half_damped=False))
    assert np.allclose(sampler[: int(0.99 * RATE)], caught[: int(0.99 * RATE)], atol=1e-6)
    assert rms(sampler, 1.7, 1.9) < 0.1 * rms(caught, 1.7, 1.9)
