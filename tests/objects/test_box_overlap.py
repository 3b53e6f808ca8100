import numpy as np
import pytest

from bias_toolkit.objects import box_overlap, class_box_overlap, framing_summary

PLACES = np.array([[0, 0, 30, 30], [35, 35, 65, 65], [70, 70, 100, 100]])


def iou(first, second):
    width, height = (max(0, min(first[axis + 2], second[axis + 2]) - max(first[axis], second[axis])) for axis in (0, 1))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return width * height / (areas - width * height)


def by_pairs(edges, image_ids):
    """The share of ordered pairs by a plain loop."""
    pairs = [(i, j) for i in range(len(edges)) for j in range(len(edges)) if image_ids[i] != image_ids[j]]
    return np.mean([iou(edges[i], edges[j]) > 0.5 for i, j in pairs])


def test_the_shares_are_those_of_a_loop_over_pairs(make_framing):
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 30, (60, 2))
    edges = np.column_stack([low, low + rng.uniform(40, 65, (60, 2))])
    categories = rng.choice(["a", "b"], 60)
    image_ids = [f"{number}.png" for number in rng.integers(0, 25, 60)]
    framing, _ = make_framing(edges, 100, 200, categories=categories, image_ids=image_ids)
    found = class_box_overlap(framing)
    expected = {}
    for category in ("a", "b"):
        of_it = np.flatnonzero(categories == category)
        expected[category] = by_pairs(edges[of_it], [image_ids[row] for row in of_it])
        assert 0.1 < expected[category] < 0.9
        assert found[category].value == pytest.approx(expected[category])
    assert found[""].value == pytest.approx((expected["a"] + expected["b"]) / 2)


@pytest.mark.parametrize("law", [[0.6, 0.3, 0.1], [1 / 3, 1 / 3, 1 / 3]])
def test_intervals_hold_the_value_of_a_known_law(make_framing, law):
    images, draws = 40, 40
    rng, held = np.random.default_rng(1), 0
    for _ in range(draws):
        framing, _ = make_framing(PLACES[rng.choice(3, images, p=law)])
        found = class_box_overlap(framing)["thing"]
        held += found.low <= np.square(law).sum() <= found.high
    # Of 40 at 95%, fewer do once in 300 times; of such of half the width, as many do once in 100 times. More hold it in
    # the second law, in which every object overlaps as many others.
    assert held >= 34


def test_an_error_over_images_is_wider_when_an_image_has_copies_of_its_box(make_framing):
    drawn = np.random.default_rng(2).choice(3, 40)
    alone, _ = make_framing(PLACES[drawn])
    copied, _ = make_framing(np.repeat(PLACES[drawn], 3, axis=0), image_ids=np.repeat(np.arange(40), 3).astype(str))
    once, thrice = (class_box_overlap(framing)["thing"] for framing in (alone, copied))
    assert thrice == pytest.approx(once)


@pytest.mark.parametrize(("places", "share"), [([1] * 6, 1.0), ([0, 2], 0.0)])
def test_boxes_that_are_all_alike_or_all_apart(make_framing, places, share):
    framing, _ = make_framing(PLACES[places])
    found = class_box_overlap(framing)["thing"]
    assert found.value == share
    assert found.n == len(places)
    # Two images are too few for an interval; six have one that is not of zero width.
    assert np.isnan(found.low) if len(places) < 5 else 0.3 < found.low < found.high == 1


def test_half_is_not_more_than_half(make_framing):
    framing, _ = make_framing([[0, 0, 30, 60], [0, 0, 60, 60], [0, 0, 31, 60]], 700, 700)
    assert class_box_overlap(framing)["thing"].value == pytest.approx(4 / 6)


def test_a_class_of_one_image_has_no_pair(make_framing):
    framing, images = make_framing(PLACES, categories=["a", "b", "b"])
    assert set(class_box_overlap(framing)) == {"", "b"}
    summary = framing_summary(framing, images, resamples=20, placements=20).set_index("category")
    assert summary["class_box_overlap"].isna().to_dict() == {"": False, "a": True, "b": False}


def test_of_a_large_class_objects_are_drawn(make_framing, monkeypatch):
    monkeypatch.setattr(box_overlap, "MOST_OBJECTS", 50)
    framing, _ = make_framing(PLACES[np.random.default_rng(3).choice(3, 400)])
    found = class_box_overlap(framing)["thing"]
    assert found.n == 50
    assert found == class_box_overlap(framing)["thing"]
    assert found.low < 1 / 3 < found.high
