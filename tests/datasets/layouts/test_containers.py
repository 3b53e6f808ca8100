"""Datasets inside tars, Parquet and Arrow files: images, labels and boxes as they were put in."""

import io
import json
import tarfile

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset
from PIL import Image

from bias_toolkit import InputError, load_dataset
from bias_toolkit.datasets import pixels as pixels_of_files
from bias_toolkit.datasets.decoding_apart import decoded_apart

SIDES = (12, 10)


def pictures(n):
    """Pictures that all differ: uint8 (10, 12, 3)."""
    return list(np.random.default_rng(3).integers(0, 256, (n, SIDES[1], SIDES[0], 3), np.uint8))


def encoded(pixels, kind="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def write_tar(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def assert_same_pixels(dataset, expected):
    """The images of a dataset, in the order of its ids, are the expected ones."""
    assert len(dataset.images) == len(expected)
    for image_id, pixels in zip(dataset.images["image_id"], expected, strict=True):
        np.testing.assert_array_equal(dataset.read(image_id), pixels)


def labels_of(dataset):
    return [None if pd.isna(label) else label for label in dataset.images["label"]]


# WebDataset


@pytest.fixture
def shards(tmp_path):
    """Three tars of four images each, written by the webdataset library."""
    expected = pictures(12)
    with webdataset.ShardWriter(f"{tmp_path}/train-%03d.tar", maxcount=4, verbose=0) as writer:
        for number, pixels in enumerate(expected):
            writer.write({"__key__": f"{number:04d}", "png": encoded(pixels), "cls": number % 3})
    return tmp_path, expected


@pytest.mark.parametrize("named", ["", "train-{000..002}.tar", "train-*.tar", "train-{000,001,002}.tar"])
def test_tars_are_named_by_their_folder_or_a_pattern(shards, named):
    folder, expected = shards
    dataset = load_dataset(folder / named)
    assert_same_pixels(dataset, expected)
    assert dataset.images["image_id"][5] == "train-001.tar/0005.png"
    assert labels_of(dataset) == [str(number % 3) for number in range(12)]
    assert dataset.layout_reason == "3 tars of images, labels from .cls files"


def test_a_part_of_the_shards(shards):
    folder, expected = shards
    assert_same_pixels(load_dataset(folder / "train-{001..002}.tar"), expected[4:])
    one = load_dataset(folder / "train-001.tar")
    assert one.images["image_id"].tolist() == ["0004.png", "0005.png", "0006.png", "0007.png"]
    assert one.source("0004.png") == load_dataset(folder).source("train-001.tar/0004.png")
    with pytest.raises(InputError, match=r"names 4 files, and there is no file .*train-003\.tar"):
        load_dataset(folder / "train-{000..003}.tar")


def test_the_shards_of_two_sets_are_not_mixed(shards):
    folder, _ = shards
    (folder / "train-000.tar").rename(folder / "val-000.tar")
    with pytest.raises(InputError, match=r"several sets \(train-\*\.tar, val-\*\.tar\): name one set by a pattern"):
        load_dataset(folder)
    assert len(load_dataset(folder / "train-*.tar").images) == 8


def test_an_object_without_four_numbers_is_left_out_and_noted(tmp_path, rows):
    objects = [{"bbox": [1, 2, 3, 4], "category": 5}, {"bbox": [1, 2, 3]}, {"category": "x"}]
    content = json.dumps({"label": "dog", "objects": objects}).encode()
    dataset = load_dataset(write_tar(tmp_path / "a.tar", [("a.jpg", encoded(pictures(1)[0])), ("a.json", content)]))
    assert rows(dataset.objects) == [("a.jpg", 0, "5", 1.0, 2.0, 4.0, 6.0)]
    assert [note.text for note in dataset.notes] == [
        "2 objects have no box of four numbers, and are left out (the first is in a.jpg)."
    ]


def test_labels_and_boxes_in_json(tmp_path, rows):
    objects = {"bbox": [[1, 2, 3, 4], [0, 0, 12, 10]], "category": ["head", "dog"]}
    write_tar(
        tmp_path / "a.tar",
        [
            ("x/one.jpg", encoded(pictures(1)[0], "JPEG")),
            ("x/one.json", json.dumps({"label": 7, "class_name": "dog", "objects": objects}).encode()),
            ("x/two.jpg", encoded(pictures(1)[0], "JPEG")),
        ],
    )
    dataset = load_dataset(tmp_path / "a.tar")
    assert rows(dataset.images) == [("x/one.jpg", "7", 12, 10), ("x/two.jpg", None, 12, 10)]
    assert rows(dataset.objects) == [
        ("x/one.jpg", 0, "head", 1.0, 2.0, 4.0, 6.0),
        ("x/one.jpg", 1, "dog", 0.0, 0.0, 12.0, 10.0),
    ]
    assert dataset.class_names == {"7": "dog"}


@pytest.mark.parametrize(
    ("texts", "labels", "says", "notes"),
    [
        (["cat", "dog", "cat", "dog"], ["cat", "dog", "cat", "dog"], "labels from .txt files", []),
        (
            ["a cat", "a dog", "one hat", "an owl"],
            [None] * 4,
            "without labels",
            [
                "The texts of 4 images in .txt files are taken as captions, and not as labels, for most of them differ "
                "(the first is 'a cat')."
            ],
        ),
    ],
)
def test_texts_are_labels_unless_they_are_captions(tmp_path, texts, labels, says, notes):
    members = []
    for number, text in enumerate(texts):
        members += [(f"{number}.png", encoded(pictures(1)[0])), (f"{number}.txt", text.encode())]
    dataset = load_dataset(write_tar(tmp_path / "a.tar", members))
    assert labels_of(dataset) == labels
    assert says in dataset.layout_reason
    assert [note.text for note in dataset.notes] == notes


def test_without_label_files_the_folders_are_labels(tmp_path):
    members = [(f"./{name}/{number}.png", encoded(pictures(1)[0])) for name in ("cat", "dog") for number in (1, 2)]
    dataset = load_dataset(write_tar(tmp_path / "a.tar", members))
    assert labels_of(dataset) == ["cat", "cat", "dog", "dog"]
    assert "labels from the folders in the tars" in dataset.layout_reason


def test_what_a_tar_holds_besides_is_listed(tmp_path, rows):
    path = tmp_path / "a.tar"
    png = encoded(pictures(1)[0])
    write_tar(
        path, [("a.png", png), ("a.mask.png", png), ("b.gif", b"GIF89a"), ("../c.png", png), ("d.png", b"no image")]
    )
    with tarfile.open(path, "a") as tar:
        link = tarfile.TarInfo("e.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    dataset = load_dataset(path)
    assert dataset.images["image_id"].tolist() == ["a.png"]
    assert [(name, reason.partition(":")[0]) for name, reason, _ in rows(dataset.skipped)] == [
        ("d.png", "not an image in a known format (JPEG, PNG, WEBP, BMP, TIFF, PPM, GIF)"),
        ("a.mask.png", "its sample has another image, a.png"),
        ("b.gif", "files that end in .gif are not read; save it as .jpg or .png"),
        ("../c.png", "its name leads out of the dataset"),
        ("e.png", "it is a link or has holes in its tar, which is not followed"),
    ]


def test_of_two_files_of_one_name_the_last_is_read_and_noted(tmp_path):
    first, last = pictures(2)
    members = [("a.png", encoded(first)), ("a.cls", b"1"), ("./a.png", encoded(last)), ("a.CLS", b"2")]
    dataset = load_dataset(write_tar(tmp_path / "a.tar", [*members, ("b.png", encoded(first))]))
    assert labels_of(dataset) == ["2", None]
    assert_same_pixels(dataset, [last, first])
    assert [(note.text, note.warns) for note in dataset.notes] == [
        (
            "2 files have the name of an earlier file of the same tar (for example ./a.png): the last is read, as tar "
            "does.",
            True,
        )
    ]


def test_a_tar_that_is_cut_off_or_compressed_is_refused(shards, tmp_path):
    folder, _ = shards
    path = folder / "train-002.tar"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"train-002\.tar is no tar, or is damaged or cut off"):
        load_dataset(folder)
    whole = write_tar(path, [(f"{number}.png", encoded(pixels)) for number, pixels in enumerate(pictures(6))])
    content = whole.read_bytes()
    # Within and at the ends of the headers, of which each is before one block of an image.
    for end in range(256, content.index(bytes(1024)), 256):
        path.write_bytes(content[:end])
        with pytest.raises(InputError, match=r"train-002\.tar is no tar, or is damaged or cut off"):
            load_dataset(path)
    (tmp_path / "a.tar.gz").write_bytes(b"")
    with pytest.raises(InputError, match=r"holds the compressed tar a\.tar\.gz"):
        load_dataset(tmp_path / "a.tar.gz")


def test_the_fingerprint_follows_the_tars(shards):
    folder, expected = shards
    before = load_dataset(folder).fingerprint
    assert load_dataset(folder).fingerprint == before
    write_tar(folder / "train-002.tar", [("0008.png", encoded(expected[0]))])
    assert load_dataset(folder).fingerprint != before


def test_upright_pixels_and_hostile_images(tmp_path, monkeypatch):
    """Bytes inside a tar are decoded as files are: EXIF applied, bombs in a process of their own."""
    apart = []
    monkeypatch.setattr(pixels_of_files, "decoded_apart", lambda *task: apart.append(task[0]) or decoded_apart(*task))
    monkeypatch.setattr("bias_toolkit.datasets.image_file._LARGE", 10_000)
    pixels = pictures(1)[0]
    exif = Image.Exif()
    exif[0x0112] = 6
    bomb = encoded(np.zeros((101, 100, 3), np.uint8))
    write_tar(tmp_path / "a.tar", [("a.png", encoded(pixels, exif=exif)), ("b.png", bomb)])
    dataset = load_dataset(tmp_path / "a.tar")
    np.testing.assert_array_equal(dataset.read("a.png"), np.rot90(pixels, -1))
    assert dataset.images["width"].tolist() == [10, 100]
    assert apart == []
    assert dataset.read("b.png").shape == (101, 100, 3)
    assert apart == ["pixels"]


# Hugging Face


FEATURES = datasets.Features(
    {
        "image": datasets.Image(),
        "label": datasets.ClassLabel(names=["cat", "dog", "owl"]),
        "objects": {
            "bbox": datasets.Sequence(datasets.Sequence(datasets.Value("float32"), length=4)),
            "category": datasets.Sequence(datasets.ClassLabel(names=["head", "tail"])),
        },
    }
)


def hub_set(n, corners=False):
    """A Hugging Face dataset of n pictures and the pictures: two objects each, and the last has no label."""
    expected = pictures(n)
    boxes = [[1.0, 2.0, 4.0, 5.0], [6.0, 5.0, 12.0, 10.0] if corners else [6.0, 5.0, 6.0, 5.0]]
    table = {
        "image": [{"bytes": encoded(pixels), "path": f"IMG_{number}.png"} for number, pixels in enumerate(expected)],
        "label": [number % 3 for number in range(n - 1)] + [-1],
        "objects": [{"bbox": boxes, "category": [0, 1]}] * n,
    }
    return datasets.Dataset.from_dict(table, features=FEATURES), expected


def assert_is_hub_set(dataset, expected, rows, first_end):
    assert_same_pixels(dataset, expected)
    n = len(expected)
    assert labels_of(dataset) == [["cat", "dog", "owl"][number % 3] for number in range(n - 1)] + [None]
    first = dataset.objects[dataset.objects["image_id"] == dataset.images["image_id"][0]]
    assert rows(first.drop(columns="image_id")) == [
        (0, "head", 1.0, 2.0, *first_end),
        (1, "tail", 6.0, 5.0, 12.0, 10.0),
    ]
    assert len(dataset.objects) == 2 * n


@pytest.mark.parametrize("corners", [False, True])
def test_parquet_of_the_hub(tmp_path, rows, corners):
    made, expected = hub_set(10, corners)
    (tmp_path / "data").mkdir()
    made.select(range(6)).to_parquet(tmp_path / "data" / "train-00000-of-00002.parquet", batch_size=4)
    made.select(range(6, 10)).to_parquet(tmp_path / "data" / "train-00001-of-00002.parquet", batch_size=4)
    dataset = load_dataset(tmp_path)
    assert_is_hub_set(dataset, expected, rows, (4.0, 5.0) if corners else (5.0, 7.0))
    assert dataset.images["image_id"][7] == "train-00001-of-00002.parquet/1/IMG_7.png"
    assert "images from the column 'image', labels from 'label'" in dataset.layout_reason
    taken = (
        "The numbers of its 20 boxes are taken as corners: as x, y, width and height, many boxes would reach beyond "
        "their images (for example in train-00000-of-00002.parquet/0/IMG_0.png)."
    )
    assert [note.text for note in dataset.notes] == ([taken] if corners else [])
    assert_same_pixels(load_dataset(tmp_path / "data" / "train-00001-*.parquet"), expected[6:])
    made.to_parquet(tmp_path / "data" / "test-00000-of-00001.parquet")
    with pytest.raises(InputError, match="several sets"):
        load_dataset(tmp_path)


def test_a_folder_of_save_to_disk(tmp_path, rows):
    made, expected = hub_set(10)
    made.save_to_disk(tmp_path / "saved", num_shards=2)
    assert_is_hub_set(load_dataset(tmp_path / "saved"), expected, rows, (5.0, 7.0))
    datasets.DatasetDict(train=made, test=made).save_to_disk(tmp_path / "splits")
    with pytest.raises(InputError, match=r"holds the splits train, test: name one of them, for example .*train"):
        load_dataset(tmp_path / "splits")


@pytest.mark.parametrize("state", [[], {"_data_files": {}}, {"_data_files": []}, {"_data_files": ["a.arrow"]}])
def test_a_state_of_save_to_disk_without_a_list_of_files_is_named(tmp_path, state):
    made, _ = hub_set(2)
    made.save_to_disk(tmp_path / "saved")
    (tmp_path / "saved" / "state.json").write_text(json.dumps(state))
    with pytest.raises(InputError, match=r"state\.json names no files of data"):
        load_dataset(tmp_path / "saved")


def test_labels_of_a_parquet_file_that_are_not_utf8_are_refused(tmp_path):
    labels = pa.Array.from_buffers(pa.string(), 1, [*pa.array(["ab"]).buffers()[:2], pa.py_buffer(b"\xff\xfe")])
    image = pa.array([{"bytes": encoded(pictures(1)[0]), "path": "a.png"}])
    pq.write_table(pa.table({"image": image, "label": labels}), tmp_path / "train.parquet")
    with pytest.raises(InputError, match=r"train\.parquet.*UTF8"):
        load_dataset(tmp_path / "train.parquet")


def test_two_columns_of_labels_and_a_column_of_bytes(tmp_path):
    features = {"coarse": datasets.ClassLabel(names=["x"]), "fine_label": datasets.ClassLabel(names=["y", "z"])}
    features |= {"img": datasets.Value("binary")}
    table = {"coarse": [0, 0], "fine_label": [1, 0], "img": [encoded(each) for each in pictures(2)]}
    made = datasets.Dataset.from_dict(table, features=datasets.Features(features))
    made.to_parquet(tmp_path / "a.parquet")
    dataset = load_dataset(tmp_path / "a.parquet")
    assert_same_pixels(dataset, pictures(2))
    assert labels_of(dataset) == ["z", "y"]
    assert "labels from 'fine_label', not read: 'coarse'" in dataset.layout_reason


def test_rows_without_an_image_or_with_a_linked_one(tmp_path, make_image, rows):
    make_image("below/a.png", SIDES, (9, 8, 7))
    image = pa.array(
        [
            {"bytes": None, "path": "below/a.png"},
            {"bytes": None, "path": "../b.png"},
            {"bytes": None, "path": None},
            None,
        ],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    pq.write_table(pa.table({"image": image}), tmp_path / "a.parquet")
    dataset = load_dataset(tmp_path / "a.parquet")
    assert (dataset.read("0/a.png") == (9, 8, 7)).all()
    assert [reason.partition(":")[0] for _, reason, _ in rows(dataset.skipped)] == [
        "its row names a file that leads out of the dataset's folder",
        "its row has no image",
        "its row has no image",
    ]


def test_a_table_of_paths_in_parquet_stays_a_table(tmp_path, make_image):
    make_image("a.png")
    pq.write_table(pa.table({"path": ["a.png"], "image": [b"1"]}), tmp_path / "a.parquet")
    assert load_dataset(tmp_path / "a.parquet").layout == "table"


def test_damaged_files_are_named(tmp_path):
    made, _ = hub_set(4)
    made.save_to_disk(tmp_path / "saved")
    file = next((tmp_path / "saved").glob("*.arrow"))
    file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(InputError, match=r"data-00000-of-00001\.arrow cannot be read"):
        load_dataset(tmp_path / "saved")
    file.unlink()
    with pytest.raises(InputError, match="there is no such file"):
        load_dataset(tmp_path / "saved")


# Hugging Face's imagefolder


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_metadata_beside_images(tmp_path, make_image, make_text, rows, kind):
    make_image("a.png", SIDES)
    make_image("sub/b.png", SIDES)
    make_image("c.png", SIDES)
    if kind == "csv":
        make_text("metadata.csv", "file_name,label\na.png,cat\nsub/b.png,dog\ngone.png,dog\n")
    else:
        objects = {"bbox": [[1, 2, 3, 4]], "category": ["head"]}
        records = [
            {"file_name": "a.png", "label": "cat", "objects": objects},
            {"file_name": "sub/b.png", "label": "dog"},
        ]
        make_text("metadata.jsonl", "\n".join(map(json.dumps, [*records, {"file_name": "gone.png"}])))
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "image-folder"
    assert rows(dataset.images) == [("a.png", "cat", 12, 10), ("sub/b.png", "dog", 12, 10)]
    assert rows(dataset.objects) == ([] if kind == "csv" else [("a.png", 0, "head", 1.0, 2.0, 4.0, 6.0)])
    assert [row[:2] for row in rows(dataset.skipped)] == [
        ("gone.png", "the annotations name it, but there is no such file"),
        ("c.png", f"metadata.{kind} does not name it"),
    ]


def test_blanks_in_metadata_are_no_part_of_names_and_labels(tmp_path, make_image, make_text, rows):
    make_image("a.png", SIDES)
    make_image(" b.png", SIDES)
    make_text("metadata.csv", "file_name , label\n a.png, cat \n b.png,dog\n")
    assert rows(load_dataset(tmp_path).images) == [(" b.png", "dog", 12, 10), ("a.png", "cat", 12, 10)]


def test_other_metadata_is_no_imagefolder(tmp_path, make_image, make_text):
    make_image("cat/a.png")
    make_image("dog/a.png")
    make_text("metadata.csv", "name,value\nx,y\n")
    assert load_dataset(tmp_path).layout == "class-folders"


def test_a_tar_whose_headers_are_one_in_the_other_is_refused(tmp_path):
    header = tarfile.TarInfo("x")
    header.type = tarfile.GNUTYPE_LONGNAME
    (tmp_path / "deep.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) * 2000)
    with pytest.raises(InputError, match=r"deep\.tar"):
        _ = load_dataset(tmp_path / "deep.tar").images
