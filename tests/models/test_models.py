"""Networks: shapes, sizes, where gradients go, and whether one bar can be learnt by heart."""

import numpy as np
import pytest
import torch

from amt_utils.config import KEY_ROLLS, Config, load_config
from amt_utils.data.pianos import simple_tone_piano
from amt_utils.data.synth import render
from amt_utils.evaluation.metrics import score_notes
from amt_utils.models import build_model, count_parameters
from amt_utils.models.blocks import HDConv, Intervals, read_floor
from amt_utils.music.notes import Performance, make_notes
from amt_utils.system.errors import AmtError
from amt_utils.training.losses import compute_losses, total_loss
from amt_utils.training.targets import make_rolls
from amt_utils.transcription.performance import decode_performance
from amt_utils.transcription.transcriber import Transcriber

MICRO = Config().replace(model={"size": "micro"})
NETWORKS = [
    ("residual_hcqt_hppnet", "micro", "hcqt"),
    ("residual_hcqt_hppnet", "tiny", "hcqt"),
    ("hppnet", "tiny", "cqt"),
    ("hppnet", "sp", "cqt"),
    ("hppnet", "published-sp", "cqt"),
    ("onsets_frames", "tiny", "logmel"),
    ("onsets_frames", "published", "logmel"),
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
    assert {n: tuple(v.shape) for n, v in logits.items()} == dict.fromkeys(KEY_ROLLS, (2, frames, 88)) | {
        "pedal": (2, frames, 3)
    }
    assert all(torch.isfinite(v).all() for v in logits.values())


@pytest.mark.parametrize(
    ("name", "size", "kind", "parameters"),
    [
        ("hppnet", "published", "cqt", 818_628),
        ("hppnet", "published-sp", "cqt", 1_239_428),
        ("onsets_frames", "published", "logmel", 26_491_256),
    ],
)
def test_published_networks_have_as_many_parameters_as_their_authors(name, size, kind, parameters):
    assert count_parameters(build_model(configure(name, size, kind))) == parameters


def test_published_networks_teach_what_they_know_and_say_no_to_the_rest():
    for name in ("hppnet", "hppnet-sp"):
        model = build_model(load_config(name))
        logits = model(torch.randn(1, 6400) * 0.1)
        assert (logits["pedal"] == logits["pedal"][0, 0, 0]).all() and torch.sigmoid(logits["pedal"]).max() < 1e-4
        assert torch.sigmoid(logits["key_offset"]).max() < 1e-4 and not logits["key_offset"].requires_grad
        sum(logits[head].sum() for head in ("onset", "offset", "frame", "velocity")).backward()
        assert all(p.grad is not None for p in model.parameters())


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
    logits = {n: torch.randn(1, 50, 88) for n in KEY_ROLLS} | {"pedal": torch.randn(1, 50, 3)}
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
    right = {n: (batch[n] * 12 - 6) for n in (*KEY_ROLLS, "pedal")}
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


@pytest.mark.parametrize("kind", ["hcqt", "cqt"])
@pytest.mark.parametrize("bins", [12, 24, 36, 48, 60])
def test_pedals_are_heard_with_any_number_of_bins(kind, bins):
    """The floor has whole bands in every channel; what is left of the bins is read by none of them."""
    config = Config().replace(model={"size": "micro"}, feature={"kind": kind, "bins_per_octave": bins})
    model = build_model(config).eval()
    with torch.inference_mode():
        logits = model(torch.randn(1, 4_000) * 0.1)
    assert logits["pedal"].shape == (1, 13, 3) and logits["onset"].shape == (1, 13, 88)
    bands = config.feature.n_channels * (config.feature.n_bins // 16)
    assert read_floor(torch.rand(1, config.feature.n_channels, 2, config.feature.n_bins), 16).shape == (1, 2, bands)


def test_harmonic_convolution_is_the_sum_of_its_branches():
    torch.manual_seed(0)
    conv = HDConv(3, 5, (1, 2, 3, 5), bins_per_octave=48)
    x = torch.randn(2, 3, 7, 352)
    torch.testing.assert_close(conv(x), sum(branch(x) for branch in conv.branches), atol=1e-4, rtol=1e-4)
    alone = HDConv(3, 5, (2,), bins_per_octave=48)
    torch.testing.assert_close(alone(x), alone.branches[0](x))


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
