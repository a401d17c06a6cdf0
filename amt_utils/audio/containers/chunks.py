"""The chunks of WAV, CAF and W64 files, whose headers may hold no length, or one from before the recording ended.

Source: RIFF (Microsoft 1991).
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

HEADER_SLACK = 512  # bytes by which a header may be wrong: some count the header itself, or a whole disk block


@dataclass(frozen=True)
class WavData:
    """The ``data`` chunk of a WAV file.

    Attributes:
        begin: the first byte of the samples.
        claimed: how many bytes the header says there are.
        found: how many there are: as claimed, unless the file is longer or shorter.
        consistent: whether rate, channels, bits, byte rate and block size agree.
    """

    begin: int
    claimed: int
    found: int
    consistent: bool

    @property
    def size_field(self) -> dict[int, bytes]:
        """The corrected size field of the header: position -> bytes."""
        return {self.begin - 4: min(self.found, 0xFFFFFFFF).to_bytes(4, "little")}


def find_wav_data(path: Path) -> WavData | None:
    """The ``data`` chunk of a RIFF file; ``None`` where there is none."""
    length = os.path.getsize(path)
    with path.open("rb") as file:
        if file.read(4) != b"RIFF":
            return None
        at, consistent = 12, True
        while at + 8 <= length:
            file.seek(at)
            name, size = file.read(4), int.from_bytes(file.read(4), "little")
            if name == b"fmt " and size >= 16:
                consistent = _agrees(*struct.unpack("<HHIIHH", file.read(16).ljust(16, b"\0")))
            if name == b"data":
                begin = at + 8
                file.seek(begin + size)
                following = file.read(8 + size % 2)
                whole = begin + size <= length and (_is_chunk(following[size % 2 :]) or _is_chunk(following[:8]))
                rest = length - begin
                return WavData(begin, size, size if whole else rest, consistent)
            at += 8 + size + size % 2
    return None


def _agrees(kind: int, n_channels: int, rate: int, byte_rate: int, block: int, bits: int) -> bool:
    """Whether a WAV's format is consistent; always true for codecs other than PCM and float."""
    if kind not in (1, 3, 0xFFFE):
        return True
    return block == n_channels * -(-bits // 8) and (not byte_rate or abs(byte_rate - rate * block) <= 0.01 * byte_rate)


def _is_chunk(head: bytes) -> bool:
    """Whether ``head`` is a chunk's header or the end of the file."""
    return not head.strip(b"\0") or (len(head) >= 4 and all(32 <= byte < 127 for byte in head[:4]))


def find_bytes_left(path: Path) -> int:
    """Bytes of a CAF or W64 file behind its samples that are no chunk: the header tells of too few samples."""
    length = os.path.getsize(path)
    with path.open("rb") as file:
        head = file.read(40)
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
