"""Pedals, in windows of their own that are much longer than those of the keys."""

from __future__ import annotations

import numpy as np

from ..audio.windows import pedal_cut
from ..config import Config
from .network import Network, sigmoid


class PedalReader:
    """Pedal cues, chunk by chunk -> pedal probabilities, computed as soon as a window of ten minutes is complete."""

    def __init__(self, network: Network, config: Config):
        self.network, self.cut = network, pedal_cut(config.feature)
        self.number, self.held, self.first = 0, [np.zeros((0, 0), np.float16)], 0  # `first`: the frame it begins at
        self.probabilities: list[np.ndarray] = []

    def add(self, cue: np.ndarray) -> None:
        """Adds the next ``(t, C)`` frames."""
        self.held = [*self.held, cue] if self.held[0].size else [cue]
        n_frames = self.first + sum(map(len, self.held))
        if n_frames > self.number * self.cut.step + self.cut.length:  # the window is complete, and not the last
            self._run(n_frames)

    def finish(self) -> np.ndarray:
        """Probabilities ``(T, 3)``, float16, of all frames that were added."""
        self._run(self.first + sum(map(len, self.held)))
        return np.concatenate(self.probabilities)

    def _run(self, n_frames: int) -> None:
        window = self.cut.window(self.number, n_frames)
        cue = np.concatenate(self.held)
        logits = self.network.pedals(cue[None, window.begin - self.first : window.end - self.first].astype(np.float32))
        self.probabilities.append(sigmoid(logits[0, window.kept]).astype(np.float16))
        self.number += 1
        following = self.number * self.cut.step
        self.held, self.first = [cue[following - self.first :]], following
