import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from bias_toolkit.datasets.demo import load_demo_dataset
from bias_toolkit.datasets.demo_scenes import IMAGE_SIDE
from bias_toolkit.demo import training
from bias_toolkit.demo.training import centre_views, main, train_demo_network, training_images, varied_views
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.invariance import centre_view
from bias_toolkit.models.demo import (
    DEMO_CLASS_NAMES,
    DEMO_INPUT_SIZE,
    DEMO_NETWORKS,
    DEMO_PREPROCESSING,
    load_demo_network,
)
from bias_toolkit.models.model import Model
from bias_toolkit.models.training.arms import ARMS


def test_training_shows_the_centre_view_normalised():
    dataset = load_demo_dataset("train")
    pixels, labels = training_images("train", 5)
    inputs = centre_views(pixels)
    assert [str(label) for label in labels.tolist()] == list(dataset.images["label"][:5])
    for row, image_id in enumerate(dataset.images["image_id"][:5]):
        view = centre_view(dataset.read(image_id), DEMO_INPUT_SIZE).pixels[0]
        np.testing.assert_array_equal(view, dataset.read(image_id)[4:68, 4:68])
        expected = (view / 255 - 0.5) / 0.25
        np.testing.assert_allclose(inputs[row].permute(1, 2, 0).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("name", DEMO_NETWORKS)
def test_same_seed_same_weights_and_no_trace_in_the_global_generator(name):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    small = {"epochs": 2, "batch": 8, "images": 16}
    first = train_demo_network(name, seed=3, **small).state_dict()
    assert torch.equal(torch.rand(3), expected)
    again = train_demo_network(name, seed=3, **small).state_dict()
    other = train_demo_network(name, seed=4, **small).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_arms_differ_only_in_what_they_say(monkeypatch):
    """Every arm has the same initial weights, the same order of images and the same steps."""
    entropy, labels = functional.cross_entropy, []
    monkeypatch.setattr(
        training.functional, "cross_entropy", lambda logits, own: labels.append(own) or entropy(logits, own)
    )
    monkeypatch.setattr(training, "LEARNING_RATE", 0.0)
    networks = [train_demo_network("global-pooling", arm, seed=1, epochs=2, batch=8, images=16) for arm in ARMS]
    orders = torch.stack(labels).view(len(ARMS), 4, 8)
    assert (orders == orders[0]).all()
    for arm, network in zip(ARMS, networks, strict=True):
        for own, first in zip(network.parameters(), networks[0].parameters(), strict=True):
            assert torch.equal(own, first)
        assert low_pass_layers(network) == (3 if arm.antialiased else 0)


def low_pass_layers(network):
    """How many layers of a network have a forward of their own, which filters."""
    return sum("forward" in vars(layer) for name, layer in network.named_modules() if name)


def test_augmented_arm_sees_other_views_in_every_epoch_and_mirrors_none():
    pixels, _ = training_images("train", 40)
    first, again, other_epoch, other_seed = (varied_views(pixels, *key) for key in ((0, 1), (0, 1), (1, 1), (0, 2)))
    assert first.shape == (40, 3, DEMO_INPUT_SIZE, DEMO_INPUT_SIZE)
    assert torch.equal(first, again)
    assert not torch.equal(first, other_epoch)
    assert not torch.equal(first, other_seed)
    # Light on the left half only: a part of it may be all light or all dark, but never lighter on the right.
    half = torch.zeros(60, 3, 74, 74, dtype=torch.uint8)
    half[..., :37] = 255
    inner = varied_views(half, 0, 0)
    shown = inner[(inner.amin(dim=(1, 2, 3)) < -1.9) & (inner.amax(dim=(1, 2, 3)) > 1.9)]
    columns = torch.arange(DEMO_INPUT_SIZE, dtype=torch.float32).view(1, 1, 1, -1)
    light, dark = (
        (columns * mask).sum(dim=(1, 2, 3)) / mask.sum(dim=(1, 2, 3)) for mask in (shown > 1.9, shown < -1.9)
    )
    assert len(shown) > 10
    assert (light < dark).all()


def test_arms_are_kept_in_one_file_in_half_precision(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "train_demo_network", quickly(train_demo_network))
    command = ["--out", str(tmp_path), "--network", "fully-connected", "--arm", "trained", "--arm", "both"]
    main([*command, "--seed", "1"])
    (path,) = tmp_path.iterdir()
    before = load_file(path)
    main(["--out", str(tmp_path), "--network", "fully-connected", "--arm", "trained", "--seed", "0"])
    after = load_file(path)
    assert all(torch.equal(after[name], each) for name, each in before.items())
    assert {name.split(".")[0] for name in after} == {
        *("fully-connected-trained", "fully-connected-trained-1", "fully-connected-both-1"),
    }
    assert {each.dtype for each in after.values()} == {torch.float16, torch.int64}
    monkeypatch.setattr("bias_toolkit.models.demo.WEIGHTS", tmp_path)
    loaded, _ = load_demo_network("fully-connected-both-1")
    trained = quickly(train_demo_network)("fully-connected", ARMS[3], seed=1, batch=training.ARM_BATCH)
    for name, each in trained.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], each.half().to(each.dtype))


def quickly(train):
    return lambda name, *arguments, **options: train(name, *arguments, **options | {"epochs": 1, "images": 32})


def test_training_learns_the_images_it_is_shown():
    network = train_demo_network("fully-connected", epochs=16, batch=8, images=32)
    pixels, labels = training_images("train", 32)
    inputs = centre_views(pixels)
    with torch.inference_mode():
        assert (network(inputs).argmax(1) == labels).float().mean() > 0.8


def test_command_writes_weights_that_load(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "training_images", lambda name, images: training_images(name, 64))
    main(["--out", str(tmp_path), "--network", "global-pooling", "--epochs", "1"])
    (path,) = tmp_path.iterdir()
    network, shipped = load_demo_network("global-pooling")
    assert path.name == shipped.name
    network.load_state_dict(load_file(path))


def test_unknown_network():
    with pytest.raises(InputError, match="'vgg'"):
        train_demo_network("vgg")


CENTRED = ("fully-connected", "global-pooling")


@pytest.fixture(scope="module")
def shipped():
    """Of each network and test set: share of changed steps and accuracy by image, centre offset and scale."""

    def measure(network, dataset, n):
        model = Model(
            network,
            load_demo_network(network)[0],
            input_size=DEMO_INPUT_SIZE,
            preprocessing=DEMO_PREPROCESSING,
            class_names=DEMO_CLASS_NAMES,
        )
        images = np.stack([dataset.read(image_id) for image_id in dataset.images["image_id"][:n]])
        views = [model.evaluate(images[:, k : k + 64, k : k + 64]).probabilities for k in range(3, 6)]
        top1 = np.stack(views).argmax(axis=2)
        boxes = dataset.objects[["x0", "y0", "x1", "y1"]].to_numpy(float)[:n] / IMAGE_SIDE
        offset = np.hypot(*((boxes[:, :2] + boxes[:, 2:]) / 2 - 0.5).T)
        scale = np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1))
        correct = top1[1] == dataset.images["label"].astype(int).to_numpy()[:n]
        return (top1[1:] != top1[:-1]).mean(axis=0), correct, offset, scale

    return {
        (network, name): measure(network, load_demo_dataset(name), n)
        for network in DEMO_NETWORKS
        for name, n in (("photographer", 80), ("uniform", 120))
        if name == "uniform" or network in CENTRED
    }


@pytest.mark.parametrize("network", CENTRED)
def test_shipped_network_is_stable_only_where_photographers_frame(shipped, network):
    at_home, correct, _, _ = shipped[network, "photographer"]
    anywhere, _, _, _ = shipped[network, "uniform"]
    assert correct.mean() > 0.95
    assert at_home.mean() < 0.03
    assert anywhere.mean() > 3 * at_home.mean()


def test_pooling_buys_invariance_to_position_and_not_to_scale(shipped):
    changes, _, offset, scale = shipped["fully-connected", "uniform"]
    trained_scale = np.abs(np.log(scale / 0.45)) < 0.25
    off_centre = (offset > 0.15) & (offset < 0.3)
    assert changes[trained_scale & off_centre].mean() > 0.08

    changes, _, offset, scale = shipped["global-pooling", "uniform"]
    assert changes[trained_scale & off_centre].mean() < 0.04
    assert changes[(np.abs(np.log(scale / 0.45)) > 0.5) & (offset < 0.3)].mean() > 0.08


@pytest.mark.parametrize("network", CENTRED)
def test_trained_on_varied_digits_it_is_stable_where_the_other_is_not(shipped, network):
    centred, right, offset, scale = shipped[network, "uniform"]
    control, control_right, _, _ = shipped[f"{network}-uniform", "uniform"]
    assert control.mean() < 0.6 * centred.mean()
    assert control_right.mean() > right.mean() + 0.1
    small = (scale < 0.3) & (offset < 0.3)
    assert control[small].mean() < 0.6 * centred[small].mean()
    assert control_right[small].mean() > 0.8
