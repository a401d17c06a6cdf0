"""One member of a zip, from its raw bytes to a verified file; and the place of any damage."""

from __future__ import annotations

import contextlib
import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ...system.errors import AmtError
from ...system.files import describe_bytes, written_whole

_CHUNK = 1 << 16


class Broken(Exception):
    """Damaged bytes that may be read again; of a member, with the place of the damage."""


@dataclass(frozen=True)
class Member:
    """A file in a zip: its bytes lie in ``[start, end)`` of the archive, local header included."""

    name: str
    size: int
    compressed: int
    crc: int
    method: int
    start: int
    end: int


def check_size(name: str, size: int, limit: int) -> None:
    """Raises :class:`AmtError` for a file that declares more than ``limit`` bytes."""
    if size > limit:
        raise AmtError(
            f"{name}: declares {describe_bytes(size)}, more than the {describe_bytes(limit)} that such a file may "
            "have; this is not MAESTRO"
        )


def unpack(part: Path, member: Member, target: Path | None) -> None:
    """``part`` -> ``target`` (``None``: only checks), or raises :class:`Broken` with the byte where decoding failed."""
    if member.method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise AmtError(f"{member.name}: packed by method {member.method}; only stored and deflated members are read")
    place = written_whole(target) if target else contextlib.nullcontext(Path(os.devnull))
    with open(part, "rb") as source, place as partial, open(partial, "wb") as out:
        _unpack(source, member, out)


def _unpack(source: BinaryIO, member: Member, out: BinaryIO) -> None:
    crc, size, left = 0, 0, member.compressed
    rough: list[tuple[float, int]] = []
    inflate = zlib.decompressobj(-15) if member.method == zipfile.ZIP_DEFLATED else None
    head = source.read(30)
    if len(head) < 30 or head[:4] != b"PK\x03\x04":
        raise Broken(0)
    source.seek(int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little"), 1)
    while left > 0:
        chunk = source.read(min(_CHUNK, left))
        if not chunk:
            raise Broken(source.tell())
        left -= len(chunk)
        try:
            data = inflate.decompress(chunk) if inflate else chunk
        except zlib.error as error:
            raise Broken(source.tell()) from error
        middle = source.tell() - len(chunk) // 2
        rough.append((_roughness(data[size % 2 if size else 256 :]), middle))  # 256: past a WAV's header
        crc, size = zlib.crc32(data, crc), size + len(data)
        if size > member.size:
            break
        out.write(data)
    if (crc, size) != (member.crc, member.size):
        worst = max(rough, default=(0.0, 0))[0]
        raise Broken(next((at for roughness, at in rough if roughness >= worst / 2), 0))


def _roughness(data: bytes) -> float:
    """The largest second difference of 16-bit samples, every second one: music is smooth, damaged data are not."""
    samples = np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int32)
    return float(np.abs(samples[4:] - 2 * samples[2:-2] + samples[:-4]).max(initial=0))
