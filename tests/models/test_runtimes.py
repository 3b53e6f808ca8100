"""Every runtime gives what eager torch gives in float32."""

import sys
from functools import partial

import numpy as np
import pytest
import timm
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models import Model, Preprocessing, choose_runtime, load_model, openvino_runtime, torch_runtime
from bias_toolkit.models import runtime as runtimes
from bias_toolkit.models.torch_runtime import TorchRuntime, fitting_batch

openvino = pytest.importorskip("openvino")

PREPROCESSING = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
CPU = torch.device("cpu")
SIZE = 64


def inverted_residuals():
    """Four blocks of MobileNetV3, with and without squeeze-and-excitation, with either activation."""
    kind = partial(torchvision.models.mobilenetv3.InvertedResidualConfig, dilation=1, width_mult=1.0)
    return [
        kind(16, 3, 16, 16, True, "RE", stride=2),
        kind(16, 3, 48, 24, False, "RE", stride=2),
        kind(24, 5, 64, 24, True, "HS", stride=1),
        kind(24, 5, 64, 32, True, "HS", stride=2),
    ]


def blocks():
    """Blocks of many kinds one after another, since OpenVINO takes seconds for any network.

    They are residual, dense, inverted residual, shuffled and large-kernel ones.
    """
    vision = torchvision.models
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2),
        vision.resnet.BasicBlock(16, 16),
        vision.densenet._DenseBlock(2, 16, 4, 8, 0),
        vision.densenet._Transition(32, 16),
        *(vision.mobilenetv3.InvertedResidual(each, nn.BatchNorm2d) for each in inverted_residuals()),
        vision.shufflenetv2.InvertedResidual(32, 32, 2),
        vision.shufflenetv2.InvertedResidual(32, 32, 1),
        timm.models.convnext.ConvNeXtBlock(32, ls_init_value=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.LayerNorm(32),
        nn.Linear(32, 10),
    )


ARCHITECTURES = {
    "convolutions": blocks,
    "attention": lambda: timm.create_model("vit_tiny_patch16_224", img_size=SIZE, depth=2, num_classes=10),
}


def sharpened(network, pixels):
    """The network with probabilities that are not all alike, as untrained ones' are.

    Normalisation layers take the statistics of the views, and the classifier's weights are made longer.
    """
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():
        network.train()(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 128 - 1)
        heads = [each for each in network.modules() if isinstance(each, nn.Linear) and each.out_features == 10]
        heads[-1].weight.mul_(20 / heads[-1].weight.norm(dim=1).mean())
    return network.eval()


def make_model(network, runtime="openvino", size=SIZE, **options):
    return Model("network", network, input_size=size, preprocessing=PREPROCESSING, runtime=runtime, **options)


def eager(model, pixels, outside=None):
    """Probabilities of plain torch, one image at a time, NCHW, written without the toolkit's batching."""
    rows = []
    mean, std = (torch.tensor(each)[:, None, None] for each in (model.preprocessing.mean, model.preprocessing.std))
    for number, view in enumerate(pixels):
        image = torch.from_numpy(view.copy()).permute(2, 0, 1).float() / 255
        image = (image - mean) / std
        if outside is not None:
            image[:, torch.from_numpy(outside[number])] = 0
        with torch.no_grad():
            rows.append(model.module(image[None]).softmax(1)[0].numpy())
    return np.stack(rows)


@pytest.fixture(scope="module")
def pixels():
    """Views of noise and of smooth shades."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (6, SIZE, SIZE, 3))
    shades = rng.integers(0, 256, (5, 1, 1, 3)) * np.linspace(0, 1, SIZE)[:, None, None]
    shades = np.broadcast_to(shades, (5, SIZE, SIZE, 3))
    return np.concatenate([noise, shades]).astype(np.uint8)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_openvino_gives_the_probabilities_of_eager_float32(name, pixels):
    torch.manual_seed(0)
    model = make_model(sharpened(ARCHITECTURES[name](), pixels), batch_size=4)
    expected = eager(model, pixels)
    assert expected.max(axis=1).min() > 0.15, "the comparison needs probabilities that are not all alike"
    made = model.evaluate(pixels)
    assert model.runtime.startswith("OpenVINO")
    assert np.abs(made.probabilities - expected).max() < 1e-4
    torch_made = make_model(model.module, "torch").evaluate(pixels)
    assert np.abs(torch_made.probabilities - expected).max() < 1e-4
    scale = np.abs(torch_made.features).max()
    assert np.abs(made.features - torch_made.features).max() < 1e-4 * scale
    assert made.features.std(axis=0).max() > 1e-3 * scale


@pytest.fixture(scope="module")
def small():
    return {runtime: load_model("demo", runtime=runtime, batch_size=4) for runtime in ("torch", "openvino")}


def test_places_outside_are_exact_zeros_of_the_input_in_both(small, pixels):
    outside = np.random.default_rng(1).random(pixels.shape[:3]) < 0.4
    for model in small.values():
        expected, masked = eager(model, pixels), eager(model, pixels, outside)
        np.testing.assert_allclose(model.evaluate(pixels, outside).probabilities, masked, atol=1e-4)
        np.testing.assert_allclose(model.evaluate(pixels).probabilities, expected, atol=1e-4)
        assert np.abs(expected - masked).max() > 0.01


@pytest.fixture(scope="module")
def alone(small):
    """Twelve views, places outside of them, and by whether these count the outputs of each view alone with torch."""
    rng, side = np.random.default_rng(0), small["torch"].input_size
    views, outside = rng.integers(0, 256, (12, side, side, 3), np.uint8), rng.random((12, side, side)) < 0.3
    each = [slice(row, row + 1) for row in range(12)]
    made = {
        masked: [small["torch"].evaluate(views[row], outside[row] if masked else None) for row in each]
        for masked in (False, True)
    }
    assert len(np.unique(np.concatenate([one.features for ones in made.values() for one in ones]), axis=0)) == 24
    return views, outside, made


@settings(max_examples=12, deadline=None)
@given(
    batches=st.lists(st.tuples(st.lists(st.integers(0, 11), max_size=9), st.booleans()), max_size=7),
    runtime=st.sampled_from(["torch", "openvino"]),
)
def test_each_batch_gets_its_own_outputs_in_order(small, alone, batches, runtime):
    views, outside, expected = alone
    made = list(
        small[runtime].evaluate_batches((views[rows], outside[rows] if mask else None) for rows, mask in batches)
    )
    for (rows, masked), outputs in zip(batches, made, strict=True):
        assert len(outputs.probabilities) == len(outputs.features) == len(rows)
        for row, probabilities, features in zip(rows, outputs.probabilities, outputs.features, strict=True):
            np.testing.assert_allclose(probabilities, expected[masked][row].probabilities[0], atol=1e-5)
            np.testing.assert_allclose(features, expected[masked][row].features[0], rtol=1e-4, atol=1e-4)


def test_requests_that_are_used_again_for_the_same_batch_leave_its_first_outputs(small):
    model, side = small["openvino"], small["openvino"].input_size
    model.evaluate(np.zeros((1, side, side, 3), np.uint8))
    count = 3 * 4 * len(model._runtime()._idle[False])
    views = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)
    expected = small["torch"].evaluate(views)
    assert len(np.unique(expected.features, axis=0)) == count
    np.testing.assert_allclose(model.evaluate(views).probabilities, expected.probabilities, atol=1e-5)
    np.testing.assert_allclose(model.evaluate(views).features, expected.features, rtol=1e-4, atol=1e-4)


def test_openvino_takes_later_batches_before_it_has_answered_the_first(small):
    model, taken, answered = small["openvino"], [], []
    views = np.zeros((4, model.input_size, model.input_size, 3), np.uint8)

    def batches():
        for number in range(6):
            taken.append(number)
            yield views, None

    for _ in model.evaluate_batches(batches()):
        answered.append(len(taken))
    assert answered[0] >= 2
    assert answered[-1] == 6


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_what_was_given_before_an_error_is_answered_before_it_is_raised(small, runtime):
    model = small[runtime]
    views = np.zeros((4, model.input_size, model.input_size, 3), np.uint8)

    def batches():
        yield views, None
        yield views, None
        raise KeyboardInterrupt

    answers = model.evaluate_batches(batches())
    assert [len(next(answers).features) for _ in range(2)] == [4, 4]
    with pytest.raises(KeyboardInterrupt):
        next(answers)
    assert len(model.evaluate(views).features) == 4


class Wayward(nn.Module):
    """Its course depends on the image, which a recording of one run does not know."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 4)

    def forward(self, images):
        means = images.mean(dim=(2, 3))
        if means.max() > 1.5 or images.std() < 0.9:
            means = -3 * means
        return self.head(means)


def test_a_network_that_openvino_would_change_runs_with_torch_and_says_so(monkeypatch):
    torch.manual_seed(0)
    views = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    with pytest.raises(InputError, match=r"OpenVINO computes other probabilities .* give --runtime torch") as refused:
        make_model(Wayward(), "openvino", size=16).evaluate(views)

    def refuse(*_):
        raise refused.value

    monkeypatch.setattr(openvino_runtime, "OpenVinoRuntime", refuse)
    model = make_model(Wayward(), "auto", size=16)
    assert len(model.evaluate(views).features) == 3
    if choose_runtime("auto", CPU).runtime == "openvino":
        assert model.runtime.startswith("torch")
        assert "OpenVINO computes other probabilities than torch" in model.runtime_reason


def test_an_openvino_that_cannot_be_loaded_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "openvino").mkdir()
    (tmp_path / "openvino" / "__init__.py").write_text("raise ImportError('libtbb.so: no such file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "openvino")
    model = load_model("demo", runtime="auto", device="cpu")
    assert model.runtime.startswith("torch")
    if choose_runtime("auto", CPU).runtime == "openvino":
        assert "OpenVINO cannot be loaded (libtbb.so: no such file)." in model.runtime_reason
    with pytest.raises(InputError, match=r"cannot be loaded .libtbb.so: no such file.; give --runtime torch"):
        load_model("demo", runtime="openvino", device="cpu").evaluate(np.zeros((1, 64, 64, 3), np.uint8))


def test_which_runtime_is_taken(monkeypatch):
    monkeypatch.setattr(runtimes.platform, "machine", lambda: "x86_64")
    assert choose_runtime("auto", CPU).runtime == "openvino"
    assert choose_runtime("torch", CPU).runtime == "torch"
    assert choose_runtime("auto", torch.device("cuda")).runtime == "torch"
    monkeypatch.setattr(runtimes.platform, "machine", lambda: "arm64")
    assert choose_runtime("auto", CPU) == ("torch", "the processor is arm64, no Intel or AMD one")
    monkeypatch.setattr(runtimes.importlib.util, "find_spec", lambda name: None)
    assert choose_runtime("auto", CPU).runtime == "torch"
    with pytest.raises(InputError, match="extra `openvino`"):
        choose_runtime("openvino", CPU)
    with pytest.raises(InputError, match="runs on the CPU, not on cuda"):
        choose_runtime("openvino", torch.device("cuda"))
    with pytest.raises(InputError, match="--runtime is 'tensorrt', but must be one of auto, torch, openvino"):
        choose_runtime("tensorrt", CPU)


def test_low_precision_is_near_float32_and_not_the_same(small):
    views = np.random.default_rng(0).integers(0, 256, (5, *[small["torch"].input_size] * 2, 3), np.uint8)
    model = small["torch"]
    exact, low = (model.evaluate(views, precision=precision).features for precision in ("float32", "bfloat16"))
    assert low.dtype == np.float32
    assert 0 < np.abs(low - exact).max() < 0.05 * np.abs(exact).max()
    with pytest.raises(InputError, match="--feature-precision is 'int8'"):
        model.evaluate(views, precision="int8")


def test_a_precision_that_openvino_lacks_leaves_float32_with_openvino(small, monkeypatch):
    if choose_runtime("auto", CPU).runtime != "openvino":
        pytest.skip("OpenVINO is not the runtime of this processor")
    model = load_model("demo", runtime="auto")
    # Compiling it once more takes seconds.
    monkeypatch.setitem(model._runtimes, "float32", small["openvino"]._runtime())
    monkeypatch.setitem(openvino_runtime.HINTS, "float16", ("f16", "nothing of the kind"))
    views = np.zeros((2, model.input_size, model.input_size, 3), np.uint8)
    assert len(model.evaluate(views, precision="float16").features) == 2
    assert model.runtime.startswith("OpenVINO")
    assert model.runtime_reason.endswith("it is the fastest on this processor.")


def test_batches_filled_for_float32_are_whole_passes_in_any_precision(monkeypatch):
    """On a GPU where a float32 view takes twice the memory, a smaller batch than bfloat16's own is what there is."""
    monkeypatch.setattr(torch_runtime, "CPU_BATCH", 20)
    model = load_model("demo", runtime="torch", device="cpu")
    assert model.batch_size == 20
    monkeypatch.setattr(torch_runtime, "CPU_BATCH", 40)
    model.evaluate(np.zeros((2, model.input_size, model.input_size, 3), np.uint8), precision="bfloat16")
    assert model._runtime("bfloat16").batch_size == model.batch_size == 20


def test_on_cuda_one_batch_is_put_together_while_another_is_computed(small, monkeypatch):
    """The order of CUDA's queue, with passes that are done where they are waited for."""
    model = small["torch"]
    runtime = TorchRuntime(model._pixel_network, model.input_size, CPU, batch_size=4)
    monkeypatch.setattr(runtime, "_device", torch.device("cuda"))
    events = []

    def start(pixels, outside):
        number = int(pixels[0, 0, 0, 0])
        events.append(f"start {number}")

        def finish():
            events.append(f"finish {number}")
            return number

        return finish

    monkeypatch.setattr(runtime, "_start", start)
    batches = [(np.full((4, 2, 2, 3), number, np.uint8), None) for number in range(3)]
    assert list(runtime.run(batches)) == [0, 1, 2]
    assert events == ["start 0", "start 1", "finish 0", "start 2", "finish 1", "finish 2"]


@given(st.integers(1, 2**40), st.integers(1, 2**40))
def test_the_batch_on_cuda_is_the_largest_that_fits(taken, allowed):
    size = fitting_batch(taken, 32, 512, allowed)
    assert size in (32, 64, 128, 256, 512)
    assert size == 32 or taken * size / 32 <= allowed
    assert size == 512 or taken * 2 * size / 32 > allowed


class WithoutFloat64(TorchDispatchMode):
    """Refuses float64, which Apple's mps lacks."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        if any(getattr(each, "dtype", None) == torch.float64 for each in tree_leaves(made)):
            raise TypeError(f"{function} gives float64")
        return made


def test_sweeps_and_features_need_no_float64():
    model = load_model("demo", runtime="torch", device="cpu")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    outside = np.random.default_rng(1).random((3, 64, 64)) < 0.5
    with WithoutFloat64():
        with pytest.raises(TypeError, match="float64"):
            torch.zeros(1).double()
        assert len(model.evaluate(pixels, outside).features) == 3
        assert len(model.evaluate(pixels, precision="bfloat16").features) == 3


def test_apples_device_runs_as_the_cpu_does_without_queue_and_graph():
    runtime = TorchRuntime(nn.Identity(), 64, torch.device("mps"))
    assert runtime.batch_size == torch_runtime.CPU_BATCH
    assert runtime.why_no_graph == "it runs on mps"
    assert choose_runtime("auto", torch.device("mps")).runtime == "torch"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_without_a_whole_batch_there_is_no_graph_yet():
    runtime = TorchRuntime(nn.Identity(), 64, torch.device("cuda"), batch_size=8)
    assert runtime.why_no_graph == "no whole batch has run yet"
    runtime._graphs[False] = "recording failed: no"
    assert runtime.why_no_graph == "recording failed: no"
