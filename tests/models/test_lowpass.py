"""Whole networks: what stays the same, which layers are filtered, and what the filters are for."""

import copy
import functools
import pickle
from itertools import pairwise

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torchvision.models import vgg
from torchvision.models.efficientnet import EfficientNet, MBConvConfig
from torchvision.models.resnet import BasicBlock, ResNet

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models.lowpass import low_pass, subsampling_layers

# Of inverted residual blocks: by how much they widen, their kernel, stride, channels in and out, and number of blocks.
STAGES = [(1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 1), (6, 5, 2, 24, 40, 1), (6, 3, 2, 40, 80, 1), (6, 5, 2, 80, 96, 1)]
NETWORKS = {
    "convnext": (lambda: timm.create_model("convnext_atto", depths=(1, 1, 1, 1), num_classes=10), 4),
    "densenet": (lambda: torchvision.models.DenseNet(8, (2, 2, 2, 2), 16, num_classes=10), 5),
    "efficientnet": (lambda: EfficientNet([MBConvConfig(*each) for each in STAGES], 0.2, num_classes=10), 5),
    "efficientnet-lite0": (lambda: timm.create_model("tf_efficientnet_lite0", num_classes=10), 5),
    "googlenet": (lambda: torchvision.models.GoogLeNet(num_classes=10, aux_logits=False, init_weights=False), 5),
    "mobilenet-v2": (
        lambda: torchvision.models.MobileNetV2(10, 0.35, [[t, c, 1, s] for t, _, s, _, c, _ in STAGES]),
        5,
    ),
    "mobilenet-v3": (lambda: torchvision.models.mobilenet_v3_small(num_classes=10), 5),
    "regnet": (lambda: timm.create_model("regnetx_002", num_classes=10), 9),
    "resnet": (lambda: ResNet(BasicBlock, [1, 1, 1, 1], num_classes=10), 8),
    "resnet-d": (lambda: timm.create_model("resnet18d", layers=[1, 1, 1, 1], num_classes=10), 8),
    "squeezenet": (lambda: torchvision.models.squeezenet1_0(num_classes=10), 4),
    "vgg": (lambda: nn.Sequential(vgg.make_layers([8, "M"] * 5), nn.Flatten(), nn.LazyLinear(10)), 5),
    "vision transformer": (lambda: timm.create_model("vit_tiny_patch16_224", num_classes=10, img_size=64, depth=2), 1),
}
WITH_FIXED_INPUT_SIZE = {"vgg", "vision transformer"}


def images(side, batch=1, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(batch, 3, side, side)).astype(np.float32))


@functools.cache
def built(name):
    torch.manual_seed(0)
    network = NETWORKS[name][0]().eval()
    with torch.no_grad():
        network(images(64))
    return network


def hooks_of(network):
    return sum(len(layer._forward_hooks) + len(layer._forward_pre_hooks) for layer in network.modules())


@pytest.mark.parametrize("name", NETWORKS)
@torch.inference_mode()
def test_network_keeps_its_weights_shapes_and_names(name):
    network = built(name)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    outputs = network(images(64))
    hooks = hooks_of(network)

    exact = low_pass(network, 1, input_size=64)
    assert torch.equal(exact(images(64)), outputs)

    rebuilt = low_pass(network, 3, input_size=64)
    filtered = rebuilt(images(64))
    assert type(filtered) is torch.Tensor
    assert filtered.isfinite().all()
    assert not torch.equal(filtered, outputs)
    side = 64 if name in WITH_FIXED_INPUT_SIZE else 75
    assert rebuilt(images(side)).shape == network(images(side)).shape

    assert [key for key, _ in rebuilt.named_modules()] == [key for key, _ in network.named_modules()]
    for tensors in (rebuilt.state_dict(), network.state_dict()):
        assert tensors.keys() == before.keys()
        assert all(torch.equal(tensors[key], tensor) for key, tensor in before.items())
    rebuilt.load_state_dict(before)

    assert torch.equal(network(images(64)), outputs)
    assert hooks_of(network) == hooks_of(rebuilt) == hooks


@pytest.mark.parametrize("name", NETWORKS)
def test_every_subsampling_layer_is_found(name):
    network = built(name)
    found = subsampling_layers(network, 64)
    assert len(found) == NETWORKS[name][1]
    strided = {
        key
        for key, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d) and layer.stride not in (1, (1, 1))
    }
    assert set(found) == strided


@pytest.mark.parametrize("name", ["efficientnet-lite0", "resnet-d", "convnext"])
@torch.inference_mode()
def test_filtered_layers_keep_their_output_shapes_inside_the_network(name):
    network = built(name)
    shapes = {}
    for which, module in (("original", copy.deepcopy(network)), ("rebuilt", low_pass(network, 5, input_size=64))):
        for key, layer in module.named_modules():
            layer.register_forward_hook(
                lambda _, inputs, output, place=(which, key): shapes.__setitem__(place, tuple(output.shape))
            )
        module(images(75))
    assert len(shapes) == 2 * sum(which == "original" for which, _ in shapes)
    assert all(shapes["rebuilt", key] == shape for (which, key), shape in shapes.items() if which == "original")


@torch.inference_mode()
def test_a_basic_block_is_filtered_where_zhang_filters_it():
    torch.manual_seed(0)
    block = torchvision.models.resnet18().layer2[0].eval()
    maps = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 64, 15, 15)).astype(np.float32))
    kernel = torch.outer(torch.tensor([1.0, 2, 1]), torch.tensor([1.0, 2, 1])).div(16)

    def filtered(maps, stride):
        maps = F.pad(maps, (1, 1, 1, 1), mode="reflect")
        return F.conv2d(maps, kernel.expand(maps.shape[1], 1, 3, 3), stride=stride, groups=maps.shape[1])

    dense = F.conv2d(maps, block.conv1.weight, padding=1)
    branch = block.bn2(block.conv2(filtered(F.relu(block.bn1(dense)), 2)))
    expected = F.relu(branch + block.downsample(filtered(maps, 1)))

    network = nn.Sequential(nn.Conv2d(3, 64, 1), block)
    rebuilt = low_pass(network, 3, input_size=32)
    torch.testing.assert_close(rebuilt[1](maps), expected, atol=1e-5, rtol=1e-4)


class Pooled(nn.Module):
    """Pools by calling functions, around a layer of its own."""

    def __init__(self):
        super().__init__()
        self.pool = nn.AvgPool2d(2)
        self.sampled = nn.Conv2d(3, 3, 1, 2)

    def forward(self, maps):
        parts = [
            F.max_pool2d(maps, 3, stride=2, padding=1),
            torch.max_pool2d(maps, 2),
            F.avg_pool2d(input=maps, kernel_size=2),
            self.pool(maps),
            F.conv2d(maps, self.sampled.weight, self.sampled.bias, stride=2),
            self.sampled(maps),
        ]
        return torch.cat(parts, dim=1)


class Around(nn.Module):
    """Itself pools by calling a function, around a block that does."""

    def __init__(self):
        super().__init__()
        self.inside = Pooled()

    def forward(self, maps):
        return torch.cat([self.inside(F.avg_pool2d(maps, 2)), self.inside(F.max_pool2d(maps, 2))], dim=1)


@torch.inference_mode()
def test_functions_called_by_a_block_are_filtered_once():
    torch.manual_seed(0)
    block = Pooled()
    maps = images(20)
    layers = [nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2), nn.AvgPool2d(2), block.pool, block.sampled, block.sampled]
    expected = torch.cat([low_pass(layer, 3, input_size=20)(maps) for layer in layers], dim=1)
    assert subsampling_layers(block, 20) == ["", "pool", "sampled"]
    torch.testing.assert_close(low_pass(block, 3, input_size=20)(maps), expected)

    around = Around()
    around.inside = block
    inside = low_pass(block, 3, input_size=20)
    pools = [low_pass(layer, 3, input_size=40)(images(40)) for layer in (nn.AvgPool2d(2), nn.MaxPool2d(2))]
    assert set(subsampling_layers(around, 40)) == {"", "inside", "inside.pool", "inside.sampled"}
    torch.testing.assert_close(
        low_pass(around, 3, input_size=40)(images(40)), torch.cat([inside(pool) for pool in pools], dim=1)
    )


def test_inception_blocks_that_call_functions_are_found():
    network = torchvision.models.inception_v3(num_classes=10, aux_logits=False, init_weights=False)
    found = subsampling_layers(network, 96)
    assert {"maxpool1", "Mixed_6a", "Mixed_6a.branch3x3.conv", "Mixed_7a"} <= set(found)
    assert len(found) == 9


def test_filters_that_a_network_has_are_left():
    torch.manual_seed(0)
    network = timm.create_model("resnetblur50", num_classes=10).eval()
    assert subsampling_layers(network, 64) == ["conv1", *(f"layer{stage}.0.downsample.0" for stage in (2, 3, 4))]


def test_pooling_over_the_whole_map_is_no_subsampling():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.AvgPool2d(7), nn.Flatten())
    assert subsampling_layers(network, 15) == ["0"]
    assert subsampling_layers(network, 32) == ["0", "1"]


def test_looking_for_layers_leaves_the_network_as_it_was():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.BatchNorm2d(4).eval(), nn.BatchNorm2d(4)).train()
    network[1].eval()
    before = copy.deepcopy(network.state_dict())
    rebuilt = low_pass(network, 3, input_size=16)
    subsampling_layers(network, 16)
    for module in (network, rebuilt):
        assert [layer.training for layer in module] == [True, False, True]
        assert hooks_of(module) == 0
        assert all(torch.equal(tensor, before[key]) for key, tensor in module.state_dict().items())


@torch.inference_mode()
def test_rebuilt_network_can_be_copied_and_pickled():
    network = low_pass(built("resnet"), 3, input_size=64)
    outputs = network(images(64))
    for clone in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(clone(images(64)), outputs)
        clone.conv1.weight.zero_()
        assert not torch.equal(clone(images(64)), outputs)
    assert torch.equal(network(images(64)), outputs)


@torch.inference_mode()
def test_memory_format_changes_nothing_but_rounding():
    network = low_pass(built("resnet"), 3, input_size=64)
    outputs = network(images(64, batch=2))
    network.to(memory_format=torch.channels_last)
    other = network(images(64, batch=2).contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(other, outputs, atol=1e-4, rtol=1e-3)


def strided(channels=(3, 16, 32, 32)):
    layers = [layer for before, after in pairwise(channels) for layer in (nn.Conv2d(before, after, 3, 2, 1), nn.ReLU())]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def pooled(channels=(3, 16, 32, 32)):
    layers = [
        layer
        for before, after in pairwise(channels)
        for layer in (nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.parametrize("make", [strided, pooled])
@torch.inference_mode()
def test_a_larger_filter_makes_the_output_change_less_under_a_shift(make):
    torch.manual_seed(0)
    network = make()
    noise = images(48, batch=4)

    def change(size):
        rebuilt = low_pass(network, size, input_size=40)
        outputs = torch.stack([rebuilt(noise[..., k : k + 40, k : k + 40]) for k in range(9)])
        steps = (outputs[1:] - outputs[:-1]).norm(dim=-1) / outputs[1:].norm(dim=-1)
        return steps.mean().item()

    original, three, five = (change(size) for size in (1, 3, 5))
    assert three < 0.8 * original
    assert five < three


@pytest.mark.parametrize("size", [0, -3, 2.5, "3", True])
def test_a_filter_size_that_is_none_is_refused(size):
    with pytest.raises(InputError, match="filter's size"):
        low_pass(strided(), size, input_size=64)


def test_a_network_without_subsampling_is_refused():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert subsampling_layers(network, 16) == []
    with pytest.raises(InputError, match="no strided convolution"):
        low_pass(network, 3, input_size=16)
    assert torch.equal(low_pass(network, 1, input_size=16)(images(16)), network(images(16)))


def test_a_network_that_was_rebuilt_is_not_filtered_twice():
    rebuilt = low_pass(strided(), 3, input_size=64)
    assert subsampling_layers(rebuilt, 64) == []
    with pytest.raises(InputError, match="lacks a low-pass filter"):
        low_pass(rebuilt, 5, input_size=64)


def test_an_image_size_that_the_network_cannot_take_is_refused():
    network = nn.Sequential(strided(), nn.Linear(7, 2))
    with pytest.raises(InputError, match="64 × 64 pixels"):
        low_pass(network, 3, input_size=64)
    assert hooks_of(network) == 0
