"""Downloads over a connection that breaks one reply in five, killed on the way."""

from __future__ import annotations

import functools
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
from unreliable_server import UnreliableServer

from amt_utils.audio.reading import load_audio
from amt_utils.data.maestro.catalogue import NAME, open_maestro

from . import TESTS, kind
from .archives import miniature

SCRIPT = """
import sys
from amt_utils.data.maestro import ranges
from amt_utils.data.maestro.download import get_maestro
ranges.RETRY_SECONDS = 0.01
get_maestro(sys.argv[1], source=sys.argv[2])
"""


@functools.cache
def whole_archive() -> Path:
    """The miniature with its sound, as MAESTRO zips it, in a folder of its own."""
    path = Path(tempfile.mkdtemp(prefix="amt-fault-archive-")) / "maestro.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
        for file in sorted(miniature().rglob("*.*")):
            if file.suffix in (".csv", ".json", ".midi", ".wav"):
                zipped.write(file, f"{NAME}/{file.relative_to(miniature()).as_posix()}")
    return path


@kind("downloads: one reply in five broken, two kills", full=10, few=1, longest=300)
def downloads(rng: np.random.Generator, folder: Path) -> None:
    """Twice the process is killed; the third one ends with every piece, sample for sample."""
    archive = whole_archive()
    total = archive.stat().st_size
    server = UnreliableServer(archive.parent, broken=0.2, seed=int(rng.integers(2**31)), pause=0.001)
    words = [sys.executable, "-c", SCRIPT, str(folder), f"{server.url}/maestro.zip"]
    try:
        for share in np.sort(rng.uniform(0.05, 0.8, 2)):
            process = subprocess.Popen(words, cwd=TESTS.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while server.sent < share * total and process.poll() is None:
                time.sleep(0.002)
            process.kill()
            process.wait()
        done = subprocess.run(words, cwd=TESTS.parent, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-1500:]
    finally:
        server.shutdown()
        server.server_close()
    assert server.faults
    found, original = open_maestro(folder / NAME), open_maestro(miniature())
    assert len(found.with_audio()) == len(original.pieces) > 0
    for piece in original.pieces:
        assert found.midi_path(piece).read_bytes() == original.midi_path(piece).read_bytes()
        ours, theirs = (load_audio(m.audio_path(piece)) for m in (found, original))
        assert len(ours) == len(theirs) and np.abs(ours - theirs).max() < 1e-4  # 16-bit rounding
    assert not (folder / NAME / ".scratch").exists()
