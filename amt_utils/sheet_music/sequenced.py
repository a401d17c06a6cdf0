"""Sequenced MIDI files whose ticks are score positions: beats, signatures, hands and note values for training.

Examples are the pieces of piano-midi.de that MAPS uses (Emiya et al., "Multipitch estimation of piano sounds using a
new probabilistic spectral smoothness principle", TASLP 2010): entered note by note from the score, with a track for
each hand and rubato in the tempo map. A-MAPS (Ycart and Benetos, ISMIR 2018 late-breaking) reads them in the same way.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path

import numpy as np

from ..music.midi import TempoMap, read_midi_and_tempo
from ..music.midi_events import read_events
from ..music.notes import Performance
from ..system.errors import AmtError
from .asap import ALIGNED, Aligned, Annotations
from .events import find_events
from .metre import Metre
from .note_network import NAMES
from .spelling import Key, spell

WRITTEN_VALUES = np.array(
    [1 / 8, 1 / 6, 1 / 4, 1 / 3, 3 / 8, 1 / 2, 2 / 3, 3 / 4, 1, 4 / 3, 3 / 2, 2, 3, 4, 6]
)  # quarters
HELD = (0.90, 1.01)  # range of played length / note value of notes that are not staccato
ON_GRID = 0.9  # least share of onsets on a 24th of a quarter, in a file whose ticks are score positions
SHINGLE, SAME = 10, 0.08  # events per shingle; share of shingles in common from which two files are one composition
OWN_TRACK = 0.1  # least share of the notes in the track of each hand


@dataclass(frozen=True)
class Sequenced:
    """One file, with the same attributes as :class:`.asap.Aligned`.

    Attributes:
        name: file name without its extension.
        midi: path of the file.
        held_out: ``False``; sequenced pieces are used in training only.
    """

    name: str
    midi: Path
    held_out: bool = False

    @property
    def composition(self) -> str:
        return self.name

    @cached_property
    def _read(self) -> tuple[Performance, TempoMap]:
        return read_midi_and_tempo(self.midi)

    @property
    def performance(self) -> Performance:
        return self._read[0]

    @cached_property
    def annotations(self) -> Annotations:
        return _find_beats(*self._read)[0]

    @cached_property
    def alignment(self) -> np.ndarray:
        """``(n,)`` of :data:`.asap.ALIGNED`, with voice 0; the duration is minus the played length if it is unknown."""
        performance, tempo = self._read
        beats, ticks, bars = _find_beats(performance, tempo)
        notes, unit = performance.notes, tempo.ticks_per_beat
        begin, end = tempo.to_ticks(notes["onset"]), tempo.to_ticks(notes["offset"])
        rows = np.zeros(len(notes), ALIGNED)
        rows["note"] = np.arange(len(notes))
        rows["quarter"] = (begin - ticks[0]) / unit
        rows["duration"] = _written_values((end - begin) / unit)
        bar = np.clip(np.searchsorted(bars, begin, side="right") - 1, 0, None)
        rows["measure"], rows["place"] = bar, (begin - bars[bar]) / unit
        rows["staff"] = _find_staves(self.midi, begin, notes["pitch"])
        beat = np.clip(np.searchsorted(ticks, begin, side="right") - 1, 0, None)
        for fifths in np.unique(beats.fifths):
            own = beats.fifths[beat] == fifths
            names = spell(notes["pitch"][own], np.zeros((own.sum(), len(NAMES))), Key(int(fifths)))
            rows["step"][own], rows["alter"][own], rows["octave"][own] = names
        return rows[np.lexsort((rows["note"], rows["quarter"]))]


def find_sequenced(
    folder: str | os.PathLike, *, held_out: Iterable[Aligned] = (), without: Iterable[str] = ()
) -> list[Sequenced]:
    """The sequenced pieces in a folder and its subfolders, each composition once.

    Args:
        folder: folder of MIDI files.
        held_out: performances of held-out compositions; files with the same music are left out.
        without: patterns of file names to leave out (``*op10*``).

    Raises:
        AmtError: the folder has no sequenced piece.
    """
    found: list[Sequenced] = []
    known = [_shingles(own.performance) for own in held_out]
    for path in sorted(Path(folder).rglob("*.mid")):
        if any(fnmatch(path.stem, pattern) for pattern in without):
            continue
        own = Sequenced(path.stem, path)
        if not _is_sequenced(own):
            continue
        music = _shingles(own.performance)
        if not any(len(music & other) > SAME * min(len(music), len(other)) for other in known):
            known.append(music)
            found.append(own)
    if not found:
        raise AmtError(f"{folder}: no MIDI files below it whose ticks are places in a score")
    return found


def _is_sequenced(own: Sequenced) -> bool:
    performance, tempo = own._read
    if len(performance.notes) < 50 or len(tempo.tempos) < 2 or not tempo.time_signatures:
        return False
    place = tempo.to_ticks(performance.notes["onset"]) / tempo.ticks_per_beat * 24
    return float(np.mean(np.abs(place - np.rint(place)) < 0.05)) >= ON_GRID


def _shingles(performance: Performance) -> set[bytes]:
    """Intervals between the highest notes of successive events, in runs of :data:`SHINGLE`, for any key and tempo."""
    notes = performance.notes
    events = find_events(notes)
    top = np.zeros(len(events.time), int)
    np.maximum.at(top, events.of_note, notes["pitch"])
    steps = np.diff(top).astype(np.int8)
    return {steps[i : i + SHINGLE].tobytes() for i in range(len(steps) - SHINGLE + 1)}


def _find_beats(performance: Performance, tempo: TempoMap) -> tuple[Annotations, np.ndarray, np.ndarray]:
    """Beats, their ticks, and the ticks of bars.

    If the first time signature holds for less than a bar of the second, it is a pick-up, which begins no bar.
    """
    unit = tempo.ticks_per_beat
    end = int(tempo.to_ticks(performance.notes["offset"].max()))
    signs = [(t, n, d) for t, n, d in {s[0]: s for s in tempo.time_signatures}.values() if t <= end]
    ticks: list[int] = []
    first: list[bool] = []
    metres: list[tuple[int, int]] = []
    bars: list[int] = []
    for i, (start, numerator, denominator) in enumerate(signs):
        stop = signs[i + 1][0] if i + 1 < len(signs) else end + 1
        metre, pickup = Metre(numerator, denominator), False
        if i == 0 and len(signs) > 1:
            following = Metre(*signs[1][1:])
            pickup = stop - start < following.ticks * unit / 24
            metre = following if pickup else metre
        whole, beat = metre.ticks * unit / 24, metre.beat_ticks * unit / 24
        if pickup:
            bars.append(round(stop - whole))
            times = np.arange(stop - beat, start - 1, -beat)[::-1]
            places = np.full(len(times), 1)
        else:
            bars += np.arange(start, stop, whole).round().astype(int).tolist()
            times = np.arange(start, stop, beat)
            places = np.arange(len(times)) % metre.beats
        ticks += np.rint(times).astype(int).tolist()
        first += (places == 0).tolist()
        metres += [(metre.numerator, metre.denominator)] * len(times)
    ticks.append(ticks[-1] + round(Metre(*metres[-1]).beat_ticks * unit / 24))
    at = np.array(ticks)
    keys = sorted((t, Key.parse(name).fifths) for t, name in tempo.key_signatures) or [(0, 0)]
    which = np.clip(np.searchsorted([t for t, _ in keys], at, side="right") - 1, 0, None)
    fifths = np.array([f for _, f in keys])[which]
    beats = Annotations(tempo.to_seconds(at), np.array([*first, False]), np.array([*metres, metres[-1]]), fifths)
    return beats, at, np.array(bars)


def _written_values(quarters: np.ndarray) -> np.ndarray:
    """Played lengths in quarters -> note values in quarters; minus the played length if no value is near."""
    share = quarters[:, None] / WRITTEN_VALUES
    fits = (share >= HELD[0]) & (share <= HELD[1])
    nearest = np.where(fits, np.abs(np.log(np.maximum(share, 1e-6))), np.inf).argmin(1)
    return np.where(fits.any(1), WRITTEN_VALUES[nearest], -quarters)


def _find_staves(path: Path, begin: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """Staff of each note: 2 in the track with the lower mean pitch, 1 in the other; 0 unless there are two tracks."""
    messages = read_events(path).messages
    played = messages[(messages[:, 2] >> 4 == 9) & (messages[:, 4] > 0)]
    tracks = [t for t in np.unique(played[:, 0]) if np.mean(played[:, 0] == t) >= OWN_TRACK]
    if len(tracks) != 2:
        return np.zeros(len(begin), int)
    right = max(tracks, key=lambda t: float(played[played[:, 0] == t, 3].mean()))
    of_note = {(int(tick), int(key)): (1 if track == right else 2) for track, tick, _, key, _ in played.tolist()}
    return np.array([of_note.get((int(t), int(p)), 0) for t, p in zip(begin, pitch, strict=True)])
