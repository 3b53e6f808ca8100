from collections import OrderedDict

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models import Model, Preprocessing, load_model
from bias_toolkit.models.activation_map import TOP1, ActivationMap

N_CLASSES = 7
SIZE = 64
PLAIN = Preprocessing(mean=(0, 0, 0), std=(1, 1, 1))


def images_of(pixels):
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


SMALL = {
    "small:densenet": lambda: torchvision.models.DenseNet(8, (2, 2), 16, num_classes=N_CLASSES),
    "small:swin": lambda: torchvision.models.SwinTransformer(
        [4, 4], 24, [1, 1, 1, 1], [1, 2, 2, 4], [7, 7], num_classes=N_CLASSES
    ),
    "small:alexnet": lambda: nn.Sequential(
        OrderedDict(
            features=nn.Sequential(nn.Conv2d(3, 8, 11, 4, 2), nn.ReLU()),
            avgpool=nn.AdaptiveAvgPool2d(6),
            flatten=nn.Flatten(),
            classifier=nn.Sequential(nn.Dropout(), nn.Linear(288, 16), nn.ReLU(), nn.Linear(16, N_CLASSES)),
        )
    ),
    "small:mixer": lambda: timm.models.MlpMixer(patch_size=32, num_blocks=1, embed_dim=64, num_classes=N_CLASSES),
}


def make(spec, size=SIZE):
    library, name = spec.split(":")
    torch.manual_seed(0)
    if spec in SMALL:
        network = SMALL[spec]()
    elif library == "torchvision":
        network = torchvision.models.get_model(name, weights=None, num_classes=N_CLASSES)
    else:
        network = timm.create_model(
            name, num_classes=N_CLASSES, **({"img_size": size, "depth": 1} if "vit" in name else {})
        )
    for layer in network.modules():
        if isinstance(layer, nn.Linear) and layer.out_features == N_CLASSES:
            nn.init.normal_(layer.weight)
            nn.init.normal_(layer.bias)
    return network.eval()


def wrapped(network, size=SIZE):
    return Model("network", network, input_size=size, preprocessing=PLAIN)


# The last activation, as the architecture's own code hands it to the pooling.
LAST = {
    "torchvision:resnet18": lambda net, x: nn.Sequential(*list(net.children())[:-2])(x),
    "torchvision:mobilenet_v2": lambda net, x: net.features(x),
    "small:densenet": lambda net, x: F.relu(net.features(x)),
    "small:swin": lambda net, x: net.permute(net.norm(net.features(x))),
    "timm:efficientnet_lite0": lambda net, x: net.forward_features(x),
    "timm:regnetx_002": lambda net, x: net.forward_features(x),
}


@pytest.mark.parametrize("spec", LAST)
def test_map_of_a_pooling_network_is_the_class_weights_on_the_last_activation(spec, random_pixels):
    network = make(spec)
    model = wrapped(network)
    activation_map = ActivationMap(model)
    pixels = random_pixels(3, SIZE, seed=1)
    classes = np.array([0, 3, 6])
    maps, chosen, probabilities = activation_map(pixels, classes)

    with torch.no_grad():
        last = LAST[spec](network, images_of(pixels)).double().numpy()
    (classifier,) = (each for each in network.modules() if getattr(each, "out_features", 0) == N_CLASSES)
    weight, bias = classifier.weight.double().numpy(), classifier.bias.double().numpy()
    expected = np.einsum("nd,ndhw->nhw", weight[classes], last)
    assert activation_map.is_exact
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_array_equal(chosen, classes)

    # The feature is the mean of the activation, and the map's mean plus the bias the logit.
    np.testing.assert_allclose(model.evaluate(pixels).features, last.mean(axis=(2, 3)), rtol=1e-3, atol=1e-5)
    logits = last.mean(axis=(2, 3)) @ weight.T + bias
    np.testing.assert_allclose(maps.mean(axis=(1, 2)) + bias[classes], logits[range(3), classes], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(probabilities, torch.softmax(torch.from_numpy(logits), 1).numpy(), atol=1e-4)


def test_map_of_efficientnet_lite0_adds_up_to_the_logit(random_pixels):
    model = load_model("efficientnet-lite0", device="cpu", runtime="torch")
    activation_map = ActivationMap(model)
    pixels = random_pixels(2, 224)
    maps, chosen, probabilities = activation_map(pixels)
    head = model.module.classifier
    logits = model.evaluate(pixels).features @ head.weight.numpy().T + head.bias.numpy()
    assert activation_map.is_exact
    assert maps.shape == (2, 7, 7)
    np.testing.assert_array_equal(chosen, logits.argmax(axis=1))
    np.testing.assert_allclose(maps.mean(axis=(1, 2)) + head.bias.numpy()[chosen], logits.max(axis=1), rtol=1e-4)
    np.testing.assert_allclose(probabilities, model.evaluate(pixels).probabilities, atol=1e-6)


@pytest.mark.parametrize(
    ("spec", "layer", "head"),
    [
        ("small:alexnet", "avgpool", lambda net, a: net.classifier(a.flatten(1))),
        ("torchvision:mobilenet_v3_small", "features", lambda net, a: net.classifier(a.mean((2, 3)))),
        ("timm:mobilenetv3_small_050", "blocks", lambda net, a: net.forward_head(a)),
    ],
)
def test_other_heads_get_the_gradient_of_each_place_times_the_activation(spec, layer, head, random_pixels):
    network = make(spec)
    # Biases make the head's answer more than what the activation adds to it.
    for parameter in network.parameters():
        if parameter.ndim == 1:
            nn.init.uniform_(parameter, 0.2, 1.0)
    model = wrapped(network)
    activation_map = ActivationMap(model)
    pixels = random_pixels(2, SIZE, seed=2)
    maps, chosen, _ = activation_map(pixels)

    taken = {}
    handle = network.get_submodule(layer).register_forward_hook(lambda _, args, out: taken.update(last=out.clone()))
    with torch.no_grad():
        logits = network(images_of(pixels))
    handle.remove()
    last = taken["last"].requires_grad_()
    rows = head(network, last)
    np.testing.assert_allclose(rows.detach().numpy(), logits.numpy(), rtol=1e-3, atol=1e-4)
    (slope,) = torch.autograd.grad(rows[[0, 1], list(chosen)].sum(), last)
    expected = ((slope * last).sum(1) * last[0, 0].numel()).detach().numpy()
    assert not activation_map.is_exact
    assert activation_map.layer == layer
    np.testing.assert_allclose(maps, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_squeezenet_map_is_its_class_channel(random_pixels):
    network = make("torchvision:squeezenet1_1")
    pixels = random_pixels(2, SIZE)
    # With random weights, its last ReLU gives values between 0 and 1.
    model = Model("network", network, input_size=SIZE, preprocessing=PLAIN, outputs="logits")
    activation_map = ActivationMap(model)
    maps, _, _ = activation_map(pixels, np.array([2, 5]))
    with torch.no_grad():
        channels = network.classifier[:3](network.features(images_of(pixels))).numpy()
    assert activation_map.is_exact
    np.testing.assert_allclose(maps, channels[[0, 1], [2, 5]], rtol=1e-4, atol=1e-6)


def test_position_counts_in_a_fully_connected_head():
    """A head that reads one place alone puts the whole map there, which averaged gradients would spread."""

    class Corner(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 8, stride=8)
            self.head = nn.Linear(4 * 64, 2)
            with torch.no_grad():
                self.head.weight.zero_()
                self.head.weight.view(2, 4, 8, 8)[:, :, 7, 0] = torch.tensor([1.0, -1.0])[:, None]

        def forward(self, x):
            return self.head(torch.relu(self.stem(x)).flatten(1))

    torch.manual_seed(0)
    pixels = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    maps, _, _ = ActivationMap(wrapped(Corner()))(pixels, np.array([0, 0]))
    assert (maps[:, 7, 0] > 0).all()
    maps[:, 7, 0] = 0
    assert not maps.any()


def test_class_is_the_one_asked_for_or_the_most_probable(small_network, random_pixels):
    model = Model("small", small_network(), input_size=32, preprocessing=PLAIN)
    activation_map = ActivationMap(model)
    pixels = random_pixels(4, 32)
    top1 = model.evaluate(pixels).probabilities.argmax(axis=1)
    other = (top1 + 1) % model.n_classes
    np.testing.assert_array_equal(activation_map(pixels).classes, top1)
    mixed = activation_map(pixels, np.array([TOP1, other[1], TOP1, other[3]]))
    np.testing.assert_array_equal(mixed.classes, [top1[0], other[1], top1[2], other[3]])
    np.testing.assert_allclose(mixed.maps[0], activation_map(pixels).maps[0], rtol=1e-5)
    assert np.abs(mixed.maps[1] - activation_map(pixels).maps[1]).max() > 1e-3


def test_a_view_is_mapped_alone_as_in_a_batch(random_pixels):
    activation_map = ActivationMap(wrapped(make("timm:efficientnet_lite0")))
    pixels = random_pixels(5, SIZE)
    together = activation_map(pixels).maps
    alone = np.concatenate([activation_map(pixels[i : i + 1]).maps for i in range(5)])
    np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-4 * np.abs(together).max())


def test_no_views_give_no_maps(small_network):
    activation_map = ActivationMap(Model("small", small_network(), input_size=32, preprocessing=PLAIN))
    maps, classes, probabilities = activation_map(np.empty((0, 32, 32, 3), np.uint8))
    assert len(maps) == len(classes) == len(probabilities) == 0
    assert probabilities.shape == (0, 5)


def test_a_network_is_left_as_it_was(small_network, random_pixels):
    network = small_network()
    model = Model("small", network, input_size=32, preprocessing=PLAIN)
    before = model.evaluate(random_pixels(2, 32)).probabilities
    ActivationMap(model)(random_pixels(2, 32))
    np.testing.assert_array_equal(model.evaluate(random_pixels(2, 32)).probabilities, before)
    assert not any(module._forward_hooks for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_a_network_that_gives_probabilities_is_mapped_even_where_it_is_sure(small_network, random_pixels):
    network = small_network()
    with torch.no_grad():
        network[-1].weight.mul_(200)
    sure = nn.Sequential(network, nn.Softmax(dim=1))
    pixels = random_pixels(3, 32)
    activation_map = ActivationMap(Model("sure", sure, input_size=32, preprocessing=PLAIN))
    maps, chosen, probabilities = activation_map(pixels, np.array([0, 1, 2]))
    logits = Model("logits", network, input_size=32, preprocessing=PLAIN)
    np.testing.assert_allclose(probabilities, logits.evaluate(pixels).probabilities, atol=1e-5)
    assert not activation_map.is_exact
    # The logarithm of a probability falls by the mean of all classes' maps, weighted by probability.
    each = np.stack([ActivationMap(logits)(pixels, np.full(3, k)).maps for k in range(5)], axis=1)
    expected = each[range(3), chosen] - np.einsum("nk,nkhw->nhw", probabilities, each)
    strong = probabilities[range(3), chosen] > 1e-20
    assert strong.any()
    np.testing.assert_allclose(maps[strong], expected[strong], rtol=1e-2, atol=1e-2 * np.abs(expected).max())


@pytest.mark.parametrize("spec", ["timm:vit_tiny_patch16_224", "small:mixer"])
def test_a_network_of_tokens_is_refused_in_a_sentence(spec):
    size = SIZE if "vit" in spec else 224
    model = wrapped(make(spec, size), size)
    with pytest.raises(InputError, match=r"has no activation map .* tokens.* boxes, or name a convolutional model"):
        ActivationMap(model)


def test_a_network_without_derivatives_is_refused_in_a_sentence(small_network):
    class Frozen(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = small_network()

        @torch.no_grad()
        def forward(self, x):
            return self.network(x)

    with pytest.raises(InputError, match="without derivatives"):
        ActivationMap(Model("frozen", Frozen(), input_size=32, preprocessing=PLAIN))


@pytest.mark.parametrize("classes", [[0], [0, 5], [0, -2], [[0], [1]]])
def test_classes_that_are_none_are_refused(classes, small_network, random_pixels):
    activation_map = ActivationMap(Model("small", small_network(), input_size=32, preprocessing=PLAIN))
    with pytest.raises(InputError, match="one class for each of 2 views, from 0 to 4"):
        activation_map(random_pixels(2, 32), np.array(classes))


def test_pixels_of_another_shape_are_refused(small_network, random_pixels):
    activation_map = ActivationMap(Model("small", small_network(), input_size=32, preprocessing=PLAIN))
    with pytest.raises(InputError, match="takes uint8 pixels of shape"):
        activation_map(random_pixels(2, 33))
