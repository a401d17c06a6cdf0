"""Networks: shapes, sizes, where gradients go, and whether one bar can be learnt by heart."""

import numpy as np
import pytest
import torch

from amt_utils.config import Config
from amt_utils.decode import decode_performance
from amt_utils.errors import AmtError
from amt_utils.losses import compute_losses, total_loss
from amt_utils.models import HEADS, build_model, count_parameters
from amt_utils.models.blocks import HDConv, Intervals, read_floor
from amt_utils.notes import Performance, make_notes
from amt_utils.synth import render, simple_tone_piano
from amt_utils.targets import make_rolls
from amt_utils.transcribe import Transcriber
from amt_utils.validate import score_notes

MICRO = Config().replace(model={"size": "micro"})
NETWORKS = [
    ("residual_hcqt_hppnet", "micro", "hcqt"),
    ("residual_hcqt_hppnet", "tiny", "hcqt"),
    ("hppnet", "tiny", "cqt"),
    ("hppnet", "sp", "cqt"),
    ("onsets_frames", "tiny", "logmel"),
    ("unet", "tiny", "hcqt"),
]


def configure(name: str, size: str, kind: str) -> Config:
    return Config().replace(model={"name": name, "size": size}, feature={"kind": kind})


@pytest.mark.parametrize(("name", "size", "kind"), NETWORKS)
@pytest.mark.parametrize("samples", [16_000, 12_345])
def test_shapes(name, size, kind, samples):
    with torch.inference_mode():
        logits = build_model(configure(name, size, kind)).eval()(torch.randn(2, samples) * 0.1)
    frames = samples // 320 + 1
    assert {n: tuple(v.shape) for n, v in logits.items()} == dict.fromkeys(HEADS, (2, frames, 88)) | {
        "pedal": (2, frames, 3)
    }
    assert all(torch.isfinite(v).all() for v in logits.values())


@pytest.mark.parametrize(
    ("name", "size", "low", "high"),
    [
        ("residual_hcqt_hppnet", "tiny", 0.7e6, 0.9e6),
        ("residual_hcqt_hppnet", "base", 1.2e6, 1.5e6),
        ("residual_hcqt_hppnet", "large", 2e6, 6e6),
        ("hppnet", "base", 0.7e6, 1.1e6),
        ("hppnet", "sp", 1.0e6, 1.6e6),
        ("onsets_frames", "base", 20e6, 60e6),
        ("unet", "base", 0.5e6, 2e6),
    ],
)
def test_parameter_counts(name, size, low, high):
    assert low < count_parameters(build_model(configure(name, size, "hcqt"))) < high


def gradients(detach: bool, *, only: tuple[str, ...]) -> tuple[float, float]:
    """Largest gradient on the onset trunk and on the rest when only some heads have a loss."""
    torch.manual_seed(0)
    model = build_model(MICRO.replace(model={"detach_onset": detach}))
    logits = model(torch.randn(1, 16_000) * 0.1)
    sum(logits[name].square().sum() for name in only).backward()
    onset = {id(p) for p in model.network.onset_parameters()}
    sizes = [(id(p) in onset, 0.0 if p.grad is None else float(p.grad.abs().max())) for p in model.parameters()]
    return max(g for mine, g in sizes if mine), max(g for mine, g in sizes if not mine)


def test_no_duration_loss_reaches_the_onset_trunk():
    lasting = ("offset", "key_offset", "frame", "velocity", "pedal")
    on_onset, on_rest = gradients(True, only=lasting)
    assert on_onset == 0.0
    assert on_rest > 0
    on_onset, on_rest = gradients(True, only=("onset",))
    assert on_onset > 0
    assert on_rest == 0.0
    assert gradients(False, only=lasting)[0] > 0  # without the switch it does reach it


def test_one_bar_is_learnt_by_heart():
    pitches = [60, 64, 67, 72, 48, 55, 76, 72]
    on = np.arange(8) * 0.25 + 0.1
    bar = Performance(make_notes(on, on + 0.22, pitches, [40, 60, 80, 100, 50, 70, 90, 110]))
    audio = render(bar, simple_tone_piano(), duration=2.4)
    config = MICRO.replace(target={"mode": "grid"})  # soft targets have an entropy of their own
    torch.manual_seed(0)
    model = build_model(config)
    batch = {k: torch.from_numpy(v)[None] for k, v in make_rolls(bar, 121, config).items()}
    batch["mask"] = torch.ones(1, 121)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(160):  # the norms' running averages need them: after 100, half a chance
        terms = compute_losses(model(torch.from_numpy(audio)[None]), batch, config.loss)
        loss = total_loss(terms, config.loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float((terms["onset"] + terms["frame"]).detach()))
    assert losses[-1] < 0.2 * losses[0]
    heard = Transcriber.from_model(model, config, device="cpu").activations(audio)
    assert score_notes(bar, decode_performance(heard, config)) == 1.0


def test_masked_frames_do_not_count():
    torch.manual_seed(0)
    config = MICRO
    logits = {n: torch.randn(1, 50, 88) for n in HEADS} | {"pedal": torch.randn(1, 50, 3)}
    empty = {k: torch.from_numpy(v)[None] for k, v in make_rolls(_none(), 50, config).items()}
    mask = torch.zeros(1, 50)
    mask[:, :20] = 1
    before = compute_losses(logits, {**empty, "mask": mask}, config.loss)
    for roll in logits.values():
        roll[:, 20:] = 100.0
    after = compute_losses(logits, {**empty, "mask": mask}, config.loss)
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("kind", ["bce", "focal", "dice"])
def test_every_loss_prefers_the_truth(kind):
    bar = Performance(make_notes([0.1, 0.5], [0.4, 0.9], [60, 64], [60, 90]))
    batch = {k: torch.from_numpy(v)[None] for k, v in make_rolls(bar, 50, MICRO).items()}
    batch["mask"] = torch.ones(1, 50)
    config = MICRO.replace(loss={"kind": kind}).loss
    right = {n: (batch[n] * 12 - 6) for n in (*HEADS, "pedal")}
    wrong = {n: -v for n, v in right.items()}
    assert total_loss(compute_losses(right, batch, config), config) < total_loss(
        compute_losses(wrong, batch, config), config
    )


def test_unknown_names_are_refused():
    for change in ({"name": "mystery"}, {"size": "enormous"}, {"norm": "group"}):
        with pytest.raises(AmtError):
            build_model(Config().replace(model=change))


def _none() -> Performance:
    return Performance(make_notes([], [], [], []))


def test_floor_lies_between_the_partials():
    x = torch.full((1, 3, 5, 352), 0.2)
    x[:, :, 2, ::8] = 0.9  # partials
    x[:, :, 4] += 0.1  # open strings answer everywhere
    floor = read_floor(x, 16)
    assert floor.shape == (1, 5, 66)
    torch.testing.assert_close(floor[0, :, 0], torch.tensor([0.2, 0.2, 0.2, 0.2, 0.3]))


def test_harmonic_convolution_takes_weights_with_a_centre_in_each_branch():
    torch.manual_seed(0)
    conv = HDConv(3, 5, (1, 2, 3), bins_per_octave=48)
    assert [tuple(branch.weight.shape) for branch in conv.branches] == [(5, 3, 1, 3), (5, 3, 1, 2), (5, 3, 1, 2)]
    old = {f"branches.{i}.weight": torch.randn(5, 3, 1, 3) for i in range(3)} | {"branches.0.bias": torch.randn(5)}
    kept = {name: weight.clone() for name, weight in old.items()}
    conv.load_state_dict(old)
    assert all(torch.equal(old[name], kept[name]) for name in old)
    x = torch.randn(2, 3, 7, 352)
    before = old["branches.0.bias"].view(1, 5, 1, 1) + sum(
        torch.nn.functional.conv2d(x, old[f"branches.{i}.weight"], padding=(0, d), dilation=(1, d))
        for i, d in enumerate((1, 48, 76))
    )
    torch.testing.assert_close(conv(x), before, atol=1e-4, rtol=1e-4)
    again = HDConv(3, 5, (1, 2, 3), bins_per_octave=48)
    again.load_state_dict(conv.state_dict())
    assert torch.equal(again(x), conv(x))


def test_intervals_are_a_depthwise_convolution_along_the_keys():
    intervals = Intervals(4, 36)
    x = torch.randn(2, 4, 6, 88)
    assert not intervals(x).any()  # it begins silent
    torch.nn.init.normal_(intervals.template)
    slow = torch.nn.functional.conv2d(x, intervals.template[:, None, None], padding=(0, 36), groups=4)
    torch.testing.assert_close(intervals(x), slow, atol=1e-4, rtol=1e-4)
    one = torch.zeros(1, 4, 1, 88)
    one[..., 48] = 1.0
    intervals.template.data.zero_()
    intervals.template.data[2, 36 + 19] = 1.0  # the twelfth above
    assert intervals(one).nonzero().tolist() == [[0, 2, 0, 48 - 19]]


def test_intervals_and_subframes_reach_the_network():
    config = MICRO.replace(model={"intervals": 36}, feature={"subframes": 2})
    model = build_model(config)
    logits = model(torch.randn(2, 12_345) * 0.1)
    assert logits["onset"].shape == (2, 39, 88) and logits["pedal"].shape == (2, 39, 3)
    logits["frame"].square().mean().backward()
    assert model.network.duration_keys[3].intervals.template.grad.any()
    assert model.network.onset_stem.first[0].weight.shape[1] == 6
