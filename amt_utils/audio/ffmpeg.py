"""Decoding by the ``ffmpeg`` program, for formats libsndfile does not read, and durations by ``ffprobe``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import soundfile

from ..system.errors import AmtError
from .containers.parts import once_per_file

# containers that store the duration of their streams; for others ffprobe guesses from the bit rate
_KNOW_THEIR_LENGTH = {"mov", "matroska", "asf", "avi", "caf", "w64", "aiff", "ape", "wv", "tta", "wav"}
_SAFE = ["-protocol_whitelist", "file,pipe"]  # a playlist must not open network addresses


class Ffmpeg:
    """Decodes one file from its beginning (ffmpeg's seeking is off by up to 23 ms in AAC).

    Args:
        path: the file.
        doubt: an earlier warning about the file, added to error messages.
    """

    def __init__(self, path: Path, doubt: str = ""):
        program = shutil.which("ffmpeg")
        if program is None:
            raise AmtError(
                f"{path}: not readable as wav, flac, ogg or mp3; if it is a recording in another format, "
                "install ffmpeg (https://ffmpeg.org) or convert the file to FLAC"
            )
        self._path, self._doubt, self._messages = path, doubt, tempfile.TemporaryFile()
        command = [program, "-v", "error", "-nostdin", *_SAFE, "-i", str(path.absolute()), "-map", "0:a:0"]
        # .au has the simplest header; rate and channels are kept, since ffmpeg's mix to mono can clip
        command += ["-c:a", "pcm_f32be", "-f", "au", "-"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._messages)

    def open(self) -> soundfile.SoundFile:
        """The decoded stream. Raises :class:`AmtError` when it cannot read the file."""
        assert self._process.stdout
        try:
            return soundfile.SoundFile(self._process.stdout.fileno(), closefd=False)
        except soundfile.SoundFileError as error:
            self._process.wait()
            complaint = self.complaint()
            self.stop()
            raise AmtError(f"{self._path}: ffmpeg cannot read it as audio ({complaint or 'no message'})") from error

    def failed(self) -> bool:
        """Whether ffmpeg ended with an error; waits for its end."""
        return self._process.wait() != 0

    def complaint(self) -> str:
        """The first line of ffmpeg's error output, and ``doubt``; ``""`` when there is neither."""
        self._messages.seek(0)
        lines = self._messages.read().decode(errors="replace").strip().splitlines()
        return "; ".join([*([f"ffmpeg says: {lines[0]}"] if lines else []), *([self._doubt] if self._doubt else [])])

    def stop(self) -> None:
        """Ends the program."""
        if self._process.stdout:
            self._process.stdout.close()
        self._process.kill()
        self._process.wait()
        self._messages.close()


@once_per_file
def probe_seconds(path: Path) -> float | None:
    """The duration of a file's first audio stream by its container; ``None`` if it has none, or without ffprobe."""
    program = shutil.which("ffprobe")
    if program is None:
        return None
    entries = "format=format_name,duration:stream=codec_type,duration"
    entries += ":stream_disposition=attached_pic:stream_tags=DURATION"
    command = [program, "-v", "quiet", *_SAFE, "-show_entries", entries, "-of", "json", os.fspath(path)]
    try:
        ran = subprocess.run(command, capture_output=True, timeout=30, check=True, stdin=subprocess.DEVNULL)
        found = json.loads(ran.stdout)
    except (subprocess.SubprocessError, OSError, ValueError):
        return None
    container, streams = found.get("format", {}), found.get("streams", [])
    if not _KNOW_THEIR_LENGTH & set(container.get("format_name", "").split(",")):
        return None
    sound: dict = next((s for s in streams if s.get("codec_type") == "audio"), {})
    if "duration" in sound:
        return _seconds(sound["duration"])
    tags = {name.upper(): value for name, value in sound.get("tags", {}).items()}
    if "DURATION" in tags:
        return _seconds(tags["DURATION"])
    moving = [s for s in streams if s.get("codec_type") == "video" and not s["disposition"]["attached_pic"]]
    return None if moving else _seconds(container.get("duration", ""))


def _seconds(text: str) -> float | None:
    """``"40.89"`` or ``"00:00:40.89"`` -> seconds."""
    try:
        return sum(float(part) * 60**i for i, part in enumerate(reversed(text.split(":")))) or None
    except ValueError:
        return None
