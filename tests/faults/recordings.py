"""Recordings, MIDI and processed_data that are damaged: refused, read right, or said to be doubtful."""

from __future__ import annotations

import functools
import shutil
import tempfile
from pathlib import Path
from unittest import mock

import mido
import numpy as np
import soundfile
import torch
from helpers_audio import ffmpeg, judge_audio
from helpers_fuzz import WAYS, damaged

from amt_utils.audio.reading import load_audio
from amt_utils.config import Config
from amt_utils.data.library import find_recordings, without_unequal
from amt_utils.data.preprocess import CARD, preprocess
from amt_utils.music.midi import read_midi, write_midi
from amt_utils.music.midi_events import read_events
from amt_utils.music.notes import Performance, make_notes, make_pedals
from amt_utils.system.errors import AmtError
from amt_utils.system.paths import example_files
from amt_utils.training.stored_windows import Windows, open_processed

from . import damage, kind

SOUNDFILE_FORMATS = ("wav", "flac", "ogg", "mp3", "aiff", "caf", "rf64", "w64")
FFMPEG_FORMATS = ("opus", "m4a", "mkv", "wma")


@functools.cache
def clean_audio() -> dict[str, tuple[bytes, np.ndarray]]:
    """Five seconds of the waltz in each format that this machine can write, and what is read of it."""
    folder = Path(tempfile.mkdtemp(prefix="amt-fault-audio-"))
    rate = soundfile.info(example_files()[0]).samplerate
    samples, _ = soundfile.read(example_files()[0], frames=5 * rate)
    for suffix in SOUNDFILE_FORMATS:
        soundfile.write(folder / f"clean.{suffix}", samples, rate)
    if shutil.which("ffmpeg"):
        for suffix in FFMPEG_FORMATS:
            ffmpeg("-i", folder / "clean.wav", out=folder / f"clean.{suffix}")
    return {path.suffix[1:]: (path.read_bytes(), load_audio(path)) for path in sorted(folder.iterdir())}


@kind("audio files", full=300, few=22)
def audio(rng: np.random.Generator, folder: Path) -> None:
    """One file is damaged: refused by name, read in its length and time, or read with a warning."""
    suffix, way = str(rng.choice(sorted(clean_audio()))), str(rng.choice(WAYS))
    content, whole = clean_audio()[suffix]
    path = folder / f"fuzzed.{suffix}"
    path.write_bytes(damaged(content, rng, way))
    try:
        outcome = judge_audio(path, whole)
    except AmtError as error:
        assert "fuzzed" in str(error)
        raise
    assert not outcome.startswith("wrong"), f"{suffix}, {way}: {outcome}"


@functools.cache
def clean_midi() -> dict[str, bytes]:
    from music.test_midi_events import seeds

    return seeds(Path(tempfile.mkdtemp(prefix="amt-fault-midi-")))


@kind("MIDI files", full=500, few=50)
def midi(rng: np.random.Generator, folder: Path) -> None:
    """One file is damaged: refused by name, or read as mido, which is not ours, reads it."""
    from music.test_midi_events import read_with_mido

    name, way = str(rng.choice(sorted(clean_midi()))), str(rng.choice(WAYS))
    content, path = damaged(clean_midi()[name], rng, way), folder / "fuzzed.mid"
    path.write_bytes(content)
    try:
        rows = [tuple(row) for row in read_events(path).messages.tolist()]
        read_midi(path)
    except AmtError as error:
        assert "fuzzed.mid: " in str(error)
        raise
    build = mido.midifiles.midifiles.build_meta_message

    def build_or_skip(meta_type: int, data: list[int], delta: int = 0) -> object:
        try:
            return build(meta_type, data, delta)
        except Exception:  # a meta that mido cannot parse is one that means nothing
            return mido.UnknownMetaMessage(meta_type, data, delta)

    with mock.patch.object(mido.midifiles.midifiles, "build_meta_message", build_or_skip):
        theirs = read_with_mido(path)
    tracks = int.from_bytes(content[10:12], "big")  # mido believes the header
    assert [row for row in rows if row[0] < tracks] == theirs, f"{name}, {way}"


@functools.cache
def processed() -> tuple[Path, Path]:
    """Two raw recordings of six seconds, and what preprocessing made of them."""
    home = Path(tempfile.mkdtemp(prefix="amt-fault-processed-"))
    (home / "raw").mkdir()
    keys = make_notes([0.5, 1.5, 3.0], [1.0, 2.5, 5.0], [60, 64, 67], [64, 80, 50])
    notes = Performance(keys, make_pedals([1], [4], [0]))
    for name in ("a", "b"):
        sound = np.random.default_rng(ord(name)).normal(0, 0.05, 96_000)
        soundfile.write(home / "raw" / f"{name}.wav", sound, 16_000)
        write_midi(home / "raw" / f"{name}.mid", notes)
    preprocess(home / "raw", home / "out", features="cqt", dtype="uint8", workers=1, say=lambda _text: None)
    return home / "raw", home / "out"


def read_all(folder: Path) -> list[torch.Tensor]:
    """Everything that training reads of a processed folder: notes, sound, features, rolls."""
    opened = open_processed(folder)
    items = []
    for read in ("audio", "features"):
        windows = Windows(opened, split=None, seconds=3.0, read=read)
        items += [item[name] for item in (windows[i] for i in range(len(windows))) for name in sorted(item)]
    for recording in without_unequal(find_recordings(folder), say=lambda _text: None):
        items.append(torch.from_numpy(load_audio(recording.audio)))
        items.append(torch.from_numpy(np.ascontiguousarray(recording.performance.notes["onset"])))
    return items


@functools.cache
def read_whole() -> list[torch.Tensor]:
    return read_all(processed()[1])


@kind("processed_data", full=50, few=6)
def shards(rng: np.random.Generator, folder: Path) -> None:
    """One file is damaged: refused or left out by name, and done again by the next preprocessing."""
    raw, whole = processed()
    out = folder / "out"
    shutil.copytree(whole, out)
    chosen = sorted(p for p in out.rglob("*") if p.is_file())
    path = chosen[int(rng.integers(len(chosen)))]
    content = path.read_bytes()
    path.write_bytes(damage(content, rng))
    same = path.read_bytes() == content
    options = {"features": "cqt", "dtype": "uint8", "workers": 1}
    problem = None
    try:
        found = read_all(out)
        card = path.name == CARD  # its words are not guarded; what is read of it is checked
        assert same or card or len(found) < len(read_whole()), f"{path.name}: damaged and read all the same"
        assert card or all(any(torch.equal(a, b) for b in read_whole() if a.shape == b.shape) for a in found)
    except AmtError as error:
        assert str(out) in str(error), error
        problem = error
    try:
        preprocess(raw, out, config=Config(), say=lambda _text: None, **options)
    except AmtError as error:  # the card itself is damaged
        assert CARD in str(error) or f"{out}: was made with" in str(error), error
        problem = problem or error
    else:
        assert all(torch.equal(a, b) for a, b in zip(read_all(out), read_whole(), strict=True))
    if problem:
        raise problem
