"""Annotation files that are malformed or hostile: each is refused in a sentence that names the file and the place."""

import json
import os
import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_toolkit.datasets import imagenet_x_factors, load_dataset
from bias_toolkit.datasets.annotation_text import parse_edges, read_json, read_lines
from bias_toolkit.datasets.annotation_xml import read_annotation
from bias_toolkit.datasets.file_names import check_inside, escaped, listed, shortened
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models.label_mapping import read_mapping

WNID = "n02119789"


def refused(message, file, call):
    """Check that a call raises InputError whose one sentence begins with the file, or names it, and holds a text."""
    with pytest.raises(InputError) as caught:
        call()
    text = str(caught.value)
    assert str(file) in text
    assert re.search(message, text), text
    assert len(text) < 600
    assert "\n" not in text
    assert "\0" not in text


# Names of files

PARTS = st.sampled_from(["..", ".", "a", "b.png", "", "...", "..a", " "])


@given(st.lists(PARTS, min_size=1, max_size=6).map("/".join))
def test_a_name_is_taken_just_if_it_stays_inside(name):
    full = os.path.normpath(f"/data/set/{name}")
    stays = bool(name) and not name.startswith("/") and (full == "/data/set" or full.startswith("/data/set/"))
    if stays:
        assert os.path.normpath(f"/data/set/{check_inside(name, 'here')}") == full
    else:
        with pytest.raises(InputError, match=r"^here: "):
            check_inside(name, "here")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../../etc/passwd", "here: '../../etc/passwd' leads out of the dataset's folder; give the path of an image"),
        ("/etc/passwd", "leads out"),
        ("a/../../b", "leads out"),
        ("a\0b", r"'a\\x00b' is no name that a file can have"),
        ("a\ud800", r"'a\\ud800' is no name that a file can have"),
        ("", "has to be a text, not ''"),
        (7, "has to be a text, not 7"),
        (None, "has to be a text, not None"),
        (["a"], r"has to be a text, not \['a'\]"),
    ],
)
def test_names_that_are_refused(name, message):
    with pytest.raises(InputError, match=message):
        check_inside(name, "here")


def test_names_as_they_are_shown():
    assert shortened("a\n\x1b[2J") == r"'a\n\x1b[2J'"
    assert len(shortened("x" * 10**6)) < 110
    assert shortened([1] * 10**3).endswith("…")
    assert listed(["a", "b\n"]) == r"a, b\n"
    assert len(listed(["x" * 1000] * 1000)) < 210
    assert escaped("caf\udce9 ä") == r"caf\xe9 ä"


# Texts


def test_lines_are_numbered_as_an_editor_numbers_them(make_text):
    file = make_text("a.txt", "\ufefffirst\r\n\r\n \x0cthird\x1c1\u2028\n\nfifth")
    assert list(read_lines(file)) == [(1, "first"), (3, "third\x1c1"), (5, "fifth")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\nb\xff\n", r" is not a text file in UTF-8 \(line 2\): save it as UTF-8"),
        ("a\nb".encode("utf-16"), r" is in UTF-16 \(line 1\): save it as UTF-8"),
        (b"a\n\nb\0\n", ", line 3: there is a zero byte, which no text has; the file is damaged"),
    ],
)
def test_what_is_no_text(tmp_path, content, message):
    file = tmp_path / "a.txt"
    file.write_bytes(content)
    refused(re.escape(str(file)) + message, file, lambda: list(read_lines(file)))
    file.write_bytes(b'["' + content.replace(b"\n", b'",\n"') + b'"]' if b"\xff\xfe" not in content else content)
    refused(re.escape(str(file)) + message, file, lambda: read_json(file))


def test_more_than_memory_holds(make_text, monkeypatch):
    file = make_text("a.json", "[" + "1," * 1000 + "1]")
    assert len(read_json(file)) == 1001
    monkeypatch.setattr("bias_toolkit.datasets.annotation_text._SMALL", 1000)
    monkeypatch.setattr("bias_toolkit.datasets.annotation_text.free_memory", lambda: 20_030)
    assert len(read_json(file)) == 1001
    monkeypatch.setattr("bias_toolkit.datasets.annotation_text.free_memory", lambda: 20_000)
    for read in (read_json, lambda file: list(read_lines(file))):
        refused("takes about 0 GB of memory to read, and 0 GB are free: divide it", file, lambda read=read: read(file))
    monkeypatch.setattr("bias_toolkit.datasets.annotation_text.free_memory", lambda: None)
    assert len(read_json(file)) == 1001

    def fail(text):
        raise MemoryError

    monkeypatch.setattr(json, "loads", fail)
    refused("takes more memory to read than there is", file, lambda: read_json(file))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n"a": 1,\n}', r", line 3: this is not valid JSON: .* \(column 1\)"),
        ("[" * 100_000, " has lists or objects in one another too deeply to be read"),
        ("[" + "9" * 5000 + "]", " has a whole number of too many digits"),
        ("", "this is not valid JSON: Expecting value"),
    ],
)
def test_what_is_no_json(make_text, text, message):
    file = make_text("a.json", text)
    refused(re.escape(str(file)) + message if message[0] in ", " else message, file, lambda: read_json(file))


NUMBERS = (
    st.floats() | st.integers() | st.booleans() | st.none() | st.sampled_from(["1", "-2.5", "nan", "1e999", "1_0"])
)


@given(st.lists(NUMBERS, max_size=6))
def test_four_finite_numbers(values):
    def is_finite(value):
        if isinstance(value, str):
            return value in ("1", "-2.5")
        return not isinstance(value, bool) and value is not None and -1.8e308 < value < 1.8e308

    if len(values) == 4 and all(map(is_finite, values)):
        assert parse_edges(values, "here") == tuple(map(float, values))
    else:
        with pytest.raises(InputError, match=r"^here: a box has to be four finite numbers, not "):
            parse_edges(values, "here")


# XML

ENTITIES = '<!DOCTYPE a [<!ENTITY e "x"><!ENTITY f "&e;&e;">]><annotation>&f;</annotation>'
EXTERNAL = '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><annotation>&e;</annotation>'
PARAMETER = '<!DOCTYPE a [<!ENTITY % e SYSTEM "http://127.0.0.1:9/a.dtd"> %e;]><annotation/>'


@pytest.mark.parametrize("text", [ENTITIES, EXTERNAL, PARAMETER])
def test_xml_entities_are_refused(make_text, text):
    file = make_text("a.xml", text)
    refused(
        f"{file} declares XML entities, which no annotation needs; remove its DOCTYPE",
        file,
        lambda: read_annotation(file),
    )


def test_a_doctype_alone_is_harmless(make_text, voc_xml):
    file = make_text("a.xml", "<!DOCTYPE annotation>" + voc_xml(("cat", 1, 2, 3, 4)))
    assert read_annotation(file).objects == [("cat", 1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation>\n<object>", r", line 2: this is not well-formed XML: no element found \(column 8\)"),
        ("", ", line 1: this is not well-formed XML"),
        ("<a>\0</a>", ", line 1: this is not well-formed XML"),
        ('<?xml version="1.0" encoding="klingon"?><a/>', "unknown encoding|encoding that cannot be read"),
        ('<?xml version="1.0" encoding="utf-7"?><a/>', "encoding"),
        ("<annotation><object><name> </name></object></annotation>", ": every object needs a name"),
        ("<annotation><object><name>a</name><bndbox/></object></annotation>", "four finite numbers"),
    ],
)
def test_what_is_no_annotation_in_xml(make_text, text, message):
    file = make_text("a.xml", text)
    refused(message, file, lambda: read_annotation(file))


def test_xml_that_is_deep_or_large(make_text, voc_xml, monkeypatch):
    deep = make_text("deep.xml", "<a>" * 100_000 + "</a>" * 100_000)
    assert read_annotation(deep).objects == []
    large = make_text("large.xml", voc_xml(("cat", 1, 2, 3, 4)))
    monkeypatch.setattr("bias_toolkit.datasets.annotation_xml._MOST_BYTES", large.stat().st_size)
    assert len(read_annotation(large).objects) == 1
    monkeypatch.setattr("bias_toolkit.datasets.annotation_xml._MOST_BYTES", large.stat().st_size - 1)
    refused("has more than 0 MB, too much for the annotation of one image", large, lambda: read_annotation(large))


def make_pipe(path):
    """A named pipe that ends empty as soon as somebody reads it, so that a test fails instead of waiting."""
    os.mkfifo(path)
    threading.Thread(target=lambda: open(path, "wb").close(), daemon=True).start()


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_an_annotation_that_is_no_file_is_not_waited_for(make_image, tmp_path, kind):
    make_image("JPEGImages/0.png")
    make_image("images/a.png")
    for file in (tmp_path / "Annotations" / "0.xml", tmp_path / "annotations" / "instances_x.json"):
        file.parent.mkdir()
        {"pipe": make_pipe, "folder": os.mkdir, "link": lambda path: path.symlink_to("nowhere")}[kind](file)
    file = tmp_path / "Annotations" / "0.xml"
    if kind == "folder":
        assert load_dataset(tmp_path, "voc").images["label"].isna().all()
    else:
        refused("0.xml is not a file that can be read", file, lambda: load_dataset(tmp_path, "voc").scan())
    with pytest.raises(InputError, match="is not of the layout 'coco'"):
        load_dataset(tmp_path, "coco")


def test_xml_in_another_encoding(tmp_path, voc_xml):
    file = tmp_path / "a.xml"
    file.write_bytes(('<?xml version="1.0" encoding="utf-16"?>' + voc_xml(("größe", 1, 2, 3, 4))).encode("utf-16"))
    assert read_annotation(file).objects == [("größe", 1, 2, 3, 4)]


# COCO


def coco(images=(), annotations=(), categories=()):
    return {
        "images": [{"id": 1, "file_name": "a.png"}, *images],
        "annotations": list(annotations),
        "categories": [{"id": 1, "name": "cat"}, *categories],
    }


def box(*edges, **more):
    return {"image_id": 1, "category_id": 1, "bbox": list(edges)} | more


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (coco([{"id": 2, "file_name": "../a.png"}]), "entry 1 of 'images': '../a.png' leads out"),
        (coco([{"id": 2, "file_name": "/etc/passwd"}]), "entry 1 of 'images': '/etc/passwd' leads out"),
        (coco([{"id": 2, "file_name": "a\0.png"}]), "is no name that a file can have"),
        (coco([{"id": 2, "file_name": "a\ud800.png"}]), "is no name that a file can have"),
        (coco([{"id": 2, "file_name": 5}]), "a file name has to be a text, not 5"),
        (coco([{"id": [2], "file_name": "b.png"}]), r"entry 1 of 'images': id has to be a number or a text, not \[2\]"),
        (coco([{"id": 1, "file_name": "b.png"}]), "entry 1 of 'images' has the id 1 of an earlier entry, and another"),
        (coco(categories=[{"id": 1, "name": "dog"}]), "entry 1 of 'categories' has the id 1 of an earlier entry"),
        (coco(categories=[{"id": 2, "name": "\udfff"}]), r"entry 1 of 'categories': the name '\\udfff' is not valid"),
        (coco(categories=[{"id": 2, "name": {}}]), "name has to be a number or a text, not {}"),
        (coco(annotations=[box(1, 2, 3, 4, image_id=[1])]), r"image_id has to be a number or a text, not \[1\]"),
        (coco(annotations=[box(1, 2, 3, "four")]), "four finite numbers, not '1 2 3 four'"),
        (coco(annotations=[box(1, 2, 3, True)]), "entry 0 of 'annotations': a box has to be four finite numbers"),
        (coco(annotations=[box(1, 2, 3, 10**400)]), "four finite numbers"),
        (coco(annotations=[box(1e308, 0, 1e308, 1)]), "four finite numbers"),
        (coco(annotations=[box(*range(100_000))]), "four finite numbers"),
        (coco(annotations=[box({}, [], None, 1)]), "four finite numbers"),
    ],
)
def test_what_is_wrong_in_coco_is_named(make_image, make_text, content, message):
    make_image("a.png")
    make_image("b.png")
    file = make_text("all.json", json.dumps(content))
    refused(message, file, lambda: load_dataset(file).scan())


def test_boxes_that_are_odd_are_clipped_or_dropped(make_image, make_text, rows):
    make_image("a.png")
    boxes = [box(0, 0, 0, 5), box(5, 5, -2, 3), box(20, 20, 5, 5), box(-1e30, -5, 1e31, 1e9), box(2, 2, 3, 3)]
    twice = [box(2, 2, 3, 3), box(2, 2, 3, 3)]
    entries = [{"id": 1, "file_name": "./a.png"}, {"id": "x", "file_name": "gone.png"}, {"id": 7, "file_name": "a.png"}]
    content = coco(entries, [*boxes, *twice, box(1, 1, 1, 1, image_id="x")])
    dataset = load_dataset(make_text("all.json", json.dumps(content)))
    assert [row[3:] for row in rows(dataset.objects)] == [(0, 0, 10, 8), *[(2, 2, 5, 5)] * 3]
    assert dataset.dropped_boxes == 3
    assert dataset.images["image_id"].tolist() == ["a.png"]
    assert dataset.skipped["image_id"].tolist() == ["gone.png"]


def test_a_name_too_long_for_the_system_is_an_image_that_is_not_there(make_image, make_text, rows):
    make_image("a.png")
    file = make_text("all.json", json.dumps(coco([{"id": 2, "file_name": "x" * 300 + ".png"}])))
    assert [row[1] for row in rows(load_dataset(file).skipped)] == ["File name too long"]


# Lists of names, labels and boxes


def test_names_of_a_voc_list_stay_in_the_dataset(make_image, make_text):
    make_image("JPEGImages/0.png")
    make_text("Annotations/0.xml", "<annotation/>")
    file = make_text("ImageSets/Main/train.txt", "0 1\n\n../../../secret 1\n")
    refused("train.txt, line 3: '../../../secret' leads out", file, lambda: load_dataset(file))


def test_two_images_of_one_name_in_voc_are_not_mixed(make_image, make_text, rows, tmp_path):
    for name in ("JPEGImages/0.jpg", "JPEGImages/0.png", "JPEGImages/1.png"):
        make_image(name)
    make_text("Annotations/0.xml", "<annotation/>")
    dataset = load_dataset(tmp_path)
    assert dataset.images["image_id"].tolist() == ["JPEGImages/0.jpg", "JPEGImages/1.png"]
    assert rows(dataset.skipped[["image_id", "reason"]]) == [
        ("JPEGImages/0.png", "an annotation of this name is of JPEGImages/0.jpg")
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (f"../0.png {WNID} 0 0 1 1\n", "line 1: '../0.png' leads out"),
        (f"0.png {WNID} 0 0 1 1\n0.png n02084071 0 0 1 1\n", f"line 2: 0.png is labelled {WNID} above, and n02084071"),
        (f"0.png {WNID} 0 0 1 1\n0.png\n", "line 2: a box has to be four finite numbers, not ''"),
        (f"0.png {WNID} 0 0 1 {'9' * 400}\n", "line 1: a box has to be four finite numbers"),
    ],
)
def test_what_is_wrong_in_tiny_imagenet_is_named(make_image, make_text, tmp_path, lines, message):
    make_image("val/images/0.png")
    file = make_text("val/val_annotations.txt", lines)
    refused(message, file, lambda: load_dataset(tmp_path / "val").scan())


def validation(make_image, make_text, **files):
    make_image("val/ILSVRC2012_val_00000001.png")
    for name, text in files.items():
        make_text(f"{name}.txt", text)


@pytest.mark.parametrize("blank", ["", " "])
def test_a_blank_line_would_shift_the_labels_of_imagenet(make_image, make_text, tmp_path, blank):
    validation(make_image, make_text, imagenet_2012_validation_synset_labels=f"{WNID}\n{blank}\nn02084071\n")
    file = tmp_path / "imagenet_2012_validation_synset_labels.txt"
    refused(
        "line 2: expected a WordNet id such as n01440764, not a blank line",
        file,
        lambda: load_dataset(tmp_path / "val"),
    )
    file.write_text(f"{WNID}\n\n\n")
    assert load_dataset(tmp_path / "val").images["label"].tolist() == [WNID]


@pytest.mark.parametrize(
    ("files", "named", "message"),
    [
        ({"imagenet_2012_validation_synset_labels": f"{WNID}\ncat\n"}, "imagenet_2012", "line 2: .*, not 'cat'"),
        (
            {"ILSVRC2012_validation_ground_truth": "1\n1e9\n", "map_clsloc": f"{WNID} 1 kit_fox\n"},
            "ILSVRC2012_val",
            "line 2: expected a class number that .*map_clsloc.txt has, not '1e9'",
        ),
        (
            {"ILSVRC2012_validation_ground_truth": "1\n", "map_clsloc": "kit_fox 1 x\n"},
            "map_clsloc.txt",
            "line 1: expected a WordNet id, a number and a name",
        ),
    ],
)
def test_what_is_wrong_in_imagenets_labels_is_named(make_image, make_text, tmp_path, files, named, message):
    validation(make_image, make_text, **files)
    refused(message, named, lambda: load_dataset(tmp_path / "val"))


def test_a_kaggle_table_names_images_and_no_paths(make_image, make_text, tmp_path):
    validation(make_image, make_text)
    file = make_text("LOC_val_solution.csv", f"ImageId,PredictionString\n../x,{WNID} 0 0 1 1\n")
    refused("line 2: expected an image, and a WordNet id", file, lambda: load_dataset(tmp_path / "val").scan())


def test_a_damaged_matlab_file_does_not_take_the_process_with_it(make_image, make_text, tmp_path):
    from scipy.io import savemat

    validation(make_image, make_text, ILSVRC2012_validation_ground_truth="1\n")
    file = tmp_path / "meta.mat"
    savemat(file, {"synsets": [1.0]})
    refused(
        "is not the development kit's meta.mat, or is damaged: unpack it anew",
        file,
        lambda: load_dataset(tmp_path / "val"),
    )
    # Of this one SciPy 1.17 makes a segmentation fault.
    file.write_bytes(file.read_bytes()[:128] + b"\x0e\0\0\0\xff\xff\xff\x7f" + b"\xff" * 64)
    refused(
        "is not the development kit's meta.mat, or is damaged: unpack it anew",
        file,
        lambda: load_dataset(tmp_path / "val"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1: this is not valid JSON"),
        ("[" * 100_000, "line 1 has lists or objects in one another too deeply"),
        ("[]", "line 1 is no annotation of ImageNet-X: it must have file_name and all factors, and lacks file_name"),
        ('{"file_name": "a"}', "and lacks pose"),
        ("\n\xe9".encode("latin-1"), "is not a text file in UTF-8 .line 2."),
    ],
)
def test_what_is_wrong_in_imagenet_x_is_named(tmp_path, text, message):
    file = tmp_path / "a.jsonl"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(message, file, lambda: imagenet_x_factors(["a"], "imagenet", file))


def test_lines_that_end_in_carriage_returns_alone_are_refused(make_image, tmp_path):
    make_image("a.png")
    file = tmp_path / "a.csv"
    file.write_bytes(b"path,label\ra.png,cat\r")
    refused("line 1: .* a carriage return that ends no line; save the file", file, lambda: load_dataset(file))
    file.write_bytes(b"path,label\r\na.png,cat\r\n")
    assert load_dataset(file).images["label"].tolist() == ["cat"]


# Label maps


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.csv", b"label,class\ncaf\xe9,1\n", r"is not text in UTF-8 \(line 2\): save it as UTF-8"),
        ("m.csv", b'label,class\na,"1\n', "line 2: this is not a row of a table: unexpected end of data"),
        ("m.csv", b"label,class\n" + b"a" * 200_000 + b",1\n", "line 2: this is not a row of a table: field larger"),
        ("m.json", b"[" * 100_000, "must hold one JSON object from labels to ids, names or indices"),
        ("m.json", b'{"a": ' + b"9" * 5000 + b"}", "must hold one JSON object"),
    ],
)
def test_what_is_wrong_in_a_label_map_is_named(tmp_path, name, content, message):
    file = tmp_path / name
    file.write_bytes(content)
    refused(message, file, lambda: read_mapping(file))
