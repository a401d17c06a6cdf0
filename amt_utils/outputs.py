"""From a recording to its transcription and every file one may want from it (notebook 06)."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from .audio import AUDIO_SUFFIXES
from .errors import AmtError
from .notes import Performance

KINDS = ("midi", "musicxml", "pdf", "html")
_MIME = {".mid": "audio/midi", ".musicxml": "application/vnd.recordare.musicxml+xml", ".pdf": "application/pdf",
         ".html": "text/html", ".csv": "text/csv"}  # fmt: skip


@dataclass(frozen=True)
class Transcription:
    """What was heard in one recording.

    Attributes:
        recording: the audio file.
        performance: notes and pedals.
        activations: the network's probabilities by name, ``(T, 88)`` each (``pedal`` ``(T, 3)``).
        frame_seconds: seconds per row of them.
        score_options: ``tempo``, ``metre``, ``key``, ``pickup`` where they are known better than estimated.
    """

    recording: Path
    performance: Performance
    activations: dict[str, np.ndarray]
    frame_seconds: float
    score_options: dict = field(default_factory=dict)

    @cached_property
    def score(self):
        """The sheet music (:class:`amt_utils.score.Score`)."""
        from .score import make_score

        return make_score(self.performance, **{"title": self.title, **self.score_options})

    @property
    def title(self) -> str:
        """The file's name as a reader would write it."""
        return self.recording.stem.replace("_", " ").strip().capitalize()

    @property
    def summary(self) -> str:
        """One line: the file, what was heard, and what the score makes of it."""
        heard = f"{len(self.performance.notes)} notes, {len(self.performance.pedals)} pedal presses"
        metre = f"{self.score.metre.numerator}/{self.score.metre.denominator}"
        return f"{self.recording.name}: {heard}; {metre}, {self.score.key.name}, {self.score.tempo:.0f} beats a minute"

    def roll(self, *, score: bool = True, **options):
        """The piano roll (:class:`amt_utils.widget.PianoRoll`), the sheet music under it."""
        from .widget import PianoRoll

        defaults = {"title": self.title, "activations": self.activations, "frame_seconds": self.frame_seconds}
        score = self.score if score and len(self.performance.notes) else None
        return PianoRoll(self.performance, self.recording, **{**defaults, "score": score, **options})

    def save(self, folder: str | os.PathLike, kinds: Iterable[str] = KINDS) -> list[Path]:
        """Writes the ``kinds`` asked for into ``folder`` and returns their paths.

        Raises:
            AmtError: an unknown kind, or a file that cannot be written.
        """
        from .midi import write_midi

        stem, folder = self.recording.stem, Path(folder)
        writers = {
            "midi": lambda: write_midi(folder / f"{stem}.mid", self.performance, tempo=self.score.tempo_map),
            "musicxml": lambda: self.score.save_musicxml(folder / f"{stem}.musicxml"),
            "pdf": lambda: self.score.save_pdf(folder / f"{stem}.pdf"),
            "html": lambda: self.roll().to_html(folder / f"{stem}.html"),
        }
        kinds = list(kinds)
        for kind in kinds:
            if kind not in writers:
                raise AmtError(f"{kind!r}: unknown kind of file; known: {', '.join(writers)}")
        folder.mkdir(parents=True, exist_ok=True)
        return [Path(writers[kind]()) for kind in kinds]


def transcribe_recording(recording: str | os.PathLike, *, transcriber=None, **score_options) -> Transcription:
    """A recording -> :class:`Transcription`.

    Args:
        recording: an audio file.
        transcriber: a :class:`amt_utils.transcribe.Transcriber`; the shipped network by default.
        score_options: ``tempo=``, ``metre=``, ``key=``, ``pickup=`` of the sheet music, where known.
    """
    from .decode import decode_performance
    from .transcribe import Transcriber

    transcriber = transcriber or Transcriber()
    activations = transcriber.activations(recording)
    performance = decode_performance(activations, transcriber.config)
    frame_seconds = transcriber.config.feature.frame_seconds
    return Transcription(Path(recording), performance, activations, frame_seconds, score_options)


def transcribe_folder(
    recordings: str | os.PathLike, out: str | os.PathLike, *, kinds: Iterable[str] = ("midi",), transcriber=None
) -> list[dict]:
    """Every recording of a folder -> files in ``out`` and one row each: file, notes, pedals, error.

    A file that cannot be read gets its error in its row; the others go on.

    Raises:
        AmtError: the folder holds no recordings.
    """
    from .transcribe import Transcriber

    folder = Path(recordings)
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    if not found:
        raise AmtError(f"{folder}: no recordings in it ({', '.join(AUDIO_SUFFIXES)})")
    transcriber = transcriber or Transcriber()
    rows = []
    for path in found:
        row = {"file": path.name, "notes": 0, "pedals": 0, "error": ""}
        try:
            heard = transcribe_recording(path, transcriber=transcriber)
            heard.save(out, kinds)
            row |= {"notes": len(heard.performance.notes), "pedals": len(heard.performance.pedals)}
        except AmtError as error:
            row["error"] = str(error)
        rows.append(row)
    return rows


def offer_downloads(files: Iterable[str | os.PathLike]):
    """Links that carry the files themselves, so that they work in any notebook, as ``IPython.display.HTML``."""
    from IPython.display import HTML

    links = []
    for path in map(Path, files):
        content, mime = path.read_bytes(), _MIME.get(path.suffix, "application/octet-stream")
        address = f"data:{mime};base64,{base64.b64encode(content).decode()}"
        name = html.escape(path.name, quote=True)
        links.append(f'<a download="{name}" href="{address}">{name}</a> ({len(content) / 1024:,.0f} KB)')
    return HTML("<p>" + "<br>".join(links) + "</p>")
