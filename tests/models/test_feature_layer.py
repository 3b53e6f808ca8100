from collections import namedtuple
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models import Model, Preprocessing

N_CLASSES = 12
PLAIN = Preprocessing(mean=(0, 0, 0), std=(1, 1, 1))
ARCHITECTURES = {
    "torchvision:resnet18": (64, "fc"),
    "torchvision:mobilenet_v3_small": (64, "classifier.3"),
    "small:densenet": (64, "classifier"),
    "torchvision:shufflenet_v2_x0_5": (64, "fc"),
    "small:swin": (64, "head"),
    "timm:resnet18": (64, "fc"),
    "timm:efficientnet_lite0": (64, "classifier"),
    "timm:convnext_atto": (64, "head.fc"),
    "timm:vit_tiny_patch16_224": (64, "head"),
    "timm:dpn48b": (64, "classifier"),
    "timm:mobilenetv3_small_050": (64, "classifier"),
}


SMALL = {
    "small:densenet": lambda: torchvision.models.DenseNet(8, (2, 2), 16, num_classes=N_CLASSES),
    "small:swin": lambda: torchvision.models.SwinTransformer(
        [4, 4], 24, [1, 1, 1, 1], [1, 2, 2, 4], [7, 7], num_classes=N_CLASSES
    ),
}


def make(spec, size):
    library, name = spec.split(":")
    torch.manual_seed(0)
    if spec in SMALL:
        return SMALL[spec]()
    if library == "torchvision":
        return torchvision.models.get_model(name, weights=None, num_classes=N_CLASSES)
    options = {"img_size": size, "depth": 4} if "vit" in name else {}
    return timm.create_model(name, num_classes=N_CLASSES, **options)


def images_of(pixels):
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("spec", ARCHITECTURES)
def test_classifier_weights_on_the_feature_give_the_output(spec, random_pixels):
    size, classifier_name = ARCHITECTURES[spec]
    network = make(spec, size)
    classifier = network.get_submodule(classifier_name)
    nn.init.normal_(classifier.weight)
    nn.init.normal_(classifier.bias)
    model = Model(spec, network, input_size=size, preprocessing=PLAIN)
    outputs = model.evaluate(random_pixels(3, size))
    assert model.feature_layer == f"input of {classifier_name}"
    assert model.n_classes == N_CLASSES
    assert outputs.features.shape == (3, model.feature_dimension)
    weight = classifier.weight.flatten(1).double().numpy()
    logits = outputs.features.astype(float) @ weight.T + classifier.bias.double().numpy()
    assert outputs.probabilities.max() > 2 / N_CLASSES
    np.testing.assert_allclose(outputs.probabilities, softmax(logits), atol=1e-4)


def test_squeezenet_feature_is_the_pooled_input_of_its_convolution(random_pixels):
    network = make("torchvision:squeezenet1_1", 64)
    model = Model("squeezenet", network, input_size=64, preprocessing=PLAIN)
    pixels = random_pixels(3, 64)
    with torch.inference_mode():
        feature_map = network.features(images_of(pixels))
    assert model.feature_layer == "input of classifier.1"
    assert model.feature_dimension == 512
    np.testing.assert_allclose(model.evaluate(pixels).features, feature_map.mean((2, 3)).numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("spec", "layer", "axes"),
    [
        ("torchvision:resnet18", "layer3", (2, 3)),
        ("small:swin", "features.3", (1, 2)),
        ("timm:vit_tiny_patch16_224", "blocks.2", (1,)),
        ("timm:convnext_atto", "stages.1", (2, 3)),
    ],
)
def test_named_layer_is_its_output_averaged_over_places(spec, layer, axes, random_pixels):
    network = make(spec, 64)
    model = Model(spec, network, input_size=64, preprocessing=PLAIN, feature=layer)
    pixels = random_pixels(2, 64)
    seen = []
    handle = network.get_submodule(layer).register_forward_hook(lambda module, args, output: seen.append(output))
    with torch.inference_mode():
        network(images_of(pixels))
    handle.remove()
    features = model.evaluate(pixels).features
    assert model.feature_layer == layer
    assert features.shape == (2, model.feature_dimension)
    np.testing.assert_allclose(features, seen[0].mean(axes).numpy(), rtol=1e-3, atol=1e-5)


def test_feature_is_taken_before_a_later_layer_overwrites_it(small_network, random_pixels):
    network = small_network()
    model = Model("small", network, input_size=16, preprocessing=PLAIN, feature="1")
    pixels = random_pixels(2, 16)
    with torch.inference_mode():
        normalised = network[1](network[0](images_of(pixels)))
    features = model.evaluate(pixels).features
    np.testing.assert_allclose(features, normalised.mean((2, 3)).numpy(), rtol=1e-4, atol=1e-6)
    assert features.min() < 0


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.first, self.second = nn.Linear(6, N_CLASSES), nn.Linear(3, N_CLASSES)

    def forward(self, images):
        feature = self.body(images)
        return (self.first(feature) + self.second(feature[:, :3] ** 2)) / 2


def test_heads_whose_outputs_are_averaged_are_taken_together(random_pixels):
    torch.manual_seed(0)
    network = TwoHeads()
    model = Model("two", network, input_size=16, preprocessing=PLAIN)
    outputs = model.evaluate(random_pixels(3, 16))
    assert model.feature_layer == "input of first, second"
    weight = torch.cat([network.first.weight, network.second.weight], dim=1).numpy() / 2
    logits = outputs.features @ weight.T + (network.first.bias + network.second.bias).numpy() / 2
    np.testing.assert_allclose(outputs.probabilities, softmax(logits), atol=1e-5)


class UnusedHeadLast(TwoHeads):
    def forward(self, images):
        feature = self.body(images)
        logits = self.first(feature)
        return logits, self.second(feature[:, :3])


def test_a_head_that_runs_last_but_is_not_used_is_not_the_classifier():
    assert Model("aux", UnusedHeadLast(), input_size=16, preprocessing=PLAIN).feature_layer == "input of first"


class FunctionalHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6))
        self.matrix = nn.Parameter(torch.randn(6, N_CLASSES))

    def forward(self, images):
        return F.relu(self.body(images)).mean((2, 3)) @ self.matrix


def test_without_a_classifier_module_the_last_deciding_module_is_taken():
    model = Model("functional", FunctionalHead(), input_size=16, preprocessing=PLAIN)
    assert model.feature_layer == "body.1"
    assert model.feature_dimension == 6


def test_a_network_of_parameters_alone_needs_a_named_layer():
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.matrix = nn.Parameter(torch.randn(3, N_CLASSES))

        def forward(self, images):
            return images.mean((2, 3)) @ self.matrix

    with pytest.raises(InputError, match="--feature"):
        Model("bare", Bare(), input_size=16, preprocessing=PLAIN)


Named = namedtuple("Named", ["logits", "aux_logits"])


@pytest.mark.parametrize(
    "wrap",
    [
        lambda logits, other: (logits, other),
        lambda logits, other: [logits, other],
        lambda logits, other: {"features": other, "logits": logits},
        lambda logits, other: {"out": logits},
        lambda logits, other: Named(logits, other),
        lambda logits, other: SimpleNamespace(loss=None, logits=logits),
        lambda logits, other: logits[:, :, None, None],
    ],
    ids=["tuple", "list", "mapping", "one-entry mapping", "named tuple", "object", "1 x 1 map"],
)
def test_logits_are_found_in_what_the_network_returns(wrap, small_network, random_pixels):
    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = small_network()

        def forward(self, images):
            return wrap(self.inner(images), images.mean((2, 3)))

    pixels = random_pixels(2, 16)
    expected = Model("plain", small_network(), input_size=16, preprocessing=PLAIN).evaluate(pixels)
    model = Model("wrapped", Wrapped(), input_size=16, preprocessing=PLAIN)
    got = model.evaluate(pixels)
    assert model.feature_layer == "input of inner.6"
    np.testing.assert_array_equal(got.probabilities, expected.probabilities)
    np.testing.assert_array_equal(got.features, expected.features)


@pytest.mark.parametrize("ending", [nn.Softmax(dim=1), nn.LogSoftmax(dim=1)])
def test_outputs_that_are_probabilities_already_are_not_squashed_again(ending, small_network, random_pixels):
    pixels = random_pixels(4, 16)
    expected = Model("plain", small_network(), input_size=16, preprocessing=PLAIN).evaluate(pixels)
    network = nn.Sequential(small_network(), ending)
    got = Model("ended", network, input_size=16, preprocessing=PLAIN).evaluate(pixels)
    np.testing.assert_allclose(got.probabilities, expected.probabilities, rtol=1e-5)


def test_unknown_layer_names_the_nearest():
    with pytest.raises(InputError, match=r"no layer 'layer5'.*layer4"):
        Model("resnet", make("torchvision:resnet18", 32), input_size=32, preprocessing=PLAIN, feature="layer5")


def test_layer_without_one_row_an_image_is_refused():
    class Windows(nn.Module):
        def __init__(self):
            super().__init__()
            self.inside, self.head = nn.Linear(12, 12), nn.Linear(12, N_CLASSES)

        def forward(self, images):
            windows = images.reshape(len(images), -1, 12).flatten(0, 1)
            return self.head(self.inside(windows).unflatten(0, (len(images), -1)).mean(1))

    with pytest.raises(InputError, match=r"'inside'.*not one row per image"):
        Model("windows", Windows(), input_size=16, preprocessing=PLAIN, feature="inside")
