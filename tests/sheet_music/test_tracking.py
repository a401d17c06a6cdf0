"""Beat tracking: what the network answers about positions in the beat decides where the onsets alone do not."""

import numpy as np
import pytest

from amt_utils.music.notes import make_notes
from amt_utils.sheet_music.events import find_events
from amt_utils.sheet_music.evidence import Evidence, log_softmax
from amt_utils.sheet_music.note_network import METRES, PARTS, PERIODS
from amt_utils.sheet_music.tracking import track_beats


@pytest.mark.parametrize("count", [3, 4])
def test_beats_follow_the_positions_that_the_network_reads(count):
    n, step = 60, 0.2
    time = 1.0 + step * np.arange(n)
    notes = make_notes(time, time + 0.15, np.full(n, 60), np.full(n, 64))
    events = find_events(notes)
    logits = np.full((n, PARTS), -4.0)
    logits[np.arange(n), (np.arange(n) - 1) % count * (PARTS // count)] = 0.0  # the second event is on a beat
    nothing = np.zeros(n)
    periods, metres = np.zeros((n, len(PERIODS))), np.zeros((n, len(METRES)))
    evidence = Evidence(
        events.time, nothing, nothing, log_softmax(periods), log_softmax(metres), log_softmax(logits), nothing
    )
    beats = track_beats(events, evidence)
    inner = beats[(beats > 2) & (beats < 12)]
    place = (inner - time[1]) / (count * step)
    assert np.allclose(np.diff(inner), count * step, atol=0.02)
    assert np.allclose(place, np.rint(place), atol=0.05)
