"""Opens any recording: by libsndfile, or by ffmpeg where libsndfile does not know the format.

Where :mod:`.containers` finds that a header is wrong, the file's contents decide: a missing or wrong length, bytes
before the first frame, several files in a row.
"""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import numpy as np
import soundfile

from ..system.errors import AmtError
from .audio_file import READ_ERRORS, AudioFile
from .containers.chunks import HEADER_SLACK, find_bytes_left, find_wav_data, is_w64_consistent
from .containers.flac import find_flac_length
from .containers.mp3 import find_mp3_parts
from .containers.ogg import find_ogg_chain
from .containers.parts import Section
from .damage import contradiction, cut_short, warn_of_damage, warn_of_size, warn_once
from .ffmpeg import Ffmpeg

_MOST_DELAY = 8192  # samples that an MP3's encoder may add before and after the audio
_SLOWEST, _FASTEST = 4_000, 768_000  # Hz
_UNKNOWN = 1 << 60  # frames; libsndfile reports so many or more where it does not know
_CONTAINER_SLACK = 0.25  # seconds by which a container may be wrong: priming and padding of codecs
_DAMAGED = re.compile("malformed")
_CLAIMED = re.compile(r"^ *(?:riff|FORM|SSND|data|Data Size) *: (\d+) \(should be (\d+)\)", re.MULTILINE)


def open_audio(path: Path) -> AudioFile:
    """Opened by libsndfile, or by ffmpeg where libsndfile does not know the format.

    Raises:
        AmtError: neither reads it, or the file is shorter than its header says.
    """
    chain = find_ogg_chain(path)
    if chain:
        warn_of_damage(path, chain.n_bad)
        if not chain.ended:
            warn_once(f"{path}: has no end mark, so it may be cut short; read as far as it goes")
    if path.suffix.lower() == ".mp3" and len(find_mp3_parts(path)) > 1:
        return _open_mp3(path)
    try:
        if chain and len(chain.links) > 1:
            files = [_open(Section(path, *link)) for link in chain.links]
        else:
            files = [_open(path)]
    except (*READ_ERRORS, TypeError) as error:  # TypeError: headerless .raw, whose rate is unknown
        if path.suffix.lower() == ".mp3" and any((p.n_claimed or 0) > p.n_found for p in find_mp3_parts(path)):
            raise cut_short(path, 0, np.inf) from error
        found = _DAMAGED.search(str(error))
        return _open_with_ffmpeg(path, f"libsndfile calls it {found[0]}" if found else "")
    file = files[0]
    n_frames = sum(f.frames for f in files)
    if not _SLOWEST <= file.samplerate <= _FASTEST:
        raise AmtError(f"{path}: its header tells of {file.samplerate} samples a second; export the recording again")
    if len({f.samplerate for f in files}) > 1 or len({f.channels for f in files}) > 1:
        return _open_with_ffmpeg(path)
    if file.format == "MP3" or file.subtype.startswith("MPEG"):
        file.close()
        return _open_mp3(path) if file.subtype == "MPEG_LAYER_III" else _open_with_ffmpeg(path)
    if file.format in ("WAV", "WAVEX", "RF64"):
        return _open_wav(path, file)
    more = find_flac_length(path) if file.format == "FLAC" else None
    if more and n_frames < more < _UNKNOWN:
        warn_once(f"{path}: its header tells of {n_frames:,} samples, its frames of {more:,}; all are read")
        file.close()
        return AudioFile(path, [_Unseekable(Section(path, replaced={22: bytes(4)}))], None)
    if n_frames >= _UNKNOWN:
        for file in files:
            file.close()
        return AudioFile(path, [_Unseekable(soundfile_name(path))], None)
    if not n_frames and path.stat().st_size > HEADER_SLACK:  # the header was never completed
        file.close()
        return _open_with_ffmpeg(path)
    _check_claim(path, file)
    return AudioFile(path, files, n_frames)


class _Unseekable(soundfile.SoundFile):
    """For unknown lengths: soundfile would seek after each read and fail at the end."""

    def seekable(self) -> bool:
        return False


def _open(file: Path | Section) -> soundfile.SoundFile:
    return soundfile.SoundFile(soundfile_name(file) if isinstance(file, Path) else file)


def soundfile_name(path: Path) -> str | bytes:
    """A path for soundfile: bytes on POSIX systems, since it cannot encode names that are not valid UTF-8."""
    return os.fsencode(path) if os.name == "posix" else os.fspath(path)


def _open_with_ffmpeg(path: Path, doubt: str = "") -> AudioFile:
    ffmpeg = Ffmpeg(path, doubt)
    file = ffmpeg.open()
    return AudioFile(path, [file], None, slack=round(_CONTAINER_SLACK * file.samplerate), ffmpeg=ffmpeg)


def _open_wav(path: Path, file: soundfile.SoundFile) -> AudioFile:
    """A WAV or RF64, its header corrected where the size was never written or is outdated."""
    data = find_wav_data(path)
    if data and not data.consistent:
        raise contradiction(path)
    if data and data.found != data.claimed:
        if data.claimed > data.found + HEADER_SLACK:
            have = file.frames / file.samplerate
            raise cut_short(path, have, have * data.claimed / max(1, data.found))
        if data.found > data.claimed:
            if data.claimed:
                warn_of_size(path, data.claimed, data.found)
            file.close()
            file = _open(Section(path, replaced=data.size_field))
    return AudioFile(path, [file], file.frames)


def _check_claim(path: Path, file: soundfile.SoundFile) -> None:
    """Raises when libsndfile found fewer bytes than the header states, or two lengths (AIFF, AU, CAF, W64)."""
    if not is_w64_consistent(path):
        raise contradiction(path)
    line = _CLAIMED.search(file.extra_info)
    if line:
        claimed, found = int(line[1]), int(line[2])
        if found + HEADER_SLACK < claimed < 0x7FFFF000:
            have = file.frames / file.samplerate
            raise cut_short(path, have, have * claimed / max(1, found))
        if 0 < claimed < found:
            warn_of_size(path, claimed, found)
    elif "*** Frame count read" in file.extra_info:
        raise contradiction(path)
    elif n_left := find_bytes_left(path):
        size = path.stat().st_size
        warn_once(f"{path}: its header tells of {size - n_left:,} bytes, the file has {size:,}; the rest is not read")


def _open_mp3(path: Path) -> AudioFile:
    """MP3 frames after other bytes, in a WAV, or of several files in a row."""
    parts = find_mp3_parts(path)
    if not parts:
        return _open_with_ffmpeg(path)
    for part in parts:
        warn_of_damage(path, int(part.skipped > 0))
        if part.doubtful:
            warn_once(f"{path}: the tag that tells its delay is damaged; the sound may come up to 0.1 s late")
        if part.n_claimed and part.n_found > part.n_claimed + 1:
            warn_once(f"{path}: it tells of {part.n_claimed:,} frames, but has {part.n_found:,}; all are read")
    files, length_known = [], True
    for part in parts:
        if part.tells_its_length:
            file = _open(Section(path, part.begin, part.end))
            per_frame = 1152 if file.samplerate >= 32_000 else 576
            if file.frames >= part.n_found * per_frame - _MOST_DELAY:
                files.append(file)
                continue
            file.close()  # the tag's delay or padding is damaged
        length_known = False
        files.append(_open_through_pipe(path, part.first, part.end))
    if len({(f.samplerate, f.channels) for f in files}) > 1:
        return _open_with_ffmpeg(path)
    skip = 0 if files[0].seekable() else parts[0].delay
    return AudioFile(path, files, sum(f.frames for f in files) if length_known else None, skip=skip)


def _open_through_pipe(path: Path, begin: int, end: int) -> soundfile.SoundFile:
    """Opened through a pipe, so that libsndfile ignores the stated length and reads to the end."""
    reading, writing = os.pipe()

    def feed() -> None:
        try:
            with path.open("rb") as source, open(writing, "wb") as sink:
                source.seek(begin)
                while block := source.read(min(1 << 16, end - source.tell())):
                    sink.write(block)
        except BrokenPipeError:
            pass  # the reader has closed its end

    threading.Thread(target=feed, daemon=True).start()
    try:
        return soundfile.SoundFile(reading, closefd=True)
    except soundfile.SoundFileError as error:
        raise AmtError(f"{path}: damaged, no sound can be read from it ({error}); copy or download it again") from error
