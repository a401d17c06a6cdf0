"""Notes decoded at a low threshold, with their probabilities: a sensitivity slider selects among them.

A different threshold adds or removes notes; onsets do not move. A note ends at the next strike of its key, so its end
depends on which notes are selected: candidates have the ends they would have without a following strike, and
:meth:`Candidates.at` cuts them at the selected strikes. At the configuration's threshold the result equals the
transcription. At other thresholds the onsets equal those of a new decoding; velocities (estimated from all notes
together) and the choice between key end and sounding end (which depends on the pedals) are those of the
transcription.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..config import Config
from ..music.notes import LOWEST_PITCH, check_notes, next_onsets
from .decode import decode_pedals, find_notes
from .performance import in_seconds, perform

LOWEST_THRESHOLD = 0.1  # below it most candidates are noise


@dataclass(frozen=True)
class Candidates:
    """Possible notes.

    Attributes:
        notes: ``(n,)`` notes with the key ends they would have if their key were not struck again.
        probability: ``(n,)`` float32, of each onset.
        threshold: the onset threshold of the transcription.
        lowest: the onset threshold of the candidates.
        shortest: minimum length of a note in seconds.
    """

    notes: np.ndarray
    probability: np.ndarray
    threshold: float
    lowest: float
    shortest: float

    def at(self, threshold: float | None = None, without: np.ndarray | tuple[int, ...] = ()) -> np.ndarray:
        """Notes with a probability of at least ``threshold`` (by default the transcription's).

        Args:
            threshold: 0..1.
            without: indices of candidates to exclude.

        Returns:
            ``(k,)`` notes in the candidates' order, each cut at the next strike of its key.
        """
        chosen = self.chosen(threshold, without)
        return check_notes(cut_at_strikes(self.notes[chosen], self.shortest))

    def chosen(self, threshold: float | None = None, without: np.ndarray | tuple[int, ...] = ()) -> np.ndarray:
        """``(k,)`` indices of the candidates that :meth:`at` returns."""
        keep = self.probability >= np.float32(self.threshold if threshold is None else threshold)
        keep[np.asarray(without, np.int64)] = False
        return np.flatnonzero(keep)


def cut_at_strikes(notes: np.ndarray, shortest: float) -> np.ndarray:
    """``(n,)`` notes, each cut at the next strike of its key, but not shorter than ``shortest`` seconds."""
    notes = notes.copy()
    onset, offset, following = notes["onset"], notes["offset"], next_onsets(notes["pitch"], notes["onset"])
    notes["offset"] = np.where(offset > following, np.maximum(following, onset + shortest), offset)
    return notes


def find_candidates(
    activations: dict[str, np.ndarray],
    config: Config,
    *,
    transcribed: np.ndarray | None = None,
    lowest: float = LOWEST_THRESHOLD,
) -> Candidates:
    """Probabilities of :data:`.ROLLS` -> :class:`Candidates`.

    Args:
        activations: ``(T, 88)`` each, ``pedal`` ``(T, 3)``.
        config: its ``decode.onset_threshold`` is the transcription's.
        transcribed: the transcription's notes (:func:`.decode_performance`) if they are decoded already.
        lowest: minimum probability; at most that threshold.
    """
    threshold = config.decode.onset_threshold
    lowest = min(lowest, threshold)
    pedals = decode_pedals(activations["pedal"], config)
    low = config.replace(decode={"onset_threshold": lowest})
    whole = find_notes([activations], low, cut_at_strikes=False)
    probability = activations["onset"][whole["strike"], whole["key"]].astype(np.float32)
    if transcribed is None:
        transcribed = perform(find_notes([activations], config), pedals, config).notes
    order, _, key_end, end = in_seconds(whole, low)
    notes, probability = perform(whole, pedals, low).notes.copy(), probability[order]
    # above the threshold notes equal the transcription's, except for ends cut by a strike
    at = np.flatnonzero(probability >= np.float32(threshold))
    key_end, end = key_end[at], end[at]
    for field in ("onset", "velocity"):
        notes[field][at] = transcribed[field]
    following = cut_at_strikes(_without_ends(transcribed), 0.0)["offset"]
    offset = transcribed["offset"]
    is_cut = offset >= following - 1e-9
    by_sound = np.abs(offset - end) < np.abs(offset - key_end)
    notes["offset"][at] = np.where(is_cut, np.maximum(np.where(by_sound, end, key_end), offset), offset)
    return Candidates(check_notes(notes), probability, threshold, lowest, config.decode.min_note_seconds)


def _without_ends(notes: np.ndarray) -> np.ndarray:
    """The notes with infinite offsets."""
    notes = notes.copy()
    notes["offset"] = np.inf
    return notes


def onset_probabilities(notes: np.ndarray, onset: np.ndarray, frame_seconds: float, shift: float = 0.0) -> np.ndarray:
    """The onset probability of each of ``(n,)`` notes -> ``(n,)`` float32.

    Args:
        notes: of a transcription or of other MIDI.
        onset: ``(T, 88)`` probabilities; the maximum within two frames of the note's onset is taken.
        frame_seconds: seconds per frame.
        shift: ``decode.time_shift``, in seconds.
    """
    frames = np.rint((notes["onset"] - shift) / frame_seconds).astype(np.int64)
    near = np.clip(frames[:, None] + np.arange(-2, 3), 0, len(onset) - 1)
    return onset[near, (notes["pitch"] - LOWEST_PITCH)[:, None]].max(axis=1).astype(np.float32)
