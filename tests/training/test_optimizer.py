"""Muon's steps, AdamW beside it, and the way back from a stored state."""

import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

from amt_utils.config import Config
from amt_utils.models import build_model
from amt_utils.system.errors import AmtError
from amt_utils.training.optimizer import Muon, make_optimizer, orthogonalise

MICRO = Config().replace(model={"size": "micro"})


def step(model, optimizer, seed):
    torch.manual_seed(seed)
    logits = model(torch.randn(1, 6400) * 0.1)
    sum(value.square().mean() for value in logits.values()).backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def build(config=MICRO):
    torch.manual_seed(0)
    return build_model(config)


@pytest.mark.parametrize("shape", [(1, 24, 80), (4, 48, 16), (2, 20, 20)])
def test_singular_values_become_one(shape):
    torch.manual_seed(0)
    matrices = torch.randn(shape) * torch.logspace(0, -1.5, shape[-1])
    values = torch.linalg.svdvals(orthogonalise(matrices))
    assert torch.linalg.svdvals(matrices).min() < 0.2 * torch.linalg.svdvals(matrices).max()
    assert values.min() > 0.3 and values.max() < 1.3
    assert orthogonalise(torch.zeros(shape)).abs().max() == 0


def test_each_gate_of_an_lstm_has_its_own_step():
    lstm = nn.LSTM(6, 5)
    gradient = torch.randn(20, 6)
    gradient[:5] *= 1000  # one loud gate does not drown the others
    lstm.weight_ih_l0.grad, before = gradient, lstm.weight_ih_l0.detach().clone()
    make_optimizer(lstm, Config().replace(train={"learning_rate": 0.1, "weight_decay": 0.0})).step()
    sizes = (lstm.weight_ih_l0.detach() - before).view(4, -1).norm(dim=1)
    assert sizes.max() < 1.5 * sizes.min()


def test_convolutions_and_lstms_step_as_far_as_the_heads():
    model = build()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    step(model, make_optimizer(model, MICRO.replace(train={"learning_rate": 1e-3, "weight_decay": 0.0})), 1)
    for name, p in model.named_parameters():
        change = float((p.detach() - before[name]).square().mean().sqrt())
        assert 1e-5 < change < 1.1e-3, name


def test_adamw_is_torchs():
    config = MICRO.replace(train={"optimizer": "adamw", "weight_decay": 0.0})
    ours, theirs = build(), build()
    mine = make_optimizer(ours, config)
    other = torch.optim.AdamW(theirs.parameters(), lr=config.train.learning_rate, weight_decay=0.0)
    for seed in range(3):
        step(ours, mine, seed)
        step(theirs, other, seed)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_goes_on_from_its_state(tmp_path):
    model = build()
    optimizer = make_optimizer(model, MICRO)
    step(model, optimizer, 1)
    again = copy.deepcopy(model)
    torch.save(optimizer.state_dict(), tmp_path / "state.pt")
    restored = make_optimizer(again, MICRO)
    restored.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    step(model, optimizer, 2)
    step(again, restored, 2)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_every_weight_is_in_one_group():
    model = build()
    optimizer = make_optimizer(model, MICRO)
    assert isinstance(optimizer, Muon)
    grouped = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())


def test_an_unknown_optimizer_is_named():
    with pytest.raises(AmtError, match=r"train.optimizer: expected one of muon, adamw, found 'sgd'"):
        make_optimizer(build(), MICRO.replace(train={"optimizer": "sgd"}))


@pytest.mark.skipif(sys.platform != "linux", reason="for Linux's C library")
def test_memory_that_was_given_back_is_taken_again():
    # pages fetched from the system once the same large tensor has been made a few times, without and with
    code = (
        "import resource, sys, torch; from amt_utils.system.memory import keep_memory\n"
        "if sys.argv[1] == 'keep': keep_memory()\n"
        "for _ in range(30): torch.ones(25_000_000)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(5): torch.ones(25_000_000)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)"
    )
    words = [sys.executable, "-c", code]
    given_back, kept = (int(subprocess.check_output([*words, mode], text=True)) for mode in ("give", "keep"))
    assert kept < 0.05 * given_back or given_back < 1000  # another C library may keep it by itself
