from itertools import product

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models.demo import (
    DEMO_CLASS_NAMES,
    DEMO_INPUT_SIZE,
    DEMO_NETWORKS,
    DEMO_PREPROCESSING,
    build_demo_network,
    load_demo_network,
)
from bias_toolkit.models.load import load_model
from bias_toolkit.models.model import Model
from bias_toolkit.models.specs import ARM_NETWORKS, DEMO_SEEDS, demo_arm
from bias_toolkit.models.training.arms import ARMS


def test_weights_ship_and_are_small():
    paths = [load_demo_network(name)[1] for name in DEMO_NETWORKS]
    assert len(set(paths)) == len(DEMO_NETWORKS) == 4
    assert sum(path.stat().st_size for path in paths) < 2e6


@pytest.mark.parametrize(
    ("name", "parameters", "features"),
    [
        ("fully-connected", 65_594, 32),
        ("global-pooling", 151_298, 144),
        ("fully-connected-uniform", 65_594, 32),
        ("global-pooling-uniform", 151_298, 144),
    ],
)
def test_size_and_penultimate_feature(name, parameters, features, random_pixels):
    network, _ = load_demo_network(name)
    assert not network.training
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    model = Model(
        name, network, input_size=DEMO_INPUT_SIZE, preprocessing=DEMO_PREPROCESSING, class_names=DEMO_CLASS_NAMES
    )
    pixels = random_pixels(3, DEMO_INPUT_SIZE)
    outputs = model.evaluate(pixels)
    assert outputs.features.shape == (3, features)
    logits = outputs.features @ network[-1].weight.numpy().T + network[-1].bias.numpy()
    np.testing.assert_allclose(outputs.probabilities, torch.softmax(torch.from_numpy(logits), 1).numpy(), atol=1e-5)


@pytest.mark.parametrize("name", DEMO_NETWORKS)
def test_nothing_smooths_before_subsampling(name):
    subsampling = [
        module
        for module in build_demo_network(name).modules()
        if getattr(module, "stride", 1) not in (1, (1, 1)) or isinstance(module, nn.AvgPool2d)
    ]
    assert subsampling
    assert all(isinstance(module, nn.Conv2d | nn.MaxPool2d) for module in subsampling)


def test_only_global_pooling_forgets_position():
    """A bright dot moved by the networks' total stride, far enough from the border for padding to play no part."""

    def features_of_two_places(name, side):
        images = torch.zeros(2, 3, side, side)
        images[0, :, side // 2 - 4, side // 2 - 4] = 3
        images[1, :, side // 2 + 4, side // 2 + 4] = 3
        with torch.inference_mode():
            return load_demo_network(name)[0][:-1](images)

    here, there = features_of_two_places("global-pooling", 2 * DEMO_INPUT_SIZE)
    torch.testing.assert_close(here, there, atol=1e-6, rtol=1e-5)
    here, there = features_of_two_places("fully-connected", DEMO_INPUT_SIZE)
    assert (here - there).norm() > 0.03 * here.norm()


@pytest.mark.parametrize("seed", DEMO_SEEDS)
@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
@pytest.mark.parametrize("name", ARM_NETWORKS)
def test_arms_ship_in_half_precision(name, arm, seed):
    model = load_model(f"demo:{demo_arm(name, arm.name, seed)}", device="cpu", runtime="torch")
    stored = load_file(load_demo_network(demo_arm(name, arm.name, seed))[1])
    for key, tensor in model.module.state_dict().items():
        kept = stored[f"{demo_arm(name, arm.name, seed)}.{key}"]
        assert torch.equal(tensor, kept.to(tensor.dtype))
        assert kept.dtype in (torch.float16, torch.int64)
    assert model.class_names == list(DEMO_CLASS_NAMES)
    plain = build_demo_network(name)
    plain.load_state_dict(model.module.state_dict())
    images = torch.rand(2, 3, DEMO_INPUT_SIZE, DEMO_INPUT_SIZE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(model.module(images), plain.eval()(images), atol=1e-5) != arm.antialiased


def test_arms_of_all_seeds_differ_and_are_small():
    files = {load_demo_network(demo_arm(name, "both", 0))[1] for name in ARM_NETWORKS}
    assert sum(path.stat().st_size for path in files) < 6e6
    heads = [load_demo_network(demo_arm(*each))[0][-1].weight for each in product(ARM_NETWORKS, ["both"], DEMO_SEEDS)]
    assert not torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[3], heads[4])


def test_unknown_name():
    with pytest.raises(InputError, match=r"'resnet'.*fully-connected, global-pooling"):
        load_demo_network("resnet")
