"""Layout of the page: bars, clefs, and marks for pedals, dynamics and tempo."""

from __future__ import annotations

import numpy as np

from ..music.notes import SOFT, SUSTAIN
from .bars import Bars
from .beats import Beats
from .viterbi import cheapest_path

BLIP = 0.25  # seconds: shorter pedals are not written
# typical velocity of each mark; standard deviation of a bar's loudness; cost of a new mark in nats
DYNAMICS = {"pp": 32.0, "p": 45.0, "mp": 56.0, "mf": 68.0, "f": 82.0, "ff": 100.0}
LEVEL_SPREAD, DYNAMICS_CHANGE = 8.0, 5.0
TEMPO_SPREAD, TEMPO_CHANGE, TEMPO_LASTS = 0.12, 10.0, 4  # octaves; cost of a new tempo, nats; its least length, bars
SLOWER = 1.22  # ratio by which beats are longer in a ritardando
# what is as hard to read as a ledger line: a note an octave away; a bar in the other clef; a change; beginning with it.
# Ledger lines beyond HARD count twice
HARD = 3
OCTAVE, OTHER_CLEF, CLEF_CHANGE, FIRST_CLEF = 2.0, 0.3, 12.0, 9.0
SOFT_APART, SOFT_LASTS = 6.0, 6.0  # seconds: shortest gap and shortest use of the soft pedal to be written


def lay_bars(first: int, last: int, beats: Beats, pickup: float | None = None) -> tuple[Bars, int]:
    """Bars from the first note on, and the offset in ticks from ``beats.times[0]`` to their first tick.

    Args:
        first: tick of the first note, counted from ``beats.times[0]``.
        last: tick that the last bar must reach, counted likewise.
        beats: the grid.
        pickup: beats of the pick-up, if given.

    Returns:
        the bars, and the number to add to a tick of ``beats`` to get a tick of the page.
    """
    starts = beats.ticks[np.minimum(beats.bars, len(beats.ticks) - 1)].tolist()
    metres = list(beats.metres)
    while starts[0] > first:  # bars before the first one found
        starts.insert(0, starts[0] - metres[0].ticks)
        metres.insert(0, metres[0])
    while starts[-1] + metres[-1].ticks <= last:
        starts.append(starts[-1] + metres[-1].ticks)
        metres.append(beats.metre if metres[-1] != beats.metre else metres[-1])
    opening = int(np.searchsorted(starts, first, side="right")) - 1
    closing = int(np.searchsorted(starts, last, side="right"))
    starts, metres = starts[opening:closing], metres[opening:closing]
    whole, beat = metres[0].ticks, metres[0].beat_ticks
    upbeat = starts[0] + whole - first
    if first == starts[0] or (upbeat > 0.75 * whole and pickup is None):
        return Bars(tuple(metres)), -starts[0]
    lead = upbeat if upbeat < beat else min(-(-upbeat // beat) * beat, whole)
    if pickup is not None:
        lead = max(lead, min(round(pickup * beat), whole))
    if lead == whole:
        return Bars(tuple(metres)), -starts[0]
    return Bars(tuple(metres), int(lead)), int(lead) - starts[0] - whole


def choose_clefs(voices: list, names: list, count: int) -> tuple[tuple[list[str], ...], tuple[list[int], ...]]:
    """Clef of each bar of both staves, and octaves by which it sounds higher than written (8va is 1, 8vb is -1).

    Those with the fewest ledger lines, at a cost for each change (Viterbi).
    """
    lines = {"treble": (30, 38), "bass": (18, 26)}  # diatonic steps (C0 is 0) of the lowest and highest line
    clefs, octaves = [], []
    for staff, usual, other, shift in ((1, "treble", "bass", 1), (2, "bass", "treble", -1)):
        states = [(usual, 0), (other, 0), (usual, shift)]
        cost = np.zeros((count, len(states)))
        for own, _, per_bar in voices:
            for number, symbols in enumerate(per_bar if own == staff else []):
                for note in (n for symbol in symbols for n in symbol.notes):
                    step, _, octave = names[note]
                    place = "CDEFGAB".index(step) + 7 * octave
                    for j, (clef, higher) in enumerate(states):
                        low, high = lines[clef]
                        written = place - 7 * higher
                        ledger = max(0, low - written, written - high) // 2
                        cost[number, j] += ledger + max(0, ledger - HARD) + OCTAVE * abs(higher)
        cost += [0.0, OTHER_CLEF, 0.0]
        cost[0, 1] += FIRST_CLEF
        chosen = cheapest_path(cost, CLEF_CHANGE * (1 - np.eye(len(states))))
        clefs.append([states[j][0] for j in chosen])
        octaves.append([states[j][1] for j in chosen])
    return tuple(clefs), tuple(octaves)


def dynamic_marks(velocity: np.ndarray, tick: np.ndarray, bars: Bars) -> list[tuple[int, str]]:
    """Dynamics at the first note and wherever the loudness changes for several bars: Viterbi over bars.

    Args:
        velocity: ``(n,)`` velocities of the notes, 1..127.
        tick: ``(n,)`` ticks of the page at which they begin.
        bars: of the page.
    """
    number = bars.number(tick)
    cost = np.zeros((bars.count, len(DYNAMICS)))
    for bar in np.unique(number):
        own = velocity[number == bar].astype(float)
        loud = np.sqrt(np.mean(own**2))  # loud notes count for more
        cost[bar] = np.minimum((loud - np.array(list(DYNAMICS.values()))) ** 2 / (2 * LEVEL_SPREAD**2), 8.0)
    chosen = cheapest_path(cost, DYNAMICS_CHANGE * (1 - np.eye(len(DYNAMICS))))
    marks, names = [], list(DYNAMICS)
    for bar in np.flatnonzero(np.diff(chosen, prepend=-1)):
        later = tick[number >= bar]
        if len(later):
            marks.append((int(later.min()), f"dynamics {names[chosen[bar]]}"))
    return marks


def tempo_marks(beats: Beats, shift: int, bars: Bars) -> list[tuple[int, str]]:
    """``"tempo 96"`` where a tempo begins, the first at 0; ``"above rit."`` and ``"above a tempo"`` around slower bars.

    The bars are segmented into passages of constant tempo, by least squares with a cost for each passage.
    """
    edges = np.array([bars.start(n) for n in range(bars.count + 1)])
    seconds = beats.to_seconds(beats.tick_to_beat(edges - float(shift)))
    counted = np.diff(edges) / np.array([metre.beat_ticks for metre in bars.metres])
    beat = np.log2(np.maximum(np.diff(seconds), 1e-3) / counted)  # (bars,) log2 of the seconds of a beat
    begins = _cut_tempos(beat)
    marks: list[tuple[int, str]] = []
    usual = 0.0
    for begin, end in zip(begins, [*begins[1:], bars.count], strict=True):
        own = float(np.median(beat[begin:end]))
        if not begin or abs(own - usual) > TEMPO_SPREAD:
            marks.append((int(edges[begin]), f"tempo {round(60 / 2**own)}"))
            usual = own
        slow = beat[begin:end] > own + np.log2(SLOWER)
        for last in np.flatnonzero(slow & ~np.append(slow[1:], False)).tolist():
            first = last
            while first and slow[first - 1] and beat[begin + first - 1] < beat[begin + first]:
                first -= 1
            if first and begin + last + 1 < end and last - first < 3:
                marks += [(int(edges[begin + first]), "above rit."), (int(edges[begin + last + 1]), "above a tempo")]
    return marks


def _cut_tempos(beat: np.ndarray) -> list[int]:
    """Log beat lengths ``(bars,)`` -> the first bar of each passage of constant tempo."""
    n = len(beat)
    total, squares = (np.concatenate([[0.0], np.cumsum(x)]) for x in (beat, beat**2))
    best, came = np.full(n + 1, np.inf), np.zeros(n + 1, int)
    best[0] = 0.0
    for end in range(1, n + 1):
        begin = np.arange(max(end - TEMPO_LASTS, 0) + 1) if end >= TEMPO_LASTS else np.zeros(1, int)
        count = end - begin
        rest = squares[end] - squares[begin] - (total[end] - total[begin]) ** 2 / count
        ways = best[begin] + np.minimum(rest / (2 * TEMPO_SPREAD**2), 4.0 * count) + TEMPO_CHANGE
        came[end], best[end] = begin[ways.argmin()], ways.min()
    begins = [n]
    while begins[0] > 0:
        begins.insert(0, int(came[begins[0]]))
    return begins[:-1]


def pedal_marks(pedals: np.ndarray, beats: Beats, shift: int, bars: Bars) -> list[tuple[int, str]]:
    """Sustain pedal as lines, to the nearest beat; longer uses of the soft pedal as words.

    Pedals shorter than :data:`BLIP` are left out. Where the pedal is renewed, one line ends and the next one begins:
    verovio draws only the first of MusicXML's ``change`` marks.
    """
    marks = []
    own = pedals[(pedals["kind"] == SUSTAIN) & (pedals["offset"] - pedals["onset"] > BLIP)]
    ticks = [beats.beat_to_tick(beats.to_beat(own[name])) + shift for name in ("onset", "offset")]
    step = np.array([max(bars.metre_at(int(t)).beat_ticks, 12) for t in ticks[0]]) if len(own) else np.zeros(0)
    press = np.rint(ticks[0] / step * 1.0) * step if len(own) else ticks[0]
    release = np.maximum(np.rint(ticks[1] / step) * step, press + step) if len(own) else ticks[1]
    press, release = (np.clip(t, 0, bars.end).astype(int) for t in (press, release))
    free = 0
    for a, b in zip(press.tolist(), release.tolist(), strict=True):
        a = max(a, free)
        if b > a and a < bars.end:
            marks += [(a, "pedal start"), (b, "pedal stop")]
            free = b
    own = pedals[pedals["kind"] == SOFT]
    if len(own):  # uses less than SOFT_APART seconds apart are written as one
        ends = np.append(own["onset"][1:] - own["offset"][:-1] > SOFT_APART, True)
        begins = np.append(True, ends[:-1])
        for a, b in zip(own["onset"][begins], own["offset"][ends], strict=True):
            if b - a < SOFT_LASTS:
                continue
            a, b = (float(beats.beat_to_tick(beats.to_beat(t))) + shift for t in (a, b))
            a, b = (bars.beat_start(int(np.clip(round(t), 0, bars.end - 1))) for t in (a, b))
            if b > a:
                marks += [(a, "una corda"), (b, "tre corde")]
    return marks
