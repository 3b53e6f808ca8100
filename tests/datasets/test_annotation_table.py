"""What is looked at in batches, in large tables, against each text looked at alone."""

import hashlib
import os
import random
import struct

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.datasets import load_dataset
from bias_toolkit.datasets.annotation_table import annotations_in, without_blanks
from bias_toolkit.datasets.file_names import check_inside
from bias_toolkit.foundation.errors import InputError

PIECES = [
    "a",
    "B7",
    "é",
    "猫",
    ".",
    "..",
    "/",
    "//",
    " ",
    "\t",
    "\x1c",
    "\u00a0",
    "\u3000",
    "\\",
    "\n",
    "~",
    "-",
    "a.png",
]
KINDS = ["str", object]


def random_texts(seed, n):
    draw = random.Random(seed)
    return ["".join(draw.choices(PIECES, k=draw.randint(0, 5))) for _ in range(n)]


@pytest.mark.parametrize("kind", KINDS)
def test_blanks_are_those_of_each_text_alone(kind):
    texts = [*random_texts(0, 3000), None, "plain"]
    found, changed = without_blanks(pd.Series(texts, dtype=kind))
    expected = [text and (text.strip() or None) for text in texts]
    assert [None if pd.isna(text) else text for text in found] == [text or None for text in expected]
    assert changed == [old for old, new in zip(texts, expected, strict=True) if new and new != old]


def test_values_that_are_no_text_stay():
    found, changed = without_blanks(pd.Series([1.5, " a ", None, "b"], dtype=object))
    assert found.tolist() == [1.5, "a", None, "b"]
    assert changed == [" a "]


def check(row, path):
    return check_inside(path, f"row {row}")


def read(paths, kind=object, image_id=check, **columns):
    table = pd.DataFrame({"path": pd.Series(paths, dtype=kind), **columns})
    return annotations_in(table, "here", "row {}".format, image_id, [])


@pytest.mark.parametrize("kind", KINDS)
def test_image_ids_are_those_of_each_path_alone(kind):
    inside, outside = [], set()
    for text in filter(None, random_texts(1, 4000)):
        try:
            inside.append((text, check_inside(text, "")))
        except InputError:
            outside.add(text)
    assert min(len(inside), len(outside)) > 100
    image_ids, _ = read([path for path, _ in inside], kind)
    assert image_ids == sorted({image_id for _, image_id in inside})
    # In a batch, each path that alone is refused is given to the function that refuses it.
    checked = set()
    read(["a.png", *sorted(outside)], kind, lambda _, path: checked.add(path) or path)
    assert checked == outside
    for text in [*sorted(outside)[:3], None]:
        with pytest.raises(InputError):
            read(["a.png", text], kind)


def test_labels_and_categories_are_those_of_each_image_alone():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 300, 1000)
    labels = np.where(rng.random(1000) < 0.5, np.array([f"label {each % 7}" for each in images], dtype=object), None)
    classes = rng.choice(np.array(["cat", "dog", None], dtype=object), 1000, p=[0.6, 0.2, 0.2])
    has_box = rng.random(1000) < 0.7
    edges = {name: np.where(has_box, value, np.nan) for value, name in enumerate(("x0", "y0", "x1", "y1"))}
    paths = [f"{number:03d}.png" for number in images]
    image_ids, found = read(paths, label=labels, **{"class": classes}, **edges)
    assert image_ids == sorted(set(paths))
    for number, label in zip(map(int, (each[:3] for each in image_ids)), found.labels, strict=True):
        own = set(labels[images == number]) - {None}
        of_objects = set(classes[(images == number) & has_box]) - {None}
        expected = own or (of_objects if len(of_objects) == 1 else {None})
        assert {label} == expected
    assert len(found.boxes) == has_box.sum()


def test_a_fingerprint_is_that_of_earlier_versions(tmp_path, make_image):
    for name in ("a.png", "é/b.png"):
        make_image(f"data/{name}")
    table = tmp_path / "data" / "t.csv"
    table.write_text("path,label\né/b.png,x\na.png,y\ngone.png,\n")
    names, stamps = ["a.png", "gone.png", "é/b.png"], b""
    for name in names:
        file = tmp_path / "data" / name
        status = os.stat(file) if file.exists() else None
        stamps += struct.pack("<qq", *((status.st_size, status.st_mtime_ns) if status else (-1, -1)))
    content = table.read_bytes()
    parts = [b"table", "\n".join(names).encode(), stamps]
    expected = b"".join(struct.pack("<Q", len(part)) + part for part in parts)
    expected += struct.pack("<Q", len(content)) + content + 2 * struct.pack("<Q", 0)
    assert load_dataset(table).fingerprint == hashlib.sha256(expected).hexdigest()
