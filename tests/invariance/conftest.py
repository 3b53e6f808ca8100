"""Images and models of which the truth is known."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch


def numbered_image(width, height):
    """An image whose every pixel tells where it is: red and green are x and y, blue is their parity."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x % 256, y % 256, (x + y) % 2 * 255], axis=2).astype(np.uint8)


def noise_image(width, height, seed=0):
    """Smooth noise, so that shifts and resizing both matter."""
    generator = np.random.default_rng(seed)
    coarse = generator.normal(size=(height // 4 + 2, width // 4 + 2, 3))
    fine = np.kron(coarse, np.ones((4, 4, 1)))[:height, :width]
    noise = 128 + 60 * fine + generator.normal(0, 25, (height, width, 3))
    return np.clip(noise, 0, 255).astype(np.uint8)


class RuleModel:
    """A model that follows a rule: `rule(pixels, blank)` of one view gives its probabilities and its feature."""

    def __init__(self, rule, input_size=32):
        self.rule = rule
        self.input_size = input_size
        self.batches = []

    def evaluate(self, pixels, outside=None):
        self.batches.append(len(pixels))
        blanks = [None] * len(pixels) if outside is None else outside
        outputs = [self.rule(view, blank) for view, blank in zip(pixels, blanks, strict=True)]
        probabilities, features = zip(*outputs, strict=True)
        return SimpleNamespace(
            probabilities=np.array(probabilities, dtype=np.float32), features=np.array(features, dtype=np.float32)
        )

    def evaluate_batches(self, batches):
        return (self.evaluate(*batch) for batch in batches)


class SmallNet:
    """A strided network with fixed random weights, unstable under shifts, in float64: rounding flips nothing."""

    mean, std = 0.5, 0.25

    def __init__(self, input_size=32, n_classes=12):
        self.input_size = input_size
        generator = torch.Generator().manual_seed(7)

        def weights(*shape):
            values = torch.randn(shape, generator=generator, dtype=torch.float64)
            return values / math.sqrt(math.prod(shape[1:]))

        self.layers = [(weights(16, 3, 5, 5), 3), (weights(16, 16, 3, 3), 2)]
        self.head = weights(n_classes, 16 * 4 * 4)

    def forward(self, normalised):
        """Probabilities and features of normalised input, float64 (N, 3, W, W)."""
        with torch.inference_mode():
            maps = torch.as_tensor(normalised)
            for weight, stride in self.layers:
                maps = torch.relu(torch.nn.functional.conv2d(maps, weight, stride=stride))
            features = maps.flatten(1)
            logits = (features - features.mean(dim=1, keepdim=True)) @ self.head.T
            return torch.softmax(2 * logits / logits.std(dim=1, keepdim=True), dim=1).numpy(), features.numpy()

    def normalise(self, pixels):
        """Normalised input (N, 3, W, W) of uint8 pixels (N, W, W, 3)."""
        return ((pixels / 255 - self.mean) / self.std).transpose(0, 3, 1, 2)

    def evaluate(self, pixels, outside=None):
        normalised = self.normalise(pixels)
        if outside is not None:
            normalised = np.where(outside[:, None], 0.0, normalised)
        probabilities, features = self.forward(normalised)
        return SimpleNamespace(probabilities=probabilities.astype(np.float32), features=features.astype(np.float32))

    def evaluate_batches(self, batches):
        return (self.evaluate(*batch) for batch in batches)


@pytest.fixture(name="numbered_image")
def numbered_image_fixture():
    return numbered_image


@pytest.fixture(name="noise_image")
def noise_image_fixture():
    return noise_image


@pytest.fixture
def rule_model():
    return RuleModel


@pytest.fixture
def small_net():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield SmallNet()
    torch.set_num_threads(threads)
