import itertools
import os
import subprocess
import sys
import textwrap

import pytest
import torch

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models import Preprocessing, load_model, names_code

NUMBERS = itertools.count()
HEAD = """
import torch
from bias_toolkit.models import Model, Preprocessing

def plain():
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(4, 3)
    )
"""


@pytest.fixture
def spec_of(tmp_path, monkeypatch):
    """Writes a module into a folder on Python's path; gives the spec of its function `make`."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(body):
        name = f"my_networks_{next(NUMBERS)}"
        (tmp_path / f"{name}.py").write_text(HEAD + textwrap.dedent(body))
        return f"{name}:make"

    return write


def test_a_plain_network_gets_the_usual_preprocessing(spec_of):
    spec = spec_of("make = plain")
    model = load_model(spec, device="cpu")
    assert model.name == spec
    assert model.input_size == 224
    assert model.preprocessing == Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear", 0.875)
    assert (model.n_classes, model.feature_dimension, model.feature_layer) == (3, 4, "input of 3")
    assert model.class_names is None


def test_attributes_describe_the_network(spec_of):
    spec = spec_of(
        """
        def make():
            network = plain()
            network.input_size = 32
            network.mean, network.std = (0, 0, 0), [1, 1, 1]
            network.interpolation, network.crop_fraction = "bicubic", 1
            network.class_names, network.class_ids = ["a", "b", "c"], ["x", "y", "z"]
            return network
        """
    )
    model = load_model(spec, device="cpu")
    assert model.input_size == 32
    assert model.preprocessing == Preprocessing((0, 0, 0), (1, 1, 1), "bicubic", 1.0)
    assert (model.class_names, model.class_ids) == (["a", "b", "c"], ["x", "y", "z"])


def test_a_factory_may_return_a_model(spec_of):
    spec = spec_of(
        """
        def make():
            half = Preprocessing((0.5,) * 3, (0.5,) * 3)
            return Model("mine", plain(), input_size=16, preprocessing=half, class_names="abc", feature="0")
        """
    )
    model = load_model(spec, device="cpu")
    assert (model.input_size, model.preprocessing.mean) == (16, (0.5, 0.5, 0.5))
    assert (model.class_names, model.feature_layer) == (["a", "b", "c"], "0")


def test_random_weights_are_the_same_every_time(spec_of):
    spec = spec_of("make = plain")
    torch.manual_seed(1)
    first = load_model(spec).weights_sha256
    torch.manual_seed(2)
    assert load_model(spec).weights_sha256 == first


def test_a_file_of_weights_is_put_into_the_network(spec_of, tmp_path):
    spec = spec_of("make = plain")
    tensors = {name: tensor + 1 for name, tensor in load_model(spec).module.state_dict().items()}
    torch.save(tensors, tmp_path / "w.pth")
    loaded = load_model(spec, weights=tmp_path / "w.pth").module.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())
    torch.save({**tensors, "3.bias": torch.zeros(4)}, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"'3\.bias' 4 where the model has 3"):
        load_model(spec, weights=tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("make = 3", "has no function 'make'"),
        ("makes = plain", "has no function 'make'; near it are makes"),
        ("def make(): return 3", "must return a torch.nn.Module, not int"),
        ("def make(size): return plain()", r"failed: TypeError: make\(\) missing"),
        ("def make(): raise OSError('disk on fire')", "failed: OSError: disk on fire"),
        ("def make(): exit()", "ended the program instead of returning a network"),
        ("import sys; sys.exit(3)", "ended the program when imported"),
        ("def make(): raise OSError('disk\\non\\nfire.')", r"failed: OSError: disk on fire\.$"),
        ("import no_such_package", "cannot be imported: ModuleNotFoundError.*no_such_package"),
        ("make = (", "cannot be imported: SyntaxError"),
        (
            """
            def make():
                network = plain()
                network.register_buffer("mean", torch.zeros(3, 1, 1))
                return network
            """,
            "has a mean that is not three numbers",
        ),
        (
            """
            def make():
                network = plain()
                network.input_size = (3, 32, 32)
                return network
            """,
            r"input_size \(3, 32, 32\)",
        ),
        (
            """
            def make():
                network = plain()
                network.class_names = ["a", "b"]
                return network
            """,
            "3 outputs but 2 class names",
        ),
    ],
)
def test_a_factory_that_is_at_fault_is_told(body, said, spec_of):
    with pytest.raises(InputError, match=said):
        load_model(spec_of(body))


def test_a_module_that_does_not_exist_is_told():
    with pytest.raises(InputError, match="'no_such_module' of the model no_such_module:make cannot be imported"):
        load_model("no_such_module:make")


def test_builtins_exit_does_not_end_the_program():
    with pytest.raises(InputError, match=r"^The factory builtins:exit ended the program instead"):
        load_model("builtins:exit")


def test_the_current_folder_is_searched_only_where_that_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Python itself searches it in tests that are run with `python -m pytest`.
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", os.getcwd())])
    name = f"here_{next(NUMBERS)}"
    (tmp_path / f"{name}.py").write_text(HEAD + "open('executed', 'w').close()\nmake = plain\n")
    before = list(sys.path)
    with pytest.raises(InputError, match="ModuleNotFoundError"):
        load_model(f"{name}:make")
    assert not (tmp_path / "executed").exists()
    assert load_model(f"{name}:make", search_current_folder=True).n_classes == 3
    assert sys.path == before


@pytest.mark.parametrize(
    ("spec", "is_code"),
    [
        ("demo", False),
        ("demo:fully-connected", False),
        ("demo:os.system", False),
        ("efficientnet-lite0", False),
        ("torchvision:resnet18", False),
        ("timm:resnet18", False),
        ("timm:hf-hub:someone/network", False),
        ("resnet18", False),
        ("", False),
        ("timm:", False),
        ("os:abort", True),
        ("builtins:exit", True),
        ("my.package:make", True),
        ("timm.models:resnet18", True),
        ("torchvision :resnet18", True),
        (":make", True),
        ("a:b:c", True),
    ],
)
def test_which_names_are_code(spec, is_code):
    assert names_code(spec) is is_code


def test_a_name_is_judged_without_importing_torch():
    program = "import sys; from bias_toolkit.models.specs import names_code; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
