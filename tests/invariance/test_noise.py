from types import SimpleNamespace

import numpy as np
import pytest

from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.invariance import Sweep, noise_floor
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
    assert (floor.value, floor.n_changed, floor.n_images, floor.n_views) == (0, 0, 5, 45)
    assert floor.max_difference == 0
    assert floor.interval == (0, pytest.approx(1 - 0.025 ** (1 / 45)))
    assert floor.interval_over_images is None


def test_both_evaluations_are_of_the_same_views_elsewhere_in_other_batches(noise_image):
    model = JitteryModel(0)
    noise_floor(model, read_with(noise_image), IDS, CROP, batch_size=8, n_images=5)
    assert [len(batch) for batch in model.batches] == [8] * 5 + [5] + [7] * 6 + [3]
    once, again = np.concatenate(model.batches[:6]), np.concatenate(model.batches[6:])
    assert sorted(view.tobytes() for view in once) == sorted(view.tobytes() for view in again)
    assert sum((a == b).all() for a, b in zip(once, again, strict=True)) < 10


def test_changes_are_counted_view_by_view(noise_image):
    """The floor recomputed from what the model was shown, one view at a time."""
    model = JitteryModel(2e-3)
    floor = noise_floor(model, read_with(noise_image), IDS, CROP, batch_size=8, n_images=6)
    outputs = {}
    for batch in model.batches:
        probabilities = JitteryModel(2e-3).evaluate(batch).probabilities
        for view, row in zip(batch, probabilities, strict=True):
            outputs.setdefault(view.tobytes(), []).append(row)
    assert len(outputs) == floor.n_views == 54
    changed = [once.argmax() != again.argmax() for once, again in outputs.values()]
    assert floor.n_changed == sum(changed) > 0
    assert floor.value == sum(changed) / 54
    assert floor.max_difference == max(np.abs(once - again).max() for once, again in outputs.values())
    assert floor.interval[0] < floor.value < floor.interval[1]
    assert floor.interval_over_images[0] <= floor.value <= floor.interval_over_images[1]


def test_the_interval_over_images_resamples_images_and_not_views(noise_image):
    """Changes that come in whole images: over images their share is far less certain than over views."""

    class FlipsSomeImages(JitteryModel):
        def evaluate(self, pixels, outside=None):
            outputs = super().evaluate(pixels)
            seen = sum(map(len, self.batches[:-1]))
            bright = pixels[:, 0, 0, 0] > 127
            flipped = bright & (seen >= 12 * 9)
            outputs.probabilities[:] = np.where(flipped[:, None], [0.1, 0.9], [0.9, 0.1])
            return outputs

    def read(image_id):
        return np.full((42, 42, 3), 200 if int(image_id) < 3 else 50, dtype=np.uint8)

    floor = noise_floor(FlipsSomeImages(0), read, IDS, CROP, batch_size=4)
    assert floor.value == 3 / 12
    low, high = floor.interval_over_images
    # Clopper & Pearson's interval of 3 of 12 images.
    assert (low, high) == pytest.approx((0.0549, 0.5719), abs=1e-4)
    assert high - low > 1.5 * (floor.interval[1] - floor.interval[0])


def test_the_sample_and_the_order_follow_the_seed(noise_image):
    def floor(seed):
        return noise_floor(JitteryModel(2e-3), read_with(noise_image), IDS, CROP, batch_size=8, n_images=4, seed=seed)

    assert floor(0) == floor(0)
    assert floor(0).max_difference != floor(1).max_difference


def test_a_batch_of_one_is_compared_with_batches_of_two(noise_image):
    model = JitteryModel(0)
    noise_floor(model, read_with(noise_image), IDS, CROP, batch_size=1, n_images=1)
    assert [len(batch) for batch in model.batches] == [1] * 9 + [2] * 4 + [1]


def test_the_canvas_is_blanked_in_both_evaluations(noise_image):
    masks = []

    class Watching(JitteryModel):
        def evaluate(self, pixels, outside=None):
            masks.append(outside)
            return super().evaluate(pixels)

    sweep = Sweep("embed", "diagonal", 2.0, fill="mean")
    noise_floor(Watching(0), read_with(noise_image), IDS, sweep, batch_size=5, n_images=2)
    assert sum(mask.sum() for mask in masks) == 2 * 18 * (32**2 - 16**2)


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
