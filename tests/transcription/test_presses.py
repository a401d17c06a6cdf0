"""Presses and releases of a pedal from the probability that it is down."""

import itertools

import numpy as np
import pytest

from amt_utils.transcription.decode import CHANGE_COST, LEVEL_WORTH, PEDAL_REACH, find_presses

FRAME = 0.02


def test_sharp_presses_and_releases_are_where_they_are():
    down = np.zeros(200)
    for press, release in ((0, 20), (40, 60), (75, 120), (180, 200)):
        down[press:release] = 1.0
    press, release = find_presses(down, 0.5, FRAME)
    assert press == pytest.approx([0, 39.5, 74.5, 179.5]) and release == pytest.approx([19.5, 59.5, 119.5, 199.5])
    assert find_presses(1 - down, 0.5, FRAME)[0] == pytest.approx(release[:-1])


def test_a_press_is_where_the_probability_rises_most_not_where_it_crosses_the_threshold():
    down = np.interp(np.arange(100), [10, 40, 42, 70, 71], [0.0, 0.55, 0.95, 0.95, 0.0])
    press, release = find_presses(down, 0.5, FRAME)
    assert press == pytest.approx([41], abs=1) and release == pytest.approx([70.5], abs=1)


def test_weak_and_short_rises_are_no_presses():
    down = np.zeros(300)
    down[50:120], down[200:201] = 0.3, 0.45
    assert all(len(times) == 0 for times in find_presses(down, 0.5, FRAME))
    assert all(len(times) == 0 for times in find_presses(np.zeros(0), 0.5, FRAME))
    assert all(len(times) == 0 for times in find_presses(np.zeros(9), 0.5, 0.3))  # frames longer than the reach


def test_of_all_rows_it_is_the_one_that_is_worth_most(rng):
    reach = round(PEDAL_REACH / FRAME)
    weight = 1 - np.abs(np.arange(1 - reach, reach)) / reach
    for _ in range(20):
        down = np.round(np.clip(np.cumsum(rng.normal(0, 0.4, 6)) + 0.5, 0, 1), 2)
        around = np.pad(down, reach)
        rise = np.convolve(np.diff(around), weight, "same")

        def worth(changes, rise=rise, around=around):
            held = np.zeros(len(rise))
            signs = np.resize([1, -1], len(changes))
            for change, sign in zip(changes, signs, strict=True):
                held[change:] = sign
            held[: changes[0] if changes else None] = -1
            level = LEVEL_WORTH * FRAME * (around[1:] - 0.5)
            return signs @ rise[list(changes)] - CHANGE_COST * len(changes) + held @ level

        rows = [row for n in (0, 2, 4) for row in itertools.combinations(range(len(rise)), n)]
        best = max(rows, key=worth)
        press, release = find_presses(down, 0.5, FRAME)
        assert len(press) == len(best) // 2
        assert np.clip(np.add(best[::2], 0.5 - reach), 0, 6) == pytest.approx(press, abs=0.5001)
        assert np.clip(np.add(best[1::2], 0.5 - reach), 0, 6) == pytest.approx(release, abs=0.5001)
