"""What a MAESTRO-like data set holds: one row of statistics per performance, and histograms over all of them.

Results are cached beside the data, keyed by the files' names and sizes.
The figures are in :mod:`amt_utils.figures.eda_figures`; notebook 01 walks through both.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from IPython.display import HTML

from ..config import FeatureConfig
from ..data.maestro.catalogue import SPLITS, Maestro, Piece
from ..data.maestro.splits import without_leaks
from ..music.midi import read_midi
from ..music.notes import LOWEST_PITCH, N_KEYS, PEDAL_NAMES, Performance
from ..system.files import written_whole
from ..system.paths import data_folder

_CACHE_VERSION = 1
_MOST_VOICES = 60  # sounding at once; the last bin holds what is beyond

# Year of birth, which decides the era below; of an arrangement ("A / B") the composer's, not the arranger's.
BORN = {
    "Alban Berg": 1885, "Alexander Scriabin": 1872, "Antonio Soler": 1729, "Carl Maria von Weber": 1786,
    "Charles Gounod": 1818, "Claude Debussy": 1862, "César Franck": 1822, "Domenico Scarlatti": 1685,
    "Edvard Grieg": 1843, "Erik Satie": 1866, "Felix Mendelssohn": 1809, "Franz Liszt": 1811, "Franz Schubert": 1797,
    "Fritz Kreisler": 1875, "Frédéric Chopin": 1810, "George Enescu": 1881, "George Frideric Handel": 1685,
    "Georges Bizet": 1838, "Giuseppe Verdi": 1813, "Henry Purcell": 1659, "Isaac Albéniz": 1860,
    "Jean-Philippe Rameau": 1683, "Johann Christian Fischer": 1733, "Johann Pachelbel": 1653,
    "Johann Sebastian Bach": 1685, "Johann Strauss": 1825, "Johannes Brahms": 1833, "Joseph Haydn": 1732,
    "Leoš Janáček": 1854, "Ludwig van Beethoven": 1770, "Mikhail Glinka": 1804, "Mily Balakirev": 1837,
    "Modest Mussorgsky": 1839, "Muzio Clementi": 1752, "Niccolò Paganini": 1782, "Nikolai Medtner": 1880,
    "Nikolai Rimsky-Korsakov": 1844, "Orlando Gibbons": 1583, "Percy Grainger": 1882,
    "Pyotr Ilyich Tchaikovsky": 1840, "Richard Wagner": 1813, "Robert Schumann": 1810, "Sergei Rachmaninoff": 1873,
    "Wolfgang Amadeus Mozart": 1756,
}  # fmt: skip
ERAS = {"Renaissance": 1600, "Baroque": 1710, "Classical": 1775, "Romantic": 1860, "Turn of the century": 2100}


def era_of(composer: str) -> str:
    """``"Franz Schubert / Franz Liszt"`` -> ``"Romantic"``, by the first name's year of birth; else ``"unknown"``."""
    born = BORN.get(composer.split(" / ")[0].removeprefix("After "))
    return "unknown" if born is None else next(era for era, end in ERAS.items() if born < end)


# ---------------------------------------------------------------- the data set


def summarise(maestro: Maestro, eda: Eda) -> str:
    """One line: location, performances, works, composers, hours, notes."""
    table = eda.table
    works = len(table[["composer", "title"]].drop_duplicates())
    counts = f"{len(table)} performances of {works} works by {table.composer.nunique()} composers"
    hours = table.seconds.sum() / 3600
    unit, scale = choose_unit(hours)
    return f"{maestro.root}: {counts}, {hours * scale:.1f} {unit}, {table.notes.sum():,} notes"


def choose_unit(hours: float) -> tuple[str, float]:
    """A suitable unit for ``hours``, and how many of it make an hour."""
    return ("hours", 1.0) if hours > 0.5 else ("minutes", 60.0)


def show_source(maestro: Maestro) -> HTML:
    """A line that names the data set; a yellow banner where it is the miniature and not MAESTRO."""
    count = f"{len(maestro.pieces)} pieces in <code>{maestro.root}</code>"
    if "miniature" not in str(maestro.root):
        return HTML(f"<p>{count}</p>")
    return HTML(
        '<div style="border-left:6px solid #E69F00;background:#fff6df;color:#222;padding:.6em 1em">'
        f"<b>MAESTRO is not on this machine.</b> What follows shows a miniature: {count}, made by formula. Pictures "
        "and figures say only that everything runs; sentences about MAESTRO in the text are about the real one. "
        "<code>python -m amt_utils download --midi-only</code> gets its metadata and MIDI (56 MB), "
        "<code>python -m amt_utils download --fraction 0.1 --budget 2GB</code> a part of its recordings.</div>"
    )


def leaks_table(maestro: Maestro) -> pd.DataFrame:
    """Pieces that training leaves out because another split has the same work, with the reason."""
    _, excluded = without_leaks(maestro.pieces)
    return pd.DataFrame([(p.split, p.composer, p.title, why) for p, why in excluded],
                        columns=["split", "composer", "title", "reason"])  # fmt: skip


# ---------------------------------------------------------------- statistics


@dataclass(frozen=True)
class Eda:
    """Statistics of a data set.

    Attributes:
        table: one row per performance (a pandas DataFrame; the columns are those of :func:`describe`).
        pitch: ``(n, 88)`` notes per key.
        velocity: ``(n, 128)`` notes per velocity.
        voices: ``(n, 61)`` seconds with that many notes sounding at once.
        frame_seconds: the frame the roll statistics were counted with.
    """

    table: pd.DataFrame
    pitch: np.ndarray
    velocity: np.ndarray
    voices: np.ndarray
    frame_seconds: float


def analyse(maestro: Maestro, *, pieces: Iterable[Piece] | None = None, cache: str | os.PathLike | None = None) -> Eda:
    """Reads every MIDI file (or finds the result of an earlier call) -> statistics.

    Args:
        maestro: the data set.
        pieces: which; all of them when ``None``.
        cache: a folder for the results; ``None`` takes ``eda`` in the data folder, ``""`` keeps nothing.
    """
    pieces = list(maestro.pieces if pieces is None else pieces)
    paths = [maestro.midi_path(piece) for piece in pieces]
    frame = FeatureConfig().frame_seconds
    file = None
    if cache != "":
        key = json.dumps([_CACHE_VERSION, frame, [(vars(p), path.stat().st_size) for p, path in zip(pieces, paths)]])
        digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        file = (Path(cache) if cache else data_folder() / "eda") / f"eda-{digest}.npz"
    if file is not None and file.is_file():
        with np.load(file) as stored:
            table = pd.DataFrame(json.loads(str(stored["table"])))
            return Eda(table, stored["pitch"], stored["velocity"], stored["voices"], frame)
    rows, histograms = [], []
    for piece, path in zip(pieces, paths):
        row, *counts = describe(read_midi(path), duration=piece.duration, frame_seconds=frame)
        about = {"composer": piece.composer, "title": piece.title, "split": piece.split, "year": piece.year}
        rows.append(about | {"era": era_of(piece.composer), "file": piece.stem} | row)
        histograms.append(counts)
    pitch, velocity, voices = (np.stack(column) for column in zip(*histograms, strict=True))
    if file is not None:
        _store(file, table=json.dumps(rows), pitch=pitch, velocity=velocity, voices=voices)
    return Eda(pd.DataFrame(rows), pitch, velocity, voices, frame)


def _store(file: Path, **arrays: Any) -> None:
    with written_whole(file) as partial, partial.open("wb") as opened:
        np.savez_compressed(opened, **arrays)


def describe(
    performance: Performance, *, duration: float, frame_seconds: float = 0.02
) -> tuple[dict[str, float | int], np.ndarray, np.ndarray, np.ndarray]:
    """One performance -> ``(row, pitch (88,), velocity (128,), voices (61,))``.

    The row's cells are counted on the frame grid the network sees: ``onset_cells`` of ``frames * 88`` are 1 in the
    onset roll, and so on; ``frame_cells`` with sounding ends. Pedal shares are of the frames.
    """
    notes, sounding = performance.notes, performance.with_ends("sounding")
    n_frames = int(np.ceil(duration / frame_seconds)) + 1
    keys = notes["pitch"].astype(int) - LOWEST_PITCH
    row: dict[str, float | int] = {"seconds": duration, "notes": len(notes), "frames": n_frames}
    row["notes_per_second"] = len(notes) / duration if duration > 0 else 0.0
    row["first_onset"] = float(notes["onset"][0]) if len(notes) else 0.0
    row["last_offset"] = float(sounding["offset"].max()) if len(notes) else 0.0
    row["lowest"], row["highest"] = (int(f(notes["pitch"])) if len(notes) else 0 for f in (np.min, np.max))
    row["velocity_mean"], row["velocity_std"] = (
        float(f(notes["velocity"])) if len(notes) else 0.0 for f in (np.mean, np.std)
    )
    voices = _voices(sounding)
    voice_seconds = voices * np.arange(len(voices))
    row["voices_mean"] = float(voice_seconds.sum() / max(voices[1:].sum(), 1e-9))  # while anything sounds
    first, last = (np.rint(sounding[name] / frame_seconds).astype(int) for name in ("onset", "offset"))
    row["onset_cells"] = len(np.unique(first * N_KEYS + keys))
    row["offset_cells"] = len(np.unique(last * N_KEYS + keys))
    row["frame_cells"] = int(np.maximum(last - first, 1).sum())
    for kind, name in enumerate(PEDAL_NAMES):
        events = performance.pedals[performance.pedals["kind"] == kind]
        row[f"{name}_share"] = float((events["offset"] - events["onset"]).sum() / max(duration, 1e-9))
        row[f"{name}_presses"] = len(events)
    return row, np.bincount(keys, minlength=N_KEYS), np.bincount(notes["velocity"], minlength=128), voices


def _voices(notes: np.ndarray) -> np.ndarray:
    """Seconds with 0, 1, 2 ... notes sounding at once, from the first onset to the last offset."""
    times = np.concatenate([notes["onset"], notes["offset"]])
    steps = np.concatenate([np.ones(len(notes), int), -np.ones(len(notes), int)])
    order = np.argsort(times, kind="stable")
    count = np.clip(np.cumsum(steps[order])[:-1], 0, _MOST_VOICES)
    return np.bincount(count, weights=np.diff(times[order]), minlength=_MOST_VOICES + 1)


def composers_table(eda: Eda, *, at_least_hours: float = 0.0) -> pd.DataFrame:
    """One row per composer, most hours first: born, era, works, performances, hours by split, notes, speed, pedal."""
    table = eda.table
    rows = []
    for composer, own in table.groupby("composer"):
        hours = {split: own.seconds[own.split == split].sum() / 3600 for split in SPLITS}
        rows.append(
            {
                "composer": composer,
                "born": BORN.get(composer.split(" / ")[0].removeprefix("After ")),
                "era": own.era.iloc[0],
                "works": own.title.nunique(),
                "performances": len(own),
                "hours": own.seconds.sum() / 3600,
                **{f"{split} h": value for split, value in hours.items()},
                "notes": own.notes.sum(),
                "notes/s": own.notes.sum() / own.seconds.sum(),
                "velocity": np.average(own.velocity_mean, weights=own.notes),
                "sustain": np.average(own.sustain_share, weights=own.seconds),
            }
        )
    found = pd.DataFrame(rows).sort_values("hours", ascending=False, ignore_index=True)
    found["born"] = found["born"].astype("Int64")
    return found[found.hours >= at_least_hours]


def balance_table(eda: Eda) -> pd.DataFrame:
    """Share of ones per target roll, and the ``pos_weight`` that would balance it (zeros per one).

    Full balancing is an upper bound: such weights cause many false positives; see the training notebook.
    """
    t = eda.table
    cells, frames = t.frames.sum() * N_KEYS, t.frames.sum()
    ones = {
        "onset": (t.onset_cells.sum(), cells),
        "offset": (t.offset_cells.sum(), cells),
        "frame": (t.frame_cells.sum(), cells),
        "frame without onset": (t.frame_cells.sum() - t.onset_cells.sum(), cells),
    }
    for name in PEDAL_NAMES:
        ones[f"{name} pedal"] = (float((t[f"{name}_share"] * t.frames).sum()), frames)
    shares = pd.Series({name: count / of for name, (count, of) in ones.items()})
    found = pd.DataFrame({"share of ones": shares, "zeros per one": (1 - shares) / shares.where(shares > 0)})
    found.index.name = "target"
    return found


def find_outliers(eda: Eda, column: str = "seconds", *, reach: float = 1.5) -> pd.DataFrame:
    """Performances whose ``column`` lies more than ``reach`` interquartile ranges outside the quartiles (of the
    logarithm, since durations are skewed), farthest first."""
    values = np.log(eda.table[column].clip(lower=1e-3))
    low, high = np.quantile(values, [0.25, 0.75])
    distance = np.maximum(low - values, values - high) / max(high - low, 1e-9)
    far = distance[distance > reach].sort_values(ascending=False).index
    return eda.table.loc[far, ["composer", "title", "split", "year", column]]
