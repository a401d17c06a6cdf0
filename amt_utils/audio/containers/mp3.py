"""The frames of MP3 files, which may begin with other bytes, state a wrong length, or be several files in a row.

Source: ISO 11172-3 and the Xing/LAME tag.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path

from .chunks import find_wav_data
from .parts import mapped, once_per_file

_BITRATES = {  # kbit/s of Layer III, by MPEG version 1 and 2 (also 2.5)
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # Hz, by the version's two bits
_ENCODERS = (b"LAME", b"Lavc", b"Lavf")  # whose names in a tag are followed by the delay
_SIDE_BYTES, _FULL_TAG = (9, 17, 32), 120  # before a tag, and from its begin to the encoder's name
_DECODER_DELAY = 529  # samples of every MP3 decoder's delay, added to the encoder's own


@dataclass
class Mp3Part:
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
def find_mp3_parts(path: Path) -> list[Mp3Part]:
    """The MP3 files in an MP3 or WAV file, in order; none where no frames are found."""
    parts: list[Mp3Part] = []
    inside = find_wav_data(path)
    with mapped(path) as data:
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
                parts.append(Mp3Part(at, at, at + size if tag else at, n_claimed, 0, delay, lost, doubtful))
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
