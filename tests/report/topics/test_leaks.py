"""Test images that are nearly the same as a training image: their pictures, labels and findings."""

import dataclasses

import pandas as pd
import pytest

from bias_toolkit.invariance.noise import clopper_pearson
from bias_toolkit.report.page.blocks import PicturesBlock, TableBlock
from bias_toolkit.report.topics.distance.leaks import gather_leaks, leak_blocks, leak_findings


@pytest.fixture
def leaking(source):
    """A function that gives a study of 12 test images, of which the first ones are leaks, each with its label.

    Training image k is the nearest one of test image k and has the label `owl`; another has the label `cat`.
    """

    def make(*labels, n=12):
        ids = [f"test/{i + 1:03}.png" for i in range(n)]
        training = [f"train/{i + 1:03}.png" for i in range(n)]
        distances = [0.5 - 0.01 * i for i in range(n)]
        own = [*labels, *["owl"] * (n - len(labels))]
        return dataclasses.replace(
            source,
            distances=pd.DataFrame(
                {"image_id": ids, "nn_distance": distances, "leak": [i < len(labels) for i in range(n)]}
            ),
            neighbours=pd.DataFrame(
                {"image_id": ids * 2, "rank": [1] * n + [2] * n, "neighbour_id": training + ["train/099.png"] * n}
            ),
            test_images=pd.DataFrame({"image_id": ids, "label": own}),
            train_images=pd.DataFrame({"image_id": [*training, "train/099.png"], "label": ["owl"] * n + ["cat"]}),
            class_names={"owl": "snowy owl, bird", "cat": "tabby"},
        )

    return make


def findings(source, n_shared=0):
    return leak_findings(gather_leaks(source), n_shared)


def test_none(leaking):
    (finding,) = findings(leaking())
    assert (finding.kind, finding.rank, finding.estimate.direction) == ("none", 113, 0)
    assert finding.claim == "No test image is nearly the same as a training image."
    assert (finding.estimate.value, finding.estimate.low) == (0, 0)
    assert finding.estimate.high == pytest.approx(clopper_pearson(0, 12)[1])
    (finding,) = findings(leaking(), n_shared=2)
    assert finding.claim == "No test image is nearly the same as a training image, besides itself."


def test_some_with_the_same_labels(leaking):
    (finding,) = findings(leaking("owl", "owl", "owl"))
    assert (finding.kind, finding.rank, finding.estimate.direction) == ("caution", 13, 1)
    assert finding.claim == "Some test images are nearly the same as a training image."
    assert "3 test images" in finding.evidence
    assert finding.estimate.value == 0.25
    (finding,) = findings(leaking("owl", "owl"), n_shared=1)
    assert finding.claim == "Some test images are nearly the same as another training image."
    (finding,) = findings(leaking("owl"))
    assert finding.claim == "One test image is nearly the same as a training image."
    assert finding.evidence == "It may be a leak between the two sets."


def test_labels_that_differ(leaking):
    _, finding = findings(leaking("owl", "cat", "cat", "owl", "owl"))
    assert (finding.kind, finding.rank) == ("caution", 14)
    assert finding.claim == "Some test images have another label than a training image that is nearly the same."
    assert (finding.estimate.value, finding.estimate.n) == (0.4, 5)
    assert 0 < finding.estimate.low < 0.4 < finding.estimate.high < 1
    assert "2 such pairs differ" in finding.evidence
    # Of four pairs there is no interval.
    _, finding = findings(leaking("owl", "cat", "cat", "owl"))
    assert (finding.estimate.value, finding.estimate.low, finding.estimate.high) == (0.5, None, None)


@pytest.mark.parametrize("label", [None, "a label of the test set alone"])
def test_labels_that_cannot_be_compared_do_not_differ(leaking, label):
    source = leaking(label, "owl")
    assert not gather_leaks(source).pairs["differ"].any()
    assert len(findings(source)) == 1


def test_too_few_images(leaking):
    (finding,) = findings(leaking(n=4))
    assert (finding.kind, finding.estimate.direction) == ("caution", None)
    assert finding.claim.startswith("Too few test images")
    (finding,) = findings(leaking("owl", n=4))
    assert (finding.kind, finding.estimate.low) == ("caution", None)
    assert finding.claim == "One test image is nearly the same as a training image."


def test_pictures_side_by_side_with_both_labels(leaking, tmp_path):
    """Pairs whose labels differ come first and are marked."""
    pictures, table = leak_blocks(gather_leaks(leaking("owl", "cat")), tmp_path)
    assert isinstance(pictures, PicturesBlock)
    assert isinstance(table, TableBlock)
    assert pictures.title == "2 possible leaks between the sets"
    different, same = pictures.groups
    assert different.title == "labels differ, distance 0.490"
    assert same.title == "distance 0.500"
    test, training = different.pictures
    assert (test.title, test.marked, test.lines) == ("tabby", True, ["test set", "test/002.png"])
    assert (training.title, training.marked, training.lines) == ("snowy owl", True, ["training set", "train/002.png"])
    assert [picture.marked for picture in same.pictures] == [False, False]
    files = [picture.file for group in pictures.groups for picture in group.pictures]
    assert len(set(files)) == 4
    assert all((tmp_path / file).is_file() for file in files)
    first, second = table.rows
    assert [first[0], first[1].text, first[2], first[3].text] == ["test/002.png", "tabby", "train/002.png", "snowy owl"]
    assert (first[1].marked, first[3].marked, second[1].marked) == (True, True, False)
    assert leak_blocks(gather_leaks(leaking()), tmp_path) == []


def test_images_that_cannot_be_read_have_no_picture(leaking, tmp_path):
    """The image with the number 0, and a neighbour that is not known."""
    source = leaking("owl", "owl")
    ids = ["test/000.png", "test/002.png"]
    distances = pd.DataFrame({"image_id": ids, "nn_distance": [0.1, 0.2], "leak": [True, True]})
    pictures, table = leak_blocks(gather_leaks(dataclasses.replace(source, distances=distances)), tmp_path)
    assert [picture.file is None for picture in pictures.groups[0].pictures] == [True, True]
    assert pictures.groups[0].pictures[1].lines == ["training set", "not known"]
    assert [picture.file is None for picture in pictures.groups[1].pictures] == [False, False]
    assert table.rows[0][2] == "–"


def test_without_distances(bare_source):
    assert gather_leaks(bare_source) is None
