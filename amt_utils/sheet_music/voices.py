"""Notes of one staff -> up to two voices of chords with written durations.

A chord is in one voice, or is cut into upper notes in voice 1 and lower notes in voice 2. A beam search over the chords
minimises the cost of inexact lengths (a held note cut short by the next one of its voice, a chord whose notes end at
different times) and of second voices, which are harder to read.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2
from statistics import median

import numpy as np

from .bars import Bars
from .note_network import VALUES

BEAM = 16
CUT, MIXED = 1.2, 0.8  # nats per note and per halving of its duration: a note cut short; unequal lengths in a chord
OPEN, KEEP = 1.0, 0.1  # nats: a second voice in a new bar; each of its chords
CROSSED, ALONE, GAP = 1.5, 0.6, 0.2  # nats: voices that cross; a second voice without a first; a rest
SECOND = 1.0  # weight of the network's log odds of a second voice
SAID, HELD, REST = 0.7, 0.15, 0.3  # weight of a value's log probability; nats per octave from held; per rest
FLOOR = -6.0  # nats: lower limit of a note value's log probability
_LOG_VALUES = np.log(VALUES)


@dataclass
class Chord:
    """Notes of one voice that begin together and are written with one duration.

    Attributes:
        tick: where it begins.
        notes: indices into the performance's notes, low to high.
        voice: 1 or 2.
        length: written duration in ticks.
        staccato: written with a dot.
    """

    tick: int
    notes: list[int]
    voice: int = 1
    length: int = 0
    staccato: bool = False


def separate_voices(
    tick: np.ndarray, pitch: np.ndarray, want: np.ndarray, bar: np.ndarray, second: np.ndarray
) -> list[Chord]:
    """Notes of one staff -> chords in up to two voices; their lengths are set by :func:`write_lengths`.

    Args:
        tick: ``(n,)`` quantised onsets, rising.
        pitch: ``(n,)`` MIDI pitch.
        want: ``(n,)`` ticks, the preferred written length of each note.
        bar: ``(n,)`` number of the bar in which each note begins.
        second: ``(n,)`` log odds that each note is in a second voice.
    """
    if not len(tick):
        return []
    onsets, start = np.unique(tick, return_index=True)
    groups = [g[np.argsort(pitch[g], kind="stable")] for g in np.split(np.arange(len(tick)), start[1:])]
    following = np.append(onsets[1:], onsets[-1] + 10_000)
    # a state: cost, (end, length, onset, outer pitch, summed trust in its notes' ends) of voices 1 and 2, the last bar
    # with a second voice, history
    idle = (-1, 1.0, -1, 60.0, 0.0)
    upper, lower = (SECOND * np.logaddexp(0, sign * second) for sign in (1, -1))  # negative log probability
    beam = [(0.0, idle, idle, -9, None)]
    for onset, group, after in zip(onsets, groups, following, strict=True):
        now, number = int(onset), int(bar[group[0]])
        # legato overlap needs no second voice: a note that overlaps the next chord a little ends there
        wish = np.where(want[group] < 1.3 * (after - now), np.minimum(want[group], after - now), want[group])
        wish, sure = np.maximum(wish, 1.0).tolist(), [1.0] * len(group)
        in_upper = np.concatenate([np.cumsum(upper[group][::-1])[::-1], [0.0]])  # by where the chord is cut
        in_lower = np.concatenate([[0.0], np.cumsum(lower[group])])
        options: dict = {}
        for cost, one, two, opened, history in beam:
            for cut in range(len(group) + 1):
                total, a, b, last = cost + float(in_upper[cut] + in_lower[cut]), one, two, opened
                if cut:
                    total += _enter(two, now, wish[:cut], sure[:cut]) + KEEP + (OPEN if opened < number else 0.0)
                    b, last = _voice(now, wish[:cut], sure[:cut], float(pitch[group[cut - 1]])), number
                    if one[0] > now and pitch[group[cut - 1]] > one[3]:
                        total += CROSSED
                    if cut == len(group) and one[0] <= now:
                        total += ALONE
                if cut < len(group):
                    total += _enter(one, now, wish[cut:], sure[cut:])
                    a = _voice(now, wish[cut:], sure[cut:], float(pitch[group[cut]]))
                    if not cut and two[0] > now and pitch[group[0]] < two[3]:
                        total += CROSSED
                key = (round(a[0]), round(b[0]), last)
                if key not in options or total < options[key][0]:
                    options[key] = (total, a, b, last, (history, group, cut, now))
        beam = sorted(options.values(), key=lambda state: state[0])[:BEAM]
    chords: list[Chord] = []
    history = beam[0][4]
    while history is not None:
        history, group, cut, now = history
        parts = ((2, group[:cut]), (1, group[cut:]))
        chords += [Chord(now, [int(i) for i in part], v) for v, part in parts if len(part)]
    return chords[::-1]


def _voice(now: int, want: list[float], sure: list[float], pitch: float) -> tuple:
    length = median(want)
    return (now + length, length, now, pitch, sum(sure))


def _enter(voice: tuple, now: int, want: list[float], sure: list[float]) -> float:
    """Cost of adding a chord to a voice: the chord it cuts short, and how much its notes differ in length."""
    end, length, onset, _, held = voice
    middle = median(want)
    cost = MIXED * sum(trust * abs(log2(wanted / middle)) for wanted, trust in zip(want, sure, strict=True))
    if end > now + 0.5:
        cost += CUT * min(held, 3) * log2(length / max(now - onset, 1.0))
    elif end < now - 1:
        cost += GAP
    return cost


def write_lengths(
    chords: list[Chord], value: np.ndarray, bars: Bars, division: dict[int, int], held: np.ndarray
) -> None:
    """Sets the length of each chord: the likeliest one that can be written and ends by the next chord of its voice.

    Args:
        chords: of one staff.
        value: ``(n, VALUES)`` log probabilities of each note's value, in beats.
        bars: of the page.
        division: first tick of a beat -> its division, if not 1.
        held: ``(n,)`` ticks for which each key was held.
    """
    for voice in (1, 2):
        line = [chord for chord in chords if chord.voice == voice]
        own_division = _without_tuplets(line, bars, division)
        for chord, after in zip(line, [*(c.tick for c in line[1:]), bars.end], strict=False):
            room = max(after - chord.tick, 1)
            beat = bars.metre_at(chord.tick).beat_ticks
            own = np.maximum(value[chord.notes], FLOOR).mean(0)
            length = max(float(np.median(held[chord.notes])) * 1.08, 1.0)
            best, chosen = np.inf, room
            for end, price in _ends(chord.tick, min(after, chord.tick + 9 * beat), bars, own_division):
                meets = end == after and after != bars.end
                likely = float(np.interp(np.log((end - chord.tick) / beat), _LOG_VALUES, own))
                ratio = abs(float(np.log2((end - chord.tick) / length)))
                cost = (0.0 if meets else price + REST) - SAID * likely + HELD * min(ratio, 3.0)
                if cost < best:
                    best, chosen = cost, end - chord.tick
            chord.length = chosen


def _without_tuplets(line: list[Chord], bars: Bars, division: dict[int, int]) -> dict[int, int]:
    """The divisions of beats, without the factor 3 where no chord of a voice begins off the binary grid.

    A note that is let go after two thirds of a beat is written as a whole one, not as a tuplet of its own.
    """
    needed = bars.tuplet_beats(chord.tick for chord in line)
    spared = {begin for begin in division if begin not in needed and bars.metre_at(begin).beat_ticks % 36}
    return {begin: parts // 3 if begin in spared and parts % 3 == 0 else parts for begin, parts in division.items()}


def _ends(tick: int, latest: int, bars: Bars, division: dict[int, int]):
    """Ticks at which a note may end, each with its cost in nats."""
    yield latest, 0.3
    begin = bars.beat_start(tick)
    while begin < latest:
        beat = bars.metre_at(begin).beat_ticks
        s = division.get(begin, 1)
        for parts, price in ((1, 0.0), (2, 0.2), (3, 0.3), (4, 0.4), (6, 0.5), (8, 0.8), (12, 1.0)):
            if (parts > 1 and (s % parts if s > 1 else parts > 2)) or beat % parts or beat // parts < 3:
                continue
            for k in range(1, parts + 1):
                end = begin + k * beat // parts
                if tick < end < latest:
                    yield end, price
        begin += beat
