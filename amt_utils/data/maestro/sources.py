"""Sources of MAESTRO: the remote zip, a local zip or folder, Kaggle, Google Drive.

Each source provides metadata, MIDI and one verified recording at a time; :mod:`.download` does the rest.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ...system import google_drive
from ...system.errors import AmtError
from ...system.files import written_whole
from .catalogue import (
    AUDIO_ZIP_URL,
    MIDI_BYTES,
    MIDI_ZIP_SHA256,
    MIDI_ZIP_URL,
    NAME,
    TABLE_BYTES,
    Maestro,
    Piece,
    find_root,
    kaggle_inputs,
    read_metadata,
    reading_zip,
    unpack_midi,
)
from .ranges import Stopped
from .remote import Archive, Client
from .zip_member import Member, check_size

SCRATCH = ".scratch"  # folder below the data set's root for temporary files
_WAV_BYTES_PER_SECOND = 176_400  # 44.1 kHz stereo, 16 bits


_MIDI_ZIP_BYTES = 300_000_000  # the real one has 56 MB


def audio_limit(piece: Piece) -> int:
    """The most bytes that a piece's recording may have: 96 kHz stereo in 24 bits, a minute longer than listed."""
    return round((piece.duration + 60) * 600_000)


class Source(Protocol):
    """Where pieces come from; the methods that :func:`.get_maestro` calls."""

    def fetch_metadata(self) -> Path:
        """Fetches the metadata (and the MIDI, where it is one file); returns the data set's root folder."""

    def packed_bytes(self, piece: Piece) -> int:
        """Bytes to read for a piece's recording."""

    def scratch_bytes(self, piece: Piece) -> int:
        """Bytes of temporary files while a piece is fetched and converted."""

    def fetch_midi(self, piece: Piece) -> None:
        """Fetches a piece's MIDI where :meth:`fetch_metadata` did not."""

    def fetch_audio(
        self, piece: Piece, target: Path, *, stop: Callable[[], bool], on_bytes: Callable[[int], None]
    ) -> Path:
        """A verified recording: ``target``, or a file of the user's that is only read.

        ``target`` + ``.part`` may remain; the caller deletes it once the recording is converted.
        """


class RemoteZip:
    """The official zip on its server, or another in its layout; the directory is read once and kept."""

    def __init__(self, url: str, folder: Path, say: Callable[[str], None]):
        self.url, self.folder, self.say = url, folder, say
        self.root = folder / NAME
        self._archive: Archive | None = None

    def fetch_metadata(self) -> Path:
        if self.url == AUDIO_ZIP_URL:
            if not (self.root / f"{NAME}.csv").is_file():
                self.say("fetching metadata and MIDI, 56 MB")
                midi = Client().download(
                    MIDI_ZIP_URL, self.folder / f"{NAME}-midi.zip", sha256=MIDI_ZIP_SHA256, limit=_MIDI_ZIP_BYTES
                )
                unpack_midi(midi, self.folder)
                midi.unlink()
        elif not any(self.root.glob("maestro-v*.csv")):
            archive = self.archive
            tables = [n for n in archive.members if n.endswith((".csv", ".json")) and "maestro-v" in n]
            if not any(name.endswith(".csv") for name in tables):
                raise AmtError(f"{self.url}: no MAESTRO in this zip (no maestro-v*.csv)")
            for name in sorted(tables, reverse=True):  # the .csv last: it marks the rest as complete
                member = archive.members[name]
                Client().download_member(archive, member, self.root / Path(name).name, limit=TABLE_BYTES)
        return self.root

    @property
    def archive(self) -> Archive:
        """The zip's directory, read once."""
        if self._archive is None:
            self._archive = Client().read_directory(self.url, cache=self.root / SCRATCH / "directory.json")
        return self._archive

    def _member(self, name: str) -> Member:
        for candidate in (f"{NAME}/{name}", name):
            if candidate in self.archive.members:
                return self.archive.members[candidate]
        raise AmtError(f"{self.url}: {name} is listed in the metadata but not in the zip")

    def packed_bytes(self, piece: Piece) -> int:
        return self._member(piece.audio).compressed

    def scratch_bytes(self, piece: Piece) -> int:
        member = self._member(piece.audio)
        return member.compressed + member.size

    def fetch_midi(self, piece: Piece) -> None:
        if not any((self.root / (piece.stem + suffix)).is_file() for suffix in (".midi", ".mid")):
            target = self.root / piece.midi
            Client().download_member(self.archive, self._member(piece.midi), target, limit=MIDI_BYTES)

    def fetch_audio(
        self, piece: Piece, target: Path, *, stop: Callable[[], bool], on_bytes: Callable[[int], None]
    ) -> Path:
        client = Client(stop=stop, on_bytes=on_bytes)
        member, limit = self._member(piece.audio), audio_limit(piece)
        return client.download_member(self.archive, member, target, limit=limit, keep_part=True)


class LocalZip:
    """A local zip."""

    def __init__(self, archive: Path, folder: Path):
        self.archive, self.folder = archive, folder

    def fetch_metadata(self) -> Path:
        return unpack_midi(self.archive, self.folder)

    def packed_bytes(self, piece: Piece) -> int:
        return self.scratch_bytes(piece)

    def scratch_bytes(self, piece: Piece) -> int:
        return round(piece.duration * _WAV_BYTES_PER_SECOND)

    def fetch_midi(self, piece: Piece) -> None:
        pass  # unpacked with the metadata

    def fetch_audio(
        self, piece: Piece, target: Path, *, stop: Callable[[], bool], on_bytes: Callable[[int], None]
    ) -> Path:
        with reading_zip(self.archive) as zipped:
            member = next((n for n in zipped.namelist() if n.endswith("/" + piece.audio)), None)
            if member is None:
                raise AmtError(f"{self.archive}: {piece.audio} is not in it; is this the zip without audio?")
            check_size(f"{self.archive}: {piece.audio}", zipped.getinfo(member).file_size, audio_limit(piece))
            with zipped.open(member) as packed, written_whole(target) as partial, open(partial, "wb") as out:
                while block := packed.read(1 << 20):  # checks the CRC at the end
                    if stop():
                        raise Stopped
                    out.write(block)
            on_bytes(zipped.getinfo(member).compress_size)
        return target


class LocalFolder:
    """A local folder, which may be read-only: files are copied or converted, never changed."""

    def __init__(self, origin: Path, folder: Path):
        self.origin = find_root(origin)
        self.root = folder / NAME
        self.maestro = Maestro(self.origin, tuple(read_metadata(self.origin)))

    def fetch_metadata(self) -> Path:
        self.root.mkdir(parents=True, exist_ok=True)
        for table in [*self.origin.glob("maestro-v*.json"), *self.origin.glob("maestro-v*.csv")]:
            _copy(table, self.root / table.name)
        for piece in self.maestro.pieces:
            for suffix in (".midi", ".mid"):
                if (self.origin / (piece.stem + suffix)).is_file():
                    _copy(self.origin / (piece.stem + suffix), self.root / (piece.stem + suffix))
        return self.root

    def packed_bytes(self, piece: Piece) -> int:
        return self.maestro.audio_path(piece).stat().st_size

    def scratch_bytes(self, piece: Piece) -> int:
        return 0

    def fetch_midi(self, piece: Piece) -> None:
        pass  # copied with the metadata

    def fetch_audio(
        self, piece: Piece, target: Path, *, stop: Callable[[], bool], on_bytes: Callable[[int], None]
    ) -> Path:
        path = self.maestro.audio_path(piece)
        on_bytes(path.stat().st_size)
        return path


def _copy(source: Path, target: Path) -> None:
    if not target.is_file() or target.stat().st_size != source.stat().st_size:
        with written_whole(target) as partial:
            shutil.copyfile(source, partial)


def open_source(source: str, folder: Path, say: Callable[[str], None]) -> Source:
    """An address, a local zip or folder, or ``"kaggle"``. Raises :class:`AmtError` when it is none of them."""
    if source.startswith(google_drive.ADDRESSES):
        return LocalFolder(google_drive.download_folder(source, folder / "from_drive"), folder)
    if source.startswith(("http://", "https://")):
        return RemoteZip(source, folder, say)
    if source == "kaggle":
        inputs = kaggle_inputs()
        if not inputs:
            raise AmtError("no MAESTRO among the notebook's inputs; attach a dataset that holds it (Add Input)")
        return LocalFolder(inputs[0], folder)
    path = Path(source).expanduser()
    if not path.exists() and re.match(r"[A-Za-z][\w+.-]+:/", source):
        raise AmtError(f"{source}: only http:// and https:// addresses are read")
    if path.is_file():
        return LocalZip(path, folder)
    if path.is_dir():
        return LocalFolder(path, folder)
    raise AmtError(f"{source}: no such file or folder; give an address, a zip, a folder or 'kaggle'")
