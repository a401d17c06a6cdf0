"""MAESTRO v3 as a list of pieces: where it lies, its metadata, its splits, and choosing from it.

MAESTRO (Hawthorne et al., "Enabling factorized piano music modeling and generation with the MAESTRO dataset",
ICLR 2019, CC BY-NC-SA 4.0) is 1276 performances on Disklaviers, 198.7 hours, with a suggested split that is never
shuffled here; :mod:`.splits` chooses pieces and looks for works that stand in two splits all the same.
Getting the files is :mod:`amt_utils.data.maestro.download`'s work.
"""

from __future__ import annotations

import csv
import io
import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ...system.errors import AmtError

NAME = "maestro-v3.0.0"
BASE_URL = "https://storage.googleapis.com/magentadata/datasets/maestro/v3.0.0/"
AUDIO_ZIP_URL = BASE_URL + NAME + ".zip"
AUDIO_ZIP_BYTES = 108_445_099_632
AUDIO_ZIP_SHA256 = "6680fea5be2339ea15091a249fbd70e49551246ddbd5ca50f1b2352c08c95291"
MIDI_ZIP_URL = BASE_URL + NAME + "-midi.zip"
MIDI_ZIP_SHA256 = "70470ee253295c8d2c71e6d9d4a815189e35c89624b76d22fce5a019d5dde12c"
SPLITS = ("train", "validation", "test")
PIECES_PER_SPLIT = {"train": 962, "validation": 137, "test": 177}
_COLUMNS = ("canonical_composer", "canonical_title", "split", "year", "midi_filename", "audio_filename", "duration")
_AUDIO_SUFFIXES = (".flac", ".wav", ".ogg", ".mp3")


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
        return self._find(piece, (".midi", ".mid"), "MIDI")

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
    """MAESTRO in a folder, out of a zip, or wherever this machine has it; the miniature where there is none.

    Args:
        source: a folder or zip in MAESTRO's layout, or ``"miniature"``. ``None`` looks, in this order, at the
            environment variable ``AMT_MINI`` (``1``: the miniature), the data folder, Kaggle's inputs and the
            shared data.
        audio: go on looking while the recordings are missing.

    Returns:
        the data set; MIDI and metadata of a zip are unpacked into the data folder.
    """
    from ...system.paths import data_folder

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
        from ...system.paths import data_folder

        source = unpack_midi(source, data_folder())
    root = find_root(source)
    return Maestro(root, tuple(read_metadata(root)))


def _miniature() -> Maestro:
    from ...system.paths import data_folder
    from .miniature import make_miniature

    return _open(make_miniature(data_folder() / "miniature"))


def _shared_zip() -> list[Path]:
    from ...system.paths import shared_data

    folder = shared_data()
    return [folder / f"{NAME}-midi.zip"] if folder else []


def kaggle_inputs(root: Path = Path("/kaggle/input")) -> list[Path]:
    """Folders below Kaggle's inputs that hold MAESTRO's metadata; mounts are nested in two ways, so search."""
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
    """MIDI and metadata out of a MAESTRO zip, each checked by its CRC; files already there are left.

    Returns:
        the root folder below ``folder``.
    """
    archive, folder = Path(archive), Path(folder)
    try:
        with zipfile.ZipFile(archive) as zipped:
            wanted = [i for i in zipped.infolist() if not i.is_dir() and not i.filename.lower().endswith(".wav")]
            roots = {PurePosixPath(i.filename).parts[0] for i in wanted if i.filename.endswith(".csv")}
            if len(roots) != 1:
                raise AmtError(f"{archive}: no MAESTRO metadata in it; expected one folder with a .csv")
            wanted.sort(key=lambda info: info.filename.endswith(".csv"))  # last: it says that the rest is there
            for info in wanted:
                target = folder / info.filename
                if not target.resolve().is_relative_to(folder.resolve()):
                    raise AmtError(f"{archive}: {info.filename!r} leads out of the folder; this is not MAESTRO's zip")
                if not (target.is_file() and target.stat().st_size == info.file_size):
                    data = zipped.read(info)  # checked by its CRC before anything is written
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(data)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise AmtError(f"{archive}: cannot be unpacked ({error}); download it again") from error
    return folder / roots.pop()


def read_metadata(source: str | os.PathLike) -> list[Piece]:
    """MAESTRO's CSV (or the folder that holds it) -> pieces in the file's order.

    Raises:
        AmtError: naming the file, the line and the value that is wrong.
    """
    source = Path(source)
    path = next(iter(sorted(source.glob("maestro-v*.csv"))), None) if source.is_dir() else source
    if path is None or not path.is_file():
        raise AmtError(f"{source}: no maestro-v*.csv here; `python -m amt_utils download --midi-only` gets it")
    return parse_metadata(path.read_text(encoding="utf-8"), where=str(path))


def parse_metadata(text: str, *, where: str = "metadata") -> list[Piece]:
    """The text of MAESTRO's CSV -> pieces; raises as :func:`read_metadata`."""
    reader = csv.DictReader(io.StringIO(text))
    missing = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise AmtError(f"{where}: column {missing[0]!r} is missing; is this MAESTRO's CSV?")
    pieces = []
    for row in reader:
        line = f"{where}, line {reader.line_num}"
        if any(row[column] is None for column in _COLUMNS):
            raise AmtError(f"{line}: cut short; download the metadata again")
        if row["split"] not in SPLITS:
            raise AmtError(f"{line}: split {row['split']!r} is none of {', '.join(SPLITS)}")
        for column in ("midi_filename", "audio_filename"):
            name = PurePosixPath(row[column])
            if name.is_absolute() or ".." in name.parts:
                raise AmtError(f"{line}: {column} {row[column]!r} leaves the data set's folder")
        try:
            year, duration = int(row["year"]), float(row["duration"])
        except ValueError as error:
            raise AmtError(f"{line}: year or duration is not a number ({error})") from error
        pieces.append(Piece(*(row[c] for c in _COLUMNS[:3]), year, *(row[c] for c in _COLUMNS[4:6]), duration))
    return pieces
