"""Files in torchvision's layouts give the outputs that torchvision gives with them. The weights are random."""

from functools import partial
from unittest.mock import MagicMock

import numpy as np
import pytest
import timm
import torch
import torchvision

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models import load_model
from bias_toolkit.models.checkpoint import read_weights
from bias_toolkit.models.pretrained import torchvision_classifier
from bias_toolkit.models.runtime import varied_images

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def photographs(side, n=6):
    """Smooth noise, uint8 (n, side, side, 3), and the same normalised."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(n, side, side, 3)).cumsum(1).cumsum(2)
    low, high = noise.min((1, 2, 3), keepdims=True), noise.max((1, 2, 3), keepdims=True)
    pixels = (255 * (noise - low) / (high - low)).astype(np.uint8)
    pixels[:2] = varied_images(side)[3:5]
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (MEAN, STD))
    return pixels, ((x - mean) / std).contiguous(memory_format=torch.channels_last)


def lively(network, x):
    """Random weights whose outputs differ between images: batch statistics are those of the images."""
    for layer in network.eval().modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.train().momentum = 1.0
    with torch.no_grad():
        network(x)
        network.eval()
        network.fc.weight.mul_(3 / network(x).std(0).mean())
        network.fc.bias.sub_(network(x).mean(0))
    # Random weights amplify the rounding of another order of sums.
    return network.to(memory_format=torch.channels_last)


def agrees(model, network, pixels, x):
    with torch.no_grad():
        expected = torch.softmax(network(x), 1).numpy()
    made = model.evaluate(pixels).probabilities
    assert np.abs(made - expected).max() <= 1e-5
    assert (made.argmax(1) == expected.argmax(1)).all()


SIDES = {"googlenet": 64, "inception_v3": 75}


@pytest.fixture(scope="module", params=SIDES)
def built(request):
    """A network as torchvision builds it for its pretrained weights, its name, and small images for it."""
    name = request.param
    pixels, x = photographs(SIDES[name])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        build = getattr(torchvision.models, name)
        network = build(weights=None, aux_logits=True, transform_input=True, init_weights=False)
        return name, lively(network, x), pixels, x


@pytest.fixture
def inception(built, monkeypatch):
    """The same; the published weights are said to be for images as small."""
    published = torchvision.models.get_model_weights(built[0]).DEFAULT
    transforms = partial(published.transforms, crop_size=SIDES[built[0]])
    small = MagicMock(DEFAULT=MagicMock(meta=published.meta, transforms=transforms))
    monkeypatch.setattr(torchvision.models, "get_model_weights", lambda _: small)
    return built


def saved(tensors, path):
    torch.save(tensors, path)
    return path


def test_inceptions_normalise_their_input_as_torchvisions_do(inception, tmp_path):
    name, network, pixels, x = inception
    model = load_model(f"torchvision:{name}", weights=saved(network.state_dict(), tmp_path / "w.pth"), runtime="torch")
    agrees(model, network, pixels, x)
    assert len(set(model.evaluate(pixels).probabilities.argmax(1))) > 1
    assert model.class_names[1] == "goldfish, Carassius auratus"
    n_aux = sum(each.startswith(("aux", "Aux")) for each in network.state_dict())
    assert any(f"{n_aux} tensors" in note and "auxiliary heads" in note for note in model.notes)
    assert any("normalises its input once more (transform_input)" in note for note in model.notes)


@pytest.mark.parametrize("built", ["googlenet"], indirect=True)
def test_inceptions_without_auxiliary_heads_or_with_a_new_head(inception, tmp_path):
    name, network, pixels, x = inception
    tensors = {each: value for each, value in network.state_dict().items() if not each.startswith(("aux", "Aux"))}
    model = load_model(f"torchvision:{name}", weights=saved(tensors, tmp_path / "plain.pth"), runtime="torch")
    agrees(model, network, pixels, x)
    assert not any("auxiliary" in note for note in model.notes)
    # As in fine-tuning: a new last layer, while the auxiliary heads keep 1,000 classes.
    tuned = network.state_dict() | {each: tensors[each][:7].clone() for each in ("fc.weight", "fc.bias")}
    tuned = load_model(f"torchvision:{name}", weights=saved(tuned, tmp_path / "tuned.pth"), runtime="torch")
    with torch.no_grad():
        expected = torch.softmax(network(x)[:, :7], 1).numpy()
    assert np.abs(tuned.evaluate(pixels).probabilities - expected).max() <= 1e-5
    assert tuned.class_names is None
    assert any("has 7 classes, not the 1,000" in note and "--label-map" in note for note in tuned.notes)


@pytest.mark.parametrize("built", ["googlenet"], indirect=True)
def test_a_lacking_layer_is_still_told(inception, tmp_path):
    name, network, _, _ = inception
    tensors = {each: value for each, value in network.state_dict().items() if each != "fc.bias"}
    with pytest.raises(InputError, match=r"lacks the tensor 'fc\.bias'"):
        load_model(f"torchvision:{name}", weights=saved(tensors, tmp_path / "w.pth"))


@pytest.fixture
def one_block(monkeypatch):
    """Torchvision's transformers have one block, or one a stage."""
    vit, maxvit = torchvision.models.vision_transformer, torchvision.models.maxvit
    build_vit, build_maxvit = vit._vision_transformer, maxvit._maxvit
    small = {"stem_channels": 8, "block_channels": [32] * 4, "block_layers": [1] * 4}
    monkeypatch.setattr(vit, "_vision_transformer", lambda **options: build_vit(**options | {"num_layers": 1}))
    monkeypatch.setattr(maxvit, "_maxvit", lambda **options: build_maxvit(**options | small))


def transformer(side, n_classes, tmp_path):
    """A vision transformer of torchvision with random weights, and a file of them as a parallel training saves it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = torchvision.models.vit_b_16(weights=None, image_size=side, num_classes=n_classes).eval()
        # torchvision's new heads are zero.
        torch.nn.init.normal_(network.heads.head.weight)
    tensors = {f"module.{name}": each for name, each in network.state_dict().items()}
    return network, saved(tensors, tmp_path / "vit.pth")


@pytest.mark.usefixtures("one_block")
def test_a_transformers_size_is_that_of_its_file(tmp_path):
    network, path = transformer(64, 1000, tmp_path)
    model = load_model("torchvision:vit_b_16", weights=path, runtime="torch")
    assert (model.input_size, model.n_classes) == (64, 1000)
    assert model.preprocessing.crop_fraction == pytest.approx(0.875)
    agrees(model, network, *photographs(64, 4))


@pytest.mark.usefixtures("one_block")
def test_a_transformers_preprocessing_is_that_of_published_weights_of_its_size(tmp_path):
    _, path = transformer(384, 5, tmp_path)
    blueprint = torchvision_classifier("vit_b_16", read_weights(path))
    assert (blueprint.input_size, blueprint.network.heads.head.out_features) == (384, 5)
    # Those for 384 pixels are not resized before the crop.
    assert blueprint.preprocessing.crop_fraction == 1
    assert blueprint.preprocessing.interpolation == "bicubic"


@pytest.mark.usefixtures("one_block")
def test_a_maxvit_has_the_size_that_torchvision_builds(tmp_path):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = torchvision.models.maxvit_t(weights=None, num_classes=6).eval()
    model = load_model("torchvision:maxvit_t", weights=saved(network.state_dict(), tmp_path / "w.pth"), runtime="torch")
    assert (model.input_size, model.n_classes) == (224, 6)
    pixels, x = photographs(224, 2)
    with torch.no_grad():
        expected = torch.softmax(network(x), 1).numpy()
    assert np.abs(model.evaluate(pixels).probabilities - expected).max() <= 1e-5


def test_the_size_of_a_transformer_of_timm_is_that_of_its_file(tmp_path):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = timm.create_model("vit_tiny_patch16_224", num_classes=9, img_size=64).eval()
        torch.nn.init.normal_(network.head.weight)
    path = saved(network.state_dict(), tmp_path / "vit.pth")
    model = load_model("timm:vit_tiny_patch16_224", weights=path, runtime="torch")
    assert (model.input_size, model.n_classes) == (64, 9)
    pixels, _ = photographs(64)
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (model.preprocessing.mean, model.preprocessing.std))
    with torch.no_grad():
        x = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std
        expected = torch.softmax(network(x), 1).numpy()
    assert np.abs(model.evaluate(pixels).probabilities - expected).max() <= 1e-5
