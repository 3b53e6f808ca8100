"""Tables of paths, labels and boxes."""

import re

import pandas as pd
import pytest

from bias_toolkit.datasets import load_dataset
from bias_toolkit.errors import InputError

COLUMNS = ["path", "label", "category", "x0", "y0", "x1", "y1", "note"]


@pytest.fixture
def written(tmp_path, make_image):
    """A function that writes rows as a table of a given kind beside images a.png, b/c.png and d.png."""
    for name in ("a.png", "b/c.png", "d.png"):
        make_image(f"data/{name}")

    def write(name, rows, columns):
        table = pd.DataFrame(rows, columns=columns)
        path = tmp_path / "data" / name
        if path.suffix in (".parquet", ".pq"):
            table.to_parquet(path)
        else:
            table.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
        return path

    return write


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.parquet", "t.PQ"])
def test_several_objects_an_image(tmp_path, written, rows, name):
    if name == "t.PQ":
        written("t.pq", ROWS, COLUMNS).rename(tmp_path / "data" / name)
        path = tmp_path / "data" / name
    else:
        path = written(name, ROWS, COLUMNS)
    dataset = load_dataset(path)

    assert dataset.layout == "table"
    assert dataset.layout_reason == f"a {path.suffix[1:].lower()} file"
    assert dataset.root == str(path)
    assert rows(dataset.images) == [("a.png", "NA", 10, 8), ("b/c.png", "007", 10, 8), ("d.png", None, 10, 8)]
    assert rows(dataset.objects) == [
        ("a.png", 0, "dog", 0.5, 1, 4, 5),
        ("a.png", 1, "NA", 0, 0, 10, 8),
        ("b/c.png", 0, "007", 1, 1, 2, 2),
    ]
    assert rows(dataset.skipped) == [("gone.png", "No such file or directory")]
    assert dataset.dropped_boxes == 1


ROWS = [
    ("b/./c.png", "007", None, 1, 1, 2, 2, "x"),
    ("a.png", None, "dog", 0.5, 1, 4, 5, "x"),
    ("a.png", "NA", None, -3, 0, 20, 20, "x"),
    ("d.png", None, None, None, None, None, None, "x"),
    ("a.png", "NA", "flat", 3, 3, 3, 5, "x"),
    ("gone.png", "z", None, None, None, None, None, "x"),
]


def test_paths_alone(written, rows):
    dataset = load_dataset(written("t.csv", ["d.png", "a.png", "a.png"], ["path"]))
    assert rows(dataset.images) == [("a.png", None, 10, 8), ("d.png", None, 10, 8)]
    assert rows(dataset.objects) == []


def test_absolute_paths(tmp_path, written, make_image, rows):
    other = make_image("other/e.png", (3, 4))
    paths = [str(tmp_path / "data" / "a.png"), str(other), "../other/e.png"]
    dataset = load_dataset(written("t.csv", paths, ["path"]))

    assert rows(dataset.images) == [("../other/e.png", None, 3, 4), (str(other), None, 3, 4), ("a.png", None, 10, 8)]
    assert dataset.source(str(other)) == str(other)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_numbers_as_labels_are_taken_as_written(written, rows, name):
    dataset = load_dataset(written(name, [("a.png", 3), ("d.png", 12)], ["path", "label"]))
    assert [row[1] for row in rows(dataset.images)] == ["3", "12"]


BOX = ["path", "x0", "y0", "x1", "y1"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("content", "columns", "message"),
    [
        ([("a.png", 1)], ["file", "label"], "lacks the column 'path' .its columns are: file, label"),
        ([("a.png", 1, 2, 3)], ["path", "x0", "y0", "x1"], "lacks the column 'y1': a box needs x0, y0, x1, y1"),
        (
            [("a.png", "1", "2", "3", "4"), ("d.png", "1", "2", "wide", "4")],
            BOX,
            "data row 2 has 'wide' as x1, which is",
        ),
        ([("a.png", 1, 2, 3, float("inf"))], BOX, "data row 1 has 'inf' as y1, which is not a finite number"),
        ([("a.png", 1, 2, 3, 4), ("d.png", 1, None, 3, 4)], BOX, "data row 2 has some of x0, y0, x1, y1"),
        ([("a.png", "u"), (None, "v")], ["path", "label"], "data row 2 has no path"),
        ([("a.png", "u"), ("a.png", "v")], ["path", "label"], "gives a.png the labels u, v: an image has one"),
        ([], ["path"], "has no row"),
    ],
)
def test_what_is_wrong_is_named(written, suffix, content, columns, message):
    path = written(f"t.{suffix}", content, columns)
    with pytest.raises(InputError, match=f"{re.escape(str(path))}.*{message}"):
        load_dataset(path)


@pytest.mark.parametrize(("name", "content"), [("t.csv", b""), ("t.csv", b"\xff\xfe\x01"), ("t.parquet", b"PAR0")])
def test_a_file_that_is_no_table_is_named(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{re.escape(str(path))} cannot be read as a table"):
        load_dataset(path)
