"""Transcribes the recordings of a batch in turn: while one is decoded and written, the next is begun."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..music.notes import Performance
from ..system.errors import AmtError
from .inputs import Input

if TYPE_CHECKING:
    from ..transcription.transcriber import Transcriber


class Ahead:
    """Holds what :meth:`.Transcriber.transcribe_all` has begun.

    Args:
        transcriber: of all recordings.
        chosen: the batch, in order.
        is_wanted: asked of each of them before it is begun.
        on_progress: called with seconds of audio, as :meth:`.Transcriber.transcribe` calls it.
    """

    def __init__(
        self,
        transcriber: Transcriber,
        chosen: Sequence[Input],
        is_wanted: Callable[[Input], bool],
        on_progress: Callable[[float], Any],
    ):
        self.transcriber, self.chosen, self.is_wanted, self.on_progress = transcriber, chosen, is_wanted, on_progress
        self._begun: deque[Input] = deque()
        self._results: Iterator[tuple[Performance | AmtError, float]] = iter(())

    def take(self, one: Input) -> tuple[Performance, float]:
        """The performance and Hz of A4 of the next wanted recording, ``one``. Raises what is wrong with it."""
        try:
            while (result := next(self._results, None)) is None or self._begun.popleft() != one:
                # the first one; or an error ended the results, or a file came or went since it was asked for
                self._begun.clear()
                self._results = self.transcriber.transcribe_all(self._begin(one), on_progress=self.on_progress)
        except Exception:  # unexpected, perhaps of a recording that was begun since
            self._results = iter(())
            (result,) = self.transcriber.transcribe_all([one.path])
        performance, tuning = result
        if isinstance(performance, AmtError):
            raise performance
        return performance, tuning

    def _begin(self, first: Input) -> Iterator[Path]:
        rest = itertools.islice(self.chosen, self.chosen.index(first) + 1, None)
        for one in itertools.chain([first], filter(self.is_wanted, rest)):
            self._begun.append(one)
            yield one.path
