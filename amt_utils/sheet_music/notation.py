"""Chords with ticks and lengths -> note symbols: bars, ties, rests, dots, tuplets, beams.

A length is cut where a reader needs to see the beat: at bar lines, at the edges of tuplets, and at any place of the
bar stronger than the one it starts from, except for the usual syncopations.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .bars import Bars
from .metre import TICKS, Metre
from .voices import Chord

_PLAIN = {
    3: ("32nd", 0), 6: ("16th", 0), 9: ("16th", 1), 12: ("eighth", 0), 18: ("eighth", 1), 24: ("quarter", 0),
    36: ("quarter", 1), 48: ("half", 0), 72: ("half", 1), 96: ("whole", 0), 144: ("whole", 1),
}  # fmt: skip
_FLAGS = {"eighth": 1, "16th": 2, "32nd": 3}
NUMBERED = 6  # triplets in a row that are numbered; readers go on counting


@dataclass
class Symbol:
    """One note, chord or rest on the page.

    Attributes:
        tick, length: ticks; ``tick`` counts from the first bar.
        kind, dots: the note value's MusicXML name, and its dots.
        notes: indices into the performance's notes; empty for a rest.
        tuplet: a triplet note: three in the time of two.
        tie_from, tie_to: tied to the symbol before, after it in its voice.
        bracket: ``"start"``, ``"stop"`` or ``""`` of the tuplet's bracket.
        numbered: whether the tuplet that starts here shows its number.
        beams: ``begin``, ``continue``, ``end``, ``forward hook``, ``backward hook`` for each beam, outermost first.
        hidden: takes time but is not drawn (gaps of the second voice).
        whole_bar: a rest of a whole bar of any length.
        staccato: written with a dot.
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
    numbered: bool = True
    beams: list[str] = field(default_factory=list)
    hidden: bool = False
    whole_bar: bool = False
    staccato: bool = False


def write_voice(chords: list[Chord], bars: Bars, *, secondary: bool = False) -> list[list[Symbol]]:
    """Chords of one voice, in order and without overlap -> the symbols of each bar, including rests.

    A ``secondary`` voice has no symbols in bars without its notes, and its rests are hidden.
    """
    stretches: list[tuple[int, int, list[int]]] = []
    staccato = {chord.tick for chord in chords if chord.staccato}
    now = 0
    for chord in chords:
        if chord.tick > now:
            stretches.append((now, chord.tick, []))
        stretches.append((chord.tick, chord.tick + chord.length, chord.notes))
        now = chord.tick + chord.length
    if now < bars.end:
        stretches.append((now, bars.end, []))
    tuplets = bars.tuplet_beats(tick for stretch in stretches for tick in stretch[:2])
    measures: list[list[Symbol]] = [[] for _ in range(bars.count)]
    for begin, end, notes in stretches:
        pieces = list(_cut(begin, end, bars, tuplets, rest=not notes))
        for i, symbol in enumerate(pieces):
            symbol.notes = notes
            symbol.tie_from, symbol.tie_to = bool(notes) and i > 0, bool(notes) and i < len(pieces) - 1
            symbol.hidden = secondary and not notes
            symbol.staccato = bool(notes) and len(pieces) == 1 and begin in staccato
            measures[int(bars.number(symbol.tick))].append(symbol)
    for number, measure in enumerate(measures):
        if not any(symbol.notes for symbol in measure):
            length = bars.start(number + 1) - bars.start(number)
            rest = Symbol(bars.start(number), length, whole_bar=True)
            measures[number] = [] if secondary else [rest]
            continue
        _bracket(measure, bars)
        _beam(measure, bars)
    _number_triplets([symbol for measure in measures for symbol in measure])
    return measures


def _cut(begin: int, end: int, bars: Bars, tuplets: dict[int, int], *, rest: bool):
    """``[begin, end)`` -> symbols, cut at bar lines, tuplet edges and strong metrical positions."""
    while begin < end:
        stop = min(end, bars.start(int(bars.number(begin)) + 1))
        beat = bars.beat_start(begin)
        if beat in tuplets and not (begin == beat and stop >= beat + tuplets[beat]):
            stop = min(stop, beat + tuplets[beat])
            yield from _cut_tuplet(begin, stop)
        else:
            ahead = [t for t, length in tuplets.items() if begin < t < stop < t + length]
            stop = min([stop, *ahead])
            place, metre = int(bars.place(begin)), bars.metre_at(begin)
            yield from _cut_plain(begin, stop, place, metre, rest=rest)
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


def _cut_plain(begin: int, end: int, place: int, metre: Metre, *, rest: bool):
    length = end - begin
    if length in _PLAIN and _readable(place, length, metre, rest):
        yield Symbol(begin, length, *_PLAIN[length])
        return
    inside = [t for t in range(begin + 1, end) if (t - begin + place) % 3 == 0]
    if not inside:  # off the grid: it cannot be written more simply
        yield Symbol(begin, length, *_PLAIN[min(_PLAIN, key=lambda value: abs(value - length))])
        return
    middle = max(inside, key=lambda t: (_strength(t - begin + place, metre), -abs(t - begin - length / 2)))
    yield from _cut_plain(begin, middle, place, metre, rest=rest)
    yield from _cut_plain(middle, end, place + middle - begin, metre, rest=rest)


def _strength(place: int, metre: Metre) -> int:
    beat = metre.beat_ticks
    if place % metre.ticks == 0:
        return 4
    if metre.beats == 4 and place % (2 * beat) == 0:
        return 3
    if place % beat == 0:
        return 2
    half = 12 if beat == 36 else beat // 2
    return int(place % half == 0) - int(place % 6 != 0)


def _readable(place: int, length: int, metre: Metre, rest: bool) -> bool:
    """Whether a symbol of this length at this position in the bar leaves the beat visible."""
    beat = metre.beat_ticks
    compound = beat == 36
    if compound and length > beat and length % beat:
        return False
    if compound and length == beat and place % beat:
        return False
    if metre.ticks == length and not place:
        return True
    if beat == 12 and metre.ticks == 36:  # a bar of 3/8 is one group
        return not rest or length in (12, 6, 3)
    inside = [_strength(p, metre) for p in range(place + 1, place + length) if p % 3 == 0]
    strongest = max(inside, default=-1)
    if _strength(place, metre) >= strongest and not (rest and not compound and _PLAIN[length][1]):
        return True
    if rest:
        return False
    if place // beat == (place + length - 1) // beat:
        return True
    syncopation = length == beat and place % (beat // 2) == 0 and strongest < 3
    return not compound and (syncopation or (length == 2 * beat and place % beat == 0 and strongest < 4))


def _bracket(measure: list[Symbol], bars: Bars) -> None:
    groups: dict[int, list[Symbol]] = {}
    for symbol in measure:
        if symbol.tuplet:
            groups.setdefault(bars.beat_start(symbol.tick), []).append(symbol)
    for group in groups.values():
        if len(group) > 1:
            group[0].bracket, group[-1].bracket = "start", "stop"


def _number_triplets(line: list[Symbol]) -> None:
    """Hides the numbers of triplets after :data:`NUMBERED` of three equal beamed notes, up to the next other group."""
    in_a_row = at = 0
    while at < len(line):
        group = line[at : at + 3]
        even = len(group) == 3 and all(s.tuplet and s.notes and s.kind == group[0].kind and s.beams for s in group)
        if even and group[0].bracket == "start" and group[2].bracket == "stop":
            in_a_row, at = in_a_row + 1, at + 3
            group[0].numbered = in_a_row <= NUMBERED
            continue
        if line[at].tuplet or (line[at].notes and line[at].kind in _FLAGS):
            in_a_row = 0
        at += 1


def _beam(measure: list[Symbol], bars: Bars) -> None:
    """Beams notes shorter than a quarter within a beat; plain eighths across half a bar of four or a bar of three."""
    metre = bars.metre_at(measure[0].tick)
    beat = metre.beat_ticks
    wide = {4: 2, 3: 3, 2: 2}.get(metre.beats, 1) * beat if beat <= TICKS else beat
    if beat > 36:  # beats of half notes: beam by quarters
        beat = TICKS
    if beat < TICKS:
        beat = wide if wide <= 36 else 2 * beat
    spans: dict[int, list[Symbol]] = {}
    for symbol in measure:
        spans.setdefault(int(bars.place(symbol.tick)) // wide, []).append(symbol)
    for span in spans.values():
        even = all(s.notes and s.kind == "eighth" and not s.dots and not s.tuplet for s in span)
        width = wide if even else beat
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
