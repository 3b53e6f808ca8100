import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bias_toolkit.datasets.demo import load_demo_dataset
from bias_toolkit.datasets.demo_scenes import IMAGE_SIDE
from bias_toolkit.demo.training import main, train_demo_network, training_views
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


def test_training_shows_the_centre_view_normalised():
    dataset = load_demo_dataset("train")
    inputs, labels = training_views("train", 5)
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
    first = train_demo_network(name, seed=3, epochs=2, images=64).state_dict()
    assert torch.equal(torch.rand(3), expected)
    again = train_demo_network(name, seed=3, epochs=2, images=64).state_dict()
    other = train_demo_network(name, seed=4, epochs=2, images=64).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_training_learns_the_images_it_is_shown():
    network = train_demo_network("fully-connected", epochs=20, images=128)
    inputs, labels = training_views("train", 128)
    with torch.inference_mode():
        assert (network(inputs).argmax(1) == labels).float().mean() > 0.8


def test_command_writes_weights_that_load(tmp_path, monkeypatch):
    monkeypatch.setattr("bias_toolkit.demo.training.training_views", lambda name, images: training_views(name, 64))
    main(["--out", str(tmp_path), "--network", "global-pooling", "--epochs", "1"])
    (path,) = tmp_path.iterdir()
    network, shipped = load_demo_network("global-pooling")
    assert path.name == shipped.name
    network.load_state_dict(load_file(path))


def test_unknown_network():
    with pytest.raises(InputError, match="'vgg'"):
        train_demo_network("vgg")


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
        views = [
            np.concatenate(
                [
                    model.evaluate(images[start : start + 100, k : k + 64, k : k + 64]).probabilities
                    for start in range(0, n, 100)
                ]
            )
            for k in range(9)
        ]
        top1 = np.stack(views).argmax(axis=2)
        boxes = dataset.objects[["x0", "y0", "x1", "y1"]].to_numpy(float)[:n] / IMAGE_SIDE
        offset = np.hypot(*((boxes[:, :2] + boxes[:, 2:]) / 2 - 0.5).T)
        scale = np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1))
        correct = top1[4] == dataset.images["label"].astype(int).to_numpy()[:n]
        return (top1[1:] != top1[:-1]).mean(axis=0), correct, offset, scale

    return {
        (network, name): measure(network, load_demo_dataset(name), n)
        for network in DEMO_NETWORKS
        for name, n in (("photographer", 100), ("uniform", 200))
    }


CENTRED = ("fully-connected", "global-pooling")


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
