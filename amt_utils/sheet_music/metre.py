"""Time signatures, and how they are counted."""

from __future__ import annotations

from dataclasses import dataclass

from ..system.errors import AmtError

TICKS = 24  # per quarter note: exact for 32nds, triplets and sextuplets


@dataclass(frozen=True)
class Metre:
    """A time signature, such as 3/4."""

    numerator: int = 4
    denominator: int = 4

    @classmethod
    def parse(cls, text: str | tuple[int, int] | Metre) -> Metre:
        """``"6/8"``, ``(6, 8)`` or a :class:`Metre` -> :class:`Metre`; raises :class:`AmtError` otherwise."""
        if isinstance(text, Metre):
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
        """Whether a beat is three notes of the denominator: 6/8, 9/8, 12/8, 6/16 ..."""
        return self.denominator >= 8 and self.numerator % 3 == 0 and self.numerator > 3

    @property
    def beats(self) -> int:
        """Beats in a bar: 2 in 6/8, 3 in 3/8 and 3/4."""
        return self.numerator // 3 if self.compound else self.numerator

    @property
    def quarters_per_beat(self) -> float:
        return self.numerator / self.beats * 4 / self.denominator

    @property
    def ticks(self) -> int:
        """Ticks in a bar."""
        return self.numerator * TICKS * 4 // self.denominator

    @property
    def beat_ticks(self) -> int:
        """Ticks in a beat."""
        return self.ticks // self.beats

    def with_beats(self, beats: int) -> Metre:
        """The time signature of a bar with this many of the same beats, if there is one."""
        per_beat = self.numerator // self.beats
        other = Metre(beats * per_beat, self.denominator)
        return other if other.beats == beats else Metre(2 * beats * per_beat, 2 * self.denominator)

    def __str__(self) -> str:
        return f"{self.numerator}/{self.denominator}"
