"""Maps at subsampling operations, from torch and from OpenVINO."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models.lowpass import low_pass
from bias_toolkit.models.subsampling import find_subsampling
from bias_toolkit.models.watched import CompiledWatch, WatchedNetwork, recorded_watch

CENTRE = 1


class Small(nn.Module):
    """Its activations overwrite the maps of the operations."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3, 2, 1), nn.Conv2d(6, 4, 3, 2, 1)
        self.act, self.pool, self.last = nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Linear(4, 5)

    def forward(self, images):
        maps = self.act(self.second(self.act(self.first(images))))
        return self.last(self.pool(maps).add_(1).mean((2, 3)))


def images(seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(3, 3, 32, 32)).astype(np.float32))


def watched_of(network):
    return WatchedNetwork(network.eval(), find_subsampling(network, 32), CENTRE)


def compiled_of(watched, shape):
    return CompiledWatch(watched, recorded_watch(watched, shape[-1]), shape)


def seen(runner, pictures):
    found = {}
    logits = runner.watch(
        pictures, lambda operation, maps, dense: found.update({operation.name: (maps.clone(), dense.clone())})
    )
    return logits, found


@pytest.mark.parametrize("rebuild", [False, True])
@torch.no_grad()
def test_both_see_the_same_maps(rebuild):
    torch.manual_seed(0)
    network = Small()
    network = low_pass(network, 3, input_size=32) if rebuild else network
    watched = watched_of(network)
    compiled = compiled_of(watched, (3, 3, 32, 32))
    for seed in (1, 2):
        logits, of_torch = seen(watched, images(seed))
        again, of_openvino = seen(compiled, images(seed))
        torch.testing.assert_close(torch.from_numpy(logits), network(images(seed)))
        np.testing.assert_allclose(again, logits, atol=1e-5)
        assert list(of_torch) == ["first", "second", "pool"]
        assert of_openvino.keys() == of_torch.keys()
        for name, pair in of_torch.items():
            for one, other in zip(pair, of_openvino[name], strict=True):
                torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    if not rebuild:
        first = F.conv2d(images(2), network.first.weight, network.first.bias, 2, 1)
        torch.testing.assert_close(of_torch["first"][0], first)
        assert of_torch["first"][0].min() < 0


class Turning(Small):
    """What it computes depends on the values of its input."""

    def forward(self, images):
        # It is recorded on an image of noise, and checked on a picture that moves over a canvas of zeros.
        return super().forward(images if float(images.abs().mean()) > 0.5 else -images)


def test_a_network_that_openvino_cannot_follow_is_refused():
    torch.manual_seed(0)
    with pytest.raises(InputError, match="OpenVINO computes other maps"):
        compiled_of(watched_of(Turning()), (3, 3, 32, 32))


class Placed(Small):
    """Its first maps have a pattern that stays where it is."""

    def forward(self, images):
        return super().forward(images + torch.linspace(0, 1, images.shape[-1]))


def moving_views(side=96, seed=0):
    """Nine views of a picture that moves diagonally over a canvas of zeros."""
    picture = torch.from_numpy(np.random.default_rng(seed).normal(size=(3, side // 2, side // 2)).astype(np.float32))
    views = torch.zeros(9, 3, side, side)
    for k in range(9):
        place = slice(side // 4 - 4 + k, side // 4 - 4 + k + side // 2)
        views[k, :, place, place] = picture
    return views


@pytest.mark.parametrize("network", [Small, Placed])
@pytest.mark.parametrize("rebuild", [False, True])
@torch.no_grad()
def test_views_that_take_over_the_first_maps_are_those_of_torch(network, rebuild):
    torch.manual_seed(0)
    network = network()
    network = low_pass(network, 3, input_size=96) if rebuild else network
    watched = WatchedNetwork(network.eval(), find_subsampling(network, 96), 4)
    compiled = compiled_of(watched, (9, 3, 96, 96))
    assert (compiled._parts.first is None) == isinstance(network, Placed)
    for seed in (1, 2):
        logits, of_torch = seen(watched, moving_views(seed=seed))
        again, of_openvino = seen(compiled, moving_views(seed=seed))
        np.testing.assert_allclose(again, logits, atol=1e-5)
        for name, pair in of_torch.items():
            for one, other in zip(pair, of_openvino[name], strict=True):
                torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
