"""Files that say something wrong of themselves: read whole, or refused by name, never half and never in silence."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers_audio import EXCERPT, WALTZ, assert_whole, ffmpeg, needs_ffmpeg, shift

from amt_utils.audio import damage
from amt_utils.audio.containers.chunks import find_wav_data
from amt_utils.audio.reading import audio_duration, load_audio
from amt_utils.system.errors import AmtError


def halves(folder: Path, suffix: str, *options: str) -> tuple[bytes, bytes]:
    for name, begin, length in (("first", 0, 6), ("second", 6, 6)):
        ffmpeg("-ss", begin, "-t", length, "-i", WALTZ, *options, out=folder / f"{name}{suffix}")
    return tuple((folder / f"{name}{suffix}").read_bytes() for name in ("first", "second"))


@needs_ffmpeg
@pytest.mark.parametrize("junk", [b"\0" * 5000, b"HTTP/1.0 200 OK\r\nicy-name: radio\r\n\r\n" * 99, b"\xff\xfb" * 999])
def test_bytes_before_the_first_mp3_frame(made, waltz, tmp_path, junk):
    (tmp_path / "junk.mp3").write_bytes(junk + (made / "a.mp3").read_bytes())
    assert_whole(tmp_path / "junk.mp3", waltz)


@needs_ffmpeg
@pytest.mark.parametrize("suffix", [".mp3", ".ogg", ".opus"])
def test_files_one_after_another(waltz, tmp_path, suffix):
    first, second = halves(tmp_path, suffix)
    (tmp_path / f"joined{suffix}").write_bytes(first + second)
    assert_whole(tmp_path / f"joined{suffix}", waltz)


@needs_ffmpeg
@pytest.mark.parametrize("frames", [0, 5, 200])
def test_an_mp3_whose_tag_tells_too_few_frames(made, waltz, tmp_path, frames):
    content = bytearray((made / "a.mp3").read_bytes())
    at = max(content.find(b"Xing", 0, 4000), content.find(b"Info", 0, 4000))
    content[at + 8 : at + 12] = frames.to_bytes(4, "big")
    (tmp_path / "tag.mp3").write_bytes(content)
    assert_whole(tmp_path / "tag.mp3", waltz)


@needs_ffmpeg
def test_mp3_inside_a_wav(waltz, tmp_path):
    ffmpeg(*EXCERPT, "-c:a", "libmp3lame", "-b:a", "64k", "-ar", 44100, out=tmp_path / "mp3in.wav")
    assert_whole(tmp_path / "mp3in.wav", waltz, late=1105 / 44_100)  # nothing tells of the encoder's delay here


@needs_ffmpeg
def test_flac_of_a_length_not_known_beforehand(waltz, tmp_path):
    (tmp_path / "pipe.flac").write_bytes(ffmpeg(*EXCERPT, "-f", "flac", "pipe:1"))
    assert_whole(tmp_path / "pipe.flac", waltz)
    half = (tmp_path / "pipe.flac").read_bytes()[:100_000]
    (tmp_path / "half.flac").write_bytes(half)
    with pytest.raises(AmtError, match="cut short"):
        load_audio(tmp_path / "half.flac")


@pytest.fixture
def wav(waltz, tmp_path) -> Path:
    soundfile.write(tmp_path / "a.wav", waltz, 16_000, "PCM_16")
    return tmp_path / "a.wav"


def set_data_size(path: Path, size: int, *, riff: bool) -> None:
    content = bytearray(path.read_bytes())
    content[40:44] = size.to_bytes(4, "little")
    if riff:
        content[4:8] = min(size + 36, 0xFFFFFFFF).to_bytes(4, "little")
    path.write_bytes(content)


@pytest.mark.parametrize("riff", [True, False])
@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 64_000])
def test_a_recorder_that_crashed_before_it_wrote_the_length(wav, waltz, size, riff):
    set_data_size(wav, size, riff=riff)
    assert_whole(wav, waltz)


def test_a_recorder_that_crashed_and_began_with_silence(wav, waltz):
    waltz = np.concatenate([np.zeros(8_000, np.float32), waltz[:-8_000]])
    soundfile.write(wav, waltz, 16_000, "PCM_16")
    set_data_size(wav, 0, riff=True)
    assert_whole(wav, waltz)


def test_a_wav_without_samples_is_not_filled_with_what_follows(wav):
    content = wav.read_bytes()[:44]
    content = content[:40] + bytes(4) + b"LIST" + (6000).to_bytes(4, "little") + b"INFO" + bytes(5996)
    wav.write_bytes(content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:])
    with pytest.raises(AmtError, match="no audio in it"):
        load_audio(wav)


def test_chunks_after_the_samples_are_no_samples(wav, waltz):
    size = wav.stat().st_size
    with wav.open("ab") as file:
        file.write(b"LIST" + (9000).to_bytes(4, "little") + b"INFO" + bytes(8996))
    assert size + 9008 == wav.stat().st_size
    assert_whole(wav, waltz)


@pytest.mark.parametrize("more", [16, 44, 500])
def test_a_header_that_lies_by_little(wav, waltz, more):
    set_data_size(wav, 2 * len(waltz) + more, riff=True)
    assert_whole(wav, waltz)


def test_a_header_that_lies_by_much_is_a_file_cut_short(wav, waltz):
    set_data_size(wav, 4 * len(waltz), riff=True)
    with pytest.raises(AmtError, match=r"cut short after 12\.00 of 24\.00 s"):
        load_audio(wav)


def test_a_header_that_contradicts_itself(wav):
    content = bytearray(wav.read_bytes())
    content[24:28] = (44_100).to_bytes(4, "little")  # the rate; bytes per second stay
    wav.write_bytes(content)
    with pytest.raises(AmtError, match="contradicts itself"):
        load_audio(wav)


def test_a_w64_that_contradicts_itself(waltz, tmp_path):
    path = tmp_path / "a.w64"
    soundfile.write(path, waltz, 16_000)
    content = bytearray(path.read_bytes())
    content[66:68] = (100).to_bytes(2, "little")  # channels; the block's size stays
    path.write_bytes(content)
    with pytest.raises(AmtError, match=r"a\.w64: its header contradicts itself"):
        load_audio(path)


@pytest.fixture
def rf64(waltz, tmp_path) -> Path:
    soundfile.write(tmp_path / "a.rf64", waltz, 16_000, "PCM_16")
    assert b"ds64" in (tmp_path / "a.rf64").read_bytes()[:100]
    return tmp_path / "a.rf64"


def test_a_wav_of_more_than_two_gigabytes_is_as_long_as_it_says(wav):
    size = 0x8000_0000
    set_data_size(wav, size, riff=True)
    os.truncate(wav, 44 + size)  # takes no space
    data = find_wav_data(wav)
    assert data is not None and data.claimed == data.found == size


def test_an_rf64_cut_short(rf64, waltz):
    assert_whole(rf64, waltz)
    content = rf64.read_bytes()
    rf64.write_bytes(content[: len(content) // 2])
    with pytest.raises(AmtError, match=r"cut short after 6\.00 of 12\.00 s"):
        load_audio(rf64)


def test_an_rf64_whose_length_was_never_written(rf64, waltz):
    content = bytearray(rf64.read_bytes())
    at = content.find(b"ds64") + 8
    content[at : at + 24] = bytes(24)
    rf64.write_bytes(content)
    assert_whole(rf64, waltz)


def test_an_rf64_longer_than_it_says_is_read_and_said(rf64, waltz, caplog):
    rf64.write_bytes(rf64.read_bytes() + b"\x01\xf3" * 8_000)
    damage.warn_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert len(load_audio(rf64)) == len(waltz) + 8_000
    assert "a.rf64: its header tells of" in caplog.text


@needs_ffmpeg
@pytest.mark.parametrize("name", ["a.m4a", "a.mkv", "a.mka", "a.wma", "a.w64", "a.aiff"])
@pytest.mark.parametrize("share", [0.9, 0.5])
def test_a_container_knows_a_length_that_was_not_reached(made, tmp_path, name, share):
    content = (made / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(AmtError, match=rf"{name}: .*cut short after [\d.]+ of"):
        load_audio(tmp_path / name)


@needs_ffmpeg
def test_other_containers_are_read_whole(made, waltz):
    for name in ("a.m4a", "a.mkv", "a.mka", "a.caf", "a.w64", "a.oga", "a.opus", "a.ogg", "a.aiff", "a.mp3"):
        assert_whole(made / name, waltz)


@needs_ffmpeg
def test_sound_shorter_than_its_film_is_whole(tmp_path, waltz):
    film = ["-f", "lavfi", "-i", "color=size=16x16:rate=5:duration=20", *EXCERPT]
    for name in ("film.mp4", "film.mkv"):
        ffmpeg(*film, out=tmp_path / name)
        assert_whole(tmp_path / name, waltz)


@needs_ffmpeg
def test_an_ogg_without_its_end_is_said_to_have_none(made, tmp_path, caplog):
    (tmp_path / "half.ogg").write_bytes((made / "a.ogg").read_bytes()[:40_000])
    damage.warn_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert 2 < len(load_audio(tmp_path / "half.ogg")) / 16_000 < 11
    assert "half.ogg: has no end mark" in caplog.text


@needs_ffmpeg
def test_what_libsndfile_calls_malformed_and_ffmpeg_reads_is_said(made, tmp_path, caplog):
    (tmp_path / "half.caf").write_bytes((made / "a.caf").read_bytes()[:300_000])
    damage.warn_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        load_audio(tmp_path / "half.caf")
    assert "half.caf: read to its end" in caplog.text and "malformed" in caplog.text


@needs_ffmpeg
def test_what_ffmpeg_complains_of_is_said(made, tmp_path, caplog):
    content = bytearray((made / "a.mka").read_bytes())
    for at in range(40_000, 44_000):
        content[at] ^= 0x5A
    (tmp_path / "scratched.mka").write_bytes(content)
    damage.warn_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        try:
            load_audio(tmp_path / "scratched.mka")
            assert "scratched.mka: read to its end" in caplog.text and "ffmpeg says" in caplog.text
        except AmtError as error:
            assert "scratched.mka" in str(error)


@needs_ffmpeg
def test_an_mp3_whose_tag_has_lost_its_name_is_in_time_and_said(made, waltz, tmp_path, caplog):
    content = (made / "a.mp3").read_bytes()
    (tmp_path / "tag.mp3").write_bytes(content.replace(b"Xing", b"Xi\x10g", 1).replace(b"Info", b"I\x10fo", 1))
    damage.warn_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        by, alike = shift(load_audio(tmp_path / "tag.mp3"), waltz)
    assert abs(by) < 2e-3 and alike > 0.99
    assert "tag.mp3: the tag that tells its delay is damaged" in caplog.text


@pytest.mark.parametrize("kind", ["AU", "CAF", "W64"])
@pytest.mark.parametrize("more", [0, 700])
def test_bytes_behind_the_samples_are_said(waltz, tmp_path, caplog, kind, more):
    path = tmp_path / f"a.{kind.lower()}"
    soundfile.write(path, waltz, 16_000, format=kind)
    path.write_bytes(path.read_bytes() + bytes(more))
    damage.warn_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        extra = len(load_audio(path)) - len(waltz)  # libsndfile takes them for samples in a W64
    assert 0 <= extra <= more // 2
    assert (f"{path.name}: its header tells of" in caplog.text) == bool(more)


def test_a_name_that_is_no_utf_8(waltz, tmp_path):
    soundfile.write(tmp_path / "a.wav", waltz[:16_000], 16_000)
    try:
        path = (tmp_path / "a.wav").rename(tmp_path / b"caf\xe9.wav".decode(errors="surrogateescape"))
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    assert len(load_audio(path)) == 16_000 and audio_duration(path) == 1
