"""A local HTTP server with ranges that breaks a share of its replies: drops, lies and corrupt bytes.

Run as a program it serves one folder until it is stopped, so that a test can count bytes across processes.
"""

from __future__ import annotations

import random
import re
import socket
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class UnreliableServer(ThreadingHTTPServer):
    """Serves ``folder``; ``broken`` is the share of replies that are.

    Which replies are broken, and how, depends on ``seed``, the range asked for and how often it was asked before, and
    so not on the order in which several clients ask.

    Attributes:
        faults: kinds of the broken replies so far: ``drop``, ``lie`` or ``corrupt``.
        sent: bytes of bodies handed to the network.
        replies: how many there were.
    """

    daemon_threads = True

    def __init__(self, folder: Path, *, broken: float = 0.0, seed: int = 0, pause: float = 0.0, ranges: bool = True):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.broken, self.pause, self.ranges = Path(folder), broken, pause, ranges
        self.seed, self.lock = seed, threading.Lock()
        self.asked: Counter[tuple[str, int, int]] = Counter()
        self.faults: list[str] = []
        self.script: list[str] = []  # faults of the next replies of at least script_from bytes, before chance decides
        self.script_from = 0
        self.sent = self.replies = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # a client that was killed

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def next_fault(self, path: str, first: int, last: int) -> tuple[str, random.Random]:
        """The fault of the reply with these bytes, ``""`` for none, and the chance that decides where it is."""
        with self.lock:
            self.replies += 1
            self.asked[path, first, last] += 1
            rng = random.Random(f"{self.seed} {path} {first} {last} {self.asked[path, first, last]}")
            fault = ""
            if self.script and last - first + 1 >= self.script_from:
                fault = self.script.pop(0)
            elif rng.random() < self.broken:
                fault = rng.choice(("drop", "lie", "corrupt"))
            if fault:
                self.faults.append(fault)
            return fault, rng


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 15)  # little in flight when a client dies
        super().setup()

    def log_message(self, *args):
        pass

    def do_GET(self):
        server: UnreliableServer = self.server
        path = server.folder / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        size = path.stat().st_size
        first, last, status = 0, size - 1, 200
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "")) if server.ranges else None
        if asked:
            status = 206
            if not asked[1]:
                first = max(0, size - int(asked[2]))
            else:
                first, last = int(asked[1]), min(last, int(asked[2] or last))
            if first >= size:
                self.send_error(416)
                return
        length = last - first + 1
        fault, rng = server.next_fault(self.path, first, last)
        told_first, told_length, told_size = first, length, size
        if fault == "lie":
            which = rng.randrange(3)
            if which == 0:
                told_size += 1000
            elif which == 1:
                told_first += 1
            else:
                told_length += 5000  # then closes early
        self.send_response(status)
        self.send_header("Content-Length", str(told_length))
        if asked:
            self.send_header("Content-Range", f"bytes {told_first}-{last}/{told_size}")
        self.end_headers()
        stop_at = first + int(length * rng.uniform(0.1, 0.9)) if fault == "drop" else last + 1
        bad = first + rng.randrange(length) if fault == "corrupt" else -1
        with open(path, "rb") as file:
            file.seek(first)
            at = first
            while at < stop_at:
                data = bytearray(file.read(min(1 << 14, stop_at - at)))
                if at <= bad < at + len(data):
                    for i in range(bad - at, min(bad - at + 7, len(data))):
                        data[i] ^= 0x5A
                self.wfile.write(data)
                with server.lock:
                    server.sent += len(data)
                at += len(data)
                if server.pause:
                    threading.Event().wait(server.pause)
        if fault == "drop" or told_length != length:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
