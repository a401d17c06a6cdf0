"""Copies a run's checkpoints to mirrors and verifies the copies; the local folder is authoritative.

A mirror is a folder (Google Drive, a second disk) or a Kaggle data set (``kaggle:owner/slug``). Publishing runs in a
background thread: a copy is written under a temporary name, renamed, read back, and its hash compared with the
checkpoint's card. Drive is known to lose writes, so every publication verifies the earlier copies again. Each mirror
keeps the newest two checkpoints (named by their step) and the best weights. The newest valid checkpoint is found among
all places; truncated, changed or foreign files are skipped with a reason.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..system.errors import AmtError, WriteError
from ..system.files import read_json, written_whole
from ..system.kaggle import Kaggle
from .inventory import (
    BEST,
    CARD_SUFFIX,
    SUFFIX,
    Checkpoint,
    choose_kept,
    find_all,
    find_best,
    find_newest,
    inspect_checkpoint,
    prune,
)

LEDGER = ".amt-mirror.json"  # in a mirror: the files that were copied there
SUFFIXES = (SUFFIX, CARD_SUFFIX, Path(BEST).suffix)


class FolderMirror:
    """A folder that gets copies: Drive, another disk, a network share.

    It is created at the start. If it disappears later it is not created again: where a disk or Drive was unmounted, the
    copies would go to the machine's own disk and be lost with it.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path).expanduser()
        self.name = str(self.path)
        self._device: int | None = None  # of the disk when the mirror was first seen
        with contextlib.suppress(AmtError):  # reported when something is to be copied
            self.check()

    @contextmanager
    def contents(self) -> Iterator[Path]:
        """The folder to look for checkpoints in."""
        yield self.path

    def check(self) -> Path:
        """The folder, created if it never existed. Raises :class:`AmtError` when it has disappeared."""
        try:
            if self._device is None:
                self.path.mkdir(parents=True, exist_ok=True)
                if not (self.path / LEDGER).exists():
                    self._write_ledger([])
                self._device = self.path.stat().st_dev
            # an unmounted disk leaves an empty folder on another device; after mounting again it has the ledger
            if self.path.stat().st_dev != self._device and not (self.path / LEDGER).is_file():
                raise FileNotFoundError(errno.ENOENT, "another disk is in its place")
        except OSError as error:
            gone = "check the address" if self._device is None else "it was there before and is gone; mount it again"
            raise AmtError(f"{self.path}: no copies can go there ({error.strerror or error}): {gone}") from error
        return self.path

    def send(self, checkpoints: list[Checkpoint]) -> None:
        """Makes the folder hold ``checkpoints`` and no other checkpoints of the run. Raises OSError or AmtError."""
        self.check()
        for checkpoint in checkpoints:
            copy = self.path / (checkpoint.name + checkpoint.path.suffix)
            try:
                proven = inspect_checkpoint(copy)["sha256"] == checkpoint.sha256
            except (AmtError, OSError):
                proven = False
            if not proven:
                checkpoint.copy_to(self.path, make_folder=False)
        # only files that were copied here before are deleted: the folder may hold other files
        names = [checkpoint.name + file.suffix for checkpoint in checkpoints for file in checkpoint.files]
        for old in set(_read_names(self.path / LEDGER)) - set(names):
            (self.path / old).unlink(missing_ok=True)
        self._write_ledger(names)

    def send_file(self, source: Path) -> None:
        """Copies one file under its own name. Raises OSError or AmtError."""
        with written_whole(self.check() / source.name, make_folder=False) as partial:
            shutil.copyfile(source, partial)

    def _write_ledger(self, names: list[str]) -> None:
        with written_whole(self.path / LEDGER, make_folder=False) as partial:
            partial.write_text(json.dumps(names))


def _read_names(ledger: Path) -> list[str]:
    try:
        names = read_json(ledger)
    except AmtError:
        return []
    names = names if isinstance(names, list) else []
    # a changed ledger must not name files in other folders, or of other kinds
    return [n for n in names if isinstance(n, str) and Path(n).name == n and Path(n).suffix in SUFFIXES]


class KaggleMirror:
    """A private Kaggle data set that gets the newest checkpoints as a new version."""

    def __init__(self, dataset: str, kaggle: Kaggle | None = None):
        if dataset.count("/") != 1:
            raise AmtError(f"kaggle:{dataset}: expected kaggle:OWNER/SLUG")
        self.dataset, self.name = dataset, f"kaggle:{dataset}"
        self.kaggle = kaggle or Kaggle()

    @contextmanager
    def contents(self) -> Iterator[Path]:
        """A temporary folder with the data set's files."""
        with tempfile.TemporaryDirectory(prefix="amt-mirror-") as folder:
            if self.kaggle.dataset_version(self.dataset) is not None:
                self.kaggle.call("datasets", "download", self.dataset, "-p", folder, "--unzip", "--force", "--quiet")
            yield Path(folder)

    def send(self, checkpoints: list[Checkpoint]) -> None:
        """A new version with ``checkpoints``, downloaded again and compared."""
        with tempfile.TemporaryDirectory(prefix="amt-mirror-") as folder:
            stage = Path(folder)
            slug = self.dataset.split("/")[1]
            card = {"id": self.dataset, "title": slug[:50].replace("-", " "), "licenses": [{"name": "other"}]}
            (stage / "dataset-metadata.json").write_text(json.dumps(card))
            for checkpoint in checkpoints:
                checkpoint.copy_to(stage)
            self.kaggle.publish_dataset(stage, f"step {checkpoints[0].step}" if checkpoints else "empty")
        with self.contents() as back:
            there = {c.sha256 for c in [*find_all([back])[0], find_best(back)] if c}
        missing = [c.path.name for c in checkpoints if c.sha256 not in there]
        if missing:
            raise AmtError(f"{self.name}: {', '.join(missing)} came back changed or not at all")


Mirror = FolderMirror | KaggleMirror


def make_mirror(place: str | os.PathLike) -> Mirror:
    """``kaggle:owner/slug`` or a folder -> a mirror."""
    text = os.fspath(place)
    return KaggleMirror(text.removeprefix("kaggle:")) if text.startswith("kaggle:") else FolderMirror(text)


class Store:
    """The local folder of a run and its mirrors.

    Args:
        local: the folder the training writes to, which is authoritative.
        mirrors: folders, ``kaggle:owner/slug``, or mirror objects.
        keep: how many of the newest checkpoints are kept in each mirror, besides the best.
        say: called with one sentence when a mirror fails, and when it works again.
    """

    def __init__(
        self,
        local: str | os.PathLike,
        mirrors: Iterable[str | os.PathLike | Mirror] = (),
        *,
        keep: int = 2,
        say: Callable[[str], None] = print,
    ):
        self.local = Path(local)
        try:
            self.local.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(f"{self.local}: cannot be made ({error.strerror}); choose another folder") from error
        self.mirrors = [m if isinstance(m, Mirror) else make_mirror(m) for m in mirrors]
        self.keep, self.say = keep, say
        self.problems: dict[str, str] = {}  # by mirror: why the last publication failed
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._again = False

    def publish(self) -> None:
        """Updates the mirrors in the background; returns at once."""
        if not self.mirrors:
            return
        with self._lock:
            self._again = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="checkpoint-mirrors", daemon=True)
                self._thread.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for the background work; returns whether every mirror is up to date."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(timeout)
        with self._lock:
            return self._thread is None and not self.problems

    def newest(self) -> Checkpoint | None:
        """The newest valid checkpoint among all places, copied into the local folder if it is elsewhere."""
        found, skipped = find_newest([self.local])
        for mirror in self.mirrors:
            try:
                with mirror.contents() as folder:
                    other, more = find_newest([folder])
                    skipped += more
                    if other and (found is None or other.step > found.step):
                        found = other.copy_to(self.local)
                        self.say(f"step {found.step} comes from {mirror.name}")
            except (AmtError, OSError) as error:
                self.say(f"{mirror.name} cannot be read: {error}")
        for path, reason in skipped:
            self.say(f"skipped {path}: {reason}")
        return found

    def take(self, folder: Path) -> None:
        """Copy the newest and the best checkpoint of ``folder`` into the local one, and publish."""
        for checkpoint in choose_kept(folder, 1):
            checkpoint.copy_to(self.local)
        prune(self.local, self.keep)
        self.publish()

    @contextmanager
    def mirroring(self, every: float = 60.0) -> Iterator[Store]:
        """Publishes new checkpoints while this process or another trains into the local folder."""
        stop = threading.Event()

        def look() -> None:
            seen = None
            while not stop.wait(every):
                now = sorted((p.name, p.stat().st_mtime_ns) for p in self.local.glob("*" + CARD_SUFFIX) if p.exists())
                if now and now != seen:
                    seen = now
                    self.publish()

        thread = threading.Thread(target=look, name="checkpoint-watch", daemon=True)
        if self.mirrors:
            thread.start()
        try:
            yield self
        finally:
            stop.set()
            self.publish()
            self.wait()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._again:
                    self._thread = None
                    return
                self._again = False
            checkpoints = choose_kept(self.local, self.keep)
            for mirror in self.mirrors if checkpoints else ():
                try:
                    mirror.send(checkpoints)
                except FileNotFoundError as error:
                    # the training replaced a file while it was copied: the next round copies it
                    if error.filename and Path(error.filename).is_relative_to(self.local):
                        self.publish()
                    else:
                        self._report(mirror.name, str(error))
                except Exception as error:  # a background copy must never end the training
                    self._report(mirror.name, str(error))
                else:
                    if self.problems.pop(mirror.name, None):
                        self.say(f"{mirror.name}: up to date again")

    def _report(self, name: str, reason: str) -> None:
        if self.problems.get(name) != reason:
            self.say(f"{name}: not up to date ({reason}); the local copy is safe")
        self.problems[name] = reason
