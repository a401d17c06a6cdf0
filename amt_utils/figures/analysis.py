"""Where a transcription errs: every note of reference and estimate with what became of it (notebook 05).

A note of the reference is *hit* or *missed*, one of the estimate that hits nothing is *extra*; matching is
:func:`amt_utils.evaluate.match_notes`'s, onsets within 50 ms. Each error gets one cause, the first that applies:

=========== ======================================================================================================
``timing``  the same key was written within 150 ms, but not within 50 (missed and extra alike)
``octave``  the other side has a note an octave, a twelfth or two octaves away at the same onset
``repeat``  missed: the key had been struck less than 0.4 s before. Extra: the key was sounding already
``soft``    missed: velocity below 40
``buried``  missed: eight or more other notes begin within half a second
``ghost``   extra: none of these, a note out of nothing
``other``   missed: none of these
=========== ======================================================================================================
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import AmtError
from ..evaluate import ONSET_TOLERANCE, match_notes, score_performance
from ..midi import read_midi
from ..notes import Performance
from ..scores import System

if TYPE_CHECKING:
    import pandas as pd

NEAR_MISS = 0.15  # seconds
REPEAT_SECONDS, SOFT_VELOCITY, CROWD = 0.4, 40, 8
OCTAVES = (12, -12, 19, -19, 24, -24)
# how the files of MAPS name their composers
_MAPS_COMPOSERS = {
    "alb": "Albéniz", "appass": "Beethoven", "bach": "Bach", "bk": "carols", "bor": "Borodin", "br": "Brahms",
    "burg": "Burgmüller", "ch": "Chopin", "deb": "Debussy", "elise": "Beethoven", "gra": "Granados", "grieg": "Grieg",
    "hay": "Haydn", "liz": "Liszt", "mendel": "Mendelssohn", "mond": "Beethoven", "muss": "Mussorgsky", "mz": "Mozart",
    "pathetique": "Beethoven", "schu": "Schubert", "schum": "Schumann", "scn": "Schumann", "ty": "Tchaikovsky",
    "waldstein": "Beethoven",
}  # fmt: skip


@dataclass(frozen=True)
class Take:
    """A recording with what was played on it."""

    name: str
    composer: str
    audio: Path
    reference: Performance


@dataclass(frozen=True)
class Heard:
    """What one system made of a recording."""

    system: str
    take: Take
    estimate: Performance


def open_takes(limit: int | None = 6, *, folder: str | os.PathLike | None = None) -> list[Take]:
    """Recordings to judge on, spread over what there is.

    Args:
        limit: how many; ``None`` for all.
        folder: of audio with MIDI of the same name; otherwise the shared real recordings, MAESTRO's test split, or the
            miniature's, whichever is there.

    Raises:
        AmtError: no recording has its MIDI.
    """
    rows = _folder_takes(folder) if folder else _known_takes()
    if not rows:
        raise AmtError(
            f"{folder or 'no data'}: no pair of audio and MIDI; they must have the same name, a.flac and a.mid"
        )
    if limit is not None and len(rows) > limit:
        rows = [rows[i] for i in np.linspace(0, len(rows) - 1, limit).round().astype(int)]
    return [Take(name, composer, audio, read_midi(midi)) for name, composer, audio, midi in rows]


def _folder_takes(folder: str | os.PathLike) -> list[tuple[str, str, Path, Path]]:
    from ..recordings import find_pairs

    return [(pair.name, maps_composer(pair.name), pair.audio, pair.midi) for pair in find_pairs(folder).pairs]


def _known_takes() -> list[tuple[str, str, Path, Path]]:
    from ..maestro.catalogue import open_maestro
    from ..paths import shared_data

    shared = shared_data() if os.environ.get("AMT_MINI") != "1" else None
    if shared and (shared / "maps_real_dev").is_dir():
        return _folder_takes(shared / "maps_real_dev")
    maestro = open_maestro(audio=True)
    there = maestro.with_audio()
    pieces = [piece for piece in there if piece.split == "test"] or list(there)
    return [(p.title, p.composer, Path(maestro.audio_path(p)), Path(maestro.midi_path(p))) for p in pieces]


def maps_composer(name: str) -> str:
    """``"MAPS_MUS-chpn-p4_ENSTDkCl"`` -> ``"Chopin"``; ``"unknown"`` for other names."""
    piece = Path(name).name.partition("MUS-")[2]
    fitting = [key for key in _MAPS_COMPOSERS if piece.startswith(key)]
    return _MAPS_COMPOSERS[max(fitting, key=len)] if fitting else "unknown"


def run_systems(takes: Sequence[Take], systems: Mapping[str, System]) -> list[Heard]:
    """Every recording through every named system; one that lacks a recording (a folder of MIDI) is left out there."""
    heard = []
    for name, system in systems.items():
        for take in takes:
            try:
                heard.append(Heard(name, take, system.transcribe(take.audio)))
            except AmtError as error:
                print(f"{name}: {take.name} left out: {error}")
    return heard


def score_table(heard: Sequence[Heard], *, ends: str = "sounding") -> pd.DataFrame:
    """One row per system and recording: all measures of :mod:`amt_utils.evaluate`, in percent."""
    import pandas as pd

    rows = []
    for one in heard:
        scores = score_performance(one.take.reference, one.estimate, ends=ends)
        row = {"system": one.system, "composer": one.take.composer, "recording": one.take.name}
        rows.append(row | {name: 100 * value for name, value in scores.items() if not name.startswith("n_")})
    return pd.DataFrame(rows)


def find_errors(heard: Sequence[Heard], *, ends: str = "sounding") -> pd.DataFrame:
    """Every note of both sides, and what became of it.

    Returns:
        Columns ``system, composer, recording``; ``fate`` (``hit``, ``missed``, ``extra``); ``cause`` of an error;
        ``onset`` in seconds, ``pitch``, ``velocity``, ``duration`` (the reference's, or the extra note's own);
        ``density`` (other reference notes that begin within half a second); of hits ``late`` (seconds the
        estimate's onset comes after), ``heard_velocity`` and ``end_right`` (within 50 ms or 20 %).
    """
    import pandas as pd

    return pd.concat([_find_errors(one, ends) for one in heard], ignore_index=True)


def _find_errors(one: Heard, ends: str) -> pd.DataFrame:
    import pandas as pd

    reference, estimate = one.take.reference.with_ends(ends), one.estimate.with_ends(ends)
    pairs = match_notes(reference, estimate)
    with_end = {int(i) for i, _ in match_notes(reference, estimate, offset_ratio=0.2)}
    of_reference = np.full(len(reference), -1)
    of_reference[pairs[:, 0]] = pairs[:, 1]
    missed = np.flatnonzero(of_reference < 0)
    extra = np.setdiff1d(np.arange(len(estimate)), pairs[:, 1])
    hit = np.flatnonzero(of_reference >= 0)
    partner = estimate[of_reference[hit]]
    frames = []
    for fate, notes in (("hit", reference[hit]), ("missed", reference[missed]), ("extra", estimate[extra])):
        low, high = (np.searchsorted(reference["onset"], notes["onset"] + d) for d in (-0.5, 0.5))
        columns = {name: notes[name] for name in ("onset", "pitch", "velocity")}
        columns |= {"duration": notes["offset"] - notes["onset"], "density": high - low - (fate != "extra")}
        frames.append(pd.DataFrame({"fate": fate, **columns}))
    frames[0]["late"] = partner["onset"] - reference["onset"][hit]
    frames[0]["heard_velocity"] = partner["velocity"]
    frames[0]["end_right"] = [int(i) in with_end for i in hit]
    crowded = frames[1]["density"].to_numpy() >= CROWD
    frames[1]["cause"] = [
        _missed_cause(reference[i], reference, estimate[extra], crowd) for i, crowd in zip(missed, crowded, strict=True)
    ]
    frames[2]["cause"] = [_extra_cause(estimate[i], reference, reference[missed]) for i in extra]
    table = pd.concat([frame for frame in frames if len(frame)], ignore_index=True)
    for place, (name, value) in enumerate(
        (("system", one.system), ("composer", one.take.composer), ("recording", one.take.name))
    ):
        table.insert(place, name, value)
    return table


def _near(notes: np.ndarray, onset: float, seconds: float) -> np.ndarray:
    return notes[np.searchsorted(notes["onset"], onset - seconds) : np.searchsorted(notes["onset"], onset + seconds)]


def _missed_cause(note: np.void, reference: np.ndarray, extra: np.ndarray, crowded: bool) -> str:
    if np.any(_near(extra, note["onset"], NEAR_MISS)["pitch"] == note["pitch"]):
        return "timing"
    if np.any(np.isin(_near(extra, note["onset"], ONSET_TOLERANCE)["pitch"] - note["pitch"], OCTAVES)):
        return "octave"
    first, end = np.searchsorted(reference["onset"], [note["onset"] - REPEAT_SECONDS, note["onset"]])
    if np.any(reference["pitch"][first:end] == note["pitch"]):
        return "repeat"
    if note["velocity"] < SOFT_VELOCITY:
        return "soft"
    return "buried" if crowded else "other"


def _extra_cause(note: np.void, reference: np.ndarray, missed: np.ndarray) -> str:
    if np.any(_near(missed, note["onset"], NEAR_MISS)["pitch"] == note["pitch"]):
        return "timing"
    if np.any(np.isin(_near(reference, note["onset"], ONSET_TOLERANCE)["pitch"] - note["pitch"], OCTAVES)):
        return "octave"
    sounding = (reference["onset"] < note["onset"]) & (reference["offset"] > note["onset"])
    return "repeat" if np.any(sounding & (reference["pitch"] == note["pitch"])) else "ghost"


def find_worst(one: Heard, *, seconds: float = 10.0) -> float:
    """Where the ``seconds`` with the most missed and extra notes begin."""
    errors = _find_errors(one, "sounding").query("fate != 'hit'")["onset"].sort_values().to_numpy()
    if not len(errors):
        return 0.0
    counts = np.searchsorted(errors, errors + seconds) - np.arange(len(errors))
    return max(0.0, float(errors[int(np.argmax(counts))]) - 0.2)


def show_window(one: Heard, start: float, *, seconds: float = 10.0):
    """The listening widget for an excerpt: recording, transcription over reference, errors marked."""
    from ..audio import load_audio
    from ..widget import PianoRoll

    audio = load_audio(one.take.audio, start=start, duration=seconds)
    end = start + len(audio) / 16_000
    title = f"{one.take.name}, {start:.0f} to {end:.0f} s, {one.system}"
    return PianoRoll(
        one.estimate.window(start, end), audio, reference=one.take.reference.window(start, end), title=title
    )


def sweep_thresholds(transcriber, takes: Sequence[Take], thresholds: Sequence[float]) -> pd.DataFrame:
    """Note precision, recall and F1 in percent for each onset threshold, mean over recordings.

    Args:
        transcriber: :class:`amt_utils.transcribe.Transcriber`; each recording passes its network once.
        takes: recordings.
        thresholds: in 0..1.
    """
    import pandas as pd

    from ..decode import decode_performance

    rows = []
    for take in takes:
        activations = transcriber.activations(take.audio)
        for threshold in thresholds:
            config = transcriber.config.replace(decode={"onset_threshold": float(threshold)})
            notes = decode_performance(activations, config).notes
            n = len(match_notes(take.reference.notes, notes))
            rows.append((threshold, n / len(notes) if len(notes) else np.nan, n / max(1, len(take.reference.notes))))
    table = pd.DataFrame(rows, columns=["threshold", "precision", "recall"])
    table["f1"] = 2 * table.precision * table.recall / (table.precision + table.recall)
    return 100 * table.groupby("threshold").mean()
