"""MAESTRO v3 as a list of pieces: its location, metadata and splits.

MAESTRO (Hawthorne et al., "Enabling factorized piano music modeling and generation with the MAESTRO dataset",
ICLR 2019, CC BY-NC-SA 4.0) is 1276 performances on Disklaviers, 198.7 hours, with a suggested split that is kept
here. :mod:`.splits` selects pieces and finds works that are in two splits; :mod:`.download` gets the files.
"""

from __future__ import annotations

import contextlib
import csv
import io
import lzma
import os
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ...system.errors import AmtError
from ...system.files import read_text, written_whole
from ...system.paths import data_folder, shared_data
from .miniature import make_miniature
from .zip_member import check_size

NAME = "maestro-v3.0.0"
BASE_URL = "https://storage.googleapis.com/magentadata/datasets/maestro/v3.0.0/"
AUDIO_ZIP_URL = BASE_URL + NAME + ".zip"
MIDI_ZIP_URL = BASE_URL + NAME + "-midi.zip"
MIDI_ZIP_SHA256 = "70470ee253295c8d2c71e6d9d4a815189e35c89624b76d22fce5a019d5dde12c"
SPLITS = ("train", "validation", "test")
_COLUMNS = ("canonical_composer", "canonical_title", "split", "year", "midi_filename", "audio_filename", "duration")
_AUDIO_SUFFIXES = (".flac", ".wav", ".ogg", ".mp3")
_MIDI_SUFFIXES = (".midi", ".mid")
_UNPACKED = (*_MIDI_SUFFIXES, ".csv", ".json")
TABLE_BYTES, MIDI_BYTES = 64_000_000, 16_000_000  # a hundred times the largest file
_MOST_MEMBERS = 100_000
LONGEST_PIECE = 24 * 3600.0  # seconds
_ZIP_ERRORS = (  # what zipfile raises on damaged archives
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, RuntimeError, NotImplementedError,
    ValueError, IndexError, KeyError, OverflowError,
)  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """One performance, as a row of the metadata; ``duration`` in seconds, file names relative to the root."""

    composer: str
    title: str
    split: str
    year: int
    midi: str
    audio: str
    duration: float

    @property
    def stem(self) -> str:
        """The file name with its folder and without suffix: the same before and after tidying and conversion."""
        return PurePosixPath(self.midi).with_suffix("").as_posix()


@dataclass(frozen=True)
class Maestro:
    """A folder in MAESTRO's layout and the pieces its metadata lists (their files may not all be there)."""

    root: Path
    pieces: tuple[Piece, ...]

    def midi_path(self, piece: Piece) -> Path:
        """The piece's MIDI file. Raises :class:`AmtError` when there is none."""
        return self._find(piece, _MIDI_SUFFIXES, "MIDI")

    def audio_path(self, piece: Piece) -> Path:
        """The piece's recording, converted or original. Raises :class:`AmtError` when there is none."""
        return self._find(piece, _AUDIO_SUFFIXES, "audio")

    def with_audio(self) -> list[Piece]:
        """The pieces whose recording is there."""
        return [p for p in self.pieces if any((self.root / (p.stem + s)).is_file() for s in _AUDIO_SUFFIXES)]

    def _find(self, piece: Piece, suffixes: Sequence[str], kind: str) -> Path:
        for suffix in suffixes:
            path = self.root / (piece.stem + suffix)
            if path.is_file():
                return path
        raise AmtError(
            f"{self.root / piece.stem}: no {kind} file ({', '.join(suffixes)}); "
            "get it with `python -m amt_utils download`, or choose among the pieces that are there"
        )


def open_maestro(source: str | os.PathLike | None = None, *, audio: bool = False) -> Maestro:
    """MAESTRO from a folder, a zip or this machine's data folders; the miniature where there is none.

    Args:
        source: a folder or zip in MAESTRO's layout, or ``"miniature"``. ``None`` looks, in this order, at the
            environment variable ``AMT_MINI`` (``1``: the miniature), the data folder, Kaggle's inputs and the
            shared data.
        audio: skip places without the recordings.

    Returns:
        the data set; MIDI and metadata of a zip are unpacked into the data folder.
    """
    if source == "miniature":
        return _miniature()
    if source is not None:
        return _open(Path(source))
    if os.environ.get("AMT_MINI") == "1":
        return _miniature()
    for candidate in (data_folder() / NAME, *kaggle_inputs(), *_shared_zip()):
        if candidate.exists():
            found = _open(candidate)
            if not audio or found.with_audio():
                return found
    return _miniature()


def _open(source: Path) -> Maestro:
    if source.is_file() and source.suffix.lower() == ".zip":
            source = unpack_midi(source, data_folder())
    root = find_root(source)
    return Maestro(root, tuple(read_metadata(root)))


def _miniature() -> Maestro:
    from ...system.paths import data_folder
    return _open(make_miniature(data_folder() / "miniature"))


def _shared_zip() -> list[Path]:
    folder = shared_data()
    return [folder / f"{NAME}-midi.zip"] if folder else []


def kaggle_inputs(root: Path = Path("/kaggle/input")) -> list[Path]:
    """Folders below Kaggle's inputs that hold MAESTRO's metadata; mounts are nested in two ways."""
    if not root.is_dir():
        return []
    found = []
    for depth in range(1, 6):
        found += [path.parent for path in root.glob("*/" * depth + "maestro-v*.csv")]
    return found


def find_root(folder: str | os.PathLike) -> Path:
    """The folder with ``maestro-v*.csv`` in it: ``folder`` itself or one at most two levels below."""
    folder = Path(folder)
    for pattern in ("maestro-v*.csv", "*/maestro-v*.csv", "*/*/maestro-v*.csv"):
        for path in sorted(folder.glob(pattern)):
            return path.parent
    raise AmtError(f"{folder}: no MAESTRO here (looked for maestro-v*.csv); give the folder that holds it")


def unpack_midi(archive: str | os.PathLike, folder: str | os.PathLike) -> Path:
    """MIDI and metadata out of a MAESTRO zip, each checked by its CRC; existing files are kept.

    Returns:
        the root folder below ``folder``.
    """
    archive, folder = Path(archive), Path(folder)
    with reading_zip(archive) as zipped:
        members = [i for i in zipped.infolist() if PurePosixPath(i.filename).suffix.lower() in _UNPACKED]
        roots = {PurePosixPath(i.filename).parts[0] for i in members if i.filename.endswith(".csv")}
        if len(roots) != 1:
            raise AmtError(f"{archive}: no MAESTRO metadata in it; expected one folder with a .csv")
        if len(members) > _MOST_MEMBERS:
            raise AmtError(f"{archive}: {len(members)} files in it; this is not MAESTRO's zip")
        members.sort(key=lambda info: info.filename.endswith(".csv"))  # last: it marks the rest as complete
        for info in members:
            _check_name(info.filename, f"{archive}: member")
            table = info.filename.lower().endswith((".csv", ".json"))
            check_size(f"{archive}: {info.filename}", info.file_size, TABLE_BYTES if table else MIDI_BYTES)
            target = folder / info.filename
            if not target.resolve().is_relative_to(folder.resolve()):
                raise AmtError(f"{archive}: {info.filename!r} leads out of the folder; this is not MAESTRO's zip")
            if not (target.is_file() and target.stat().st_size == info.file_size):
                data = zipped.read(info)  # checked by its CRC before anything is written
                with written_whole(target) as partial:
                    partial.write_bytes(data)
    return folder / roots.pop()


@contextlib.contextmanager
def reading_zip(archive: Path) -> Iterator[zipfile.ZipFile]:
    """A zip open for reading; the errors of :mod:`zipfile` on damaged files become :class:`AmtError`."""
    try:
        with zipfile.ZipFile(archive) as zipped:
            yield zipped
    except _ZIP_ERRORS as error:
        raise AmtError(f"{archive}: cannot be unpacked ({error}); download it again") from error


def read_metadata(source: str | os.PathLike) -> list[Piece]:
    """MAESTRO's CSV (or the folder that holds it) -> pieces in the file's order.

    Raises:
        AmtError: naming the file, the line and the value that is wrong.
    """
    source = Path(source)
    path = next(iter(sorted(source.glob("maestro-v*.csv"))), None) if source.is_dir() else source
    if path is None or not path.is_file():
        raise AmtError(f"{source}: no maestro-v*.csv here; `python -m amt_utils download --midi-only` gets it")
    return parse_metadata(read_text(path, limit=TABLE_BYTES), where=str(path))


def parse_metadata(text: str, *, where: str = "metadata") -> list[Piece]:
    """The text of MAESTRO's CSV -> pieces; raises as :func:`read_metadata`."""
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        missing = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise AmtError(f"{where}: column {missing[0]!r} is missing; is this MAESTRO's CSV?")
        pieces = [_parse_row(row, f"{where}, line {reader.line_num}") for row in reader]
    except csv.Error as error:
        raise AmtError(f"{where}, line {reader.line_num}: not readable as CSV ({error}); download it again") from error
    if not pieces:
        raise AmtError(f"{where}: lists no pieces; download the metadata again")
    stems = Counter(piece.stem for piece in pieces)
    twice = [stem for stem, count in stems.items() if count > 1]
    if twice:
        raise AmtError(f"{where}: {twice[0]!r} is listed more than once; download the metadata again")
    return pieces


def _parse_row(row: dict[str, str], line: str) -> Piece:
    if any(value is None for value in row.values()):
        raise AmtError(f"{line}: cut short; download the metadata again")
    if None in row:  # csv.DictReader's key for surplus fields
        raise AmtError(f"{line}: more fields than columns; download the metadata again")
    if row["split"] not in SPLITS:
        raise AmtError(f"{line}: split {row['split']!r} is none of {', '.join(SPLITS)}")
    for column, suffixes in (("midi_filename", _MIDI_SUFFIXES), ("audio_filename", _AUDIO_SUFFIXES)):
        _check_name(row[column], f"{line}: {column}")
        if not row[column].lower().endswith(suffixes):
            raise AmtError(f"{line}: {column} {row[column]!r} ends in none of {', '.join(suffixes)}")
    if PurePosixPath(row["midi_filename"]).with_suffix("") != PurePosixPath(row["audio_filename"]).with_suffix(""):
        raise AmtError(f"{line}: {row['midi_filename']!r} and {row['audio_filename']!r} are not of one piece")
    try:
        year, duration = int(row["year"]), float(row["duration"])
    except ValueError as error:
        raise AmtError(f"{line}: year or duration is not a number ({error})") from error
    if not 0 < duration <= LONGEST_PIECE or not 1900 <= year <= 2100:
        raise AmtError(f"{line}: year {year} or duration {duration:g} s cannot be right; download the metadata again")
    return Piece(
        composer=row["canonical_composer"],
        title=row["canonical_title"],
        split=row["split"],
        year=year,
        midi=row["midi_filename"],
        audio=row["audio_filename"],
        duration=duration,
    )


def _check_name(name: str, where: str) -> None:
    """Raises :class:`AmtError` for a file name that leaves its folder or that no file system takes."""
    parts = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts or "\\" in name or ":" in name:
        raise AmtError(f"{where} {name!r} leaves the data set's folder")
    if not name.isprintable() or any(len(os.fsencode(part)) > 200 for part in parts) or len(parts) > 10:
        raise AmtError(f"{where} {name[:100]!r} is no file name")
