"""The chunks of WAV, RF64, CAF and W64 files, whose headers may hold no length, or one from before the recording ended.

Sources: RIFF (Microsoft 1991), RF64 (EBU Tech 3306).
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_NOT_KNOWN = 0x7FFFF000  # sizes of 32 bits from here on mean "not known yet"
HEADER_SLACK = 512  # bytes by which a header may be wrong: some count the header itself, or a whole disk block


@dataclass(frozen=True)
class WavData:
    """The ``data`` chunk of a WAV or RF64 file.

    Attributes:
        begin: the first byte of the samples.
        claimed: how many bytes the header says there are; 0 where it says that this is not known yet.
        found: how many there are: as claimed, unless the file is longer or shorter.
        consistent: whether rate, channels, bits, byte rate and block size agree.
        size_field: the corrected size field of the header: position -> bytes.
    """

    begin: int
    claimed: int
    found: int
    consistent: bool
    size_field: dict[int, bytes]


def find_wav_data(path: Path) -> WavData | None:
    """The ``data`` chunk of a RIFF or RF64 file; ``None`` where there is none."""
    length = os.path.getsize(path)
    with path.open("rb") as file:
        kind = file.read(4)
        if kind not in (b"RIFF", b"RF64"):
            return None
        at, consistent, long_size = 12, True, None
        while at + 8 <= length:
            file.seek(at)
            name, size = file.read(4), int.from_bytes(file.read(4), "little")
            if name == b"ds64" and kind == b"RF64":  # sizes of 64 bits: of the file, of the samples
                long_size = (at + 16, int.from_bytes(file.read(16)[8:], "little"))
            if name == b"fmt " and size >= 16:
                consistent = _agrees(*struct.unpack("<HHIIHH", file.read(16).ljust(16, b"\0")))
            if name == b"data":
                field, n_bytes = at + 4, 4
                if long_size and size == 0xFFFFFFFF:
                    (field, size), n_bytes = long_size, 8
                rest = length - at - 8
                whole = _ends_with_chunk(file, at + 8, size, rest)
                if not whole and n_bytes == 4 and size >= _NOT_KNOWN:
                    size = 0
                found = size if whole else rest
                right = min(found, 256**n_bytes - 1).to_bytes(n_bytes, "little")
                return WavData(at + 8, size, found, consistent, {field: right})
            at += 8 + size + size % 2
    return None


def _ends_with_chunk(file: BinaryIO, begin: int, size: int, rest: int) -> bool:
    """Whether a chunk, or the end of the file, follows ``size`` bytes of samples, of ``rest`` that there are."""
    file.seek(begin + size)
    following = file.read(8 + size % 2)
    if not size and not following.strip(b"\0"):  # silence
        return not rest
    return size <= rest and (_is_chunk(following[size % 2 :]) or _is_chunk(following[:8]))


def is_w64_consistent(path: Path) -> bool:
    """Whether rate, channels, bits, byte rate and block size of a W64 file agree; true for other files."""
    with path.open("rb") as file:
        head = file.read(4096)
    begin = head.find(b"fmt \xf3\xac\xd3\x11") + 24  # after a GUID of 16 bytes and a size of 8
    if head[:4] != b"riff" or head[24:28] != b"wave" or not 24 < begin <= len(head) - 16:
        return True
    return _agrees(*struct.unpack("<HHIIHH", head[begin : begin + 16]))


def _agrees(kind: int, n_channels: int, rate: int, byte_rate: int, block: int, bits: int) -> bool:
    """Whether a WAV's format is consistent; always true for codecs other than PCM and float."""
    if kind not in (1, 3, 0xFFFE):
        return True
    return block == n_channels * -(-bits // 8) and (not byte_rate or abs(byte_rate - rate * block) <= 0.01 * byte_rate)


def _is_chunk(head: bytes) -> bool:
    """Whether ``head`` is a chunk's header or the end of the file."""
    return not head.strip(b"\0") or (len(head) >= 4 and all(32 <= byte < 127 for byte in head[:4]))


def find_bytes_left(path: Path) -> int:
    """Bytes of a CAF, W64 or AU file behind its samples that are no chunk: the header tells of too few samples."""
    length = os.path.getsize(path)
    with path.open("rb") as file:
        head = file.read(40)
        if head[:4] == b".snd":  # no chunks: the samples' begin and size
            begin, size = struct.unpack(">II", head[4:12])
            return max(0, length - begin - size) if size < _NOT_KNOWN else 0
        if head[:4] == b"caff":
            at, name_bytes, size_type, counted, step = 8, 4, ">q", 0, 1
        elif head[:4] == b"riff" and head[24:28] == b"wave":
            at, name_bytes, size_type, counted, step = 40, 16, "<q", 24, 8  # sizes count the header; padded to 8 bytes
        else:
            return 0
        behind = False
        while at + name_bytes + 8 <= length:
            file.seek(at)
            name, size = file.read(name_bytes), struct.unpack(size_type, file.read(8))[0]
            following = at + (0 if counted else name_bytes + 8) + size
            if behind and not (name[:4].isascii() and name[:4].decode().isprintable() and at < following <= length):
                break
            if following <= at or following > length:  # of the samples: the length is not known, or not reached
                return 0
            behind = behind or name[:4] == b"data"
            at = -(-following // step) * step
        return max(0, length - at) if behind else 0
