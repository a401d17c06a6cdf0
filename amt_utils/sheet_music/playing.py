"""A score -> a simulated performance of it, with the beats and the score note of each performed note.

Few compositions have performances by pianists that are aligned with a score. Scores of many more are played here,
strictly or freely, so that metre, beats and names of the notes are known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..music.notes import HIGHEST_PITCH, LOWEST_PITCH, NOTE, SUSTAIN, Performance, make_pedals
from .asap import ALIGNED, Aligned, Annotations
from .metre import Metre
from .sequenced import Sequenced

WRITTEN = np.dtype(
    [("quarter", "f8"), ("duration", "f8"), ("pitch", "i8"), ("staff", "i1"), ("voice", "i1"), ("step", "U1"),
     ("alter", "i1"), ("octave", "i1"), ("short", "?"), ("marked", "?")]
)  # fmt: skip
BEAT_SECONDS = (0.30, 1.1)  # seconds: range of beat lengths
COUNTED = {(6, 4): (6, 8), (9, 4): (9, 8)}  # counted as compound metres


@dataclass(frozen=True)
class Music:
    """Sheet music without grace notes.

    Attributes:
        notes: ``(n,)`` of :data:`WRITTEN`, ordered by quarter and pitch; a negative duration is the played length
            of a note whose value is unknown.
        bars: ``(m,)`` rising quarters at which whole bars begin; the first may begin before the first note.
        metres: ``(m, 2)`` time signature of each bar.
        fifths: ``(m,)`` key signature of each bar.
    """

    notes: np.ndarray
    bars: np.ndarray
    metres: np.ndarray
    fifths: np.ndarray


def written_music(own: Aligned | Sequenced) -> Music | None:
    """The score of an aligned performance; ``None`` if fewer than 100 of its notes are aligned."""
    rows = own.alignment
    rows = rows[~rows["grace"]] if len(rows) else rows
    if len(rows) < 100:
        return None
    beats = own.annotations
    notes = np.zeros(len(rows), WRITTEN)
    for name in ("quarter", "duration", "staff", "voice", "step", "alter", "octave", "short", "marked"):
        notes[name] = rows[name]
    notes["pitch"] = own.performance.notes["pitch"][rows["note"]]
    nearest = np.searchsorted(beats.beats, own.performance.notes["onset"][rows["note"]]).clip(0, len(beats.beats) - 1)
    begin = rows["quarter"] - rows["place"]
    bars: list[float] = []
    metres, fifths = [], []
    for measure in np.unique(rows["measure"]):
        inside = rows["measure"] == measure
        start = float(np.median(begin[inside]))
        if bars and start < bars[-1] + 0.49:
            continue
        first = nearest[inside][0]
        bars.append(start)
        metres.append(beats.metre[first])
        fifths.append(int(beats.fifths[first]))
    notes = notes[np.lexsort((notes["pitch"], notes["quarter"]))]
    return Music(notes, np.array(bars), np.array(metres), np.array(fifths))


def play(music: Music, rng: np.random.Generator, *, notes: int = 500) -> tuple[Performance, Annotations, np.ndarray]:
    """Plays a random passage of about ``notes`` notes -> performance, its beats, and rows of :data:`.asap.ALIGNED`.

    The tempo follows phrases, drifts and slows down at times. Onsets, lengths and velocities vary as a pianist's do;
    some performances are strict.
    """
    first = int(rng.integers(max(1, len(music.notes) - notes + 1)))
    first = int(np.searchsorted(music.notes["quarter"], music.notes["quarter"][first]))  # a whole chord
    written = music.notes[first : first + notes]
    written = written[(written["pitch"] >= LOWEST_PITCH) & (written["pitch"] <= HIGHEST_PITCH)]
    held = np.abs(written["duration"])
    begin, end = float(written["quarter"][0]), float((written["quarter"] + held).max())
    grid, is_first, metre, fifths = _beats(music, begin, end)
    seconds = _beat_seconds(music, grid, rng)
    origin = rng.uniform(0, 2) - float(np.interp(begin, grid, seconds))
    seconds = seconds + origin
    careful = rng.random() < 0.3
    jitter = rng.uniform(0, 0.003 if careful else 0.02)
    onset = np.interp(written["quarter"], grid, seconds) + rng.normal(0, jitter, len(written))
    if not careful and rng.random() < 0.5:  # the melody is slightly early
        onset -= rng.uniform(0, 0.02) * (written["staff"] == 1)
    onset = np.maximum(onset, 0)
    until = np.interp(written["quarter"] + held, grid, seconds)
    touch = rng.uniform(0.55, 1.05) * np.exp(rng.normal(0, 0.02 if careful else 0.15, len(written)))
    touch = np.where(written["short"], 0.5 * touch, touch)
    length = np.maximum((until - onset) * touch, 0.04)
    played = np.zeros(len(written), NOTE)
    played["onset"], played["offset"], played["pitch"] = onset, onset + length, written["pitch"]
    played["velocity"] = _velocities(written, music, rng)
    order = np.lexsort((played["pitch"], played["onset"]))
    played, written = played[order], written[order]
    rows = np.zeros(len(written), ALIGNED)
    bar = np.clip(np.searchsorted(music.bars, written["quarter"] + 1e-6, side="right") - 1, 0, None)
    for name in ("quarter", "duration", "staff", "voice", "step", "alter", "octave", "short", "marked"):
        rows[name] = written[name]
    rows["note"], rows["measure"], rows["place"] = np.arange(len(rows)), bar, written["quarter"] - music.bars[bar]
    pedals = _pedal(music, grid, seconds, rng)
    rising = np.concatenate([[True], np.diff(seconds) > 0.02])
    beats = Annotations(seconds[rising], is_first[rising], metre[rising], fifths[rising])
    return Performance(played, pedals), beats, rows


def _beats(music: Music, begin: float, end: float) -> tuple[np.ndarray, ...]:
    """Beats around ``begin``..``end``: quarters, whether each begins a bar, time and key signatures."""
    quarters: list[float] = []
    first: list[bool] = []
    metres: list[tuple[int, int]] = []
    fifths: list[int] = []
    for i, start in enumerate(music.bars):
        stop = music.bars[i + 1] if i + 1 < len(music.bars) else max(end, start) + 4.0
        signature = (int(music.metres[i][0]), int(music.metres[i][1]))
        metre = Metre(*COUNTED.get(signature, signature)) if signature[0] else Metre()
        unit = metre.quarters_per_beat * (2 if signature in COUNTED else 1)
        if stop < begin - 4 or start > end + 4:
            continue
        count = max(1, int(np.ceil((stop - start) / unit - 1e-6)))
        quarters += (start + unit * np.arange(count)).tolist()
        first += [True] + [False] * (count - 1)
        metres += [signature] * count
        fifths += [int(music.fifths[i])] * count
    quarters.append(quarters[-1] + 1.0)
    return (np.array(quarters), *(np.array([*x, x[-1]]) for x in (first, metres, fifths)))


def _beat_seconds(music: Music, grid: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Seconds ``(n,)`` of the beats, with a random tempo and random variations of it."""
    n = len(grid)
    quick = np.diff(grid)
    dense = len(music.notes) / max(np.ptp(music.notes["quarter"]), 1.0) * float(np.median(quick))  # notes per beat
    usual = np.exp(rng.normal(np.log(0.55), 0.3)) * np.clip(dense / 3, 0.6, 1.8) ** 0.5
    usual = float(np.clip(usual, *BEAT_SECONDS))
    freedom = rng.choice([0.0, 0.3, 1.0, 1.6])
    beat = np.arange(n - 1)
    phrase = rng.choice([8, 12, 16, 24, 32])
    tempo = 0.10 * rng.normal() * np.cos(2 * np.pi * (beat / phrase + rng.random()))
    tempo = tempo + np.cumsum(rng.normal(0, 0.02, n - 1)) + rng.normal(0, 0.025, n - 1)
    tempo = tempo - tempo.mean()
    for place in np.flatnonzero(rng.random(n - 1) < 0.012).tolist():  # a ritardando
        slowing = np.linspace(0.1, rng.uniform(0.2, 0.7), 4)
        tempo[max(0, place - 3) : place + 1] += slowing[max(0, 3 - place) :]
    length = usual * quick / np.median(quick) * np.exp(np.clip(freedom * tempo, -0.7, 1.0))
    return np.concatenate([[0.0], np.cumsum(length)])


def _velocities(written: np.ndarray, music: Music, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.15:
        return np.full(len(written), rng.integers(50, 100))
    loud = rng.uniform(50, 80) + rng.uniform(0, 14) * (written["staff"] == 1)
    swell = rng.uniform(0, 10) * np.sin(2 * np.pi * (written["quarter"] / rng.uniform(8, 32) + rng.random()))
    on_bar = np.isin(np.round(written["quarter"], 3), np.round(music.bars, 3))
    loud = loud + swell + rng.uniform(-1, 10) * on_bar + rng.normal(0, rng.uniform(1, 8), len(written))
    return np.clip(np.rint(loud), 1, 127)


def _pedal(music: Music, grid: np.ndarray, seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """No pedal, or one that is changed slightly after bar lines or half bars."""
    if rng.random() < 0.5:
        return make_pedals([], [], [])
    change = music.bars[(music.bars >= grid[0]) & (music.bars < grid[-1])]
    if rng.random() < 0.3 and len(change) > 1:
        change = np.sort(np.concatenate([change, (change[1:] + change[:-1]) / 2]))
    change = change[rng.random(len(change)) < rng.uniform(0.5, 1.0)]
    if len(change) < 2:
        return make_pedals([], [], [])
    press = np.interp(change, grid, seconds) + rng.uniform(0.0, 0.12, len(change))
    lift = np.append(press[1:], press[-1] + 1.0) - rng.uniform(0.05, 0.15, len(change))
    kept = (lift > press + 0.05) & (press > 0)
    return make_pedals(press[kept], lift[kept], SUSTAIN)
