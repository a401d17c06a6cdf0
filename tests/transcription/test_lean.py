"""The network in the order that ONNX Runtime computes quickest says what the network says."""

import copy

import pytest
import torch

from amt_utils.config import Config
from amt_utils.models import build_model
from amt_utils.transcription.lean import LeanNetwork, make_lean


@pytest.mark.parametrize(
    ("model", "feature"),
    [
        ({}, {}),
        ({"intervals": 36}, {"subframes": 2}),
        ({"register": False}, {}),
        ({"residual": False}, {}),
        ({"hdconv_harmonics": (1,)}, {}),
    ],
)
def test_its_logits_are_the_same(model, feature):
    torch.manual_seed(0)
    config = Config().replace(model={"size": "micro", **model}, feature=feature)
    network = build_model(config).network
    for parameter in network.parameters():  # nothing may be at zero, where it could not be missed
        parameter.data += 0.1 * torch.randn_like(parameter)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2.0)
    network.eval()
    features = torch.rand(1, config.feature.n_channels, 40, config.feature.n_bins)
    lean = make_lean(copy.deepcopy(network))
    assert isinstance(lean, LeanNetwork)
    with torch.inference_mode():
        pairs = (network(features), lean(features)), (network.read_window(features), lean.read_window(features))
    for expected, found in pairs:
        assert set(found) == set(expected)
        for name, value in expected.items():
            assert torch.allclose(found[name], value, atol=2e-4), (name, (found[name] - value).abs().max())


def test_other_networks_stay_as_they_are():
    network = build_model(Config().replace(model={"name": "hppnet"})).network
    assert make_lean(network) is network
    instance = build_model(Config().replace(model={"size": "micro", "norm": "instance"})).network
    assert make_lean(instance) is instance
