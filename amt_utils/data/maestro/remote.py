"""Files and single members of a zip on a server, always verified.

The zip's directory is read with remotezip; a member's compressed bytes then arrive in a ``.part`` file
(:mod:`.ranges`) and are compared with the member's CRC-32. Where that fails, the member is read again block by block,
starting where the decoder failed or the audio is roughest, until two readings of each block agree.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from remotezip import RemoteZip

from ...system.errors import AmtError
from ...system.files import hash_file, read_json, written_whole
from .ranges import ATTEMPTS, TIMEOUT, RangeReader, raise_if_final
from .zip_member import Broken, Member, check_size, unpack

_BLOCKS = 32  # in which a damaged member is read again


@dataclass(frozen=True)
class Archive:
    """A remote zip: its address, length in bytes and members by name."""

    url: str
    size: int
    members: dict[str, Member]


class Client:
    """Reads files and zips of one server, for one thread at a time.

    Args:
        stop: polled; when true, :class:`Stopped` is raised.
        on_bytes: called with the number of bytes that arrived.
    """

    def __init__(self, *, stop: Callable[[], bool] = lambda: False, on_bytes: Callable[[int], None] = lambda n: None):
        self.reader = RangeReader(stop=stop, on_bytes=on_bytes)

    def read_directory(self, url: str, *, cache: str | os.PathLike | None = None) -> Archive:
        """The remote zip's directory; it has no checksum of its own, so it is read until two readings agree.

        Args:
            cache: a JSON file to keep it in, for resuming.
        """
        cache = Path(cache) if cache else None
        kept = _read_cache(cache, url) if cache and cache.is_file() else None
        if kept:
            return kept
        seen: list[Archive] = []
        for _ in self.reader.attempts(url, progress=lambda: len(seen)):
            archive = self._read_directory_once(url)
            if archive is None:
                continue
            if archive in seen:
                break
            seen.append(archive)
        assert archive is not None  # attempts raises where there is none
        if cache:
            stored = {"of": _name_of(url), "size": archive.size}
            stored["members"] = {name: asdict(member) for name, member in archive.members.items()}
            with written_whole(cache) as partial:
                partial.write_text(json.dumps(stored), encoding="utf-8")
        return archive

    def _read_directory_once(self, url: str) -> Archive | None:
        try:
            with RemoteZip(url, session=self.reader.session, timeout=TIMEOUT) as remote:
                infos = sorted(remote.infolist(), key=lambda info: info.header_offset)
                ends = [info.header_offset for info in infos[1:]] + [remote.start_dir]
                size = remote.size()
        except Exception as error:  # remotezip's and zipfile's many errors on a damaged directory
            # not 416: after a reply with a wrong file size the next request may be out of range
            raise_if_final(url, _status(error))
            return None
        # a wrong size moves every offset, and the first member is at the beginning
        if not infos or infos[0].header_offset != 0 or not ends[-1] <= size:
            return None
        members = {
            info.filename: Member(info.filename, info.file_size, info.compress_size, info.CRC, info.compress_type,
                                  info.header_offset, end)
            for info, end in zip(infos, ends, strict=True)
        }  # fmt: skip
        return Archive(url, size, members)

    def download_member(
        self, archive: Archive, member: Member, target: str | os.PathLike, *, limit: int, keep_part: bool = False
    ) -> Path:
        """One member, unpacked and checked, as ``target``; ``target`` + ``.part`` holds what has arrived so far.

        Args:
            limit: the most bytes that a file of its kind may have, packed or not.
            keep_part: keep the ``.part``, for a caller that may be killed before it has finished with the member.

        Raises:
            AmtError: it is larger than ``limit``, the server does not have it, or repeatedly sends damaged bytes.
        """
        check_size(member.name, max(member.size, member.end - member.start), limit)
        target = Path(target)
        part = target.with_name(target.name + ".part")
        self.reader.fetch(archive.url, part, start=member.start, end=member.end, total=archive.size)
        try:
            unpack(part, member, target)
        except Broken as stumbled:
            self._repair(archive, member, part, int(stumbled.args[0]))
            try:
                unpack(part, member, target)
            except Broken as error:
                part.unlink()
                raise AmtError(
                    f"{member.name}: its CRC does not agree after reading it twice; the file at {archive.url} is "
                    "damaged or has changed. Delete the download folder's .scratch and try again"
                ) from error
        if not keep_part:
            part.unlink()
        return target

    def download(self, url: str, target: str | os.PathLike, *, sha256: str, limit: int) -> Path:
        """A whole file, resumed from ``target`` + ``.part``; renamed to ``target`` once its hash agrees.

        Raises:
            AmtError: it cannot be downloaded, is larger than ``limit`` bytes, or its sha256 is another one.
        """
        target = Path(target)
        part = target.with_name(target.name + ".part")
        for attempt in range(ATTEMPTS):
            if not (attempt == 0 and part.is_file() and hash_file(part) == sha256):  # killed before renaming
                self.reader.fetch(url, part, start=0, end=None, total=None, limit=limit)
            if hash_file(part) == sha256:
                os.replace(part, target)
                return target
            part.unlink()
        raise AmtError(f"{url}: its sha256 is not {sha256}, {ATTEMPTS} times in a row; it is damaged or another file")

    def _repair(self, archive: Archive, member: Member, part: Path, stumbled: int) -> None:
        """Reads ``part`` again in blocks, those near byte ``stumbled`` first, until the member unpacks."""
        length = member.end - member.start
        size = -(-length // _BLOCKS)
        first = min(stumbled, length - 1) // size
        for number in sorted(range(-(-length // size)), key=lambda block: abs(block - first)):
            begin = number * size
            end = min(begin + size, length)
            with open(part, "rb") as file:
                file.seek(begin)
                readings = [file.read(end - begin)]
            again = part.with_name(part.name + ".again")
            while len(readings) < 5:
                again.unlink(missing_ok=True)
                self.reader.fetch(
                    archive.url, again, start=member.start + begin, end=member.start + end, total=archive.size
                )
                reading = again.read_bytes()
                if reading in readings:
                    break
                readings.append(reading)
            again.unlink(missing_ok=True)
            if reading != readings[0]:
                with open(part, "r+b") as file:
                    file.seek(begin)
                    file.write(reading)
                try:
                    unpack(part, member, None)
                    return
                except Broken:
                    continue


def _status(error: BaseException) -> int | None:
    found = re.search(r"\b(4\d\d) Client Error", str(error))
    return int(found[1]) if found else None


def _name_of(url: str) -> str:
    """A hash that identifies an address in a file; the address itself may hold a password."""
    return hashlib.sha256(url.encode()).hexdigest()


def _read_cache(path: Path, url: str) -> Archive | None:
    """The directory kept in ``path`` if it is of ``url`` and undamaged."""
    try:
        stored = read_json(path)
        if stored["of"] != _name_of(url):
            return None
        members = {name: Member(**fields) for name, fields in stored["members"].items()}
        sound = all(0 <= m.start < m.end <= stored["size"] and m.size >= 0 for m in members.values())
        return Archive(url, stored["size"], members) if sound and members else None
    except (AmtError, AttributeError, KeyError, TypeError):
        return None
