"""The table of objects: clipped, numbered, in the order of the images."""

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bias_toolkit.datasets import BOX_COLUMNS, OBJECTS, Annotations
from bias_toolkit.datasets.boxes import upright_objects


def objects_of(boxes, image_ids, headers):
    annotations = Annotations([None] * len(image_ids), pd.DataFrame(boxes, columns=BOX_COLUMNS))
    table, unknown, dropped, _ = upright_objects(annotations, image_ids, np.array(headers))
    assert table.schema.equals(OBJECTS)
    return [tuple(row.values()) for row in table.to_pylist()], unknown, dropped


def test_objects_are_clipped_dropped_and_numbered():
    boxes = [
        ("b", "dog", -5, 2, 4, 20),
        ("a", "cat", 1, 1, 2, 2),
        ("b", "far", 10, 0, 12, 4),
        ("b", None, 3, 4, 10, 8),
        ("b", "empty", 3, 3, 3, 5),
        ("b", "inside out", 5, 5, 2, 7),
    ]
    rows, unknown, dropped = objects_of(boxes, ["a", "b"], [(10, 8, 1), (10, 8, 1)])

    assert rows == [("a", 0, "cat", 1, 1, 2, 2), ("b", 0, "dog", 0, 2, 4, 8), ("b", 1, None, 3, 4, 10, 8)]
    assert unknown == []
    assert dropped == 3


def test_boxes_of_unreadable_and_unknown_images_are_left_out_and_not_counted():
    boxes = [("broken", "x", 0, 0, 1, 1), ("other", "x", 0, 0, 1, 1), ("good", "x", 0, 0, 1, 1)]
    rows, unknown, dropped = objects_of(boxes, ["broken", "good"], [(0, 0, 0), (4, 4, 1)])

    assert rows == [("good", 0, "x", 0, 0, 1, 1)]
    assert unknown == ["other"]
    assert dropped == 0


def test_a_sliver_that_float32_cannot_hold_is_dropped():
    rows, _, dropped = objects_of([("a", "x", 5000, 0, 5000 + 1e-9, 4)], ["a"], [(6000, 8, 1)])

    assert rows == []
    assert dropped == 1


def test_many_objects_keep_the_order_of_their_annotations():
    boxes = [("ab"[number % 2], f"{number:04d}", 0, 0, 1, 1) for number in range(1000)]
    rows, _, _ = objects_of(boxes, ["a", "b"], [(4, 4, 1), (4, 4, 1)])

    assert [row[2] for row in rows] == [f"{number:04d}" for number in (*range(0, 1000, 2), *range(1, 1000, 2))]
    assert [row[1] for row in rows] == [*range(500), *range(500)]


def test_without_boxes_the_table_is_empty():
    assert objects_of([], ["a"], [(10, 8, 1)]) == ([], [], 0)


boxes_in_images = st.lists(
    st.tuples(st.integers(0, 4), st.lists(st.floats(-40, 80, width=32), min_size=4, max_size=4)), max_size=20
)
headers = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(0, 8)), min_size=5, max_size=5)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(boxes_in_images, headers)
def test_every_object_lies_in_its_image_and_none_is_lost(boxes, headers):
    image_ids = list("abcde")
    named = [(image_ids[row], str(row), *edges) for row, edges in boxes]
    rows, unknown, dropped = objects_of(named, image_ids, headers)

    readable = [row for row, _ in boxes if headers[row][2] > 0]
    assert unknown == []
    assert len(rows) + dropped == len(readable)
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    numbers = {}
    for image_id, object_id, category, x0, y0, x1, y1 in rows:
        assert object_id == numbers.get(image_id, 0)
        numbers[image_id] = object_id + 1
        assert category == str(image_ids.index(image_id))
        width, height, orientation = headers[image_ids.index(image_id)]
        if orientation >= 5:
            width, height = height, width
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
