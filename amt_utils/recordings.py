"""A folder of recordings as a data set: audio and MIDI that share a basename are a pair.

``take1.wav`` with ``take1.mid`` in the same folder (sub-folders are searched) is a pair. Everything that is not
part of one is listed with the reason, so that nothing disappears in silence.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from .errors import AmtError

MIDI_SUFFIXES = (".mid", ".midi")


@dataclass(frozen=True)
class Pair:
    """One recording and its MIDI; ``name`` is the path below the folder, without suffix."""

    name: str
    audio: Path
    midi: Path


@dataclass(frozen=True)
class Inventory:
    """What a folder holds.

    Attributes:
        folder: where it was looked for.
        pairs: audio with MIDI, sorted by name.
        audio_only: audio without MIDI: can be transcribed.
        excluded: ``(file, reason)`` of everything else that looks like audio or MIDI.
    """

    folder: Path
    pairs: tuple[Pair, ...]
    audio_only: tuple[Path, ...]
    excluded: tuple[tuple[Path, str], ...]


def find_pairs(folder: str | os.PathLike) -> Inventory:
    """Looks through ``folder`` and its sub-folders; reads names only, opens nothing.

    Raises:
        AmtError: ``folder`` is not a folder.
    """
    from .audio import AUDIO_SUFFIXES

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
    pairs, audio_only, excluded = [], [], []
    for name in sorted(audio.keys() | midi.keys()):
        sounds, scores = audio.get(name, []), midi.get(name, [])
        if len(sounds) > 1 or len(scores) > 1:
            several = ", ".join(p.name for p in (sounds if len(sounds) > 1 else scores))
            excluded += [(p, f"several files of one name: {several}; keep one") for p in sounds + scores]
        elif sounds and scores:
            pairs.append(Pair(name, sounds[0], scores[0]))
        elif sounds:
            audio_only.append(sounds[0])
        else:
            excluded.append((scores[0], f"no audio named {scores[0].stem} beside it"))
    return Inventory(folder, tuple(pairs), tuple(audio_only), tuple(excluded))
