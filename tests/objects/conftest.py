import numpy as np
import pandas as pd
import pytest

from bias_toolkit.objects import position_and_scale


def boxes(edges, width=100, height=100, *, categories="thing", image_ids=None):
    """An objects table and an images table; by default one box an image."""
    edges = np.asarray(edges, dtype=np.float64).reshape(-1, 4)
    image_ids = [f"{i}.png" for i in range(len(edges))] if image_ids is None else list(image_ids)
    objects = pd.DataFrame(edges, columns=["x0", "y0", "x1", "y1"]).assign(image_id=image_ids, category=categories)
    objects["object_id"] = objects.groupby("image_id").cumcount()
    images = pd.DataFrame({"image_id": list(dict.fromkeys(image_ids)), "label": "thing"})
    return objects, images.assign(width=width, height=height)


@pytest.fixture
def make_framing():
    """A function that gives the framing and images tables of boxes given by their edges in pixels."""

    def make(edges, *args, **kwargs):
        objects, images = boxes(edges, *args, **kwargs)
        return position_and_scale(objects, images), images

    return make


@pytest.fixture
def make_objects():
    """A function that gives the objects and images tables of boxes given by their edges in pixels."""
    return boxes


@pytest.fixture
def random_edges():
    """A function that draws boxes of many sizes in an image of 100 × 100, placed by the null model."""

    def draw(rng, n, smallest=5.0, largest=95.0):
        size = rng.uniform(smallest, largest, (n, 2))
        low = rng.random((n, 2)) * (100 - size)
        return np.column_stack([low, low + size])

    return draw


@pytest.fixture
def few_groups(monkeypatch):
    """A jackknife of few groups, which otherwise takes most of the time; gives their number."""
    monkeypatch.setattr("bias_toolkit.objects.two_sample.GROUPS", 5)
    return 5
