"""A recording's transcription, and the files made from it (notebook 06)."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from ..audio.reading import audio_duration
from ..audio.tuning import A4
from ..config import FeatureConfig
from ..music.midi import TempoMap, read_midi, write_midi
from ..music.notes import Performance
from ..system.errors import AmtError
from ..system.paths import example_files
from .inputs import safe_stem, title_of

if TYPE_CHECKING:
    from ..transcription.candidates import Candidates
    from ..transcription.transcriber import Transcriber

LONGEST_SCORE = 3600.0  # seconds; reading the notes of longer recordings takes half a gigabyte
KINDS = ("midi", "musicxml", "pdf", "html")
SUFFIXES = {"midi": ".mid", "musicxml": ".musicxml", "svg": ".svg", "pdf": ".pdf", "html": ".html"}
TEMPO_MAPS = ("performance", "constant")
_MIME = {".mid": "audio/midi", ".musicxml": "application/vnd.recordare.musicxml+xml", ".pdf": "application/pdf",
         ".html": "text/html", ".csv": "text/csv"}  # fmt: skip


@dataclass(frozen=True)
class Transcription:
    """The transcription of one recording.

    Attributes:
        recording: the audio file.
        performance: notes and pedals.
        activations: the network's probabilities by name, ``(T, 88)`` each (``pedal`` ``(T, 3)``), where kept.
        frame_seconds: seconds per row of them.
        candidates: further possible notes (:class:`.Candidates`), where activations are kept.
        score_options: ``tempo``, ``metre``, ``key``, ``pickup`` where known.
        tuning: Hz of A4, as estimated or given.
    """

    recording: Path
    performance: Performance
    activations: dict[str, np.ndarray] | None
    frame_seconds: float
    score_options: dict = field(default_factory=dict)
    candidates: Candidates | None = None
    tuning: float = A4

    @cached_property
    def score(self):
        """The sheet music (:class:`amt_utils.sheet_music.score.Score`)."""
        from ..sheet_music.score import make_score

        return make_score(self.performance, **{"title": self.title, **self.score_options})

    def tempo_map(self, kind: str = "performance") -> TempoMap | None:
        """The mapping of the MIDI's ticks to beats; ``None`` for recordings too long for beat tracking.

        Args:
            kind: ``"performance"`` follows the player, so that the bars of a DAW are the bars of the score;
                ``"constant"`` is the score's one tempo throughout, for playing along with a steady click.

        Raises:
            AmtError: another kind.
        """
        if kind not in TEMPO_MAPS:
            raise AmtError(f"{kind!r}: unknown tempo map; known: {', '.join(TEMPO_MAPS)}")
        if self._seconds > LONGEST_SCORE:
            return None
        whole: TempoMap = self.score.tempo_map
        if kind == "performance":
            return whole
        quarters = self.score.metre.quarters_per_beat
        microseconds = round(60e6 / (self.score.tempo * quarters))
        return TempoMap(
            960,
            ((0, microseconds),),
            tuple((0, above, below) for _, above, below in whole.time_signatures[-1:]),
            tuple((0, key) for _, key in whole.key_signatures[-1:]),
        )

    @property
    def _seconds(self) -> float:
        return float(self.performance.notes["offset"].max(initial=0.0))

    @property
    def title(self) -> str:
        """The file's name as a title, without characters that cannot be printed."""
        return title_of(self.recording)

    @property
    def summary(self) -> str:
        """One line: the file, its notes and pedals, metre, key and tempo."""
        counts = f"{len(self.performance.notes)} notes, {len(self.performance.pedals)} pedal presses"
        metre = f"{self.score.metre.numerator}/{self.score.metre.denominator}"
        return f"{self.recording.name}: {counts}; {metre}, {self.score.key.name}, {self.score.tempo:.0f} beats a minute"

    def roll(self, *, score: bool = True, **options):
        """The piano roll (:class:`amt_utils.widget.PianoRoll`), the sheet music under it."""
        from ..widget import PianoRoll

        defaults: dict[str, Any] = {
            "title": self.title,
            "activations": self.activations,
            "frame_seconds": self.frame_seconds,
            "candidates": self.candidates,
            "score": self.score if score and len(self.performance.notes) else None,
        }
        return PianoRoll(self.performance, self.recording, **{**defaults, **options})

    def save(
        self,
        folder: str | os.PathLike,
        kinds: Iterable[str] = KINDS,
        *,
        name: str | None = None,
        tempo_map: str = "performance",
    ) -> list[Path]:
        """Writes the ``kinds`` asked for into ``folder`` as ``name`` (the recording's) and returns their paths.

        Args:
            folder: created if there is none.
            kinds: of :data:`SUFFIXES`.
            name: without suffix.
            tempo_map: of the MIDI, as :meth:`tempo_map` has it.

        Raises:
            AmtError: an unknown kind, or a file that cannot be written.
        """
        target = os.path.join(folder, name or safe_stem(self.recording))
        writers: dict[str, Callable[[str], Any]] = {
            "midi": lambda path: write_midi(path, self.performance, tempo=self.tempo_map(tempo_map)),
            "musicxml": lambda path: self.score.save_musicxml(path),
            "svg": lambda path: self.score.save_svg(path)[0],
            "pdf": lambda path: self.score.save_pdf(path),
            "html": lambda path: self.roll().to_html(path),
        }
        kinds = list(kinds)
        check_kinds(kinds)
        Path(folder).mkdir(parents=True, exist_ok=True)
        return [Path(writers[kind](target + SUFFIXES[kind])) for kind in kinds]


def check_kinds(kinds: Iterable[str]) -> None:
    """Raises :class:`AmtError` for a kind of file that is none of :data:`SUFFIXES`."""
    for kind in kinds:
        if kind not in SUFFIXES:
            raise AmtError(f"{kind!r}: unknown kind of file; known: {', '.join(SUFFIXES)}")


def transcribe(
    recording: str | os.PathLike,
    *,
    transcriber: Transcriber | None = None,
    keep_activations: bool = True,
    progress: bool = False,
    on_progress: Callable[[float], None] | None = None,
    **score_options: Any,
) -> Transcription:
    """A recording -> :class:`Transcription`.

    Args:
        recording: an audio file.
        transcriber: a :class:`amt_utils.transcription.transcriber.Transcriber`; the shipped network by default.
        keep_activations: for the piano roll's background; 150 MB per hour of audio.
        progress: show a bar with the time left.
        on_progress: called with the seconds of audio that each chunk adds.
        score_options: ``tempo=``, ``metre=``, ``key=``, ``pickup=`` of the sheet music, where known.
    """
    from ..transcription.candidates import find_candidates
    from ..transcription.performance import decode_performance
    from ..transcription.transcriber import Transcriber

    if progress and on_progress is None:
        with tqdm(total=round(audio_duration(recording)), unit="s of audio", desc=Path(recording).name) as bar:
            result = transcribe(
                recording,
                transcriber=transcriber,
                keep_activations=keep_activations,
                on_progress=bar.update,
                **score_options,
            )
            bar.update(bar.total - bar.n)  # the fraction of a second that rounding left
            return result
    transcriber = (transcriber or Transcriber()).tuned(recording)
    activations: dict[str, np.ndarray] | None = None
    candidates: Candidates | None = None
    if keep_activations:
        activations = transcriber.activations(recording, on_progress=on_progress)
        performance = decode_performance(activations, transcriber.config)
        candidates = find_candidates(activations, transcriber.config, transcribed=performance.notes)
    else:
        performance = transcriber.transcribe(recording, on_progress=on_progress)
    return Transcription(
        Path(recording),
        performance,
        activations,
        transcriber.config.feature.frame_seconds,
        score_options=score_options,
        candidates=candidates,
        tuning=transcriber.tuning or A4,
    )


def load_example() -> Transcription:
    """The embedded recording with the notes that were played on it, as a transcription without errors."""
    recording, midi = example_files()
    return Transcription(recording, read_midi(midi), None, FeatureConfig().frame_seconds)


def offer_downloads(files: Iterable[str | os.PathLike]):
    """Download links with the files embedded, which work in any notebook, as ``IPython.display.HTML``."""
    from IPython.display import HTML

    links = []
    for path in map(Path, files):
        content, mime = path.read_bytes(), _MIME.get(path.suffix, "application/octet-stream")
        address = f"data:{mime};base64,{base64.b64encode(content).decode()}"
        name = html.escape(path.name, quote=True)
        links.append(f'<a download="{name}" href="{address}">{name}</a> ({len(content) / 1024:,.0f} KB)')
    return HTML("<p>" + "<br>".join(links) + "</p>")
