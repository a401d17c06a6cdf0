"""Finds recordings: in a folder, in MAESTRO, in ``processed_data/``, or in this machine's data folders.

``take1.flac`` with ``take1.mid`` in the same folder (sub-folders are searched) is a recording. Files that are
not part of a pair are listed with the reason.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..audio.reading import AUDIO_SUFFIXES, audio_duration
from ..music.midi import MIDI_SUFFIXES, read_midi
from ..music.notes import Performance
from ..system.errors import AmtError
from ..system.paths import shared_data
from .maestro.catalogue import SPLITS, find_root, open_maestro
from .maestro.splits import without_leaks
from .stored_labels import find_damage, labels_path

LATE_NOTES = 1.0  # seconds by which a note may begin after the end of the audio
LONG_TAIL = 30.0  # seconds of audio after the last note, or a fifth of the music: applause, silence

# composers' names in the files of MAPS
_MAPS_COMPOSERS = {
    "alb": "Albéniz", "appass": "Beethoven", "bach": "Bach", "bk": "carols", "bor": "Borodin", "br": "Brahms",
    "burg": "Burgmüller", "ch": "Chopin", "deb": "Debussy", "elise": "Beethoven", "gra": "Granados", "grieg": "Grieg",
    "hay": "Haydn", "liz": "Liszt", "mendel": "Mendelssohn", "mond": "Beethoven", "muss": "Mussorgsky", "mz": "Mozart",
    "pathetique": "Beethoven", "schu": "Schubert", "schum": "Schumann", "scn": "Schumann", "ty": "Tchaikovsky",
    "waldstein": "Beethoven",
}  # fmt: skip


@dataclass(frozen=True)
class Recording:
    """A recording and what was played on it.

    Attributes:
        name: the path below its folder (below its split's folder, where there are splits), without suffix.
        audio: the audio file.
        midi: the MIDI file; its notes end with the key, its pedals are CC64, CC66 and CC67.
        split: ``"train"``, ``"validation"`` or ``"test"``; a folder without splits is all ``"train"``.
        composer, title: where they are known, else ``""``.
    """

    name: str
    audio: Path
    midi: Path
    split: str = "train"
    composer: str = ""
    title: str = ""

    @cached_property
    def seconds(self) -> float:
        """Length of the audio. Raises :class:`AmtError` when the file cannot be read."""
        return audio_duration(self.audio)

    @cached_property
    def performance(self) -> Performance:
        """Notes and pedals of the MIDI file. Raises :class:`AmtError` when it cannot be read."""
        return read_midi(self.midi)

    @cached_property
    def mismatch(self) -> str:
        """Why audio and MIDI cannot be of the same performance, by their lengths; ``""`` where they can.

        A file that cannot be read is a reason as well, and one of ``processed_data/`` that is not what was written.
        """
        labels = labels_path(self.audio)
        if labels.is_file() and (damage := find_damage(labels, hashed=("midi",))):
            return damage
        try:
            seconds, notes = self.seconds, self.performance.notes
        except AmtError as error:
            return str(error)
        if not len(notes):
            return "the MIDI has no notes"
        last_onset, last_end = float(notes["onset"][-1]), float(notes["offset"].max())
        if last_onset > seconds + LATE_NOTES:
            return f"the MIDI goes on {last_onset - seconds:.1f} s after the end of the audio"
        if seconds > last_end + max(LONG_TAIL, 0.2 * last_end):
            return f"the audio goes on {seconds - last_end:.1f} s after the last note"
        return ""

    def __str__(self) -> str:
        return f"{self.composer}: {self.title}" if self.title else self.name


@dataclass(frozen=True)
class Inventory:
    """What a folder holds.

    Attributes:
        folder: where it was looked for.
        recordings: audio with MIDI, sorted by name.
        audio_only: audio without MIDI: can be transcribed.
        excluded: ``(file, reason)`` of everything else that looks like audio or MIDI.
    """

    folder: Path
    recordings: tuple[Recording, ...]
    audio_only: tuple[Path, ...]
    excluded: tuple[tuple[Path, str], ...]


def take_inventory(folder: str | os.PathLike) -> Inventory:
    """Looks through ``folder`` and its sub-folders; reads names only, opens nothing.

    Raises:
        AmtError: ``folder`` is not a folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise AmtError(f"{folder}: no such folder; give the one that holds the audio and its .mid files")
    audio, midi = defaultdict(list), defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if path.name.startswith(".") or not path.is_file():
            continue
        name = path.relative_to(folder).with_suffix("").as_posix()
        if path.suffix.lower() in MIDI_SUFFIXES:
            midi[name].append(path)
        elif path.suffix.lower() in AUDIO_SUFFIXES:
            audio[name].append(path)
    recordings, audio_only, excluded = [], [], []
    for name in sorted(audio.keys() | midi.keys()):
        sounds, files = audio.get(name, []), midi.get(name, [])
        if len(sounds) > 1 or len(files) > 1:
            several = ", ".join(p.name for p in (sounds if len(sounds) > 1 else files))
            excluded += [(p, f"several files of one name: {several}; keep one") for p in sounds + files]
        elif sounds and files:
            recordings.append(Recording(name, sounds[0], files[0], composer=maps_composer(name)))
        elif sounds:
            audio_only.append(sounds[0])
        else:
            excluded.append((files[0], f"no audio named {files[0].stem} beside it"))
    return Inventory(folder, tuple(recordings), tuple(audio_only), tuple(excluded))


def find_recordings(
    source: str | os.PathLike | None = None, *, split: str | None = None, limit: int | None = None
) -> list[Recording]:
    """The recordings of ``source`` that have their MIDI.

    Of works that are in several of MAESTRO's splits only the last split's performances are kept.
    A first-level folder called ``train``, ``validation`` or ``test`` names the split of what is in it.

    Args:
        source: a folder of audio with MIDI of the same name, a processed folder, a folder in MAESTRO's layout,
            ``"maestro"`` or ``"miniature"``. ``None`` uses this machine's data: the shared real recordings,
            MAESTRO, or the miniature.
        split: only these; a folder without splits is taken whole.
        limit: at most so many, spread evenly.

    Raises:
        AmtError: there are none.
    """
    found = _known_recordings() if source is None else _recordings_in(find_folder(source, audio=True))
    if split is not None and {recording.split for recording in found} != {"train"}:
        found = [recording for recording in found if recording.split == split]
    if not found and split is not None:
        raise AmtError(f"{source or 'no data'}: no recording of the split {split!r} is there")
    if not found:
        raise AmtError(
            f"{source or 'this machine'}: no recording has MIDI of the same name (a.flac and a.mid); "
            "`python -m amt_utils download` gets some"
        )
    if limit is not None and len(found) > limit:
        found = [found[i] for i in np.linspace(0, len(found) - 1, limit).round().astype(int)]
    return found


def load_notes(source: str | os.PathLike | Recording) -> Performance:
    """Notes and pedals of a MIDI file, or of a :class:`Recording`.

    Raises:
        AmtError: the file is missing or no MIDI.
    """
    return source.performance if isinstance(source, Recording) else read_midi(source)


def without_unequal(
    recordings: Iterable[Recording], *, keep: bool = False, say: Callable[[str], None] = print
) -> list[Recording]:
    """The recordings whose audio and MIDI have the same length (:attr:`Recording.mismatch`).

    Args:
        recordings: as found.
        keep: leave none out.
        say: called with a line for each one that is left out, with the reason.

    Raises:
        AmtError: none is left.
    """
    recordings = list(recordings)
    if keep:
        return recordings
    for recording in recordings:
        if recording.mismatch:
            say(f"left out: {recording.name}: {recording.mismatch}")
    kept = [recording for recording in recordings if not recording.mismatch]
    if recordings and not kept:
        raise AmtError(f"{recordings[0].audio.parent}: no recording fits its MIDI; --keep-unequal takes them")
    return kept


def find_folder(source: str | os.PathLike, *, audio: bool = False) -> Path:
    """``"maestro"`` or ``"miniature"`` -> its folder on this machine; a path is returned unchanged."""
    if str(source) in ("maestro", "miniature"):
        return open_maestro(None if str(source) == "maestro" else "miniature", audio=audio).root
    return Path(source)


def is_maestro(source: str | os.PathLike) -> bool:
    """Whether a folder has MAESTRO's layout, with its metadata."""
    try:
        find_root(find_folder(source))
    except AmtError:
        return False
    return True


def find_midi(folder: str | os.PathLike, name: str) -> Path:
    """``<folder>/<name>.mid`` or ``.midi``. Raises :class:`AmtError` where there is none."""
    for suffix in MIDI_SUFFIXES:
        candidate = Path(folder) / f"{name}{suffix}"
        if candidate.is_file():
            return candidate
    raise AmtError(f"{Path(folder) / name}.mid: no such file (each recording's MIDI is looked for under its name)")


def maps_composer(name: str) -> str:
    """``"MAPS_MUS-chpn-p4_ENSTDkCl"`` -> ``"Chopin"``; ``""`` for names that are not of MAPS."""
    piece = Path(name).name.partition("MUS-")[2]
    fitting = [key for key in _MAPS_COMPOSERS if piece.startswith(key)]
    return _MAPS_COMPOSERS[max(fitting, key=len)] if fitting else ""


def _known_recordings() -> list[Recording]:
    shared = shared_data() if os.environ.get("AMT_MINI") != "1" else None
    if shared and (shared / "maps_real_dev").is_dir():
        return _recordings_in(shared / "maps_real_dev")
    return _recordings_in(open_maestro(audio=True).root)


def _recordings_in(folder: Path) -> list[Recording]:
    try:
        maestro = open_maestro(find_root(folder))
    except AmtError:
        found = []
        for one in take_inventory(folder).recordings:
            first, _, rest = one.name.partition("/")
            split, name = (first, rest) if first in SPLITS and rest else ("train", one.name)
            found.append(Recording(name, one.audio, one.midi, split, one.composer))
        return found
    there = set(maestro.with_audio())
    return [
        Recording(p.stem, maestro.audio_path(p), maestro.midi_path(p), p.split, p.composer, p.title)
        for p in without_leaks(maestro.pieces)[0]
        if p in there
    ]
