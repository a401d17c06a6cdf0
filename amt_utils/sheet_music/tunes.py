"""Music from music21's corpus (optional): quartets, chorales, songs, and tunes with a generated accompaniment.

(n)ASAP has fewer than two hundred compositions. The corpus of the package music21 (licences in its
``corpus/license.txt``) has a thousand more, with time and key signatures, note names and bars.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..system.errors import AmtError
from .metre import Metre
from .playing import COUNTED, WRITTEN, Music

COMPOSERS = ("beethoven", "mozart", "haydn", "schumann_robert", "schumann_clara", "chopin", "joplin",
             "schubert", "handel", "beach", "verdi", "cpebach", "corelli")  # fmt: skip
CHORALES, TUNES = "bach", "ryansMammoth"
MOST_PARTS = 5
ACCOMPANIED = 0.8  # share of melodies that are given an accompaniment
LARGEST = 60_000  # bytes: music21 takes minutes to parse larger files
_STEPS = "FCGDAEB"
_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
# triads: root on the line of fifths relative to the tonic, whether minor, weight
_TRIADS = ((0, False, 1.15), (1, False, 1.1), (-1, False, 1.05), (2, True, 1.0), (3, True, 0.95))


def read_corpus(*, chorales: int = 120, tunes: int = 500) -> Iterator[Music]:
    """All music by :data:`COMPOSERS`, and this many chorales and tunes, evenly spaced in the corpus.

    Raises:
        AmtError: music21 is not installed.
    """
    try:
        from music21 import converter, corpus
    except ImportError:
        raise AmtError("the corpus comes with the package music21: pip install music21") from None
    paths = [str(path) for path in corpus.getCorePaths()]
    chosen = [p for p in paths if any(f"/{name}/" in p for name in COMPOSERS) and not p.endswith(".krn")]
    chosen = [p for p in chosen if Path(p).stat().st_size <= LARGEST]
    for name, most in ((CHORALES, chorales), (TUNES, tunes)):
        own = [p for p in paths if f"/{name}/" in p]
        chosen += [own[i] for i in np.unique(np.linspace(0, len(own) - 1, min(most, len(own))).round().astype(int))]
    for path in chosen:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                music = _read(converter.parse(path))
            except Exception:  # music21 raises many types; it cannot read some files of its corpus
                continue
        if music is not None and len(music.notes) >= 40:
            yield music


def _read(score) -> Music | None:
    """A music21 score -> :class:`Music`; ``None`` if it is unsuitable (too many parts, too few bars, no signature)."""
    parts = list(getattr(score, "parts", []))
    if not 1 <= len(parts) <= MOST_PARTS:
        return None
    bars: list[float] = []
    metres, fifths = [], []
    metre, key = (0, 0), 0
    for measure in parts[0].getElementsByClass("Measure"):
        if measure.timeSignature is not None:
            metre = (measure.timeSignature.numerator, measure.timeSignature.denominator)
        if measure.keySignature is not None:
            key = int(measure.keySignature.sharps)
        start = float(measure.offset) - float(measure.paddingLeft)
        if bars and start <= bars[-1]:
            continue
        bars.append(start)
        metres.append(metre)
        fifths.append(key)
    if len(bars) < 4 or not any(m[0] for m in metres):
        return None
    rows = []
    for number, part in enumerate(parts):
        staff = 1 if number < (len(parts) + 1) // 2 else 2
        voice = 1 + (number - (0 if staff == 1 else (len(parts) + 1) // 2)) % 2
        for note in part.stripTies().flatten().notes:
            quarter, duration = float(note.offset), float(note.duration.quarterLength)
            if duration <= 0 or "Harmony" in type(note).__name__ or "ChordSymbol" in type(note).__name__:
                continue
            short = any("Staccat" in type(mark).__name__ for mark in note.articulations)
            for pitch in note.pitches:
                rows.append((quarter, duration, pitch.midi, staff, voice, pitch.step, int(pitch.alter),
                             pitch.octave or 4, short, True))  # fmt: skip
    notes = np.unique(np.array(rows, WRITTEN))
    notes = notes[np.lexsort((notes["pitch"], notes["quarter"]))]
    return Music(notes, np.array(bars), np.array(metres), np.array(fifths)) if len(notes) else None


def accompany_some(music: Music, rng: np.random.Generator) -> Music:
    """Accompanies most melodies (:func:`accompany`); returns other music unchanged."""
    alone = (music.notes["staff"] == 1).all()
    return accompany(music, rng) if alone and rng.random() < ACCOMPANIED else music


def accompany(music: Music, rng: np.random.Generator) -> Music:
    """Adds a simple left hand to a melody: triads of the key in a common accompaniment pattern."""
    pattern = rng.choice(["chords", "broken", "held", "bass"])
    rows = []
    ends = np.append(music.bars[1:], music.notes["quarter"][-1] + 1.0)
    triad = _TRIADS[0]
    for start, end, signature, fifths in zip(music.bars, ends, music.metres, music.fifths, strict=True):
        signature = tuple(int(x) for x in signature)
        if not signature[0]:
            continue
        metre = Metre(*COUNTED.get(signature, signature))
        unit, beats = metre.quarters_per_beat, metre.beats
        own = music.notes[(music.notes["quarter"] >= start) & (music.notes["quarter"] < end)]
        if not len(own) or end - start < metre.beats * unit - 1e-6:
            continue  # a pick-up or an empty bar
        triad = _choose_triad(own, int(fifths), triad)
        root = int(fifths) + triad[0]
        places = (root, root - 3 if triad[1] else root + 4, root + 1)
        bass, chord = _spell(places[0], 36, 50), [_spell(place, 48, 65) for place in places]
        rows += _figure(pattern, start, unit, beats, metre.compound, bass, sorted(chord))
    added = np.array([(q, d, p[0], 2, 1, p[1], p[2], p[3], False, True) for q, d, p in rows], WRITTEN)
    notes = np.concatenate([music.notes, added])
    notes["staff"][: len(music.notes)] = 1
    return Music(notes[np.lexsort((notes["pitch"], notes["quarter"]))], music.bars, music.metres, music.fifths)


def _figure(pattern: str, start: float, unit: float, beats: int, compound: bool, bass, chord) -> list[tuple]:
    """One bar: ``(quarter, duration, (pitch, step, alter, octave))`` of each note."""
    times = start + unit * np.arange(beats)
    if pattern == "held":
        return [(start, beats * unit, tone) for tone in (bass, *chord[:2])]
    if pattern == "bass":
        return [(t, unit, bass) for t in times]
    parts = 3 if compound else 2 if beats in (2, 4) and (beats == 2 or pattern == "broken") else 1
    step = unit / parts
    rows = []
    for i in range(beats * parts):
        t = start + i * step
        if pattern == "broken" and beats * parts > 3:
            low, middle, high = chord
            rows.append((t, step, (low, high, middle, high)[i % 4] if parts == 2 else (low, middle, high)[i % 3]))
        elif i % parts == 0 and (parts > 1 or i == 0 or (beats == 4 and i == 2)):
            rows.append((t, step, bass))
        else:
            rows += [(t, step, tone) for tone in chord]
    return rows


def _choose_triad(own: np.ndarray, fifths: int, before: tuple) -> tuple:
    """The triad that contains most of a bar's notes, weighted by duration; the first note counts twice."""
    line = np.array([_STEPS.index(s) - 1 for s in own["step"]]) + 7 * own["alter"].astype(int) - fifths
    weight = own["duration"] * np.where(np.arange(len(own)) == 0, 2.0, 1.0)
    best, most = before, -1.0
    for triad in _TRIADS:
        root, minor, usual = triad
        tones = (root, root - 3 if minor else root + 4, root + 1)
        fit = usual * float(weight[np.isin(line, tones)].sum())
        if fit > most:
            best, most = triad, fit
    return best


def _spell(place: int, low: int, high: int) -> tuple[int, str, int, int]:
    """A position on the line of fifths -> lowest pitch from ``low`` on, step, alteration, octave."""
    step, alter = _STEPS[(place + 1) % 7], (place + 1) // 7
    pitch = _SEMITONES[step] + alter
    pitch += 12 * int(np.ceil((low - pitch) / 12))
    return pitch, step, alter, (pitch - alter - _SEMITONES[step]) // 12 - 1
