"""Files and single members of a zip over HTTP ranges: resumed after a lost connection or a kill, always verified.

The zip's directory is read with remotezip; a member's compressed bytes then arrive by one ranged request into a
``.part`` file, which the next attempt, or the next process, continues where it ends. Replies are verified: ranges
and sizes in the header are compared with the request, and the data with the member's CRC-32. Where that fails, the
member is read again block by block, starting where the decoder failed or the audio is roughest, until two readings of
each block agree.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, cast

import requests
from remotezip import RemoteZip
from requests.adapters import HTTPAdapter
from tqdm.auto import tqdm
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

from ...system.errors import AmtError, WriteError
from ...system.files import hash_file, read_json, written_whole
from ...system.secrets import blank_secrets
from .zip_member import Broken, Member, check_size, unpack

RETRY_SECONDS = 0.5  # before the second attempt; doubled each time, 30 s at most
ATTEMPTS = 8  # in a row without a single new byte
_READ = 1 << 14  # bytes read from the network at a time: the most that a killed process loses
_RECEIVE_BUFFER = 1 << 18  # bytes buffered by the system; still 10 MB/s per connection at 25 ms
_BLOCKS = 32  # in which a damaged member is read again
_TIMEOUT = (15, 60)  # seconds to connect, seconds of silence


class PastTheEnd(Exception):
    """The server's file ends before the requested bytes."""


class Stopped(Exception):
    """The stop event was set; what has arrived is kept."""


@dataclass(frozen=True)
class Archive:
    """A remote zip: its address, length in bytes and members by name."""

    url: str
    size: int
    members: dict[str, Member]


class Client:
    """Ranged reading of one server, for one thread at a time.

    Args:
        stop: polled; when true, :class:`Stopped` is raised.
        on_bytes: called with the number of bytes that arrived.
    """

    def __init__(self, *, stop: Callable[[], bool] = lambda: False, on_bytes: Callable[[int], None] = lambda n: None):
        self.session = requests.Session()
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, _make_adapter())
        self.session.headers["Accept-Encoding"] = "identity"
        self.stop, self.on_bytes = stop, on_bytes

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
        for _ in self._attempts(url, progress=lambda: len(seen)):
            archive = self._read_directory_once(url)
            if archive is None:
                continue
            if archive in seen:
                break
            seen.append(archive)
        assert archive is not None  # _attempts raises where there is none
        if cache:
            stored = {"of": _name_of(url), "size": archive.size}
            stored["members"] = {name: asdict(member) for name, member in archive.members.items()}
            with written_whole(cache) as partial:
                partial.write_text(json.dumps(stored), encoding="utf-8")
        return archive

    def _read_directory_once(self, url: str) -> Archive | None:
        try:
            with RemoteZip(url, session=self.session, timeout=_TIMEOUT) as remote:
                infos = sorted(remote.infolist(), key=lambda info: info.header_offset)
                ends = [info.header_offset for info in infos[1:]] + [remote.start_dir]
                size = remote.size()
        except Exception as error:  # remotezip's and zipfile's many errors on a damaged directory
            # not 416: after a reply with a wrong file size the next request may be out of range
            _raise_if_final(url, _status(error))
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
        self.fetch(archive.url, part, start=member.start, end=member.end, total=archive.size)
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
                self.fetch(url, part, start=0, end=None, total=None, limit=limit)
            if hash_file(part) == sha256:
                os.replace(part, target)
                return target
            part.unlink()
        raise AmtError(f"{url}: its sha256 is not {sha256}, {ATTEMPTS} times in a row; it is damaged or another file")

    def fetch(
        self, url: str, part: Path, *, start: int, end: int | None, total: int | None, limit: int | None = None
    ) -> None:
        """Bytes ``[start, end)`` of ``url`` into ``part``, continuing what it holds; ``None``: to the file's end.

        Where the end is not known the caller compares a hash, since replies may state a wrong end.
        """
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            file = open(part, "ab")
        except OSError as error:
            raise WriteError(f"{part}: cannot be written ({error.strerror}); choose another folder") from error
        with file:
            known_end = end
            for _ in self._attempts(url, progress=file.tell):
                have = start + file.tell()
                if known_end is not None and have >= known_end:
                    break
                try:
                    known_end = self._fetch_once(url, file, have, known_end, total)
                    if limit is not None:
                        check_size(url, known_end - start, limit)
                except Broken:
                    pass
                except PastTheEnd:
                    if end is not None:
                        raise AmtError(
                            f"{url}: the file there is shorter than it was; delete what is downloaded and start again"
                        ) from None
                    if file.tell():  # an earlier reply stated an end that is too large
                        break
                if known_end is not None and start + file.tell() >= known_end:
                    break
        if end is not None and part.stat().st_size > end - start:
            os.truncate(part, end - start)

    def _fetch_once(self, url: str, file: BinaryIO, have: int, end: int | None, total: int | None) -> int:
        """One request; appends what arrives and returns the range's end, which may be known only from the reply."""
        last = "" if end is None else end - 1
        try:
            headers = {"Range": f"bytes={have}-{last}"}
            with self.session.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as reply:
                _raise_if_final(url, reply.status_code)
                end = _check_head(reply, have, end, total)
                room = end - have
                for chunk in reply.raw.stream(_READ):
                    if self.stop():
                        raise Stopped
                    chunk = chunk[:room]
                    try:
                        file.write(chunk)
                        file.flush()  # so that a kill loses nothing that was written
                    except OSError as error:
                        raise WriteError(
                            f"{file.name}: could not be written ({error.strerror}); free some space or choose less"
                        ) from error
                    room -= len(chunk)
                    self.on_bytes(len(chunk))
                    if not room:
                        break
        except (requests.RequestException, HTTPError, OSError) as error:
            if end is None:
                raise Broken from error
        return cast(int, end)

    def _attempts(self, url: str, *, progress: Callable[[], int] = lambda: 0) -> Iterator[int]:
        """Counts up, waiting longer each time nothing new arrived; gives up after :data:`ATTEMPTS` in a row."""
        idle, before = 0, progress()
        for attempt in range(10_000):
            if self.stop():
                raise Stopped
            yield attempt
            idle, before = (0, progress()) if progress() > before else (idle + 1, before)
            if idle >= ATTEMPTS:
                break
            wait = min(30.0, RETRY_SECONDS * 2 ** (idle - 1)) if idle else 0
            if idle >= 3:  # show that it is still trying
                again = f"trying again in {wait:.0f} s ({idle} of {ATTEMPTS})"
                tqdm.write(blank_secrets(f"{url}: no usable reply, {again}"), file=sys.stderr)
            time.sleep(wait)
        raise AmtError(f"{url}: no usable reply in {ATTEMPTS} attempts; check the connection and start again")

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
                self.fetch(archive.url, again, start=member.start + begin, end=member.start + end, total=archive.size)
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


def _make_adapter():
    """A transport whose connections buffer little, because what is buffered is lost when the process is killed."""
    class SmallBuffers(HTTPAdapter):
        def init_poolmanager(self, *args, **kwargs):
            small = (socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            super().init_poolmanager(*args, socket_options=[*HTTPConnection.default_socket_options, small], **kwargs)

    return SmallBuffers()


def _check_head(reply, have: int, end: int | None, total: int | None) -> int:
    """The reply's range must begin where asked and stay within what is known; returns the range's end."""
    if reply.status_code == 416:
        raise PastTheEnd
    if reply.status_code == 200 and have == 0 and end is None:  # a server without ranges, the whole file requested
        length = reply.headers.get("Content-Length", "")
        if length.isdigit():
            return int(length)
        raise Broken
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", reply.headers.get("Content-Range", ""))
    if reply.status_code != 206 or not found:
        raise Broken
    first, last = int(found[1]), int(found[2])
    whole = None if found[3] == "*" else int(found[3])
    if first != have or (end is not None and last >= end) or (total is not None and whole not in (None, total)):
        raise Broken
    if end is None and whole is None:
        raise Broken
    return cast(int, whole) if end is None else end


def _raise_if_final(url: str, status: int | None) -> None:
    if status in (401, 403, 404, 410):
        raise AmtError(f"{url}: the server answers {status}; check the address")


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
