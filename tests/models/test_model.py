import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models import Model, Preprocessing

SIZE = 16
PREPROCESSING = Preprocessing(mean=(0.4, 0.5, 0.3), std=(0.2, 0.25, 0.3))


def make_model(network, **options):
    return Model("small", network, input_size=SIZE, preprocessing=PREPROCESSING, **options)


def normalised(pixels, preprocessing=PREPROCESSING):
    return (pixels.astype(float) / 255 - np.array(preprocessing.mean)) / np.array(preprocessing.std)


def slow_evaluate(network, pixels, outside):
    """One image at a time, in float64; the feature is the input of the last layer."""
    network = network.double().eval()
    probabilities, features = [], []
    for image, mask in zip(normalised(pixels), outside, strict=True):
        image = np.where(mask[:, :, None], 0.0, image)
        with torch.no_grad():
            feature = network[:-1](torch.from_numpy(image).permute(2, 0, 1)[None])[0]
            logits = network[-1](feature).numpy()
        exponentials = np.exp(logits - logits.max())
        probabilities.append(exponentials / exponentials.sum())
        features.append(feature.numpy())
    return np.array(probabilities), np.array(features)


@pytest.fixture
def network_input():
    """Remembers what a network was given; `seen` holds one tensor a forward pass."""

    class Remembering(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner, self.seen = inner, []

        def forward(self, images):
            self.seen.append(images.clone())
            return self.inner(images)

    return Remembering


def test_evaluate_is_the_slow_loop(small_network, random_pixels):
    pixels = random_pixels(7, SIZE)
    outside = np.random.default_rng(1).random((7, SIZE, SIZE)) < 0.3
    probabilities, features = slow_evaluate(small_network(), pixels, outside)
    outputs = make_model(small_network()).evaluate(pixels, outside)
    assert outputs.probabilities.dtype == outputs.features.dtype == np.float32
    assert outputs.probabilities.shape == (7, 5)
    assert outputs.features.shape == (7, 8)
    np.testing.assert_allclose(outputs.probabilities, probabilities, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(outputs.features, features, rtol=1e-5, atol=1e-6)


def test_evaluate_is_one_forward_pass_over_all_views(network_input, small_network, random_pixels):
    network = network_input(small_network())
    model = make_model(network)
    network.seen.clear()
    model.evaluate(random_pixels(6, SIZE))
    assert [len(batch) for batch in network.seen] == [6]


@settings(max_examples=25, deadline=None)
@given(
    mean=st.tuples(*[st.floats(0, 1)] * 3),
    std=st.tuples(*[st.floats(0.05, 2)] * 3),
    share_outside=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_network_sees_normalised_pixels_and_exact_zeros_outside(mean, std, share_outside, seed):
    seen = []

    class Seeing(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, 2)

        def forward(self, images):
            seen.append(images.clone())
            return self.head(images.mean((2, 3)))

    preprocessing = Preprocessing(mean=mean, std=std)
    model = Model("seeing", Seeing(), input_size=4, preprocessing=preprocessing)
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    outside = rng.random((3, 4, 4)) < share_outside
    model.evaluate(pixels, outside)
    images = seen[-1].permute(0, 2, 3, 1).numpy()
    assert images.dtype == np.float32
    assert (images[outside] == 0).all()
    expected = normalised(pixels, preprocessing)
    np.testing.assert_allclose(images[~outside], expected[~outside], rtol=1e-5, atol=1e-5)


def test_pixels_outside_do_not_matter(small_network, random_pixels):
    model = make_model(small_network())
    outside = np.zeros((2, SIZE, SIZE), bool)
    outside[:, :5] = True
    one, other = random_pixels(2, SIZE), random_pixels(2, SIZE)
    other[outside] = 255 - other[outside]
    np.testing.assert_array_equal(
        model.evaluate(one, outside).probabilities, model.evaluate(other, outside).probabilities
    )


def test_an_image_gives_the_same_in_any_batch(small_network, random_pixels):
    model = make_model(small_network())
    pixels = random_pixels(9, SIZE)
    together = model.evaluate(pixels)
    for start, stop in ((0, 1), (3, 5), (2, 9)):
        part = model.evaluate(pixels[start:stop])
        np.testing.assert_allclose(part.probabilities, together.probabilities[start:stop], rtol=1e-5)
        np.testing.assert_allclose(part.features, together.features[start:stop], rtol=1e-5, atol=1e-6)


def test_the_same_batch_gives_the_same_bits(small_network, random_pixels):
    model = make_model(small_network())
    pixels = random_pixels(4, SIZE)
    first, second = model.evaluate(pixels), model.evaluate(pixels)
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    np.testing.assert_array_equal(first.features, second.features)


def test_views_of_other_arrays_are_taken(small_network, random_pixels):
    model = make_model(small_network())
    pixels = random_pixels(3, SIZE)
    pixels.flags.writeable = False
    mirrored = pixels[:, :, ::-1]
    np.testing.assert_array_equal(
        model.evaluate(mirrored).features, model.evaluate(np.ascontiguousarray(mirrored)).features
    )


def test_no_views_give_no_rows(small_network):
    outputs = make_model(small_network()).evaluate(np.empty((0, SIZE, SIZE, 3), np.uint8))
    assert outputs.probabilities.shape == (0, 5)
    assert outputs.features.shape == (0, 8)


def test_what_the_caller_has_switched_on_changes_nothing(small_network, random_pixels):
    model = make_model(small_network())
    pixels = random_pixels(4, SIZE)
    plain = model.evaluate(pixels)
    precision = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with torch.autocast("cpu", dtype=torch.bfloat16), torch.enable_grad():
            other = model.evaluate(pixels)
            assert torch.is_autocast_enabled("cpu")
            assert torch.is_grad_enabled()
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(precision)
    np.testing.assert_array_equal(plain.probabilities, other.probabilities)
    np.testing.assert_array_equal(plain.features, other.features)


def test_the_network_runs_in_full_precision(small_network, random_pixels):
    class Asking(nn.Sequential):
        def forward(self, images):
            self.deterministic = torch.backends.cudnn.deterministic
            return super().forward(images)

    model = make_model(Asking(*small_network()))
    assert not torch.backends.cudnn.deterministic
    model.evaluate(random_pixels(1, SIZE))
    assert model.module.deterministic


def test_the_network_is_frozen_in_eval_mode_and_float32(small_network):
    model = make_model(small_network().double().train())
    assert not model.module.training
    assert not any(parameter.requires_grad for parameter in model.module.parameters())
    assert {parameter.dtype for parameter in model.module.parameters()} == {torch.float32}


def test_no_hook_is_left_on_the_network(small_network, random_pixels):
    model = make_model(small_network())
    model.evaluate(random_pixels(1, SIZE))
    assert not any(module._forward_hooks for module in model.module.modules())


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((2, SIZE, SIZE, 3), np.float32),
        np.zeros((2, SIZE, SIZE + 1, 3), np.uint8),
        np.zeros((2, 3, SIZE, SIZE), np.uint8),
        np.zeros((SIZE, SIZE, 3), np.uint8),
    ],
    ids=["type", "size", "channels first", "one image"],
)
def test_pixels_of_another_shape_or_type_are_refused(pixels, small_network):
    with pytest.raises(InputError, match=r"uint8 pixels of shape \(N, 16, 16, 3\)"):
        make_model(small_network()).evaluate(pixels)


@pytest.mark.parametrize(
    "outside", [np.zeros((2, SIZE, SIZE), np.uint8), np.zeros((1, SIZE, SIZE), bool)], ids=["type", "shape"]
)
def test_outside_of_another_shape_or_type_is_refused(outside, small_network, random_pixels):
    with pytest.raises(InputError, match="outside"):
        make_model(small_network()).evaluate(random_pixels(2, SIZE), outside)


def test_class_names_must_be_as_many_as_outputs(small_network):
    with pytest.raises(InputError, match="5 outputs but 4 class names"):
        make_model(small_network(), class_names=["a", "b", "c", "d"])
    with pytest.raises(InputError, match="5 outputs but 6 class ids"):
        make_model(small_network(), class_ids=list("abcdef"))


def test_a_network_that_cannot_run_is_told_with_its_reason(small_network):
    with pytest.raises(InputError, match="small cannot run on 2 × 2 images"):
        Model("small", small_network(), input_size=2, preprocessing=PREPROCESSING)


def test_a_network_that_gives_nan_is_refused(small_network):
    network = small_network()
    nn.init.constant_(network[-1].bias, float("nan"))
    with pytest.raises(InputError, match="finite"):
        make_model(network)


@pytest.mark.parametrize("returned", [None, torch.zeros(2, 1), torch.zeros(2, 3, 4, 4)])
def test_a_network_that_gives_no_logits_is_refused(returned):
    class Other(nn.Module):
        def forward(self, images):
            return returned

    with pytest.raises(InputError, match="logits"):
        make_model(Other())


def test_with_module_keeps_all_but_the_network(small_network, random_pixels):
    model = make_model(small_network(), class_names=list("abcde"), class_ids=list("vwxyz"), feature="2")
    other = model.with_module(small_network(seed=1), "other")
    assert other.name == "other"
    assert (other.input_size, other.preprocessing) == (model.input_size, model.preprocessing)
    assert (other.class_names, other.class_ids) == (model.class_names, model.class_ids)
    assert (other.feature_layer, other.device) == ("2", model.device)
    pixels = random_pixels(2, SIZE)
    expected = make_model(small_network(seed=1)).evaluate(pixels).probabilities
    np.testing.assert_array_equal(other.evaluate(pixels).probabilities, expected)
    assert not np.array_equal(model.evaluate(pixels).probabilities, expected)


def test_weights_sha256_is_over_names_types_shapes_and_bytes(small_network):
    network = small_network()
    digest = hashlib.sha256()
    for name in sorted(network.state_dict()):
        array = network.state_dict()[name].numpy()
        digest.update(f"{name} torch.{array.dtype} {array.shape}\n".encode() + array.tobytes())
    assert make_model(network).weights_sha256 == digest.hexdigest()


def test_weights_sha256_changes_with_one_bit(small_network):
    sha256 = make_model(small_network()).weights_sha256
    network = small_network()
    assert make_model(network).weights_sha256 == sha256
    changed = small_network()
    with torch.no_grad():
        bias = changed[-1].bias
        bias[0] = torch.nextafter(bias[0], torch.tensor(1e9))
    assert make_model(changed).weights_sha256 != sha256
