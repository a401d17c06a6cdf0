"""Files and single members of a zip over HTTP ranges: resumed after a lost connection or a kill, always verified.

The zip's directory is read with remotezip; a member's compressed bytes then arrive by one ranged request into a
``.part`` file, which the next attempt, or the next process, continues where it ends. Nothing a server says is
believed: ranges and sizes in the reply's head are compared with what was asked for, and what arrived is unpacked
against the member's CRC-32. Where that fails, the member is not read again as a whole but block by block, from
where the decoder stumbled or the sound is roughest outwards, until two readings of each block agree.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm.auto import tqdm

from ...system.errors import AmtError
from ...system.files import written_whole
from .zip_member import Broken, Member, unpack

RETRY_SECONDS = 0.5  # before the second attempt; doubled each time, 30 s at most
ATTEMPTS = 8  # in a row without a single new byte
_READ = 1 << 14  # bytes taken from the network at a time: what a killed process has read and not yet written
_RECEIVE_BUFFER = 1 << 18  # ... and what waits in the system's hands; still 10 MB/s per connection at 25 ms
_BLOCKS = 32  # that a damaged member is re-read in
_TIMEOUT = (15, 60)  # seconds to connect, seconds of silence


class Stopped(Exception):
    """Somebody set the stop event; what has arrived is kept."""


@dataclass(frozen=True)
class Archive:
    """A remote zip: its address, length in bytes and members by name."""

    url: str
    size: int
    members: dict[str, Member]


class Client:
    """Ranged reading of one server, for one thread at a time.

    Args:
        stop: asked now and then; when true, :class:`Stopped` is raised.
        on_bytes: told how many bytes have arrived.
    """

    def __init__(self, *, stop: Callable[[], bool] = lambda: False, on_bytes: Callable[[int], None] = lambda n: None):
        import requests

        self.session = requests.Session()
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, _make_adapter())
        self.session.headers["Accept-Encoding"] = "identity"
        self.stop, self.on_bytes = stop, on_bytes

    def read_directory(self, url: str, *, cache: str | os.PathLike | None = None) -> Archive:
        """The remote zip's directory; it has no checksum of its own, so it is read until two readings agree.

        Args:
            cache: a JSON file to keep it in, so that resuming asks for nothing twice.
        """
        cache = Path(cache) if cache else None
        if cache and cache.is_file():
            stored = json.loads(cache.read_text(encoding="utf-8"))
            if stored["url"] == url:
                members = {name: Member(**fields) for name, fields in stored["members"].items()}
                return Archive(url, stored["size"], members)
        seen: list[Archive] = []
        for _ in self._attempts(url, progress=lambda: len(seen)):
            archive = self._read_directory_once(url)
            if archive is None:
                continue
            if archive in seen:
                break
            seen.append(archive)
        if cache:
            stored = {"url": url, "size": archive.size}
            stored["members"] = {name: asdict(member) for name, member in archive.members.items()}
            with written_whole(cache) as partial:
                partial.write_text(json.dumps(stored), encoding="utf-8")
        return archive

    def _read_directory_once(self, url: str) -> Archive | None:
        from remotezip import RemoteZip

        try:
            with RemoteZip(url, session=self.session, timeout=_TIMEOUT) as remote:
                infos = sorted(remote.infolist(), key=lambda info: info.header_offset)
                ends = [info.header_offset for info in infos[1:]] + [remote.start_dir]
                size = remote.size()
        except Exception as error:  # whatever a garbled directory makes of remotezip and zipfile
            _raise_if_final(url, _status(error))
            return None
        members = {
            info.filename: Member(info.filename, info.file_size, info.compress_size, info.CRC, info.compress_type,
                                  info.header_offset, end)
            for info, end in zip(infos, ends, strict=True)
        }  # fmt: skip
        return Archive(url, size, members)

    def download_member(
        self, archive: Archive, member: Member, target: str | os.PathLike, *, keep_part: bool = False
    ) -> Path:
        """One member, unpacked and checked, as ``target``; ``target`` + ``.part`` holds what has arrived so far.

        Args:
            keep_part: leave the ``.part``, for a caller that has not finished with the member and may be killed.

        Raises:
            AmtError: the server does not give it, or gives damaged bytes again and again.
        """
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

    def download(self, url: str, target: str | os.PathLike, *, sha256: str | None = None) -> Path:
        """A whole file, resumed from ``target`` + ``.part``; renamed to ``target`` once its hash agrees.

        Raises:
            AmtError: it cannot be had, or its sha256 is another one.
        """
        target = Path(target)
        part = target.with_name(target.name + ".part")
        for attempt in range(3):
            if not (attempt == 0 and sha256 and part.is_file() and _sha256(part) == sha256):  # killed before renaming
                self.fetch(url, part, start=0, end=None, total=None)
            if sha256 is None or _sha256(part) == sha256:
                os.replace(part, target)
                return target
            part.unlink()
        raise AmtError(f"{url}: its sha256 is not {sha256}, three times in a row; it is damaged or another file")

    def fetch(self, url: str, part: Path, *, start: int, end: int | None, total: int | None) -> None:
        """Bytes ``[start, end)`` of ``url`` into ``part``, continuing what it holds; ``None``: to the file's end."""
        part.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "ab") as file:
            for _ in self._attempts(url, progress=file.tell):
                have = start + file.tell()
                if end is not None and have >= end:
                    break
                with suppress(Broken):
                    end = self._fetch_once(url, file, have, end, total)
                if end is not None and start + file.tell() >= end:
                    break
        if end is not None and part.stat().st_size > end - start:
            os.truncate(part, end - start)

    def _fetch_once(self, url: str, file, have: int, end: int | None, total: int | None) -> int | None:
        """One request; appends what arrives and returns the range's end, which the reply may be first to tell."""
        import requests
        from urllib3.exceptions import HTTPError

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
                    file.write(chunk)
                    file.flush()  # into the system's hands: a kill loses nothing that was written
                    room -= len(chunk)
                    self.on_bytes(len(chunk))
                    if not room:
                        break
        except (requests.RequestException, HTTPError, OSError) as error:
            if isinstance(error, OSError) and error.errno == 28:  # ENOSPC
                raise AmtError(f"{file.name}: the disk is full; free some space or choose a smaller part") from error
            if end is None:
                raise Broken from error
        return end

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
            if idle >= 3:  # nobody should look at a still screen
                again = f"trying again in {wait:.0f} s ({idle} of {ATTEMPTS})"
                tqdm.write(f"{url}: no usable reply, {again}", file=sys.stderr)
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
    import socket

    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection

    class SmallBuffers(HTTPAdapter):
        def init_poolmanager(self, *args, **kwargs):
            small = (socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            super().init_poolmanager(*args, socket_options=[*HTTPConnection.default_socket_options, small], **kwargs)

    return SmallBuffers()


def _check_head(reply, have: int, end: int | None, total: int | None) -> int:
    """The reply's range must begin where asked and stay within what is known; returns the range's end."""
    if reply.status_code == 200 and have == 0 and end is None:  # a server without ranges, asked for everything
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
    return whole if end is None else end


def _raise_if_final(url: str, status: int | None) -> None:
    if status in (401, 403, 404, 410):
        raise AmtError(f"{url}: the server answers {status}; check the address")
    if status == 416:
        raise AmtError(f"{url}: the file there is shorter than it was; delete what is downloaded and start again")


def _status(error: BaseException) -> int | None:
    found = re.search(r"\b(4\d\d) Client Error", str(error))
    return int(found[1]) if found else None


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
