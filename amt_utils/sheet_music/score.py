"""A performance -> sheet music: beats, bars, two staves, voices, names, pedal marks; MusicXML, SVG, PDF, tempo map.

    notes → events → beats and metre → ticks → hands → voices, lengths → symbols → MusicXML → engraving

``make_score`` finds beats, bars and key, which is all that a tempo map needs; the page is written on first use.
Tempo, metre, key and pick-up are estimated, or can be given.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from ..music.midi import TempoMap
from ..music.notes import Performance, check_notes
from ..system.errors import AmtError
from ..system.files import written_whole
from .bar_network import read_bars
from .bars import Bars
from .beats import Beats, find_beats, given_beats
from .events import find_events
from .evidence import weigh_events
from .layout import lay_bars
from .metre import TICKS, Metre
from .musicxml import Page, to_musicxml
from .note_network import WEIGHTS, read_notes
from .quantise import quantise
from .spelling import Key, find_keys, most_common
from .tapped import Tapped
from .tracking import BeatModel
from .writing import Placed, measure_and_beat, write_page, write_rests


@dataclass(frozen=True)
class Score:
    """Sheet music of a performance.

    Attributes:
        beats: the beat grid in seconds.
        first_tick: tick of the page at ``beats.times[0]``.
        bars: of the page.
        keys: the key of each bar.
        write: returns the page and the positions.
    """

    beats: Beats
    first_tick: int
    bars: Bars
    keys: tuple[Key, ...]
    write: Callable[[], tuple[Page, np.ndarray]]

    @cached_property
    def _written(self) -> tuple[Page, np.ndarray]:
        return self.write()

    @property
    def page(self) -> Page:
        """The page, as input of :func:`amt_utils.sheet_music.musicxml.to_musicxml`."""
        return self._written[0]

    @property
    def positions(self) -> np.ndarray:
        """One row per written note, ordered by tick; of several notes at one pitch and tick, only the first is written.

        ``note`` (index into the performance's notes), ``measure`` (as printed; 0 is a pick-up), ``beat`` (1.0 is the
        bar's first), ``tick`` and ``length`` (24 to the quarter), ``staff`` (1: upper), ``voice``, ``id`` (of the
        note's element in MusicXML and SVG).
        """
        return self._written[1]

    @property
    def metre(self) -> Metre:
        """The time signature of most bars."""
        return self.bars.metre

    @property
    def key(self) -> Key:
        """The key of most bars."""
        return most_common(self.keys)

    @property
    def tempo(self) -> float:
        """Median beats of the metre per minute."""
        return self.beats.tempo

    @cached_property
    def musicxml(self) -> str:
        return to_musicxml(self.page)

    def save_musicxml(self, path: str | os.PathLike) -> Path:
        """Writes a MusicXML file, atomically."""
        return _save(path, self.musicxml.encode())

    def to_svg(self, **options) -> list[str]:
        """One SVG per page; ``options`` are verovio's (``scale``, ``pageWidth`` ...)."""
        from .engrave import to_svg

        return to_svg(self.musicxml, **options)

    def save_svg(self, path: str | os.PathLike, **options) -> list[Path]:
        """Writes ``score.svg``, and ``score-2.svg`` ... if there are more pages."""
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
        return measure_and_beat(self.bars, float(self.to_tick(seconds)))

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
        tempo: approximate beats of the metre per minute; estimated when ``None``.
        metre: ``"3/4"``; estimated when ``None``.
        key: ``"Eb"``, ``"F#m"``; estimated when ``None``.
        pickup: beats before the first full bar, from the first note on; estimated when ``None``.
        beats: tapped or annotated beats (:func:`.tapped.read_beats`); tempo and pick-up follow from them.
        pedal: write pedal marks.
        title: printed above the music.
        model: parameters of the beat tracker.
        weights: file of the networks' weights.

    Raises:
        AmtError: an argument is out of range.
    """
    notes = check_notes(performance.notes)
    if tempo is not None and not 10 <= tempo <= 600:
        raise AmtError(f"tempo {tempo}: beats per minute must lie in 10..600")
    if pickup is not None and not 0 <= pickup < 32:
        raise AmtError(f"pickup {pickup}: beats before the first full bar must lie in 0..32")
    asked = Metre.parse(metre) if metre is not None else None
    given_key = Key.parse(key) if key is not None else None
    if not len(notes):
        return _empty_score(asked or Metre(), given_key or Key(), tempo or 120.0, title)
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
    length = notes["offset"] - notes["onset"]
    found = find_keys(reading.key, notes["pitch"], length, bars.number(tick), bars.count) if given_key is None else None
    keys = tuple(found or [given_key or Key()] * bars.count)
    placed = Placed(notes, performance.pedals if pedal else None, events, reading, tick, held)
    return Score(grid, shift, bars, keys, partial(write_page, placed, grid, shift, bars, keys, title))


def _tempo_map(score: Score) -> TempoMap:
    bars, per_tick = score.bars, 960 // TICKS
    # tick 0 is second 0: time before the first whole bar is divided into equal beats
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
        clock += tempo * quarters / 1e6  # so that rounding errors do not accumulate
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
    keys = [(0, score.keys[number].name)]
    for n in range(number + 1, bars.count):
        if score.keys[n] != score.keys[n - 1]:
            keys.append(((bars.start(n) + shift) * per_tick, score.keys[n].name))
    return TempoMap(960, tuple(tempos), tuple(signatures), tuple(keys))


def _empty_score(metre: Metre, key: Key, tempo: float, title: str) -> Score:
    bars = Bars((metre,))
    beats = Beats(np.arange(metre.beats + 1) * 60 / tempo, np.zeros(1, int), (metre,), np.ones(metre.beats, int))
    return Score(beats, 0, bars, (key,), partial(write_rests, bars, key, tempo, title))


def _save(path: str | os.PathLike, content: bytes) -> Path:
    with written_whole(path) as partial_file:
        partial_file.write_bytes(content)
    return Path(path)
