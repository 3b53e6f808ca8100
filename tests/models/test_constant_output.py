"""Networks that cannot tell one image from another are refused before an hour is spent on them."""

import numpy as np
import pytest
import torch
from torch import nn

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models import Model, Preprocessing, load_model
from bias_toolkit.models.runtime import varied_images

SIDE = 24


def model_of(network, **settings):
    return Model("own", network, input_size=SIDE, preprocessing=Preprocessing(), **settings)


def zeroed(network, last_only):
    with torch.no_grad():
        for layer in [network[-1]] if last_only else network.modules():
            for parameter in layer.parameters(recurse=False):
                parameter.zero_()
    return network


@pytest.mark.parametrize("last_only", [True, False])
def test_zero_weights_are_refused(last_only, small_network):
    with pytest.raises(InputError, match="own gives exactly the same output for every image"):
        model_of(zeroed(small_network(), last_only))


def test_zero_weights_from_a_file_are_refused(small_network, tmp_path, monkeypatch):
    network = small_network()
    torch.save(zeroed(small_network(), last_only=False).state_dict(), tmp_path / "zero.pt")
    (tmp_path / "zero_networks.py").write_text("import torch\nmake = lambda: NETWORK\n")
    monkeypatch.syspath_prepend(tmp_path)
    import zero_networks

    zero_networks.NETWORK = network
    with pytest.raises(InputError, match="same output for every image"):
        load_model("zero_networks:make", weights=tmp_path / "zero.pt")


class OnlyBright(nn.Module):
    """Blind to all but very bright images, and so to noise; `saturate` makes its rows exact probabilities."""

    def __init__(self, saturate=False, blind=False):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(3, 3)
        self.saturate, self.blind = saturate, blind

    def forward(self, images):
        brightness = self.pool(images).flatten(1) if not self.blind else images[:, :, 0, 0] * 0
        logits = self.head(torch.relu(brightness - 2))
        return torch.softmax(logits * 0 + torch.tensor([1e4, 0.0, 0.0]), dim=1) if self.saturate else logits


def test_a_network_that_noise_tells_nothing_may_still_tell_images_apart():
    network = OnlyBright()
    noise = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    assert torch.equal(*network(noise))
    assert model_of(network).n_classes == 3


def test_saturated_probabilities_are_no_constant_unless_the_feature_is():
    """A class whose probability rounds to 1 on everything that is tried may be a legitimate answer."""
    assert model_of(OnlyBright(saturate=True)).gives_probabilities
    with pytest.raises(InputError, match="same output for every image"):
        model_of(OnlyBright(saturate=True, blind=True))


def test_weights_that_are_no_numbers_are_named(small_network):
    network = small_network()
    with torch.no_grad():
        network[6].weight[0, 0] = torch.nan
    with pytest.raises(InputError, match=r"not give finite logits, one row per image; its tensor '6.weight' holds NaN"):
        model_of(network)


@pytest.mark.parametrize(
    ("what", "names"), [("class names", {"class_names": "abcd"}), ("class ids", {"class_ids": "a"})]
)
def test_names_are_one_each(what, names, small_network):
    with pytest.raises(InputError, match=f"has 5 outputs but {len(*names.values())} {what}; give one each"):
        model_of(small_network(), **names)


@pytest.mark.parametrize("side", [1, 2, 33])
def test_the_images_differ(side):
    images = varied_images(side)
    assert images.shape == (6, side, side, 3)
    assert images.dtype == np.uint8
    assert len(np.unique(images.reshape(6, -1), axis=0)) >= (4 if side == 1 else 6)
