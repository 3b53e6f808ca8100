"""Filtered layers against NumPy and SciPy: evaluate densely, filter, keep every s-th position."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import correlate1d
from timm.layers import BlurPool2d
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.pool2d_same import AvgPool2dSame, MaxPool2dSame
from torch import nn

from bias_toolkit.models.lowpass import low_pass
from bias_toolkit.models.lowpass_layers import binomial_filter

PASCAL = {2: [1, 1], 3: [1, 2, 1], 4: [1, 3, 3, 1], 5: [1, 4, 6, 4, 1]}


def slow_filter(maps, size):
    """SciPy's correlation along both axes; `mirror` is reflection without repeating the edge."""
    weights = np.array(PASCAL[size]) / sum(PASCAL[size])
    for axis in (-2, -1):
        maps = correlate1d(maps, weights, axis=axis, mode="mirror", origin=0 if size % 2 else -1)
    return maps


def slow_conv(maps, weight, bias, padding=0, dilation=1, groups=1):
    """A convolution at stride 1, in float64."""
    maps = np.pad(maps.astype(float), ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    span = dilation * (weight.shape[-1] - 1) + 1
    windows = sliding_window_view(maps, (span, span), axis=(2, 3))[..., ::dilation, ::dilation]
    inputs = np.split(windows, groups, axis=1)
    kernels = np.split(weight.astype(float), groups, axis=0)
    outputs = [np.einsum("ncyxij,ocij->noyx", x, k) for x, k in zip(inputs, kernels, strict=True)]
    return np.concatenate(outputs, axis=1) + bias[None, :, None, None]


def slow_max(maps, size, before, after, dilation=1):
    """A max pooling at stride 1 over maps padded with −∞."""
    maps = np.pad(maps, ((0, 0), (0, 0), (before, after), (before, after)), constant_values=-np.inf)
    span = dilation * (size - 1) + 1
    return sliding_window_view(maps, (span, span), axis=(2, 3))[..., ::dilation, ::dilation].max((-1, -2))


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@torch.no_grad()
def run(module, maps):
    return module(torch.from_numpy(np.ascontiguousarray(maps))).numpy()


def filtered(module, size, input_size=16):
    return low_pass(module, size, input_size=input_size)


@pytest.mark.parametrize("size", PASCAL)
def test_binomial_filter_is_pascals_triangle(size):
    assert binomial_filter(size) == [weight / sum(PASCAL[size]) for weight in PASCAL[size]]
    assert sum(binomial_filter(size)) == 1


@pytest.mark.parametrize("size", PASCAL)
@pytest.mark.parametrize("side", [16, 19])
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 3, "stride": 2},
        {"kernel_size": 7, "stride": 2, "padding": 3, "bias": False},
        {"kernel_size": 5, "stride": 3, "padding": 2},
        {"kernel_size": 3, "stride": 2, "padding": 2, "dilation": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1, "groups": 3},
    ],
    ids=str,
)
def test_convolution_is_dense_convolution_filtered_and_subsampled(options, size, side):
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 6, **options)
    maps = noise(2, 3, side, side)
    bias = np.zeros(6) if layer.bias is None else layer.bias.detach().numpy()
    dense = slow_conv(
        maps,
        layer.weight.detach().numpy(),
        bias,
        *(options.get(key, default) for key, default in (("padding", 0), ("dilation", 1), ("groups", 1))),
    )
    stride = options["stride"]
    expected = slow_filter(dense, size)[:, :, ::stride, ::stride]
    np.testing.assert_allclose(run(filtered(layer, size), maps), expected, atol=1e-5)


@pytest.mark.parametrize(("kernel", "stride"), [(1, 2), (2, 2), (4, 4), (3, 4)])
@pytest.mark.parametrize("size", [2, 3, 5])
def test_convolution_with_separate_windows_is_the_same_whether_filtered_before_or_after(kernel, stride, size):
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 4, kernel, stride)
    maps = noise(1, 3, 24, 24)
    parameters = [tensor.detach().numpy() for tensor in (layer.weight, layer.bias)]
    after = slow_filter(slow_conv(maps, *parameters), size)[:, :, ::stride, ::stride]
    before = slow_conv(slow_filter(maps, size), *parameters)[:, :, ::stride, ::stride]
    result = run(filtered(layer, size), maps)
    np.testing.assert_allclose(result, before, atol=1e-5)
    np.testing.assert_allclose(result[:, :, 1:-1, 1:-1], after[:, :, 1:-1, 1:-1], atol=1e-5)


def batch_norm(channels):
    layer = nn.BatchNorm2d(channels)
    with torch.no_grad():
        for tensor in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
            tensor.uniform_(0.5, 1.5)
    return layer


@pytest.mark.parametrize(
    "activation",
    [
        nn.ReLU(),
        nn.ReLU(inplace=True),
        nn.ReLU6(),
        nn.SiLU(inplace=True),
        nn.Hardswish(),
        nn.GELU(),
        nn.PReLU(4),
        nn.LeakyReLU(),
        nn.Sigmoid(),
    ],
    ids=str,
)
def test_filter_comes_after_normalisation_and_activation(activation):
    torch.manual_seed(0)
    convolution, normalisation, following = nn.Conv2d(3, 4, 3, 2, 1), batch_norm(4), nn.Conv2d(4, 2, 3, padding=1)
    network = nn.Sequential(convolution, normalisation, activation, following).eval()
    maps = noise(1, 3, 17, 17)
    parameters = [tensor.detach().numpy() for tensor in (convolution.weight, convolution.bias)]
    dense = slow_conv(maps, *parameters, padding=1).astype(np.float32)
    activated = run(activation, run(normalisation, dense))
    expected = run(following, slow_filter(activated, 3)[:, :, ::2, ::2])
    np.testing.assert_allclose(run(filtered(network, 3), maps), expected, atol=1e-5)


class Residual(nn.Module):
    """The dense output of a convolution is added to, its size asked, and changed in place."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 3, 2, 1)
        self.shortcut = nn.Conv2d(3, 3, 1, 2)

    def forward(self, maps):
        branch = self.convolution(maps)
        sides = branch.shape[-2:]
        branch.add_(self.shortcut(maps))
        branch.mul_(2)
        branch = F.relu(branch)
        joined = torch.cat([branch, F.adaptive_avg_pool2d(maps, sides)], dim=1)
        return {"joined": joined, "gated": (self.convolution(maps), branch * branch.mean((2, 3), keepdim=True))}


def test_filter_comes_before_whatever_else_follows_a_convolution():
    torch.manual_seed(0)
    block = Residual()
    maps = noise(1, 3, 16, 16)
    rebuilt = filtered(block, 3)
    branch = run(filtered(block.convolution, 3), maps)
    expected = np.maximum(2 * (branch + run(filtered(block.shortcut, 3), maps)), 0)
    with torch.no_grad():
        outputs = rebuilt(torch.from_numpy(maps))
    tensors = [outputs["joined"], *outputs["gated"]]
    assert {type(tensor) for tensor in tensors} == {torch.Tensor}
    np.testing.assert_allclose(outputs["joined"][:, :3].numpy(), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outputs["gated"][0].numpy(), branch, rtol=1e-6)
    np.testing.assert_allclose(
        outputs["gated"][1].numpy(), expected * expected.mean((2, 3), keepdims=True), rtol=1e-5, atol=1e-6
    )


@settings(max_examples=25, deadline=None)
@given(
    side=st.integers(7, 20),
    kernel=st.integers(2, 4),
    stride=st.integers(2, 4),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    ceil_mode=st.booleans(),
    size=st.sampled_from([2, 3, 5]),
)
def test_max_pooling_is_dense_max_filtered_and_subsampled(side, kernel, stride, padding, dilation, ceil_mode, size):
    padding = min(padding, kernel // 2)
    layer = nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil_mode)
    maps = noise(1, 2, side, side)
    sampled = run(layer, maps)
    result = run(filtered(nn.Sequential(layer), size), maps)
    assert result.shape == sampled.shape
    last = (sampled.shape[-1] - 1) * stride
    room = side + 2 * padding - dilation * (kernel - 1) - 1
    dense = slow_max(maps, kernel, padding, padding + max(last - room, 0), dilation)
    np.testing.assert_array_equal(
        dense[:, :, ::stride, ::stride][:, :, : sampled.shape[2], : sampled.shape[3]], sampled
    )
    if dense.shape[-1] > size // 2:
        expected = slow_filter(dense, size)[:, :, ::stride, ::stride]
        np.testing.assert_allclose(result, expected[:, :, : sampled.shape[2], : sampled.shape[3]], atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    side=st.integers(6, 20),
    kernel=st.integers(2, 4),
    stride=st.integers(2, 4),
    padding=st.integers(0, 2),
    ceil_mode=st.booleans(),
    count_include_pad=st.booleans(),
    size=st.sampled_from([2, 3, 5]),
)
def test_average_pooling_is_applied_to_filtered_maps(side, kernel, stride, padding, ceil_mode, count_include_pad, size):
    layer = nn.AvgPool2d(kernel, stride, min(padding, kernel // 2), ceil_mode, count_include_pad)
    maps = noise(1, 2, side, side)
    expected = run(layer, slow_filter(maps, size))
    np.testing.assert_allclose(run(filtered(nn.Sequential(layer), size), maps), expected, atol=1e-5)


def test_average_pooling_equals_dense_average_filtered_and_subsampled_inside():
    maps = noise(1, 2, 24, 24)
    dense = sliding_window_view(maps, (2, 2), axis=(2, 3)).mean((-1, -2))
    expected = slow_filter(dense, 3)[:, :, ::2, ::2]
    result = run(filtered(nn.AvgPool2d(2), 3), maps)
    np.testing.assert_allclose(result[:, :, 1:-1, 1:-1], expected[:, :, 1:-1, 1:-1], atol=1e-6)


def same_padding(side, kernel, stride):
    """TensorFlow's rule: as many outputs as side / stride, rounded up; an odd pixel goes to the far side."""
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


@pytest.mark.parametrize("side", [15, 16, 17])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (5, 2), (2, 2)])
def test_same_padding_keeps_its_positions(side, kernel, stride):
    torch.manual_seed(0)
    before, after = same_padding(side, kernel, stride)
    sides = ((0, 0), (0, 0), (before, after), (before, after))
    maps = noise(1, 3, side, side)

    pooling = run(filtered(MaxPool2dSame(kernel, stride), 3), maps)
    expected = slow_filter(slow_max(maps, kernel, before, after), 3)[:, :, ::stride, ::stride]
    np.testing.assert_allclose(pooling, expected, atol=1e-6)

    average = run(filtered(AvgPool2dSame(kernel, stride), 3), maps)
    padded = np.pad(slow_filter(maps, 3), sides)
    windows = sliding_window_view(padded, (kernel, kernel), axis=(2, 3))
    np.testing.assert_allclose(average, windows.mean((-1, -2))[:, :, ::stride, ::stride], atol=1e-6)

    layer = Conv2dSame(3, 4, kernel, stride)
    convolution = run(filtered(layer, 3), maps)
    assert convolution.shape == run(layer, maps).shape
    parameters = [tensor.detach().numpy() for tensor in (layer.weight, layer.bias)]
    if kernel > stride:
        expected = slow_filter(slow_conv(np.pad(maps, sides), *parameters), 3)
    else:
        expected = slow_conv(np.pad(slow_filter(maps, 3), sides), *parameters)
    np.testing.assert_allclose(convolution, expected[:, :, ::stride, ::stride], atol=1e-5)


def identity_layers():
    """Layers of stride 2 that only sample: position (2i, 2j) of the input."""
    point = torch.zeros(3, 1, 3, 3)
    point[:, :, 1, 1] = 1
    convolution = nn.Conv2d(3, 3, 3, 2, 1, groups=3, bias=False)
    convolution.weight = nn.Parameter(point)
    shortcut = nn.Conv2d(3, 3, 1, 2, groups=3, bias=False)
    shortcut.weight = nn.Parameter(torch.ones(3, 1, 1, 1))
    return {"convolution": convolution, "shortcut": shortcut, "max pooling": nn.MaxPool2d(1, 2)}


@pytest.mark.parametrize("name", ["convolution", "shortcut", "max pooling"])
@pytest.mark.parametrize(
    ("size", "seen"),
    [(2, {0: 1 / 2, -1: 1 / 2}), (3, {0: 1 / 2, -1: 1 / 4, 1: 1 / 4}), (5, {-2: 1 / 16, -1: 1 / 4, 0: 3 / 8})],
)
def test_impulse_is_seen_from_the_filters_centre(name, size, seen):
    layer = filtered(identity_layers()[name], size)
    for offset, weight in seen.items():
        impulse = np.zeros((1, 3, 17, 17), np.float32)
        impulse[:, :, 8 - offset, 8] = 1
        along = run(layer, impulse)[0, 0, 4, 4] / binomial_filter(size)[(size - 1) // 2]
        assert along == pytest.approx(weight)


@pytest.mark.parametrize("name", ["convolution", "shortcut", "max pooling"])
@pytest.mark.parametrize("size", PASCAL)
def test_the_highest_frequency_is_removed_and_the_constant_kept(name, size):
    layer = identity_layers()[name]
    rebuilt = filtered(layer, size)
    rows, columns = np.indices((18, 18))
    for frequency in (rows, columns):
        wave = np.broadcast_to((-1.0) ** frequency, (1, 3, 18, 18)).astype(np.float32)
        assert np.abs(run(layer, wave)).min() == 1
        inside = run(rebuilt, wave)[:, :, 1:-1, 1:-1]
        np.testing.assert_allclose(inside, 0, atol=1e-6)
    constant = np.full((1, 3, 18, 18), 0.7, np.float32)
    np.testing.assert_allclose(run(rebuilt, constant), 0.7, rtol=1e-6)


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(3, 4, 3, 2), nn.AvgPool2d(2), nn.MaxPool2d(3, 2, 1), nn.Conv2d(3, 4, 4, 4)]
)
@pytest.mark.parametrize("size", [3, 5])
def test_a_constant_image_gives_what_it_gave(layer, size):
    constant = np.full((1, 3, 17, 17), -1.3, np.float32)
    np.testing.assert_allclose(run(filtered(layer, size), constant), run(layer, constant), rtol=1e-5, atol=1e-6)


def test_a_kernel_that_averages_is_told_from_one_that_was_learnt():
    learnt = nn.Conv2d(3, 3, 3, 2, 1, groups=3, bias=False)
    averaging = BlurPool2d(3)
    maps = noise(1, 3, 16, 16)
    network = nn.Sequential(nn.Conv2d(3, 3, 3, 2, 1), averaging)
    inner = filtered(network[0], 3)
    np.testing.assert_allclose(run(filtered(network, 3), maps), run(averaging, run(inner, maps)), atol=1e-6)
    assert np.abs(run(filtered(learnt, 3), maps) - run(learnt, maps)).max() > 1e-3


def test_only_strided_axes_are_filtered():
    layer = nn.MaxPool2d((1, 2), (1, 2))
    maps = noise(1, 2, 9, 12)
    dense = np.maximum(maps[..., :-1], maps[..., 1:])
    expected = correlate1d(dense, [0.25, 0.5, 0.25], axis=-1, mode="mirror")[..., ::2]
    np.testing.assert_allclose(run(filtered(layer, 3), maps), expected, atol=1e-6)


@pytest.mark.parametrize("side", [2, 3, 4])
@pytest.mark.parametrize("size", [5, 7])
def test_maps_smaller_than_the_filter_repeat_their_border(side, size):
    maps = noise(1, 2, side, side)
    layer = filtered(nn.Sequential(nn.MaxPool2d(1, 2)), size)
    reach = size // 2
    mode = "reflect" if reach < side else "edge"
    padded = np.pad(maps, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode=mode)
    kernel = np.outer(binomial_filter(size), binomial_filter(size))
    expected = (sliding_window_view(padded, (size, size), axis=(2, 3)) * kernel).sum((-1, -2))[:, :, ::2, ::2]
    np.testing.assert_allclose(run(layer, maps), expected, atol=1e-6)


def test_maps_without_a_batch_axis_and_in_another_precision():
    layer = nn.Conv2d(3, 4, 3, 2, 1).double()
    rebuilt = filtered(layer, 3)
    maps = torch.from_numpy(noise(3, 12, 12)).double()
    with torch.no_grad():
        alone, batched = rebuilt(maps), rebuilt(maps[None])[0]
    assert alone.dtype == torch.float64
    torch.testing.assert_close(alone, batched)


def test_gradients_pass_through_the_filter():
    layer = nn.Sequential(nn.Conv2d(3, 2, 3, 2, 1), nn.ReLU()).double()
    rebuilt = filtered(layer, 3)
    maps = torch.from_numpy(noise(1, 3, 6, 6)).double().requires_grad_()
    assert torch.autograd.gradcheck(rebuilt, maps)
