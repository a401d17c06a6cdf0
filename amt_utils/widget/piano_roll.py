"""The piano roll: see, hear and compare a transcription, in a notebook or as one HTML file.

    roll = PianoRoll(performance, audio="recording.flac", reference=truth, activations={"onset": probabilities})
    roll                                  # in a notebook cell: the live widget
    roll.observe(print, "selection")      # the selection and the playhead are traits
    roll.performance                      # the transcription with the reader's corrections
    roll.to_html("recording.html")        # the same, self-contained, for anyone

The browser's part is ``js/*.js`` and ``roll.css``: plain files joined in order, no build step, nothing fetched.
"""

from __future__ import annotations

import os
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from ..audio.reading import SAMPLE_RATE
from ..music.midi import write_midi
from ..music.notes import Performance, check_notes, check_pedals
from ..system.errors import AmtError
from ..system.files import written_whole
from ..transcription.candidates import Candidates, onset_probabilities
from . import page
from .compare import Comparison, compare_notes
from .corrections import correct, find_hands
from .payload import Sound, describe_beats, pack_image, pack_notes, pack_pedals, pack_score

_FLAC_UP_TO = 600.0  # seconds; longer recordings are sent as MP3, slower to encode but ten times smaller
_END_MARGIN = 0.5  # seconds shown after the last note
_THEMES, _LANGUAGES = ("auto", "dark", "light"), ("auto", "en", "es")
_SOUNDS, _MODES = ("recording", "midi", "both", "reference"), ("velocity", "hands", "comparison", "reference")


class PianoRoll(anywidget.AnyWidget):
    """A piano roll that plays the recording and the MIDI in step, and in which the transcription is corrected.

    Args:
        performance: the transcription.
        audio: the recording, ``(n,)`` samples in [-1, 1] or a path; None shows and plays the MIDI alone.
        sample_rate: of the samples in Hz; ignored for a path.
        reference: what was played; opens the comparison view (hit, wrong end, missed, extra).
        activations: the network's probabilities behind the notes: ``(T, 88)`` onsets, or a dict of such arrays by
            name ("onset", "frame", "offset"); other entries of the dict are ignored.
        frame_seconds: seconds per row of ``activations``.
        candidates: further possible notes (:func:`.find_candidates` of the same performance): a slider then sets the
            threshold, and doubtful notes are marked. Without them doubt is taken from the onset ``activations``, if
            given.
        spectrum: compute the recording's constant-Q spectrum to show behind the notes.
        background: what is shown behind at first: "spectrum", a name in ``activations``, or "" for nothing.
        ends: which ends are drawn and compared: ``key`` or ``sounding``. By default ``key`` (with the sound under the
            pedal as a pale tail), or ``sounding``, as papers evaluate, when there is a reference.
        title: shown above, and the saved page's title.
        height: of the roll in pixels.
        score: sheet music (:func:`.make_score` of the same performance) to follow under the roll;
            notes snap to its beats, the metronome clicks them, and its staves give the hands.
        theme: "auto" follows the notebook or the system, or "dark", "light".
        language: "auto" follows the browser, or "en", "es".

    The user's actions change these traits (``roll.observe(function, "selection")``):

    Attributes:
        playhead: seconds; ten times a second while playing.
        playing: whether it plays.
        selection: indices of the chosen notes of ``performance.notes``.
        selected_reference: indices of the chosen (missed) notes of ``reference.notes``.
        loop: ``[start, end]`` in seconds, or ``[]``.
        view: ``[start, end]`` of what is visible, in seconds.
        corrections: deleted and added notes, and the threshold; ``{}`` before any.
        downbeat: index of the first beat that begins a bar, as set by the user; -1 without beats.

    Raises:
        AmtError: an argument is not as described; the message says which.
    """

    _esm = page.script() + "\nexport default { render };\n"
    _css = page.style()

    _meta = traitlets.Dict().tag(sync=True)
    _notes = traitlets.Bytes().tag(sync=True)
    _reference = traitlets.Bytes().tag(sync=True)
    _reference_pedals = traitlets.Bytes().tag(sync=True)
    _pedals = traitlets.Bytes().tag(sync=True)
    _audio = traitlets.Bytes().tag(sync=True)
    _images = traitlets.Bytes().tag(sync=True)
    _score = traitlets.Bytes().tag(sync=True)

    playhead = traitlets.Float(0.0).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    selection = traitlets.List(traitlets.Int()).tag(sync=True)
    selected_reference = traitlets.List(traitlets.Int()).tag(sync=True)
    loop = traitlets.List(traitlets.Float()).tag(sync=True)
    view = traitlets.List(traitlets.Float()).tag(sync=True)
    corrections = traitlets.Dict().tag(sync=True)
    downbeat = traitlets.Int(-1).tag(sync=True)

    def __init__(
        self,
        performance: Performance,
        audio: np.ndarray | str | os.PathLike | None = None,
        *,
        sample_rate: int = SAMPLE_RATE,
        reference: Performance | None = None,
        activations: np.ndarray | dict[str, np.ndarray] | None = None,
        frame_seconds: float = 0.02,
        candidates: Candidates | None = None,
        spectrum: bool = True,
        background: str = "spectrum",
        ends: str | None = None,
        title: str = "",
        score=None,
        height: int = 420,
        theme: str = "auto",
        language: str = "auto",
    ):
        for name, value, known in (("theme", theme, _THEMES), ("language", language, _LANGUAGES)):
            if value not in known:
                raise AmtError(f"{name} must be one of {known}, not {value!r}")
        for each in filter(None, (performance, reference)):
            check_notes(each.notes)
            check_pedals(each.pedals)
        self.reference, self.candidates = reference, candidates
        self._heard = performance
        self.sound = None if audio is None else Sound(audio, sample_rate=sample_rate)
        self.ends = ends or ("key" if reference is None else "sounding")
        performance.with_ends(self.ends)  # checks `ends`
        offered, probability = performance.notes, None
        if candidates is not None:
            if not np.array_equal(candidates.at()[["onset", "pitch"]], performance.notes[["onset", "pitch"]]):
                raise AmtError("candidates: they are not those of this performance; find both in one recording")
            offered, probability = candidates.notes, candidates.probability
        activations = _named(activations)
        images = self._make_images(activations, frame_seconds, spectrum)
        if probability is None and "onset" in activations and len(offered):
            probability = onset_probabilities(offered, np.asarray(activations["onset"]), frame_seconds)
        self._offered, self._hands = offered, find_hands(offered, score, candidates)
        beats = None if score is None else describe_beats(score)
        score_heights, score_pages = (None, b"") if score is None else pack_score(score)
        meta = {
            "title": title, "height": int(height), "theme": theme, "language": language, "background": background,
            "duration": self._duration(), "ends": self.ends,
            "notes": len(offered), "pedals": len(performance.pedals),
            "reference": None if reference is None else len(reference.notes),
            "reference_pedals": 0 if reference is None else len(reference.pedals),
            "candidates": None if candidates is None else {
                "threshold": candidates.threshold, "lowest": candidates.lowest, "shortest": candidates.shortest,
            },
            "images": [about for about, _ in images], "audio": None, "score": score_heights, "beats": beats,
        }  # fmt: skip
        sound = b""
        if self.sound is not None:
            sound, mime = self.sound.encoded(small=self.sound.duration > _FLAC_UP_TO)
            meta["audio"] = {"mime": mime, "duration": self.sound.duration, "rate": self.sound.rate}
        super().__init__(
            _meta=meta,
            _notes=pack_notes(offered, probability, self._hands),
            _reference=b"" if reference is None else pack_notes(reference.notes),
            _reference_pedals=b"" if reference is None else pack_pedals(reference),
            _pedals=pack_pedals(performance),
            _audio=sound,
            _images=b"".join(data for _, data in images),
            _score=score_pages,
            downbeat=-1 if beats is None else beats["downbeat"],
        )

    @property
    def performance(self) -> Performance:
        """The transcription as shown: with the user's corrections and threshold."""
        return self._corrected()[0]

    @property
    def hands(self) -> np.ndarray:
        """``(n,)`` hand of each of ``performance.notes``: 0 right, 1 left."""
        return self._corrected()[1]

    def _corrected(self) -> tuple[Performance, np.ndarray]:
        notes, hands = correct(self._offered, self._hands, self.candidates, self.corrections)
        return Performance(notes, self._heard.pedals), hands

    @property
    def comparison(self) -> Comparison | None:
        """Hits, wrong ends, extra and missed notes of :attr:`performance`; ``None`` without a reference."""
        if self.reference is None:
            return None
        return compare_notes(self.reference.with_ends(self.ends), self.performance.with_ends(self.ends))

    @property
    def selected_notes(self) -> np.ndarray:
        """The chosen notes of the transcription, ``(k,)``, with key ends."""
        return self.performance.notes[np.array(self.selection, dtype=np.int64)]

    def play(self) -> None:
        """Start playing; browsers require a click in the widget first."""
        self._order("play")

    def pause(self) -> None:
        """Pause playing."""
        self._order("pause")

    def seek(self, seconds: float) -> None:
        """Move the playhead, and the view with it."""
        self._order("seek", float(seconds))

    def select(self, indices) -> None:
        """Choose notes of the transcription by index, e.g. ``np.flatnonzero(notes["velocity"] < 20)``."""
        self._order("select", [int(i) for i in indices])

    def set_loop(self, start: float | None, end: float | None = None) -> None:
        """Repeat ``start``..``end`` seconds; ``None`` ends the loop."""
        self._order("loop", [] if start is None or end is None else [float(start), float(end)])

    def show_range(self, start: float, end: float) -> None:
        """Zoom to ``start``..``end`` seconds."""
        self._order("view", [float(start), float(end)])

    def listen_to(self, sound: str) -> None:
        """"recording", "midi", "both" (recording left, MIDI right) or "reference"."""
        if sound not in _SOUNDS:
            raise AmtError(f"sound must be one of {_SOUNDS}, not {sound!r}")
        self._order("sound", sound)

    def show_mode(self, mode: str) -> None:
        """"velocity", "hands", "comparison" or "reference"; the last two need a reference."""
        if mode not in _MODES or (mode in _MODES[2:] and self.reference is None):
            raise AmtError(f"mode must be one of {_MODES} (the last two with a reference), not {mode!r}")
        self._order("mode", mode)

    def _order(self, kind: str, value=None) -> None:
        # messages, not traits: the browser's own reports must not come back to it as commands
        self.send({"type": kind, "value": value})

    def to_html(self, path: str | os.PathLike) -> Path:
        """Write one self-contained HTML file, sound included (MP3), and return its path.

        Raises:
            AmtError: the file cannot be written.
        """
        with written_whole(path) as partial:
            partial.write_text(self.page(), encoding="utf-8")
        return Path(path)

    def to_midi(self, path: str | os.PathLike) -> Path:
        """Write :attr:`performance`, corrections included, as MIDI, and return its path.

        Raises:
            AmtError: the file cannot be written.
        """
        return write_midi(path, self.performance)

    def page(self) -> str:
        """The self-contained page as text."""
        meta, sound = dict(self._meta), self._audio
        if self.sound is not None and meta["audio"]["mime"] == "audio/flac":
            sound, mime = self.sound.encoded(small=True)
            meta["audio"] = {**meta["audio"], "mime": mime}
        names = ("_notes", "_reference", "_reference_pedals", "_pedals", "_images", "_score")
        binaries = {name: getattr(self, name) for name in names}
        said = {"corrections": self.corrections, "downbeat": self.downbeat}
        return page.build(meta, said, {**binaries, "_audio": sound})

    def as_html(self):
        """The page in a frame, as an ``IPython.display.HTML``: for Kaggle, and for notebooks saved with their output.

        It looks and sounds the same, but its traits do not change in Python.
        """
        return page.frame(self.page(), height=self._meta["height"] + (630 if self._meta["score"] else 250))

    def _repr_mimebundle_(self, **kwargs):
        from ..system.paths import platform

        # Kaggle shows no third-party widgets; AMT_WIDGET=html asks for the same elsewhere
        if platform() == "kaggle" or os.environ.get("AMT_WIDGET") == "html":
            return {"text/html": self.as_html().data, "text/plain": repr(self)}, {}
        return super()._repr_mimebundle_(**kwargs)

    def __repr__(self) -> str:
        return f"PianoRoll({len(self.performance.notes)} notes, {self._meta.get('duration', 0):.1f} s)"

    def _duration(self) -> float:
        last = 0.0 if self.sound is None else self.sound.duration
        for each in filter(None, (self._heard, self.reference)):
            if len(each.notes):
                last = max(last, float(each.with_ends("sounding")["offset"].max()) + _END_MARGIN)
        return max(last, 1.0)

    def _make_images(self, activations: dict, frame_seconds: float, spectrum: bool) -> list[tuple[dict, bytes]]:
        images = [pack_image("spectrum", *self.sound.spectrum())] if spectrum and self.sound is not None else []
        for name in ("onset", "frame", "offset"):
            if name in activations:
                images.append(pack_image(name, activations[name], frame_seconds))
        return images


def _named(activations: np.ndarray | dict[str, np.ndarray] | None) -> dict[str, np.ndarray]:
    if activations is None:
        return {}
    return activations if isinstance(activations, dict) else {"onset": activations}
