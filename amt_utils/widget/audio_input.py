"""A recording from the reader's computer or microphone, on Colab, in JupyterLab and in VS Code alike."""

from __future__ import annotations

import os
from pathlib import Path

import anywidget
import traitlets

from ..audio.reading import audio_duration
from ..system.errors import AmtError
from . import page


class AudioInput(anywidget.AnyWidget):
    """Choose a file, drop one, or record; it is saved in ``folder`` and :attr:`path` names it.

    Args:
        folder: where recordings are saved; made when the first one arrives.
        language: "auto", "en" or "es".

    Attributes:
        path: the latest recording as text, ``""`` before there is one (``source.observe(function, "path")``).
        summary: what the widget says about it.
    """

    _esm = page.script(("words", "elements", "input")) + "\nexport default { render: renderInput };\n"
    _css = page.style("input.css")

    path = traitlets.Unicode("")
    summary = traitlets.Unicode("").tag(sync=True)
    language = traitlets.Unicode("auto").tag(sync=True)

    def __init__(self, folder: str | os.PathLike, *, language: str = "auto"):
        super().__init__(language=language)
        self.folder = Path(folder)
        self._pieces: list[bytes] = []
        self.on_msg(self._receive)

    def choose(self, default: str | os.PathLike) -> Path:
        """The recording that was given, or ``default``."""
        return Path(self.path or default)

    def _receive(self, _widget, message: dict, buffers: list) -> None:
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
        self.path = str(target)
