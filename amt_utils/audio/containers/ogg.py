"""The streams of Ogg files, which may be several in a row.

Source: RFC 3533.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

from .parts import mapped, once_per_file

_BITS_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True)
class OggChain:
    """The streams of an Ogg file that follow one another.

    Attributes:
        links: ``(begin, end)`` bytes of each.
        ended: whether the last page is complete and flagged as the last.
        n_bad: pages that are damaged, and places where some are missing.
    """

    links: list[tuple[int, int]]
    ended: bool
    n_bad: int


@once_per_file
def find_ogg_chain(path: Path) -> OggChain | None:
    """The links of an Ogg file; ``None`` for other files."""
    with mapped(path) as data:
        if data[:4] != b"OggS":
            return None
        begins: list[int] = []
        expected: dict[bytes, int] = {}  # the next page's number, by stream
        at, opening, ended, n_bad = 0, False, False, 0
        while at >= 0 and at + 27 <= len(data):
            kind, stream, number = data[at + 5], data[at + 14 : at + 18], data[at + 18 : at + 22]
            n_segments = data[at + 26]
            following = at + 27 + n_segments + sum(data[at + 27 : at + 27 + n_segments])
            whole = following <= len(data) and _checksum(data[at:following]) == data[at + 22 : at + 26]
            if whole:
                if kind & 2 and not opening:
                    begins.append(at)
                page = int.from_bytes(number, "little")
                n_bad += not kind & 2 and page != expected.get(stream, page)
                expected[stream] = page + 1
                opening, ended = bool(kind & 2), bool(kind & 4)
            elif following <= len(data):
                n_bad += 1
            else:
                ended = False
            # a damaged page may have a wrong length
            at = following if whole or data[following : following + 4] == b"OggS" else at + 4
            if data[at : at + 4] != b"OggS":
                at = data.find(b"OggS", at)
                n_bad += whole and at >= 0
        ends = [*begins[1:], len(data)]
        return OggChain(list(zip(begins, ends)), ended, n_bad)


def _checksum(page: bytes) -> bytes:
    """CRC-32 with the bit order reversed compared with zlib's."""
    blank = (page[:22] + bytes(4) + page[26:]).translate(_BITS_REVERSED)
    crc = zlib.crc32(blank, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return crc.to_bytes(4, "big").translate(_BITS_REVERSED)
