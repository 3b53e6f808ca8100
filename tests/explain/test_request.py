"""What is asked to be explained, from tables alone: which label, which box, under which name, and what is refused."""

import hashlib
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bias_toolkit.datasets import BOX_EDGES, OBJECTS
from bias_toolkit.explain.request import (
    Request,
    file_request,
    image_file,
    known_label,
    known_request,
    training_image,
)
from bias_toolkit.foundation.errors import InputError


@pytest.fixture
def photograph(tmp_path):
    """The path of an image of 100 × 80 pixels."""
    path = tmp_path / "photograph.png"
    Image.fromarray(np.zeros((80, 100, 3), np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def training():
    """Images and objects of a training set. Of the cat's image, a dog is larger and comes first."""
    rows = [
        ("cat.png", 0, "dog", 0, 0, 90, 70),
        ("cat.png", 1, "cat", 20, 20, 40, 50),
        ("cat.png", 2, "cat", 30, 20, 35, 25),
        ("owl.png", 0, "dog", 0, 0, 10, 10),
        ("owl.png", 1, "cat", 5, 5, 50, 60),
        ("unlabelled.png", 0, "dog", 1, 1, 2, 2),
    ]
    images = {"image_id": ["cat.png", "owl.png", "unlabelled.png", "bare.png"], "label": ["cat", "owl", None, "cat"]}
    objects = pd.DataFrame(rows, columns=OBJECTS.names).astype(dict.fromkeys(BOX_EDGES, np.float32))
    return {"images": pd.DataFrame(images).assign(width=100, height=80), "objects": objects}


@pytest.mark.parametrize(
    ("training_id", "label", "box"),
    [
        ("cat.png", "cat", (20, 20, 40, 50)),  # not the dog, whose box is the largest
        ("owl.png", "owl", (5, 5, 50, 60)),  # no owl has a box: the largest of all
        ("unlabelled.png", None, (1, 1, 2, 2)),
        ("bare.png", "cat", None),
        (None, None, None),
    ],
)
def test_a_training_image_is_about_the_object_of_its_label(photograph, training, training_id, label, box):
    request = file_request(photograph, None, None, training_id=training_id, **training)
    assert request == Request(str(photograph), photograph, label, box)


def test_what_is_given_comes_before_what_the_training_set_has(photograph, training):
    request = file_request(photograph, [1, 2, 30, 40], "owl", training_id="cat.png", **training)
    assert (request.label, request.box) == ("owl", (1.0, 2.0, 30.0, 40.0))


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((0, 0, 101, 20), "--box is 0,0,101,20, .* inside the image, which is 100 × 80 pixels"),
        ((0, 0, 20, 81), "inside the image"),
        ((-1, 0, 20, 20), "inside the image"),
        ((10, 10, 10, 20), "x0 < x1"),
        ((10, 20, 20, 10), "y0 < y1"),
        ((10, 10, 20), "must be four numbers"),
        ((10, 10, 20, float("nan")), "must be four numbers"),
        ((10, 10, 20, float("inf")), "must be four numbers"),
    ],
)
def test_a_box_lies_in_the_image(photograph, training, box, words):
    with pytest.raises(InputError, match=words):
        file_request(photograph, box, None, training_id=None, **training)


def test_a_box_may_be_the_whole_image(photograph, training):
    assert file_request(photograph, (0, 0, 100, 80), None, training_id=None, **training).box == (0, 0, 100, 80)


def test_what_is_no_image_is_refused(tmp_path, training):
    path = tmp_path / "notes.txt"
    path.write_text("no image")
    with pytest.raises(InputError, match=r"notes\.txt cannot be read as an image"):
        file_request(path, None, None, training_id=None, **training)


def test_which_file_is_meant(photograph, monkeypatch):
    monkeypatch.chdir(photograph.parent)
    assert image_file("photograph.png", {}, "a.png") == photograph.resolve()
    with pytest.raises(InputError, match=r"nothing\.png is no file, .* an image_id such as 'a\.png'"):
        image_file("nothing.png", {}, "a.png")
    with pytest.raises(InputError, match="is a folder"):
        image_file(photograph.parent, {}, "a.png")
    with pytest.raises(InputError, match=r"b\.png was left out of the study's test set: it is cut short"):
        image_file("b.png", {"b.png": "it is cut short"}, "a.png")


def test_a_training_image_is_known_by_its_file():
    def sources(image_ids):
        return [f"/data/{image_id}" for image_id in image_ids]

    assert training_image(Path("/data/b.png"), ["a.png", "b.png"], sources) == "b.png"
    assert training_image(Path("/elsewhere/b.png"), ["a.png", "b.png"], sources) is None


NAMES = {"n1": "goldfish, Carassius auratus", "n2": "crane, bird", "n3": "crane, machine"}


@pytest.mark.parametrize(
    ("given", "label"),
    [("n1", "n1"), ("goldfish", "n1"), (" Carassius Auratus ", "n1"), ("machine", "n3"), ("zebra", "zebra")],
)
def test_a_label_is_known_by_itself_its_name_or_as_a_class(given, label):
    assert known_label(given, ["n1", "n2", "n3"], NAMES, {"zebra"}.__contains__) == label


def test_a_name_of_two_labels_says_neither():
    with pytest.raises(InputError, match=r"--label 'crane' is no label of the study \(n1, n2, n3\)"):
        known_label("crane", ["n3", "n1", "n2", "n2"], NAMES, lambda given: False)
    with pytest.raises(InputError, match=r"\(0, 1, 2, 3, 4, …\)"):
        known_label("zebra", map(str, range(9)), {}, lambda given: False)


def test_the_model_is_asked_last():
    def refuse(given):
        raise AssertionError

    assert known_label("n1", ["n1"], NAMES, refuse) == "n1"
    assert known_label("goldfish", ["n1"], NAMES, refuse) == "n1"


def test_a_test_image_needs_no_box_and_no_label():
    assert known_request("a.png") == Request("a.png")
    for extra in ({"box": (0, 0, 1, 1)}, {"label": "cat"}):
        with pytest.raises(InputError, match="leave out --box and --label"):
            known_request("a.png", **extra)


@given(image_id=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_folders_name_is_a_plain_one(image_id):
    name = Request(image_id).name
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,71}", name)
    assert name.endswith(hashlib.sha256(image_id.encode()).hexdigest()[:10])
    assert ".." not in name.removesuffix(".")


def test_what_decides_an_explanation(photograph):
    assert Request("a.png").key_values() == {"image": "a.png"}
    settings = Request(str(photograph), photograph, "cat", (1.0, 2.0, 3.0, 4.0)).key_values()
    digest = hashlib.sha256(photograph.read_bytes()).hexdigest()
    assert settings == {"file_sha256": digest, "label": "cat", "box": [1.0, 2.0, 3.0, 4.0]}
    assert Request(str(photograph), photograph).key_values() == {"file_sha256": digest, "label": None, "box": None}


def test_a_path_that_is_no_text_is_refused(photograph, training):
    latin = photograph.with_name(os.fsdecode(b"caf\xe9.png"))
    photograph.rename(latin)
    with pytest.raises(InputError, match="not valid UTF-8"):
        file_request(latin, None, None, training_id=None, **training)
