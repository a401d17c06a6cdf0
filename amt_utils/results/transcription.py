"""From a recording to its transcription and every file one may want from it (notebook 06)."""

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

from ..audio.reading import AUDIO_SUFFIXES, audio_duration
from ..audio.tuning import A4
from ..config import FeatureConfig
from ..music.midi import read_midi
from ..music.notes import Performance
from ..system.errors import AmtError
from ..system.paths import example_files

if TYPE_CHECKING:
    from ..transcription.candidates import Candidates
    from ..transcription.transcriber import Transcriber

LONGEST_SCORE = 3600.0  # seconds; beats of a whole night's recording mean nothing and take gigabytes
KINDS = ("midi", "musicxml", "pdf", "html")
_MIME = {".mid": "audio/midi", ".musicxml": "application/vnd.recordare.musicxml+xml", ".pdf": "application/pdf",
         ".html": "text/html", ".csv": "text/csv"}  # fmt: skip


@dataclass(frozen=True)
class Transcription:
    """What was heard in one recording.

    Attributes:
        recording: the audio file.
        performance: notes and pedals.
        activations: the network's probabilities by name, ``(T, 88)`` each (``pedal`` ``(T, 3)``), where kept.
        frame_seconds: seconds per row of them.
        candidates: what else was possible (:class:`.Candidates`), where activations are kept.
        score_options: ``tempo``, ``metre``, ``key``, ``pickup`` where they are known better than estimated.
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

    @property
    def tempo_map(self):
        """The score's tempo and metre; ``None`` for what is too long to be one piece of music."""
        return self.score.tempo_map if self._seconds <= LONGEST_SCORE else None

    @property
    def _seconds(self) -> float:
        return float(self.performance.notes["offset"].max(initial=0.0))

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
        from ..widget import PianoRoll

        defaults = {"title": self.title, "activations": self.activations, "frame_seconds": self.frame_seconds}
        defaults["candidates"] = self.candidates
        score = self.score if score and len(self.performance.notes) else None
        return PianoRoll(self.performance, self.recording, **{**defaults, "score": score, **options})

    def save(self, folder: str | os.PathLike, kinds: Iterable[str] = KINDS, *, name: str | None = None) -> list[Path]:
        """Writes the ``kinds`` asked for into ``folder`` as ``name`` (the recording's) and returns their paths.

        The MIDI carries the score's tempo and metre, so that the bars of a DAW are the bars of the score.

        Raises:
            AmtError: an unknown kind, or a file that cannot be written.
        """
        from ..music.midi import write_midi

        target = Path(folder) / (name or self.recording.stem)
        writers = {
            "midi": lambda: write_midi(f"{target}.mid", self.performance, tempo=self.tempo_map),
            "musicxml": lambda: self.score.save_musicxml(f"{target}.musicxml"),
            "svg": lambda: self.score.save_svg(f"{target}.svg")[0],
            "pdf": lambda: self.score.save_pdf(f"{target}.pdf"),
            "html": lambda: self.roll().to_html(f"{target}.html"),
        }
        kinds = list(kinds)
        for kind in kinds:
            if kind not in writers:
                raise AmtError(f"{kind!r}: unknown kind of file; known: {', '.join(writers)}")
        target.parent.mkdir(parents=True, exist_ok=True)
        return [Path(writers[kind]()) for kind in kinds]


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
            options = {"transcriber": transcriber, "keep_activations": keep_activations, "on_progress": bar.update}
            return transcribe(recording, **options, **score_options)
    transcriber = (transcriber or Transcriber()).tuned(recording)
    if keep_activations:
        activations = transcriber.activations(recording, on_progress=on_progress)
        performance = decode_performance(activations, transcriber.config)
    else:
        activations, performance = None, transcriber.transcribe(recording, on_progress=on_progress)
    candidates = None if activations is None else find_candidates(activations, transcriber.config)
    frame_seconds = transcriber.config.feature.frame_seconds
    rest = {"score_options": score_options, "candidates": candidates, "tuning": transcriber.tuning or A4}
    return Transcription(Path(recording), performance, activations, frame_seconds, **rest)


def load_example() -> Transcription:
    """The embedded recording with the notes that were played on it, as if transcribed without an error."""
    recording, midi = example_files()
    return Transcription(recording, read_midi(midi), None, FeatureConfig().frame_seconds)


def transcribe_folder(
    recordings: str | os.PathLike, out: str | os.PathLike, *, kinds: Iterable[str] = ("midi",), transcriber=None
) -> list[dict]:
    """Every recording of a folder -> files in ``out`` and one row each: file, notes, pedals, error.

    A file that cannot be read gets its error in its row; the others go on.

    Raises:
        AmtError: the folder holds no recordings.
    """
    from ..transcription.transcriber import Transcriber

    folder = Path(recordings)
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    if not found:
        raise AmtError(f"{folder}: no recordings in it ({', '.join(AUDIO_SUFFIXES)})")
    transcriber = transcriber or Transcriber()
    rows = []
    for path in tqdm(found, unit="recording", desc="transcribe"):
        row = {"file": path.name, "notes": 0, "pedals": 0, "error": ""}
        try:
            heard = transcribe(path, transcriber=transcriber, keep_activations="html" in kinds)
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
