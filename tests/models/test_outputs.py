"""What is recognised in networks' outputs; the right values are computed with torch from the networks themselves."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models import Model, Preprocessing, low_pass
from bias_toolkit.models.activation_map import ActivationMap

SIDE = 16


class Base(nn.Module):
    """A network of `n` outputs, of a feature of 6; `head` makes its output of (feature, logits)."""

    def __init__(self, head, n=4, scale=5.0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            self.conv, self.fc = nn.Conv2d(3, 6, 3, stride=2), nn.Linear(6, n)
        self.head, self.scale = head, scale

    def forward(self, x):
        feature = torch.relu(self.conv(x)).mean((2, 3))
        return self.head(feature, self.fc(feature) * self.scale)


def modelled(head, n=4, **more):
    network = Base(head, n).eval()
    return Model("base", network, input_size=SIDE, preprocessing=Preprocessing(), **more)


@pytest.fixture
def pixels(random_pixels):
    return random_pixels(5, SIDE)


def logits_of(pixels, n=4):
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (Preprocessing().mean, Preprocessing().std))
    x = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std
    with torch.no_grad():
        return Base(lambda feature, logits: logits, n).eval()(x)


def close(model, pixels, expected):
    assert model.evaluate(pixels).probabilities == pytest.approx(expected.numpy(), abs=1e-5)


def test_a_sigmoid_is_recognised_and_no_softmax_is_taken(pixels):
    model = modelled(lambda feature, logits: torch.sigmoid(logits))
    close(model, pixels, torch.sigmoid(logits_of(pixels)))
    assert model.reading.outputs == "independent"
    assert any("independent probabilities" in note and "--outputs logits" in note for note in model.notes)
    # The activation map's probabilities are the same.
    assert ActivationMap(model)(pixels).probabilities == pytest.approx(model.evaluate(pixels).probabilities, abs=1e-5)


def test_what_is_asked_for_counts_more_than_what_is_recognised(pixels):
    model = modelled(lambda feature, logits: torch.sigmoid(logits), outputs="logits")
    close(model, pixels, torch.softmax(torch.sigmoid(logits_of(pixels)), 1))
    assert model.notes == ()
    model = modelled(lambda feature, logits: logits, outputs="independent")
    close(model, pixels, torch.sigmoid(logits_of(pixels)))
    assert model.notes == ("A sigmoid makes independent probabilities of the model's outputs.",)


def test_logits_and_probabilities_are_as_ever(pixels):
    expected = torch.softmax(logits_of(pixels), 1)
    for head in (lambda feature, logits: logits, lambda feature, logits: torch.softmax(logits, 1)):
        model = modelled(head)
        close(model, pixels, expected)
        assert (model.notes, model.reading.identity) == ((), None)


def test_logits_that_lie_in_0_to_1_are_no_probabilities_if_a_linear_layer_gives_them():
    network = Base(lambda feature, logits: logits, scale=1e-3)
    network.head = None
    network.forward = lambda x: network.fc(torch.relu(network.conv(x)).mean((2, 3)))
    with torch.no_grad():
        network.fc.weight.mul_(1e-2)
        network.fc.bias.fill_(0.5)
    model = Model("small", network, input_size=SIDE, preprocessing=Preprocessing())
    assert model.reading.outputs == "logits"


def test_outputs_that_are_asked_for_and_cannot_be(pixels):
    with pytest.raises(InputError, match=r"--outputs is probabilities, but the model's outputs are not in 0 … 1"):
        modelled(lambda feature, logits: logits, outputs="probabilities")
    with pytest.raises(InputError, match=r"--outputs is 'softmax', but must be one of logits, probabilities, indep"):
        modelled(lambda feature, logits: logits, outputs="softmax")


@pytest.mark.parametrize("shape", ["column", "flat"])
@pytest.mark.parametrize("kind", ["logit", "probability"])
def test_one_output_is_that_of_the_second_of_two_classes(kind, shape, pixels):
    def head(feature, logits):
        made = torch.sigmoid(logits) if kind == "probability" else logits
        return made if shape == "column" else made[:, 0]

    model = modelled(head, n=1, class_names=["cat", "dog"])
    second = torch.sigmoid(logits_of(pixels, 1)[:, 0])
    close(model, pixels, torch.stack([1 - second, second], 1))
    assert (model.n_classes, model.feature_layer, model.feature_dimension) == (2, "input of fc", 6)
    assert model.notes == (
        f"The model gives one number for each image: a {kind}, taken as that of the second of two classes.",
    )


TUPLES = {
    "feature, logits": lambda feature, logits: (feature, logits),
    "list": lambda feature, logits: [feature, logits],
    "dictionary": lambda feature, logits: {"embedding": feature, "prediction": logits},
    "object": lambda feature, logits: SimpleNamespace(embedding=feature, prediction=logits),
    "logits, feature": lambda feature, logits: (logits, feature),
}


@pytest.mark.parametrize("kind", TUPLES)
def test_logits_beside_the_feature_that_they_are_computed_from(kind, pixels):
    model = modelled(TUPLES[kind])
    close(model, pixels, torch.softmax(logits_of(pixels), 1))
    number = 1 if kind == "logits, feature" else 2
    assert model.n_classes == 4
    (note,) = model.notes
    assert note.startswith(f"The model gives 2 outputs for each image. Number {number} is taken as the logits: ")


def test_names_of_outputs_and_of_classes_decide(pixels):
    expected = torch.softmax(logits_of(pixels), 1)
    model = modelled(lambda feature, logits: {"other": logits * 2, "logits": logits})
    close(model, pixels, expected)
    assert model.notes == ()
    detached = modelled(lambda feature, logits: (feature * 2, logits), class_names=list("abcd"))
    close(detached, pixels, expected)
    assert "as many numbers as there are names of classes" in detached.notes[0]


def test_of_unrelated_outputs_the_first_is_taken_and_told(pixels):
    unrelated = modelled(lambda feature, logits: (logits * 1, logits * 2))
    close(unrelated, pixels, torch.softmax(logits_of(pixels), 1))
    assert "it is the first; if that is wrong, let the network return the logits alone" in unrelated.notes[0]


def test_a_map_beside_logits_is_no_choice(pixels):
    model = modelled(lambda feature, logits: (feature[:, :, None, None].expand(-1, -1, 3, 3), logits))
    close(model, pixels, torch.softmax(logits_of(pixels), 1))
    assert model.notes == ()
    assert model.reading.identity == "logits softmax 1"


@pytest.mark.parametrize("n", [1, 4])
def test_a_copy_of_the_network_is_read_alike(n, pixels):
    model = modelled(lambda feature, logits: (feature, logits), n)
    again = model.with_module(low_pass(model.module, 1, input_size=SIDE), "again")
    assert (again.evaluate(pixels).probabilities == model.evaluate(pixels).probabilities).all()
    assert (again.feature_layer, again.n_classes) == (model.feature_layer, model.n_classes)
    assert len(model.module._forward_hooks) == 1


def test_openvino_reads_them_alike(pixels):
    pytest.importorskip("openvino")
    models = [modelled(lambda feature, logits: (feature, logits), 1, runtime=each) for each in ("torch", "openvino")]
    one, other = (model.evaluate(pixels) for model in models)
    assert other.probabilities == pytest.approx(one.probabilities, abs=1e-5)
    assert other.features == pytest.approx(one.features, abs=1e-5)


def test_the_identity_tells_readings_apart():
    kinds = [
        modelled(lambda feature, logits: logits),
        modelled(lambda feature, logits: logits, outputs="independent"),
        modelled(lambda feature, logits: torch.sigmoid(logits)),
        modelled(lambda feature, logits: (feature, logits)),
        modelled(lambda feature, logits: {"embedding": feature, "prediction": logits}),
    ]
    identities = [model.reading.identity for model in kinds]
    assert identities[0] is None
    assert len(set(identities)) == len(identities)


def test_measures_of_independent_probabilities():
    """They are those of the classes' own probabilities; an independent computation of two of them."""
    from bias_toolkit.invariance import Sweep, make_response
    from bias_toolkit.invariance.measures import INVARIANCE_MEASURES, measures_of
    from bias_toolkit.invariance.protocols.protocol import Compared

    rng = np.random.default_rng(0)
    p = rng.random((9, 4)).astype(np.float32)
    sweep = Sweep("crop", "diagonal", 1.0)
    response = make_response(p, rng.normal(size=(9, 3)).astype(np.float32), sweep, 2)
    values = measures_of(response, [each for each in INVARIANCE_MEASURES if Compared.STEPS in each.of])
    top = p.argmax(1)
    assert values["p_top1_change"] == np.mean([top[k] != top[k + 1] for k in range(8)])
    assert values["mac"] == pytest.approx(np.mean([abs(p[k, top[k]] - p[k + 1, top[k]]) for k in range(8)]))
    assert values["margin"] == pytest.approx(float(p[4, top[4]] - np.sort(p[4])[-2]))
    assert 0 <= values["margin"] <= values["confidence"] <= 1
