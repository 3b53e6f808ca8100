"""The map over all shifts, and the study's own sweep at every place, against loops over the shifts."""

from types import SimpleNamespace

import numpy as np
import pytest

from bias_toolkit.explain.instability import make_shift_map, own_sweep_changes
from bias_toolkit.explain.neighbourhood import MAP_RADIUS, Neighbourhood
from bias_toolkit.invariance import Sweep, Views
from bias_toolkit.invariance.transforms import shifts


@pytest.fixture(scope="module")
def outputs(class_names):
    """Softmax outputs on all shifts of up to 8 pixels, and the top-1 class by shift."""
    probabilities = np.random.default_rng(1).dirichlet([1.0, 0.5, 0.7], 17**2).astype(np.float32)
    return probabilities, dict(zip(map(tuple, shifts(MAP_RADIUS).tolist()), probabilities.argmax(axis=1), strict=True))


def context_of(transform, names=(), protocol="crop"):
    size = 1.0 if protocol == "crop" else 2.0
    return SimpleNamespace(sweep=Sweep(protocol, transform, size), names=names)


@pytest.mark.parametrize(("transform", "right", "down"), [("horizontal", 1, 0), ("vertical", 0, 1), ("diagonal", 1, 1)])
def test_the_own_sweep_is_begun_at_every_place(outputs, transform, right, down):
    probabilities, top1 = outputs
    changes = [
        top1[x + k * right, y + k * down] != top1[x + (k + 1) * right, y + (k + 1) * down]
        for x in range(-4, 5)
        for y in range(-4, 5)
        for k in range(-4, 4)
    ]
    found, place = own_sweep_changes(context_of(transform), Neighbourhood(probabilities))
    assert found == pytest.approx(np.mean(changes))
    assert "81 places within 4 pixels" in place


def test_a_sweep_that_grows_the_image_has_no_other_place(outputs):
    around = Neighbourhood(outputs[0])
    found, place = own_sweep_changes(context_of("scale", protocol="embed"), around)
    assert found == pytest.approx(around.averaged(0).changes.mean())
    assert place == "within 4 pixels"


def test_the_map_is_by_rows_from_the_top(outputs, class_names):
    probabilities, top1 = outputs
    pixels, outside = np.zeros((289, 2, 2, 3), np.uint8), np.zeros((289, 2, 2), bool)
    outside[:, 0, 0] = True
    views = Views(pixels, outside, "inpaint")
    found = make_shift_map(context_of("diagonal", class_names), probabilities, views, "pictures/shifts.png", 2)
    assert (found.radius, found.reference, found.made_up) == (8, top1[0, 0], 0.25)
    at = dict(zip(top1, probabilities[:, found.reference], strict=True))
    for (right, down), index in top1.items():
        assert found.top1[8 + down][8 + right] == index
        assert found.p_reference[8 + down][8 + right] == pytest.approx(at[right, down], abs=1e-6)
        row = probabilities[(8 + down) * 17 + 8 + right]
        assert found.likely[8 + down][8 + right] == sorted(range(3), key=lambda index: -row[index])
        assert found.probabilities[8 + down][8 + right] == pytest.approx(sorted(row, reverse=True), abs=6e-5)
    assert found.names == {0: "owl", 1: "snow owl", 2: "cat"}
    assert (found.picture, found.right) == ("pictures/shifts.png", 2)


def test_of_many_classes_the_map_has_five(outputs):
    probabilities = np.random.default_rng(2).dirichlet(np.ones(9), 289).astype(np.float32)
    views = Views(np.zeros((289, 2, 2, 3), np.uint8), np.zeros((289, 2, 2), bool), "inpaint")
    found = make_shift_map(
        context_of("scale", list("abcdefghi"), "embed"), probabilities, views, "pictures/a.png", None
    )
    assert np.shape(found.likely) == np.shape(found.probabilities) == (17, 17, 5)
    assert found.sweep == []


@pytest.mark.parametrize(
    ("protocol", "transform", "first", "last"),
    [
        ("crop", "diagonal", (-4, -4), (4, 4)),
        ("crop", "horizontal", (-4, 0), (4, 0)),
        ("embed", "vertical", (0, 4), (0, -4)),
    ],
)
def test_the_map_has_the_path_of_the_sweep(outputs, class_names, protocol, transform, first, last):
    views = Views(np.zeros((289, 2, 2, 3), np.uint8), np.zeros((289, 2, 2), bool), "inpaint")
    found = make_shift_map(context_of(transform, class_names, protocol), outputs[0], views, "pictures/a.png", None)
    assert (found.sweep[0], found.sweep[4], found.sweep[8]) == (first, (0, 0), last)
