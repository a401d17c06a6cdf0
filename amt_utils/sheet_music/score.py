"""A performance -> sheet music: beats, bars, two staves, voices, names, pedal marks; MusicXML, SVG, PDF, tempo map.

    notes → events → beats and metre → ticks → hands → voices, lengths → symbols → MusicXML → engraving

``make_score`` does it all; what it guesses (tempo, metre, key, pick-up) can be given instead.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from ..music.midi import TempoMap
from ..music.notes import Performance, check_notes
from ..system.errors import AmtError
from .bar_network import read_bars
from .bars import Bars
from .beats import Beats, find_beats, given_beats
from .events import find_events
from .evidence import log_softmax, weigh_events
from .hands import LEFT, RIGHT, assign_hands
from .layout import choose_clefs, dynamic_marks, lay_bars, pedal_marks
from .metre import TICKS, Metre
from .musicxml import Page, note_id, to_musicxml
from .notation import write_voice
from .note_network import VALUES, WEIGHTS, read_notes
from .quantise import quantise
from .spelling import Key, find_keys, spell
from .tapped import Tapped
from .tracking import BeatModel
from .voices import separate_voices, write_lengths

POSITION = np.dtype(
    [("note", "i8"), ("measure", "i8"), ("beat", "f8"), ("tick", "i8"), ("length", "i8"), ("staff", "i1"),
     ("voice", "i1"), ("id", "U24")]
)  # fmt: skip

STACCATO_HELD = 0.6  # of its written length, a chord with a staccato dot is held no longer


@dataclass(frozen=True)
class Score:
    """Sheet music of a performance.

    Attributes:
        page: what is written, ready for :func:`amt_utils.sheet_music.musicxml.to_musicxml`.
        beats: the beat grid in seconds.
        first_tick: tick of the page that falls on ``beats.times[0]``.
        positions: one row per written note, ordered by tick: ``note`` (index into the performance's notes),
            ``measure`` (as printed; 0 is a pick-up), ``beat`` (1.0 is the bar's first), ``tick`` and ``length`` (24 to
            the quarter), ``staff`` (1 upper), ``voice``, ``id`` (of the note's element in MusicXML and SVG).
            Notes struck again at the same place of the grid are written once.
    """

    page: Page
    beats: Beats
    first_tick: int
    positions: np.ndarray

    @property
    def metre(self) -> Metre:
        """The time signature of most bars."""
        return self.page.bars.metre

    @property
    def key(self) -> Key:
        return self.page.key

    @property
    def tempo(self) -> float:
        """Median beats of the metre per minute."""
        return self.page.tempo

    @cached_property
    def musicxml(self) -> str:
        return to_musicxml(self.page)

    def save_musicxml(self, path: str | os.PathLike) -> Path:
        """Writes MusicXML, whole or not at all."""
        return _save(path, self.musicxml.encode())

    def to_svg(self, **options) -> list[str]:
        """One SVG per page; ``options`` are verovio's (``scale``, ``pageWidth`` ...)."""
        from .engrave import to_svg

        return to_svg(self.musicxml, **options)

    def save_svg(self, path: str | os.PathLike, **options) -> list[Path]:
        """Writes ``score.svg``, and ``score-2.svg`` ... where there are more pages."""
        path, pages = Path(path), self.to_svg(**options)
        names = [path] + [path.with_stem(f"{path.stem}-{i}") for i in range(2, 1 + len(pages))]
        return [_save(name, page.encode()) for name, page in zip(names, pages, strict=True)]

    def save_pdf(self, path: str | os.PathLike, **options) -> Path:
        """Writes all pages as one PDF."""
        from .engrave import to_pdf

        return _save(path, to_pdf(self.to_svg(**options)))

    def to_tick(self, seconds) -> np.ndarray:
        """Seconds of the recording -> ticks of the page (float)."""
        return self.beats.beat_to_tick(self.beats.to_beat(seconds)) + self.first_tick

    def to_seconds(self, tick) -> np.ndarray:
        """Ticks of the page -> seconds of the recording."""
        return self.beats.to_seconds(self.beats.tick_to_beat(np.asarray(tick, float) - self.first_tick))

    def where(self, seconds: float) -> tuple[int, float]:
        """Where the recording is at ``seconds``: measure (as printed) and beat (1.0 is the bar's first)."""
        return _measure_and_beat(self.page.bars, float(self.to_tick(seconds)))

    @cached_property
    def tempo_map(self) -> TempoMap:
        """Tempo and metre for :func:`amt_utils.music.midi.write_midi`: bars of a DAW fall on the bars of the score."""
        return _tempo_map(self)


def make_score(
    performance: Performance,
    *,
    tempo: float | None = None,
    metre: str | tuple[int, int] | Metre | None = None,
    key: str | Key | None = None,
    pickup: float | None = None,
    beats: Tapped | None = None,
    pedal: bool = True,
    title: str = "",
    model: BeatModel | None = None,
    weights: str | os.PathLike = WEIGHTS,
) -> Score:
    """Notes with key ends and pedals -> sheet music.

    Args:
        performance: may be empty.
        tempo: beats of the metre per minute, about; estimated when ``None``.
        metre: ``"3/4"``; estimated when ``None``.
        key: ``"Eb"``, ``"F#m"``; estimated when ``None``.
        pickup: beats before the first full bar, from the first note on; estimated when ``None``.
        beats: tapped or annotated beats (:func:`.tapped.read_beats`); tempo and pick-up follow from them.
        pedal: write pedal marks.
        title: printed above the music.
        model: of the beat tracker.
        weights: of the network.

    Raises:
        AmtError: an argument is not of its range.
    """
    notes = check_notes(performance.notes)
    if tempo is not None and not 10 <= tempo <= 600:
        raise AmtError(f"tempo {tempo}: beats per minute must lie in 10..600")
    if pickup is not None and not 0 <= pickup < 32:
        raise AmtError(f"pickup {pickup}: beats before the first full bar must lie in 0..32")
    asked = Metre.parse(metre) if metre is not None else None
    told = Key.parse(key) if key is not None else None
    if not len(notes):
        return _empty_score(asked or Metre(), told or Key(), tempo or 120.0, title)
    reading = read_notes(performance, weights)
    events = find_events(notes)
    evidence = weigh_events(reading, events)
    read = partial(read_bars, notes, events, path=weights)
    if beats is not None:
        grid = given_beats(beats.times, beats.first, events, evidence, metre=asked, read=read)
    else:
        grid = find_beats(events, evidence, tempo=tempo, metre=asked, pickup=pickup, model=model, read=read)
    event_tick, grid = quantise(evidence, grid, moved=beats is None)
    tick = event_tick[events.of_note]
    ends = grid.beat_to_tick(grid.to_beat(notes["offset"]))
    held = np.maximum(ends - grid.beat_to_tick(grid.to_beat(notes["onset"])), 1.0)
    longest = int(np.max(tick + np.minimum(held, 4 * TICKS)))
    bars, shift = lay_bars(int(tick.min()), max(int(tick.max()), longest - 12), grid, pickup)
    tick = tick + shift
    written = _first_of_each(notes["pitch"], tick)
    keys = [told] if told else find_keys(reading.key, notes["pitch"], notes["offset"] - notes["onset"])
    steps, alters, octaves = spell(notes["pitch"], reading.name, keys[0])
    hands = assign_hands(notes, events, reading.staff)
    value = log_softmax(reading.value)
    beat = np.array([metre_.beat_ticks for metre_ in bars.metres])[bars.number(tick)]
    want = VALUES[value.argmax(1)] * beat
    division = _divisions(grid, shift)
    voices, placed = [], []
    for hand, staff in ((RIGHT, 1), (LEFT, 2)):
        own = written[hands[written] == hand]
        own = own[np.lexsort((notes["pitch"][own], tick[own]))]
        chords = separate_voices(tick[own], notes["pitch"][own], want[own], bars.number(tick[own]), reading.voice[own])
        for chord in chords:
            chord.notes = [int(own[i]) for i in chord.notes]
        write_lengths(chords, value, bars, division, held)
        for chord in chords:
            cut_short = np.median(held[chord.notes]) < STACCATO_HELD * chord.length
            chord.staccato = bool(cut_short and np.mean(reading.short[chord.notes]) > 0)
        for voice in (1, 2):
            line = [chord for chord in chords if chord.voice == voice]
            voices.append((staff, voice, write_voice(line, bars, secondary=voice == 2)))
            placed += [(chord, note, staff) for chord in line for note in chord.notes]
    names = list(zip(steps.tolist(), alters.tolist(), octaves.tolist(), strict=True))
    marks = pedal_marks(performance.pedals, grid, shift, bars) if pedal else []
    marks += dynamic_marks(notes["velocity"], tick, bars) if np.ptp(notes["velocity"]) else []
    page = Page(bars, keys[0], grid.tempo, voices, names, choose_clefs(voices, names, bars.count), marks, title)
    return Score(page, grid, shift, _positions(placed, bars))


def _divisions(beats: Beats, shift: int) -> dict[int, int]:
    """Tick at which a beat begins -> its division, where it is not 1."""
    return {int(t) + shift: int(s) for t, s in zip(beats.ticks, beats.divisions, strict=False) if s > 1}


def _first_of_each(pitch: np.ndarray, tick: np.ndarray) -> np.ndarray:
    """Indices of the notes to write: of several at one key and tick, the first."""
    _, first = np.unique(np.column_stack([tick, pitch]), axis=0, return_index=True)
    return np.sort(first)


def _positions(placed: list, bars: Bars) -> np.ndarray:
    rows = np.zeros(len(placed), POSITION)
    for i, (chord, note, staff) in enumerate(placed):
        measure, beat = _measure_and_beat(bars, chord.tick)
        rows[i] = (note, measure, beat, chord.tick, chord.length, staff, chord.voice, note_id(note, 0))
    return rows[np.lexsort((rows["note"], rows["tick"]))]


def _measure_and_beat(bars: Bars, tick: float) -> tuple[int, float]:
    number = int(bars.number(tick))
    return number + (0 if bars.pickup else 1), float(1 + bars.place(tick) / bars.metres[number].beat_ticks)


def _tempo_map(score: Score) -> TempoMap:
    bars, per_tick = score.page.bars, 960 // TICKS
    # tick 0 is second 0: what comes before the first whole bar is counted in beats of equal length
    opening = bars.metres[0]
    numbers = range(1 if bars.pickup else 0, bars.count)
    number = next((n for n in numbers if score.to_seconds(bars.start(n)) > -0.05), bars.count - 1)
    begin = max(float(score.to_seconds(bars.start(number))), 0.0)
    usual = 60 / score.tempo
    lead = max(int(round(begin / usual)), int(begin > 0.3 * usual))
    page: list[int] = []
    for n in range(number, bars.count):
        page += range(bars.start(n), bars.start(n + 1), bars.metres[n].beat_ticks)
    page.append(bars.end)
    shift = lead * opening.beat_ticks - page[0]
    before = np.linspace(0, begin, lead + 1)[:-1] if lead else np.zeros(0)
    times = np.concatenate([before, score.to_seconds(page)])
    ticks = np.concatenate([np.arange(lead) * opening.beat_ticks, np.array(page) + shift])
    times[0] = 0.0
    tempos: list[tuple[int, int]] = []
    clock = 0.0
    for i, until in enumerate(times[1:]):
        quarters = (ticks[i + 1] - ticks[i]) / TICKS
        tempo = int(np.clip(round((until - clock) / quarters * 1e6), 1, 0xFFFFFF))
        clock += tempo * quarters / 1e6  # rounding does not add up
        if not tempos or tempos[-1][1] != tempo:
            tempos.append((int(ticks[i]) * per_tick, tempo))
    upbeat = lead % opening.beats
    signatures = [(0, opening.numerator, opening.denominator)]
    if upbeat:
        signatures = [(0, upbeat * opening.numerator // opening.beats, opening.denominator)]
    for n in range(number, bars.count):
        metre = bars.metres[n]
        first = n == number and bool(upbeat)
        if first or (metre.numerator, metre.denominator) != signatures[-1][1:]:
            at = upbeat * opening.beat_ticks if first else bars.start(n) + shift
            signatures.append((int(at) * per_tick, metre.numerator, metre.denominator))
    signatures = [s for i, s in enumerate(signatures) if not i or s[0] > signatures[i - 1][0]]
    return TempoMap(960, tuple(tempos), tuple(signatures), ((0, score.key.name),))


def _empty_score(metre: Metre, key: Key, tempo: float, title: str) -> Score:
    bars = Bars((metre,))
    beats = Beats(np.arange(metre.beats + 1) * 60 / tempo, np.zeros(1, int), (metre,), np.ones(metre.beats, int))
    voices = [(staff, 1, write_voice([], bars)) for staff in (1, 2)]
    page = Page(bars, key, tempo, voices, [], (["treble"], ["bass"]), [], title)
    return Score(page, beats, 0, np.zeros(0, POSITION))


def _save(path: str | os.PathLike, content: bytes) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    os.replace(partial, path)
    return path
