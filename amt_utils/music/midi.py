"""MIDI files in and out: notes, the three pedals, tempo and metre, exact to the tick.

Reading pairs note-ons and note-offs per channel and key, first in first out; a key struck again while it is
still open and short of note-offs ends the earlier note; a note never closed ends with its track. Pedals of all
channels are joined. Writing puts overlapping notes of one key on different channels, so that reading the file
back gives the same ticks.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np

from ..system.errors import AmtError
from ..system.files import written_whole
from .notes import HIGHEST_PITCH, LOWEST_PITCH, Performance, check_notes, check_pedals, make_notes, make_pedals

PEDAL_CONTROLLERS = (64, 66, 67)  # sustain, sostenuto, soft: index = pedal kind
MIDI_SUFFIXES = (".mid", ".midi")
_CHANNELS = [c for c in range(16) if c != 9]  # 9 is the drum channel


@dataclass(frozen=True)
class TempoMap:
    """What ties ticks to seconds and bars.

    Attributes:
        ticks_per_beat: resolution of the file.
        tempos: ``((tick, microseconds per beat), ...)``, ticks rising.
        time_signatures: ``((tick, numerator, denominator), ...)``.
        key_signatures: ``((tick, name), ...)``, names as mido's, e.g. ``"F#m"``.
    """

    ticks_per_beat: int = 960
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

    Notes outside the piano's 88 keys and notes of no length are dropped.

    Raises:
        AmtError: the file is missing, is not MIDI, or is cut short.
    """
    performance, _ = read_midi_and_tempo(path)
    return performance if ends == "key" else Performance(performance.with_ends(ends), performance.pedals)


def read_midi_and_tempo(path: str | os.PathLike) -> tuple[Performance, TempoMap]:
    """As :func:`read_midi`, with the tempo map that :func:`write_midi` needs to write the same ticks again."""
    midi = _load(path)
    notes: list[tuple[int, int, int, int]] = []  # on tick, off tick, pitch, velocity
    pedal_events: dict[int, list[tuple[int, int, int]]] = defaultdict(list)  # kind -> (tick, channel, down)
    tempos, metres, keys = [], [], []
    end_tick = 0
    for number, track in enumerate(midi.tracks):
        tick = 0
        keyboard: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)  # -> (tick, velocity or 0)
        for message in track:
            tick += message.time
            kind = message.type
            if kind in ("note_on", "note_off"):
                velocity = message.velocity if kind == "note_on" else 0
                if LOWEST_PITCH <= message.note <= HIGHEST_PITCH:
                    keyboard[message.channel, message.note].append((tick, velocity))
            elif kind == "control_change" and message.control in PEDAL_CONTROLLERS:
                pedal = PEDAL_CONTROLLERS.index(message.control)
                pedal_events[pedal].append((tick, (number, message.channel), message.value >= 64))
            elif kind == "set_tempo" and message.tempo:
                tempos.append((tick, message.tempo))
            elif kind == "time_signature":
                metres.append((tick, message.numerator, message.denominator))
            elif kind == "key_signature":
                keys.append((tick, message.key))
        for (_, pitch), events in keyboard.items():
            notes += [(on, off, pitch, velocity) for on, off, velocity in _pair(events, tick)]
        end_tick = max(end_tick, tick)
    # stable: of several at one tick the last in the file holds
    tempos, metres, keys = (tuple(sorted(events, key=lambda e: e[0])) for events in (tempos, metres, keys))
    tempo = TempoMap(midi.ticks_per_beat, tempos or ((0, 500_000),), metres, keys)
    columns = np.array([n for n in notes if n[1] > n[0]], dtype=np.int64).reshape(-1, 4).T
    pedals = [(*span, kind) for kind, events in pedal_events.items() for span in join_pedals(events, end_tick)]
    pedals = np.array(pedals, dtype=np.int64).reshape(-1, 3).T
    seconds = tempo.to_seconds
    performance = Performance(
        make_notes(seconds(columns[0]), seconds(columns[1]), columns[2], columns[3]),
        make_pedals(seconds(pedals[0]), seconds(pedals[1]), pedals[2]),
    )
    return performance, tempo


def _load(path: str | os.PathLike) -> mido.MidiFile:
    path = Path(path)
    if not path.is_file():
        raise AmtError(f"{path}: no such MIDI file")
    try:
        midi = mido.MidiFile(path, clip=True)
    except Exception as error:  # mido raises EOFError, OSError, ValueError, IndexError, KeyError ... on broken files
        raise AmtError(f"{path}: not a readable MIDI file, or cut short ({error or type(error).__name__})") from error
    if midi.type == 2:
        raise AmtError(f"{path}: a format 2 file (separate patterns, no common time); export it as format 0 or 1")
    if midi.ticks_per_beat <= 0 or midi.ticks_per_beat >= 0x8000:
        raise AmtError(f"{path}: SMPTE time division is not supported; export the file with ticks per quarter note")
    return midi


def _pair(events: list[tuple[int, int]], end_tick: int):
    """(tick, velocity; 0 is a note-off) of one key -> (on, off, velocity), in order of the note-ons."""
    n_on = sum(1 for _, velocity in events if velocity)
    short_of_offs = len(events) - n_on < n_on
    waiting: list[tuple[int, int]] = []
    for tick, velocity in events:
        if velocity:
            if short_of_offs and waiting:
                on, earlier = waiting.pop(0)
                yield on, tick, earlier
            waiting.append((tick, velocity))
        elif waiting:
            on, earlier = waiting.pop(0)
            yield on, tick, earlier
    for on, velocity in waiting:
        yield on, max(end_tick, on + 1), velocity


def join_pedals(events: list[tuple[int, tuple, bool]], end_tick: int):
    """Down/up messages of all channels -> (press, release) ticks during which any channel holds the pedal."""
    down: set = set()
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
    """Notes (key ends) and pedals -> a format-1 MIDI file with CC64/66/67; written whole or not at all.

    Args:
        path: where to write; parent folders are made.
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
            # on every channel up before down, or the pedal would seem never to have come up
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


def to_pretty_midi(performance: Performance):
    """The same notes and pedals as a ``pretty_midi.PrettyMIDI``, for tools that speak it."""
    import pretty_midi

    piano = pretty_midi.Instrument(program=0, name="Piano")
    piano.notes = [
        pretty_midi.Note(int(n["velocity"]), int(n["pitch"]), float(n["onset"]), float(n["offset"]))
        for n in check_notes(performance.notes)
    ]
    for pedal in check_pedals(performance.pedals):
        controller = PEDAL_CONTROLLERS[pedal["kind"]]
        for value, time in ((127, pedal["onset"]), (0, pedal["offset"])):
            piano.control_changes.append(pretty_midi.ControlChange(controller, value, float(time)))
    midi = pretty_midi.PrettyMIDI(resolution=960)
    midi.instruments.append(piano)
    return midi


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
        track.append(message.copy(time=tick - now))
        now = tick
    return track
