"""Windows depend on seed and index alone, and their labels fit their sound."""

import dataclasses

import numpy as np
import pytest
import torch

from amt_utils.audio.features import HCQT
from amt_utils.audio.reading import save_audio
from amt_utils.config import KEY_ROLLS, Config, FeatureConfig
from amt_utils.data.maestro.miniature import make_miniature
from amt_utils.data.performances import load_performances
from amt_utils.data.synth import DECIBELS_PER_VELOCITY
from amt_utils.models import build_model
from amt_utils.music.midi import write_midi
from amt_utils.music.notes import Performance, make_notes
from amt_utils.system.errors import AmtError
from amt_utils.training.losses import compute_losses, total_loss
from amt_utils.training.variations import vary_octaves
from amt_utils.training.windows import ResumableSampler, WindowDataset
from amt_utils.transcription.transcriber import Transcriber


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    return make_miniature(tmp_path_factory.mktemp("miniature"), sample_rate=16_000, stereo=False)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AMT_WORK", str(tmp_path))


def configure(miniature, **data) -> Config:
    data = {"recordings": (str(miniature),), "midi": (str(miniature),), "window_seconds": 2.0, **data}
    return Config().replace(data=data)


@pytest.mark.parametrize("augment", [True, False])
def test_windows_are_functions_of_the_index(miniature, augment):
    config = configure(miniature, augment=augment)
    one, two = WindowDataset(config), WindowDataset(config)
    for index in (0, 7, 123_456_789):
        a, b = one[index], two[index]
        assert all(torch.equal(a[name], b[name]) for name in a)
        assert a["audio"].shape == (32_000,)
        assert a["onset"].shape == (101, 88)
        assert a["mask"].shape == (101,)
        assert a["audio"].abs().max() <= 1
    assert not torch.equal(one[0]["audio"], one[1]["audio"])


def test_drills_noise_and_devices_are_functions_of_the_index_too(miniature):
    shares = {"drill_share": 0.5, "noise": str(miniature), "noise_share": 0.5, "device_share": 0.5}
    folder = next(p.parent for p in miniature.rglob("*.wav"))
    config = configure(miniature, **shares | {"noise": str(folder)})
    one, two, without = WindowDataset(config), WindowDataset(config), WindowDataset(configure(miniature))
    differing = 0
    for index in range(8):
        a, b = one[index], two[index]
        assert all(torch.equal(a[name], b[name]) for name in a)
        assert torch.isfinite(a["audio"]).all() and a["audio"].abs().max() <= 1
        differing += not torch.equal(a["audio"], without[index]["audio"])
    assert differing > 4


@pytest.mark.parametrize("share", [(1.0, 0.0), (0.0, 1.0)])
def test_labels_fit_the_sound(miniature, share):
    """After an onset its key's bins are louder than before, in recordings and in renderings, also when detuned."""
    dataset = WindowDataset(configure(miniature, recordings_weight=share[0], midi_weight=share[1]))
    feature = HCQT(FeatureConfig(harmonics=(1.0,)))
    rises, elsewhere = [], []
    for index in range(12):
        item = dataset[index]
        keys = feature(item["audio"][None])[0, 0].reshape(101, 88, 4).amax(-1)
        for frame, key in (item["onset"] > 0.7).nonzero().tolist():
            if 12 <= frame <= 95:
                rises.append(float(keys[frame + 3, key] - keys[frame - 4, key]))
                elsewhere.append(float(keys[frame - 5, key] - keys[frame - 12, key]))
    assert len(rises) > 30
    assert np.mean(np.array(rises) > 0.02) > 0.7
    assert np.mean(rises) > np.mean(elsewhere) + 0.1


def test_another_sample_rate_renders_augments_trains_and_transcribes(miniature, tmp_path):
    """At 22,050 Hz every part of a window's making has that rate: keys land in their bins, and a step learns."""
    rate = 22_050
    noise = next(p.parent for p in miniature.rglob("*.wav"))
    room = np.random.default_rng(0).standard_normal(rate // 4) * np.exp(-np.arange(rate // 4) / 2000)
    room[0] = 6.0  # the direct sound
    save_audio(tmp_path / "rooms" / "room.wav", 0.5 * room / np.abs(room).max(), sample_rate=rate)
    config = configure(
        miniature, impulse_responses=str(tmp_path / "rooms"), noise=str(noise), noise_share=0.3, device_share=0.5
    ).replace(feature={"sample_rate": rate, "hop_length": 441}, model={"size": "micro"})
    dataset = WindowDataset(config)
    assert dataset.around.rooms[0].size == rate // 4 and dataset.pianos[0].sample_rate == rate
    feature, rises = HCQT(dataclasses.replace(config.feature, harmonics=(1.0,))), []
    items = [dataset[index] for index in range(12)]
    for item in items:
        assert item["audio"].shape == (2 * rate,) and item["onset"].shape == (101, 88)
        keys = feature(item["audio"][None])[0, 0].reshape(101, 88, 4).amax(-1)
        struck = [(t, key) for t, key in (item["onset"] > 0.7).nonzero().tolist() if 12 <= t <= 95]
        rises += [float(keys[t + 3, key] - keys[t - 4, key]) for t, key in struck]
    assert len(rises) > 30 and np.mean(np.array(rises) > 0.02) > 0.6

    model = build_model(config)
    batch = {name: torch.stack([item[name] for item in items[:2]]) for name in items[0]}
    optimizer, losses = torch.optim.AdamW(model.parameters(), 3e-3), []
    for _ in range(3):
        loss = total_loss(compute_losses(model(batch["audio"]), batch, config.loss), config.loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert losses[-1] < losses[0]
    config = config.replace(decode={"onset_threshold": 0.05})
    transcriber = Transcriber.from_model(model.eval(), config)
    transcriber.tuning = 440.0
    assert len(transcriber.activations(items[0]["audio"].numpy())["onset"]) == 101
    path = save_audio(tmp_path / "five.wav", np.tile(items[0]["audio"].numpy(), 2), sample_rate=44_100)
    assert len(transcriber.activations(path)["onset"]) == 2 * rate * 2 * rate // 44_100 // 441 + 1


def test_velocity_tells_how_loud_a_note_sounds(miniature):
    """Whatever the gain of a window and the touch of its piano: one scale from velocity to level."""
    dataset = WindowDataset(configure(miniature, recordings=()))
    feature = HCQT(FeatureConfig(harmonics=(1.0,)))
    velocity, level = [], []
    for index in range(20):
        item = dataset[index]
        keys = feature(item["audio"][None])[0, 0].reshape(101, 88, 4).amax(-1)
        for frame, key in (item["onset"] > 0.7).nonzero().tolist():
            if frame < 95 and 30 <= key <= 60 and keys[frame + 3].argmax() == key:  # not drowned in a louder note
                velocity.append(127 * float(item["velocity"][frame, key]))
                level.append(100 * float(keys[frame + 3, key]))
    assert len(velocity) > 20
    slope, _ = np.polyfit(velocity, level, 1)
    assert slope == pytest.approx(DECIBELS_PER_VELOCITY, rel=0.25)
    assert np.corrcoef(velocity, level)[0, 1] > 0.8


def test_recordings_can_teach_differences_of_velocity_alone(miniature):
    item = WindowDataset(configure(miniature, midi=(), recordings_velocity=False))[0]
    batch = {name: value[None] for name, value in item.items()}
    assert float(batch["velocity_relative"]) == 1
    logits = {name: torch.zeros_like(batch[name]) for name in ("pedal", *KEY_ROLLS)}

    def slope_at(velocity: torch.Tensor, relative: float) -> float:
        """How much the velocity loss would change with the logits of ``velocity``."""
        heard = logits["velocity"] = torch.logit(velocity.clamp(0.01, 0.99)).requires_grad_()
        known = {**batch, "velocity_relative": torch.tensor([relative])}
        compute_losses(logits, known, Config().loss)["velocity"].backward()
        return float(heard.grad.abs().sum())

    right = batch["velocity"] * 0.5 + 0.25
    batch["velocity"] = right + 0.1
    assert slope_at(right, relative=1) < 1e-4 < slope_at(right, relative=0)
    assert slope_at(1 - right, relative=1) > 1e-3
    assert float(WindowDataset(configure(miniature, midi=()))[0]["velocity_relative"]) == 0


def test_short_recordings_are_padded_and_masked(miniature):
    dataset = WindowDataset(configure(miniature, midi=(), window_seconds=120.0, augment=False))
    item = dataset[3]
    seconds = float(item["mask"].sum()) * 0.02
    assert 1 < seconds < 119
    assert float(item["audio"][int(seconds * 16_000) + 400 :].abs().max()) == 0


def test_splits_are_kept_and_parsed_once(miniature, tmp_path):
    train = load_performances(miniature, split="train")
    test = load_performances(miniature, split="test")
    assert len(train) > len(test) > 0
    assert len(list((tmp_path / "cache").glob("*.npz"))) == 2
    again = load_performances(miniature, split="train")
    assert all(np.array_equal(a.notes, b.notes) for a, b in zip(train, again, strict=True))
    with pytest.raises(AmtError, match="no MIDI files for split"):
        load_performances(miniature, split="rehearsal")


def test_midi_changed_deep_in_a_folder_is_read_anew(tmp_path):
    for name, pitches in (("a", [60]), ("b", [62])):
        write_midi(tmp_path / "takes" / name / "take.mid", Performance(make_notes([0.0], [1.0], pitches, [80])))
    assert [int(p.notes["pitch"][0]) for p in load_performances(tmp_path / "takes")] == [60, 62]
    write_midi(tmp_path / "takes" / "b" / "take.mid", Performance(make_notes([0.0], [1.0], [72], [80])))
    assert [int(p.notes["pitch"][0]) for p in load_performances(tmp_path / "takes")] == [60, 72]


def test_no_source_or_a_missing_one_is_named(tmp_path):
    with pytest.raises(AmtError, match="both empty"):
        WindowDataset(Config())
    with pytest.raises(AmtError, match="nowhere"):
        WindowDataset(Config().replace(data={"midi": (str(tmp_path / "nowhere"),)}))


def test_the_sampler_goes_on_where_it_stopped():
    sampler = ResumableSampler(12)
    assert list(sampler) == list(range(12))
    resumed = ResumableSampler(12)
    resumed.load_state_dict({"position": 17})
    assert list(resumed) == list(range(17, 24))
    assert len(resumed) == 7
    both = [ResumableSampler(12, rank=r, replicas=2) for r in (0, 1)]
    assert sorted(i for s in both for i in s) == list(range(12))


def test_octaves_vary_and_stay_about_as_many():
    rng = np.random.default_rng(0)
    onset = np.repeat(np.arange(300) * 0.2, 2) + rng.uniform(0, 0.01, 600)
    pitch = np.stack([rng.integers(30, 90, 300), np.zeros(300, int)], axis=1)
    pitch[:, 1] = pitch[:, 0] + np.where(rng.random(300) < 0.3, 12, 7)
    notes = make_notes(onset, onset + 0.15, pitch.ravel(), np.full(600, 60))

    def doublings(notes):
        together = np.abs(notes["onset"][:, None] - notes["onset"]) < 0.03
        return int((together & (notes["pitch"][:, None] - notes["pitch"] == 12)).sum())

    varied = vary_octaves(notes, rng)
    kept = np.isin(notes[["onset", "pitch"]], varied[["onset", "pitch"]])
    assert 0.3 * doublings(notes) < (~kept).sum() < 0.7 * doublings(notes)
    assert 0.6 * doublings(notes) < doublings(varied) < 1.4 * doublings(notes)
    assert varied["pitch"].max() <= 108
