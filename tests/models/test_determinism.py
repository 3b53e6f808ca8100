"""Networks that give other outputs for the same images are refused; rounding is not taken for that."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from bias_toolkit import InputError
from bias_toolkit.models import Model, Preprocessing, load_model

SIDE = 32


class Small(nn.Module):
    """A small classifier; `change` acts on its feature."""

    def __init__(self, change=lambda feature: feature, norm=None):
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 8, 5, stride=2)
        self.norm = norm or nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 10)
        self.change = change

    def forward(self, images):
        feature = functional.relu(self.norm(self.stem(images))).mean((2, 3))
        return self.head(self.change(feature))


class Noisy(nn.Module):
    """Noise of a size relative to its input's largest value."""

    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, feature):
        return feature + self.size * feature.abs().max() * torch.randn_like(feature)


class AlwaysTraining(nn.BatchNorm2d):
    """Batch statistics that stay on in evaluation mode."""

    def train(self, mode=True):
        return super().train(True)


def model(network):
    return Model("mine", network, input_size=SIDE, preprocessing=Preprocessing())


AGAIN, ALONE = "when the same images are evaluated again", "an image other outputs alone than among others"


@pytest.mark.parametrize(
    ("network", "words", "remedy"),
    [
        (lambda: Small(lambda feature: functional.dropout(feature, 0.3)), AGAIN, "training=self.training"),
        (lambda: Small(Noisy(0.05)), AGAIN, "turns off its dropout and noise"),
        (lambda: Small(norm=AlwaysTraining(8)), ALONE, "turns off its batch statistics"),
        (lambda: Small(norm=nn.BatchNorm2d(8, track_running_stats=False)), ALONE, "track_running_stats=True"),
    ],
    ids=["dropout", "noise", "training mode", "no running statistics"],
)
def test_a_network_that_is_not_deterministic_is_refused(network, words, remedy):
    with pytest.raises(InputError, match="The model mine gives ") as told:
        model(network()).check_deterministic()
    assert words in str(told.value)
    assert remedy in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "network",
    [
        Small,
        # In evaluation mode, a layer of dropout is off.
        lambda: Small(nn.Dropout(0.5)),
        # As much as rounding may be.
        lambda: Small(Noisy(1e-6)),
        # Outputs of other magnitudes.
        lambda: Small(lambda feature: 1e6 * feature),
        lambda: Small(lambda feature: 1e-3 * feature),
    ],
    ids=["plain", "dropout that is off", "rounding", "large", "small"],
)
def test_a_deterministic_network_is_taken(network):
    model(network()).check_deterministic()


@pytest.mark.parametrize("name", ["demo:fully-connected", "demo:global-pooling"])
def test_the_demo_networks_are_taken(name):
    load_model(name, runtime="torch").check_deterministic()


def test_noise_is_judged_relative_to_the_features():
    """Probabilities that noise does not move, since the classifier ignores its input, hide nothing."""
    network = Small(Noisy(0.05))
    with torch.no_grad():
        network.head.weight.mul_(1e-3)
    with pytest.raises(InputError, match="evaluated again"):
        model(network).check_deterministic()


class NoisyLogits(nn.Module):
    """Noise on what the network returns, in which no layer decides the logits."""

    def __init__(self):
        super().__init__()
        self.network = Small()

    def forward(self, images):
        logits = self.network(images)
        return logits + torch.randn_like(logits)


def test_noise_on_the_logits_is_named_and_no_layer_is_asked_for():
    with pytest.raises(InputError, match="The model mine gives other outputs when the same images are evaluated again"):
        model(NoisyLogits()).check_deterministic()
