"""Widgets for notebooks and web pages: :class:`PianoRoll` shows and plays, :class:`AudioInput` takes a recording."""

from .audio_input import AudioInput
from .compare import Comparison, compare_notes
from .piano_roll import PianoRoll

__all__ = ["AudioInput", "Comparison", "PianoRoll", "compare_notes"]
