"""Notes -> targets -> decoding comes back."""

import dataclasses

import numpy as np
import pytest

from amt_utils.config import Config, change_config, config_names, load_config
from amt_utils.evaluation.metrics import score_performance
from amt_utils.music.notes import Performance, make_notes, make_pedals
from amt_utils.system.errors import AmtError
from amt_utils.training.targets import make_rolls
from amt_utils.transcription.decode import find_peaks
from amt_utils.transcription.performance import decode_performance


def performance(seed: int = 0, n: int = 120) -> Performance:
    rng = np.random.default_rng(seed)
    on, off, pitch, velocity, free = [], [], [], [], {}
    for time in np.sort(rng.uniform(0.2, 18, n)):
        key = int(rng.integers(21, 109))
        if free.get(key, 0) > time:
            continue
        end = time + rng.uniform(0.12, 1.0)
        free[key] = end + 0.12
        on, off = [*on, time], [*off, end]
        pitch, velocity = [*pitch, key], [*velocity, int(rng.integers(10, 120))]
    pedals = make_pedals([1.0, 5.013, 9.0, 12.0], [3.0, 8.0, 9.5, 12.4], [0, 0, 1, 2])
    return Performance(make_notes(on, off, pitch, velocity), pedals)


@pytest.mark.parametrize("mode", ["soft", "grid"])
@pytest.mark.parametrize("hop", [320, 160])
def test_targets_decode_to_the_notes_they_came_from(mode, hop):
    config = Config().replace(target={"mode": mode}, feature={"hop_length": hop})
    played = performance()
    frames = int(20 / config.feature.frame_seconds)
    rolls = make_rolls(played, frames, config)
    heard = decode_performance(rolls, config)
    assert len(heard.notes) == len(played.notes)
    scores = score_performance(played, heard)
    assert scores["note_f1"] == scores["note_velocity_f1"] == 1.0
    assert scores["note_offset_f1"] > 0.99
    assert scores["pedal_sustain_offset_f1"] == scores["pedal_sostenuto_f1"] == scores["pedal_soft_f1"] == 1.0
    worst = np.abs(np.sort(played.notes["onset"]) - np.sort(heard.notes["onset"])).max()
    # soft targets carry times finer than a frame, grid targets half a frame
    assert worst < (0.002 if mode == "soft" else 0.51 * config.feature.frame_seconds)


def test_a_window_of_rolls_equals_the_rolls_of_the_whole():
    config, played = Config(), performance(1)
    whole = make_rolls(played, 900, config)
    part = make_rolls(played, 300, config, start=200 * 0.02)
    for name, roll in part.items():
        assert np.allclose(roll, whole[name][200:500], atol=1e-5), name


def test_soft_triangle_peaks_at_the_true_time():
    config = Config()
    note = Performance(make_notes([0.107], [0.5], [60], [64]))
    onset = make_rolls(note, 40, config)["onset"][:, 39]
    assert onset[5] == pytest.approx(1 - 0.35 / 2, abs=1e-6)
    assert onset[6] == pytest.approx(1 - 0.65 / 2, abs=1e-6)
    _, times = find_peaks(onset, 0.3)
    assert times == pytest.approx([5.35], abs=1e-6)


def test_sounding_and_key_ends_differ_under_the_pedal():
    held = Performance(make_notes([0.1], [0.3], [60], [64]), make_pedals([0.2], [1.0], [0]))
    rolls = make_rolls(held, 80, Config())
    assert rolls["offset"][:, 39].argmax() == 50
    assert rolls["key_offset"][:, 39].argmax() == 15
    assert rolls["frame"][49, 39] == 1
    assert rolls["frame"][51, 39] == 0
    assert np.array_equal(np.flatnonzero(rolls["frame_ex"][:, 39]), np.arange(6, 50))
    assert rolls["pedal"][:, 0].sum() == 40


def test_positive_cells_are_rare():
    config = Config().replace(target={"mode": "grid"})
    share = make_rolls(performance(n=400), 1000, config)["onset"].mean()
    assert 0.0005 < share < 0.01


def test_unknown_mode_is_refused():
    with pytest.raises(AmtError, match="soft.*grid"):
        make_rolls(performance(), 10, Config().replace(target={"mode": "wide"}))


def test_restruck_key_ends_the_note_before():
    twice = Performance(make_notes([0.1, 0.5], [0.4, 0.9], [60, 60], [64, 30]), make_pedals([0.2], [2.0], [0]))
    heard = decode_performance(make_rolls(twice, 150, Config()), Config())
    assert len(heard.notes) == 2
    sounding = heard.with_ends("sounding")
    assert sounding["offset"][0] == pytest.approx(0.5, abs=0.01)
    assert sounding["offset"][1] == pytest.approx(2.0, abs=0.03)
    assert heard.notes["offset"] == pytest.approx([0.4, 0.9], abs=0.01)


def test_silence_decodes_to_nothing():
    rolls = make_rolls(Performance(make_notes([], [], [], [])), 50, Config())
    heard = decode_performance(rolls, Config())
    assert len(heard.notes) == len(heard.pedals) == 0


def test_configuration_round_trip_and_unknown_field():
    config = Config().replace(model={"size": "tiny"}, train={"epochs": 3})
    assert Config.from_dict(config.to_dict()) == config
    with pytest.raises(AmtError, match="colour"):
        Config.from_dict({"model": {"colour": 1}})
    assert dataclasses.replace(config.model, size="base") == Config().model


def test_shipped_configurations_build_and_fields_can_be_set():
    for name in config_names():
        assert load_config(name).data.recordings == ("maestro",)
    changed = change_config(load_config("tiny"), ["train.epochs=3", "model.size=base", 'data.midi=["maestro"]'])
    assert (changed.train.epochs, changed.model.size, changed.data.midi) == (3, "base", ("maestro",))
    wrong_ones = ("epochs=3", "train.epochs", "train.colour=1", "piano.size=2")
    for wrong in (*wrong_ones, "train.epochs=abc", "decode.time_shift=true"):
        with pytest.raises(AmtError):
            change_config(Config(), [wrong])
    with pytest.raises(AmtError, match="shipped ones"):
        load_config("nowhere")


def test_onsets_and_ends_are_moved_but_not_before_the_beginning_or_beyond_the_next_strike():
    played = Performance(make_notes([0.0, 0.01, 1.0, 1.5], [0.05, 0.5, 1.5, 1.8], [60, 64, 67, 67], [50, 60, 70, 70]))
    rolls = make_rolls(played, 100, Config())
    plain = decode_performance(rolls, Config()).notes
    moved = decode_performance(rolls, Config().replace(decode={"time_shift": -0.02, "release_shift": 0.01})).notes
    assert moved["onset"] == pytest.approx(np.maximum(plain["onset"] - 0.02, 0), abs=1e-9)
    assert moved["offset"][[0, 1, 3]] == pytest.approx(plain["offset"][[0, 1, 3]] + 0.01, abs=1e-9)
    assert moved["offset"][2] == pytest.approx(min(plain["offset"][2] + 0.01, moved["onset"][3]), abs=1e-9)
    earlier = decode_performance(rolls, Config().replace(decode={"release_shift": -0.9})).notes
    assert earlier["offset"] == pytest.approx(plain["onset"] + Config().decode.min_note_seconds, abs=1e-9)


def test_a_pedals_release_is_moved_but_not_into_the_next_press():
    played = Performance(
        make_notes([0.1], [1.9], [60], [64]), make_pedals([0.2, 0.6, 1.2], [0.5, 1.15, 1.6], [0, 0, 0])
    )
    rolls = make_rolls(played, 100, Config())
    plain = decode_performance(rolls, Config()).pedals
    moved = decode_performance(rolls, Config().replace(decode={"pedal_release_shift": 0.04})).pedals
    assert moved["onset"] == pytest.approx(plain["onset"]) and len(moved) == 3
    later = moved["offset"] - plain["offset"]
    assert later[[0, 2]] == pytest.approx([0.04, 0.04])
    assert later[1] == pytest.approx((plain["onset"][2] - plain["offset"][1]) / 2)
