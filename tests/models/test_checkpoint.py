import argparse
import errno
import json
import math
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import zipfile
from contextlib import suppress
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn
from torchvision.models.resnet import BasicBlock

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models import load_model, read_checkpoint
from bias_toolkit.models.checkpoint import (
    Weights,
    assign_weights,
    assign_weights_in_order,
    classifier_with_weights,
    read_weights,
)

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
    "in one another": lambda tensors: {"trainer": {"model": {"state_dict": tensors}}, "epoch": 3},
    "lightning": lambda tensors: {"state_dict": with_prefix("model.", tensors), "hyper_parameters": {}},
}


@pytest.fixture(scope="module")
def tensors():
    return shufflenet().state_dict()


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_the_same_weights_however_wrapped(wrapping, tmp_path):
    tensors = Small().state_dict()
    made, _ = fitted(WRAPPINGS[wrapping](tensors), tmp_path)
    assert same(made, tensors)


def test_safetensors_are_the_same_weights(tensors, tmp_path):
    torch.save(WRAPPINGS["in one another"](tensors), tmp_path / "weights.pt")
    save_file(tensors, tmp_path / "weights.safetensors")
    model, other = (
        load_model(SHUFFLENET, weights=tmp_path / f"weights.{kind}", runtime="torch") for kind in ("pt", "safetensors")
    )
    assert model.weights_sha256 == other.weights_sha256
    assert model.name == f"{SHUFFLENET} (weights.pt)"
    loaded = model.module.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())
    assert model.class_ids[1] == "n01443537"
    assert model.class_names[1] == "goldfish, Carassius auratus"


def test_half_precision_weights_run_in_float32(tmp_path):
    tensors = Small().state_dict()
    save_file({name: tensor.half() for name, tensor in tensors.items()}, tmp_path / "half.safetensors")
    network = Small(seed=9)
    assign_weights(network, read_weights(tmp_path / "half.safetensors"))
    assert network.fc.weight.dtype == torch.float32
    assert torch.equal(network.fc.weight, tensors["fc.weight"].half().float())


def test_files_without_batch_counters_are_taken(tmp_path):
    tensors = Small().state_dict()
    old = {name: tensor for name, tensor in tensors.items() if not name.endswith("num_batches_tracked")}
    assert len(old) < len(tensors)
    loaded, _ = fitted(old, tmp_path)
    assert all(torch.equal(loaded[name], tensor) for name, tensor in old.items())


def test_densenet_files_with_the_old_names_are_taken(tmp_path):
    def build(n_classes):
        return torchvision.models.DenseNet(8, (2, 2), 16, num_classes=n_classes)

    tensors = build(7).state_dict()
    old = {
        name.replace("norm1.", "norm.1.").replace("conv2.", "conv.2.") if "denselayer" in name else name: tensor
        for name, tensor in tensors.items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "densenet.pth")
    network, n_classes, _ = classifier_with_weights(build, read_weights(tmp_path / "densenet.pth"), 1000)
    assert n_classes == 7
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_number_of_classes_is_that_of_the_files_classifier(library, tmp_path):
    if library == "torchvision":
        spec, network = SHUFFLENET, shufflenet(n_classes=7)
    else:
        spec, network = "timm:resnet10t", timm.create_model("resnet10t", num_classes=7)
    torch.save(network.state_dict(), tmp_path / "seven.pth")
    model = load_model(spec, weights=tmp_path / "seven.pth", runtime="torch")
    assert model.n_classes == 7
    assert model.class_names is None
    assert model.class_ids is None


class Small(nn.Module):
    """A network with layers in a part of its own; the same seed gives the same weights."""

    def __init__(self, n_classes=4, seed=0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.features = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU())
            self.fc = nn.Linear(5, n_classes)

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))


def fitted(content, tmp_path, network=None, key=None):
    """A network with the weights of a file, and what was told; it is checked to be whole."""
    torch.save(content, tmp_path / "w.pth")
    network = Small(seed=9) if network is None else network
    notes = assign_weights(network, read_weights(tmp_path / "w.pth", key))
    return network.state_dict(), notes


def same(made, tensors):
    return made.keys() == tensors.keys() and all(torch.equal(made[name], tensors[name]) for name in made)


SURPLUS = {
    "criterion": {"criterion.weight": torch.ones(4)},
    "metrics": {"train_acc.tp": torch.ones(4), "val_auroc.value": torch.ones(1), "metric.total": torch.ones(1)},
    "thop": {"total_ops": torch.zeros(1), "features.0.total_params": torch.zeros(1), "fc.total_ops": torch.zeros(1)},
    "averaged": {"n_averaged": torch.tensor(7)},
    "loss": {"loss_fn.pos_weight": torch.ones(4), "aux_loss.weight": torch.ones(2)},
}


@pytest.mark.parametrize("prefix", ["", "model.", "module.", "net.module."])
@pytest.mark.parametrize("kind", SURPLUS)
def test_tensors_of_no_layer_are_left_out_and_told(kind, prefix, tmp_path):
    tensors = Small().state_dict()
    made, notes = fitted(with_prefix(prefix, tensors) | SURPLUS[kind], tmp_path)
    assert same(made, tensors)
    (note,) = notes
    n = len(SURPLUS[kind])
    assert note.startswith(f"Of the weights file w.pth, {n} tensor{'s' if n > 1 else ''} ({next(iter(SURPLUS[kind]))}")
    assert note.endswith("left out, as of no layer of the network but of a loss, a metric or a counter.")


@pytest.mark.parametrize("name", ["features.3.weight", "neck.weight", "head.bias", "features.0.scale"])
def test_tensors_of_another_layer_are_refused(name, tmp_path):
    with pytest.raises(InputError, match=rf"has the unknown tensor '{name}' 2"):
        fitted(Small().state_dict() | {name: torch.ones(2)}, tmp_path)


def test_weights_of_a_deeper_network_do_not_fit_a_shallower_one(tmp_path):
    deep, shallow = (partial(torchvision.models.ResNet, BasicBlock, [n, 1, 1, 1]) for n in (2, 1))
    torch.save(deep(num_classes=3).state_dict(), tmp_path / "deep.pth")
    with pytest.raises(InputError, match=r"unknown tensors 'layer1\.1"):
        classifier_with_weights(lambda n: shallow(num_classes=n), read_weights(tmp_path / "deep.pth"), 1000)


@pytest.mark.parametrize(
    "renamed",
    [
        lambda name: name.replace("features.", "features.module."),
        lambda name: "module." + name.replace("features.", "features._orig_mod."),
        lambda name: f"backbone.encoder.{name}",
        lambda name: f"model.module.{name}",
    ],
)
def test_names_with_other_beginnings_and_wrappers_inside(renamed, tmp_path):
    tensors = Small().state_dict()
    made, notes = fitted({renamed(name): each for name, each in tensors.items()}, tmp_path)
    assert same(made, tensors)
    assert notes == []


def test_a_network_whose_own_names_have_a_wrapper(tmp_path):
    network = nn.Sequential()
    network.module = Small()
    tensors = network.state_dict()
    other = nn.Sequential()
    other.module = Small(seed=3)
    made, notes = fitted(tensors, tmp_path, other)
    assert same(made, tensors)
    assert notes == []


TWO = [
    ("model", "model_ema", lambda plain, averaged: {"model": plain, "model_ema": averaged, "epoch": 3}),
    ("state_dict", "state_dict_ema", lambda plain, averaged: {"state_dict_ema": averaged, "state_dict": plain}),
    ("model", "swa_model", lambda plain, averaged: {"swa_model": averaged, "model": plain, "optimizer": {}}),
    ("net", "ema.shadow", lambda plain, averaged: {"net": plain, "ema": {"shadow": averaged, "decay": 0.99}}),
]


@pytest.mark.parametrize(("taken", "other", "content"), TWO)
def test_of_weights_and_their_average_one_is_taken_and_told(taken, other, content, tmp_path):
    plain, averaged = Small(seed=1).state_dict(), Small(seed=2).state_dict()
    made, notes = fitted(content(plain, averaged), tmp_path)
    assert same(made, plain)
    assert notes == [
        f"The weights file w.pth holds 2 sets of weights; {taken} was taken. --weights-key takes another: {other}."
    ]
    made, notes = fitted(content(plain, averaged), tmp_path, key=other)
    assert same(made, averaged)
    assert notes == []


def test_averages_as_torch_keeps_them(tmp_path):
    average = torch.optim.swa_utils.AveragedModel(Small(seed=2)).state_dict()
    assert "n_averaged" in average
    made, notes = fitted({"model_ema": average}, tmp_path)
    assert same(made, Small(seed=2).state_dict())
    assert "The weights are those that the file w.pth names model_ema: averages over the training." in notes


def test_copies_of_the_network_in_one_state_dict(tmp_path):
    student, teacher = Small(seed=1).state_dict(), Small(seed=2).state_dict()
    content = with_prefix("student.", student) | with_prefix("teacher.", teacher)
    made, notes = fitted(content, tmp_path)
    assert same(made, student)
    assert any(
        "holds 2 copies of the network; student was taken. --weights-key takes another: teacher." in n for n in notes
    )
    made, notes = fitted(content, tmp_path, key="teacher")
    assert same(made, teacher)
    assert notes == []


def test_a_tensor_of_the_same_name_outside_the_network_is_left_out(tmp_path):
    tensors = Small(seed=1).state_dict()
    made, notes = fitted(with_prefix("model.", tensors) | {"fc.weight": torch.zeros(4, 5)}, tmp_path)
    assert same(made, tensors)
    assert notes == ["Of the weights file w.pth, 1 tensor (fc.weight) is left out, as of another copy of the network."]


def test_a_key_that_a_file_has_not_is_told(tmp_path):
    with pytest.raises(
        InputError, match=r"w\.pth has no weights under the name 'ema' of --weights-key; it has .*model"
    ):
        fitted({"model": Small().state_dict()}, tmp_path, key="ema")


def test_the_key_reaches_the_file_from_load_model(tmp_path):
    plain, averaged = (shufflenet(n_classes=3, seed=seed).state_dict() for seed in (1, 2))
    torch.save({"model": plain, "model_ema": averaged}, tmp_path / "w.pth")
    model = load_model(SHUFFLENET, weights=tmp_path / "w.pth", weights_key="model_ema", runtime="torch")
    assert torch.equal(model.module.fc.weight, averaged["fc.weight"])
    with pytest.raises(InputError, match="--weights-key is of a file of weights; give the file with --weights"):
        load_model("demo", weights_key="model_ema")


@pytest.mark.parametrize("save", [torch.save, lambda what, path: save_legacy(what, path)])
def test_values_of_numpy_paths_and_times_beside_weights_are_no_obstacle(save, tmp_path):
    tensors = Small().state_dict()
    beside = {
        "best": np.float64(0.5),
        "counts": [np.int64(3), np.float32(1.5), np.bool_(True)],
        "mean": np.arange(4.0),
        "paths": {"data": Path("/data"), "out": PurePosixPath("a/b"), "win": PureWindowsPath("c:\\x")},
        "when": [datetime(2024, 1, 2), date(2024, 1, 2), timedelta(1)],
        "args": argparse.Namespace(lr=np.float64(0.1), data=Path("x")),
    }
    save({"state_dict": tensors, **beside}, tmp_path / "w.pth")
    assert same(read_checkpoint(tmp_path / "w.pth"), tensors)


def test_numpy_beside_malicious_code_is_refused(tmp_path):
    marker = tmp_path / "executed"
    torch.save({"w": torch.ones(2), "best": np.array([Malicious(marker)], dtype=object)}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="could execute code"):
        read_checkpoint(tmp_path / "w.pth")
    assert not marker.exists()


def test_a_head_of_another_size_is_told(tmp_path):
    with pytest.raises(
        InputError, match=r"its last layer is for 7 classes and the model's for 4, so build .* for 7\.$"
    ):
        fitted(Small(7).state_dict(), tmp_path)


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
        ("lacks", r"lacks the tensors 'stage2.0.branch1.0.weight' 24×1×3×3, 'fc.bias' 1000\.$"),
        ("too many", r"has the unknown tensor 'extra.weight' 2\.$"),
        ("shape", r"has other shapes: the tensor 'conv5.0.weight' 3×3 where the model has 1024×192×1×1\.$"),
    ],
)
def test_misfit_names_file_and_tensor(change, said, tensors, tmp_path):
    path = tmp_path / "misfit.pth"
    torch.save(misfit(tensors, change), path)
    with pytest.raises(InputError, match=said) as raised:
        load_model(SHUFFLENET, weights=path)
    assert str(path) in str(raised.value)


def test_of_another_architecture_the_first_misfits_of_each_kind_are_told(tensors, tmp_path):
    torch.save(tensors, tmp_path / "shufflenet.pth")
    with pytest.raises(InputError, match=r"shufflenet\.pth does not fit the model: it lacks the tensors") as raised:
        load_model("timm:resnet10t", weights=tmp_path / "shufflenet.pth")
    told = str(raised.value)
    expected = timm.create_model("resnet10t").state_dict()
    lacking = [name for name in expected if name not in tensors and not name.endswith("num_batches_tracked")]
    unknown = [name for name in tensors if name not in expected]
    for names in (lacking, unknown):
        assert all(repr(name) in told for name in names[:3])
        assert repr(names[3]) not in told
        assert f"and {len(names) - 3} more" in told
    assert len(told) < 600
    assert "\n" not in told


def test_the_network_is_unchanged_where_weights_do_not_fit(tensors, tmp_path):
    network = shufflenet(seed=4)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for change in ("lacks", "too many", "shape", "nan"):
        wrong = with_value(tensors, "fc.weight", float("nan")) if change == "nan" else misfit(tensors, change)
        with pytest.raises(InputError):
            assign_weights(network, Weights(Path("w.pt"), wrong))
        assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def with_value(tensors, name, value):
    tensors = {each: tensor.clone() for each, tensor in tensors.items()}
    tensors[name].view(-1)[[1, -1]] = value
    return tensors


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["conv1.0.weight", "conv5.1.running_var"])
def test_weights_that_are_no_numbers_are_refused(name, value, tensors, tmp_path):
    path = tmp_path / "diverged.pth"
    torch.save(with_value(with_value(tensors, "fc.weight", value), name, value), path)
    n = f"{tensors[name].numel():,}"
    with pytest.raises(InputError, match=rf"diverged\.pth holds NaN .* first in the tensor '{name}' \(2 of {n}\)"):
        load_model(SHUFFLENET, weights=path)


def test_a_mask_may_be_infinite_where_the_networks_own_is():
    network = nn.Linear(2, 2)
    network.register_buffer("mask", torch.tensor([0.0, -math.inf]))
    tensors = {"weight": torch.ones(2, 2), "bias": torch.ones(2), "mask": torch.tensor([0.0, -math.inf])}
    assign_weights(network, Weights(Path("w.pt"), tensors))
    assert network.weight.sum() == 4
    with pytest.raises(InputError, match="'mask'"):
        assign_weights(network, Weights(Path("w.pt"), tensors | {"mask": torch.tensor([-math.inf, 0.0])}))


def test_weights_of_8_bits_are_taken():
    network = nn.Linear(2, 2)
    tensors = {"weight": torch.full((2, 2), 0.5).to(torch.float8_e4m3fn), "bias": torch.zeros(2)}
    assign_weights(network, Weights(Path("w.pt"), tensors))
    assert network.weight.sum() == 2
    with pytest.raises(InputError, match="'weight'"):
        assign_weights(
            network, Weights(Path("w.pt"), tensors | {"weight": torch.full((2, 2), math.nan).to(torch.float8_e4m3fn)})
        )


def test_tensors_that_a_network_cannot_take_are_told():
    network = nn.Linear(2, 2)
    others = (torch.ones(2, 2, dtype=torch.int8), torch.ones(2, 2, dtype=torch.complex64))
    for weight in (torch.ones(2, 2).to_sparse(), torch.empty(2, 2, device="meta"), *others):
        with pytest.raises(InputError, match="the tensor 'weight' sparse, quantised, complex or without its values"):
            assign_weights(network, Weights(Path("w.pt"), {"weight": weight, "bias": torch.zeros(2)}))


def test_in_order_the_first_pairs_that_do_not_fit_are_told():
    network = nn.Linear(3, 2)
    given = {"a": torch.ones(2, 3), "b": torch.ones(2)}
    assign_weights_in_order(network, given, "w.pt")
    assert network.bias.sum() == 2
    with pytest.raises(InputError, match=r"its tensor 'a' is 3×2 where the model's 'weight' is 2×3, its tensor 'b'"):
        assign_weights_in_order(network, {"a": torch.ones(3, 2), "b": torch.ones(3)}, "w.pt")
    with pytest.raises(InputError, match="'weight'"):
        assign_weights_in_order(network, {"a": torch.full((2, 3), math.nan), "b": torch.ones(2)}, "w.pt")


class Malicious:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def save_legacy(what, path):
    torch.save(what, path, _use_new_zipfile_serialization=False)


def save_pickle(what, path):
    path.write_bytes(pickle.dumps(what))


def save_bare(what, path):
    path.write_bytes(pickle.dumps(what["callback"]))


@pytest.mark.parametrize("save", [torch.save, save_legacy, save_pickle, save_bare])
def test_a_malicious_file_is_refused_and_not_executed(save, tmp_path):
    path, marker = tmp_path / "malicious.pth", tmp_path / "executed"
    save({"state_dict": Small().state_dict(), "callback": Malicious(marker)}, path)
    with pytest.raises(InputError, match=r"malicious.pth was not loaded.*could execute code") as raised:
        load_model(SHUFFLENET, weights=path)
    assert "\n" not in str(raised.value)
    assert not marker.exists()
    assert path.exists()
    # The file does what it is feared for.
    with suppress(Exception):
        torch.load(path, weights_only=False)
    assert marker.exists()


def test_a_pickle_that_calls_itself_safetensors_is_not_executed(tmp_path):
    path, marker = tmp_path / "w.safetensors", tmp_path / "executed"
    path.write_bytes(pickle.dumps(Malicious(marker)))
    with pytest.raises(InputError, match=r"w\.safetensors is not a readable safetensors file"):
        read_checkpoint(path)
    assert not marker.exists()


@pytest.mark.filterwarnings("ignore")
def test_a_torchscript_archive_is_refused(tmp_path):
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "script.pt")
    with pytest.raises(InputError, match=r"script\.pt was not loaded, because it is a TorchScript archive"):
        read_checkpoint(tmp_path / "script.pt")


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "is a web page"),
        (b"\n  <HTML>", "is a web page"),
        (b"\xef\xbb\xbf<!DOCTYPE html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 3\n", "is a pointer of Git LFS"),
    ],
)
def test_what_is_downloaded_in_the_place_of_weights_is_told(name, content, said, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name} {said}"):
        read_checkpoint(tmp_path / name)


def header_of(entry, length=None):
    text = entry if isinstance(entry, bytes) else json.dumps(entry).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text


def described(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


HOSTILE = {
    "longer than the file": header_of(b"{}", 2**62),
    "half of the values": header_of({"w": described(shape=(10,), offsets=(0, 40))}) + b"1234",
    "a huge shape": header_of({"w": described(shape=(2**40,))}) + b"1234",
    "a shape that overflows": header_of({"w": described(shape=(2**32, 2**32))}) + b"1234",
    "an unknown type": header_of({"w": described("EVIL")}) + b"1234",
    "no JSON": header_of(b"not json"),
    "deep JSON": header_of(b"[" * 100_000),
    "tensors over one another": header_of({"w": described(), "v": described()}) + b"1234",
    "values before the file": header_of({"w": described(offsets=(-4, 0))}) + b"1234",
    "values after the file": header_of({"w": described(offsets=(4096, 4100))}) + b"1234",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_safetensors_file_with_a_hostile_header_is_told(kind, tmp_path):
    (tmp_path / "w.safetensors").write_bytes(HOSTILE[kind])
    with pytest.raises(InputError, match=r"w\.safetensors is not a readable safetensors file") as raised:
        read_checkpoint(tmp_path / "w.safetensors")
    assert "\n" not in str(raised.value)


def test_a_whole_pickled_network_is_refused(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "whole.pth")
    with pytest.raises(InputError, match=r"torch\.nn\.modules\.linear\.Linear.*torch\.save\(model\.state_dict"):
        read_checkpoint(tmp_path / "whole.pth")


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_a_damaged_file_is_told(name, tmp_path):
    (tmp_path / name).write_bytes(b"no weights at all" * 20)
    with pytest.raises(InputError, match=name):
        read_checkpoint(tmp_path / name)


@pytest.mark.parametrize("save", [torch.save, save_legacy])
def test_a_cut_off_file_is_told(save, tensors, tmp_path):
    save(tensors, tmp_path / "whole.pth")
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


def test_a_file_that_is_none_or_may_not_be_read_is_said_to_be(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=f"The weights file {tmp_path} is not a file; give a .pt"):
        read_checkpoint(tmp_path)
    file = tmp_path / "weights.pt"
    file.write_bytes(b"x")

    def refuse(path, *rest):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(InputError, match=f"The weights file {file} cannot be read: Permission denied"):
        read_checkpoint(file)


def test_safetensors_under_another_name_are_read(tmp_path):
    save_file({"weight": torch.ones(2)}, tmp_path / "weights.pth")
    assert read_checkpoint(tmp_path / "weights.pth")["weight"].tolist() == [1, 1]


def saved(tensors, path):
    torch.save(tensors, path)
    with zipfile.ZipFile(path) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def written(path, entries, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


BOMB = 60 * 2**20
MEASURED = """
import os, resource, sys
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models import read_checkpoint
for line in sys.stdin:
    if os.fork():
        os.wait()
        continue
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told = "nothing"
    try:
        read_checkpoint(line.rstrip())
    except InputError as error:
        told = error
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, told, flush=True)
    os._exit(0)
"""


@pytest.fixture(scope="module")
def told_and_megabytes():
    """A function that reads a file in a process of its own: what the error says, and the memory that was taken.

    All these processes are forks of one that has imported torch and read nothing.
    """
    command = [sys.executable, "-c", MEASURED]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def read(path):
            process.stdin.write(f"{path}\n")
            process.stdin.flush()
            megabytes, told = process.stdout.readline().split(maxsplit=1)
            return told, int(megabytes)

        yield read


def test_a_file_that_unpacks_to_much_is_refused_packed(told_and_megabytes, tmp_path):
    entries = saved({"weight": torch.zeros(2)}, tmp_path / "whole.pth")
    entries[next(name for name in entries if name.endswith("/data/0"))] = bytes(BOMB)
    path = written(tmp_path / "bomb.pth", entries, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**20
    told, megabytes = told_and_megabytes(path)
    assert "bomb.pth was not loaded, because its entries are compressed" in told
    assert megabytes < 40


@pytest.mark.parametrize("record", ["version", "byteorder", "data.pkl"])
def test_no_record_is_unpacked_that_lies_about_its_size(record, told_and_megabytes, tmp_path):
    entries = saved({"weight": torch.zeros(2)}, tmp_path / "whole.pth")
    name = next(each for each in entries if each.endswith(f"/{record}"))
    entries[name] = bytes(BOMB)
    path = written(tmp_path / "bomb.pth", entries, zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    place = content.rindex(name.encode()) - 46 + 24
    content[place : place + 4] = struct.pack("<I", 10)
    path.write_bytes(content)
    told, megabytes = told_and_megabytes(path)
    assert "bomb.pth was not loaded, because its entries are compressed" in told
    assert megabytes < 40


def test_entries_over_one_another_are_refused(tmp_path):
    entries = saved({"a": torch.zeros(1000), "b": torch.ones(1000)}, tmp_path / "whole.pth")
    path = written(tmp_path / "over.pth", entries)
    content = bytearray(path.read_bytes())
    for name in entries:
        place = content.rindex(name.encode()) - 46
        if "/data/" in name:
            content[place + 20 : place + 28] = struct.pack("<II", len(content) - 100, len(content) - 100)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"over\.pth is damaged"):
        read_checkpoint(path)


def test_an_entry_cannot_be_read_under_many_names(tmp_path):
    entries = saved({"a": torch.zeros(1000)}, tmp_path / "whole.pth")
    entries = {name.replace("/data/0", "/data/aaaa"): content for name, content in entries.items()}
    with pytest.raises(InputError, match=r"many\.pth is damaged"):
        read_checkpoint(written(tmp_path / "many.pth", entries))


def test_what_zip_wrote_without_packing_is_read(tmp_path):
    entries = saved({"a": torch.arange(1000.0)}, tmp_path / "whole.pth")
    path = written(tmp_path / "again.pth", entries)
    assert torch.equal(read_checkpoint(path)["a"], torch.arange(1000.0))


def test_a_large_directory_is_that_of_the_zip_format_for_large_files(tmp_path, monkeypatch):
    entries = saved({"a": torch.arange(1000.0)}, tmp_path / "whole.pth")
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 2000)
    path = written(tmp_path / "large.pth", entries)
    assert b"PK\x06\x06" in path.read_bytes()
    assert torch.equal(read_checkpoint(path)["a"], torch.arange(1000.0))


def copies_of(text, count):
    """A pickle of so many calls that each make new bytes of the text, which it holds once."""
    call = b"h\x00h\x01X\x06\x00\x00\x00latin1\x86R"
    start = b"\x80\x02c_codecs\nencode\nq\x00X" + struct.pack("<I", len(text)) + text + b"q\x01("
    return start + call * count + b"l."


@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_a_pickle_that_multiplies_what_it_holds_is_refused(kind, told_and_megabytes, tmp_path):
    pickled = copies_of(b"a" * 7 * 10**6, 20_000)
    if kind == "zip":
        entries = saved({"a": torch.zeros(2)}, tmp_path / "whole.pth")
        entries = {name: pickled if name.endswith("data.pkl") else each for name, each in entries.items()}
        path = written(tmp_path / "bomb.pth", entries)
    else:
        path = tmp_path / "bomb.pth"
        numbers = (torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, {})
        path.write_bytes(b"".join(pickle.dumps(each, protocol=2) for each in numbers) + pickled)
    told, megabytes = told_and_megabytes(path)
    assert "multiply what it holds" in told
    assert megabytes < 200


@pytest.mark.parametrize("save", [torch.save, save_legacy])
def test_a_pickle_that_is_too_large_is_refused(save, tmp_path):
    save({"a": torch.zeros(2), "log": "x" * 2**23}, tmp_path / "long.pth")
    with pytest.raises(InputError, match=r"more than 8,388,608 bytes that are no tensors"):
        read_checkpoint(tmp_path / "long.pth")


def test_a_tar_file_is_not_unpacked(tmp_path):
    with tarfile.open(tmp_path / "w.pth", "w") as archive:
        pipe = tarfile.TarInfo("storages")
        pipe.type = tarfile.FIFOTYPE
        archive.addfile(pipe)
    with pytest.raises(InputError, match=r"w\.pth is of torch before version 0\.1\.10"):
        read_checkpoint(tmp_path / "w.pth")


def test_a_tar_whose_headers_are_one_in_the_other_is_refused(tmp_path):
    header = tarfile.TarInfo("x")
    header.type = tarfile.GNUTYPE_LONGNAME
    (tmp_path / "w.pth").write_bytes(header.tobuf(tarfile.GNU_FORMAT) * 2000)
    with pytest.raises(InputError, match=r"w\.pth"):
        read_checkpoint(tmp_path / "w.pth")


@pytest.mark.parametrize("save", [torch.save, save_legacy])
def test_a_tensor_that_repeats_one_value_does_not_make_a_huge_network(save, tensors, tmp_path):
    wide = dict(tensors)
    wide["fc.weight"], wide["fc.bias"] = torch.zeros(1, 1024).expand(10**9, 1024), torch.zeros(1).expand(10**9)
    save(wide, tmp_path / "wide.pth")
    with pytest.raises(InputError, match=r"wide\.pth holds tensors of [\d,]+ bytes in a file of"):
        load_model(SHUFFLENET, weights=tmp_path / "wide.pth")


def test_a_legacy_file_that_declares_much_takes_little(told_and_megabytes, tmp_path):
    save_legacy({"a": torch.zeros(1234567)}, tmp_path / "w.pth")
    content = (tmp_path / "w.pth").read_bytes()
    size = struct.pack("<i", 1234567)
    assert content.count(b"J" + size) >= 2
    (tmp_path / "w.pth").write_bytes(content.replace(b"J" + size, b"J" + struct.pack("<i", 500_000_000)))
    told, megabytes = told_and_megabytes(tmp_path / "w.pth")
    assert "w.pth is damaged" in told
    assert megabytes < 150


def test_a_safetensors_header_that_is_too_long_is_refused(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(header_of(b"{" + b" " * 2**24 + b"}"))
    with pytest.raises(InputError, match=r"w\.safetensors is not a readable safetensors file: its header has"):
        read_checkpoint(tmp_path / "w.safetensors")


def test_weights_that_do_not_fit_into_the_memory_are_refused(tensors, tmp_path, monkeypatch):
    torch.save(tensors, tmp_path / "w.pth")
    monkeypatch.setattr("bias_toolkit.models.weights_file.available_memory", lambda: 10**6)
    with pytest.raises(InputError, match=r"takes [\d,]+ bytes of memory, and 1,000,000 are free"):
        read_checkpoint(tmp_path / "w.pth")
