"""The bytes of a MIDI file -> its channel messages and its tempo, time and key signatures, as arrays.

Beyond the format some common deviations are accepted: other chunks are skipped, a RIFF wrapper is removed, metas that
are too short or out of range are ignored, and a wrong number of tracks in the header does not matter unless one is
missing. A file that ends within a track, or with invalid events, raises an error.

Source: Standard MIDI Files 1.0 (RP-001); RIFF-MIDI is RP-029.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..system.errors import AmtError

_CIRCLE = ("Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#")
_TEMPO, _TIME_SIGNATURE, _KEY_SIGNATURE = 0x51, 0x58, 0x59
_SYSTEM_DATA_BYTES = {0xF1: 1, 0xF2: 2, 0xF3: 1, 0xF6: 0, 0xF8: 0, 0xFA: 0, 0xFB: 0, 0xFC: 0, 0xFE: 0}
_LONGEST = 1 << 38  # ticks


@dataclass(frozen=True)
class MidiEvents:
    """The events of a MIDI file.

    Attributes:
        ticks_per_beat: ticks per quarter note.
        messages: ``(n, 5)`` int64: track, tick, status, first and second data byte; in the order of the file. Note-ons,
            note-offs and control changes only.
        track_ends: the last tick of each track.
        tempos, time_signatures, key_signatures: as :class:`amt_utils.music.midi.TempoMap` has them.
    """

    ticks_per_beat: int
    messages: np.ndarray
    track_ends: np.ndarray
    tempos: tuple[tuple[int, int], ...]
    time_signatures: tuple[tuple[int, int, int], ...]
    key_signatures: tuple[tuple[int, str], ...]


def read_events(path: str | os.PathLike) -> MidiEvents:
    """A MIDI file of format 0 or 1 -> its events.

    Raises:
        AmtError: the file is missing, is not MIDI, is cut short or damaged, or counts time in SMPTE frames.
    """
    path = Path(path)
    if not path.is_file():
        raise AmtError(f"{path}: no such MIDI file")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AmtError(f"{path}: cannot be opened ({error.strerror}); check its permissions") from error
    try:
        return _parse(_unwrap(content))
    except IndexError as error:
        raise AmtError(f"{path}: not a readable MIDI file (cut short); copy or export it again") from error
    except ValueError as error:
        raise AmtError(f"{path}: not a readable MIDI file ({error})") from error


def _unwrap(content: bytes) -> bytes:
    """The MIDI file inside a RIFF of type RMID; other content is returned unchanged."""
    if content[:4] != b"RIFF" or content[8:12] != b"RMID":
        return content
    at = 12
    while at + 8 <= len(content):
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        if content[at : at + 4] == b"data":
            return content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    raise ValueError("a RIFF without a MIDI file in it")


def _parse(content: bytes) -> MidiEvents:
    if content[:4] != b"MThd":
        raise ValueError("it does not begin with MThd")
    if len(content) < 14:
        raise IndexError
    size, kind, n_tracks, division = struct.unpack(">IHHH", content[4:14])
    if kind == 2:
        raise ValueError("format 2, separate patterns without a common time; export it as format 0 or 1")
    if not 0 < division < 0x8000:
        raise ValueError("SMPTE time division is not supported; export the file with ticks per quarter note")
    tracks: list[tuple[list[int], int]] = []
    metas: list[tuple[int, int, Any]] = []
    at = 8 + size
    while at < len(content):
        name, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "big")
        begin, end = at + 8, at + 8 + size
        complete = len(tracks) >= n_tracks
        if end > len(content):
            if complete:
                break  # something after the last track
            raise IndexError
        if name == b"MTrk":
            tracks.append(_parse_track(content, begin, end, metas))
        elif complete and not name.isalnum():
            break
        at = end
    if len(tracks) < n_tracks:
        raise IndexError
    packed = [np.array(events, np.int64) for events, _ in tracks]
    number = np.repeat(np.arange(len(tracks)), [len(p) for p in packed])
    joined = np.concatenate([np.zeros(0, np.int64), *packed])
    data = ((joined >> shift) & 0xFF for shift in (8, 0))
    columns = (number, joined >> 24, (joined >> 16) & 0xFF, *(np.minimum(values, 127) for values in data))
    metas.sort(key=lambda meta: meta[0])  # stable: of several at one tick the last in the file comes last
    return MidiEvents(
        division,
        np.stack(columns, axis=1),
        np.array([end for _, end in tracks], np.int64),
        tuple((tick, value) for tick, meta, value in metas if meta == _TEMPO),
        tuple((tick, *value) for tick, meta, value in metas if meta == _TIME_SIGNATURE),
        tuple((tick, value) for tick, meta, value in metas if meta == _KEY_SIGNATURE),
    )


def _parse_track(data: bytes, at: int, end: int, metas: list[tuple[int, int, Any]]) -> tuple[list[int], int]:
    """One track's bytes ``at`` to ``end`` -> its messages as ``tick << 24 | status << 16 | data``, and its last tick.

    Appends ``(tick, meta, value)`` to ``metas``.
    """
    messages: list[int] = []
    add = messages.append
    tick, running = 0, 0
    while at < end:
        delta = data[at]
        at += 1
        if delta > 0x7F:
            at, delta = _variable_length(data, at - 1)
        tick += delta
        status = data[at]
        if status < 0x80:
            if not running:
                raise ValueError(f"data without a status at byte {at}")
            status = running
        else:
            at += 1
            if status < 0xF0:
                running = status
        if status < 0xC0:  # note-off, note-on, pressure of a key, control change
            if status < 0xA0 or status > 0xAF:
                add(tick << 24 | status << 16 | data[at] << 8 | data[at + 1])
            at += 2
        elif status < 0xE0:  # program change, pressure of a channel
            at += 1
        elif status < 0xF0:  # pitch bend
            at += 2
        elif status in (0xF0, 0xF7):
            at, length = _variable_length(data, at)
            at += length
        elif status == 0xFF:
            meta = data[at]
            at, length = _variable_length(data, at + 1)
            value = _read_meta(meta, data[at : at + length])
            if value is not None:
                metas.append((tick, meta, value))
            at += length
        elif status in _SYSTEM_DATA_BYTES:
            at += _SYSTEM_DATA_BYTES[status]
            running = 0  # MIDI 1.0: a system message ends the running status
        else:
            raise ValueError(f"status {status:02X} at byte {at}")
    if at > end:
        raise IndexError
    if tick > _LONGEST:
        raise ValueError(f"a track of {tick} ticks")
    return messages, tick


def _variable_length(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at byte ``at``, seven bits a byte -> the byte after it, and the number."""
    value = 0
    for i in range(at, at + 4):
        value = value << 7 | data[i] & 0x7F
        if data[i] < 0x80:
            return i + 1, value
    raise ValueError(f"a length of more than four bytes at byte {at}")


def _read_meta(meta: int, value: bytes) -> int | str | tuple[int, int] | None:
    """The value of a tempo, time or key signature; ``None`` for other metas and invalid values."""
    if meta == _TEMPO and len(value) >= 3:
        return int.from_bytes(value[:3], "big") or None  # microseconds per quarter note
    if meta == _TIME_SIGNATURE and len(value) >= 2 and value[0] and value[1] < 8:
        return value[0], 2 ** value[1]
    if meta == _KEY_SIGNATURE and len(value) >= 2 and value[1] < 2:
        sharps = int.from_bytes(value[:1], "big", signed=True)
        if -7 <= sharps <= 7:
            return f"{_CIRCLE[sharps + 10]}m" if value[1] else _CIRCLE[sharps + 7]
    return None
