"""What a study knows: names of classes, training boxes and classes, other images."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.explain.context import UNSTABLE_FROM, Context
from bias_toolkit.explain.request import Subject
from bias_toolkit.invariance import Sweep


@pytest.fixture
def context_of():
    """A function that gives a context whose model has these class names, and four classes."""

    def make(class_names=None, **fields):
        subjects = {"image_id": ["a.png", "b.png"], "category": "n1", "x0": [1, 5], "y0": [2, 6], "x1": [3, 7]}
        known = {
            "study": "study",
            "model": SimpleNamespace(class_names=class_names, n_classes=4),
            "sweep": Sweep("crop", "diagonal", 1.0),
            "per_image": pd.DataFrame({"image_id": ["t/1", "t/2", "t/3"], "margin": [0.1, 0.2, 0.3]}),
            "training_subjects": pd.DataFrame(subjects).assign(y1=np.float32([4.5, 8]), width=20, height=10),
            "training_labels": {"a.png": "n1", "b.png": None, "c.png": "n9"},
            "read_train": lambda image_id: None,
            "label_indices": {"n1": 2, "n2": 0, "n3": 1},
            "class_names": {"n1": "snow owl, Nyctea", "n2": " , oddly named"},
        }
        return Context(**(known | fields))

    return make


def test_a_model_names_its_classes(context_of):
    context = context_of(["tench, Tinca tinca", " goldfish ", "crane", ", x"])
    assert context.names == ["tench", "goldfish", "crane", ", x"]


def test_otherwise_labels_name_them(context_of):
    assert context_of().names == ["n2", "n3", "snow owl", "class 3"]


def test_names_of_labels(context_of):
    context = context_of()
    assert context.label_name("n1") == "snow owl"
    assert context.label_name("n2") == "n2"
    assert context.label_name("cat, tabby") == "cat, tabby"
    assert context.label_name(None) == ""


def test_boxes_of_training_images(context_of):
    context = context_of()
    assert context.training_box("a.png") == [1.0, 2.0, 3.0, 4.5]
    assert context.training_box("b.png") == [5.0, 6.0, 7.0, 8.0]
    assert all(type(edge) is float for edge in context.training_box("a.png"))
    assert context.training_box("c.png") is None
    empty = context_of(training_subjects=context.training_subjects[:0])
    assert empty.training_box("a.png") is None


def test_classes_of_training_images(context_of):
    context = context_of()
    assert context.training_class("a.png") == 2
    assert context.training_class("b.png") is None
    assert context.training_class("c.png") is None
    assert context.training_class("unknown.png") is None


def test_an_image_is_not_compared_with_itself(context_of):
    context = context_of()

    def others(image_id, in_test_set):
        subject = Subject(image_id, np.zeros((1, 1, 3), np.uint8), in_test_set, None, None, None, None, pd.DataFrame())
        return context.other_images(subject)["image_id"].tolist()

    assert others("t/2", True) == ["t/1", "t/3"]
    # A file of the same name is another image.
    assert others("t/2", False) == ["t/1", "t/2", "t/3"]


def test_one_straight_boundary_is_unstable(neighbourhood_of):
    """One edge between two columns or two rows changes the class once on nine sweeps and both diagonals."""
    for change in (lambda grid: grid, np.transpose, np.flipud, np.fliplr):
        assert UNSTABLE_FROM <= neighbourhood_of("boundary", change=change).changes.mean() < 1.5 * UNSTABLE_FROM
