"""Input features of :mod:`.note_network` for each note: its pitch, and times to the surrounding notes."""

from __future__ import annotations

import numpy as np

from ..music.notes import LOWEST_PITCH, SUSTAIN, Performance
from .events import find_events
from .pulses import PULSE_FEATURES, describe_pulses

CENTRES = np.linspace(np.log(0.03), np.log(4.0), 12)  # log seconds; a time is encoded by Gaussians around them
WIDTH = CENTRES[1] - CENTRES[0]
TIMES = ("before", "after", "before two", "after two", "length", "near before", "near after", "same key before",
         "lower before", "lower after", "pedal before", "pedal after")  # fmt: skip
SCALARS = 8
FEATURES = len(TIMES) * len(CENTRES) + SCALARS + PULSE_FEATURES
_SCALARS_FROM = len(TIMES) * len(CENTRES)
VELOCITIES = [_SCALARS_FROM, _SCALARS_FROM + 1]  # columns of the features of velocities, lengths and pedals
LENGTHS = [*range(4 * len(CENTRES), 5 * len(CENTRES)), _SCALARS_FROM + 5]
PEDALS = list(range(10 * len(CENTRES), 12 * len(CENTRES)))
NEAR, NEIGHBOURS = 7, 12  # semitones; number of notes searched for one within these
UNKNOWN = np.inf  # a time that does not exist; its encoding is zero


def describe_notes(performance: Performance) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A performance -> order ``(n,)`` of its notes, keys ``(n,)`` 0..87, features ``(n, FEATURES)`` float32.

    Notes are ordered by event, and by pitch within an event. Keys and features are in this order.
    """
    notes = performance.notes
    n = len(notes)
    if not n:
        return np.zeros(0, int), np.zeros(0, int), np.zeros((0, FEATURES), np.float32)
    events = find_events(notes)
    event = events.of_note
    order = np.lexsort((notes["pitch"], event))
    notes = notes[order]  # the numbers of the events are sorted already
    onset, pitch = notes["onset"], notes["pitch"].astype(int)
    size, time = np.bincount(event), events.time
    padded = np.concatenate([[-UNKNOWN] * 2, time, [UNKNOWN] * 2])
    begin = np.cumsum(size) - size
    low = pitch[begin]
    lower_before, lower_after = _lower_neighbours(low, time)
    near_before, near_after, same_before = _near_neighbours(onset, pitch, event)
    pedal_before, pedal_after = _pedal_times(performance, time)
    length = notes["offset"] - onset
    now = time[event]
    times = (
        now - padded[event + 1],
        padded[event + 3] - now,
        now - padded[event],
        padded[event + 4] - now,
        length,
        near_before,
        near_after,
        same_before,
        lower_before[event],
        lower_after[event],
        pedal_before[event],
        pedal_after[event],
    )
    with np.errstate(divide="ignore"):
        logs = np.log(np.stack(times, 1) + 1e-4)  # (n, times)
    near = np.exp(-0.5 * ((logs[:, :, None] - CENTRES) / WIDTH) ** 2).reshape(n, -1)
    velocity = notes["velocity"].astype(float)
    rank = np.arange(n) - begin[event]
    scalars = (
        (velocity - velocity.mean()) / 20,
        (velocity - _local_mean(velocity)) / 10,
        np.log(size[event]),
        rank == 0,
        rank == size[event] - 1,
        np.minimum(np.log(length + 0.02), 1.5),
        (pitch - low[event]) / 12,
        (onset - now) / 0.02,
    )
    pulses = describe_pulses(performance.notes, events)[event]
    return order, pitch - LOWEST_PITCH, np.column_stack([near, *scalars, pulses]).astype(np.float32)


def _local_mean(x: np.ndarray, width: int = 33) -> np.ndarray:
    total = np.concatenate([[0.0], np.cumsum(x)])
    i = np.arange(len(x))
    low, high = np.maximum(i - width // 2, 0), np.minimum(i + width // 2 + 1, len(x))
    return (total[high] - total[low]) / (high - low)


def _lower_neighbours(low: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Seconds since the previous and until the next event whose lowest note is as low or lower."""

    def since(low: list[int], time: list[float]) -> list[float]:
        stack: list[int] = []
        found = []
        for i, pitch in enumerate(low):
            while stack and low[stack[-1]] > pitch:
                stack.pop()
            found.append(time[i] - time[stack[-1]] if stack else UNKNOWN)
            stack.append(i)
        return found

    before = since(low.tolist(), time.tolist())
    after = since(low[::-1].tolist(), (-time[::-1]).tolist())[::-1]
    return np.array(before), np.array(after)


def _near_neighbours(onset: np.ndarray, pitch: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, ...]:
    """Seconds since and until a note of another event within :data:`NEAR` semitones; seconds since the same key."""
    n = len(onset)
    before, after, same = (np.full(n, UNKNOWN) for _ in range(3))
    for k in range(min(NEIGHBOURS, n - 1), 0, -1):  # the nearest comes last and overwrites the others
        gap = onset[k:] - onset[:-k]
        close = (np.abs(pitch[k:] - pitch[:-k]) <= NEAR) & (event[k:] > event[:-k])
        before[k:][close] = gap[close]
        after[:-k][close] = gap[close]
    by_key = np.lexsort((onset, pitch))
    again = np.flatnonzero(np.diff(pitch[by_key]) == 0)
    same[by_key[again + 1]] = onset[by_key[again + 1]] - onset[by_key[again]]
    return np.maximum(before, 0), np.maximum(after, 0), np.maximum(same, 0)


def _pedal_times(performance: Performance, time: np.ndarray, lag: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Seconds since the last and until the next press of the pedal, which pianists press slightly after the note."""
    press = performance.pedals["onset"][performance.pedals["kind"] == SUSTAIN]
    padded = np.concatenate([[-UNKNOWN], press, [UNKNOWN]])
    i = np.searchsorted(press, time + lag)
    return time + lag - padded[i], padded[i + 1] - time - lag
