"""Training targets for each note of an aligned performance, and augmentation of the performances."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from ..music.notes import HIGHEST_PITCH, LOWEST_PITCH, NOTE, SUSTAIN, Performance
from .asap import ALIGNED, Aligned, Annotations
from .metre import Metre
from .note_network import KEYS, METRES, NAMES, PARTS, PERIODS, VALUES, NoteLabels

IGNORED = -1
_LINE = {step: place for place, step in enumerate("FCGDAEB", start=-1)}
_SAME_BEAT = {(12, 16): (12, 8), (6, 16): (6, 8), (9, 16): (9, 8)}  # signatures counted like a class of METRES

_OTHER_BEAT = {(6, 4), (9, 4), (24, 16)}  # annotated beats of three or more notes of the denominator


class Targets(NoteLabels):
    """Classes ``(n,)`` int of each head; :data:`IGNORED` where the truth is unknown."""

    def take(self, rows: np.ndarray | slice) -> Targets:
        return Targets(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def make_targets(performance: Performance, beats: Annotations, rows: np.ndarray) -> Targets:
    """Targets of all notes, from the beats; for notes in ``rows`` (:data:`ALIGNED`), also from the score."""
    notes = performance.notes
    n = len(notes)
    onset = notes["onset"]
    found = {f.name: np.full(n, IGNORED) for f in fields(Targets)}
    inside = (onset > beats.beats[0] - 0.1) & (onset < beats.beats[-1] + 0.1)
    i = np.clip(np.searchsorted(beats.beats, onset, side="right") - 1, 0, len(beats.beats) - 2)
    period = np.diff(beats.beats)
    place = i + (onset - beats.beats[i]) / period[i]
    nearest = np.clip(np.rint(place).astype(int), 0, len(beats.beats) - 1)
    off = np.abs(onset - beats.beats[nearest])
    near, far = off < np.minimum(0.05, 0.12 * period[i]), off > np.minimum(0.10, 0.25 * period[i])
    found["beat"][inside & near], found["beat"][inside & far] = 1, 0
    found["downbeat"] = np.where(found["beat"] == 1, beats.first[nearest], found["beat"])
    smooth = np.exp(np.convolve(np.pad(np.log(period), 2, "edge"), np.ones(5) / 5, "valid"))
    which = np.rint(np.interp(smooth[i], PERIODS, np.arange(len(PERIODS)))).astype(int)
    found["period"] = np.where(inside, which, IGNORED)
    signature = [tuple(m) for m in beats.metre.tolist()]
    classes = np.array([METRES.index(_SAME_BEAT.get(m, m)) if _SAME_BEAT.get(m, m) in METRES else -1
                        for m in signature])  # fmt: skip
    found["metre"] = np.where(inside, classes[nearest], IGNORED)
    found["key"] = np.where(inside, beats.fifths[nearest] - KEYS[0], IGNORED)
    if not len(rows):
        return Targets(**found)
    at = rows["note"]
    known = [Metre(*m) if m[0] and m not in _OTHER_BEAT else None for m in signature]
    unit = np.array([m.quarters_per_beat if m else np.nan for m in known])[nearest[at]]
    bar = np.array([m.quarters_per_beat * m.beats if m else np.nan for m in known])[nearest[at]]
    with np.errstate(invalid="ignore"):
        part = rows["place"] / unit % 1 * PARTS
        on_grid = (np.abs(part - np.rint(part)) < 0.05) & ~rows["grace"] & inside[at] & (rows["place"] > -0.01)
        part = np.rint(part) % PARTS
        first = np.abs(rows["place"] - bar * np.rint(rows["place"] / bar)) < 0.01
        value = rows["duration"] / unit
    part = np.where(on_grid, part, IGNORED).astype(int)
    found["part"][at] = part
    found["beat"][at] = np.where(part >= 0, part == 0, np.where(rows["grace"], 0, found["beat"][at]))
    found["downbeat"][at] = np.where(part >= 0, first, np.where(rows["grace"], 0, found["downbeat"][at]))
    valued = (value > 0.04) & ~rows["grace"] & np.isfinite(value)
    nearest_value = np.abs(np.log(np.where(valued, value, 1.0))[:, None] - np.log(VALUES)).argmin(1)
    found["value"][at] = np.where(valued, nearest_value, IGNORED)
    two = (rows["staff"] == 1) | (rows["staff"] == 2)
    found["staff"][at] = np.where(two, rows["staff"] == 2, IGNORED)
    lowest = (rows["voice"] - 1) % 4
    found["voice"][at] = np.where(rows["voice"] > 0, lowest > 0, IGNORED)
    line = np.array([_LINE[step] for step in rows["step"]]) + 7 * rows["alter"].astype(int)
    found["name"][at] = np.clip(line - NAMES[0], 0, len(NAMES) - 1)
    found["short"][at] = np.where(rows["marked"], rows["short"], IGNORED)
    found["grace"][at] = np.where(rows["marked"], rows["grace"], IGNORED)
    return Targets(**found)


def borrow_alignment(own: Aligned, other: Aligned) -> np.ndarray:
    """Alignment of a performance that has none, from another of the same score, by pitch and position in beats."""
    mine, theirs = own.annotations.beats, other.annotations.beats
    rows = other.alignment
    if len(mine) != len(theirs) or not len(rows):
        return np.zeros(0, ALIGNED)
    notes = own.performance.notes
    place = np.interp(notes["onset"], mine, np.arange(len(mine)))
    wanted = np.interp(other.performance.notes["onset"][rows["note"]], theirs, np.arange(len(theirs)))
    pitch = other.performance.notes["pitch"][rows["note"]]
    borrowed = []
    for key in np.unique(pitch):
        here, there = np.flatnonzero(notes["pitch"] == key), np.flatnonzero(pitch == key)
        if not len(here):
            continue
        distance = np.abs(place[here][:, None] - wanted[there][None, :])
        nearest = distance.argmin(1)
        mutual = distance.argmin(0)[nearest] == np.arange(len(here))
        for k in np.flatnonzero(mutual & (distance[np.arange(len(here)), nearest] < 0.3)):
            row = rows[there[nearest[k]]].copy()
            row["note"] = here[k]
            borrowed.append(row)
    return np.array(borrowed, ALIGNED) if borrowed else np.zeros(0, ALIGNED)


def cut_window(performance: Performance, targets: Targets, begin: int, count: int) -> tuple[Performance, Targets]:
    """``count`` notes from the ``begin``-th on, with the pedals about them."""
    notes = performance.notes[begin : begin + count]
    low, high = notes["onset"][0] - 2, notes["onset"][-1] + 2
    pedals = performance.pedals
    pedals = pedals[(pedals["offset"] > low) & (pedals["onset"] < high)]
    return Performance(notes, pedals), targets.take(slice(begin, begin + count))


def vary(performance: Performance, targets: Targets, rng: np.random.Generator) -> tuple[Performance, Targets]:
    """Augments a performance: tempo, key, touch, pedal, and the missing, extra and inexact notes of a transcription."""
    notes, pedals = performance.notes.copy(), performance.pedals.copy()
    origin = notes["onset"][0]
    stretch = np.exp(rng.uniform(-0.22, 0.22))
    for events in (notes, pedals):
        for name in ("onset", "offset"):
            events[name] = (events[name] - origin) * stretch
    slower = np.full(len(notes), np.log2(stretch))
    if rng.random() < 0.6:
        slower += _bend_time(notes, pedals, rng)
    targets = replace(targets, period=_shifted(targets.period, slower * 8, len(PERIODS)))
    notes, targets = _transpose(notes, targets, int(rng.integers(-6, 7)))
    if rng.random() < 0.08:  # one hand only
        hand = targets.staff == rng.integers(2)
        if 0.25 < hand.mean() < 0.9:
            notes, targets = notes[hand], targets.take(np.flatnonzero(hand))
    rough = rng.random() < 0.5  # like a transcription; otherwise like MIDI from the piano itself
    jitter = rng.uniform(0, 0.012) if rough else 0.002
    notes["onset"] = np.maximum(notes["onset"] + rng.normal(0, jitter, len(notes)), 0)
    length = np.maximum(notes["offset"] - notes["onset"], 0.02)
    if rough:
        length *= np.exp(rng.normal(0, rng.uniform(0.0, 0.35), len(notes)))
        if rng.random() < 0.3:  # notes end with their sound, not with the key
            length = np.maximum(length, _until_pedal_up(notes, pedals))
    length *= np.exp(rng.normal(0, 0.15))
    notes["offset"] = notes["onset"] + np.maximum(length, 0.02)
    loud = rng.uniform(0.7, 1.2) * (notes["velocity"] - notes["velocity"].mean()) + rng.uniform(45, 80)
    notes["velocity"] = np.clip(np.rint(loud + rng.normal(0, rng.uniform(1, 6), len(notes))), 1, 127)
    if rng.random() < 0.1:
        notes["velocity"] = 64
    if rng.random() < 0.35:
        pedals = pedals[:0]
    kept = np.ones(len(notes), bool)
    if rough:
        kept = rng.random(len(notes)) >= rng.uniform(0, 0.06)
    notes, targets = notes[kept], targets.take(np.flatnonzero(kept))
    extra = int(len(notes) * rng.uniform(0, 0.04)) if rough and len(notes) else 0
    if extra:
        source = rng.integers(len(notes), size=extra)
        added = notes[source].copy()
        added["pitch"] = np.clip(added["pitch"] + rng.choice([-12, 12, 19, 24, -1, 1, 7], extra), 21, 108)
        added["onset"] += rng.uniform(-0.02, 0.15, extra)
        added["onset"] = np.maximum(added["onset"], 0)
        added["offset"] = added["onset"] + rng.uniform(0.05, 0.3, extra)
        notes = np.concatenate([notes, added])
        unknown = {f.name: np.concatenate([getattr(targets, f.name), np.full(extra, IGNORED)]) for f in fields(Targets)}
        targets = Targets(**unknown)
    order = np.lexsort((notes["pitch"], notes["onset"]))
    return Performance(notes[order].astype(NOTE), pedals), targets.take(order)


def _bend_time(notes: np.ndarray, pedals: np.ndarray, rng: np.random.Generator, step: float = 0.25) -> np.ndarray:
    """Varies the tempo smoothly, in place; returns log2 of the local slowdown at each note."""
    known = [events for events in (notes, pedals) if len(events)]
    begin, end = min(e["onset"].min() for e in known), max(e["offset"].max() for e in known)
    time = np.arange(begin - step, end + 2 * step, step)
    slower = np.zeros(len(time))
    for _ in range(3):
        slower += rng.uniform(0, 0.12) * np.sin(2 * np.pi * (time / rng.uniform(3, 20) + rng.random()))
    bent = time[0] + np.concatenate([[0.0], np.cumsum(step * 2.0 ** slower[:-1])])
    bent -= np.interp(0.0, time, bent)
    at_notes = np.interp(notes["onset"], time, slower)
    for events in (notes, pedals):
        for name in ("onset", "offset"):
            events[name] = np.interp(events[name], time, bent)
    return at_notes


def _shifted(classes: np.ndarray, by: np.ndarray, count: int) -> np.ndarray:
    return np.where(classes >= 0, np.clip(np.rint(classes + by), 0, count - 1), IGNORED).astype(int)


def _transpose(notes: np.ndarray, targets: Targets, semitones: int) -> tuple[np.ndarray, Targets]:
    """Transposes to the key with the fewest accidentals; names move along the line of fifths with the key."""
    low, high = notes["pitch"].min() + semitones, notes["pitch"].max() + semitones
    if not semitones or low < LOWEST_PITCH or high > HIGHEST_PITCH:
        return notes, targets
    notes["pitch"] += semitones
    fifths = targets.key + KEYS[0]
    known = targets.key >= 0
    usual = int(np.median(fifths[known])) if known.any() else 0
    choices = [step for step in range(-24, 25) if (step - 7 * semitones) % 12 == 0]
    step = min(choices, key=lambda s: (abs(usual + s), s))
    moved = fifths + step
    key = np.where(known & (np.abs(moved) <= KEYS[-1]), moved - KEYS[0], IGNORED)
    name = targets.name + step
    name = np.where((targets.name >= 0) & (name >= 0) & (name < len(NAMES)), name, IGNORED)
    return notes, replace(targets, key=key, name=name)


def _until_pedal_up(notes: np.ndarray, pedals: np.ndarray) -> np.ndarray:
    """Seconds from each onset to the release of the pedal that is down at the note's end; 0 if none is."""
    own = pedals[pedals["kind"] == SUSTAIN]
    if not len(own):
        return np.zeros(len(notes))
    last = np.searchsorted(own["onset"], notes["offset"]) - 1
    down = (last >= 0) & (own["offset"][last] > notes["offset"])
    return np.where(down, own["offset"][last] - notes["onset"], 0.0)
