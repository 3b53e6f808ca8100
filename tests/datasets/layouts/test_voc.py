"""Pascal VOC's folders."""

import pytest

from bias_toolkit.datasets import load_dataset
from bias_toolkit.foundation.errors import InputError


@pytest.fixture
def root(tmp_path, make_image, make_text, voc_xml):
    for name in ("000001", "000002", "000003"):
        make_image(f"VOC2007/JPEGImages/{name}.jpg")
    make_text("VOC2007/Annotations/000001.xml", voc_xml(("dog", 1, 1, 10, 8), ("person", 2, 3, 4, 5)))
    make_text("VOC2007/Annotations/000002.xml", voc_xml(("dog", "3.5", 2, 20, 4), ("dog", 2, 2, 2, 2)))
    make_text("VOC2007/Annotations/000009.xml", voc_xml(("dog", 1, 1, 2, 2)))
    make_text("VOC2007/ImageSets/Main/trainval.txt", "000002\n000003\n000008\n")
    make_text("VOC2007/ImageSets/Main/dog_trainval.txt", "000001  1\n000002  0\n000003 -1\n")
    return tmp_path / "VOC2007"


def test_the_folder(root, rows):
    dataset = load_dataset(root)

    assert dataset.layout == "voc"
    assert dataset.layout_reason == "it holds JPEGImages and Annotations"
    assert rows(dataset.images) == [
        ("JPEGImages/000001.jpg", None, 10, 8),
        ("JPEGImages/000002.jpg", "dog", 10, 8),
        ("JPEGImages/000003.jpg", None, 10, 8),
    ]
    assert rows(dataset.objects) == [
        ("JPEGImages/000001.jpg", 0, "dog", 0, 0, 10, 8),
        ("JPEGImages/000001.jpg", 1, "person", 1, 2, 4, 5),
        ("JPEGImages/000002.jpg", 0, "dog", 2.5, 1, 10, 4),
        ("JPEGImages/000002.jpg", 1, "dog", 1, 1, 2, 2),
    ]
    assert rows(dataset.skipped[["image_id", "reason"]]) == [
        ("JPEGImages/000009.jpg", "the annotations name it, but there is no such file")
    ]


def test_a_list_of_images(root, rows):
    dataset = load_dataset(root / "ImageSets/Main/trainval.txt")

    assert dataset.layout == "voc"
    assert dataset.layout_reason == "an image set of the folder VOC2007"
    assert [row[0] for row in rows(dataset.images)] == ["JPEGImages/000002.jpg", "JPEGImages/000003.jpg"]
    assert len(dataset.objects) == 2
    assert rows(dataset.skipped[["image_id", "reason"]]) == [
        ("JPEGImages/000008.jpg", "the annotations name it, but there is no such file")
    ]
    assert dataset.source("JPEGImages/000002.jpg") == load_dataset(root).source("JPEGImages/000002.jpg")


@pytest.mark.parametrize("named", ["", "Annotations", "ImageSets/Main/trainval.txt"])
def test_the_images_are_elsewhere(root, tmp_path, rows, named):
    expected = load_dataset(root / named if named.endswith("txt") else root)
    expected.scan()
    images = root / "JPEGImages"
    images.rename(tmp_path / "pictures")
    path = root / named
    with pytest.raises(InputError, match=f"^{root}.* holds XML of Pascal VOC and no image: name the folder of its im"):
        load_dataset(path)
    dataset = load_dataset(path, images=tmp_path / "pictures")
    for name in ("images", "objects", "skipped"):
        there, here = (getattr(each, name) for each in (expected, dataset))
        bare = there.assign(image_id=there["image_id"].str.removeprefix("JPEGImages/"))
        assert rows(here) == rows(bare)
    assert dataset.read("000002.jpg").shape == (8, 10, 3)


def test_a_list_of_one_class_leaves_out_the_images_without_it(root):
    dataset = load_dataset(root / "ImageSets/Main/dog_trainval.txt")
    assert dataset.images["image_id"].tolist() == ["JPEGImages/000001.jpg", "JPEGImages/000002.jpg"]


def test_parts_of_an_object_are_no_objects(root, make_text):
    part = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>"
    box = "<bndbox><xmin>3</xmin><ymin>3</ymin><xmax>6</xmax><ymax>6</ymax></bndbox>"
    text = f"<annotation><object>{part}<name>person</name>{box}</object></annotation>"
    make_text("VOC2007/Annotations/000003.xml", text)

    objects = load_dataset(root).objects
    assert objects[objects["image_id"] == "JPEGImages/000003.jpg"].iloc[0].tolist()[1:] == [0, "person", 2, 2, 6, 6]


def test_the_fingerprint_tells_changed_annotations(root, make_text, voc_xml):
    before = load_dataset(root).fingerprint
    assert load_dataset(root).fingerprint == before
    make_text("VOC2007/Annotations/000003.xml", voc_xml(("cat", 1, 1, 2, 2)))
    added = load_dataset(root).fingerprint
    make_text("VOC2007/Annotations/000003.xml", voc_xml(("horse", 1, 1, 2, 2)))
    assert len({before, added, load_dataset(root).fingerprint}) == 3


def test_the_devkit_has_to_be_named_more_closely(tmp_path, root):
    with pytest.raises(InputError, match=f"holds VOC2007: name one of them, for example {root}"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(("text", "message"), [("", "names no image"), ("x\ny\n", "none of the 2 images")])
def test_a_list_without_images_is_an_error(root, make_text, text, message):
    file = make_text("VOC2007/ImageSets/Main/empty.txt", text)
    with pytest.raises(InputError, match=message) as caught:
        load_dataset(file)
    assert str(file) in str(caught.value)


OTHER_FOLDERS = [
    ("images", "annotations"),
    ("images", "annots"),
    ("data", "labels"),
    ("Images", "Annotations"),
    ("JPEGImages/s1", "Annotations/s1"),
    ("images", "annotations/xmls"),
    ("", ""),
]


@pytest.mark.parametrize("suffix", ["xml", "XML"])
@pytest.mark.parametrize(("images", "annotations"), OTHER_FOLDERS)
def test_folders_of_other_tools(tmp_path, make_image, make_text, voc_xml, rows, images, annotations, suffix):
    for name in "ab":
        make_image(f"set/{images}/{name}.jpg")
        make_text(f"set/{annotations}/{name}.{suffix}", voc_xml((f"dog {name}", 3, 2, 6, 7)))
    make_text(f"set/{annotations}/._a.xml", "")
    dataset = load_dataset(tmp_path / "set")

    assert dataset.layout == "voc"
    ids = [f"{images}/{name}.jpg".lstrip("/") for name in "ab"]
    assert rows(dataset.images) == [(name, f"dog {name[-5]}", 10, 8) for name in ids]
    assert rows(dataset.objects) == [(name, 0, f"dog {name[-5]}", 2, 1, 6, 7) for name in ids]
    assert (len(dataset.skipped), list(dataset.notes)) == (0, [])


def test_xml_of_another_kind_is_no_annotation(tmp_path, make_image, make_text):
    make_image("images/a.png")
    make_text("annotations/all.xml", '<?xml version="1.0"?><annotations><image name="a.png"/></annotations>')
    assert load_dataset(tmp_path).layout == "images"


LISTS = {
    "blanks.txt": "my photo 1\nc 1\n",
    "quoted.txt": '"my photo 1"\n"c"\n',
    "marked.txt": "my photo 1  1\nc -1\n'c' 0\n",
    "endings.txt": "my photo 1.jpg\nc.JPG 1\n",
}


@pytest.mark.parametrize("name", sorted(LISTS))
def test_lists_with_blanks_quotes_and_endings(tmp_path, make_image, make_text, voc_xml, name):
    for image in ("my photo 1", "c", "other"):
        make_image(f"VOC/JPEGImages/{image}.jpg")
        make_text(f"VOC/Annotations/{image}.xml", voc_xml(("dog", 1, 1, 2, 2)))
    dataset = load_dataset(make_text(f"VOC/ImageSets/Main/{name}", LISTS[name]))
    assert dataset.images["image_id"].tolist() == ["JPEGImages/c.jpg", "JPEGImages/my photo 1.jpg"]
    assert (len(dataset.objects), len(dataset.skipped)) == (2, 0)


def test_an_image_is_linked_by_the_file_name_that_its_annotation_states(tmp_path, make_image, make_text, voc_xml, rows):
    def stated(name, box):
        return voc_xml(box).replace("<annotation>", f"<annotation><filename>{name}</filename>")

    for name in ("photo1", "s1/photo2", "photo3", "photo4"):
        make_image(f"VOC/JPEGImages/{name}.jpg")
    make_text("VOC/Annotations/0001.xml", stated("photo1.jpg", ("dog", 1, 1, 2, 2)))
    make_text("VOC/Annotations/0002.xml", stated("C:\\sets\\photo2.png", ("cat", 1, 1, 3, 3)))
    make_text("VOC/Annotations/photo3.xml", stated("photo4.jpg", ("cow", 1, 1, 4, 4)))
    make_text("VOC/Annotations/0005.xml", stated("photo5.jpg", ("cow", 1, 1, 4, 4)))
    dataset = load_dataset(tmp_path / "VOC")
    assert rows(dataset.objects) == [
        ("JPEGImages/photo1.jpg", 0, "dog", 0, 0, 2, 2),
        ("JPEGImages/photo3.jpg", 0, "cow", 0, 0, 4, 4),
        ("JPEGImages/s1/photo2.jpg", 0, "cat", 0, 0, 3, 3),
    ]
    assert dataset.skipped["image_id"].tolist() == ["JPEGImages/0005.jpg"]
    (note,) = dataset.notes
    assert note.text.startswith("2 annotations are of the image whose name it states, as no image has its own name")
    assert note.text.endswith("(for example 0001.xml of JPEGImages/photo1.jpg).")
    listed = load_dataset(make_text("VOC/ImageSets/Main/train.txt", "0001\nphoto3\n"))
    assert listed.images["label"].tolist() == ["dog", "cow"]


def test_an_object_without_a_box_counts_for_the_label_and_is_said(tmp_path, make_image, make_text):
    make_image("VOC/JPEGImages/a.jpg")
    polygon = "<annotation><object><name>cat</name><polygon><x1>1</x1><y1>2</y1></polygon></object></annotation>"
    make_text("VOC/Annotations/a.xml", polygon)
    dataset = load_dataset(tmp_path / "VOC")
    assert (dataset.images["label"].tolist(), len(dataset.objects)) == (["cat"], 0)
    (note,) = dataset.notes
    assert note.text == "1 object without a box is left out (for example cat of JPEGImages/a.jpg)."
