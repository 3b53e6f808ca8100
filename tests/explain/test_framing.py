"""Training objects as the model sees them, and where an object stands among objects on a known grid."""

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.explain.framing import TrainingObjects, compare_framing, framing_quantities, training_objects
from bias_toolkit.invariance import Sweep, Window, sweep_window

# 42 pixels of the resized square show a central square; the centre view begins 4 pixels into it.
W, RESIZED = 32, 42
VIEW = Window(0, 0, 1, 1, 100)


def subjects(boxes, categories="owl", width=84, height=84):
    table = pd.DataFrame(np.asarray(boxes, dtype=float).reshape(-1, 4), columns=["x0", "y0", "x1", "y1"])
    return table.assign(category=categories, width=width, height=height)


def many(n, category="owl"):
    """n objects of 8 pixels, each at a place of its own."""
    x = 80 * np.arange(n) / max(n, 1)
    return subjects(np.stack([x, x, x + 8, x + 8], axis=1), category)


def test_a_class_with_twenty_objects_is_compared_with_its_own():
    table = pd.concat([many(20), many(30, "cat")], ignore_index=True)
    owls = training_objects(table, "owl", W)
    assert owls.population == "the 20 training objects of its class"
    np.testing.assert_array_equal(owls.boxes, training_objects(many(20), "owl", W).boxes)
    assert training_objects(table, "cat", W).population == "the 30 training objects of its class"


@pytest.mark.parametrize("category", ["owl", "unheard of", None])
def test_otherwise_with_all(category):
    table = pd.concat([many(19), many(1031, "cat")], ignore_index=True)
    training = training_objects(table, category, W)
    assert training.population == "all 1,050 training objects"
    assert training.boxes.shape == (1050, 4)


def test_objects_without_a_category_are_no_class():
    training = training_objects(many(25, None), None, W)
    assert training.population == "all 25 training objects"


def test_no_objects():
    assert training_objects(many(0), "owl", W) is None
    assert training_objects(many(0), None, W) is None


def test_boxes_are_in_the_view_of_the_centre_crop():
    """The central square of 90 × 60 begins at x = 15, that of 60 × 102 at y = 21; both are 60 pixels wide."""
    boxes = [[15, 0, 75, 60], [0, 21, 60, 81], [25, 20, 45, 40], [15, 0, 75, 60]]
    table = subjects(boxes, width=[90, 60, 90, 90], height=[60, 102, 60, 60])
    table.index = [7, 3, 7, 0]
    whole = [-4 / W, -4 / W, (RESIZED - 4) / W, (RESIZED - 4) / W]
    # 10 pixels right of the square's edge are 7 of the resized square, and 3 of the view.
    inner = [3 / W, (20 * 0.7 - 4) / W, (30 * 0.7 - 4) / W, (40 * 0.7 - 4) / W]
    found = training_objects(table, "owl", W).boxes
    np.testing.assert_allclose(found, [whole, whole, inner, whole], atol=1e-12)


def test_boxes_are_in_the_view_of_a_smaller_crop():
    """A quarter of the area of 84 × 84: the square of 42 pixels that begins at 21 is shown pixel by pixel."""
    (box,) = training_objects(subjects([[21, 25, 57, 63]]), "owl", W, size=0.25).boxes
    np.testing.assert_allclose(box, [-4 / W, 0, 1, 38 / W], atol=1e-12)


def test_ten_thousand_are_drawn_where_there_are_more():
    table = many(10_050)
    one, again, other = (training_objects(table, None, W, seed=seed) for seed in (0, 0, 1))
    assert one.population == "10,000 of all 10,050 training objects"
    assert one.boxes.shape == (10_000, 4)
    assert len(np.unique(one.boxes[:, 0])) == 10_000
    np.testing.assert_array_equal(one.boxes, again.boxes)
    assert set(one.boxes[:, 0]) != set(other.boxes[:, 0])
    table["width"], table["height"] = 168, 84
    assert set(training_objects(table, None, W).boxes[:, 0]) != set(one.boxes[:, 0])


def test_quantities_by_hand():
    found = framing_quantities([[0.2, 0.1, 0.6, 0.2], [0, 0, 1, 1], [0.9, 0.9, 1.1, 1.1]])
    expected = {
        "cx": [0.4, 0.5, 1.0],
        "cy": [0.15, 0.5, 1.0],
        "centre_distance": [np.hypot(0.1, 0.35) * 2**0.5, 0, 1],
        "scale": [0.2, 1, 0.2],
        "aspect": [4, 1, 1],
    }
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-12)


def test_medians_of_training_objects(boxes_at):
    training = TrainingObjects(boxes_at([0.1, 0.2, 0.9], [0.8, 0.3, 0.6], [0.1, 0.4, 0.2], [0.4, 0.4, 0.2]), "")
    assert training.centre == pytest.approx((0.2, 0.6))
    assert training.scale == pytest.approx(0.2)


@pytest.fixture(scope="module")
def in_a_row(boxes_at):
    """1,000 objects around (0.5, 0.4): two at each of 500 distances up to 0.05, left and right; scales around 0.2."""
    distance, factor = np.arange(1, 501) / 10_000, np.tile([0.8, 0.9, 1, 1.1, 1.2], 200)
    cx = 0.5 + np.concatenate([distance, -distance])
    return TrainingObjects(boxes_at(cx, 0.4, 0.1 * factor, 0.4 * factor), "a row")


@pytest.fixture(scope="module")
def of_sizes(boxes_at):
    """1,000 objects around the centre: two at each of 500 factors up to e^0.5, larger and smaller than 0.2."""
    log = np.arange(1, 501) / 1000
    side = 0.2 * np.exp(np.concatenate([log, -log]))
    return TrainingObjects(boxes_at(np.tile([0.48, 0.49, 0.5, 0.51, 0.52], 200), 0.5, side, side), "sizes")


@pytest.mark.parametrize("direction", [(1, 0), (-1, 0), (0, 1), (0, -1), (0.6, 0.8)], ids=str)
@pytest.mark.parametrize(("away", "usual"), [(0, True), (0.04505, True), (0.04515, False), (0.3, False)])
def test_a_position_is_usual_within_nine_tenths(boxes_at, in_a_row, direction, away, usual):
    """Of two at each distance, 450 pairs are nearer than 0.04505: exactly 90%. In a column as in a row."""
    cx, cy = 0.5 + away * direction[0], 0.4 + away * direction[1]
    box, turned = 100 * boxes_at(cx, cy, 0.2, 0.2), [1, 0, 3, 2]
    column = TrainingObjects(in_a_row.boxes[:, turned], "a column")
    for framing in (compare_framing(box, VIEW, in_a_row), compare_framing(box[turned], VIEW, column)):
        assert framing.usual_position is usual
        assert framing.usual_scale is True


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("away", "usual"), [(0, True), (0.4505, True), (0.4515, False), (0.9, False)])
def test_a_scale_is_usual_within_nine_tenths_in_logarithms(boxes_at, of_sizes, sign, away, usual):
    side = 0.2 * np.exp(sign * away)
    framing = compare_framing(100 * boxes_at(0.5, 0.5, side / 2, side * 2), VIEW, of_sizes)
    assert framing.usual_scale is usual
    assert framing.usual_position is True


def test_standings_are_counted(boxes_at, in_a_row):
    framing = compare_framing(100 * boxes_at(0.48945, 0.4, 0.1, 0.4), VIEW, in_a_row)
    cx, cy, distance, scale, aspect = framing.standings
    # Of the 500 on the left, 395 are farther left; nearer to the view's centre are the other 105, and as many right.
    assert (cx.name, cx.percentile) == ("cx", 0.395)
    assert (cx.value, cx.training_median) == pytest.approx((0.48945, 0.5))
    assert cy.value == cy.training_median == pytest.approx(0.4)
    assert (distance.name, distance.percentile) == ("centre_distance", 0.21)
    assert distance.value == pytest.approx(np.hypot(0.01055, 0.1) / np.hypot(0.5, 0.5))
    distances = np.hypot(np.arange(250, 252) / 10_000, 0.1) / np.hypot(0.5, 0.5)
    assert distance.training_median == pytest.approx(distances.mean())
    assert (scale.name, scale.value, scale.training_median) == ("scale", *[pytest.approx(0.2)] * 2)
    assert (aspect.name, aspect.value, aspect.training_median) == ("aspect", *[pytest.approx(0.25)] * 2)
    assert (framing.population, framing.n) == ("a row", 1000)


def test_percentiles_of_scale_and_aspect_are_the_share_that_has_less(boxes_at, of_sizes):
    framing = compare_framing(100 * boxes_at(0.5, 0.5, 0.2 * np.exp(0.1055), 0.2 * np.exp(0.1055)), VIEW, of_sizes)
    by_name = {standing.name: standing for standing in framing.standings}
    assert by_name["scale"].percentile == 0.605
    wide = compare_framing([10, 40, 90, 60], VIEW, of_sizes)
    assert {standing.name: standing.percentile for standing in wide.standings}["aspect"] == 1


def test_an_object_is_seen_through_the_window(in_a_row):
    """A view of 50 pixels that shows 100 × 200 pixels of the image from (300, 40)."""
    framing = compare_framing([340, 80, 360, 160], Window(300, 40, 2, 4, 50), in_a_row)
    values = {standing.name: standing.value for standing in framing.standings}
    assert values == pytest.approx(
        {"cx": 0.5, "cy": 0.4, "centre_distance": 0.1 / np.hypot(0.5, 0.5), "scale": 0.08**0.5, "aspect": 0.5}
    )
    assert framing.box == [340, 80, 360, 160]


def test_a_sample_is_kept_to_be_drawn(boxes_at):
    rng = np.random.default_rng(0)
    training = TrainingObjects(boxes_at(*rng.uniform(0.2, 0.4, (4, 600))), "many")
    framing, again, other = (compare_framing([1, 2, 3, 4], VIEW, training, seed) for seed in (0, 0, 1))
    assert framing.n == 600
    assert framing == again
    assert framing.training != other.training
    assert framing.standings == other.standings
    quantities = framing_quantities(training.boxes)
    names = ("cx", "cy", "scale", "aspect")
    known = list(zip(*(quantities[name].round(5).tolist() for name in names), strict=True))
    shown = list(zip(*(framing.training[name] for name in names), strict=True))
    assert framing.training.keys() == set(names)
    assert len(set(shown)) == 500
    assert set(shown) < set(known)


def test_few_training_objects_are_all_kept(in_a_row):
    few = TrainingObjects(in_a_row.boxes[::2], "few")
    framing = compare_framing([1, 2, 3, 4], VIEW, few)
    np.testing.assert_allclose(framing.training["cx"], framing_quantities(few.boxes)["cx"], atol=1e-5)
    assert len(framing.training["aspect"]) == framing.n == 500


def test_a_large_class_says_that_it_is_a_sample():
    training = training_objects(many(10_050, "cat"), "cat", W)
    assert training.population == "10,000 of the 10,050 training objects of its class"
    assert len(training.boxes) == 10_000


@pytest.mark.parametrize("side", [50, 131, 224, 377, 499])
def test_the_same_framing_in_images_of_other_sizes_is_usual(side):
    """Equal but for rounding is equal: no such object is nearer to the median than this one."""
    sides = np.random.default_rng(0).integers(50, 500, 100)
    table = pd.DataFrame({"category": "cat", "width": sides, "height": sides})
    for edge, share in (("x0", 0.2), ("y0", 0.2), ("x1", 0.8), ("y1", 0.8)):
        table[edge] = share * sides
    window = sweep_window(side, side, Sweep("crop", "diagonal", 1.0), W, "")
    framing = compare_framing(
        [0.2 * side, 0.2 * side, 0.8 * side, 0.8 * side], window, training_objects(table, "cat", W)
    )
    assert framing.usual_position
    assert framing.usual_scale
    assert [standing.percentile for standing in framing.standings] == [0] * 5
