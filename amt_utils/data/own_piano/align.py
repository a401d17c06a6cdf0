"""Offset and drift between a recording and its MIDI: found, corrected, shown.

A recorder and a digital piano are started by hand (an offset of seconds) and run on clocks of their own (a drift
of up to some tenths of a percent). Three steps:

1. *coarse*: stretches of the MIDI's chroma onsets are found in the recording's by cross-correlation; the line
   that most of them agree on is taken, which rejects repeated phrases found in the wrong place;
2. *fine*: in windows of ten seconds, onset strength in steps of 5 ms (rise of a log-mel spectrum, as
   ``librosa.onset.onset_strength``) against the MIDI's onsets, lag by the parabola through the peak; a robust
   line through all lags;
3. where no line fits (another take, an edited recording, an old tape): dynamic time warping of chroma
   (``librosa.sequence.dtw``; Müller, "Fundamentals of Music Processing", section 3.2), made finer as in 2.

The audio is not changed; the MIDI's times are mapped to the audio's.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...music.notes import Performance, make_notes, make_pedals
from ...system.errors import AmtError
from .align_search import (
    FINE_STEP,
    SAMPLE_RATE,
    Map,
    audio_chroma,
    chroma_rise,
    find_line,
    find_warp,
    fit_local_lines,
    fit_robust_line,
    follow_map,
    keep_rising,
    measure_lags,
    midi_chroma,
    onset_strength,
)

if TYPE_CHECKING:
    pass

WINDOW_SECONDS = 10.0
WEAK = 0.25  # correlation below which a window is ignored
AGREES = 0.03  # seconds of lag that still count as agreement


@dataclass(frozen=True)
class Alignment:
    """The map from MIDI time to recording time.

    Attributes:
        midi_times, audio_times: ``(k,)`` seconds, both rising: knots of the piecewise linear map; two for a line.
        method: ``"linear"`` or ``"dtw"``.
        windows: ``(m, 3)``: middle of each measured window (s, MIDI time), lag found there after the correction (s),
            correlation.
        reliable: whether 7 of 10 windows agree with the map; if not, they are probably not the same music.
    """

    midi_times: np.ndarray
    audio_times: np.ndarray
    method: str
    windows: np.ndarray
    reliable: bool

    @property
    def drift(self) -> float:
        """How much longer the recording is than the MIDI: 0.002 is 0.2 %."""
        return float(np.polyfit(self.midi_times, self.audio_times, 1)[0] - 1)

    @property
    def offset(self) -> float:
        """Seconds into the recording at which the MIDI's time 0 lies."""
        return float(self.to_audio(0.0))

    @property
    def spread(self) -> float:
        """Typical (median) lag left in a window, in seconds."""
        used = self.windows[self.windows[:, 2] >= WEAK]
        return float(np.median(np.abs(used[:, 1]))) if len(used) else np.inf

    def to_audio(self, seconds) -> np.ndarray:
        """MIDI seconds -> seconds in the recording; beyond the outer knots with the map's mean slope."""
        return follow_map((self.midi_times, self.audio_times), seconds)

    def apply(self, performance: Performance, *, duration: float = np.inf) -> Performance:
        """The performance in recording time; notes that begin before 0 or after ``duration`` are dropped."""
        moved = []
        for events in (performance.notes.copy(), performance.pedals.copy()):
            for side in ("onset", "offset"):
                events[side] = np.round(self.to_audio(events[side]), 9)
            moved.append(events)
        notes, pedals = moved
        notes = notes[(notes["onset"] >= 0) & (notes["onset"] < duration)]
        pedals = pedals[(pedals["offset"] > 0) & (pedals["onset"] < duration)]
        return Performance(
            make_notes(notes["onset"], notes["offset"], notes["pitch"], notes["velocity"]),
            make_pedals(np.maximum(pedals["onset"], 0), pedals["offset"], pedals["kind"]),
        )

    def describe(self) -> str:
        """One line for a report."""
        what = f"offset {self.offset:+.3f} s, drift {100 * self.drift:+.3f} %, {self.method}"
        return f"{what}, {1000 * self.spread:.0f} ms left in a typical window" + (
            "" if self.reliable else "; NOT RELIABLE: is this the MIDI of this recording?"
        )


def align(audio: np.ndarray, performance: Performance) -> Alignment:
    """Finds where the performance's notes sound in the recording.

    Args:
        audio: ``(n,)`` float32 at 16 kHz.
        performance: of its MIDI; a drift of up to 2 % gives a line, anything else a warping.

    Raises:
        AmtError: fewer than four notes, or a recording shorter than a second or silent.
    """
    if len(performance.notes) < 4:
        raise AmtError(f"cannot align {len(performance.notes)} notes; at least 4 are needed")
    if len(audio) < SAMPLE_RATE or not np.any(audio):
        raise AmtError(f"cannot align {len(audio) / SAMPLE_RATE:.2f} s of audio; it is too short or silent")
    strength = onset_strength(audio)
    sound, score = audio_chroma(audio), midi_chroma(performance)
    line = find_line(chroma_rise(sound), chroma_rise(score))
    seconds = _window_seconds(performance)
    for search in (0.25, 0.08):
        windows = strong_windows(measure_lags(strength, performance, line, search=search, seconds=seconds))
        if len(windows):
            line = fit_robust_line(windows[:, 0], follow_map(line, windows[:, 0]) + windows[:, 1], line)
    straight = _judge(strength, performance, line, "linear")
    if straight.reliable:
        return straight
    curve = find_warp(sound, score)
    for seconds, search in ((3.0, 0.12), (2.0, 0.08)):
        windows = strong_windows(measure_lags(strength, performance, curve, search=search, seconds=seconds))
        if len(windows) < 2:
            break
        grid = np.arange(curve[0][0], curve[0][-1], 0.5)
        lag = fit_local_lines(windows[:, 0], windows[:, 1], windows[:, 2] ** 2, grid, width=seconds / 2)
        curve = keep_rising(grid, follow_map(curve, grid) + lag)
    warped = _judge(strength, performance, curve, "dtw")
    return warped if warped.reliable else straight


def align_files(audio: str | os.PathLike, midi: str | os.PathLike) -> tuple[Alignment, Performance]:
    """Two files -> the alignment and the performance in recording time."""
    from ...audio.reading import load_audio

    return align_audio(load_audio(audio, sample_rate=SAMPLE_RATE), midi)


def align_audio(audio: np.ndarray, midi: str | os.PathLike) -> tuple[Alignment, Performance]:
    """As :func:`align_files`, with ``(n,)`` samples at 16 kHz already read."""
    from ...music.midi import read_midi

    performance = read_midi(midi)
    try:
        alignment = align(audio, performance)
    except AmtError as error:
        raise AmtError(f"{midi}: {error}") from error
    return alignment, alignment.apply(performance, duration=len(audio) / SAMPLE_RATE)


def strong_windows(windows: np.ndarray) -> np.ndarray:
    return windows[windows[:, 2] >= WEAK]


def _window_seconds(performance: Performance) -> float:
    """Ten seconds; less for a short piece, so that there are a few windows to estimate a drift from."""
    return float(np.clip(np.ptp(performance.notes["onset"]) / 6, 3.0, WINDOW_SECONDS))


def _judge(strength: np.ndarray, performance: Performance, knots: Map, method: str) -> Alignment:
    """Measures again with a wide search, in which chance agreement is rare, and counts the windows that agree."""
    windows = measure_lags(strength, performance, knots, search=0.25, seconds=_window_seconds(performance))
    agree = (windows[:, 2] >= WEAK) & (np.abs(windows[:, 1]) <= AGREES)
    # the share of the shorter that overlaps the other: a small overlap is no match
    at, length = follow_map(knots, performance.notes["onset"]), len(strength) * FINE_STEP
    overlap = max(np.mean((at >= 0) & (at <= length)), np.ptp(np.clip(at, 0, length)) / length)
    reliable = len(windows) > 0 and agree.mean() >= 0.7 and overlap >= 0.8
    return Alignment(*knots, method, windows, bool(reliable))
