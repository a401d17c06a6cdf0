"""Every note the network thought possible, with its probability: what a sensitivity slider chooses from.

Onsets are those of a decoding at a low threshold; lowering or raising the threshold only adds or takes away notes,
it moves none. What does change is where a note ends, as it ends at the next strike of its key; candidates therefore
carry the ends they have when no strike follows, and :meth:`Candidates.at` cuts them at those that are chosen. At the
configuration's own threshold the result is the transcription; at others the onsets are what decoding anew would give,
while velocities, which are read from all notes together, and the choice between a key end and a sounding end, which
depends on what the pedals explain, stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..config import Config
from ..music.notes import LOWEST_PITCH, check_notes
from .decode import decode_pedals, find_notes
from .performance import in_seconds, perform

LOWEST_THRESHOLD = 0.1  # below it there is noise


@dataclass(frozen=True)
class Candidates:
    """Possible notes.

    Attributes:
        notes: ``(n,)`` notes with the key ends they have if their key is not struck again.
        probability: ``(n,)`` float32, the network's for each onset.
        threshold: the least probability of the transcription's notes.
        lowest: the least probability of any candidate.
        shortest: seconds that a note lasts at least, however soon its key is struck again.
    """

    notes: np.ndarray
    probability: np.ndarray
    threshold: float
    lowest: float
    shortest: float

    def at(self, threshold: float | None = None, without: np.ndarray | tuple[int, ...] = ()) -> np.ndarray:
        """Notes whose probability is ``threshold`` (the transcription's by default) or more.

        Args:
            threshold: 0..1.
            without: indices of candidates that are left out whatever their probability.

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
    """``(n,)`` notes, each ending at the next strike of its key at the latest, but not before ``shortest`` seconds."""
    notes = notes.copy()
    for pitch in np.unique(notes["pitch"]):
        own = np.flatnonzero(notes["pitch"] == pitch)
        onset, offset = notes["onset"][own], notes["offset"][own]
        following = np.append(onset[1:], np.inf)
        notes["offset"][own] = np.where(offset > following, np.maximum(following, onset + shortest), offset)
    return notes


def find_candidates(
    activations: dict[str, np.ndarray],
    config: Config,
    *,
    heard: np.ndarray | None = None,
    lowest: float = LOWEST_THRESHOLD,
) -> Candidates:
    """Probabilities of :data:`.ROLLS` -> :class:`Candidates`.

    Args:
        activations: ``(T, 88)`` each, ``pedal`` ``(T, 3)``.
        config: whose ``decode.onset_threshold`` makes the transcription.
        heard: the transcription's notes (:func:`.decode_performance`), where they are known already.
        lowest: the least probability that is kept; no more than that threshold.
    """
    threshold = config.decode.onset_threshold
    lowest = min(lowest, threshold)
    pedals = decode_pedals(activations["pedal"], config)
    low = config.replace(decode={"onset_threshold": lowest})
    whole = find_notes([activations], low, cut_at_strikes=False)
    probability = activations["onset"][whole["strike"], whole["key"]].astype(np.float32)
    if heard is None:
        heard = perform(find_notes([activations], config), pedals, config).notes
    order, _, key_end, end = in_seconds(whole, low)
    notes, probability = perform(whole, pedals, low).notes.copy(), probability[order]
    # what is over the threshold is as in the transcription, but for ends that a strike cut
    at = np.flatnonzero(probability >= np.float32(threshold))
    key_end, end = key_end[at], end[at]
    for field in ("onset", "velocity"):
        notes[field][at] = heard[field]
    following = cut_at_strikes(_lasting(heard), 0.0)["offset"]
    is_cut = heard["offset"] >= following - 1e-9
    by_sound = np.abs(heard["offset"] - end) < np.abs(heard["offset"] - key_end)
    notes["offset"][at] = np.where(
        is_cut, np.maximum(np.where(by_sound, end, key_end), heard["offset"]), heard["offset"]
    )
    return Candidates(check_notes(notes), probability, threshold, lowest, config.decode.min_note_seconds)


def _lasting(notes: np.ndarray) -> np.ndarray:
    """The same notes without an end of their own."""
    notes = notes.copy()
    notes["offset"] = np.inf
    return notes


def onset_probabilities(notes: np.ndarray, onset: np.ndarray, frame_seconds: float, shift: float = 0.0) -> np.ndarray:
    """What the network said where each of ``(n,)`` notes begins -> ``(n,)`` float32.

    Args:
        notes: transcribed by it, or not.
        onset: ``(T, 88)`` probabilities; the largest within two frames is taken.
        frame_seconds: seconds per row.
        shift: seconds that decoding added to every time.
    """
    frames = np.rint((notes["onset"] - shift) / frame_seconds).astype(np.int64)
    near = np.clip(frames[:, None] + np.arange(-2, 3), 0, len(onset) - 1)
    return onset[near, (notes["pitch"] - LOWEST_PITCH)[:, None]].max(axis=1).astype(np.float32)
