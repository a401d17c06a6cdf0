"""Where notes end."""

import numpy as np
import pytest

from amt_utils.config import KEY_ROLLS, Config
from amt_utils.music.notes import Performance, make_notes, make_pedals
from amt_utils.training.targets import make_rolls
from amt_utils.transcription.decode import CERTAIN, END_RATIO, LONGEST, find_end, find_notes
from amt_utils.transcription.performance import decode_performance

REACH = 5.0


def test_of_exact_rolls_both_ends_are_where_they_are(rng):
    onset = 0.1 + np.cumsum(rng.uniform(0.1, 0.3, 40))
    notes = make_notes(onset, onset + rng.uniform(0.08, 0.9, 40), 40 + rng.permutation(40), rng.integers(30, 100, 40))
    played = Performance(notes, make_pedals([1.0, 4.0], [3.0, 6.5], [0, 0]))
    found = decode_performance(make_rolls(played, 600, Config()), Config())
    assert found.notes["offset"] == pytest.approx(played.notes["offset"], abs=0.015)
    assert found.with_ends("sounding")["offset"] == pytest.approx(played.with_ends("sounding")["offset"], abs=0.025)


def expected_worth(here, end, begin, onset, latest, latest_likely):
    """The same sum, frame by frame."""
    width = max(REACH, END_RATIO * (end - onset))
    lasts, worth = 1.0, 0.0
    for frame in range(begin, int(latest) + 1):
        worth += lasts * here[frame] * max(0.0, 1 - abs(frame - end) / width)
        lasts *= 1 - here[frame]
    return worth + lasts * latest_likely * max(0.0, 1 - abs(latest - end) / width)


@pytest.mark.parametrize("latest_likely", [0.5, 1.0])
def test_it_is_the_end_that_is_worth_most(rng, latest_likely):
    for _ in range(30):
        here = np.minimum(rng.random(90) ** 12, CERTAIN)
        begin, latest = int(rng.integers(3, 20)), rng.uniform(40, 88)
        onset = begin - 2.3
        end = find_end(here, begin, latest, onset=onset, latest_likely=latest_likely, reach=REACH)
        at = [*range(begin, int(latest) + 1), latest]
        worth = [expected_worth(here, x, begin, onset, latest, latest_likely) for x in at]
        assert abs(end - at[int(np.argmax(worth))]) <= 0.5


def test_many_small_signs_close_together_are_more_than_a_larger_one():
    here = np.zeros(100)
    here[20], here[60:66] = 0.3, 0.12
    assert find_end(here, 2, 99.0, onset=0.0, latest_likely=0.3, reach=REACH) == pytest.approx(62.5, abs=2)
    assert find_end(here, 2, 99.0, onset=0.0, latest_likely=1.0, reach=REACH) == pytest.approx(62.5, abs=2)
    here[60:66] = 0.02
    assert find_end(here, 2, 99.0, onset=0.0, latest_likely=0.3, reach=REACH) == 20
    assert find_end(here, 2, 99.0, onset=0.0, latest_likely=1.0, reach=REACH) == 99


def test_nothing_after_the_attack_is_looked_at():
    assert find_end(np.zeros(10), 12, 11.5, onset=9.0, latest_likely=1.0, reach=REACH) == 11.5


def test_a_tone_that_never_ends_is_cut():
    def chunks(count):
        for i in range(count):
            rolls = {name: np.zeros((500, 88), np.float16) for name in KEY_ROLLS}
            rolls["frame"][:, 40] = 0.6
            rolls["onset"][3, 40] = 0.9 if i == 0 else 0.0
            yield rolls

    assert find_notes(chunks(12), Config())["end"].tolist() == [3 + LONGEST / Config().feature.frame_seconds]
