"""The length of FLAC files by their last frame.

Source: RFC 9639.
"""

from __future__ import annotations

from pathlib import Path

from .parts import mapped, once_per_file

_TAIL = 1 << 18  # bytes in which the last frame begins


@once_per_file
def find_flac_length(path: Path) -> int | None:
    """Number of samples by the last frame of a FLAC file, not by its header; ``None`` where no frame is found."""
    with mapped(path) as data:
        if data[:4] != b"fLaC":
            return None
        size = int.from_bytes(data[10:12], "big")  # of the largest block: the size of every frame but the last
        at = len(data)
        while (at := data.rfind(b"\xff", max(0, len(data) - _TAIL), at)) >= 0:
            head = data[at : at + 16]
            if len(head) == 16 and head[1] in (0xF8, 0xF9) and (end := _frame_end(head, size)):
                return end
    return None


def _frame_end(head: bytes, size: int) -> int | None:
    """The number of the first sample after a frame, from the frame's first 16 bytes; ``None`` for other bytes."""
    n_more = 0 if head[4] < 0x80 else max(0, 8 - (head[4] ^ 0xFF).bit_length()) - 1
    number = head[4] & (0x7F if not n_more else 0x3F >> n_more)
    for byte in head[5 : 5 + n_more]:
        number = number << 6 | byte & 0x3F
    at, code, rate = 5 + n_more, head[2] >> 4, head[2] & 15
    n_size = {6: 1, 7: 2}.get(code, 0)
    block = 192 if code == 1 else 144 << code if 2 <= code <= 5 else 1 << code  # 8..15: 256 << (code - 8)
    if n_size:
        block = int.from_bytes(head[at : at + n_size], "big") + 1
    at += n_size + {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if code == 0 or at >= len(head) or _crc8(head[:at]) != head[at]:
        return None
    return (number if head[1] & 1 else number * size) + block


def _crc8(content: bytes) -> int:
    crc = 0
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (0x07 if crc & 0x80 else 0)) & 0xFF
    return crc
