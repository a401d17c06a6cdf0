"""Bytes of a file over HTTP ranges: resumed after a lost connection or a kill.

Bytes arrive in a ``.part`` file, which the next attempt, or the next process, continues where it ends. Ranges and sizes
in a reply's header are compared with the request.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

import requests
from requests.adapters import HTTPAdapter
from tqdm.auto import tqdm
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

from ...system.errors import AmtError, WriteError
from ...system.secrets import blank_secrets
from .zip_member import Broken, check_size

RETRY_SECONDS = 0.5  # before the second attempt; doubled each time, 30 s at most
ATTEMPTS = 8  # in a row without a single new byte
_READ = 1 << 14  # bytes read from the network at a time: the most that a killed process loses
_RECEIVE_BUFFER = 1 << 18  # bytes buffered by the system; still 10 MB/s per connection at 25 ms
TIMEOUT = (15, 60)  # seconds to connect, seconds of silence


class PastTheEnd(Exception):
    """The server's file ends before the requested bytes."""


class Stopped(Exception):
    """The stop event was set; what has arrived is kept."""


class RangeReader:
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
            for _ in self.attempts(url, progress=file.tell):
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
            with self.session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as reply:
                raise_if_final(url, reply.status_code)
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

    def attempts(self, url: str, *, progress: Callable[[], int] = lambda: 0) -> Iterator[int]:
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


def raise_if_final(url: str, status: int | None) -> None:
    """Raises :class:`AmtError` for a status that another attempt does not change."""
    if status in (401, 403, 404, 410):
        raise AmtError(f"{url}: the server answers {status}; check the address")
