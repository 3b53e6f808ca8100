"""Boxes on the picture that they were drawn on, through the readers: the right value follows from the annotation."""

import json

import numpy as np
import pytest
from PIL import Image

from bias_toolkit.datasets import BOX_EDGES, load_dataset
from bias_toolkit.datasets.pictures import upright_boxes

SIZE = (60, 40)
BOX = (6, 10, 20, 34)  # of the upright picture, 40 × 60 where it is turned by 90°


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def stored_box(orientation):
    """The same box on the stored pixels: the inverse orientation turns it back."""
    inverse = {6: 8, 8: 6}.get(orientation, orientation)
    upright = SIZE[::-1] if orientation >= 5 else SIZE
    (box,) = upright_boxes(np.array([BOX]), np.array([upright]), np.array([inverse]))
    return tuple(box.tolist())


@pytest.fixture
def coco(make_image, make_text):
    """A function that writes images of given orientations, with boxes and the sizes that COCO's JSON states."""

    def write(*described):
        images, annotations = [], []
        for number, (orientation, stated, box) in enumerate(described):
            make_image(f"images/{number}.jpg", SIZE, exif=exif(orientation))
            images.append({"id": number, "file_name": f"{number}.jpg"})
            if stated:
                images[-1] |= dict(zip(("width", "height"), stated, strict=True))
            x0, y0, x1, y1 = box
            annotations.append({"image_id": number, "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0]})
        content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "dog"}]}
        return load_dataset(make_text("all.json", json.dumps(content)))

    return write


def boxes(dataset):
    return [tuple(row) for row in dataset.objects[BOX_EDGES].to_numpy(float).round(3).tolist()]


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_the_stated_size_tells_whether_boxes_are_of_the_upright_picture(coco, orientation):
    dataset = coco(
        (orientation, SIZE[::-1], BOX), (orientation, SIZE, stored_box(orientation)), (1, SIZE, (1, 2, 3, 4))
    )
    assert boxes(dataset) == [BOX, BOX, (1, 2, 3, 4)]
    upright, stored = dataset.notes
    assert upright.text == (
        "The boxes of 1 image are of the picture that its EXIF orientation shows, as the stated size tells (for "
        "example 0.jpg)."
    )
    assert stored.text.startswith("The boxes of 1 image are of the stored pixels")
    assert not upright.warns
    assert not stored.warns


@pytest.mark.parametrize(("orientation", "stated"), [(3, SIZE), (6, None), (8, (0, 0)), (6, ("wide", None))])
def test_without_a_size_that_tells_boxes_are_of_the_upright_picture_and_it_is_said(coco, orientation, stated):
    dataset = coco((orientation, stated, BOX))
    assert boxes(dataset) == [BOX]
    (note,) = dataset.notes
    assert "is taken as" not in note.text
    assert "are taken as of the picture that its EXIF orientation shows" in note.text
    assert note.warns


def test_images_whose_size_does_not_tell_follow_the_others(coco):
    stored = coco((6, SIZE, stored_box(6)), (3, SIZE, stored_box(3)))
    assert boxes(stored) == [BOX, BOX]
    assert not any(note.warns for note in stored.notes)


def test_boxes_are_scaled_to_an_image_that_was_resized(coco):
    dataset = coco(
        (1, (120, 80), (12, 20, 40, 68)), (6, (80, 120), (12, 20, 40, 68)), (1, (181, 120), (18, 30, 60, 102))
    )
    assert boxes(dataset)[:2] == [BOX, BOX]
    assert boxes(dataset)[2] == pytest.approx((18 * 60 / 181, 10, 60 * 60 / 181, 34), abs=1e-3)
    (_, note) = dataset.notes
    assert note.text == (
        "The boxes of 3 images are scaled, as the image was resized since they were drawn (for example 0.jpg: 120 × 80 "
        "pixels stated, 60 × 40 in the file)."
    )
    assert not note.warns


def test_a_size_of_another_shape_warns_and_leaves_boxes_as_they_are(coco):
    dataset = coco((1, (50, 50), BOX), (1, SIZE, BOX))
    assert boxes(dataset) == [BOX, BOX]
    (note,) = dataset.notes
    assert note.text == (
        "The boxes of 1 image may be wrong: the annotations state a size of another shape than the file's (for example "
        "0.jpg: 50 × 50 pixels stated, 60 × 40 in the file)."
    )
    assert note.warns


def test_fractions_are_recognised_in_a_whole_set(coco):
    dataset = coco((1, SIZE, (0.1, 0.25, 0.5, 1)), (6, SIZE[::-1], (0, 0, 0.5, 0.5)))
    assert boxes(dataset) == [(6, 10, 30, 40), (0, 0, 20, 30)]
    note = dataset.notes[0]
    assert note.text == (
        "2 boxes are read as fractions of the image's sides, as none exceeds 1 (for example 0.jpg: 0.1, 0.25, 0.5, 1)."
    )


def test_fractions_slightly_above_1_are_clipped(coco):
    dataset = coco((1, SIZE, (0.1, 0.25, 0.5, 1.03)), *[(1, SIZE, (0, 0, 0.5, 0.5))] * 4)
    assert boxes(dataset) == [(6, 10, 30, 40), *[(0, 0, 30, 20)] * 4]
    (note,) = dataset.notes
    assert note.text == (
        "5 boxes are read as fractions of the image's sides, as hardly any exceeds 1.05 (for example 0.jpg: 0.1, 0.25, "
        "0.5, 1.03)."
    )
    assert not note.warns


def test_a_box_of_pixels_among_many_fractions_is_warned_of(coco):
    dataset = coco(*[(1, SIZE, (0, 0, 0.5, 0.5))] * 20, (1, SIZE, (0, 0, 30, 20)))
    assert boxes(dataset).count((0, 0, 30, 20)) == 20
    fractions, mixed = dataset.notes[:2]
    assert fractions.text.startswith("21 boxes are read as fractions of the image's sides, as hardly any exceeds 1.05")
    assert mixed.text == (
        "1 box of a set read in fractions may be in pixels: an edge is above 2 (for example 20.jpg: 0, 0, 30, 20)."
    )
    assert mixed.warns


@pytest.mark.parametrize("others", [(2, 2, 5, 5), (0, 0, 1.2, 1)])
def test_few_fractions_among_pixels_are_pixels_and_warned_of(coco, others):
    dataset = coco((1, SIZE, (0.1, 0.25, 0.5, 1)), (1, SIZE, others))
    assert boxes(dataset)[0] == (0.1, 0.25, 0.5, 1)
    (note,) = dataset.notes
    assert note.text == (
        "1 box of a set read in pixels may be in fractions: no edge is above 1.05 (for example 0.jpg: 0.1, 0.25, 0.5, "
        "1)."
    )
    assert note.warns


def test_boxes_without_a_size_above_0_do_not_reach_out(coco):
    dataset = coco((1, None, BOX), (1, None, (30, 10, -20, 30)), (1, None, (10, 10, 10, 20)))
    assert boxes(dataset) == [BOX]
    assert dataset.dropped_boxes == 2
    assert [note.text for note in dataset.notes] == [
        "2 boxes are left out, with a width or height that is not above 0 (for example in 1.jpg)."
    ]


def test_a_box_of_one_pixel_is_no_fraction(coco):
    assert boxes(coco((1, SIZE, (0, 0, 1, 1)))) == [(0, 0, 1, 1)]


def test_boxes_that_reach_out_of_their_image_are_said(coco):
    dataset = coco((1, None, (10, 10, 61, 41)), (1, None, (10, 10, 90, 30)))
    assert boxes(dataset) == [(10, 10, 60, 40), (10, 10, 60, 30)]
    (note,) = dataset.notes
    assert note.text == "1 box reaches out of the image, and the part outside is cut off (for example in 1.jpg)."
    assert note.warns


def xml(size, *box):
    edges = "".join(
        f"<{name}>{edge}</{name}>" for name, edge in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return (
        f"<annotation><size><width>{size[0]}</width><height>{size[1]}</height></size>"
        f"<object><name>dog</name><bndbox>{edges}</bndbox></object></annotation>"
    )


def test_voc_that_was_resized_turned_or_written_in_fractions(tmp_path, make_image, make_text):
    for name, orientation in (("a", 1), ("b", 6)):
        make_image(f"VOC/JPEGImages/{name}.jpg", SIZE, exif=exif(orientation))
    # From 1, inclusive: 13 to 40 are the pixels from the edge 12 to the edge 40.
    make_text("VOC/Annotations/a.xml", xml((120, 80), 13, 21, 40, 68))
    make_text("VOC/Annotations/b.xml", xml((40, 60), 7, 11, 20, 34))
    assert boxes(load_dataset(tmp_path / "VOC")) == [BOX, BOX]
    for name, size in (("a", SIZE), ("b", SIZE[::-1])):
        make_text(f"VOC/Annotations/{name}.xml", xml(size, 0.1, 0.25, 0.5, 1))
    assert boxes(load_dataset(tmp_path / "VOC")) == [(6, 10, 30, 40), (4, 15, 20, 60)]


def test_imagenet_that_was_resized_on_the_short_side(tmp_path, make_image, make_text):
    make_image("val/ILSVRC2012_val_00000001.JPEG", (341, 256))
    make_text("Annotations/val/ILSVRC2012_val_00000001.xml", xml((500, 375), 111, 108, 441, 300))
    (box,) = boxes(load_dataset(tmp_path / "val"))
    # From 0, inclusive: 441 is the pixel up to the edge 442.
    assert box == pytest.approx((111 * 341 / 500, 108 * 256 / 375, 442 * 341 / 500, 301 * 256 / 375), abs=1e-3)


def test_a_table_is_of_the_upright_picture_and_may_state_its_size(tmp_path, make_image, make_text):
    make_image("a.jpg", SIZE, exif=exif(6))
    plain = make_text("plain.csv", "path,x0,y0,x1,y1\na.jpg,6,10,20,34\n")
    larger = make_text("larger.csv", "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,80,120,dog,12,20,40,68\n")
    fractions = make_text("fractions.csv", "path,x0,y0,x1,y1\na.jpg,0.15,0.5,0.5,1\n")
    assert boxes(load_dataset(plain)) == [BOX]
    assert boxes(load_dataset(larger)) == [BOX]
    assert boxes(load_dataset(fractions)) == [(6, 30, 20, 60)]
    assert not any(note.warns for path in (plain, larger, fractions) for note in load_dataset(path).notes)
