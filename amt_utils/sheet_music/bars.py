"""Bars of the page: where each begins, and its time signature."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .metre import Metre


@dataclass(frozen=True)
class Bars:
    """The bars of a page.

    Attributes:
        metres: time signature of each bar; at least one.
        pickup: ticks of the first bar if it is incomplete, else 0.
    """

    metres: tuple[Metre, ...]
    pickup: int = 0

    @property
    def count(self) -> int:
        return len(self.metres)

    @cached_property
    def starts(self) -> np.ndarray:
        """``(count + 1,)`` ticks at which the bars begin and the last one ends."""
        lengths = np.array([metre.ticks for metre in self.metres])
        lengths[0] -= self.lead
        return np.concatenate([[0], np.cumsum(lengths)])

    @property
    def lead(self) -> int:
        """Ticks missing at the beginning of the first bar."""
        return self.metres[0].ticks - self.pickup if self.pickup else 0

    @cached_property
    def metre(self) -> Metre:
        """The time signature of most bars."""
        return max(dict.fromkeys(self.metres), key=self.metres.count)

    def start(self, number: int) -> int:
        """Tick at which bar ``number`` (from 0) begins."""
        return int(self.starts[number])

    def number(self, tick):
        """Number of the bar that contains a tick (or array of ticks), clipped to the first and last bar."""
        return np.clip(np.searchsorted(self.starts, tick, side="right") - 1, 0, self.count - 1)

    def place(self, tick):
        """Ticks from the beginning of the bar; in a pick-up, from where the whole bar would begin."""
        number = self.number(tick)
        return tick - self.starts[number] + self.lead * (number == 0)

    def metre_at(self, tick: int) -> Metre:
        return self.metres[int(self.number(tick))]

    def beat_start(self, tick: int) -> int:
        """First tick of the beat that contains a tick."""
        return int(tick - self.place(tick) % self.metre_at(tick).beat_ticks)

    def tuplet_beats(self, ticks: Iterable[int]) -> dict[int, int]:
        """First tick and length of each beat with a tick off the binary grid, unless beats have three parts anyway."""
        beats = {self.beat_start(tick): self.metre_at(tick).beat_ticks for tick in ticks if tick % 3}
        return {begin: length for begin, length in beats.items() if length % 36}

    @property
    def end(self) -> int:
        return int(self.starts[-1])
