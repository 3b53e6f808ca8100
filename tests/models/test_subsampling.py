"""Operations that subsample: that each is found, with its strides, and that samples of u are its result."""

from collections import OrderedDict
from functools import partial

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.layers import BlurPool2d
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.pool2d_same import AvgPool2dSame, MaxPool2dSame
from torch import nn
from torchvision import models
from torchvision.models.convnext import CNBlockConfig

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models.lowpass import low_pass
from bias_toolkit.models.lowpass_layers import low_pass_maps
from bias_toolkit.models.subsampling import find_subsampling, watch_subsampling

CONVOLUTION, PATCHES, MAXIMUM, AVERAGE = "convolution", "patch embedding", "max pooling", "average pooling"
# Name, kind, stride and total stride of each operation, in the order of the forward pass.
EXPECTED = {
    "resnet18": [
        ("conv1", CONVOLUTION, 2, 2),
        ("maxpool", MAXIMUM, 2, 4),
        *(
            (f"layer{k}.0.{name}", CONVOLUTION, 2, stride)
            for k, stride in ((2, 8), (3, 16), (4, 32))
            for name in ("conv1", "downsample.0")
        ),
    ],
    "vgg16": [(f"features.{k}", MAXIMUM, 2, 2**n) for n, k in enumerate((4, 9, 16, 23, 30), 1)],
    "densenet121": [
        ("features.conv0", CONVOLUTION, 2, 2),
        ("features.pool0", MAXIMUM, 2, 4),
        *((f"features.transition{k}.pool", AVERAGE, 2, 4 * 2**k) for k in (1, 2, 3)),
    ],
    "mobilenet_v2": [
        ("features.0.0", CONVOLUTION, 2, 2),
        *((f"features.{k}.conv.1.0", CONVOLUTION, 2, 4 * 2**n) for n, k in enumerate((2, 4, 7, 14))),
    ],
    "efficientnet_b0": [
        ("features.0.0", CONVOLUTION, 2, 2),
        *((f"features.{k}.0.block.1.0", CONVOLUTION, 2, 4 * 2**n) for n, k in enumerate((2, 3, 4, 6))),
    ],
    "convnext_tiny": [
        ("features.0.0", PATCHES, 4, 4),
        *((f"features.{k}.1", PATCHES, 2, 4 * 2 ** (k // 2)) for k in (2, 4, 6)),
    ],
    "vit_b_16": [("conv_proj", PATCHES, 16, 16)],
    "swin_t": [
        ("features.0.0", PATCHES, 4, 4),
        *((f"features.{k}", "patch merging", 2, 4 * 2 ** (k // 2)) for k in (2, 4, 6)),
    ],
}
VGG_LAYERS = [each if each == "M" else 8 for each in models.vgg.cfgs["D"]]
SMALL = {
    "resnet18": lambda: models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=10),
    "vgg16": lambda: nn.Sequential(OrderedDict(features=models.vgg.make_layers(VGG_LAYERS))),
    "densenet121": lambda: models.DenseNet(8, (2, 2, 2, 2), 16, num_classes=10),
    "mobilenet_v2": lambda: models.MobileNetV2(num_classes=10, width_mult=0.25),
    "efficientnet_b0": lambda: models.efficientnet_b0(num_classes=10),
    "convnext_tiny": lambda: models.ConvNeXt([CNBlockConfig(8, 8 * (k < 3) or None, 1) for k in range(4)]),
    "vit_b_16": lambda: models.VisionTransformer(64, 16, 1, 4, 32, 32),
    "swin_t": lambda: models.SwinTransformer([4, 4], 12, [1, 1, 1, 1], [3, 3, 3, 3], [7, 7], num_classes=10),
}
"""The same networks with fewer layers and channels."""


def images(side, batch=2, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(batch, 3, side, side)).astype(np.float32))


def described(operations):
    return [(each.name, each.kind, each.stride, each.total_stride) for each in operations]


@torch.inference_mode()
def seen(network, pictures, plan=None):
    """The operations of one pass, in order, each with F and u."""
    found = []
    plan = plan or find_subsampling(network, pictures.shape[-1])
    watch_subsampling(
        network.eval(),
        plan,
        pictures,
        lambda operation, made, dense: found.append((operation, made.clone(), dense(slice(1, 2)))),
    )
    return found


FULL = {name: (partial(models.get_model, name), 224) for name in EXPECTED}


@pytest.mark.parametrize(
    ("name", "make", "side"),
    [
        *((name, make, 64) for name, make in SMALL.items()),
        *(pytest.param(name, *full, marks=pytest.mark.extras, id=f"{name}-full") for name, full in FULL.items()),
    ],
)
@torch.no_grad()
def test_every_operation_is_found_and_samples_of_u_are_its_result(name, make, side):
    torch.manual_seed(0)
    network = make().eval()
    plan = find_subsampling(network, side)
    assert described(plan.operations) == EXPECTED[name]
    assert plan.unmeasured == ()
    pictures = images(side)
    outputs = network(pictures)
    found = []

    def see(operation, made, dense):
        found.append(operation)
        u, s = dense(slice(1, 2)), operation.stride
        assert u.shape[-1] > made.shape[-1]
        torch.testing.assert_close(u[..., ::s, ::s], made[1:2], rtol=1e-5, atol=1e-5 * float(made.abs().max()))

    torch.testing.assert_close(watch_subsampling(network, plan, pictures, see), outputs)
    assert found == list(plan.operations)


def single(layer, side=33):
    """The only operation of a network of one layer: stride, F and u."""
    ((operation, made, dense),) = seen(nn.Sequential(layer), images(side))
    return operation, made, dense


@pytest.mark.parametrize("side", [31, 32])
@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (lambda: nn.Conv2d(3, 6, 3, 2, 1, groups=3), CONVOLUTION),
        (lambda: nn.Conv2d(3, 4, 3, 2, 2, dilation=2), CONVOLUTION),
        (lambda: nn.Conv2d(3, 4, 5, 3, padding=2, padding_mode="circular"), CONVOLUTION),
        (lambda: nn.Conv2d(3, 4, 1, 2, bias=False), CONVOLUTION),
        (lambda: nn.Conv2d(3, 4, 4, 4), PATCHES),
        (lambda: Conv2dSame(3, 4, 3, 2), CONVOLUTION),
        (lambda: MaxPool2dSame(3, 2), MAXIMUM),
        (lambda: AvgPool2dSame(3, 2), AVERAGE),
        (lambda: nn.MaxPool2d(3, 2, 1), MAXIMUM),
        (lambda: nn.MaxPool2d(3, 2, ceil_mode=True), MAXIMUM),
        (lambda: nn.AvgPool2d(2), AVERAGE),
        (lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False), AVERAGE),
        (lambda: BlurPool2d(3), "low-pass filter"),
        (lambda: nn.PixelUnshuffle(1 + 1), "patch merging"),
    ],
)
def test_one_layer_is_subsampled_u(layer, kind, side):
    torch.manual_seed(0)
    if kind == "patch merging":
        side = 32
    operation, made, dense = single(layer(), side)
    assert operation.kind == kind
    assert operation.total_stride == operation.stride
    samples = dense[..., :: operation.stride, :: operation.stride]
    torch.testing.assert_close(samples, made[1:2], rtol=1e-5, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    side=st.integers(7, 20),
    kernel=st.integers(2, 4),
    stride=st.integers(2, 4),
    padding=st.integers(0, 2),
    ceil_mode=st.booleans(),
    count_include_pad=st.booleans(),
    divisor=st.sampled_from([None, 3]),
    average=st.booleans(),
)
def test_pooling_in_ceil_mode_is_subsampled_u(
    side, kernel, stride, padding, ceil_mode, count_include_pad, divisor, average
):
    padding = min(padding, kernel // 2)
    if average:
        layer = nn.AvgPool2d(kernel, stride, padding, ceil_mode, count_include_pad, divisor)
    else:
        layer = nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil_mode)
    _, made, dense = single(layer, side)
    torch.testing.assert_close(dense[..., ::stride, ::stride], made[1:2], rtol=1e-5, atol=1e-6)
    assert dense.isfinite().all()


class Merging(nn.Module):
    """Cuts a map into blocks of 2 × 2 in many ways."""

    def __init__(self, how):
        super().__init__()
        self.how = how
        self.reduction = nn.Linear(12, 4)

    def forward(self, x):
        n, c, h, w = x.shape
        if self.how == "slices":
            parts = [x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)]
            x = torch.cat(parts, 1).permute(0, 2, 3, 1)
        elif self.how == "reshape":
            x = x.permute(0, 2, 3, 1).reshape(n, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 4, 2, 5).flatten(3)
        elif self.how == "tokens":
            x = x.permute(0, 2, 3, 1).contiguous()
            x = x.view(n, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 2, 4, 5).reshape(n, -1, 4 * c)
        return self.reduction(x)


@pytest.mark.parametrize("how", ["slices", "reshape", "tokens"])
@torch.no_grad()
def test_patch_merging_is_found_however_it_is_written(how):
    ((operation, made, dense),) = seen(Merging(how), images(16))
    assert (operation.kind, operation.stride, operation.name) == ("patch merging", 2, "network")
    assert made.shape == (2, 12, 8, 8)
    assert dense.shape == (1, 12, 15, 15)
    assert torch.equal(dense[..., ::2, ::2], made[1:2])
    assert made[1].flatten().sort().values.equal(images(16)[1].flatten().sort().values)


class Mixed(nn.Module):
    """What is not measured, and modules that subsample more than once."""

    def __init__(self):
        super().__init__()
        self.shared = nn.Conv2d(3, 3, 3, 2, 1)
        self.attention = nn.Linear(3, 3)

    def forward(self, x):
        x = self.shared(self.shared(x))
        x = x[:, :, ::2, ::2] * 2
        x = F.max_pool2d(F.pad(x, (0, 1, 0, 1)), (2, 1)) + F.adaptive_avg_pool2d(x, (4, 9))
        x = F.interpolate(x, scale_factor=0.5)
        windows = x.unflatten(2, (1, 2)).unflatten(4, (2, 2)).permute(0, 2, 4, 3, 5, 1).flatten(0, 2)
        assert self.attention(windows).shape == (2 * len(x), 2, 2, 3)
        return F.adaptive_avg_pool2d(x, 1).flatten(1)


def test_calls_are_counted_and_what_cannot_be_measured_is_named():
    plan = find_subsampling(Mixed(), 64)
    assert described(plan.operations) == [
        ("shared#1", CONVOLUTION, 2, 2),
        ("shared#2", CONVOLUTION, 2, 4),
        ("network#1", "slicing", 2, 8),
    ]
    assert [(each.name, each.kind) for each in plan.unmeasured] == [
        ("network#2", MAXIMUM),
        ("network#3", "adaptive average pooling"),
        ("network#4", "interpolation"),
    ]
    assert plan.unmeasured[0].reason == "its stride is 2 down and 1 across"
    assert all(each.reason for each in plan.unmeasured)


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "swin_t"])
@torch.no_grad()
def test_a_rebuilt_network_is_measured_at_the_same_places(name):
    torch.manual_seed(0)
    network = SMALL[name]().eval()
    rebuilt = low_pass(network, 3, input_size=64)
    found = seen(rebuilt, images(64))
    plain = find_subsampling(network, 64)
    assert [each.name for each, _, _ in found] == [each.name for each in plain.operations]
    assert [each.total_stride for each, _, _ in found] == [each.total_stride for each in plain.operations]
    for operation, made, dense in found:
        samples = dense[..., :: operation.stride, :: operation.stride]
        torch.testing.assert_close(samples, made[1:2], rtol=1e-5, atol=1e-5 * float(made.abs().max()))


@torch.no_grad()
def test_in_a_rebuilt_network_u_is_what_the_filter_gives_at_stride_1():
    torch.manual_seed(0)
    network = timm.create_model("resnet18d", layers=[1, 1, 1, 1], num_classes=10).eval()
    rebuilt = low_pass(network, 3, input_size=64)
    pictures = images(64)
    by_name = {operation.name: (operation.kind, made, dense) for operation, made, dense in seen(rebuilt, pictures)}
    # A convolution's filter comes after its normalisation and activation.
    stem = network.conv1
    first = stem[0]
    dense = F.conv2d(pictures, first.weight, None, 1, first.padding)
    dense = low_pass_maps(stem[2](stem[1](dense)), 3, (2, 2), subsample=False)
    kind, made, u = by_name["conv1.0"]
    assert kind == "low-pass filter"
    torch.testing.assert_close(u, dense[1:2])
    torch.testing.assert_close(made, dense[..., ::2, ::2])
    # An average pooling's filter comes before it.
    assert by_name["layer2.0.downsample.0"][0] == AVERAGE


def test_a_pass_leaves_the_network_as_it_was():
    network = SMALL["resnet18"]().train()
    hooks = sum(len(layer._forward_hooks) + len(layer._forward_pre_hooks) for layer in network.modules())
    find_subsampling(network, 64)
    assert network.training
    assert hooks == sum(len(layer._forward_hooks) + len(layer._forward_pre_hooks) for layer in network.modules())


def test_a_network_that_cannot_run_is_refused():
    with pytest.raises(InputError, match="could not be run on an image of 64 × 64 pixels"):
        find_subsampling(nn.Sequential(nn.Conv2d(4, 3, 3)), 64)
