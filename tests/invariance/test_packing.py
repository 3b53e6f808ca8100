"""Batches run on across images, end with a group, and the outputs come back to the images they belong to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_toolkit.invariance.packing import evaluate_packed
from bias_toolkit.invariance.views import Views


class Ahead:
    """A model that takes `ahead` batches before it answers the first; a view's outputs are made of its pixels."""

    def __init__(self, ahead=0):
        self.ahead = ahead
        self.batches = []

    def evaluate_batches(self, batches):
        waiting = []
        for pixels, outside in batches:
            self.batches.append((pixels[:, 0, 0, 0].tolist(), outside))
            waiting.append(pixels)
            if len(waiting) > self.ahead:
                yield self._answer(waiting.pop(0))
        yield from map(self._answer, waiting)

    def _answer(self, pixels):
        class Outputs:
            probabilities = pixels[:, 0, 0, :2].astype(np.float32)
            features = pixels[:, 0, 0].astype(np.float32) + 0.5

        return Outputs


def numbered(start, count, fill=None):
    """Views of one pixel whose red is start, start + 1, …"""
    pixels = np.zeros((count, 1, 1, 3), np.uint8)
    pixels[:, 0, 0, 0] = np.arange(start, start + count) % 256
    return Views(pixels, None if fill is None else np.ones((count, 1, 1), bool), fill)


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.one_of(st.none(), st.integers(1, 12)), max_size=14),
    batch_size=st.integers(1, 10),
    ahead=st.integers(0, 4),
)
def test_each_image_gets_its_own_outputs_and_no_batch_runs_across_groups(counts, batch_size, ahead):
    images, groups, start = [], [[]], 0
    for key, count in enumerate(counts):
        if count is None:
            images.append((key, None))
            groups.append([])
            continue
        images.append((key, numbered(start, count)))
        groups[-1] += [number % 256 for number in range(start, start + count)]
        start += count
    model = Ahead(ahead)
    made = list(evaluate_packed(model, iter(images), batch_size))
    assert [key for key, _, _ in made] == [key for key, _ in images]
    for (_, views), (_, probabilities, features) in zip(images, made, strict=True):
        if views is None:
            assert probabilities is features is None
        else:
            np.testing.assert_array_equal(probabilities, views.pixels[:, 0, 0, :2])
            np.testing.assert_array_equal(features, views.pixels[:, 0, 0] + 0.5)
    expected = [group[i : i + batch_size] for group in groups for i in range(0, len(group), batch_size)]
    assert [batch for batch, _ in model.batches] == expected


def test_the_end_of_a_group_comes_back_before_the_next_group_is_answered():
    images = [("a", numbered(0, 3)), ("end", None), ("b", numbered(3, 3)), ("c", numbered(6, 3))]
    asked = []

    def given_images():
        for image in images:
            asked.append(image[0])
            yield image

    for key, _, _ in evaluate_packed(Ahead(), given_images(), 3):
        if key == "end":
            assert asked[-1] != "c"


@pytest.mark.parametrize("fill", ["mean", "black"])
def test_only_a_mean_canvas_is_blank(fill):
    model = Ahead()
    list(evaluate_packed(model, [("a", numbered(0, 2, fill)), ("b", numbered(2, 1, fill))], 3))
    ((_, outside),) = model.batches
    assert (outside is None) == (fill == "black")
    if fill == "mean":
        assert outside.shape == (3, 1, 1)
        assert outside.all()


def test_what_is_kept_of_an_image_does_not_keep_its_batch():
    ((_, probabilities, features),) = evaluate_packed(Ahead(), [("a", numbered(0, 2))], 8)
    assert probabilities.base is None
    assert features.base is None
