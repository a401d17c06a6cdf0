"""A grown network says what the one it grew from said, and what was added learns."""

import pytest
import torch

from amt_utils.checkpoints import load_weights
from amt_utils.cli import main
from amt_utils.config import Config
from amt_utils.errors import AmtError
from amt_utils.growing import grow
from amt_utils.models import build_model
from amt_utils.transcribe import weights_path


@pytest.fixture(scope="module")
def tiny():
    return load_weights(weights_path("tiny"))


def test_says_the_same(tiny, tmp_path):
    model, _, card = tiny
    assert main(["grow", "--weights", "tiny", "--size", "base", "--out", str(tmp_path / "start.safetensors")]) == 0
    grown, config, grown_card = load_weights(tmp_path / "start.safetensors")
    assert config.model.size == "base" and config.decode == tiny[1].decode
    assert grown_card["parameters"] > card["parameters"] + 500_000
    torch.manual_seed(0)
    features = torch.rand(1, 3, 150, 352)
    with torch.inference_mode():
        small, large = model.read(features), grown.eval().read(features)
    for name in small:
        torch.testing.assert_close(large[name], small[name], atol=0.05, rtol=0.02)  # written in float16
    assert large["onset"].std() > 0.5


def test_added_channels_are_fresh_and_learn(tiny):
    model, small, _ = tiny
    large = small.replace(model={"size": "base"})
    grown = build_model(large)
    grown.load_state_dict(grow(model.state_dict(), small, large))
    block = grown.network.duration_keys[3].time[0].weight  # of a block that tiny has: (96, 96, 5, 1), 48 of them old
    assert torch.equal(block[:48, :48], model.network.duration_keys[3].time[0].weight)
    assert not block[:48, 48:].any() and block[48:].std() > 0
    for _ in range(2):  # what leads from the added channels moves first, then they themselves have a gradient
        grown(torch.randn(1, 8000) * 0.1)["frame"].square().mean().backward()
        with torch.no_grad():
            for weight in grown.parameters():
                weight -= 0.1 * weight.grad if weight.grad is not None else 0
    assert block[:48, 48:].any()
    assert block.grad[48:].any()


def test_register_begins_silent_and_learns(tiny):
    model, small, _ = tiny
    without = small.replace(model={"register": False})
    plain = build_model(without)
    plain.load_state_dict(model.state_dict(), strict=False)
    grown = build_model(small)
    grown.load_state_dict(grow(plain.state_dict(), without, small))
    features = torch.rand(1, 3, 60, 352)
    with torch.inference_mode():
        torch.testing.assert_close(grown.eval().read(features)["onset"], plain.eval().read(features)["onset"])
    grown.read(features)["frame"].sum().backward()
    register = grown.network.duration_keys[1].bias
    assert register.shape == (48, 1, 88) and not register.any() and register.grad.any()


def test_added_harmonics_begin_silent_and_learn(tiny, tmp_path):
    model, small, _ = tiny
    out = tmp_path / "more.safetensors"
    few = small.model.hdconv_harmonics
    more = ",".join(str(k) for k in (*few, 11, 13))
    assert main(["grow", "--weights", "tiny", "--size", "tiny", "--harmonics", more, "--out", str(out)]) == 0
    grown, config, _ = load_weights(out)
    assert config.model.hdconv_harmonics == (*few, 11, 13)
    features = torch.rand(1, 3, 60, 352)
    with torch.inference_mode():
        said, before = grown.eval().read(features)["onset"], model.read(features)["onset"]
        torch.testing.assert_close(said, before, atol=0.05, rtol=0.02)  # written in float16
    grown.train().read(features)["onset"].square().mean().backward()
    assert grown.network.onset_harmonics.conv.branches[-1].weight.grad.abs().max() > 0
    assert main(["grow", "--weights", "tiny", "--size", "tiny", "--harmonics", "2,3", "--out", str(out)]) != 0
    assert main(["grow", "--weights", "tiny", "--size", "tiny", "--harmonics", "1,two", "--out", str(out)]) != 0


def test_intervals_and_subframes_begin_silent_and_learn(tiny, tmp_path):
    model, _small, _ = tiny
    out = tmp_path / "chords.safetensors"
    changes = ["--set", "model.intervals=36", "--set", "feature.subframes=2"]
    assert main(["grow", "--weights", "tiny", "--size", "tiny", *changes, "--out", str(out)]) == 0
    grown, config, _ = load_weights(out)
    assert config.model.intervals == 36 and config.feature.subframes == 2
    features = torch.rand(1, 6, 60, 352)
    with torch.inference_mode():
        said, before = grown.eval().read(features), model.read(features[:, :3])
        for name in before:
            torch.testing.assert_close(said[name], before[name], atol=0.05, rtol=0.02)  # written in float16
    grown.train().read(features)["frame"].square().mean().backward()
    assert grown.network.duration_keys[3].intervals.template.grad.any()
    assert grown.network.duration_stem[0].weight.grad[:, 12:].any()
    wider = config.replace(model={"intervals": 43})
    again = build_model(wider)
    grown.network.duration_keys[3].intervals.template.data.normal_()
    again.load_state_dict(grow(grown.state_dict(), config, wider))
    with torch.inference_mode():
        torch.testing.assert_close(again.eval().read(features)["frame"], grown.eval().read(features)["frame"])
    with pytest.raises(AmtError, match="intervals"):
        grow(again.state_dict(), wider, config)


def test_fewer_blocks_are_the_first_ones(tiny):
    model, small, _ = tiny
    fewer = small.replace(model={"key_blocks": 1})
    shorter = build_model(fewer)
    shorter.load_state_dict(grow(model.state_dict(), small, fewer))
    skipping = build_model(small)
    skipping.load_state_dict(model.state_dict())
    for trunk in (skipping.network.onset_keys, skipping.network.duration_keys):
        trunk[4] = torch.nn.Identity()
    features = torch.rand(1, 3, 60, 352)
    with torch.inference_mode():
        torch.testing.assert_close(shorter.eval().read(features)["frame"], skipping.eval().read(features)["frame"])


def test_only_what_can_grow(tiny, tmp_path):
    model, small, _ = tiny
    with pytest.raises(AmtError, match="larger"):
        grow(model.state_dict(), small, small.replace(model={"size": "micro"}))
    with pytest.raises(AmtError, match="only residual_hcqt_hppnet"):
        grow({}, Config().replace(model={"name": "unet"}), small)
    with pytest.raises(AmtError, match="same features"):
        grow(model.state_dict(), small, small.replace(model={"size": "base"}, feature={"kind": "cqt"}))
    assert main(["grow", "--weights", "tiny", "--size", "base", "--out", str(tmp_path / "x.pt")]) != 0
