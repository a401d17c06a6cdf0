"""Parsers for WAV, MP3, FLAC and Ogg, for files whose headers libsndfile trusts although they are wrong.

A WAV header may hold no length or an outdated one. An MP3 may begin with other bytes, state a wrong length, or be
several files in a row; an Ogg file may be a chain of streams. The parsers find the byte ranges to read one after
another.

Sources: RIFF (Microsoft 1991), ISO 11172-3 and the Xing/LAME tag, RFC 3533 (Ogg), RFC 9639 (FLAC).
"""

from __future__ import annotations

import functools
import io
import mmap
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")

HEADER_SLACK = 512  # bytes by which a header may be wrong: some count the header itself, or a whole disk block
_BITRATES = {  # kbit/s of Layer III, by MPEG version 1 and 2 (also 2.5)
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # Hz, by the version's two bits
_FLAC_TAIL = 1 << 18  # bytes in which the last frame begins
_BITS_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_ENCODERS = (b"LAME", b"Lavc", b"Lavf")  # whose names in a tag are followed by the delay
_SIDE_BYTES, _FULL_TAG = (9, 17, 32), 120  # before a tag, and from its begin to the encoder's name
_DECODER_DELAY = 529  # samples of every MP3 decoder's delay, added to the encoder's own


def once_per_file(function: Callable[[Path], _T]) -> Callable[[Path], _T]:
    """``function(path)``, cached until the file's size or modification time changes."""

    @functools.lru_cache(maxsize=4096)
    def compute(path: Path, size: int, changed: int) -> _T:
        return function(path)

    @functools.wraps(function)
    def compute_or_recall(path: Path) -> _T:
        status = path.stat()
        return compute(path.absolute(), status.st_size, status.st_mtime_ns)

    return compute_or_recall


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


class Section(io.RawIOBase):
    """Bytes ``begin`` to ``end`` of a file as a seekable stream, some of them replaced."""

    def __init__(self, path: Path, begin: int = 0, end: int | None = None, replaced: dict[int, bytes] | None = None):
        self._file = path.open("rb")
        self._begin, self._replaced = begin, replaced or {}
        self._size = (os.path.getsize(path) if end is None else end) - begin
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer) -> int:
        view = memoryview(buffer).cast("B")
        self._file.seek(self._begin + self._at)
        content = bytearray(self._file.read(max(0, min(len(view), self._size - self._at))))
        for at, new in self._replaced.items():
            for i, byte in enumerate(new, at - self._at):
                if 0 <= i < len(content):
                    content[i] = byte
        view[: len(content)] = content
        self._at += len(content)
        return len(content)

    def close(self) -> None:
        self._file.close()
        super().close()


# ---- WAV


@dataclass(frozen=True)
class WavData:
    """The ``data`` chunk of a WAV file.

    Attributes:
        begin: the first byte of the samples.
        claimed: how many bytes the header says there are.
        found: how many there are: as claimed, unless the file is longer or shorter.
        sound: whether rate, channels, bits, byte rate and block size are consistent.
    """

    begin: int
    claimed: int
    found: int
    sound: bool

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
        at, sound = 12, True
        while at + 8 <= length:
            file.seek(at)
            name, size = file.read(4), int.from_bytes(file.read(4), "little")
            if name == b"fmt " and size >= 16:
                sound = _agrees(*struct.unpack("<HHIIHH", file.read(16).ljust(16, b"\0")))
            if name == b"data":
                begin = at + 8
                file.seek(begin + size)
                following = file.read(8 + size % 2)
                whole = begin + size <= length and (_is_chunk(following[size % 2 :]) or _is_chunk(following[:8]))
                rest = length - begin
                return WavData(begin, size, size if whole else rest, sound)
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


# ---- CAF and W64


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


# ---- MP3


@dataclass
class MpegPart:
    """A run of MP3 frames that was one file.

    Attributes:
        begin, end: bytes.
        first: the first byte of sound: after the frame that holds the tag, if there is one.
        n_claimed: frames of sound by its Xing, Info or VBRI tag; ``None`` without a tag.
        n_found: frames of sound found.
        delay: samples to drop at the beginning, by the tag.
        skipped: bytes between its frames, or before the file's first frame, that belong to no frame.
        doubtful: whether its tag is damaged, so that ``delay`` may be wrong.
    """

    begin: int
    end: int
    first: int
    n_claimed: int | None
    n_found: int = 0
    delay: int = 0
    skipped: int = 0
    doubtful: bool = False

    @property
    def tells_its_length(self) -> bool:
        """Whether a decoder may rely on the tag. A tag that claims more frames than found marks a truncated file."""
        return self.n_claimed is not None and self.n_claimed >= self.n_found - 1 and self.n_claimed > 0


@once_per_file
def find_mpeg_parts(path: Path) -> list[MpegPart]:
    """The MP3 files in an MP3 or WAV file, in order; none where no frames are found."""
    parts: list[MpegPart] = []
    inside = find_wav_data(path)
    with _mapped(path) as data:
        end = inside.begin + inside.found if inside else len(data)
        begin = at = _after_id3(data, inside.begin if inside else 0)
        in_step = False
        while at + 4 <= end:
            size = _frame_size(data, at)
            if not size or not (in_step or at + size >= end or _frame_size(data, at + size)):
                in_step = False
                at = data.find(b"\xff", at + 1, end)
                if at < 0:
                    break
                continue
            in_step = True
            tag = _read_tag(data, at, size)
            if parts and not tag:
                parts[-1].skipped += at - parts[-1].end
            else:
                n_claimed, delay, doubtful = tag or (None, 0, False)
                lost = 0 if parts or not data[begin:at].strip(b"\0") else at - begin
                parts.append(MpegPart(at, at, at + size if tag else at, n_claimed, 0, delay, lost, doubtful))
            parts[-1].n_found += not tag
            at += size
            parts[-1].end = min(at, end)
    return [part for part in parts if part.n_found or part.n_claimed]


def _after_id3(data: mmap.mmap, at: int) -> int:
    if data[at : at + 3] != b"ID3":
        return at
    end = at + 10 + sum((byte & 0x7F) << shift for byte, shift in zip(data[at + 6 : at + 10], (21, 14, 7, 0)))
    return end if _frame_size(data, end) else at + 10  # its size may be damaged


def _frame_size(data: mmap.mmap, at: int) -> int:
    """Bytes of the Layer III frame that begins here; 0 where none does."""
    head = data[at : at + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version, bitrate, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or rate == 3 or not 0 < bitrate < 15:
        return 0
    per_frame, rates = (144_000, _BITRATES[1]) if version == 3 else (72_000, _BITRATES[2])
    return per_frame * rates[bitrate] // _RATES[version][rate] + (head[2] >> 1 & 1)


def _read_tag(data: mmap.mmap, at: int, size: int) -> tuple[int | None, int, bool] | None:
    """Frames and delay by a Xing, Info or VBRI tag in this frame, and whether the tag is damaged.

    ``None`` where it is a frame of sound.
    """
    frame = data[at : at + min(size, 220)]
    place = max(frame.find(b"Xing", 4, 48), frame.find(b"Info", 4, 48))
    if place < 0:
        place = frame.find(b"VBRI", 36, 48)
        if place >= 0:
            return int.from_bytes(frame[place + 14 : place + 18], "big"), 0, False
        for encoder in (4 + side + _FULL_TAG for side in _SIDE_BYTES):  # the tag's name is damaged, its end is there
            if frame[encoder : encoder + 4] in _ENCODERS:
                return None, (int.from_bytes(frame[encoder + 21 : encoder + 24], "big") >> 12) + _DECODER_DELAY, True
        return None
    flags = int.from_bytes(frame[place + 4 : place + 8], "big")
    n_frames = int.from_bytes(frame[place + 8 : place + 12], "big") if flags & 1 else None
    encoder = place + 8 + sum(n for bit, n in ((1, 4), (2, 4), (4, 100), (8, 4)) if flags & bit)
    delay = int.from_bytes(frame[encoder + 21 : encoder + 24], "big") >> 12
    if frame[encoder : encoder + 4] not in _ENCODERS:
        return n_frames, 0, False
    at = encoder + 34
    by_lame = frame[encoder : encoder + 4] == b"LAME"  # FFmpeg's checksum is at another place
    if by_lame and _crc16(frame[:at]) != int.from_bytes(frame[at : at + 2], "big"):
        return None, 0, True  # a damaged tag is ignored
    return n_frames, delay + _DECODER_DELAY, False


def _crc16(content: bytes) -> int:
    crc = 0
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


# ---- FLAC


@once_per_file
def find_flac_length(path: Path) -> int | None:
    """Number of samples by the last frame of a FLAC file, not by its header; ``None`` where no frame is found."""
    with _mapped(path) as data:
        if data[:4] != b"fLaC":
            return None
        size = int.from_bytes(data[10:12], "big")  # of the largest block: the size of every frame but the last
        at = len(data)
        while (at := data.rfind(b"\xff", max(0, len(data) - _FLAC_TAIL), at)) >= 0:
            head = data[at : at + 16]
            if len(head) == 16 and head[1] in (0xF8, 0xF9) and (end := _flac_frame_end(head, size)):
                return end
    return None


def _flac_frame_end(head: bytes, size: int) -> int | None:
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


# ---- Ogg


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
    with _mapped(path) as data:
        if data[:4] != b"OggS":
            return None
        begins: list[int] = []
        expected: dict[bytes, int] = {}  # the next page's number, by stream
        at, opening, ended, n_bad = 0, False, False, 0
        while at >= 0 and at + 27 <= len(data):
            kind, stream, number = data[at + 5], data[at + 14 : at + 18], data[at + 18 : at + 22]
            n_segments = data[at + 26]
            following = at + 27 + n_segments + sum(data[at + 27 : at + 27 + n_segments])
            whole = following <= len(data) and _ogg_checksum(data[at:following]) == data[at + 22 : at + 26]
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


def _ogg_checksum(page: bytes) -> bytes:
    """CRC-32 with the bit order reversed compared with zlib's."""
    blank = (page[:22] + bytes(4) + page[26:]).translate(_BITS_REVERSED)
    crc = zlib.crc32(blank, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return crc.to_bytes(4, "big").translate(_BITS_REVERSED)
