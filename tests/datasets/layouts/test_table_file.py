"""Tables of paths, labels and boxes."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bias_toolkit.datasets import load_dataset
from bias_toolkit.foundation.errors import InputError

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
    assert rows(dataset.skipped[["image_id", "reason"]]) == [("gone.png", "No such file or directory")]
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


def test_absolute_paths_in_the_tables_folder(tmp_path, written, rows):
    table = written("t.csv", [str(tmp_path / "data" / "a.png"), "b//c.png", "x/../d.png"], ["path"])
    (tmp_path / "link").symlink_to(tmp_path / "data")

    for path in (table, tmp_path / "link" / "t.csv"):
        dataset = load_dataset(path)
        assert dataset.images["image_id"].tolist() == ["a.png", "b/c.png", "d.png"]
        assert dataset.read("a.png").shape == (8, 10, 3)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
@pytest.mark.parametrize("path", ["../other/e.png", "/etc/passwd", "b/../../other/e.png", ".."])
def test_paths_that_lead_out_of_the_tables_folder(make_image, written, name, path):
    make_image("other/e.png")
    table = written(name, ["a.png", path], ["path"])
    place = "line 3" if name == "t.csv" else "row 2"
    with pytest.raises(
        InputError, match=f"{re.escape(str(table))}, {place}: '{path}' leads out of the dataset's folder"
    ):
        load_dataset(table)


def test_images_elsewhere_are_reached_by_a_link(tmp_path, make_image, written):
    make_image("other/e.png", (3, 4))
    (tmp_path / "data" / "more").symlink_to(tmp_path / "other")
    dataset = load_dataset(written("t.csv", ["more/e.png"], ["path"]))
    assert dataset.read("more/e.png").shape == (4, 3, 3)
    assert dataset.source("more/e.png") == str(tmp_path / "other" / "e.png")


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_numbers_as_labels_are_taken_as_written(written, rows, name):
    dataset = load_dataset(written(name, [("a.png", 3), ("d.png", 12)], ["path", "label"]))
    assert [row[1] for row in rows(dataset.images)] == ["3", "12"]


BOX = ["path", "x0", "y0", "x1", "y1"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("content", "columns", "message"),
    [
        ([("a.png", 1)], ["picture", "label"], "lacks the column 'path' .its columns are: picture, label"),
        ([("a.png", 1, 2, 3)], ["path", "x0", "y0", "x1"], "lacks the column 'y1': a box needs x0, y0, x1, y1"),
        (
            [("a.png", "1", "2", "3", "4"), ("d.png", "1", "2", "wide", "4")],
            BOX,
            "(line 3|row 2) has 'wide' as x1, which is",
        ),
        ([("a.png", 1, 2, 3, float("inf"))], BOX, "(line 2|row 1) has 'inf' as y1, which is not a finite number"),
        ([("a.png", 1, 2, 3, 4), ("d.png", 1, None, 3, 4)], BOX, "(line 3|row 2) has some of x0, y0, x1, y1"),
        ([("a.png", "u"), (None, "v")], ["path", "label"], "(line 3|row 2) has no path"),
        ([("a.png", "u"), ("a.png", "v")], ["path", "label"], "gives a.png the labels u, v: an image has one"),
        ([], ["path"], "has no row"),
    ],
)
def test_what_is_wrong_is_named(written, suffix, content, columns, message):
    path = written(f"t.{suffix}", content, columns)
    with pytest.raises(InputError, match=f"{re.escape(str(path))}.*{message}"):
        load_dataset(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", " is empty"),
        ("t.csv", b"\xff\xfe\x01", " is in UTF-16 .line 1.: save it as UTF-8"),
        ("t.csv", b"path,label\na.png,caf\xe9\n", " is not a text file in UTF-8 .line 2.: save it as UTF-8"),
        ("t.csv", b"path\na.png\nd\0.png\n", ", line 3: there is a zero byte"),
        ("t.csv", b"path,label\na.png,cat\nd.png\n", ", line 3: 1 cells, where the header has 2"),
        ("t.csv", b"path,label\na.png,cat,dog\n", ", line 2: 3 cells, where the header has 2"),
        ("t.csv", b'path,label\na.png,"cat\n\n', ", line 3: this is not a row of a table: unexpected end of data"),
        ("t.tsv", b"path\tlabel\tpath\na.png\tcat\ta.png\n", " has the column 'path' twice"),
        ("t.csv", b"path\n" + b"x" * 200_000 + b"\n", ", line 2: this is not a row of a table: field larger than"),
        ("t.parquet", b"PAR0", " cannot be read as a table .*: it is damaged, write it anew"),
        ("t.parquet", b"PAR1" * 10, " cannot be read as a table .*: it is damaged, write it anew"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{re.escape(str(path))}{message}"):
        load_dataset(path)


def test_a_table_as_spreadsheets_write_it(written, tmp_path, rows):
    written("t.csv", ["a.png"], ["path"])
    text = '\ufeffpath,label,note\r\na.png,"grey ""cat"",\nold",x,,\r\n\r\nd.png,,\r\n'
    (tmp_path / "data" / "t.csv").write_bytes(text.encode())
    dataset = load_dataset(tmp_path / "data" / "t.csv")
    assert rows(dataset.images) == [("a.png", 'grey "cat",\nold', 10, 8), ("d.png", None, 10, 8)]


def test_a_line_is_counted_where_its_row_begins(written, tmp_path):
    (tmp_path / "data" / "t.csv").write_text('path,label\n\na.png,"x\ny"\n../d.png,z\n')
    with pytest.raises(InputError, match=r"t.csv, line 5: '../d.png' leads out"):
        load_dataset(tmp_path / "data" / "t.csv")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"path": ["a.png"], "x0": [[1]], "y0": [1.0], "x1": [2.0], "y1": [2.0]}, "the column 'x0' holds list"),
        ({"path": ["a.png"], "x0": [True], "y0": [1.0], "x1": [2.0], "y1": [2.0]}, "the column 'x0' holds bool"),
        ({"path": [["a.png"]]}, "cannot be read as a table"),
        ({"path": [b"\xff\xfe.png"]}, "cannot be read as a table"),
        ({"path": ["a.png"], "x0": ["1" * 400], "y0": ["1"], "x1": ["2"], "y1": ["2"]}, "row 1 has '1+…? as x0"),
    ],
)
def test_columns_of_another_type_are_named(written, columns, message):
    path = written("t.parquet", columns, None)
    with pytest.raises(InputError, match=f"{re.escape(str(path))}.*{message}"):
        load_dataset(path)


def test_texts_that_are_not_utf8_in_parquet(tmp_path, written):
    written("t.csv", ["a.png"], ["path"])
    path = tmp_path / "data" / "t.parquet"
    texts = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])
    pq.write_table(pa.table({"path": ["a.png"], "label": texts}), path)
    with pytest.raises(InputError, match=f"{path} cannot be read as a table .*UTF8.*: it is damaged, write it anew"):
        load_dataset(path)


def test_damaged_parquet_is_told_or_read(tmp_path, written):
    whole = written("t.parquet", ROWS, COLUMNS).read_bytes()
    generator = np.random.default_rng(0)
    told = []
    for number in range(150):
        content = bytearray(whole)
        for place in generator.integers(0, len(whole), 3):
            content[place] = generator.integers(256)
        path = tmp_path / "data" / f"{number % 3}.parquet"
        path.write_bytes(content[: generator.integers(4, len(whole) + 1)] if number % 2 else content)
        try:
            load_dataset(path).scan()
        except InputError as error:
            told.append((str(path), str(error)))
    assert len(told) > 75
    assert all(path in message for path, message in told)


def test_a_parquet_of_more_rows_than_memory_holds(tmp_path, written, monkeypatch):
    path = written("t.parquet", [f"{number % 2}.png" for number in range(10)], ["path"])
    monkeypatch.setattr("bias_toolkit.datasets.annotation_text.free_memory", lambda: 500)
    monkeypatch.setattr("bias_toolkit.datasets.annotation_text._SMALL", 10)
    with pytest.raises(InputError, match=f"{path} takes about .* of memory to read, and .* free: divide it"):
        load_dataset(path)


HEADERS = {
    "path, label, x0, y0, x1, y1": "dog",
    "Path,Label,X0,Y0,X1,Y1": "dog",
    "filename,class,xmin,ymin,xmax,ymax": "dog",
    " image_path ,Class_Name, x_min,y_min,x_max,y_max": "dog",
    "file,category,x1,y1,x2,y2": None,
    "image,label,left,top,right,bottom": "dog",
}


@pytest.mark.parametrize("header", sorted(HEADERS))
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_columns_of_other_tools(written, rows, header, suffix):
    names = header.split(",")
    row = ["a.png", "dog", 1, 2, 5, 6]
    path = written(f"t.{suffix}", [row, ["d.png", None, None, None, None, None]], names)
    if suffix == "csv" and ", " in header:
        path.write_text(path.read_text().replace(",", ", ").replace(",  ", ", "))
    dataset = load_dataset(path)
    assert rows(dataset.images) == [("a.png", HEADERS[header], 10, 8), ("d.png", None, 10, 8)]
    assert rows(dataset.objects) == [("a.png", 0, "dog", 1, 2, 5, 6)]
    others = [note for note in dataset.notes if "read by another name" in note.text]
    assert bool(others) is not (suffix == "csv" and header.startswith("path, "))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_blanks_around_cells_are_no_part_of_them(written, make_image, rows, suffix):
    make_image("data/ e.png")
    table = [
        (" a.png", " cat", " 1", "1 ", "5", " 6"),
        ("d.png ", "cat ", " ", " ", " ", " "),
        (" e.png", "", *[None] * 4),
    ]
    dataset = load_dataset(written(f"t.{suffix}", table, ["path", "label", "x0", "y0", "x1", "y1"]))
    assert rows(dataset.images) == [(" e.png", None, 10, 8), ("a.png", "cat", 10, 8), ("d.png", "cat", 10, 8)]
    assert rows(dataset.objects) == [("a.png", 0, "cat", 1, 1, 5, 6)]
    said = "2 cells have blanks around the text, which are not read as a part of it (for example ' {}')."
    assert [note.text for note in dataset.notes] == [said.format("a.png"), said.format("cat")]


def test_classes_of_several_objects_are_no_label(written, rows):
    boxes = [("a.png", "dog", 1, 1, 2, 2), ("a.png", "cat", 1, 1, 3, 3), ("d.png", "dog", 1, 1, 4, 4)]
    dataset = load_dataset(written("t.csv", boxes, ["filename", "class", "xmin", "ymin", "xmax", "ymax"]))
    assert rows(dataset.images[["image_id", "label"]]) == [("a.png", None), ("d.png", "dog")]
    assert [row[2] for row in rows(dataset.objects)] == ["dog", "cat", "dog"]


def test_columns_that_are_passed_over_are_named(written):
    dataset = load_dataset(written("t.csv", [("a.png", 1, 2)], ["path", "depth", "Note"]))
    assert [note.text for note in dataset.notes] == ["2 columns are passed over: depth, Note."]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_labels_that_became_decimal_numbers(written, rows, suffix):
    columns = ["path", "label"]
    dataset = load_dataset(
        written(f"t.{suffix}", pd.DataFrame({"path": ["a.png", "d.png"], "label": [1, None]}), columns)
    )
    assert [row[1] for row in rows(dataset.images)] == ["1", None]
    versions = load_dataset(written("t.csv", [("a.png", "1.0"), ("d.png", "1.5")], columns))
    assert [row[1] for row in rows(versions.images)] == ["1.0", "1.5"]
