"""The project's network, rearranged for ONNX Runtime: the same result to rounding, faster. For inference only.

Norms and projections are folded into convolutions. Branches that are summed are computed one after another: ONNX
Runtime then lets each convolution add to the previous one's output without a copy, and keeps its own memory layout
(channels in blocks of eight) from the stem to the LSTMs. All linear layers that read an LSTM are one matrix product.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..models.blocks import ConvNorm, KeyNetwork, Register, pool_to_keys, read_floor, sum_convolutions
from ..models.residual import FLOOR_BINS, PEDAL_ROLLS, HarmonicBlock, KeyBlock, KeyBlocks, ResidualHPPNet, ResidualStem
from ..music.notes import N_KEYS

ONNX_GATES, TORCH_GATES = (0, 3, 1, 2), (0, 2, 3, 1)  # input, output, forget, cell from input, forget, cell, output


def make_lean(network: KeyNetwork) -> KeyNetwork:
    """A network with the same logits up to rounding, for one window at a time; other networks are returned as is."""
    if isinstance(network, ResidualHPPNet) and isinstance(network.duration_stem[1], nn.BatchNorm2d):
        return LeanNetwork(network.eval())
    return network


class LeanNetwork(KeyNetwork):
    """:class:`.ResidualHPPNet` for features ``(1, C, T, 352)``."""

    def __init__(self, network: ResidualHPPNet):
        super().__init__()
        self.bins_per_key, self.floor_channels = network.bins_per_key, network.floor_channels
        self.context = network.context
        self.onset_stem = LeanStem(network.onset_stem)
        self.known_size = (1, self.onset_stem.first.in_channels, -1, self.bins_per_key * N_KEYS)
        self.onset_harmonics = LeanHarmonics(network.onset_harmonics)
        self.onset_bins = network.onset_bins
        self.onset_keys = LeanKeys(network.onset_keys, [network.onset_bins.out_channels])
        self.onset_lstm = LeanLSTM(network.onset_lstm.lstm, [network.onset_head])
        self.duration_stem = _unfold_keys(_folded(network.duration_stem), self.bins_per_key)
        self.duration_keys = LeanKeys(network.duration_keys, [self.duration_stem.out_channels] * 2)
        self.duration_names = list(network.duration_heads)
        heads = [head for head in network.duration_heads.values() if isinstance(head, nn.Linear)]
        self.duration_lstm = LeanLSTM(network.duration_lstm.lstm, [*heads, network.pedal_state])
        self.pedal_head, self.pedal_cue = network.pedal_head, network.pedal_cue

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return self._read(x, slice(None))

    def read_window(self, x: Tensor) -> dict[str, Tensor]:
        return self._read(x, slice(self.context, -self.context))

    def _read(self, x: Tensor, inner: slice) -> dict[str, Tensor]:
        """``inner``: the frames that the LSTMs see."""
        x = x.reshape(self.known_size)  # ONNX Runtime fuses additions into convolutions if the width is known
        zero = 0.0 * x[:, :1, :1, :1]  # see LeanRegister
        harmonic = self.onset_harmonics(self.onset_stem(x), zero)
        pooled = self.onset_bins(harmonic) + pool_to_keys(harmonic, self.bins_per_key)
        onset_keys = self.onset_keys([pooled], zero)  # (1, key, T, 88)
        onset = self.onset_lstm(onset_keys.permute(0, 2, 3, 1)[:, inner]).squeeze(-1)  # (1, T, 88)

        keys = self.duration_keys([F.relu(self.duration_stem(x)), onset_keys], zero)
        keys = keys.permute(0, 2, 3, 1)[:, inner]  # (1, T, 88, key)
        duration = self.duration_lstm(torch.cat([keys, torch.sigmoid(onset)[..., None]], dim=-1))
        logits = {"onset": onset} | {name: duration[..., i] for i, name in enumerate(self.duration_names)}
        state = F.relu(duration[..., len(self.duration_names) :])
        rolls = torch.sigmoid(torch.cat([logits[name] for name in PEDAL_ROLLS], dim=-1))
        floor = read_floor(x[:, : self.floor_channels, inner], FLOOR_BINS)
        sound = torch.cat([keys.mean(2), keys.amax(2), state.mean(2), state.amax(2), floor], dim=-1)
        return logits | {"pedal_cue": self.pedal_cue(rolls, sound)}


class LeanStem(nn.Module):
    """:class:`.ResidualStem`."""

    def __init__(self, stem: ResidualStem):
        super().__init__()
        self.first, self.second, self.skip = _folded(stem.first), _folded(stem.second), stem.skip

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(F.relu(self.first(x)))
        return F.relu(y if self.skip is None else y + self.skip(x))


class LeanHarmonics(nn.Module):
    """:class:`.HarmonicBlock`, norm and projection folded into the convolutions."""

    def __init__(self, block: HarmonicBlock):
        super().__init__()
        first, *others = block.conv.taps()
        scale, shift = _scale_and_shift(block.norm)
        bias = shift if first[1] is None else first[1] * scale + shift
        weight = first[0] * scale[:, None, None, None]
        if block.skip is not None:
            weight = weight + F.pad(block.skip.weight, (1, 1))
            bias = bias if block.skip.bias is None else bias + block.skip.bias
        self.dilations = [dilation for _, _, dilation in (first, *others)]
        self.bias = nn.Parameter(bias.detach())
        scaled = (w * scale[:, None, None, None] for w, _, _ in others)
        self.weights = nn.ParameterList(w.detach().contiguous() for w in (weight, *scaled))
        self.register = LeanRegister(block.register)

    def forward(self, x: Tensor, zero: Tensor) -> Tensor:
        biases = (self.bias, *(None for _ in self.dilations[1:]))
        taps = zip(self.weights, biases, self.dilations, strict=True)
        return F.relu(self.register(sum_convolutions(x, taps), zero))


class LeanRegister(nn.Module):
    """:class:`.Register`, in the memory layout of the tensor that it is added to.

    ONNX Runtime uses its own layout only for the outputs of convolutions, and folds constants. The bias, plus a zero
    computed from the input so that it is not constant, is therefore convolved with ones.
    """

    def __init__(self, register: nn.Module):
        super().__init__()
        self.bias = register.bias if isinstance(register, Register) else None  # (C, 1, places)
        if self.bias is not None:
            self.ones = nn.Parameter(torch.ones(len(self.bias), 1, 1, 1))

    def forward(self, y: Tensor, zero: Tensor) -> Tensor:
        if self.bias is None:
            return y
        return y + F.conv2d(self.bias[None] + zero, self.ones, groups=len(self.bias))


class LeanKeys(nn.Module):
    """:class:`.KeyBlocks` whose input channels come as several tensors, of ``widths`` channels each."""

    def __init__(self, keys: KeyBlocks, widths: list[int]):
        super().__init__()
        projection = _folded(keys[0])
        self.bias = projection.bias
        self.weights = nn.ParameterList(w.contiguous() for w in projection.weight.detach().split(widths, dim=1))
        self.register = LeanRegister(keys[1])
        self.blocks = nn.Sequential(*(LeanKeyBlock(block) for block in keys if isinstance(block, KeyBlock)))

    def forward(self, parts: list[Tensor], zero: Tensor) -> Tensor:
        first, *others = (
            F.conv2d(part, weight, None if i else self.bias)
            for i, (part, weight) in enumerate(zip(parts, self.weights, strict=True))
        )
        y = sum(others, first)
        return self.blocks(F.relu(self.register(y, zero)))


class LeanKeyBlock(nn.Module):
    """:class:`.KeyBlock`."""

    def __init__(self, block: KeyBlock):
        super().__init__()
        self.octaves, self.time, self.residual = _folded(block.octaves), _folded(block.time), block.residual
        self.intervals = block.intervals
        if self.intervals is not None:  # added before the norm; a convolution brings them back to ONNX Runtime's layout
            self.scale = nn.Parameter(_scale_and_shift(block.octaves[1])[0][:, None, None, None])

    def forward(self, x: Tensor) -> Tensor:
        y = self.octaves(x)
        if self.intervals is not None:
            y = y + F.conv2d(self.intervals(x), self.scale, groups=len(self.scale))
        y = self.time(F.relu(y))
        return F.relu(y + x if self.residual else y)


def _folded(layer: nn.Module) -> nn.Conv2d:
    """A convolution and its batch norm as one convolution."""
    assert isinstance(layer, ConvNorm)
    conv, norm = layer[0], layer[1]
    assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(conv, norm)


def _scale_and_shift(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """A batch norm as a factor and a summand per channel."""
    assert isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None and norm.running_var is not None
    scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
    return scale, (norm.bias - norm.running_mean * scale).detach()


def _unfold_keys(conv: nn.Conv2d, bins: int) -> nn.Conv2d:
    """A convolution over keys, with the bins of a key as channels -> the same convolution over bins."""
    (time, keys), channels = conv.kernel_size, conv.in_channels // bins
    padding = (time // 2, keys // 2 * bins)  # as ConvNorm's
    new = nn.Conv2d(channels, conv.out_channels, (time, keys * bins), stride=(1, bins), padding=padding)
    weight = conv.weight.detach().reshape(conv.out_channels, channels, bins, time, keys)
    new.weight.data = weight.permute(0, 1, 3, 4, 2).reshape(new.weight.shape).contiguous()
    if new.bias is not None and conv.bias is not None:
        new.bias.data = conv.bias.detach().clone()
    return new


class LeanLSTM(nn.Module):
    """A bidirectional LSTM over time and its heads: ``(1, T, 88, C)`` -> ``(1, T, 88, outputs of all heads)``.

    Each direction is an operator of its own, and its heads are applied before the other direction is computed: half the
    memory, and no concatenation.
    """

    def __init__(self, lstm: nn.LSTM, heads: list[nn.Linear]):
        super().__init__()
        self.directions = nn.ModuleList(Direction(lstm, reverse) for reverse in (False, True))
        weight = torch.cat([head.weight.detach() for head in heads])  # (heads, 2 * hidden)
        self.heads = nn.ParameterList(w.T.contiguous() for w in weight.split(lstm.hidden_size, dim=1))
        self.bias = nn.Parameter(torch.cat([head.bias.detach() for head in heads]))

    def forward(self, x: Tensor) -> Tensor:
        forward, backward = (
            direction(x.flatten(0, 1)) @ head for direction, head in zip(self.directions, self.heads, strict=True)
        )
        return (forward + self.bias + backward)[None]


class Direction(nn.Module):
    """One direction of an LSTM, with weights in ONNX's gate order: ``(T, B, C)`` -> ``(T, B, hidden)``."""

    def __init__(self, lstm: nn.LSTM, reverse: bool):
        super().__init__()
        suffix, self.reverse = "l0_reverse" if reverse else "l0", reverse
        of_input, of_hidden, *biases = (
            _swap_gates(getattr(lstm, f"{name}_{suffix}").detach(), ONNX_GATES)[None]
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        self.of_input, self.of_hidden = nn.Parameter(of_input), nn.Parameter(of_hidden)
        self.bias = nn.Parameter(torch.cat(biases, dim=1))

    def forward(self, x: Tensor) -> Tensor:
        return _OneWay.apply(x, self.of_input, self.of_hidden, self.bias, self.reverse).squeeze(1)


class _OneWay(torch.autograd.Function):
    """ONNX's LSTM in one direction; PyTorch's exporter cannot write a reverse one."""

    @staticmethod
    def forward(ctx, x, of_input, of_hidden, bias, reverse):
        weights = [_swap_gates(w[0], TORCH_GATES) for w in (of_input, of_hidden, *bias.chunk(2, dim=1))]
        start = x.new_zeros(1, x.shape[1], of_hidden.shape[-1])
        out = torch.lstm(x.flip(0) if reverse else x, [start, start], weights, True, 1, 0.0, False, False, False)[0]
        return (out.flip(0) if reverse else out)[:, None]

    @staticmethod
    def symbolic(g, x, of_input, of_hidden, bias, reverse):
        direction = "reverse" if reverse else "forward"
        return g.op(
            "LSTM", x, of_input, of_hidden, bias, direction_s=direction, hidden_size_i=of_hidden.type().sizes()[-1]
        )


def _swap_gates(weight: Tensor, order: tuple[int, ...]) -> Tensor:
    parts = weight.chunk(4)
    return torch.cat([parts[i] for i in order])
