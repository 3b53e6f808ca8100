"""Open Images' tables of boxes."""

import pytest

from bias_toolkit.datasets import load_dataset
from bias_toolkit.foundation.errors import InputError

HEADER = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
# The images have 10 × 8 pixels.
ROWS = """
00a,xclick,/m/01yrx,1,0.1,0.3,0.25,0.75,0,0,0,0,0
00a,xclick,/m/0bt9lr,1,0,1,0.5,1,0,0,0,0,0
00b,xclick,/m/01yrx,1,0.2,0.4,0,0.5,0,0,0,0,0
00b,activemil,/m/01yrx,1,0,1,0,1,0,0,1,0,0
elsewhere,xclick,/m/0bt9lr,1,0,1,0,1,0,0,0,0,0
"""
DESCRIPTIONS = 'LabelName,DisplayName\n/m/01yrx,Cat\n/m/0bt9lr,"Dog, hound"\n'


def lay_out(make_image, make_text, images="validation", file="validation-annotations-bbox.csv", rows=ROWS):
    for name in ("00a.jpg", "00b.jpg", "00c.jpg"):
        make_image(f"{images}/{name}")
    make_text("class-descriptions-boxable.csv", DESCRIPTIONS)
    return make_text(file, HEADER + rows)


def check(dataset, rows):
    assert dataset.layout == "open-images"
    assert rows(dataset.images) == [("00a.jpg", None, 10, 8), ("00b.jpg", "/m/01yrx", 10, 8), ("00c.jpg", None, 10, 8)]
    expected = [("00a.jpg", 0, "/m/01yrx"), ("00a.jpg", 1, "/m/0bt9lr"), ("00b.jpg", 0, "/m/01yrx")]
    assert [row[:3] for row in rows(dataset.objects)] == expected
    edges = [(1, 2, 3, 6), (0, 4, 10, 8), (2, 0, 4, 4)]
    assert [row[3:] for row in rows(dataset.objects)] == [pytest.approx(each, abs=1e-5) for each in edges]
    assert rows(dataset.skipped) == []
    assert dataset.class_names == {"/m/01yrx": "Cat", "/m/0bt9lr": "Dog, hound"}
    assert [note.text.partition(" of ")[0] for note in dataset.notes] == ["1 box"]


@pytest.mark.parametrize(
    ("images", "file", "named"),
    [
        ("validation", "validation-annotations-bbox.csv", "validation-annotations-bbox.csv"),
        ("validation", "oidv6-validation-annotations-bbox.csv", "."),
        ("validation", "oidv6-validation-annotations-bbox.csv", "validation"),
        ("images/validation", "validation-annotations-bbox.csv", "images/validation"),
        ("images", "boxes.csv", "boxes.csv"),
        (".", "boxes.csv", "boxes.csv"),
        ("data", "labels/detections.csv", "."),
    ],
)
def test_the_places_of_the_table(tmp_path, make_image, make_text, rows, images, file, named):
    lay_out(make_image, make_text, images, file)
    check(load_dataset(tmp_path / named), rows)


def test_only_the_six_columns_are_needed(make_image, make_text, rows):
    make_image("images/a.jpg")
    file = make_text("boxes.csv", "XMin,XMax,YMin,YMax,LabelName,ImageID\n0.1,0.3,0.25,0.75,Cat,a\n")
    dataset = load_dataset(file)
    assert rows(dataset.images) == [("a.jpg", "Cat", 10, 8)]
    assert rows(dataset.objects)[0][3:] == pytest.approx((1, 2, 3, 6), abs=1e-5)


def test_two_images_of_one_name_and_two_tables(tmp_path, make_image, make_text):
    file = lay_out(make_image, make_text)
    make_image("validation/cat/00a.jpg")
    dataset = load_dataset(file)
    assert dataset.skipped["image_id"].tolist() == ["cat/00a.jpg"]
    make_text("train-annotations-bbox.csv", HEADER)
    with pytest.raises(InputError, match=r"train-annotations-bbox.csv, validation-annotations-bbox.csv: name the one"):
        load_dataset(tmp_path)


def test_a_table_of_no_image_here(make_image, make_text, rows):
    dataset = load_dataset(lay_out(make_image, make_text, rows="\n"))
    assert len(dataset.images) == 3
    assert dataset.images["label"].isna().all()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("00a,xclick,/m/01yrx,1,left,0.3,0.25,0.75,0,0,0,0,0", "cannot be read as a table .*left"),
        ("00a,xclick,/m/01yrx,1,,0.3,0.25,0.75,0,0,0,0,0", "a box of '00a' lacks its label or an edge"),
        ("00a,xclick,,1,0.1,0.3,0.25,0.75,0,0,0,0,0", "a box of '00a' lacks its label or an edge"),
        ("00a,xclick,/m/01yrx,1,inf,0.3,0.25,0.75,0,0,0,0,0", "a box of '00a' lacks its label or an edge"),
        ("00a,xclick,/m/01yrx,1", "cannot be read as a table"),
    ],
)
def test_what_is_wrong_in_a_table_is_named(make_image, make_text, row, message):
    file = lay_out(make_image, make_text, rows=f"{ROWS}{row}\n")
    with pytest.raises(InputError, match=message) as caught:
        load_dataset(file).scan()
    assert str(caught.value).startswith(str(file))


def test_images_that_are_nowhere(make_text):
    file = make_text("boxes.csv", HEADER + ROWS)
    with pytest.raises(InputError, match=f"the images of {file} are in none of .*: name the folder of its images"):
        load_dataset(file)


def test_the_user_names_the_folder_of_the_images(make_image, make_text, rows, tmp_path):
    file = lay_out(make_image, make_text, images="far/away", rows=ROWS.replace("00b", " 00b").replace("/m/", " /m/"))
    check(load_dataset(file, images=tmp_path / "far" / "away"), rows)


@pytest.mark.parametrize("group", ["True", "true", "TRUE", "1.0"])
def test_a_box_around_a_group_is_no_object(make_image, make_text, rows, group):
    check(load_dataset(lay_out(make_image, make_text, rows=ROWS.replace("0,0,1,0,0", f"0,0,{group},0,0"))), rows)
