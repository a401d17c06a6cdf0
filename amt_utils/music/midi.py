"""MIDI files in and out: notes, the three pedals, tempo and metre, exact to the tick.

Reading pairs note-ons and note-offs per track, channel and key, first in first out. A key struck again while it is
still open and short of note-offs ends the earlier note. "All notes off" (CC123, its relatives 120 and 124..127) ends
what is open on its channel; a note never closed ends with its track. Pedals of all channels are joined, "reset all
controllers" (CC121) lifts its channel's. Writing puts overlapping notes of one key on different channels, so that
reading the file back gives the same ticks.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np

from ..system.errors import AmtError
from ..system.files import written_whole
from .midi_events import read_events
from .notes import (
    HIGHEST_PITCH,
    LOWEST_PITCH,
    PEDAL_CONTROLLERS,
    TICKS_PER_BEAT,
    Performance,
    check_notes,
    check_pedals,
    make_notes,
    make_pedals,
)

MIDI_SUFFIXES = (".mid", ".midi")
LONGEST_DAYS = 7  # longer files are damaged
_DRUM_CHANNEL = 9  # counted from 0
_CHANNELS = [c for c in range(16) if c != _DRUM_CHANNEL]
_RESET_CONTROLLERS = 121
_ALL_NOTES_OFF = (120, 123, 124, 125, 126, 127)
_CLOSE = -1  # in place of a velocity: all open notes of the key end


@dataclass(frozen=True)
class TempoMap:
    """The mapping between ticks, seconds and bars.

    Attributes:
        ticks_per_beat: resolution of the file.
        tempos: ``((tick, microseconds per beat), ...)``, ticks rising.
        time_signatures: ``((tick, numerator, denominator), ...)``.
        key_signatures: ``((tick, name), ...)``, names as mido's, e.g. ``"F#m"``.
    """

    ticks_per_beat: int = TICKS_PER_BEAT
    tempos: tuple[tuple[int, int], ...] = ((0, 500_000),)
    time_signatures: tuple[tuple[int, int, int], ...] = ()
    key_signatures: tuple[tuple[int, str], ...] = ()

    def _segments(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        last_at_tick = dict(((0, 500_000), *self.tempos))  # the default tempo holds until one is set
        ticks = np.array(sorted(last_at_tick), dtype=np.int64)
        per_tick = np.array([last_at_tick[t] for t in ticks]) / self.ticks_per_beat / 1e6
        starts = np.concatenate([[0.0], np.cumsum(np.diff(ticks) * per_tick[:-1])])
        return ticks, starts, per_tick

    def to_seconds(self, tick) -> np.ndarray:
        """Ticks -> float64 seconds."""
        ticks, starts, per_tick = self._segments()
        tick = np.asarray(tick, dtype=np.int64)
        i = np.searchsorted(ticks, tick, side="right") - 1
        return starts[i] + (tick - ticks[i]) * per_tick[i]

    def to_ticks(self, seconds) -> np.ndarray:
        """Seconds -> nearest int64 ticks; the inverse of :meth:`to_seconds`."""
        ticks, starts, per_tick = self._segments()
        seconds = np.asarray(seconds, dtype=np.float64)
        i = np.maximum(np.searchsorted(starts, seconds + 1e-9, side="right") - 1, 0)
        return np.rint(ticks[i] + (seconds - starts[i]) / per_tick[i]).astype(np.int64)


def read_midi(path: str | os.PathLike, *, ends: str = "key") -> Performance:
    """A MIDI file -> notes (with ``key`` or ``sounding`` ends) and pedals, in seconds.

    Channel 10 is percussion and left out, as are notes outside the piano's 88 keys and notes of no length.

    Raises:
        AmtError: the file is missing, is not MIDI, or is cut short.
    """
    performance, _ = read_midi_and_tempo(path)
    return performance if ends == "key" else Performance(performance.with_ends(ends), performance.pedals)


def read_midi_and_tempo(path: str | os.PathLike) -> tuple[Performance, TempoMap]:
    """As :func:`read_midi`, with the tempo map that :func:`write_midi` needs to write the same ticks again."""
    events = read_events(path)
    tempo = TempoMap(
        events.ticks_per_beat, events.tempos or ((0, 500_000),), events.time_signatures, events.key_signatures
    )
    end_tick = int(events.track_ends.max(initial=0))
    days = float(tempo.to_seconds(end_tick)) / 86400
    if days > LONGEST_DAYS:
        raise AmtError(f"{path}: its last event comes after {days:,.0f} days; it is damaged, export it again")
    messages = events.messages[events.messages[:, 2] & 0x0F != _DRUM_CHANNEL]
    on, off, pitch, velocity = _find_notes(messages, events.track_ends)
    press, release, kind = _find_pedals(messages, end_tick)
    seconds = tempo.to_seconds
    performance = Performance(
        make_notes(seconds(on), seconds(off), pitch, velocity), make_pedals(seconds(press), seconds(release), kind)
    )
    return performance, tempo


def _find_notes(messages: np.ndarray, track_ends: np.ndarray) -> np.ndarray:
    """Channel messages -> ``(4, n)``: on tick, off tick, pitch, velocity."""
    track, tick, status, first, second = messages.T
    channel = track << 4 | status & 0x0F
    is_note = (status < 0xA0) & (first >= LOWEST_PITCH) & (first <= HIGHEST_PITCH)
    strength = np.where(status >= 0x90, second, 0)  # a note-on of velocity 0 is a note-off
    rows = np.stack([channel << 7 | first, np.arange(len(messages)), tick, strength], axis=1)[is_note]
    keys = np.unique(rows[:, 0])
    closing = np.flatnonzero((status >= 0xB0) & np.isin(first, _ALL_NOTES_OFF))
    closed = [(key, i, tick[i], _CLOSE) for i in closing for key in keys[keys >> 7 == channel[i]]]
    rows = np.concatenate([rows, np.array(closed, np.int64).reshape(-1, 4)])
    key, _, tick, strength = rows[np.lexsort((rows[:, 1], rows[:, 0]))].T
    starts, new_key = strength > 0, np.append(True, key[1:] != key[:-1])[: len(key)]
    # most keys go on, off, on, off: those in one step, the others one by one
    in_turn = (strength != _CLOSE) & (starts == (new_key | ~np.append(False, starts[:-1])[: len(key)]))
    others = np.unique(key[~in_turn])
    on = np.flatnonzero(starts & ~np.isin(key, others))
    following = np.minimum(on + 1, len(key) - 1)
    end = np.maximum(track_ends[key[on] >> 11], tick[on] + 1)
    off = np.where((following > on) & ~new_key[following], tick[following], end)
    notes = [np.stack([tick[on], off, key[on] & 0x7F, strength[on]])]
    for other in others:
        events = list(zip(tick[key == other].tolist(), strength[key == other].tolist(), strict=True))
        pairs = [(a, b, other & 0x7F, v) for a, b, v in _pair(events, int(track_ends[other >> 11]))]
        notes.append(np.array(pairs, np.int64).reshape(-1, 4).T)
    found = np.concatenate(notes, axis=1)
    return found[:, found[1] > found[0]]


def _pair(events: list[tuple[int, int]], end_tick: int) -> Iterator[tuple[int, int, int]]:
    """(tick, velocity; 0 is a note-off) of one key -> (on, off, velocity), in order of the note-ons."""
    n_on = sum(1 for _, velocity in events if velocity > 0)
    short_of_offs = sum(1 for _, velocity in events if velocity == 0) < n_on
    waiting: deque[tuple[int, int]] = deque()
    for tick, velocity in events:
        n_closed = len(waiting) if velocity == _CLOSE else min(len(waiting), int(velocity == 0 or short_of_offs))
        for _ in range(n_closed):
            on, earlier = waiting.popleft()
            yield on, tick, earlier
        if velocity > 0:
            waiting.append((tick, velocity))
    for on, velocity in waiting:
        yield on, max(end_tick, on + 1), velocity


def _find_pedals(messages: np.ndarray, end_tick: int) -> np.ndarray:
    """Channel messages -> ``(3, m)``: press tick, release tick, kind."""
    track, tick, status, controller, value = messages[messages[:, 2] >= 0xB0].T
    channel = track << 4 | status & 0x0F
    spans: list[tuple[int, int, int]] = []
    for kind, number in enumerate(PEDAL_CONTROLLERS):
        chosen = np.flatnonzero((controller == number) | (controller == _RESET_CONTROLLERS))
        chosen = chosen[np.argsort(channel[chosen], kind="stable")]
        down = (controller[chosen] == number) & (value[chosen] >= 64)
        before = np.append(False, down[:-1])[: len(down)]
        before &= np.append(False, channel[chosen[1:]] == channel[chosen[:-1]])[: len(down)]
        changes = np.sort(chosen[down != before])  # a continuous pedal sends hundreds of values
        is_down = (controller[changes] == number) & (value[changes] >= 64)
        rows = zip(tick[changes].tolist(), channel[changes].tolist(), is_down.tolist(), strict=True)
        spans += [(*span, kind) for span in _join_pedals(list(rows), end_tick)]
    return np.array(spans, np.int64).reshape(-1, 3).T


def _join_pedals(events: list[tuple[int, int, bool]], end_tick: int) -> list[tuple[int, int]]:
    """(tick, channel, down) in the file's order -> (press, release) ticks during which any channel holds the pedal."""
    down: set[int] = set()
    pressed = 0
    spans: list[tuple[int, int]] = []
    for tick, channel, is_down in sorted(events, key=lambda e: e[0]):
        before = bool(down)
        (down.add if is_down else down.discard)(channel)
        if down and not before:
            pressed = tick
        elif before and not down:
            spans.append((pressed, tick))
    if down:
        spans.append((pressed, max(end_tick, pressed + 1)))
    return [(a, b) for a, b in spans if b > a]


def write_midi(
    path: str | os.PathLike, performance: Performance, *, tempo: TempoMap | None = None, name: str = "Piano"
) -> Path:
    """Notes (key ends) and pedals -> a format-1 MIDI file with CC64/66/67; written atomically.

    Args:
        path: where to write; parent folders are created.
        performance: times in seconds.
        tempo: ticks, tempo and metre; 120 beats per minute at 960 ticks per beat when ``None``.
        name: track name.
    """
    tempo = tempo or TempoMap()
    notes, pedals = check_notes(performance.notes), check_pedals(performance.pedals)
    on = tempo.to_ticks(notes["onset"])
    off = np.maximum(tempo.to_ticks(notes["offset"]), on + 1)
    channels = _spread_over_channels(on, off, notes["pitch"])
    events: list[tuple[int, int, mido.Message]] = []  # tick, order within the tick, message
    for a, b, pitch, velocity, channel in zip(on, off, notes["pitch"], notes["velocity"], channels, strict=True):
        pitch, velocity = int(pitch), int(velocity)
        events.append((int(a), 3, mido.Message("note_on", note=pitch, velocity=velocity, channel=channel)))
        events.append((int(b), 0, mido.Message("note_off", note=pitch, velocity=64, channel=channel)))
    press, release = tempo.to_ticks(pedals["onset"]), tempo.to_ticks(pedals["offset"])
    for channel in sorted(set(channels) | {0}):
        for a, b, kind in zip(press, release, pedals["kind"], strict=True):
            controller = PEDAL_CONTROLLERS[kind]
            # release before press at one tick, or the release would be lost
            for tick, order, value in ((a, 2, 127), (max(b, a + 1), 1, 0)):
                message = mido.Message("control_change", control=controller, value=value, channel=channel)
                events.append((int(tick), order, message))
    meta = [(t, 0, mido.MetaMessage("set_tempo", tempo=us)) for t, us in tempo.tempos]
    meta += [
        (t, 0, mido.MetaMessage("time_signature", numerator=n, denominator=d)) for t, n, d in tempo.time_signatures
    ]
    meta += [(t, 0, mido.MetaMessage("key_signature", key=key)) for t, key in tempo.key_signatures]
    midi = mido.MidiFile(type=1, ticks_per_beat=tempo.ticks_per_beat, charset="utf-8")
    midi.tracks.append(_to_track(meta, []))
    opening = [mido.MetaMessage("track_name", name=name)]
    opening += [mido.Message("program_change", program=0, channel=c) for c in sorted(set(channels) | {0})]
    midi.tracks.append(_to_track(events, opening))
    with written_whole(path) as partial:
        midi.save(partial)
    return Path(path)


def _spread_over_channels(on: np.ndarray, off: np.ndarray, pitch: np.ndarray) -> list[int]:
    """A channel per note, such that no two notes of one key overlap on a channel while channels last."""
    busy_until: dict[tuple[int, int], int] = {}
    chosen = []
    for a, b, p in zip(on, off, pitch, strict=True):
        free = [c for c in _CHANNELS if busy_until.get((p, c), -1) <= a]
        channel = free[0] if free else min(_CHANNELS, key=lambda c: busy_until[p, c])
        busy_until[p, channel] = b
        chosen.append(channel)
    return chosen


def _to_track(events: list, opening: list) -> mido.MidiTrack:
    track, now = mido.MidiTrack(opening), 0
    for tick, _, message in sorted(events, key=lambda e: e[:2]):
        message.time = tick - now
        track.append(message)
        now = tick
    return track
