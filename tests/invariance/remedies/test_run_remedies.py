"""Remedies along a sweep: tables equal to those of a slow loop over views."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from bias_toolkit.foundation.errors import UnreadableImageError
from bias_toolkit.foundation.shards import cut_into_shards
from bias_toolkit.invariance import REMEDIED, Sweep, make_views, remedy_of, remedy_shards, sweep_picture
from bias_toolkit.models import Model, Preprocessing, load_model, low_pass

SWEEP = Sweep("crop", "diagonal", 1.0)
PATH = np.arange(-4, 5)[:, None] * np.array([1, 1])
LABELS = {"a": 3, "b": 7}


@pytest.fixture(scope="module")
def model():
    return load_model("demo:global-pooling", runtime="torch")


@pytest.fixture
def images(random_image):
    return {name: random_image(80, 74, seed) for seed, name in enumerate(("a", "b", "c"))}


def run(model, images, name, broken=()):
    def read(image_id):
        if image_id in broken:
            raise UnreadableImageError("truncated")
        return images[image_id]

    done = []
    shards = list(
        remedy_shards(
            remedy_of(name).network(model),
            read,
            cut_into_shards(list(images), 2),
            remedy_of(name),
            SWEEP,
            label_indices=LABELS,
            batch_size=32,
            advance=done.append,
        )
    )
    assert sum(done) == len(images)
    return shards


def measures(probabilities, label):
    """The measures of one image from its predictions (9, C), in plain Python."""
    top = [int(np.argmax(row)) for row in probabilities]
    ordered = np.sort(probabilities[4])
    return {
        "p_top1_change": sum(a != b for a, b in pairwise(top)) / 8,
        "mac": sum(abs(probabilities[k][top[k]] - probabilities[k + 1][top[k]]) for k in range(8)) / 8,
        "any_change": float(any(each != top[4] for each in top)),
        "accuracy": np.nan if label is None else sum(each == label for each in top) / 9,
        "confidence": ordered[-1],
        "margin": ordered[-1] - ordered[-2],
        "top1": top[4],
    }


@pytest.mark.parametrize("name", ["untouched", "mean-9", "blur-1", "stable-crop", "low-pass-3"])
def test_every_number_is_that_of_a_loop_over_views(model, images, name):
    remedy = remedy_of(name)
    module = low_pass(model.module, 3, input_size=model.input_size) if name == "low-pass-3" else model.module
    network = model.with_module(module, "again")
    tables = [shard["remedied"] for shard in run(model, images, name)]
    rows = {row["image_id"]: row for table in tables for row in table.to_dict("records")}
    assert [len(table) for table in tables] == [2, 1]
    for image_id, image in images.items():
        if name == "mean-9":
            picture = sweep_picture(image, SWEEP, model.input_size, image_id, 5)
            around = [[(x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)] for x, y in PATH]
            probabilities = np.stack(
                [network.evaluate(picture.views(np.array(some)).pixels).probabilities.mean(axis=0) for some in around]
            )
        elif name in ("untouched", "low-pass-3"):
            views = make_views(image, SWEEP, model.input_size, image_id)
            probabilities = network.evaluate(views.pixels).probabilities
        else:
            picture = sweep_picture(image, SWEEP, model.input_size, image_id, 4)
            probabilities = network.evaluate(remedy.views(picture, PATH).pixels).probabilities
        row = rows[image_id]
        assert row["remedy"] == name
        assert row["n_steps"] == 8
        for measure, value in measures(probabilities, LABELS.get(image_id)).items():
            found = row.get(measure)
            np.testing.assert_allclose(np.nan if found is None else found, value, atol=1e-5, err_msg=measure)


def test_an_image_that_cannot_be_read_is_listed(model, images):
    first, second = run(model, images, "untouched", broken=("b",))
    assert first["skipped"]["image_id"].tolist() == ["b"]
    assert first["remedied"]["image_id"].tolist() == ["a"]
    assert second["skipped"].empty


def test_a_network_that_does_not_subsample_has_no_low_pass_rebuild(images):
    dense = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 9),
    )
    plain = Model("plain", dense, input_size=32, preprocessing=Preprocessing((0.5,) * 3, (0.25,) * 3))
    shards = run(plain, images, "low-pass-5")
    assert all(shard["remedied"].empty for shard in shards)
    assert shards[0]["remedied"].columns.tolist() == REMEDIED.names
    assert len(run(plain, images, "untouched")[0]["remedied"]) == 2
