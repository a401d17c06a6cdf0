"""Audio in and out: known tones come out where they should, whichever way the file is read."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from amt_utils.audio.reading import audio_duration, load_audio, save_audio, stream_audio
from amt_utils.system.errors import AmtError

FORMATS = {".wav": "PCM_16", ".flac": "PCM_24", ".ogg": "VORBIS", ".mp3": "MPEG_LAYER_III"}


def tones(rate, seconds=3.0, frequencies=(440.0, 1234.5)):
    """One tone per channel: (n, channels) in [-0.5, 0.5]."""
    t = np.arange(round(rate * seconds)) / rate
    return 0.5 * np.sin(2 * np.pi * t[:, None] * np.array(frequencies))


def noise(rate, seconds, channels=2):
    return np.random.default_rng(1).uniform(-0.3, 0.3, (round(rate * seconds), channels))


def write(path, y, rate, subtype=None):
    soundfile.write(path, y, rate, subtype or FORMATS[path.suffix])
    return path


def strip_length_tag(path):
    """The MP3 without its first frame, which tells how many follow."""
    content = path.read_bytes()
    assert b"Xing" in content[:300] or b"Info" in content[:300]
    path.write_bytes(content[content.index(content[:2], 4) :])
    return path


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_two_tones_become_their_mean_at_16_khz(tmp_path, suffix, rate):
    y = load_audio(write(tmp_path / f"a{suffix}", tones(rate), rate))
    assert y.dtype == np.float32
    assert abs(len(y) - 48000) <= 1
    difference = (y[:47999] - tones(16000).mean(axis=1)[:47999])[4000:44000]
    if suffix in (".ogg", ".mp3"):
        assert difference.std() < 0.02  # of 0.25: no shift by even one sample
    else:
        assert np.abs(difference).max() < 2e-4


@pytest.mark.parametrize(
    ("subtype", "tolerance"), [("PCM_U8", 1e-2), ("PCM_16", 5e-5), ("PCM_24", 1e-6), ("PCM_32", 1e-6), ("FLOAT", 1e-6)]
)
def test_every_bit_depth(tmp_path, subtype, tolerance):
    y = load_audio(write(tmp_path / "a.wav", tones(16000, frequencies=(440,)), 16000, subtype))
    assert np.abs(y - tones(16000, frequencies=(440,))[:, 0]).max() < tolerance


def test_96_khz_and_six_channels(tmp_path):
    y = load_audio(write(tmp_path / "a.wav", tones(96000, frequencies=(100, 200, 300, 400, 500, 600)), 96000))
    assert np.abs(y - tones(16000, frequencies=(100, 200, 300, 400, 500, 600)).mean(axis=1))[4000:44000].max() < 2e-4


def test_what_lies_above_8_khz_does_not_fold_back(tmp_path):
    y = load_audio(write(tmp_path / "a.wav", tones(44100, frequencies=(9000,)), 44100))
    assert np.abs(y[4000:44000]).max() < 1e-4


@pytest.mark.parametrize("suffix", [".wav", ".ogg", ".mp3", "untagged.mp3"])
@pytest.mark.parametrize("block_seconds", [0.05, 0.777, 4.0, 60.0])
def test_blocks_joined_equal_the_whole_to_the_bit(tmp_path, suffix, block_seconds):
    path = write(tmp_path / f"a{Path(suffix).suffix or suffix}", noise(44100, 9.3), 44100)
    if suffix.startswith("untagged"):
        strip_length_tag(path)
    blocks = list(stream_audio(path, block_seconds=block_seconds))
    assert {len(block) for block in blocks[:-1]} <= {round(block_seconds * 16000)}
    assert np.array_equal(np.concatenate(blocks), load_audio(path))


@pytest.mark.parametrize("suffix", [*FORMATS, "untagged.mp3"])
@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_an_excerpt_equals_that_part_of_the_whole(tmp_path, suffix, rate):
    path = write(tmp_path / f"a{Path(suffix).suffix or suffix}", noise(rate, 5), rate)
    if suffix.startswith("untagged"):
        strip_length_tag(path)
    whole = load_audio(path)
    for start, duration in [(0, 1), (0.01, 0.5), (1.2345, 2.002), (3.999, 0.0001), (4.5, 9), (2.5, None)]:
        first = round(start * 16000)
        last = len(whole) if duration is None else min(len(whole), first + round(duration * 16000))
        excerpt = load_audio(path, start=start, duration=duration)
        assert len(excerpt) == last - first
        assert np.abs(excerpt - whole[first:last]).max() < 1e-6


def test_a_seek_does_not_decode_what_it_skips(tmp_path, monkeypatch):
    path = write(tmp_path / "a.flac", noise(16000, 60, 1), 16000)
    frames_read = []
    read = soundfile.SoundFile.read

    def counted(self, *args, **kwargs):
        block = read(self, *args, **kwargs)
        frames_read.append(len(block))
        return block

    monkeypatch.setattr(soundfile.SoundFile, "read", counted)
    load_audio(path, start=50, duration=2)
    assert sum(frames_read) < 3 * 16000


def test_durations(tmp_path):
    for suffix in FORMATS:
        path = write(tmp_path / f"a{suffix}", noise(44100, 2.5), 44100)
        assert audio_duration(path) == pytest.approx(2.5, abs=1e-4)


def test_an_mp3_without_a_length_is_read_to_its_end(tmp_path):
    """libsndfile guesses from the first frame, here far too short, and would stop there."""
    rate = 44100
    y = noise(rate, 12) * np.linspace(0.001, 1, 12 * rate)[:, None] ** 3
    path = tmp_path / "a.mp3"
    soundfile.write(path, y, rate, bitrate_mode="VARIABLE", compression_level=0.3)
    strip_length_tag(path)
    assert abs(soundfile.info(path).duration - 12) > 1  # the guess
    assert audio_duration(path) == pytest.approx(12, abs=0.1)
    assert len(load_audio(path)) == pytest.approx(12 * 16000, abs=1600)


def test_silence_is_fine(tmp_path):
    y = load_audio(write(tmp_path / "a.wav", np.zeros(44100), 44100))
    assert len(y) == 16000 and not y.any()


def test_result_stays_within_full_scale(tmp_path):
    square = np.sign(tones(44100, frequencies=(300,)))  # resampling overshoots at the edges
    y = load_audio(write(tmp_path / "a.wav", square * 1.3, 44100, "FLOAT"))
    assert np.abs(y).max() == 1.0


def test_hours_are_streamed_in_constant_memory(tmp_path):
    """A sparse WAV of three hours; what Python and numpy hold at once stays small."""
    path, frames = tmp_path / "long.wav", 3 * 3600 * 8000
    soundfile.write(path, np.zeros(8000, "int16"), 8000, "PCM_16")
    header = bytearray(path.read_bytes()[:44])
    header[4:8] = (36 + 2 * frames).to_bytes(4, "little")
    header[40:44] = (2 * frames).to_bytes(4, "little")
    with path.open("wb") as file:
        file.write(header)
        file.truncate(44 + 2 * frames)
    assert audio_duration(path) == 3 * 3600
    tracemalloc.start()
    n = sum(len(block) for block in stream_audio(path, block_seconds=30))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n == 3 * 3600 * 16000
    assert peak < 30e6


# ---- what cannot be read


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e4])
def test_a_sample_that_is_no_sound_is_named_with_its_second(tmp_path, value):
    y = noise(44100, 2).astype("f4")
    y[round(1.25 * 44100), 1] = value
    path = write(tmp_path / "broken.wav", y, 44100, "FLOAT")
    with pytest.raises(AmtError, match=r"broken\.wav: a sample of .* at 1\.25\d s"):
        load_audio(path)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3"])
@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
def test_a_file_cut_short_is_not_passed_over_in_silence(tmp_path, suffix, share):
    path = write(tmp_path / f"part{suffix}", noise(44100, 20), 44100)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(AmtError, match=r"part.*cut short after [\d.]+ of 20.00 s"):
        load_audio(path)


def test_a_header_written_before_the_length_was_known(tmp_path):
    path = write(tmp_path / "a.wav", noise(16000, 2), 16000)
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff" * 4
    path.write_bytes(content)
    assert len(load_audio(path)) == 32000


@pytest.fixture
def without_ffmpeg(monkeypatch):
    monkeypatch.setenv("PATH", "")


@pytest.mark.usefixtures("without_ffmpeg")
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".m4a", ".raw", ".txt", ""])
def test_not_audio(tmp_path, suffix):
    path = tmp_path / f"letter{suffix}"
    path.write_bytes(b"Dear all, this is no recording. " * 200)
    for read in (load_audio, audio_duration, lambda p: list(stream_audio(p))):
        with pytest.raises(AmtError, match=r"letter.*install ffmpeg"):
            read(path)


def test_other_formats_go_through_ffmpeg(tmp_path, monkeypatch):
    """A stand-in for the program that answers as it does: Sun audio of a length not known beforehand."""
    y = noise(44100, 3)
    soundfile.write(tmp_path / "answer", y, 44100, "FLOAT", format="AU")
    answer = bytearray((tmp_path / "answer").read_bytes())
    answer[8:12] = b"\xff" * 4
    (tmp_path / "answer").write_bytes(answer)
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport sys\nargs = ' '.join(sys.argv[1:])\n"
        "if 'broken' in args: sys.exit('Invalid data found when processing input')\n"
        f"answer = open({str(tmp_path / 'answer')!r}, 'rb').read()\n"
        "sys.stdout.buffer.write(answer[: len(answer) // 2 if 'half' in args else None])\n"
        "if 'half' in args: sys.exit('Truncated packet')\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    path = tmp_path / "a.m4a"
    path.write_bytes(b"not for libsndfile" * 9)
    whole = load_audio(path)
    assert np.abs(whole - load_audio(write(tmp_path / "same.wav", y, 44100, "FLOAT"))).max() < 1e-6
    assert np.abs(load_audio(path, start=1.5, duration=1) - whole[24000:40000]).max() < 1e-6
    assert audio_duration(path) == 3
    assert len(next(stream_audio(path, block_seconds=1))) == 16000  # stops early without complaint
    with pytest.raises(AmtError, match=r"broken\.m4a: ffmpeg cannot read it as audio \(ffmpeg says: Invalid data"):
        load_audio(path.rename(tmp_path / "broken.m4a"))
    half = (tmp_path / "broken.m4a").rename(tmp_path / "half.m4a")
    with pytest.raises(AmtError, match=r"half\.m4a: ffmpeg gave up after 1\.50 s \(ffmpeg says: Truncated packet\)"):
        load_audio(half)


def test_no_file_no_samples_no_permission(tmp_path, monkeypatch):
    with pytest.raises(AmtError, match=r"none\.wav: no such file"):
        load_audio(tmp_path / "none.wav")
    with pytest.raises(AmtError, match="a folder, not a recording"):
        load_audio(tmp_path)
    (tmp_path / "empty.wav").touch()
    with pytest.raises(AmtError, match=r"empty\.wav: the file is empty"):
        audio_duration(tmp_path / "empty.wav")
    with pytest.raises(AmtError, match="no audio in it"):
        load_audio(write(tmp_path / "nothing.wav", np.zeros((0, 2)), 44100))
    path = write(tmp_path / "secret.wav", noise(16000, 1), 16000)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # as root, file modes forbid nothing
    with pytest.raises(AmtError, match=r"secret\.wav: cannot be opened \(Permission denied\)"):
        load_audio(path)


def test_times_outside_the_file(tmp_path):
    path = write(tmp_path / "a.wav", noise(16000, 2), 16000)
    with pytest.raises(AmtError, match=r"no audio in it after 2\.5 s"):
        load_audio(path, start=2.5)
    for wrong in ({"start": -1}, {"start": np.nan}, {"duration": 0}, {"duration": -1}, {"duration": np.inf}):
        with pytest.raises(AmtError, match="must be seconds"):
            load_audio(path, **wrong)
    with pytest.raises(AmtError, match="block_seconds"):
        next(stream_audio(path, block_seconds=0))


# ---- writing


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_saved_audio_comes_back(tmp_path, suffix):
    y = noise(16000, 10, 1)[:, 0].astype("f4")
    path = save_audio(tmp_path / "new" / f"a{suffix}", y)
    back = load_audio(path)
    assert len(back) == len(y)
    if suffix == ".ogg":
        assert np.corrcoef(back, y)[0, 1] > 0.9
    else:
        assert np.abs(back - y).max() <= 1 / 32768
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_too_loud_is_clipped_not_wrapped(tmp_path):
    back = load_audio(save_audio(tmp_path / "a.wav", np.array([0.0, 1.5, -1.5, 1.0] * 100)))
    assert back[1::4].min() > 0.99 and back[2::4].max() < -0.99


@pytest.mark.parametrize(
    ("name", "y", "complaint"),
    [
        ("a.mp3", np.zeros(9), "can write .wav, .flac, .ogg, not '.mp3'"),
        ("a.wav", np.zeros(0), "expected samples"),
        ("a.wav", np.zeros((2, 2, 2)), "expected samples"),
        ("a.wav", np.array([0, np.nan]), "a sample of nan"),
    ],
)
def test_what_cannot_be_saved(tmp_path, name, y, complaint):
    with pytest.raises(AmtError, match=complaint):
        save_audio(tmp_path / name, y)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_no_half_file(tmp_path):
    path = save_audio(tmp_path / "a.flac", np.zeros(100))
    before = path.read_bytes()
    program = """
import resource, signal, sys
import numpy as np
from amt_utils.audio.reading import save_audio
from amt_utils.system.errors import AmtError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
try:
    save_audio(sys.argv[1], np.random.default_rng(0).uniform(-1, 1, 160000))
except AmtError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    assert "a.flac: could not be written (File too large)" in ran.stdout
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.flac"]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AmtError, match=r"a\.wav: could not be written"):
        save_audio(tmp_path / "file" / "a.wav", np.zeros(9))
