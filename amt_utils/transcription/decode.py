"""Activations (probabilities) -> notes and pedals.

An onset is a local maximum of the onset roll above its threshold; its time between frames follows from the two
neighbouring frames (Kong et al., TASLP 2021). A note's sounding end is where the offset roll and falls of the frame
roll make it most likely, before its key is struck again; its key end is where the key-offset roll makes it most
likely, before the sounding end (:func:`find_end`). A pedal's presses and releases follow from how its probability
rises and falls (:func:`find_presses`). Velocity is the mean of the velocity roll during the attack; :mod:`.velocities`
corrects it afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..config import KEY_ROLLS, Config
from ..music.notes import (
    N_KEYS,
    PEDAL,
    PEDAL_NAMES,
    make_pedals,
)

STRUCK = np.dtype(  # a note; times in frames, fractional except for the frame of its onset's peak, `strike`
    [("strike", "i8"), ("onset", "f8"), ("key_end", "f8"), ("end", "f8"), ("key", "i2"), ("velocity", "i2")]
)
PEDAL_REACH = 0.1  # seconds about a press or a release within which a change of the pedal's probability speaks for it
CHANGE_COST = 0.2  # of each press and each release, as a probability
LEVEL_WORTH = 2.5  # a second of certainty that the pedal is down, compared with the certainty of a press
SETTLED = 2  # frames after an onset in which no end is looked for, so that the attack is not taken for one
HEARD = 0.05  # smaller probabilities of an end are background
FALL = 0.5  # how likely an end is where the frame roll falls to zero and the offset roll says nothing
SILENT, LONGEST = 0.1, 60.0  # a note has ended where its frame roll is below, or after so many seconds
HELD = 0.5  # how likely a key is held to its note's sounding end if nothing else was heard
CERTAIN = 0.95  # the largest probability of an end in one frame
END_REACH, END_RATIO = 0.1, 0.2  # an end so many seconds away, or by so much of the note's length, is as good as none


def find_notes(
    chunks: Iterable[dict[str, np.ndarray]], config: Config, *, cut_at_strikes: bool = True
) -> np.ndarray:
    """Consecutive chunks of :data:`.KEY_ROLLS` -> :data:`STRUCK` notes, independent of where the rolls are cut.

    Memory holds one chunk and the frames since the onset of the oldest sounding note. Without ``cut_at_strikes`` a
    note may last beyond the next strike of its key (:mod:`.candidates`).
    """
    found = [np.zeros(0, STRUCK)]
    begin, held = 0, {name: np.zeros((0, N_KEYS), np.float16) for name in KEY_ROLLS}  # from frame `begin` on
    chunks = iter(chunks)
    following = next(chunks, None)
    while following is not None:
        chunk, following = following, next(chunks, None)
        held = {name: np.concatenate([held[name], chunk[name]]) for name in KEY_ROLLS}
        notes, decided = _find_notes(held, config, cut_at_strikes)
        own = notes["strike"] >= min(begin, 1)  # the first frame serves only as the second one's neighbour
        notes, decided = notes[own], decided[own]
        settled = len(held["onset"])
        if following is not None:  # what is decided by the last two frames may change with the following ones
            settled = min([settled - 1, *notes["strike"][decided >= settled - 2]])
        notes = notes[notes["strike"] < settled]
        for name in ("strike", "onset", "key_end", "end"):
            notes[name] += begin
        found.append(notes)
        kept_from = max(0, settled - 1)
        begin += kept_from
        held = {name: held[name][kept_from:] for name in KEY_ROLLS}
    return np.concatenate(found)


def _find_notes(
    activations: dict[str, np.ndarray], config: Config, cut_at_strikes: bool
) -> tuple[np.ndarray, np.ndarray]:
    """:data:`STRUCK` notes, and the last frame on which each one's ends depend."""
    decode, seconds = config.decode, config.feature.frame_seconds
    rows: list[tuple[int, float, float, float, int, int]] = []
    decided: list[int] = []
    shortest, longest, reach = decode.min_note_seconds / seconds, LONGEST / seconds, END_REACH / seconds
    mass = peak_mass(config)
    for key in np.flatnonzero((activations["onset"] >= decode.onset_threshold).any(axis=0)).tolist():
        onset, offset, key_offset, frame, velocity = (
            np.asarray(activations[name][:, key], np.float64) for name in KEY_ROLLS
        )
        strikes, times = find_peaks(onset, decode.onset_threshold, refine=decode.onset_refinement)
        if not len(strikes):
            continue
        fall = np.append(0.0, np.maximum(1 - frame[1:] / np.maximum(frame[:-1], 0.02), 0.0))
        end_here = np.minimum(np.maximum(offset - HEARD, 0) / mass + FALL * fall, CERTAIN)
        key_up_here = np.minimum(np.maximum(key_offset - HEARD, 0) / mass, CERTAIN)
        silent = np.flatnonzero(frame < SILENT)
        following = np.append(times[1:], len(onset)) if cut_at_strikes else np.full(len(times), len(onset))
        for strike, time, limit in zip(strikes, times, following, strict=True):
            begin = strike + SETTLED
            latest = min(_first(silent, begin, len(frame)), float(limit), strike + longest)
            end = find_end(end_here, begin, latest, onset=time, latest_likely=1.0, reach=reach)
            end = max(end, time + shortest)
            key_end = find_end(key_up_here, begin, end, onset=time, latest_likely=HELD, reach=reach)
            key_end = max(key_end, time + shortest)
            loudness = int(np.clip(np.rint(127 * velocity[strike : begin + 1].mean()), 1, 127))
            rows.append((strike, time, min(key_end, end), end, key, loudness))
            decided.append(max(int(latest), begin))
    return np.array(rows, STRUCK), np.array(decided, np.int64)


def peak_mass(config: Config) -> float:
    """The sum of the frames of one peak, as the targets of ends have it."""
    return config.target.soft_frames if config.target.mode == "soft" else 1.0


def find_end(
    here: np.ndarray, begin: int, latest: float, *, onset: float, latest_likely: float, reach: float
) -> float:
    """Where a note most likely ends; times in frames.

    Args:
        here: ``(T,)``, how likely each frame is to end a note that lasts until there.
        begin: the first frame that may end it.
        latest: when it ends if no frame before did.
        onset: the note's.
        latest_likely: how likely it ends at ``latest`` in that case; else nobody knows where.
        reach: an end that far from the true one is as good as none. For long notes it is :data:`END_RATIO` of the
            length. Nearer ends are worth the more the nearer they are, and the end that is worth most is taken.
    """
    here = here[begin : int(latest) + 1]
    n = len(here)
    if not n:
        return latest
    lasts = np.cumprod(1 - here)
    ends = here * np.append(1.0, lasts[:-1])
    before = np.cumsum(ends)
    twice = np.append(0.0, np.cumsum(before)[:-1])  # the integral of the integral of `ends`, at the frames

    def integral(x: np.ndarray) -> np.ndarray:
        return np.interp(x, np.arange(n), twice) + np.maximum(x - (n - 1), 0) * before[-1]

    end = np.append(np.arange(n), latest - begin)
    width = np.maximum(reach, END_RATIO * (end + begin - onset))
    worth = (integral(end + width) - 2 * integral(end) + integral(end - width)) / width  # a triangle's weights
    worth += latest_likely * lasts[-1] * np.maximum(0, 1 - np.abs(latest - begin - end) / width)
    best = int(np.argmax(worth))
    if best == n:
        return latest
    return begin + (float(_between_frames(worth, np.array([best]))[0]) if 0 < best < n - 1 else best)


def find_peaks(roll: np.ndarray, threshold: float, *, refine: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Local maxima of ``(T,)`` of at least ``threshold`` -> their frames, and their times in fractional frames.

    Without ``refine`` the times equal the frames.
    """
    before, after = np.append(-1.0, roll[:-1]), np.append(roll[1:], -1.0)
    frames = np.flatnonzero((roll >= threshold) & (roll > before) & (roll >= after))
    return frames, _between_frames(roll, frames) if refine else frames.astype(np.float64)


def _between_frames(roll: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Maxima of ``(T,)`` at ``frames`` -> their times in fractional frames, from the two neighbours of each."""
    # nothing is beyond the first and the last frame
    left = np.where(frames > 0, np.maximum(roll[frames - 1], 0), 0)
    right = np.where(frames < len(roll) - 1, np.maximum(roll[np.minimum(frames + 1, len(roll) - 1)], 0), 0)
    depth = roll[frames] - np.minimum(left, right)
    between = np.where(depth > 1e-6, (right - left) / (2 * np.maximum(depth, 1e-6)), 0.0)
    return np.maximum(frames + np.clip(between, -0.5, 0.5), 0.0)


def _first(frames: np.ndarray, begin: int, otherwise: float) -> float:
    """The first of ``frames`` (sorted) at or after ``begin``."""
    i = np.searchsorted(frames, begin)
    return float(frames[i]) if i < len(frames) else float(otherwise)


def decode_pedals(pedal: np.ndarray, config: Config) -> np.ndarray:
    """``(T, 3)`` probabilities -> pedal events (:func:`find_presses`).

    The dampers touch the strings before the pedal is half up. Releases are therefore moved later by
    ``decode.pedal_release_shift`` seconds, at most half-way to the next press.
    """
    decode, seconds = config.decode, config.feature.frame_seconds
    on, off, kinds = [], [], []
    for kind in range(len(PEDAL_NAMES)):
        press, release = find_presses(np.asarray(pedal[:, kind], np.float64), decode.pedal_threshold, seconds)
        begin, end = press * seconds, release * seconds
        end += np.minimum(decode.pedal_release_shift, np.append(begin[1:] - end[:-1], np.inf) / 2)
        on.append(begin)
        off.append(end)
        kinds.append(np.full(len(begin), kind))
    if not sum(map(len, on)):
        return np.zeros(0, PEDAL)
    return make_pedals(np.concatenate(on), np.concatenate(off), np.concatenate(kinds))


def find_presses(down: np.ndarray, threshold: float, frame_seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """``(T,)`` probabilities that a pedal is down -> its presses and releases, in fractional frames.

    A rise of the probability by 0.2 says that the pedal is pressed there with a probability of 0.2. So a press is worth
    the rises about it, the nearer the more, up to :data:`PEDAL_REACH`; a release is worth the falls; each costs
    :data:`CHANGE_COST`. While the pedal is down every frame is worth its probability above ``threshold``, and while it
    is up, below. Of all rows of presses and releases in turn the one that is worth most is found (Viterbi).
    """
    reach = max(1, round(PEDAL_REACH / frame_seconds))
    up = np.zeros(reach)  # before the recording and after it
    around = np.concatenate([up, down, up])
    rise = np.convolve(np.diff(around), 1 - np.abs(np.arange(1 - reach, reach)) / reach, "same")  # between the frames
    level = LEVEL_WORTH * frame_seconds * (around[1:] - threshold)
    up_worth, down_worth = 0.0, -np.inf  # of the best rows so far that end with the pedal up, and down
    presses, releases = [], []  # whether the pedal goes down, or up, here in the best row that ends so
    for change, held in zip(rise.tolist(), level.tolist(), strict=True):
        press, release = up_worth + change - CHANGE_COST, down_worth - change - CHANGE_COST
        presses.append(press > down_worth)
        releases.append(release > up_worth)
        up_worth, down_worth = max(up_worth, release) - held, max(down_worth, press) + held
    found: dict[bool, list[int]] = {False: [], True: []}
    is_down = False
    for i in range(len(rise) - 1, -1, -1):
        if (presses if is_down else releases)[i]:
            found[is_down].append(i)
            is_down = not is_down
    press, release = (
        np.clip(_between_frames(worth, np.array(found[pressed][::-1], np.int64)) + 0.5 - reach, 0, len(down))
        for pressed, worth in ((True, rise), (False, -rise))
    )
    return press[release > press], release[release > press]
