"""Losses by hand: what counts, how much, and what the switches change."""

import math

import pytest
import torch

from amt_utils.config import Config
from amt_utils.system.errors import AmtError
from amt_utils.training.losses import compute_losses, focal_loss, roll_loss


@pytest.fixture
def batch():
    shape = (1, 10, 88)
    rolls = {name: torch.zeros(shape) for name in ("onset", "offset", "key_offset", "frame", "frame_ex", "velocity")}
    rolls["onset"][0, 2, 40] = 1
    rolls["frame"][0, 2:6, 40] = 1
    rolls["frame_ex"][0, 3:6, 40] = 1
    rolls["velocity"][0, 2:6, 40] = 0.5
    pedal = torch.zeros(1, 10, 3)
    pedal[0, 4:, 0] = 1
    return {**rolls, "pedal": pedal, "mask": torch.ones(1, 10)}


@pytest.fixture
def logits(batch):
    generator = torch.Generator().manual_seed(0)
    names = ("onset", "offset", "key_offset", "frame", "velocity", "pedal")
    return {name: torch.randn(batch[name].shape, generator=generator) for name in names}


def losses(logits, batch, **settings):
    return compute_losses(logits, batch, Config().replace(loss=settings).loss)


def test_frame_ex_leaves_onset_frames_out_of_the_frame_term_alone(logits, batch):
    usual, without = losses(logits, batch), losses(logits, batch, frame_target="frame_ex")
    assert {name for name in usual if usual[name] != without[name]} == {"frame"}
    moved = {**logits, "frame": logits["frame"].clone()}
    moved["frame"][0, 2, 40] += 5  # what is predicted in the onset's own frame does not count
    assert losses(moved, batch, frame_target="frame_ex")["frame"] == without["frame"]
    assert losses(moved, batch)["frame"] != usual["frame"]
    with pytest.raises(AmtError, match="frame_target"):
        losses(logits, batch, frame_target="x")


def test_the_pedals_loss_has_a_kind_and_a_weight_of_its_own(logits, batch):
    usual = losses(logits, batch)
    for settings in ({"pedal_kind": "focal"}, {"pedal_kind": "dice"}, {"pedal_pos_weight": 2.0}):
        changed = losses(logits, batch, **settings)
        assert {name for name in usual if usual[name] != changed[name]} == {"pedal"}
    assert losses(logits, batch, kind="focal")["pedal"] == usual["pedal"]


def test_the_focal_exponent_is_the_configurations(logits, batch):
    assert losses(logits, batch, kind="focal", focal_gamma=0.0)["onset"] == losses(logits, batch)["onset"]
    assert losses(logits, batch, kind="focal", focal_gamma=4.0)["onset"] < losses(logits, batch, kind="focal")["onset"]
    one = torch.zeros(1)  # probability 1/2: the loss is damped by (1/2) ** gamma
    expected = math.log(2) / 8
    assert focal_loss(one, torch.ones(1), torch.ones(1), 1.0, gamma=3.0).item() == pytest.approx(expected)


def test_unknown_kinds_are_named():
    with pytest.raises(AmtError, match="bce, focal or dice"):
        roll_loss("x", torch.zeros(1), torch.zeros(1), torch.ones(1), 1.0)
