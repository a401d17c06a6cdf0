"""A folder of recordings as a data set: audio and MIDI that share a basename are a pair.

``take1.wav`` with ``take1.mid`` in the same folder (sub-folders are searched) is a pair. Everything that is not
part of one is listed with the reason, so that nothing disappears in silence.

:func:`prepare_recordings` makes such a folder of what was recorded at home: MIDI brought onto the recording's clock,
audio as 16 kHz FLAC. Its result goes wherever a folder of pairs goes: ``data.recordings`` or ``data.validation`` of
the training configuration, or ``evaluate --pairs``. Audio without MIDI is transcribed into ``drafts/``: correct the
draft in any MIDI editor, save it beside the audio under the audio's name, and prepare again. Notebook 08 shows it.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from .errors import AmtError
from .files import written_whole

MIDI_SUFFIXES = (".mid", ".midi")


@dataclass(frozen=True)
class Pair:
    """One recording and its MIDI; ``name`` is the path below the folder, without suffix."""

    name: str
    audio: Path
    midi: Path


def find_midi(folder: str | os.PathLike, name: str) -> Path:
    """``<folder>/<name>.mid`` or ``.midi``. Raises :class:`AmtError` where there is none."""
    for suffix in MIDI_SUFFIXES:
        candidate = Path(folder) / f"{name}{suffix}"
        if candidate.is_file():
            return candidate
    raise AmtError(f"{Path(folder) / name}.mid: no such file (each recording's MIDI is looked for under its name)")


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


@dataclass(frozen=True)
class Prepared:
    """What became of one recording.

    Attributes:
        name: its path below the folder, without suffix.
        status: ``"pair"`` (joins training and evaluation), ``"draft"`` (to be corrected) or ``"excluded"``.
        detail: the alignment found, or the reason.
        seconds, notes: length of the audio and number of notes, 0 where excluded.
    """

    name: str
    status: str
    detail: str
    seconds: float = 0.0
    notes: int = 0


def prepare_recordings(
    folder: str | os.PathLike,
    out: str | os.PathLike,
    *,
    transcriber=None,
    on_result: Callable[[Prepared], None] | None = None,
) -> list[Prepared]:
    """Own recordings -> a folder of aligned pairs; nothing in ``folder`` is changed, and a bad file stops nothing.

    Args:
        folder: audio with and without MIDI of the same name, sub-folders included.
        out: where ``<name>.flac`` with ``<name>.mid``, ``drafts/<name>.mid`` and ``recordings.json`` are written.
        transcriber: has ``transcribe(path) -> Performance``; without one, audio that has no MIDI is only reported.
        on_result: called with each row as it is done.

    Returns:
        One row per recording and per file that could not be used; the same as in ``recordings.json``.

    Raises:
        AmtError: no such folder, or ``out`` lies inside it or around it.
    """
    folder, out = Path(folder), Path(out)
    inventory = find_pairs(folder)
    inside, around = out.resolve(), folder.resolve()
    if inside == around or around in inside.parents or inside in around.parents:
        raise AmtError(f"{out}: lies in the same tree as {folder}; choose an --out folder outside it")
    rows: list[Prepared] = []

    def done(row: Prepared) -> None:
        rows.append(row)
        if on_result:
            on_result(row)

    for pair in inventory.pairs:
        done(_prepare(pair.name, lambda pair=pair: _write_pair(pair, out)))
    for audio in inventory.audio_only:
        name = audio.relative_to(folder).with_suffix("").as_posix()
        if transcriber is None:
            done(Prepared(name, "excluded", "no MIDI beside it, and no transcription was asked for"))
        else:
            done(_prepare(name, lambda name=name, audio=audio: _write_draft(name, audio, out, transcriber)))
    for path, reason in inventory.excluded:
        done(Prepared(path.relative_to(folder).as_posix(), "excluded", reason))
    with written_whole(out / "recordings.json") as partial:
        partial.write_text(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False), encoding="utf-8")
    return rows


def _prepare(name: str, work: Callable[[], Prepared]) -> Prepared:
    try:
        return work()
    except AmtError as error:
        return Prepared(name, "excluded", str(error))


def _write_pair(pair: Pair, out: Path) -> Prepared:
    from .audio import load_audio, save_audio
    from .midi import write_midi
    from .own_piano.align import SAMPLE_RATE, align_audio

    audio = load_audio(pair.audio, sample_rate=SAMPLE_RATE)
    alignment, performance = align_audio(audio, pair.midi)
    for stale in (out / f"{pair.name}.mid", out / f"{pair.name}.flac", out / "drafts" / f"{pair.name}.mid"):
        stale.unlink(missing_ok=True)  # of an earlier run: an unreliable pair must not stay in the set
    if not alignment.reliable:
        return Prepared(pair.name, "excluded", alignment.describe())
    save_audio(out / f"{pair.name}.flac", audio, sample_rate=SAMPLE_RATE)
    write_midi(out / f"{pair.name}.mid", performance)
    return Prepared(pair.name, "pair", alignment.describe(), len(audio) / SAMPLE_RATE, len(performance.notes))


def _write_draft(name: str, audio: Path, out: Path, transcriber) -> Prepared:
    from .audio import audio_duration
    from .midi import write_midi

    performance = transcriber.transcribe(audio)
    draft = write_midi(out / "drafts" / f"{name}.mid", performance)
    detail = f"transcribed to {draft}; correct it and save it beside the audio"
    return Prepared(name, "draft", detail, audio_duration(audio), len(performance.notes))


def make_example(folder: str | os.PathLike) -> Path:
    """Two "home recordings" by formula, for trying all this without a piano: ``waltz``, with MIDI, begun 0.73 s late
    on a clock 0.2 % fast, and ``nocturne``, audio alone."""
    import numpy as np
    import soxr

    from .audio import SAMPLE_RATE, save_audio
    from .maestro.miniature import perform
    from .midi import write_midi
    from .synth import render, simple_tone_piano

    folder, piano = Path(folder), simple_tone_piano()
    waltz = perform("waltz", seed=1)
    write_midi(folder / "waltz.mid", waltz)
    hiss = 1e-4 * np.random.default_rng(0).standard_normal(round(0.73 * SAMPLE_RATE))
    slower = soxr.resample(render(waltz, piano), SAMPLE_RATE, 1.002 * SAMPLE_RATE)
    save_audio(folder / "waltz.wav", np.concatenate([hiss, slower]))
    save_audio(folder / "nocturne.wav", render(perform("nocturne", seed=2), piano))
    return folder


def register(subparsers) -> None:
    """Adds ``recordings`` to the command line."""
    parser = subparsers.add_parser(
        "recordings",
        help="make a data set of your own recordings and their MIDI",
        description="Brings each recording's MIDI onto the recording's clock and writes aligned pairs that training "
        "(data.recordings) and evaluate (--pairs) take. Audio without MIDI is transcribed into DIR/drafts; corrected "
        "and saved beside the audio, it becomes a pair at the next call. DIR/recordings.json says what was left out.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="audio and .mid files of the same names")
    parser.add_argument("--out", metavar="DIR", required=True, help="where to write the data set")
    parser.add_argument("--no-drafts", action="store_true", help="do not transcribe audio that has no MIDI")
    parser.add_argument("--weights", metavar="FILE", help="a checkpoint instead of the weights that come along")
    parser.set_defaults(run=run)


def run(args) -> int:
    """The ``recordings`` command; 1 where something was excluded."""
    transcriber = None
    if not args.no_drafts and find_pairs(args.folder).audio_only:
        from .transcribe import Transcriber

        transcriber = Transcriber(args.weights)
    rows = prepare_recordings(args.folder, args.out, transcriber=transcriber, on_result=_print_row)
    if not rows:
        raise AmtError(f"{args.folder}: neither audio nor MIDI in it")
    return 1 if any(row.status == "excluded" for row in rows) else 0


def _print_row(row: Prepared) -> None:
    print(f"{row.status:>8}  {row.name}: {row.detail}", flush=True)
