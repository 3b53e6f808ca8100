"""FiftyOneDataset folders."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_toolkit.datasets import annotation_text, load_dataset
from bias_toolkit.datasets.annotation_text import stream_json_objects
from bias_toolkit.foundation.errors import InputError


def detection(label, *box):
    return {"_id": {"$oid": "1"}, "_cls": "Detection", "attributes": {}, "label": label, "bounding_box": list(box)}


def detections(*found):
    return {"_cls": "Detections", "detections": list(found)}


def sample(filepath, **fields):
    return {"_id": {"$oid": "2"}, "filepath": filepath, "tags": ["train"], "metadata": {"width": 10}} | fields


# The images have 10 × 8 pixels.
CAT, DOG = detection("cat", 0.1, 0.25, 0.2, 0.5), detection("dog", 0, 0.5, 1, 0.5)
SAMPLES = [
    sample("data/b.png", ground_truth=detections(CAT, DOG)),
    sample("data/a.png", ground_truth=detections(detection("cat", 0.2, 0, 0.2, 0.5))),
    sample("data/c.png", ground_truth=None),
]  # fmt: skip


def lay_out(make_image, make_text, samples=SAMPLES):
    for name in "abc":
        make_image(f"data/{name}.png")
    make_text("metadata.json", json.dumps({"name": "quickstart", "media_type": "image"}))
    return make_text("samples.json", json.dumps({"samples": samples}))


def check(dataset, rows):
    assert dataset.layout == "fiftyone"
    assert rows(dataset.images) == [
        ("data/a.png", "cat", 10, 8),
        ("data/b.png", None, 10, 8),
        ("data/c.png", None, 10, 8),
    ]
    assert [row[:3] for row in rows(dataset.objects)] == [
        ("data/a.png", 0, "cat"),
        ("data/b.png", 0, "cat"),
        ("data/b.png", 1, "dog"),
    ]
    edges = [(2, 0, 4, 4), (1, 2, 3, 6), (0, 4, 10, 8)]
    assert [row[3:] for row in rows(dataset.objects)] == [pytest.approx(each, abs=1e-5) for each in edges]
    assert rows(dataset.skipped) == []


@pytest.mark.parametrize("named", [".", "samples.json"])
def test_a_folder(tmp_path, make_image, make_text, rows, named):
    lay_out(make_image, make_text)
    dataset = load_dataset(tmp_path / named)
    check(dataset, rows)
    assert not dataset.notes


def test_paths_that_lead_elsewhere_are_taken_from_data(tmp_path, make_image, make_text, rows):
    moved = [each | {"filepath": f"/home/someone/{each['filepath'].replace('data', 'images')}"} for each in SAMPLES]
    lay_out(make_image, make_text, moved)
    dataset = load_dataset(tmp_path)
    check(dataset, rows)
    assert [note.text for note in dataset.notes] == [
        f"3 images were found in data, and not at the filepath in {tmp_path}/samples.json, such as "
        "'/home/someone/images/b.png'."
    ]
    lay_out(make_image, make_text, [each | {"filepath": str(tmp_path / each["filepath"])} for each in SAMPLES])
    check(load_dataset(tmp_path), rows)
    lay_out(make_image, make_text, [sample("/etc/passwd")])
    with pytest.raises(InputError, match="sample 0: '/etc/passwd' leads out of the dataset's folder"):
        load_dataset(tmp_path)


def test_images_that_are_missing_are_listed(tmp_path, make_image, make_text):
    lay_out(make_image, make_text, [*SAMPLES, sample("data/gone.png")])
    assert load_dataset(tmp_path).skipped["image_id"].tolist() == ["data/gone.png"]


def test_which_fields_are_read(tmp_path, make_image, make_text):
    one = sample(
        "data/a.png",
        alpha=detections(detection("cup", 0, 0, 1, 1)),
        ground_truth=detections(detection("cat", 0, 0, 1, 1)),
        scene={"_cls": "Classification", "label": "kitchen"},
        other={"_cls": "Classification", "label": None},
    )
    file = lay_out(make_image, make_text, [one])
    dataset = load_dataset(tmp_path)
    assert dataset.objects["category"].tolist() == ["cat"]
    assert dataset.images["label"].tolist() == ["kitchen"]
    assert [note.text for note in dataset.notes] == [
        f"{file} has the detections ground_truth, alpha: ground_truth is read, the others are not."
    ]


def test_a_detection_without_a_box_is_said(tmp_path, make_image, make_text):
    file = lay_out(make_image, make_text, [sample("data/a.png", found=detections({"label": "cat"}))])
    dataset = load_dataset(tmp_path)
    assert len(dataset.objects) == 0
    assert [note.text for note in dataset.notes] == [
        f"1 detection without a box was left out of {file}, such as one of 'data/a.png'."
    ]


def polylines(*lines):
    return {"_cls": "Polylines", "polylines": [{"_cls": "Polyline", "label": "lane", "points": list(lines)}]}


def test_a_polyline_becomes_the_box_around_its_points(tmp_path, make_image, make_text, rows):
    lane = polylines([[0.1, 0.5], [0.3, 0.25]], [[0.2, 0.75]])
    points = {"_cls": "Keypoints", "keypoints": []}
    seen = {"metadata": {"_cls": "ImageMetadata", "width": 10}}
    one, other = sample("data/a.png", lanes=lane, pose=points, **seen), sample("data/b.png", pose=points, **seen)
    file = lay_out(make_image, make_text, [one, other])
    dataset = load_dataset(tmp_path)
    ((*first, x0, y0, x1, y1),) = rows(dataset.objects)
    assert first == ["data/a.png", 0, "lane"]
    assert (x0, y0, x1, y1) == pytest.approx((1, 2, 3, 6), abs=1e-5)
    unread = f"2 labels of the kind 'Keypoints' were not read from {file}."
    assert [note.text for note in dataset.notes] == [f"1 box encloses the points of a polyline in {file}.", unread]

    lay_out(make_image, make_text, [one, sample("data/b.png", ground_truth=detections(DOG))])
    dataset = load_dataset(tmp_path)
    assert dataset.objects["category"].tolist() == ["dog"]
    assert [note.text for note in dataset.notes] == [
        f"1 label of the kind 'Keypoints' was not read from {file}.",
        f"1 label of the kind 'Polylines' was not read from {file}.",
    ]


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([sample("data/a.png", x=polylines([[0.1]]))], "sample 0: a point of a polyline has to be two numbers"),
        ([], "samples.json has no sample"),
        ([3], r"entry 0 of 'samples' has to be an object, not 3"),
        ([sample(None)], "sample 0: a file name has to be a text, not None"),
        ([sample("data/a.png", x=detections(detection(5, 0, 0, 1, 1)))], "sample 0: a label has to be a text, not 5"),
        (
            [sample("data/a.png", x=detections(detection("a", 0, 0, 1)))],
            "sample 0: a box has to be four finite numbers",
        ),
        ([sample("data/a\0.png")], "is no name that a file can have"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, make_image, make_text, samples, message):
    lay_out(make_image, make_text, samples)
    with pytest.raises(InputError, match=message) as caught:
        load_dataset(tmp_path)
    assert str(caught.value).startswith(str(tmp_path / "samples.json"))


# The stream

VALUES = st.none() | st.floats(allow_nan=False) | st.text(max_size=9)
OBJECTS = st.dictionaries(st.text(max_size=9), VALUES | st.lists(VALUES, max_size=3), max_size=3)


@settings(max_examples=20)
@given(st.lists(OBJECTS, max_size=3), st.integers(1, 50), st.sampled_from([None, 1]))
def test_a_stream_gives_what_the_file_holds(tmp_path_factory, objects, part, indent):
    file = tmp_path_factory.getbasetemp() / "stream.json"
    file.write_text(json.dumps({"samples": objects, "more": [{}]}, indent=indent, ensure_ascii=False), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(annotation_text, "_PART_OF_STREAM", 20 + part)
        assert list(stream_json_objects(file, "samples")) == objects


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "has to begin with the list 'samples', and does not"),
        ('{"more": [], "samples": []}', "has to begin with the list 'samples'"),
        ('{"samples": [{"a": 1}, {"a": ', "entry 1 of 'samples' is not valid JSON"),
        ('{"samples": [{"a": 1}', "entry 1 of 'samples' is not valid JSON"),
        ('{"samples": [{"a": 1}, {a}]}', "entry 1 of 'samples' is not valid JSON"),
        ('{"samples": [' + '{"a":' * 100_000, "entry 0 of 'samples' is not valid JSON"),
        ('{"samples": [{"a": ' + "9" * 5000 + "}]}", "entry 0 of 'samples' is not valid JSON"),
    ],
)
def test_a_stream_that_is_malformed(make_text, text, message):
    file = make_text("samples.json", text)
    with pytest.raises(InputError, match=message):
        list(stream_json_objects(file, "samples"))


def test_a_stream_of_other_bytes(tmp_path):
    (tmp_path / "samples.json").write_bytes(b'{"samples": [{"a": "\xff"}]}')
    with pytest.raises(InputError, match="is not a text file in UTF-8"):
        list(stream_json_objects(tmp_path / "samples.json", "samples"))
