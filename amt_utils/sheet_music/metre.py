"""Time signatures, and which one fits a row of beats.

Bars of two, three and four beats are tried at every phase. A bar is likely where chords, low notes, long notes, loud
notes and changes of harmony fall on its first beat, and where beats a bar apart are alike. How much each counts was
fitted by conditional logistic regression on sequenced piano pieces with known bars.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..system.errors import AmtError

BAR_LENGTHS = (2, 3, 4)


@dataclass(frozen=True)
class Metre:
    """A time signature, and the user's words for it (``"3/4"``)."""

    numerator: int = 4
    denominator: int = 4

    @classmethod
    def parse(cls, text: str | tuple[int, int] | Metre) -> Metre:
        """``"6/8"``, ``(6, 8)`` or a :class:`Metre` -> :class:`Metre`; raises :class:`AmtError` otherwise."""
        if isinstance(text, cls):
            return text
        parts = text.split("/") if isinstance(text, str) else tuple(text)
        try:
            numerator, denominator = (int(part) for part in parts)
        except (TypeError, ValueError):
            raise AmtError(f"metre {text!r}: write it as numerator/denominator, for example 3/4") from None
        if not 1 <= numerator <= 32 or denominator not in (1, 2, 4, 8, 16):
            raise AmtError(f"metre {text!r}: the numerator is 1..32, the denominator 1, 2, 4, 8 or 16")
        return cls(numerator, denominator)

    @property
    def compound(self) -> bool:
        """6/8, 9/8, 12/8, 6/16 ...: the beat is three of the denominator's notes."""
        return self.denominator >= 8 and self.numerator % 3 == 0 and self.numerator > 3

    @property
    def beats(self) -> int:
        """Beats in a bar: 2 in 6/8, 3 in 3/8 and 3/4."""
        return self.numerator // 3 if self.compound else self.numerator

    @property
    def quarters_per_beat(self) -> float:
        return self.numerator / self.beats * 4 / self.denominator

    def __str__(self) -> str:
        return f"{self.numerator}/{self.denominator}"


# for the first beat of the bar, then for the middle of a bar of four: chord size, low bass, length, wait for the next
# event, loudness, new harmony, anything at all; then likeness at the bar's distance, and a bias for 2, 3 and 4 beats
_WEIGHTS = np.array(
    [-0.18, 1.18, 1.51, 0.1, 1.02, 1.0, 0.56, -0.15, 0.31, 0.05, 0.35, 0.16, -0.22, 0.02, 0.98, 0.03, 0.19, -0.22]
)


def rank_bars(times: np.ndarray, event_time: np.ndarray, terms: np.ndarray) -> list[tuple[float, int, int]]:
    """How well each bar length and phase fits: ``[(score, beats in a bar, first downbeat), ...]``, best first.

    Args:
        times: ``(n,)`` seconds of the beats.
        event_time: ``(k,)`` seconds of the events.
        terms: ``(k, 6)`` what makes their accents (see ``beats.Events``).
    """
    table = beat_table(times, event_time, terms)
    likeness = _likeness(table)
    ranking = []
    for length in BAR_LENGTHS:
        for phase in range(length):
            row = _bar_features(table, likeness, length, phase)
            ranking.append((float(row @ _WEIGHTS), length, phase))
    return sorted(ranking, reverse=True)


def beat_table(times: np.ndarray, event_time: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """``(n, 7)``: the six terms of each beat's event, 0 where there is none, and whether there is one."""
    n = len(times)
    table = np.zeros((n, terms.shape[1] + 1))
    if n < 2:
        return table
    right = np.clip(np.searchsorted(times, event_time), 1, n - 1)
    beat = np.where(event_time - times[right - 1] < times[right] - event_time, right - 1, right)
    near = np.abs(event_time - times[beat]) < 0.12 * np.gradient(times)[beat]
    table[beat[near], :-1] = terms[near]
    table[beat[near], -1] = 1
    return table


def _likeness(table: np.ndarray) -> dict[int, float]:
    """Correlation of the table with itself a bar later, relative to the other bar lengths."""
    centred = (table - table.mean(0)) / (table.std(0) + 1e-6)
    found = {m: float((centred[m:] * centred[:-m]).mean()) if len(table) > m + 2 else 0.0 for m in BAR_LENGTHS}
    mean = sum(found.values()) / len(found)
    return {m: value - mean for m, value in found.items()}


def _bar_features(table: np.ndarray, likeness: dict[int, float], length: int, phase: int) -> np.ndarray:
    first = table[phase::length]
    if not len(first):
        return np.full(2 * table.shape[1] + 4, -1.0)
    trust = min(np.sqrt(len(first) / 8), 2.0)
    middle = table[phase + 2 :: length] if length == 4 else table[:0]
    at_middle = middle.mean(0) - table.mean(0) if len(middle) else np.zeros(table.shape[1])
    bias = [float(length == m) for m in BAR_LENGTHS]
    return np.concatenate([(first.mean(0) - table.mean(0)) * trust, at_middle * trust, [likeness[length]], bias])
