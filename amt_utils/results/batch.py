"""Many recordings -> the files of each, with one progress bar; finished ones can be skipped, a bad file stops nothing.

Beside the results of ``take.wav`` is ``take.transcription.json``: the recording, its SHA-256, that of the network's
weights, the settings, the tuning and the files written. It is written last. A later run reads it to skip finished
recordings (``skip_existing``) and to tell which recording a file belongs to: results of another recording, and other
files, are never overwritten.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import soundfile
from tqdm.auto import tqdm

from .. import __version__
from ..audio.damage import check_is_file
from ..audio.ffmpeg import probe_seconds
from ..audio.opening import soundfile_name
from ..audio.reading import audio_duration
from ..audio.tuning import A4
from ..system.cluster import choose_shard, run_each
from ..system.errors import AmtError
from ..system.files import hash_file
from .ahead import Ahead
from .inputs import Input, find_inputs
from .records import hash_network, read_record, write_record
from .transcription import SUFFIXES, Transcription, check_kinds, transcribe

if TYPE_CHECKING:
    from ..transcription.transcriber import Transcriber

LONG = 120.0  # seconds of audio from which on a progress bar is shown
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """The result for one recording.

    Attributes:
        path: the recording.
        files: written now or before.
        n_notes, n_pedals: numbers of notes and pedal presses.
        audio_seconds, seconds: length of the recording, and of the work.
        tuning: Hz of A4, as estimated or given.
        skipped: whether it was done before.
        error: why there are no files, otherwise ``""``.
    """

    path: Path
    files: tuple[Path, ...] = ()
    n_notes: int = 0
    n_pedals: int = 0
    audio_seconds: float = 0.0
    seconds: float = 0.0
    tuning: float = A4
    skipped: bool = False
    error: str = ""


def transcribe_batch(
    arguments: Iterable[str | os.PathLike],
    out: str | os.PathLike,
    *,
    kinds: Iterable[str] = ("midi",),
    transcriber: Transcriber | None = None,
    skip_existing: bool = False,
    tempo_map: str = "performance",
    cluster: str | None = None,
    shard: str | None = None,
    on_result: Callable[[Result], None] | None = None,
    **score_options: Any,
) -> list[Result]:
    """Files, folders and patterns -> files below ``out``, and one :class:`Result` each, the unreadable ones too.

    Args:
        arguments: as :func:`.find_inputs` takes them.
        out: a folder; created if there is none.
        kinds: what to write of each, as :meth:`.Transcription.save`.
        transcriber: the shipped network by default.
        skip_existing: skip recordings that the same network transcribed with the same settings.
        tempo_map: as :meth:`.Transcription.save`.
        cluster: run recordings in parallel, as :func:`.run_each` takes it.
        shard: only share ``"i/n"`` of the recordings, as :func:`.choose_shard` takes it.
        on_result: called after each recording.
        score_options: as :func:`.transcribe`.

    Raises:
        AmtError: ``out`` cannot be written to, or a kind is unknown; before any work.
    """
    from ..transcription.transcriber import Transcriber

    kinds, folder = tuple(kinds), Path(out)
    check_kinds(kinds)
    _check_folder(folder)
    inputs = find_inputs(arguments)
    for path in inputs.skipped:
        _log.warning("%s: left out, a kind of sound file that is not known here; name it to have it tried", path)
    results = [Result(path, error=error) for path, error in inputs.failed]
    for result in results:
        if on_result:
            on_result(result)
    chosen = choose_shard(inputs.found, shard)
    if not chosen:
        return results
    transcriber = transcriber or Transcriber()
    made_by = {
        "weights_sha256": hash_network(transcriber),
        "settings": {"decode": transcriber.config.to_dict()["decode"], "tempo_map": tempo_map, **score_options},
        "version": __version__,
    }
    batch = _Batch(folder, kinds, transcriber, made_by, skip_existing, tempo_map, score_options)
    expected = {one.path: _guess_seconds(one.path) for one in chosen}
    total = sum(expected.values())
    bar = tqdm(total=total, unit="s", unit_scale=True, desc="transcribe", disable=total < LONG or None, leave=False)
    with bar:
        # on a cluster the bar moves by whole recordings, otherwise by seconds of audio
        work: Callable[[Input], Result] = batch.transcribe
        if not cluster and "html" in kinds:
            work = partial(batch.transcribe, on_progress=bar.update)
        elif not cluster:
            work = partial(batch.transcribe, ahead=Ahead(transcriber, chosen, batch.is_wanted, bar.update))
        before = 0.0
        for one, outcome in run_each(work, chosen, cluster=cluster):
            result = Result(one.path, error=str(outcome)) if isinstance(outcome, AmtError) else outcome
            if cluster:
                bar.update(expected[one.path])
            # correct the bar's total by the file's actual length
            bar.total = (bar.total or 0) + (bar.n - before) - expected[one.path]
            bar.refresh()
            before = bar.n
            results.append(result)
            if on_result:
                with bar.external_write_mode():
                    on_result(results[-1])
    return results


def transcribe_folder(
    recordings: str | os.PathLike,
    out: str | os.PathLike,
    *,
    kinds: Iterable[str] = ("midi",),
    transcriber: Transcriber | None = None,
    skip_existing: bool = False,
) -> list[dict[str, Any]]:
    """Every recording of a folder and those below it -> files in ``out`` and one row each: file, notes, pedals, error.

    A file that cannot be read gets its error in its row; the others go on.

    Raises:
        AmtError: the folder holds no recordings, or ``out`` cannot be written to.
    """
    results = transcribe_batch([recordings], out, kinds=kinds, transcriber=transcriber, skip_existing=skip_existing)
    folder = Path(os.path.abspath(recordings))
    if [r.path for r in results] == [Path(recordings)]:
        raise AmtError(results[0].error)
    return [
        {"file": str(r.path.relative_to(folder)), "notes": r.n_notes, "pedals": r.n_pedals, "error": r.error}
        for r in sorted(results, key=lambda r: r.path)
    ]


@dataclass(frozen=True)
class _Task:
    """A recording, what its record will say of it, the path of its results, and the record if they are there."""

    about: dict[str, Any]
    target: Path
    done: dict[str, Any] | None


@dataclass(frozen=True)
class _Batch:
    """Settings shared by all recordings of a batch."""

    folder: Path
    kinds: tuple[str, ...]
    transcriber: Transcriber
    made_by: dict[str, Any]
    skip_existing: bool
    tempo_map: str
    score_options: dict[str, Any]
    tasks: dict[Input, _Task] = field(default_factory=dict)  # that are not finished

    def transcribe(
        self, one: Input, on_progress: Callable[[float], Any] | None = None, ahead: Ahead | None = None
    ) -> Result:
        """Transcribes one recording; an error becomes part of the result."""
        begun = time.perf_counter()
        try:
            return replace(self._transcribe(one, on_progress, ahead), seconds=time.perf_counter() - begun)
        except AmtError as error:
            return Result(one.path, error=str(error))
        except OSError as error:
            return Result(one.path, error=f"{one.path}: {error.strerror or error}")
        except Exception as error:  # one recording must not stop the others
            _log.debug("%s", one.path, exc_info=True)
            return Result(one.path, error=f"{one.path}: failed ({type(error).__name__}: {error}); please report it")

        finally:
            self.tasks.pop(one, None)

    def look(self, one: Input) -> _Task:
        """The work on a recording that is still to be done."""
        if one not in self.tasks:
            check_is_file(one.path)
            about = {"source": os.fspath(one.path), "source_sha256": hash_file(one.path), **self.made_by}
            target = self._free_target(one, about)
            record = read_record(target)
            done = self.skip_existing and record is not None and self._is_done(record, about, target)
            self.tasks[one] = _Task(about, target, record if done else None)
        return self.tasks[one]

    def is_wanted(self, one: Input) -> bool:
        """Whether it is still to be transcribed, as far as can be told beforehand."""
        try:
            return self.look(one).done is None
        except (AmtError, OSError):  # told when its turn comes
            return False

    def _transcribe(self, one: Input, on_progress: Callable[[float], Any] | None, ahead: Ahead | None) -> Result:
        task = self.look(one)
        if record := task.done:
            files = tuple(task.target.with_name(file) for file in record["files"])
            counts = (record["notes"], record["pedals"], record["seconds"])
            return Result(one.path, files, *counts, tuning=record["tuning"], skipped=True)
        seconds = audio_duration(one.path)
        if ahead:
            performance, tuning = ahead.take(one)
            frame_seconds = self.transcriber.config.feature.frame_seconds
            found = Transcription(one.path, performance, None, frame_seconds, self.score_options, tuning=tuning)
        else:
            found = transcribe(
                one.path,
                transcriber=self.transcriber,
                on_progress=on_progress,
                keep_activations="html" in self.kinds,
                **self.score_options,
            )
        target = task.target
        files = tuple(found.save(target.parent, self.kinds, name=target.name, tempo_map=self.tempo_map))
        n_notes, n_pedals = len(found.performance.notes), len(found.performance.pedals)
        made = {"kinds": self.kinds, "files": [f.name for f in files], "notes": n_notes, "pedals": n_pedals}
        write_record(target, {**task.about, **made, "seconds": seconds, "tuning": round(found.tuning, 1)})
        return Result(one.path, files, n_notes, n_pedals, seconds, tuning=found.tuning)

    def _free_target(self, one: Input, about: dict[str, Any]) -> Path:
        """The path of its results, with a number where the name is taken by another recording or other files."""
        number, target = 1, self.folder / one.name
        promised = {task.target for task in self.tasks.values()}
        while True:
            record = read_record(target)
            if target in promised:
                record = None
            elif record is None and not self._is_taken(target):
                return target
            if record and (record["source"] == about["source"] or record["source_sha256"] == about["source_sha256"]):
                return target
            number += 1
            target = (self.folder / one.name).with_name(f"{one.name.name} ({number})")

    def _is_taken(self, target: Path) -> bool:
        return any(target.with_name(target.name + SUFFIXES[kind]).exists() for kind in self.kinds)

    def _is_done(self, record: dict[str, Any], about: dict[str, Any], target: Path) -> bool:
        same = all(json.dumps(record.get(key)) == json.dumps(value) for key, value in about.items() if key != "source")
        there = all(target.with_name(file).is_file() for file in record["files"])
        return same and there and set(self.kinds) <= set(record["kinds"])


def _check_folder(folder: Path) -> None:
    """Makes the folder; raises :class:`AmtError` where nothing can be written into it."""
    probe = folder / f".{os.getpid()}.probe"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"amt")
    except (OSError, ValueError) as error:
        reason = "it is a file" if os.path.isfile(folder) else getattr(error, "strerror", None) or error
        raise AmtError(f"{folder}: cannot be written to ({reason}); choose another folder with --out") from error
    finally:
        with contextlib.suppress(OSError, ValueError):
            probe.unlink()


def _guess_seconds(path: Path) -> float:
    """A recording's length by its header or its size, for the progress bar."""
    with contextlib.suppress(soundfile.SoundFileError, OSError, UnicodeError, RuntimeError):
        seconds = soundfile.info(soundfile_name(path)).duration
        if seconds < 1e6:
            return seconds
    with contextlib.suppress(OSError):
        return probe_seconds(path) or path.stat().st_size / 16_000
    return 0.0
