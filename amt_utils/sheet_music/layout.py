"""Where bars begin, which clef a bar of a staff has, and where the pedal is marked."""

from __future__ import annotations

import numpy as np

from ..music.notes import SOFT, SUSTAIN
from .beats import Beats
from .notation import Bars
from .quantise import ticks_per_beat


def lay_bars(tick: np.ndarray, beats: Beats, pickup: float | None) -> tuple[Bars, int]:
    """Ticks from ``beats.times[0]`` -> bars (their number still open) and what to add to a tick to count from them."""
    per_beat = ticks_per_beat(beats)
    whole = per_beat * beats.metre.beats
    first = int(tick.min())
    downbeat = beats.downbeat * per_beat
    begin = downbeat + (first - downbeat) // whole * whole  # the bar the first note lies in
    upbeat = begin + whole - first
    if pickup is not None:
        lead = int(round(pickup % beats.metre.beats * per_beat))
        full = downbeat + int(np.rint((first + lead - downbeat) / whole)) * whole  # the first full bar
        if full - first > lead:  # the first note came earlier than told
            lead = -(-(full - first) // per_beat) * per_beat
        return Bars(beats.metre, lead % whole, 1), lead - full
    if first == begin or upbeat > 0.75 * whole:
        return Bars(beats.metre, 0, 1), -begin
    lead = upbeat if upbeat < per_beat else -(-upbeat // per_beat) * per_beat
    return Bars(beats.metre, lead, 1), lead - begin - whole


def choose_clefs(voices: list, names: list, count: int) -> tuple[list[str], list[str]]:
    """Treble or bass per bar, whichever needs fewer ledger lines; a change costs."""
    tops = {"treble": (30, 38), "bass": (18, 26)}  # diatonic steps (C0 is 0) of the lowest and highest line
    staves = []
    for staff, usual in ((1, "treble"), (2, "bass")):
        cost = np.zeros((count, 2))
        for own, _, per_bar in voices:
            for number, symbols in enumerate(per_bar if own == staff else []):
                for note in (n for symbol in symbols for n in symbol.notes):
                    step, _, octave = names[note]
                    place = "CDEFGAB".index(step) + 7 * octave
                    for j, (low, high) in enumerate(tops.values()):
                        cost[number, j] += max(0, low - place, place - high) // 2
        cost += [[0.0, 0.3] if usual == "treble" else [0.3, 0.0]]
        value, came = cost[0] + ([0, 9] if usual == "treble" else [9, 0]), np.zeros((count, 2), int)
        for number in range(1, count):
            ways = value[None, :] + 12.0 * (1 - np.eye(2))
            came[number], value = ways.argmin(1), ways.min(1) + cost[number]
        chosen = [int(value.argmin())]
        for number in range(count - 1, 0, -1):
            chosen.append(int(came[number, chosen[-1]]))
        staves.append([list(tops)[j] for j in chosen[::-1]])
    return staves[0], staves[1]


def pedal_marks(pedals: np.ndarray, beats: Beats, shift: int, bars: Bars) -> list[tuple[int, str]]:
    """Sustain pedal as lines, the soft pedal in words; to the nearest half beat, blips left out.

    Where it is renewed one line ends and the next begins: of MusicXML's ``change`` verovio draws only the first.
    """
    marks = []
    step = bars.beat // 3 if bars.beat == 36 else max(bars.beat // 2, 6)
    for kind, down, up in ((SUSTAIN, "pedal start", "pedal stop"), (SOFT, "una corda", "tre corde")):
        own = pedals[pedals["kind"] == kind]
        ticks = [beats.to_beat(own[name]) * ticks_per_beat(beats) + shift for name in ("onset", "offset")]
        press, release = (np.clip(np.rint(t / step).astype(int) * step, 0, bars.end) for t in ticks)
        free = 0
        for a, b in zip(press.tolist(), release.tolist(), strict=True):
            a = max(a, free)
            if b > a and a < bars.end:
                marks += [(a, down), (b, up)]
                free = b
    return marks
