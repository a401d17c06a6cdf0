"""Notes of one staff -> up to two voices of chords with written durations.

A chord goes whole to one voice, or is cut: its upper notes to voice 1, its lower ones to voice 2. A beam search over
the chords weighs what is lost (a held note cut short by the next one of its voice, a chord whose notes end at
different times) against what a second voice costs the reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2
from statistics import median

import numpy as np

BEAM = 16
CUT, MIXED = 1.2, 0.8  # per octave (factor of two) of duration lost, per note
OPEN, KEEP = 1.6, 0.25  # a second voice: in a bar that had none, and per chord
CROSSED, ALONE, GAP = 1.5, 0.6, 0.2
LOOSE = 0.25  # what an end under the pedal counts: nobody hears it, and a transcriber guesses it


@dataclass
class Chord:
    """Notes of one voice that begin together and are written with one duration.

    Attributes:
        tick: where it begins.
        notes: indices into the performance's notes, low to high.
        voice: 1 or 2.
        length: written duration in ticks.
    """

    tick: int
    notes: list[int]
    voice: int = 1
    length: int = 0


def separate_voices(
    tick: np.ndarray, pitch: np.ndarray, held: np.ndarray, bar: np.ndarray, loose: np.ndarray
) -> list[Chord]:
    """The notes of one staff -> chords in two voices, lengths still open.

    Args:
        tick: ``(n,)`` quantised onsets, rising.
        pitch: ``(n,)`` MIDI pitch.
        held: ``(n,)`` ticks for which the key was held.
        bar: ``(n,)`` number of the bar each note begins in.
        loose: ``(n,)`` whether the note ends under the pedal, where its end says little.
    """
    if not len(tick):
        return []
    onsets, start = np.unique(tick, return_index=True)
    groups = [g[np.argsort(pitch[g], kind="stable")] for g in np.split(np.arange(len(tick)), start[1:])]
    following = np.append(onsets[1:], onsets[-1] + 10_000)
    # a state: cost, (end, held ticks, onset, lowest pitch, trust in its notes' ends, summed) of each voice, last bar
    # with a second voice, history
    idle = (-1, 1.0, -1, 60.0, 0.0)
    trust = np.where(loose, LOOSE, 1.0)
    beam = [(0.0, idle, idle, -9, None)]
    for onset, group, after in zip(onsets, groups, following, strict=True):
        now, number = int(onset), int(bar[group[0]])
        # legato overlap is no reason for a second voice: what is held a little into the next chord ends there
        want = np.where(held[group] < 1.6 * (after - now), np.minimum(held[group], after - now), held[group])
        want, sure = np.maximum(want, 1.0).tolist(), trust[group].tolist()
        options: dict = {}
        for cost, one, two, opened, history in beam:
            for cut in range(len(group) + 1):
                total, a, b, last = cost, one, two, opened
                if cut:
                    total += _enter(two, now, want[:cut], sure[:cut]) + KEEP + (OPEN if opened < number else 0.0)
                    b, last = _voice(now, want[:cut], sure[:cut], float(pitch[group[cut - 1]])), number
                    if one[0] > now and pitch[group[cut - 1]] > one[3]:
                        total += CROSSED
                    if cut == len(group) and one[0] <= now:
                        total += ALONE
                if cut < len(group):
                    total += _enter(one, now, want[cut:], sure[cut:])
                    a = _voice(now, want[cut:], sure[cut:], float(pitch[group[cut]]))
                    if not cut and two[0] > now and pitch[group[0]] < two[3]:
                        total += CROSSED
                key = (round(a[0]), round(b[0]), last)
                if key not in options or total < options[key][0]:
                    options[key] = (total, a, b, last, (history, group, cut, now))
        beam = sorted(options.values(), key=lambda state: state[0])[:BEAM]
    chords = []
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
    """Cost of putting a chord into a voice: what it cuts short, and how unlike its own notes' lengths are."""
    end, length, onset, _, held = voice
    middle = median(want)
    cost = MIXED * sum(trust * abs(log2(wanted / middle)) for wanted, trust in zip(want, sure, strict=True))
    if end > now + 0.5:
        cost += CUT * min(held, 3) * log2(length / max(now - onset, 1.0))
    elif end < now - 1:
        cost += GAP
    return cost


def write_lengths(
    chords: list[Chord], held: np.ndarray, pedalled: np.ndarray, beat: int, division: dict[int, int], end: int
) -> None:
    """Sets each chord's length from how long it was held and when its voice goes on.

    Args:
        chords: of one staff.
        held: ``(n,)`` ticks each note of the performance was held.
        pedalled: ``(n,)`` whether the sustain pedal carried the note on.
        beat: ticks in a beat.
        division: number of a beat -> its division, where it is not 1.
        end: tick of the last bar's end.
    """
    for voice in (1, 2):
        line = [chord for chord in chords if chord.voice == voice]
        for chord, after in zip(line, [*(c.tick for c in line[1:]), end], strict=False):
            room = max(after - chord.tick, 1)
            length = float(np.median(held[chord.notes])) * 1.08
            carried = bool(np.mean(pedalled[chord.notes]) > 0.5)
            chord.length = _choose(chord.tick, length, room, after != end, carried, beat, division)


def _choose(
    tick: int, length: float, room: int, meets: bool, carried: bool, beat: int, division: dict[int, int]
) -> int:
    """The written duration: one that ends at the next chord, or else at a simple place of the bar."""
    best, chosen = np.inf, room
    latest = min(tick + room, -(-(tick + int(4 * length)) // beat) * beat + beat)
    for end, price in _ends(tick, latest, beat, division):
        rest = 0.35 if meets and end != tick + room else 0.0
        if meets and end == tick + room:
            price = 0.0
        ratio = np.log2((end - tick) / length)
        early = 0.30 if carried else 0.55  # keys come up before the written end, more so under the pedal
        cost = (early if ratio > 0 else 1.0) * abs(ratio) + price + rest
        if cost < best:
            best, chosen = cost, end - tick
    return chosen


def _ends(tick: int, latest: int, beat: int, division: dict[int, int]):
    """Places at which a note may end, with what an awkward place costs."""
    yield latest, 0.6
    number = tick // beat
    while number * beat < latest:
        s = division.get(number, 1)
        for parts, price in ((1, 0.10), (2, 0.25), (3, 0.25), (4, 0.45), (6, 0.45), (8, 0.8)):
            if (parts > 1 and (s % parts if s > 1 else parts > 2)) or beat % parts:
                continue
            for k in range(parts):
                end = number * beat + k * beat // parts
                if tick < end < latest:
                    yield end, price
        number += 1
    if latest % beat == 0:
        yield latest, 0.10
