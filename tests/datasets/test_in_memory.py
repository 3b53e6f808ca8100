"""Datasets from memory: images, labels and boxes as they were put in, and fingerprints of their content."""

import io

import datasets
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from bias_toolkit import InputError, load_dataset

BOXES = ["x0", "y0", "x1", "y1"]


def pictures(n, seed=5):
    """Pictures that all differ: uint8 (10, 12, 3)."""
    return list(np.random.default_rng(seed).integers(0, 256, (n, 10, 12, 3), np.uint8))


def png(pixels, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", **options)
    return buffer.getvalue()


class Items(torch.utils.data.Dataset):
    """A torch Dataset of (image, label)."""

    def __init__(self, images, labels, **others):
        self.images, self.labels = images, labels
        self.__dict__ |= others

    def __len__(self):
        return len(self.images)

    def __getitem__(self, row):
        return self.images[row], self.labels[row]


def assert_same_pixels(dataset, expected):
    assert len(dataset.images) == len(expected)
    for image_id, pixels in zip(dataset.images["image_id"], expected, strict=True):
        np.testing.assert_array_equal(dataset.read(image_id), pixels)


@pytest.mark.parametrize(
    "form",
    [
        lambda pixels: pixels,
        Image.fromarray,
        png,
        lambda pixels: {"bytes": png(pixels), "path": None},
        lambda pixels: torch.from_numpy(pixels).permute(2, 0, 1),
        lambda pixels: torch.from_numpy(pixels).permute(2, 0, 1) / 255,
        lambda pixels: (pixels / 255).astype(np.float32),
    ],
    ids=["array", "Pillow", "bytes", "mapping", "tensor", "float tensor", "float array"],
)
def test_every_form_of_an_image_gives_the_same_pixels(form):
    images = pictures(3)
    frame = pd.DataFrame({"image": [form(pixels) for pixels in images], "label": ["a", None, "b"]})
    dataset = load_dataset(frame)
    assert_same_pixels(dataset, images)
    assert dataset.images["label"].astype(object).where(dataset.images["label"].notna(), None).tolist() == [
        "a",
        None,
        "b",
    ]
    assert_same_pixels(load_dataset(Items(frame["image"], [0, 1, 0])), images)


def test_the_orientation_in_bytes_is_applied_and_boxes_are_of_the_upright_image(rows):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = pictures(1)[0]
    frame = pd.DataFrame({"image": [png(pixels, exif=exif)], "label": [3]})
    frame[BOXES] = [1.0, 2.0, 5.0, 6.0]
    dataset = load_dataset(frame)
    np.testing.assert_array_equal(dataset.read("0"), np.rot90(pixels, -1))
    assert rows(dataset.images) == [("0", "3", 10, 12)]
    assert rows(dataset.objects) == [("0", 0, "3", 1.0, 2.0, 5.0, 6.0)]


def test_rows_of_one_image_id_are_its_objects(rows):
    first, second = pictures(2)
    frame = pd.DataFrame(
        [["a", first, "cat", 0, 0, 4, 4], ["b", second, "dog", 1, 1, 3, 3], ["a", None, "cat", 5, 5, 9, 9]],
        columns=["image_id", "image", "label", *BOXES],
    )
    dataset = load_dataset(frame)
    assert_same_pixels(dataset, [first, second])
    assert [row[:2] for row in rows(dataset.objects)] == [("a", 0), ("a", 1), ("b", 0)]


def test_a_frame_of_paths_reads_the_files(tmp_path, make_image, rows):
    paths = [make_image("x/a.png", (10, 8)), make_image("y/b.png", (6, 4))]
    frame = pd.DataFrame({"path": [str(paths[0]), paths[1], paths[1]], "label": ["cat", "dog", "dog"]})
    frame[BOXES] = [[np.nan] * 4, [0, 0, 2, 2], [1, 1, 4, 4]]
    dataset = load_dataset(frame)
    assert rows(dataset.images) == [("x/a.png", "cat", 10, 8), ("y/b.png", "dog", 6, 4)]
    assert [row[:3] for row in rows(dataset.objects)] == [("y/b.png", 0, "dog"), ("y/b.png", 1, "dog")]
    assert load_dataset(frame.assign(label="cat")).fingerprint != load_dataset(frame).fingerprint
    assert dataset.source("x/a.png") == load_dataset(tmp_path / "x").source("a.png")


def test_a_frame_has_the_names_of_columns_that_a_table_file_has(make_image, rows):
    path = make_image("x/a.png", (10, 8))
    edges = ["xmin", "ymin", "xmax", "ymax"]
    frame = pd.DataFrame([[f" {path}", " dog", 2, 4, 6, 8, 20, 16, 0]], columns=[
        " FileName", "Class", *edges, "Width", "height", "score"
    ])  # fmt: skip
    dataset = load_dataset(frame)
    # The boxes were drawn on a picture of twice the size.
    assert rows(dataset.images) == [("a.png", "dog", 10, 8)]
    assert rows(dataset.objects) == [("a.png", 0, "dog", 1.0, 2.0, 3.0, 4.0)]
    notes = [note.text for note in dataset.notes]
    assert notes[0].startswith("7 columns are read by another name: ' FileName' as path, 'Class' as class, 'Width' as")
    assert notes[1] == "1 column is passed over: score."
    said = "1 cell has blanks around the text, which is not read as a part of it (for example '"
    assert [note.partition("(")[0] for note in notes[2:4]] == [said.partition("(")[0]] * 2
    assert load_dataset(frame.assign(height=8, Width=10)).fingerprint != dataset.fingerprint
    held = load_dataset(pd.DataFrame({"IMAGE ": pictures(2), "Class": ["cat", "dog"], "Image_ID": ["u", "v"]}))
    assert [row[:2] for row in rows(held.images)] == [("u", "cat"), ("v", "dog")]
    assert_same_pixels(held, pictures(2))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda held: held,
        lambda held: torch.utils.data.Subset(held, range(4)),
        lambda held: torch.utils.data.ConcatDataset([held]),
    ],
)
def test_numbered_labels_get_the_names_of_the_classes(wrap):
    held = Items(pictures(4), [torch.tensor(1), np.int64(0), 1, 0], classes=["cat", "dog"])
    assert load_dataset(wrap(held)).images["label"].tolist() == ["dog", "cat", "dog", "cat"]


def test_a_dataset_of_hugging_face(rows):
    images = pictures(130)
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    table = {"image": [{"bytes": png(each), "path": None} for each in images], "label": [0, 1] * 65}
    made = datasets.Dataset.from_dict(table, features=features)
    dataset = load_dataset(made)
    assert_same_pixels(dataset, images)
    assert dataset.images["label"].tolist() == ["cat", "dog"] * 65
    chosen = load_dataset(made.select([5, 128]))
    assert_same_pixels(chosen, [images[5], images[128]])
    assert chosen.images["label"].tolist() == ["dog", "cat"]
    with pytest.raises(InputError, match="holds the splits train: give one of them"):
        load_dataset(datasets.DatasetDict(train=made))


def frame_of(images, labels="ab"):
    return pd.DataFrame({"image": images, "label": list(labels)})


def test_the_fingerprint_is_of_the_content():
    same = [load_dataset(frame_of(pictures(2))).fingerprint for _ in range(2)]
    assert same[0] == same[1]
    changed = pictures(2)
    changed[1][3, 4, 0] ^= 1
    others = [frame_of(changed), frame_of(pictures(2), "aa"), frame_of(pictures(2)).assign(x0=0, y0=0, x1=1, y1=1)]
    found = {load_dataset(frame).fingerprint for frame in others}
    assert len(found) == 3
    assert same[0] not in found
    items = [load_dataset(Items(pictures(2), labels)).fingerprint for labels in ([0, 1], [0, 1], [1, 1])]
    assert items[0] == items[1] != items[2]


def test_all_is_read_once_with_progress():
    counted, read = [], []

    class Counting(Items):
        def __getitem__(self, row):
            read.append(row)
            return super().__getitem__(row)

    def progress(description, total, done=0):
        from contextlib import nullcontext

        return nullcontext(lambda count, note="": counted.append((description, total)))

    dataset = load_dataset(Counting(pictures(5), [0] * 5))
    assert not read
    dataset.scan(progress)
    assert counted.count(("Reading all images, once", 5)) == 5
    assert "all images were read once" in dataset.layout_reason
    n = len(read)
    assert dataset.fingerprint
    assert len(dataset.scan().images) == 5
    assert len(read) == n


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (5, "int is no dataset: give a path, a pandas DataFrame"),
        ({"image": []}, "dict is no dataset"),
        (pd.DataFrame({"picture": [1]}), "has neither a column path nor a column image"),
        (pd.DataFrame({"path": []}), "a DataFrame of 0 rows has no row"),
        (Items([], []), "this Items has no item"),
        ([{"image": pictures(1)[0], "label": 1}] * 2, r"item 0 of this list has to be \(image, label\)"),
        (frame_of([np.full((4, 4, 3), 2.0)] * 2), "the image 0 has values from 2 to 2; images have to be uint8"),
        (frame_of([np.zeros((4, 4, 3), int)] * 2), "the image 0 has values of the type int64"),
        (frame_of([None, None]), r"the first, 0: it is no image, but NoneType"),
        (frame_of([np.zeros((4, 4, 7), np.uint8)] * 2), r"an array of the shape \(4, 4, 7\) is no image"),
        (pd.DataFrame({"image": pictures(2), "x0": 1}), "lacks the column 'y0'"),
        (pd.DataFrame({"image": pictures(1), "label": [[1]]}), "a label has to be a text or a whole number"),
    ],
)
def test_what_is_no_dataset_is_refused_in_a_sentence(held, message):
    with pytest.raises(InputError, match=message):
        load_dataset(held).scan()


def test_random_transforms_are_refused():
    class Random(Items):
        def __getitem__(self, row):
            return np.random.default_rng().integers(0, 256, (4, 4, 3), np.uint8), 0

    with pytest.raises(InputError, match=r"^a Random of 2 items gives .* give it without random transforms"):
        load_dataset(Random([0, 1], [0, 1])).scan()


def test_one_image_that_cannot_be_read_is_left_out(rows):
    dataset = load_dataset(frame_of([pictures(1)[0], b"no image"]))
    assert dataset.images["image_id"].tolist() == ["0"]
    assert rows(dataset.skipped)[0][:1] == ("1",)
