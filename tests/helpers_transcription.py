"""A stand-in for the network, which needs no time."""

from __future__ import annotations

import numpy as np

from amt_utils.audio.reading import load_audio
from amt_utils.config import Config
from amt_utils.system.errors import AmtError


class PerfectEar:
    """Hears exactly what was played."""

    config = Config()
    played = None
    tuning = None

    def __init__(self, seed: int = 0):
        self.card = {"sha256": f"of the weights {seed}"}
        self.heard: list[str] = []

    def tuned(self, path):
        return self

    def activations(self, path, on_progress=None):
        load_audio(path)
        return {"onset": np.zeros((700, 88)), "pedal": np.zeros((700, 3))}

    def transcribe(self, path, on_progress=None):
        audio = load_audio(path)
        self.heard.append(path.name)
        if on_progress:
            on_progress(len(audio) / 16_000)
        return self.played

    def transcribe_all(self, paths, on_progress=None):
        for path in paths:
            try:
                result = self.transcribe(path, on_progress=on_progress)
            except AmtError as error:
                result = error
            yield result, self.tuning or 440.0
