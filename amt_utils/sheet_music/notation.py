"""Chords with ticks and lengths -> note symbols: bars, ties, rests, dots, tuplets, beams.

A length is cut where a reader needs to see the beat: at bar lines, at the edges of tuplets, and at any place of the
bar stronger than the one it starts from, except for the usual syncopations.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .metre import Metre
from .quantise import TICKS
from .voices import Chord

_PLAIN = {
    3: ("32nd", 0), 6: ("16th", 0), 9: ("16th", 1), 12: ("eighth", 0), 18: ("eighth", 1), 24: ("quarter", 0),
    36: ("quarter", 1), 48: ("half", 0), 72: ("half", 1), 96: ("whole", 0), 144: ("whole", 1),
}  # fmt: skip
_FLAGS = {"eighth": 1, "16th": 2, "32nd": 3}


@dataclass
class Symbol:
    """One note, chord or rest as it stands on the page.

    Attributes:
        tick, length: ticks; ``tick`` counts from the first bar.
        kind, dots: the note value's MusicXML name, and its dots.
        notes: indices of the performance's notes; empty for a rest.
        tuplet: three in the place of two.
        tie_from, tie_to: tied to the symbol before, after it in its voice.
        bracket: ``"start"``, ``"stop"`` or ``""`` of the tuplet's bracket.
        beams: ``begin``, ``continue``, ``end``, ``forward hook``, ``backward hook`` for each beam, outermost first.
        hidden: takes time and is not drawn (gaps of the second voice).
        whole_bar: a rest for the bar, whatever its length.
    """

    tick: int
    length: int
    kind: str = "quarter"
    dots: int = 0
    notes: list[int] = field(default_factory=list)
    tuplet: bool = False
    tie_from: bool = False
    tie_to: bool = False
    bracket: str = ""
    beams: list[str] = field(default_factory=list)
    hidden: bool = False
    whole_bar: bool = False


@dataclass(frozen=True)
class Bars:
    """Where bars begin: the first has ``pickup`` ticks (0 for a whole one), all others are whole."""

    metre: Metre
    pickup: int
    count: int

    @property
    def ticks(self) -> int:
        return self.metre.numerator * TICKS * 4 // self.metre.denominator

    @property
    def beat(self) -> int:
        return self.ticks // self.metre.beats

    def start(self, number: int) -> int:
        """Tick at which bar ``number`` (from 0) begins."""
        return 0 if number == 0 else (number - 1) * self.ticks + (self.pickup or self.ticks)

    def number(self, tick):
        """Bar in which a tick or an array of ticks lies."""
        lead = (self.ticks - self.pickup) if self.pickup else 0
        return (tick + lead) // self.ticks

    def place(self, tick):
        """Ticks from the (whole) bar's beginning; a pick-up begins late in its bar."""
        lead = (self.ticks - self.pickup) if self.pickup else 0
        return (tick + lead) % self.ticks

    @property
    def end(self) -> int:
        return self.start(self.count)


def write_voice(chords: list[Chord], bars: Bars, *, secondary: bool = False) -> list[list[Symbol]]:
    """Chords of one voice, in order and not overlapping -> the symbols of each bar, rests between them.

    A ``secondary`` voice stays out of bars it has nothing in, and its gaps are hidden.
    """
    stretches: list[tuple[int, int, list[int]]] = []
    now = 0
    for chord in chords:
        if chord.tick > now:
            stretches.append((now, chord.tick, []))
        stretches.append((chord.tick, chord.tick + chord.length, chord.notes))
        now = chord.tick + chord.length
    if now < bars.end:
        stretches.append((now, bars.end, []))
    tuplets = _tuplet_beats(stretches, bars)
    measures: list[list[Symbol]] = [[] for _ in range(bars.count)]
    for begin, end, notes in stretches:
        pieces = list(_cut(begin, end, bars, tuplets, rest=not notes))
        for i, symbol in enumerate(pieces):
            symbol.notes = notes
            symbol.tie_from, symbol.tie_to = bool(notes) and i > 0, bool(notes) and i < len(pieces) - 1
            symbol.hidden = secondary and not notes
            measures[bars.number(symbol.tick)].append(symbol)
    for number, measure in enumerate(measures):
        if not any(symbol.notes for symbol in measure):
            length = bars.start(number + 1) - bars.start(number)
            rest = Symbol(bars.start(number), length, whole_bar=True)
            measures[number] = [] if secondary else [rest]
            continue
        _bracket(measure, bars)
        _beam(measure, bars)
    return measures


def _tuplet_beats(stretches: list, bars: Bars) -> set[int]:
    """Starts of the beats in which a note of this voice begins or ends off the binary grid."""
    if bars.metre.quarters_per_beat in (1.5, 0.75):
        return set()
    edges = {tick for stretch in stretches for tick in stretch[:2] if tick % 3}
    return {tick - bars.place(tick) % bars.beat for tick in edges}


def _cut(begin: int, end: int, bars: Bars, tuplets: set[int], *, rest: bool):
    """``[begin, end)`` -> symbols, cut at bar lines, tuplet edges and strong places."""
    while begin < end:
        stop = min(end, bars.start(int(bars.number(begin)) + 1))
        beat = begin - bars.place(begin) % bars.beat
        if beat in tuplets and not (begin == beat and stop >= beat + bars.beat):
            stop = min(stop, beat + bars.beat)
            yield from _cut_tuplet(begin, stop)
        else:
            ahead = [t for t in tuplets if begin < t < stop < t + bars.beat]
            stop = min([stop, *ahead])
            yield from _cut_plain(begin, stop, bars, rest=rest)
        begin = stop


def _cut_tuplet(begin: int, end: int):
    length = end - begin
    for value in sorted(_PLAIN, reverse=True):
        ticks = value * 2 // 3
        if value % 3 == 0 and (value * 2) % 3 == 0 and ticks <= length:
            yield Symbol(begin, ticks, *_PLAIN[value], tuplet=True)
            if length > ticks:
                yield from _cut_tuplet(begin + ticks, end)
            return


def _cut_plain(begin: int, end: int, bars: Bars, *, rest: bool):
    length, place = end - begin, int(bars.place(begin))
    if length in _PLAIN and _readable(place, length, bars, rest):
        yield Symbol(begin, length, *_PLAIN[length])
        return
    inside = [t for t in range(begin + 1, end) if (t - begin + place) % 3 == 0]
    if not inside:  # off the grid: nothing simpler can be written
        yield Symbol(begin, length, *_PLAIN[min(_PLAIN, key=lambda value: abs(value - length))])
        return
    middle = max(inside, key=lambda t: (_strength(t - begin + place, bars), -abs(t - begin - length / 2)))
    yield from _cut_plain(begin, middle, bars, rest=rest)
    yield from _cut_plain(middle, end, bars, rest=rest)


def _strength(place: int, bars: Bars) -> int:
    if place % bars.ticks == 0:
        return 4
    if bars.metre.beats == 4 and place % (2 * bars.beat) == 0:
        return 3
    if place % bars.beat == 0:
        return 2
    half = 12 if bars.beat == 36 else bars.beat // 2
    return int(place % half == 0) - int(place % 6 != 0)


def _readable(place: int, length: int, bars: Bars, rest: bool) -> bool:
    """Whether one symbol of this length at this place of the bar lets the beat be seen."""
    compound = bars.beat == 36
    if compound and length > bars.beat and length % bars.beat:
        return False
    if compound and length == bars.beat and place % bars.beat:
        return False
    inside = [_strength(p, bars) for p in range(place + 1, place + length) if p % 3 == 0]
    strongest = max(inside, default=-1)
    if _strength(place, bars) >= strongest and not (rest and not compound and _PLAIN[length][1]):
        return True
    if rest:
        return False
    if place // bars.beat == (place + length - 1) // bars.beat:
        return True
    syncopation = length == bars.beat and place % (bars.beat // 2) == 0 and strongest < 3
    return not compound and (syncopation or (length == 2 * bars.beat and place % bars.beat == 0 and strongest < 4))


def _bracket(measure: list[Symbol], bars: Bars) -> None:
    groups: dict[int, list[Symbol]] = {}
    for symbol in measure:
        if symbol.tuplet:
            groups.setdefault(int(bars.place(symbol.tick)) // bars.beat, []).append(symbol)
    for group in groups.values():
        if len(group) > 1:
            group[0].bracket, group[-1].bracket = "start", "stop"


def _beam(measure: list[Symbol], bars: Bars) -> None:
    """Joins eighths and shorter within a beat; plain eighths over half a bar of four or a bar of three."""
    wide = {4: 2, 3: 3, 2: 2}.get(bars.metre.beats, 1) * bars.beat if bars.beat == TICKS else bars.beat
    spans: dict[int, list[Symbol]] = {}
    for symbol in measure:
        spans.setdefault(int(bars.place(symbol.tick)) // wide, []).append(symbol)
    for span in spans.values():
        even = all(s.notes and s.kind == "eighth" and not s.dots and not s.tuplet for s in span)
        width = wide if even else bars.beat
        run: list[Symbol] = []
        for symbol in span:
            same = run and bars.place(run[-1].tick) // width == bars.place(symbol.tick) // width
            if not same or not symbol.notes or symbol.kind not in _FLAGS:
                _join(run)
                run = []
            if symbol.notes and symbol.kind in _FLAGS:
                run.append(symbol)
        _join(run)


def _join(run: list[Symbol]) -> None:
    if len(run) < 2:
        return
    flags = [_FLAGS[symbol.kind] for symbol in run]
    for i, symbol in enumerate(run):
        symbol.beams = []
        for level in range(1, flags[i] + 1):
            before = i > 0 and flags[i - 1] >= level
            after = i + 1 < len(run) and flags[i + 1] >= level
            if before and after:
                symbol.beams.append("continue")
            elif after:
                symbol.beams.append("begin")
            elif before:
                symbol.beams.append("end")
            else:
                symbol.beams.append("backward hook" if i else "forward hook")
