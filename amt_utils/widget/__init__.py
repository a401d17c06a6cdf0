"""The piano roll for notebooks and web pages; see :class:`PianoRoll`."""

from .compare import Comparison, compare_notes
from .piano_roll import PianoRoll

__all__ = ["Comparison", "PianoRoll", "compare_notes"]
