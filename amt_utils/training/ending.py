"""How a run ends: at its deadline or after a signal; and how long its writes wait for space on the disk until then."""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator

from ..system.errors import AmtError

SAFETY_SECONDS = 20.0  # kept free before the deadline for the last checkpoint
PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds before the second attempt to write; doubled each time
PATIENCE = 600.0  # seconds: how long an epoch's end and the last checkpoint wait for space on the disk


class Ending:
    """When a run must stop.

    Attributes:
        deadline: as of :func:`time.monotonic`.
        signals: number of signals to stop.
    """

    def __init__(self) -> None:
        self.deadline, self.signals = math.inf, 0

    def set_deadline(self, started: float, max_seconds: float | None) -> None:
        """``max_seconds`` after ``started``, less :data:`SAFETY_SECONDS`; ``None`` for no deadline."""
        self.deadline = started + max_seconds - SAFETY_SECONDS if max_seconds else math.inf

    @property
    def has_come(self) -> bool:
        """Whether the deadline has passed or a signal has come."""
        return bool(self.signals) or time.monotonic() > self.deadline

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        """While the block runs, SIGTERM and SIGINT are counted; outside the main thread nothing changes."""

        def count(*_: object) -> None:
            self.signals += 1

        try:
            earlier = {s: signal.signal(s, count) for s in (signal.SIGTERM, signal.SIGINT)}
        except ValueError:  # not in the main thread
            earlier = {}
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)


class Writer:
    """Writes that may fail for want of space; ``say`` prints what is not saved."""

    def __init__(self, ending: Ending, say: Callable[[str], object]):
        self.ending, self.say = ending, say

    def write(self, write: Callable[[], None], what: str, otherwise: str) -> bool:
        """Calls ``write``; returns whether it succeeded. On a write error a message with ``otherwise`` is printed."""
        try:
            write()
        except (AmtError, OSError) as error:
            self.say(f"{what} is not saved, {otherwise}: {error}")
            return False
        return True

    def write_patiently(self, write: Callable[[], None], what: str, *, last: bool = False) -> bool:
        """As :meth:`write`, repeated for :data:`PATIENCE` seconds, until the deadline or a signal.

        The ``last`` write may use the reserved seconds, and continues after the signal that ended the training.
        """
        pause, begin = PAUSE, time.monotonic()
        limit = min(begin + PATIENCE, self.ending.deadline + (0.9 * SAFETY_SECONDS if last else 0.0))
        signals = self.ending.signals if last else 0
        while not self.write(write, what, f"trying again in {pause:.0f} s"):
            end = time.monotonic() + pause
            while time.monotonic() < min(end, limit) and self.ending.signals <= signals:
                time.sleep(min(0.1, pause))
            if time.monotonic() >= limit or self.ending.signals > signals:
                return self.write(write, what, "and that was the last attempt")
            pause = min(2 * pause, LONGEST_PAUSE)
        return True
