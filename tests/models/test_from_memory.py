"""Networks and functions that are given in Python."""

import numpy as np
import pytest
import torch
from torch import nn

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models import Preprocessing, load_model

SIDE = 16
PREPROCESSING = Preprocessing((0.5,) * 3, (0.25,) * 3)


class Scaled(nn.Module):
    def __init__(self, scale=2.0, seed=0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.fc = nn.Linear(3, 4)
        self.scale = scale
        self.register_buffer("shift", torch.zeros(3), persistent=False)

    def forward(self, x):
        return self.fc(x.mean((2, 3)) + self.shift) * self.scale


def loaded(given, **more):
    more = {"input_size": SIDE, "preprocessing": PREPROCESSING, "device": "cpu", "runtime": "torch"} | more
    return load_model(given, **more)


def expected(pixels, network):
    x = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.25
    with torch.no_grad():
        return torch.softmax(network(x), 1).numpy()


def test_a_network_gives_its_own_outputs_and_is_not_changed(random_pixels):
    network, pixels = Scaled().train(), random_pixels(6, SIDE)
    model = loaded(network, class_names=list("abcd"))
    assert model.evaluate(pixels).probabilities == pytest.approx(expected(pixels, network), abs=1e-6)
    assert (model.name, model.n_classes, model.class_names) == ("Scaled", 4, list("abcd"))
    assert network.training
    assert network.fc.weight.requires_grad
    # What is trained on afterwards is another network.
    before = model.evaluate(pixels).probabilities
    with torch.no_grad():
        network.fc.weight.zero_()
    assert (model.evaluate(pixels).probabilities == before).all()


def test_a_network_may_say_itself_what_it_takes(random_pixels):
    network = Scaled()
    network.input_size, network.mean, network.std, network.class_names = 8, (0.5,) * 3, (0.25,) * 3, list("abcd")
    model = load_model(network, device="cpu", runtime="torch")
    assert (model.input_size, model.preprocessing.mean, model.class_names) == (8, (0.5,) * 3, list("abcd"))
    assert model.notes == ()


def test_an_assumed_preprocessing_is_told():
    model = load_model(Scaled(), device="cpu", runtime="torch")
    assert (model.input_size, model.preprocessing) == (224, Preprocessing())
    assert model.notes == (
        "The preprocessing of Scaled was not given: ImageNet's mean and standard deviation are used.",
    )


def fingerprint(model):
    return model.weights_sha256, model.code_sha256


def test_the_fingerprint_is_of_the_content():
    first = fingerprint(loaded(Scaled()))
    assert fingerprint(loaded(Scaled())) == first
    assert fingerprint(loaded(Scaled().train())) == first
    shifted = Scaled()
    shifted.shift += 1
    others = [Scaled(seed=1), Scaled(scale=3.0), shifted]
    assert len({fingerprint(loaded(each)) for each in others} | {first}) == 4


def test_transform_input_is_in_the_fingerprint():
    layers = [nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4)) for _ in range(2)]
    layers[1].load_state_dict(layers[0].state_dict())
    layers[1].transform_input = True
    assert fingerprint(loaded(layers[0])) != fingerprint(loaded(layers[1]))


def test_weights_of_a_file_for_a_network_from_memory(tmp_path, random_pixels):
    torch.save(Scaled(seed=3).state_dict(), tmp_path / "w.pt")
    pixels = random_pixels(3, SIDE)
    model = loaded(Scaled(), weights=tmp_path / "w.pt")
    assert model.evaluate(pixels).probabilities == pytest.approx(expected(pixels, Scaled(seed=3)), abs=1e-6)


NETWORK = Scaled().eval()


def of_tensors(images):
    with torch.no_grad():
        return NETWORK(images)


def of_arrays(images):
    if not isinstance(images, np.ndarray):
        raise TypeError("an array is needed")
    return images.mean((2, 3)) @ NETWORK.fc.weight.numpy().T * 2 + NETWORK.fc.bias.numpy() * 2


def with_features(images):
    return images.mean((2, 3)) * 7, of_tensors(images)


FUNCTIONS = [of_tensors, of_arrays, with_features, lambda images: of_tensors(images).double().numpy()]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_gives_its_own_outputs(function, random_pixels):
    pixels = random_pixels(6, SIDE)
    with torch.no_grad():
        model = loaded(function, identity="net 1", name="mine", runtime="auto")
    NETWORK.requires_grad_(False)
    outputs = model.evaluate(pixels)
    assert outputs.probabilities == pytest.approx(expected(pixels, NETWORK), abs=1e-5)
    means = (pixels.astype(float).mean((1, 2)) / 255 - 0.5) / 0.25
    if function is with_features:
        assert outputs.features == pytest.approx(means * 7, abs=1e-4)
        assert model.notes == ()
    else:
        assert outputs.features.shape == (6, 4)
        assert model.notes == ("The function mine gives no features, so distances are between its outputs.",)
    assert model.name == "mine"
    assert "torch" in model.runtime
    model.check_deterministic()


def test_a_function_is_told_by_its_identity():
    first = fingerprint(loaded(of_tensors, identity="net 1"))
    assert fingerprint(loaded(of_tensors, identity="net 1")) == first
    assert fingerprint(loaded(of_tensors, identity="net 2")) != first


@pytest.mark.parametrize(
    ("given", "more", "said"),
    [
        (of_tensors, {}, r"The function of_tensors does not show its weights.*identity=TEXT"),
        (of_tensors, {"identity": "x", "weights": "w.pt"}, r"w\.pt does not exist"),
        (lambda images: "cat", {"identity": "x"}, r"outputs, N × classes, or a pair .*, as tensors or arrays, not str"),
        (3, {}, r"A model is a name, a torch\.nn\.Module or a function, not int"),
        (
            torch.jit.ScriptModule(),
            {},
            r"is TorchScript, whose layers cannot be watched",
        ),
        (Scaled(), {"input_size": 0}, r"The network Scaled has input_size 0"),
        ("demo", {}, r"The model demo has a name, an input size, a preprocessing and classes of its own"),
    ],
)
def test_what_is_missing_or_wrong_is_told(given, more, said):
    with pytest.raises(InputError, match=said):
        loaded(given, **more)


def test_a_model_shows_itself():
    model = loaded(Scaled(), class_names=["a", "b", "<i>", "d"], name="my <net>")
    text = repr(model)
    for part in ("my <net>", "16 × 16", "mean 0.5, 0.5, 0.5", "4, named", "logits", "input of fc, 3 numbers", "cpu"):
        assert part in text
    page = model._repr_html_()
    assert page.startswith("<table>")
    assert "my &lt;net&gt;" in page
    assert "16 × 16" in page
