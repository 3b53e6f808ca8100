import argparse
import os
import pickle

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from bias_toolkit.errors import InputError
from bias_toolkit.models import load_model, read_checkpoint

SHUFFLENET = "torchvision:shufflenet_v2_x0_5"


def shufflenet(n_classes=1000, seed=3):
    torch.manual_seed(seed)
    return torchvision.models.shufflenet_v2_x0_5(weights=None, num_classes=n_classes)


def with_prefix(prefix, tensors):
    return {prefix + name: tensor for name, tensor in tensors.items()}


WRAPPINGS = {
    "plain": lambda tensors: tensors,
    "state_dict": lambda tensors: {"epoch": 3, "state_dict": tensors, "optimizer": {"lr": 0.1}},
    "model": lambda tensors: {"model": tensors, "args": argparse.Namespace(lr=0.1)},
    "data parallel": lambda tensors: with_prefix("module.", tensors),
    "compiled data parallel": lambda tensors: {"state_dict": with_prefix("_orig_mod.module.", tensors)},
    "lightning": lambda tensors: {"state_dict": with_prefix("model.", tensors), "hyper_parameters": {}},
}


@pytest.fixture(scope="module")
def tensors():
    return shufflenet().state_dict()


@pytest.fixture(scope="module")
def weights_sha256(tensors, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "plain.pth"
    torch.save(tensors, path)
    return load_model(SHUFFLENET, weights=path).weights_sha256


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_the_same_weights_however_wrapped(wrapping, tensors, weights_sha256, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(WRAPPINGS[wrapping](tensors), path)
    model = load_model(SHUFFLENET, weights=path)
    assert model.weights_sha256 == weights_sha256
    assert model.name == f"{SHUFFLENET} (weights.pt)"
    loaded = model.module.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())


def test_safetensors_are_the_same_weights(tensors, weights_sha256, tmp_path):
    save_file(tensors, tmp_path / "weights.safetensors")
    assert load_model(SHUFFLENET, weights=tmp_path / "weights.safetensors").weights_sha256 == weights_sha256


def test_half_precision_weights_run_in_float32(tensors, tmp_path):
    save_file({name: tensor.half() for name, tensor in tensors.items()}, tmp_path / "half.safetensors")
    model = load_model(SHUFFLENET, weights=tmp_path / "half.safetensors")
    weight = model.module.fc.weight
    assert weight.dtype == torch.float32
    assert torch.equal(weight, tensors["fc.weight"].half().float())


def test_files_without_batch_counters_are_taken(tensors, tmp_path):
    old = {name: tensor for name, tensor in tensors.items() if not name.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / "old.pth")
    loaded = load_model(SHUFFLENET, weights=tmp_path / "old.pth").module.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in old.items())


def test_densenet_files_with_the_old_names_are_taken(tmp_path):
    torch.manual_seed(0)
    tensors = torchvision.models.densenet121(weights=None, num_classes=7).state_dict()
    old = {
        name.replace("norm1.", "norm.1.").replace("conv2.", "conv.2.") if "denselayer" in name else name: tensor
        for name, tensor in tensors.items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "densenet.pth")
    loaded = load_model("torchvision:densenet121", weights=tmp_path / "densenet.pth").module.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_number_of_classes_is_that_of_the_files_classifier(library, tmp_path):
    if library == "torchvision":
        spec, network = SHUFFLENET, shufflenet(n_classes=7)
    else:
        spec, network = "timm:resnet10t", timm.create_model("resnet10t", num_classes=7)
    torch.save(network.state_dict(), tmp_path / "seven.pth")
    model = load_model(spec, weights=tmp_path / "seven.pth")
    assert model.n_classes == 7
    assert model.class_names is None
    assert model.class_ids is None


def test_thousand_classes_are_imagenets(tensors, tmp_path):
    torch.save(tensors, tmp_path / "weights.pth")
    model = load_model(SHUFFLENET, weights=tmp_path / "weights.pth")
    assert model.class_ids[1] == "n01443537"
    assert model.class_names[1] == "goldfish, Carassius auratus"


def misfit(tensors, change):
    tensors = dict(tensors)
    if change == "lacks":
        del tensors["stage2.0.branch1.0.weight"], tensors["fc.bias"]
    elif change == "too many":
        tensors["extra.weight"] = torch.zeros(2)
    else:
        tensors["conv5.0.weight"] = torch.zeros(3, 3)
    return tensors


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("lacks", "lacks the tensor 'stage2.0.branch1.0.weight'"),
        ("too many", "holds the tensor 'extra.weight'"),
        ("shape", r"'conv5.0.weight' has shape \(3, 3\) where the model has \(1024, 192, 1, 1\)"),
    ],
)
def test_misfit_names_file_and_tensor(change, said, tensors, tmp_path):
    path = tmp_path / "misfit.pth"
    torch.save(misfit(tensors, change), path)
    with pytest.raises(InputError, match=said) as raised:
        load_model(SHUFFLENET, weights=path)
    assert str(path) in str(raised.value)


def test_weights_of_another_architecture_are_refused(tensors, tmp_path):
    torch.save(tensors, tmp_path / "shufflenet.pth")
    with pytest.raises(InputError, match=r"shufflenet\.pth does not fit the model: it lacks the tensor"):
        load_model("timm:resnet10t", weights=tmp_path / "shufflenet.pth")


class Malicious:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("save", [torch.save, lambda what, path: path.write_bytes(pickle.dumps(what))])
def test_a_malicious_file_is_refused_and_not_executed(save, tensors, tmp_path):
    path, marker = tmp_path / "malicious.pth", tmp_path / "executed"
    save({"state_dict": tensors, "callback": Malicious(marker)}, path)
    with pytest.raises(InputError, match=r"malicious.pth was not loaded.*could execute code"):
        load_model(SHUFFLENET, weights=path)
    assert not marker.exists()
    assert path.exists()


def test_a_whole_pickled_network_is_refused(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "whole.pth")
    with pytest.raises(InputError, match=r"torch\.nn\.modules\.linear\.Linear.*torch\.save\(model\.state_dict"):
        read_checkpoint(tmp_path / "whole.pth")


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize("content", [b"", b"no weights at all" * 20])
def test_a_damaged_file_is_told(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        read_checkpoint(tmp_path / name)


def test_a_cut_off_file_is_told(tensors, tmp_path):
    torch.save(tensors, tmp_path / "whole.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "whole.pth").read_bytes()[:100_000])
    with pytest.raises(InputError, match=r"cut\.pth is damaged"):
        read_checkpoint(tmp_path / "cut.pth")


@pytest.mark.parametrize("content", [{"epoch": 3}, [torch.zeros(2)], {"state_dict": {}}])
def test_a_file_without_a_state_dict_is_told(content, tmp_path):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth holds no state dict"):
        read_checkpoint(tmp_path / "other.pth")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.pth does not exist"):
        load_model(SHUFFLENET, weights=tmp_path / "nowhere.pth")
