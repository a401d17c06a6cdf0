"""Overlap and stitch equals one pass; the command line survives bad files."""

import numpy as np
import pytest
import soundfile
import torch

from amt_utils.__main__ import main
from amt_utils.audio.reading import save_audio
from amt_utils.audio.windows import Cut
from amt_utils.checkpoints.weights import load_weights, save_weights, weights_path
from amt_utils.config import ROLLS, Config
from amt_utils.evaluation.metrics import match_notes
from amt_utils.models import build_model
from amt_utils.music.midi import read_midi
from amt_utils.system.errors import AmtError
from amt_utils.system.paths import example_files
from amt_utils.transcription.decode import find_notes
from amt_utils.transcription.performance import decode_performance
from amt_utils.transcription.transcriber import Transcriber

RATE = 16_000


@pytest.fixture(scope="module")
def shipped() -> Transcriber:
    return Transcriber("tiny", device="cpu")


@pytest.fixture(scope="module")
def music() -> np.ndarray:
    audio, _ = soundfile.read(example_files()[0], dtype="float32")
    return audio


def test_windows_are_computed_alike_however_many_go_side_by_side(music, tmp_path):
    """Cell by cell: in one thread or several, from an array or from blocks of a file, whatever the memory."""
    path = tmp_path / "music.wav"
    soundfile.write(path, music, RATE, subtype="FLOAT")
    roomy, tight = (Transcriber("tiny", device="cpu", memory=memory) for memory in (4_000_000_000, 1))
    assert tight.workers == 1
    a, b = roomy.activations(music), tight.activations(path)
    for name in ROLLS:
        assert a[name].shape == b[name].shape == (len(music) // 320 + 1, 3 if name == "pedal" else 88)
        np.testing.assert_array_equal(a[name], b[name])


@pytest.mark.parametrize("name", ["tiny", "base"])
def test_joined_activations_equal_one_long_pass(name, music):
    """All convolutions over the whole recording at once, between silences; then the LSTMs, window by window."""
    transcriber = Transcriber(name, device="cpu")
    model, _, _ = load_weights(weights_path(name))
    network, hop = model.eval().network, model.config.feature.hop_length
    n_frames, around = len(music) // hop + 1, 300
    with torch.inference_mode():
        silence = np.zeros(around * hop, np.float32)
        features = model.feature(torch.from_numpy(np.concatenate([silence, music, silence]))[None])
        convolved = [part[:, :, around : around + n_frames] for part in network.convolve(features)]
        parts: dict[str, list[torch.Tensor]] = {}
        for window in transcriber.cut.windows(n_frames):
            logits, _, _ = network.recur(*(part[:, :, window.begin : window.end] for part in convolved))
            for roll, values in logits.items():
                parts.setdefault(roll, []).append(torch.sigmoid(values[0, window.kept]))
    joined = transcriber.activations(music)
    for roll, values in parts.items():
        assert len(values) > 1
        whole = torch.cat(values).numpy()
        difference = np.abs(joined[roll].astype(np.float32) - whole)
        assert difference.max() < 2e-3, (roll, difference.max())


def test_a_batch_holds_windows_of_several_recordings(music, tmp_path):
    """As on a GPU: the notes are those of each recording by itself, and a bad file among them stops nothing."""
    model, config, _ = load_weights(weights_path("tiny"))
    one, many = (Transcriber.from_model(model, config, device="cpu") for _ in range(2))
    sizes: list[int] = []
    recordings = [music[: 25 * RATE], tmp_path / "none.wav", music[5 * RATE : 31 * RATE], music[: 3 * RATE]]
    alone = [one.transcribe(r) for r in recordings if isinstance(r, np.ndarray)]

    class Batches:
        """The network, given several windows at once."""

        batch, parallel, window_bytes, margin = 6, False, 0, many.network.margin
        pedals = many.network.pedals

        def __call__(self, audio):
            sizes.append(len(audio))
            return one.network(audio)

    many.network = Batches()
    together = [result for result, _ in many.transcribe_all(recordings)]
    assert isinstance(together.pop(1), AmtError) and sizes[0] + sizes[1] == 5  # two windows and a rest, then two
    for a, b in zip(alone, together, strict=True):
        assert a.notes["pitch"].tolist() == b.notes["pitch"].tolist()
        np.testing.assert_allclose(a.notes["onset"], b.notes["onset"], atol=1e-3)


CASES = [(1, 20, 3), (20, 20, 3), (21, 20, 3), (400, 20, 3), (95, 30, 0)]


@pytest.mark.parametrize(("frames", "length", "context"), CASES)
def test_windows_cover_every_frame_once(frames, length, context):
    kept = list(Cut(length, context).windows(frames))
    assert [f for w in kept for f in range(w.keep_begin, w.keep_end)] == list(range(frames))
    assert all(0 <= w.begin <= w.keep_begin < w.keep_end <= w.end <= frames for w in kept)
    assert all(w.end - w.begin <= length for w in kept)
    inner = [w for w in kept if w.begin]
    assert all(w.keep_begin - w.begin == context for w in inner)


def test_notes_are_the_same_however_the_rolls_are_cut(shipped, music):
    heard = shipped.activations(music)
    whole = find_notes([heard], shipped.config)
    assert len(whole) > 100
    for size in (1, 3, 50, 777):
        pieces = ({n: heard[n][i : i + size] for n in ROLLS} for i in range(0, len(heard["onset"]), size))
        cut = find_notes(pieces, shipped.config)
        cut, plain = (notes[np.lexsort((notes["key"], notes["strike"]))] for notes in (cut, whole))
        for name in plain.dtype.names:
            np.testing.assert_allclose(cut[name], plain[name], atol=1e-9, err_msg=name)
    performance, joined = shipped.transcribe(music), decode_performance(heard, shipped.config)
    for field in performance.notes.dtype.names:  # piece by piece frames are counted from another one
        np.testing.assert_allclose(performance.notes[field], joined.notes[field], atol=1e-9)
    np.testing.assert_array_equal(performance.pedals, joined.pedals)


def test_file_and_array_give_the_same(shipped, music, tmp_path):
    part = music[: 12 * RATE]
    path = save_audio(tmp_path / "part.wav", part)
    a, b = shipped.activations(path), shipped.activations(part)
    assert all(np.abs(a[n].astype(np.float32) - b[n].astype(np.float32)).max() < 0.02 for n in ROLLS)


def test_demo_recording_is_transcribed(capsys, tmp_path):
    assert main(["demo", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    note = float(next(line for line in shown.splitlines() if "onset within 50 ms" in line).split()[-2])
    assert note > 80
    assert len(read_midi(tmp_path / "waltz.mid").notes) > 100


@pytest.fixture
def bad_files(tmp_path):
    time = np.arange(2 * RATE) / RATE
    tone = 0.1 * np.sin(2 * np.pi * 440 * time)
    files = {name: tmp_path / name for name in ("text.wav", "empty.wav", "nan.wav", "nothing.flac", "missing.wav")}
    files["text.wav"].write_text("this is not sound")
    files["empty.wav"].write_bytes(b"")
    soundfile.write(files["nan.wav"], np.where(time > 1, np.nan, tone), RATE, subtype="FLOAT")
    soundfile.write(files["nothing.flac"], np.zeros(0), RATE)
    good = tmp_path / "good.wav"
    soundfile.write(good, np.stack([tone, tone], axis=1), 96_000, subtype="PCM_U8")
    return files, good


def test_goes_on_after_bad_files_and_names_them(bad_files, tmp_path, capsys):
    files, good = bad_files
    names = [str(f) for f in files.values()]
    assert main(["transcribe", *names, str(good), "--out", str(tmp_path / "out")]) == 1
    printed = capsys.readouterr()
    assert (tmp_path / "out" / "good.mid").is_file()
    assert [path.name for path in (tmp_path / "out").iterdir() if path.suffix != ".json"] == ["good.mid"]
    assert "x real time" in printed.out
    for name in names:
        assert name in printed.err
    assert "Traceback" not in printed.err


@pytest.mark.parametrize("decibels", [-40, 15])
def test_faint_and_loud_recordings_give_the_same_notes(shipped, music, decibels):
    usual = shipped.transcribe(music[: 16_000 * 10])
    other = shipped.transcribe(music[: 16_000 * 10] * np.float32(10 ** (decibels / 20)))
    assert len(usual.notes) > 20
    matched = match_notes(usual.notes, other.notes)
    assert 2 * len(matched) / (len(usual.notes) + len(other.notes)) > 0.97


def test_the_hiss_of_an_empty_recording_is_no_music(shipped):
    hiss = 10 ** (-75 / 20) * np.random.default_rng(0).standard_normal(16_000 * 5)
    assert len(shipped.transcribe(hiss.astype(np.float32)).notes) == 0


def test_a_lower_threshold_finds_more_notes(shipped, music):
    keen = Transcriber("tiny", device="cpu", settings=["decode.onset_threshold=0.2"])
    assert len(keen.transcribe(music).notes) > len(shipped.transcribe(music).notes)
    with pytest.raises(AmtError, match="only decode"):
        Transcriber("tiny", settings=["model.size=base"])


def test_silence_gives_an_empty_file_not_an_error(tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(10 * RATE), RATE)
    assert main(["transcribe", str(tmp_path / "silence.wav"), "--out", str(tmp_path)]) == 0
    performance = read_midi(tmp_path / "silence.mid")
    assert len(performance.notes) == len(performance.pedals) == 0


def test_very_short_audio(shipped):
    assert shipped.activations(np.zeros(10, np.float32))["onset"].shape == (1, 88)
    with pytest.raises(AmtError, match="no samples"):
        shipped.activations(np.zeros(0, np.float32))
    with pytest.raises(AmtError, match="finite"):
        shipped.activations(np.full(RATE, np.nan, np.float32))


def test_weights_of_another_model_are_refused(tmp_path):
    micro = Config().replace(model={"size": "micro"})
    torch.manual_seed(0)
    path = save_weights(tmp_path / "w.safetensors", build_model(micro).state_dict(), {"config": micro.to_dict()})
    assert load_weights(path)[1] == micro
    card = path.with_suffix(".json")
    card.write_text(card.read_text().replace('"micro"', '"tiny"'))
    with pytest.raises(AmtError, match="another model"):
        load_weights(path)
    card.unlink()
    with pytest.raises(AmtError, match="card"):
        load_weights(path)
    path.write_bytes(b"not weights")
    card.write_text('{"format": 1, "config": {}}')
    with pytest.raises(AmtError, match="sha256"):
        Transcriber(path)
    with pytest.raises(AmtError, match="no such weights"):
        Transcriber("grandpiano9000")


def test_help_names_every_subcommand(capsys):
    with pytest.raises(SystemExit) as leaving:
        main(["--help"])
    assert leaving.value.code == 0
    shown = capsys.readouterr().out
    for name in ("transcribe", "evaluate", "train", "benchmark", "demo", "tune", "download", "preprocess"):
        assert name in shown
    with pytest.raises(SystemExit):
        main(["transcribe"])
