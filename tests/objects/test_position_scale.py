import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_toolkit.datasets import BOX_EDGES, OBJECTS
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import read_table, write_table
from bias_toolkit.objects import (
    FRAMING,
    image_framing,
    image_rows,
    log_scale_deviation,
    object_of_image,
    position_and_scale,
    subject_rows,
)

NUMBERS = ["cx", "cy", "width_fraction", "height_fraction", "area_fraction", "scale", "aspect", "centre_distance"]


@st.composite
def box_in_image(draw):
    width, height = draw(st.integers(1, 5000)), draw(st.integers(1, 5000))
    edges = []
    for side in (width, height):
        low = draw(st.integers(0, side - 1))
        edges.append((low, draw(st.integers(low + 1, side))))
    (x0, x1), (y0, y1) = edges
    return x0, y0, x1, y1, width, height


def one_box(x0, y0, x1, y1, width, height):
    objects = pd.DataFrame(
        {"image_id": ["a"], "object_id": [0], "category": ["thing"], "x0": [x0], "y0": [y0], "x1": [x1], "y1": [y1]}
    )
    return objects, pd.DataFrame({"image_id": ["a"], "width": [width], "height": [height]})


def test_hand_computed_boxes(make_framing):
    framing, _ = make_framing(
        [[0, 0, 200, 100], [20, 10, 60, 90], [100, 50, 200, 100], [2, 2, 198, 98], [1, 2, 197, 97]], 200, 100
    )
    expected = {
        "cx": [0.5, 0.2, 0.75, 0.5, 0.495],
        "cy": [0.5, 0.5, 0.75, 0.5, 0.495],
        "width_fraction": [1, 0.2, 0.5, 0.98, 0.98],
        "height_fraction": [1, 0.8, 0.5, 0.96, 0.95],
        "area_fraction": [1, 0.16, 0.25, 0.9408, 0.931],
        "scale": [1, 0.4, 0.5, 0.9408**0.5, 0.931**0.5],
        "aspect": [2, 0.5, 2, 196 / 96, 196 / 95],
        "centre_distance": [0, 0.3 * 2**0.5, 0.5, 0, 0.01],
        "truncated": [True, False, True, False, True],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(framing[name], values, atol=1e-12, err_msg=name)


def test_table_fits_its_schema(make_framing, tmp_path):
    framing, _ = make_framing([[0, 0, 50, 50], [10, 10, 20, 30]])
    write_table(framing, tmp_path / "framing.parquet", FRAMING)
    assert list(read_table(tmp_path / "framing.parquet").columns) == FRAMING.names


def test_no_objects_give_an_empty_table(make_objects):
    objects, images = make_objects([[0, 0, 5, 5]])
    framing = position_and_scale(objects.iloc[:0], images)
    assert len(framing) == 0
    assert list(framing.columns) == FRAMING.names


@settings(max_examples=20, deadline=None)
@given(box=box_in_image())
def test_ranges(box):
    framing = position_and_scale(*one_box(*box)).iloc[0]
    assert 0 <= framing["centre_distance"] <= 1
    assert 0 < framing["area_fraction"] <= framing["scale"] <= 1
    assert 0 < framing["cx"] < 1
    assert 0 < framing["cy"] < 1


@settings(max_examples=20, deadline=None)
@given(box=box_in_image())
def test_mirrored_boxes_are_framed_alike(box):
    x0, y0, x1, y1, width, height = box
    framing = position_and_scale(*one_box(*box)).iloc[0]
    mirrored = position_and_scale(*one_box(width - x1, y0, width - x0, y1, width, height)).iloc[0]
    assert mirrored["cx"] == pytest.approx(1 - framing["cx"], abs=1e-12)
    for name in [name for name in NUMBERS if name != "cx"]:
        assert mirrored[name] == pytest.approx(framing[name], abs=1e-12)
    assert mirrored["truncated"] == framing["truncated"]


@settings(max_examples=20, deadline=None)
@given(box=box_in_image(), factor=st.integers(1, 9))
def test_resolution_does_not_matter(box, factor):
    framing = position_and_scale(*one_box(*box)).iloc[0]
    enlarged = position_and_scale(*one_box(*(factor * number for number in box))).iloc[0]
    np.testing.assert_allclose(
        enlarged[NUMBERS].to_numpy(float), framing[NUMBERS].to_numpy(float), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([0, 0, 101, 10], "partly outside"),
        ([-1, 0, 10, 10], "partly outside"),
        ([0, np.nan, 10, 10], "partly outside"),
        ([10, 10, 10, 20], "without area"),
        ([10, 20, 20, 10], "without area"),
    ],
)
def test_impossible_boxes_are_refused_by_name(make_objects, edges, message):
    with pytest.raises(InputError, match=f"'1.png'.*{message}"):
        position_and_scale(*make_objects([[0, 0, 10, 10], edges]))


def test_unknown_and_repeated_images_are_refused(make_objects):
    objects, images = make_objects([[0, 0, 10, 10], [0, 0, 10, 10]])
    with pytest.raises(InputError, match=r"'1.png' is in the objects table but not"):
        position_and_scale(objects, images.iloc[:1])
    with pytest.raises(InputError, match=r"'0.png' twice"):
        position_and_scale(objects, pd.concat([images, images]))


@pytest.mark.parametrize("kinds", [("str", "str"), ("str", object), (object, "str")])
def test_the_row_of_each_object_is_that_of_its_image(kinds):
    ids = np.random.default_rng(0).integers(0, 40, (2, 30)).astype(str)
    images = pd.DataFrame({"image_id": pd.Series(list(dict.fromkeys(ids[0])), dtype=kinds[0])})
    objects = pd.DataFrame({"image_id": ids[1]}).astype(kinds[1])
    listed = images["image_id"].tolist()
    expected = [listed.index(each) if each in listed else -1 for each in ids[1]]
    assert -1 in expected
    assert image_rows(objects, images).tolist() == expected
    assert image_rows(objects, images.iloc[:0]).tolist() == [-1] * 30
    assert image_rows(objects.iloc[:0], images).tolist() == []


def test_subjects_are_rows_of_the_framing(make_framing):
    boxes = [[0, 0, 9, 9], [0, 0, 30, 30], [0, 0, 5, 5], [0, 0, 20, 20]]
    framing, images = make_framing(boxes, image_ids=["gone", "b", "a", "b"])
    images = images[images["image_id"] != "gone"]
    assert subject_rows(framing, images).tolist() == [1, 2]
    pd.testing.assert_frame_equal(image_framing(framing, images), framing.iloc[[1, 2]].reset_index(drop=True))


def test_image_framing_takes_the_largest_object_of_the_label(make_framing):
    framing, images = make_framing(
        [
            [0, 0, 90, 90],  # larger, but of another category than the label
            [0, 0, 10, 10],
            [20, 20, 60, 60],  # the largest of the label's category
            [0, 0, 10, 10],  # no object of the label's category: the largest of all
            [0, 0, 30, 30],
            [50, 50, 60, 60],  # two of equal area: the first
            [10, 10, 20, 20],
            [0, 0, 20, 20],  # an image without a label
            [0, 0, 50, 50],
        ],
        categories=["other", "thing", "thing", "a", "b", "thing", "thing", "a", "b"],
        image_ids=["first", "first", "first", "second", "second", "third", "third", "fourth", "fourth"],
    )
    images.loc[images["image_id"] == "fourth", "label"] = None
    nothing = pd.DataFrame({"image_id": ["empty"], "label": ["thing"], "width": [9], "height": [9]})
    images = pd.concat([images.iloc[::-1], nothing])
    chosen = image_framing(framing.sample(frac=1, random_state=0), images)
    assert list(chosen["image_id"]) == ["fourth", "third", "second", "first"]
    assert list(chosen["object_id"]) == [1, 0, 1, 2]
    assert list(chosen.columns) == FRAMING.names


def test_image_framing_without_images(make_framing):
    framing, images = make_framing([[0, 0, 9, 9]])
    assert len(image_framing(framing, images.iloc[:0])) == 0


@pytest.mark.parametrize("shuffled", [False, True])
def test_the_object_of_one_image(shuffled):
    """The rule of `image_framing`, with the box in pixels: by hand for each image."""
    rows = [
        ("a", 0, "dog", 0, 0, 90, 90),  # larger, but of another category than the label
        ("a", 1, "cat", 20, 20.5, 60, 60),
        ("b", 0, "dog", 0, 0, 10, 10),  # no object of the label's category
        ("b", 1, "owl", 0, 0, 30, 30),
        ("c", 0, None, 5, 5, 20, 20),  # no label, no category
    ]
    objects = pd.DataFrame(rows, columns=OBJECTS.names).astype(dict.fromkeys(BOX_EDGES, np.float32))
    images = pd.DataFrame({"image_id": list("abcd"), "label": ["cat", "cat", None, "cat"], "width": 100, "height": 95})
    if shuffled:
        objects, images = objects.sample(frac=1, random_state=3), images.iloc[::-1]
    found = {image_id: object_of_image(image_id, images, objects) for image_id in "abcd"}
    assert found["a"] == ((20, 20.5, 60, 60), "cat")
    assert found["b"] == ((0, 0, 30, 30), "owl")
    assert found["c"] == ((5, 5, 20, 20), None)
    assert found["d"] is None
    assert all(type(edge) is float for edge in found["a"].box)
    assert object_of_image("e", images, objects) is None


def test_log_scale_deviation(make_framing):
    training, _ = make_framing([[0, 0, 10, 10], [0, 0, 40, 40], [0, 0, 80, 80]])
    framing, _ = make_framing([[0, 0, 40, 40], [0, 0, 20, 20], [0, 0, 80, 80]])
    np.testing.assert_allclose(log_scale_deviation(framing, training), [0, np.log(2), np.log(2)], atol=1e-12)
    assert np.isnan(log_scale_deviation(framing, training.iloc[:0])).all()
