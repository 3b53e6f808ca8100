from types import SimpleNamespace

import numpy as np
import pytest

from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.invariance import Sweep, make_views, noise_floor
from bias_toolkit.invariance.noise import clopper_pearson

CROP = Sweep("crop", "diagonal", 1.0)
IDS = [f"{number}" for number in range(12)]


class JitteryModel:
    """Adds to the first class what depends on a view's place in its batch, as rounding might."""

    input_size = 32

    def __init__(self, jitter):
        self.jitter = jitter
        self.batches = []

    def evaluate(self, pixels, outside=None):
        self.batches.append(pixels)
        tilt = self.jitter * np.arange(len(pixels))
        first = 0.5 + (pixels[:, 0, 0, 0] - 127.5) * 1e-3 + tilt
        probabilities = np.stack([first, 1 - first], axis=1).astype(np.float32)
        return SimpleNamespace(probabilities=probabilities, features=np.ones((len(pixels), 2), np.float32))

    def evaluate_batches(self, batches):
        return (self.evaluate(*batch) for batch in batches)


def read_with(noise_image):
    return lambda image_id: noise_image(42, 42, int(image_id))


def test_a_model_that_does_not_mind_has_no_noise(noise_image):
    model = JitteryModel(0)
    floor = noise_floor(model, read_with(noise_image), IDS, CROP, batch_size=8, n_images=5)
    assert (floor.value, floor.n_changed, floor.n_images) == (0, 0, 5)
    assert floor.max_difference == 0
    assert floor.interval == (0, pytest.approx(1 - 0.025 ** (1 / 5)))


def test_both_evaluations_are_of_the_same_centre_views_elsewhere_in_other_batches(noise_image):
    model = JitteryModel(0)
    noise_floor(model, read_with(noise_image), IDS, CROP, batch_size=4)
    assert [len(batch) for batch in model.batches] == [4] * 3 + [3] * 4
    once, again = np.concatenate(model.batches[:3]), np.concatenate(model.batches[3:])
    centres = [make_views(noise_image(42, 42, int(name)), CROP, 32, name).pixels[4] for name in IDS]
    np.testing.assert_array_equal(once, centres)
    assert sorted(view.tobytes() for view in once) == sorted(view.tobytes() for view in again)
    assert sum((a == b).all() for a, b in zip(once, again, strict=True)) < 6


def test_offsets_have_no_centre_view_and_use_their_first(noise_image):
    model, sweep = JitteryModel(0), Sweep("offsets", "random", 1.0)
    noise_floor(model, lambda name: noise_image(70, 70, int(name)), IDS[:3], sweep, batch_size=4)
    first = [make_views(noise_image(70, 70, int(name)), sweep, 32, name).pixels[0] for name in IDS[:3]]
    np.testing.assert_array_equal(np.concatenate(model.batches[:1]), first)


@pytest.mark.parametrize(("n_images", "used"), [(5, 5), (12, 12), (512, 12)])
def test_a_smaller_test_set_is_used_whole(noise_image, n_images, used):
    floor = noise_floor(JitteryModel(0), read_with(noise_image), IDS, CROP, batch_size=8, n_images=n_images)
    assert floor.n_images == used


def test_changes_are_counted_image_by_image(noise_image):
    """The floor recomputed from what the model was shown, one view at a time."""
    model = JitteryModel(4e-3)
    floor = noise_floor(model, read_with(noise_image), IDS, CROP, batch_size=8)
    outputs = {}
    for batch in model.batches:
        probabilities = JitteryModel(4e-3).evaluate(batch).probabilities
        for view, row in zip(batch, probabilities, strict=True):
            outputs.setdefault(view.tobytes(), []).append(row)
    assert len(outputs) == floor.n_images == 12
    changed = [once.argmax() != again.argmax() for once, again in outputs.values()]
    assert floor.n_changed == sum(changed) > 0
    assert floor.value == sum(changed) / 12
    assert floor.max_difference == max(np.abs(once - again).max() for once, again in outputs.values())
    assert floor.interval == clopper_pearson(sum(changed), 12)


def test_the_sample_and_the_order_follow_the_seed(noise_image):
    def floor(seed):
        return noise_floor(JitteryModel(2e-3), read_with(noise_image), IDS, CROP, batch_size=8, n_images=6, seed=seed)

    assert floor(0) == floor(0)
    assert floor(0).max_difference != floor(1).max_difference


def test_a_batch_of_one_is_compared_with_batches_of_two(noise_image):
    model = JitteryModel(0)
    noise_floor(model, read_with(noise_image), IDS, CROP, batch_size=1, n_images=3)
    assert [len(batch) for batch in model.batches] == [1] * 3 + [2, 1]


def test_the_canvas_is_blanked_in_both_evaluations(noise_image):
    masks = []

    class Watching(JitteryModel):
        def evaluate(self, pixels, outside=None):
            masks.append(outside)
            return super().evaluate(pixels)

    sweep = Sweep("embed", "diagonal", 2.0, fill="mean")
    noise_floor(Watching(0), read_with(noise_image), IDS, sweep, batch_size=5, n_images=2)
    assert sum(mask.sum() for mask in masks) == 2 * 2 * (32**2 - 16**2)


def test_images_that_cannot_be_read_are_left_out(noise_image):
    def read(image_id):
        if image_id in IDS[:3]:
            raise UnreadableImageError("no")
        return noise_image(42, 42, int(image_id))

    assert noise_floor(JitteryModel(0), read, IDS, CROP, batch_size=8).n_images == 9
    with pytest.raises(InputError, match="None of the 3 images"):
        noise_floor(JitteryModel(0), read, IDS[:3], CROP, batch_size=8)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        (0, 10, 0, 0.3084971),  # Clopper & Pearson's interval in published tables
        (5, 10, 0.1870860, 0.8129140),
        (10, 10, 0.6915029, 1),
        (1, 100, 0.0002531, 0.0544594),
    ],
)
def test_the_exact_interval_is_that_of_the_tables(count, total, low, high):
    assert clopper_pearson(count, total) == pytest.approx((low, high), abs=1e-6)
