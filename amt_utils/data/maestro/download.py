"""Downloads MAESTRO piece by piece; every recording is converted to 16 kHz mono FLAC as soon as it has arrived.

The official data set is one zip of 101 GB; 200 hours as FLAC are about 9 GB. Pieces are read one by one, by HTTP range
requests from the remote zip (:mod:`.remote`), or from a local zip or folder, a Kaggle dataset or a Google Drive folder;
each WAV is checked, converted and deleted. A second call continues where the first one was stopped.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from ...audio.reading import convert_audio
from ...system.errors import AmtError
from ...system.files import clear_leftovers, describe_bytes
from ...system.lock import hold_folder
from ...system.paths import data_folder
from .catalogue import AUDIO_ZIP_URL, Maestro, Piece, read_metadata
from .sources import SCRATCH, Source, open_source
from .splits import sampling_ranks, select

FLAC_BYTES_PER_SECOND = 12_500  # 16 kHz mono piano, measured 12.2 kB/s over an hour of recordings


@dataclass(frozen=True)
class Plan:
    """The plan of a download.

    Attributes:
        pieces: what was chosen, in the order in which it is fetched.
        missing: those of them that are not downloaded yet.
        download_bytes: to be read from the source for the missing ones (an estimate where sizes are unknown).
        flac_bytes: of the missing ones as FLAC (estimate).
        scratch_bytes: of temporary files while it runs.
    """

    pieces: tuple[Piece, ...]
    missing: tuple[Piece, ...]
    download_bytes: int
    flac_bytes: int
    scratch_bytes: int

    def __str__(self) -> str:
        hours = sum(p.duration for p in self.pieces) / 3600
        download, flac, scratch = map(describe_bytes, (self.download_bytes, self.flac_bytes, self.scratch_bytes))
        return (
            f"{len(self.pieces)} pieces, {hours:.1f} h; {len(self.missing)} to fetch: read {download}, "
            f"keep {flac} of FLAC, up to {scratch} more while running"
        )


def get_maestro(
    folder: str | os.PathLike | None = None,
    *,
    source: str | os.PathLike = AUDIO_ZIP_URL,
    midi_only: bool = False,
    budget: int | None = None,
    workers: int = 4,
    dry_run: bool = False,
    say: Callable[[str], None] = print,
    **conditions: Any,
) -> Maestro:
    """MAESTRO's metadata and MIDI, and the chosen recordings as FLAC, in ``folder/maestro-v3.0.0``.

    Args:
        folder: default: the data folder of this machine.
        source: the address of a zip on a server with ranges (default: the official one), a local zip or folder, a
            Google Drive folder's address, or ``"kaggle"`` for a dataset attached to the notebook.
        midi_only: metadata and MIDI (56 MB), no recordings.
        budget: bytes that the FLAC files and the scratch space may take; pieces are left out until it fits,
            keeping the splits' proportions.
        workers: pieces fetched and converted at the same time.
        dry_run: only report what would be done and how much disk space it takes.
        say: called with sentences for the user.
        conditions: ``splits``, ``years``, ``composers``, ``min_seconds``, ``max_seconds`` and ``fraction`` of
            :func:`amt_utils.data.maestro.splits.select`.

    Raises:
        AmtError: nothing to fetch, not enough disk, or some pieces failed (the others are kept, and another
            call tries only the missing ones).
    """
    folder = Path(folder) if folder else data_folder()
    with hold_folder(folder, doing="downloads", say=say):
        clear_leftovers(folder)  # of runs that were killed; their .part files are what can be continued
        found = open_source(str(source), folder, say)
        return _get(found, folder, midi_only, budget, workers, dry_run, say, conditions)


def _get(
    found: Source,
    folder: Path,
    midi_only: bool,
    budget: int | None,
    workers: int,
    dry_run: bool,
    say: Callable[[str], None],
    conditions: dict[str, Any],
) -> Maestro:
    root = found.fetch_metadata()
    maestro = Maestro(root, tuple(read_metadata(root)))
    if midi_only:
        say(f"metadata and MIDI of {len(maestro.pieces)} pieces are in {root}")
        return maestro
    plan = make_plan(maestro, found, budget=budget, workers=workers, **conditions)
    say(str(plan))
    free = shutil.disk_usage(root).free
    if plan.flac_bytes + plan.scratch_bytes > free:
        raise AmtError(
            f"{root}: needs {describe_bytes(plan.flac_bytes + plan.scratch_bytes)}, {describe_bytes(free)} are free; "
            "choose less with --fraction, --budget or --split"
        )
    if not dry_run:
        _fetch_all(maestro, found, plan, workers, budget, say)
    return maestro


def make_plan(maestro: Maestro, source: Source, *, budget: int | None, workers: int, **conditions: Any) -> Plan:
    """The pieces to fetch and their sizes. Raises :class:`AmtError` when not even one fits the budget."""
    pieces = select(maestro.pieces, **conditions)
    ranks = sampling_ranks(pieces)
    pieces = sorted(pieces, key=lambda piece: ranks[piece])
    if budget is not None:
        kept = list(pieces)
        while kept and (cost := _cost(maestro, source, kept, workers, everything=True))[1] + cost[2] > budget:
            kept.pop()
        if not kept:
            raise AmtError(f"{describe_bytes(budget)} do not hold a single piece while it is converted; raise --budget")
        pieces = kept
    missing = [p for p in pieces if not _is_done(maestro.root, p)]
    return Plan(tuple(pieces), tuple(missing), *_cost(maestro, source, missing, workers))


def _cost(
    maestro: Maestro, source: Source, pieces: Sequence[Piece], workers: int, *, everything: bool = False
) -> tuple[int, int, int]:
    """(bytes to read, bytes of FLAC, bytes of scratch); with ``everything`` finished files count at their size."""
    read = sum(source.packed_bytes(p) for p in pieces)
    flac = sum(
        (maestro.root / f"{p.stem}.flac").stat().st_size
        if everything and _is_done(maestro.root, p)
        else round(p.duration * FLAC_BYTES_PER_SECOND)
        for p in pieces
    )
    each = sorted((source.scratch_bytes(p) for p in pieces), reverse=True)
    return read, flac, sum(each[:workers])


def _is_done(root: Path, piece: Piece) -> bool:
    return (root / f"{piece.stem}.flac").is_file()


def _fetch_all(
    maestro: Maestro, source: Source, plan: Plan, workers: int, budget: int | None, say: Callable[[str], None]
) -> None:
    scratch = maestro.root / SCRATCH
    scratch.mkdir(exist_ok=True)
    for leftover in [*scratch.glob("*.wav"), *scratch.glob("*.again")]:
        leftover.unlink()  # of a run that was killed
    stop = threading.Event()
    failures: list[tuple[Piece, Exception]] = []
    left_out: list[Piece] = []
    spent = sum((maestro.root / f"{p.stem}.flac").stat().st_size for p in plan.pieces if p not in set(plan.missing))
    waiting = list(plan.missing)
    running: dict[Future[int], Piece] = {}
    bar = tqdm(total=plan.download_bytes, unit="B", unit_scale=True, desc="MAESTRO", disable=not plan.missing)
    with ThreadPoolExecutor(workers) as pool, bar:
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    piece = waiting.pop(0)
                    expected = sum(round(p.duration * FLAC_BYTES_PER_SECOND) for p in (piece, *running.values()))
                    if budget is not None and spent + expected > budget:
                        left_out.append(piece)
                        continue
                    job = pool.submit(_fetch_piece, maestro, source, piece, scratch, stop.is_set, bar.update)
                    running[job] = piece
                for job in wait(running, return_when=FIRST_COMPLETED).done if running else ():
                    piece = running.pop(job)
                    try:
                        spent += job.result()
                    except (AmtError, OSError) as error:
                        failures.append((piece, error))
                    bar.set_postfix(pieces=f"{len(plan.missing) - len(waiting) - len(running)}/{len(plan.missing)}")
        except BaseException:
            stop.set()  # the threads leave their .part files as they are
            raise
    if left_out:
        say(f"{len(left_out)} pieces were left out to stay within the budget")
    if failures:
        piece, reason = failures[0]
        raise AmtError(
            f"{len(failures)} of {len(plan.missing)} pieces failed, start again for those; {piece.stem}: {reason}"
        )
    shutil.rmtree(scratch, ignore_errors=True)
    for part in maestro.root.rglob("*.mid*.part"):  # of a MIDI file whose download was killed and repeated
        part.unlink(missing_ok=True)
    say(f"done: {len(plan.pieces) - len(left_out)} recordings in {maestro.root}")


def _fetch_piece(
    maestro: Maestro,
    source: Source,
    piece: Piece,
    scratch: Path,
    stop: Callable[[], bool],
    on_bytes: Callable[[int], None],
) -> int:
    """Fetches and converts one recording; returns the size of its FLAC in bytes."""
    target = maestro.root / f"{piece.stem}.flac"
    source.fetch_midi(piece)
    wav = scratch / (piece.stem.replace("/", "_") + ".wav")
    wav = source.fetch_audio(piece, wav, stop=stop, on_bytes=on_bytes)
    convert_audio(wav, target)
    if wav.parent == scratch:  # only now: a process killed during the conversion need not fetch it again
        wav.unlink()
        wav.with_name(wav.name + ".part").unlink(missing_ok=True)
    return target.stat().st_size
