"""A recording from the user's computer or microphone, on Colab, in JupyterLab and in VS Code."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets
from IPython.display import display

from ..audio.reading import audio_duration
from ..system.errors import AmtError
from ..system.paths import example_files
from . import page


class AudioInput(anywidget.AnyWidget):
    """Choose a file, drop one, or record; it is saved in ``folder`` and :attr:`path` names it.

    With ``transcribe`` the widget has a button that transcribes the recording, or the example where none was given,
    shows its progress, and displays the result in :attr:`output`. Nothing runs before the button is pressed, and a
    recording that was transcribed is not transcribed again.

    Args:
        folder: where recordings are saved; made when the first one arrives.
        transcribe: called with the recording's path and ``on_progress=``, which takes seconds of audio; what it
            returns is kept in :attr:`result` and, where it has a ``roll(language=)``, displayed
            (:func:`amt_utils.results.transcription.transcribe`).
        language: "auto", "en" or "es".

    Attributes:
        path: the latest recording as text, ``""`` before there is one (``source.observe(function, "path")``).
        summary: the widget's text about it.
        result: of the latest transcription, ``None`` before there is one.
        output: where the result is shown; display it below the widget.
    """

    _esm = page.script(("words", "elements", "microphone", "input")) + "\nexport default { render: renderInput };\n"
    _css = page.style("input.css")

    path = traitlets.Unicode("")
    summary = traitlets.Unicode("").tag(sync=True)
    language = traitlets.Unicode("auto").tag(sync=True)
    can_transcribe = traitlets.Bool(False).tag(sync=True)
    busy = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self, folder: str | os.PathLike, *, transcribe: Callable[..., Any] | None = None, language: str = "auto"
    ):
        super().__init__(language=language, can_transcribe=transcribe is not None)
        self.folder = Path(folder)
        self.output = ipywidgets.Output()
        self.result: Any = None
        self._transcribe, self._transcribed = transcribe, ""
        self._pieces: list[bytes] = []
        self.on_msg(self._receive)

    def choose(self, default: str | os.PathLike) -> Path:
        """The recording that was given, or ``default``."""
        return Path(self.path or default)

    def transcribe(self) -> Any:
        """The button's action; returns :attr:`result`. Errors are shown in the widget."""
        recording = self.choose(example_files()[0])
        if self._transcribe is None or self.busy or self._transcribed == str(recording):
            return self.result
        self.busy, begun, done = True, time.monotonic(), 0.0
        try:
            length = audio_duration(recording)

            def show(seconds: float) -> None:
                nonlocal done
                done = min(length, done + seconds)
                left = (time.monotonic() - begun) * (length - done) / max(done, 1e-9)
                self.summary = f"{recording.name} · {100 * done / max(length, 1e-9):.0f} % · {left:.0f} s left"

            self.summary = f"{recording.name} · 0 %"
            self.result = self._transcribe(recording, on_progress=show)
            self._transcribed = str(recording)
            self.summary = getattr(self.result, "summary", recording.name)
        except AmtError as error:
            self.summary = str(error)
            return self.result
        finally:
            self.busy = False
        if hasattr(self.result, "roll"):
            self.output.clear_output()
            with self.output:
                display(self.result.roll(language=self.language))
        return self.result

    def _receive(self, _widget, message: dict, buffers: list) -> None:
        if message.get("transcribe"):
            self.transcribe()
            return
        if message.get("first"):
            self._pieces = []
        self._pieces += [bytes(buffer) for buffer in buffers]
        if not message.get("last"):
            return
        # the browser names the file: keep its last part only, so that it lands in the folder
        target = self.folder / (Path(str(message["name"]).replace("\\", "/")).name.lstrip(".") or "recording.wav")
        self.folder.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"".join(self._pieces))
        self._pieces = []
        try:
            seconds = audio_duration(target)
        except AmtError as error:
            target.unlink()
            self.summary = str(error)
            return
        self.summary = f"{target.name} · {int(seconds // 60)}:{seconds % 60:04.1f}"
        self.path, self._transcribed = str(target), ""
