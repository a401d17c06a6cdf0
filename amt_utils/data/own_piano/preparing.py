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
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from ...system.errors import AmtError
from ...system.files import written_whole
from ..library import Recording, take_inventory


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
    inventory = take_inventory(folder)
    inside, around = out.resolve(), folder.resolve()
    if inside == around or around in inside.parents or inside in around.parents:
        raise AmtError(f"{out}: lies in the same tree as {folder}; choose an --out folder outside it")
    rows: list[Prepared] = []

    def done(row: Prepared) -> None:
        rows.append(row)
        if on_result:
            on_result(row)

    for pair in inventory.recordings:
        done(_prepare(pair.name, partial(_write_pair, pair, out)))
    for audio in inventory.audio_only:
        name = audio.relative_to(folder).with_suffix("").as_posix()
        if transcriber is None:
            done(Prepared(name, "excluded", "no MIDI beside it, and no transcription was asked for"))
        else:
            done(_prepare(name, partial(_write_draft, name, audio, out, transcriber)))
    for path, reason in inventory.excluded:
        done(Prepared(path.relative_to(folder).as_posix(), "excluded", reason))
    with written_whole(out / "recordings.json") as file:
        file.write_text(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False), encoding="utf-8")
    return rows


def _prepare(name: str, work: Callable[[], Prepared]) -> Prepared:
    try:
        return work()
    except AmtError as error:
        return Prepared(name, "excluded", str(error))


def _write_pair(pair: Recording, out: Path) -> Prepared:
    from ...audio.reading import SAMPLE_RATE, load_audio, save_audio
    from ...music.midi import write_midi
    from .align import align_audio

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
    from ...audio.reading import audio_duration
    from ...music.midi import write_midi

    performance = transcriber.transcribe(audio)
    draft = write_midi(out / "drafts" / f"{name}.mid", performance)
    detail = f"transcribed to {draft}; correct it and save it beside the audio"
    return Prepared(name, "draft", detail, audio_duration(audio), len(performance.notes))


def make_example_recordings(folder: str | os.PathLike) -> Path:
    """Two "home recordings" by formula, for trying all this without a piano: ``waltz``, with MIDI, begun 0.73 s late
    on a clock 0.2 % fast, and ``nocturne``, audio alone."""
    import numpy as np
    import soxr

    from ...audio.reading import SAMPLE_RATE, save_audio
    from ...music.midi import write_midi
    from ..pianos import simple_tone_piano
    from ..pieces import perform_piece
    from ..synth import render

    folder, piano = Path(folder), simple_tone_piano()
    waltz = perform_piece("waltz", seed=1)
    write_midi(folder / "waltz.mid", waltz)
    hiss = 1e-4 * np.random.default_rng(0).standard_normal(round(0.73 * SAMPLE_RATE))
    slower = soxr.resample(render(waltz, piano), SAMPLE_RATE, 1.002 * SAMPLE_RATE)
    save_audio(folder / "waltz.wav", np.concatenate([hiss, slower]))
    save_audio(folder / "nocturne.wav", render(perform_piece("nocturne", seed=2), piano))
    return folder
