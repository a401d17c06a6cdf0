"""Fine-tuning to one piano: what each part of a recording is used for, and what is kept."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from amt_utils.__main__ import main
from amt_utils.audio.reading import load_audio, save_audio
from amt_utils.checkpoints.weights import load_weights, save_weights
from amt_utils.config import Config
from amt_utils.data.library import find_recordings
from amt_utils.data.pianos import Piano, simple_tone_piano
from amt_utils.data.synth import render
from amt_utils.evaluation import thresholds
from amt_utils.evaluation.thresholds import tune_onset
from amt_utils.models import build_model
from amt_utils.music.midi import read_midi, write_midi
from amt_utils.music.notes import Performance, make_notes
from amt_utils.system.errors import AmtError
from amt_utils.training import adapt as adapting
from amt_utils.training.adapt import Adaptation, adapt, cut_part, find_heads, hear, tune_carefully
from amt_utils.training.targets import make_rolls

MICRO = Config().replace(model={"size": "micro"})
RATE, SECONDS = 16_000, 24.0


@pytest.fixture(autouse=True)
def short(monkeypatch):
    for name, value in {"WINDOW_SECONDS": 2.0, "MARGIN": 5, "STEPS": 20}.items():
        monkeypatch.setattr(adapting, name, value)


@lru_cache
def tone_piano() -> Piano:
    return simple_tone_piano()


def play(seed: int, seconds: float = SECONDS) -> Performance:
    rng = np.random.default_rng(seed)
    on = np.arange(0.2, seconds - 0.5, 0.25)
    return Performance(make_notes(on, on + 0.2, rng.integers(48, 84, len(on)), rng.integers(40, 100, len(on))))


def record(folder: Path, performance: Performance, seconds: float = SECONDS) -> Path:
    save_audio(folder / "a.flac", render(performance, tone_piano(), duration=seconds), sample_rate=RATE)
    write_midi(folder / "a.mid", performance)
    return folder


def build():
    torch.manual_seed(0)
    return build_model(MICRO).eval()


def get_worse(monkeypatch) -> None:
    """Tuned thresholds and new weights, but lower metrics on the last quarter: 50 % where it was 60 %."""
    tuned = {"onset_threshold": 0.9}
    monkeypatch.setattr(adapting, "tune_carefully", lambda held, config: config.replace(decode=tuned))
    metrics = iter([dict.fromkeys(adapting.METRICS, value)] for value in (0.5, 0.6))  # after, then before
    monkeypatch.setattr(adapting, "score_held", lambda *_: next(metrics))


def test_parts_follow_each_other_and_have_their_own_notes(tmp_path):
    (recording,) = recordings = find_recordings(record(tmp_path / "take", play(0)))
    folders = [cut_part(recordings, tmp_path, part, sample_rate=RATE) for part in ("train", "choose", "report")]
    audio = [load_audio(folder / "000.flac") for folder in folders]
    assert [len(part) / RATE for part in audio] == [12.0, 6.0, 6.0]
    np.testing.assert_allclose(np.concatenate(audio), load_audio(recording.audio), atol=1e-4)
    notes = [read_midi(folder / "000.mid").notes for folder in folders]
    onsets = np.concatenate([part["onset"] + begin for part, begin in zip(notes, (0.0, 12.0, 18.0), strict=True)])
    np.testing.assert_allclose(onsets, recording.performance.notes["onset"], atol=2e-3)


def test_last_quarter_decides_neither_weights_nor_thresholds(tmp_path, monkeypatch):
    first = play(0)
    until = first.notes["onset"] < 0.75 * SECONDS
    other_end = play(1).notes[play(1).notes["onset"] >= 0.75 * SECONDS]
    second = Performance(np.concatenate([first.notes[until], other_end]))
    audio = [render(performance, tone_piano(), duration=SECONDS) for performance in (first, second)]
    audio[1][: int(0.75 * SECONDS * RATE)] = audio[0][: int(0.75 * SECONDS * RATE)]
    audio[1][int(0.75 * SECONDS * RATE) :] += 0.05 * np.random.default_rng(0).standard_normal(6 * RATE)
    monkeypatch.setattr(Adaptation, "helped", True)  # else the old weights would come back
    monkeypatch.setattr(adapting, "WORTH_A_THRESHOLD", -1.0)  # tuned thresholds are always used
    monkeypatch.setattr(thresholds, "ONSET_GRID", {"onset_threshold": (0.35, 0.45)})  # the others take long
    monkeypatch.setattr(thresholds, "ENDING_GRID", {"release_shift": (0.0, 0.01)})
    results = []
    for name, performance, y in zip("ab", (first, second), audio, strict=True):
        record(tmp_path / name, performance)
        save_audio(tmp_path / name / "a.flac", y.astype(np.float32), sample_rate=RATE)
        model = build()
        work = tmp_path / f"{name}-parts"
        result = adapt(model, MICRO, find_recordings(tmp_path / name), work, minutes=1)
        results.append((model.state_dict(), result.config, (work / "report" / "000.mid").read_bytes()))
    (weights, config, end), (others, other_config, other) = results
    assert end != other
    for key, value in weights.items():
        assert torch.equal(value, others[key]), key
    assert config == other_config and config.decode != MICRO.decode
    assert any(not torch.equal(value, build().state_dict()[key]) for key, value in weights.items())


def test_last_quarter_is_cut_when_all_is_chosen(tmp_path, monkeypatch):
    there = []

    def tune(held, config):
        there.append(sorted(path.name for path in (tmp_path / "parts").iterdir()))
        return config

    monkeypatch.setattr(adapting, "tune_carefully", tune)
    adapt(build(), MICRO, find_recordings(record(tmp_path / "take", play(0))), tmp_path / "parts", minutes=1)
    assert there == [["choose", "train"]]
    assert (tmp_path / "parts" / "report" / "000.flac").is_file()


def test_fits_the_heads_alone_and_learns(tmp_path, monkeypatch):
    losses = []
    learn_alone = adapting.learn_alone

    def watched(part, draw_loss, *, judge, **options):
        losses.append((judge(part), learn_alone(part, draw_loss, judge=judge, **options)))

    monkeypatch.setattr(adapting, "learn_alone", watched)
    monkeypatch.setattr(Adaptation, "helped", True)
    model = build()
    adapt(model, MICRO, find_recordings(record(tmp_path / "take", play(0))), tmp_path / "parts", minutes=1)
    before = build().state_dict()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    heads = {"onset_head", *(f"duration_heads.{name}" for name in ("offset", "key_offset", "frame", "velocity"))}
    assert changed == {f"network.{head}.{kind}" for head in heads for kind in ("weight", "bias")}
    assert len(losses) == len(heads) and all(last < first for first, last in losses)


@pytest.mark.parametrize("name", ["residual_hcqt_hppnet", "hppnet", "onsets_frames", "unet"])
def test_heads_read_what_gives_the_logits(name, tmp_path):
    config = MICRO.replace(
        model={"name": name, "size": {"residual_hcqt_hppnet": "micro", "unet": "base"}.get(name, "tiny")}
    )
    model = build_model(config).eval()
    recordings = find_recordings(record(tmp_path / "take", play(0, 2.0), 2.0))
    heads = find_heads(model.network)
    heard = hear(model, heads, config, recordings[0].audio.parent, most=1, seconds=60)
    audio = torch.from_numpy(load_audio(recordings[0].audio))[None]
    with torch.no_grad():
        logits = model.network(model.feature(audio))
    for roll, head in heads.items():
        given = head(heard.inputs[roll].float()).reshape(-1, 88)
        torch.testing.assert_close(given, logits[roll][0, 5:-5], atol=0.02, rtol=0.02)  # kept in float16
        assert heard.targets[roll].shape == given.shape


def perfect(performance: Performance, *, peak: float) -> tuple[str, dict[str, np.ndarray], Performance]:
    """Activations of a network that makes no mistake, but says so only with probability ``peak``."""
    rolls = make_rolls(performance, 1 + round(SECONDS / MICRO.feature.frame_seconds), MICRO)
    return "a", rolls | {"onset": peak * rolls["onset"]}, performance


def test_thresholds_are_kept_unless_tuned_ones_find_more_in_every_recording():
    config = MICRO.replace(decode={"onset_threshold": 0.6})
    clear, quiet = perfect(play(0), peak=1.0), perfect(play(1), peak=0.5)
    assert tune_carefully([clear], config) == config
    assert tune_carefully([clear, quiet], config).decode.onset_threshold < 0.5
    name, rolls, performance = perfect(play(2), peak=1.0)
    ghosts = perfect(play(3), peak=0.55)[1]["onset"]  # notes that were not played, found by the lower thresholds
    noisy = name, rolls | {"onset": np.maximum(rolls["onset"], ghosts)}, performance
    assert tune_onset([quiet, quiet, noisy], config)["onset_threshold"] < 0.5
    assert tune_carefully([quiet, quiet, noisy], config) == config


def test_weights_that_do_not_help_are_not_written(tmp_path, capsys, monkeypatch):
    takes, out = record(tmp_path / "takes", play(0)), tmp_path / "out.safetensors"
    card = {"config": MICRO.to_dict(), "version": "1"}
    mine = save_weights(tmp_path / "mine.safetensors", build().state_dict(), card)
    command = ["adapt", "--recordings", str(takes), "--weights", str(mine), "--out", str(out)]
    with monkeypatch.context() as worse:
        get_worse(worse)
        assert main(command) == 0
    assert "60.0 ->  50.0" in (said := capsys.readouterr().out) and "nothing is written" in said
    assert not out.exists()
    monkeypatch.setattr(Adaptation, "helped", True)
    assert main(command) == 0
    model, _, card = load_weights(out)
    assert card["adapted"]["fitted_to_seconds"] > 5 and card["adapted"]["from"] == "mine.safetensors"
    before = load_weights(mine)[0].state_dict()
    assert any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_old_weights_come_back_where_the_new_ones_are_worse(tmp_path, monkeypatch):
    get_worse(monkeypatch)
    model = build()
    result = adapt(model, MICRO, find_recordings(record(tmp_path / "take", play(0))), tmp_path / "parts", minutes=1)
    assert not result.helped and result.config == MICRO
    for name, value in build().state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_short_recordings_are_refused(tmp_path):
    recordings = find_recordings(record(tmp_path / "take", play(0, 8.0), 8.0))
    with pytest.raises(AmtError, match="shorter than 20 s"):
        adapt(build(), MICRO, recordings, tmp_path / "parts", minutes=1)
