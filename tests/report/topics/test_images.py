"""Which images are shown, and how."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bias_toolkit.foundation.errors import UnreadableImageError
from bias_toolkit.report.page.blocks import Omitted
from bias_toolkit.report.page.thumbnails import SIDE, thumbnail
from bias_toolkit.report.stability import ordered_by_stability
from bias_toolkit.report.topics import images

ORANGE = (230, 159, 0)


@pytest.fixture
def small(source):
    """Nine test images; number k changes in k of eight steps."""
    per_image = source.per_image.head(9).copy()
    per_image["p_top1_change"] = np.arange(9) / 8
    return dataclasses.replace(source, per_image=per_image)


def stability_examples(source, folder, **options):
    return images.stability_examples(images.gather(source), folder, **options)


def ids(examples):
    return [example.image.image_id for example in examples]


def test_least_and_most_stable_images(small, tmp_path):
    least, most = stability_examples(small, tmp_path, most=3)
    assert ids(least) == ["test/008.png", "test/007.png", "test/006.png"]
    assert ids(most) == ["test/001.png", "test/002.png", "test/003.png"]
    assert least[1].image.notes[0] == "top-1 changes in 7 of 8 steps"


def test_an_unreadable_image_is_passed_over(small, tmp_path):
    assert small.per_image["image_id"].iloc[0] == "test/000.png"
    _, most = stability_examples(small, tmp_path, most=9)
    assert "test/000.png" not in ids(most)


def test_without_a_sweep_no_image_is_shown_and_the_section_says_why(small, tmp_path):
    unswept = dataclasses.replace(small, per_image=small.per_image.assign(p_top1_change=np.nan))
    assert images.images_section(images.gather(unswept), tmp_path) == Omitted(images.TITLE, "no sweep was run.")


def test_no_image_is_shown_twice(small, tmp_path):
    least, most = stability_examples(small, tmp_path, most=9)
    assert not set(ids(least)) & set(ids(most))
    assert len(least) == 5


def test_ties_go_to_the_larger_change_and_then_to_the_id():
    table = pd.DataFrame(
        {"image_id": ["c", "a", "b", "d"], "p_top1_change": [0.5, 0.5, 0.5, np.nan], "mac": [1, 2, 1, 3]}
    )
    assert ordered_by_stability(table)["image_id"].tolist() == ["a", "b", "c"]


def test_neighbours_are_the_nearest_that_can_be_read(small, tmp_path):
    least, _ = stability_examples(small, tmp_path, most=1, neighbours=2)
    assert [neighbour.image_id for neighbour in least[0].neighbours] == ["train/009.png", "train/010.png"]
    assert least[0].neighbours[0].class_name == "Сова é"

    def unreadable(split, image_id):
        if image_id == "train/009.png":
            raise UnreadableImageError("truncated file")
        return small.reader(split, image_id)

    least, _ = stability_examples(dataclasses.replace(small, reader=unreadable), tmp_path, most=1, neighbours=2)
    assert [neighbour.image_id for neighbour in least[0].neighbours] == ["train/010.png", "train/011.png"]


def test_files_are_there_and_named_by_number(small, tmp_path):
    least, most = stability_examples(small, tmp_path)
    for example in least + most:
        for image in (example.image, *example.neighbours):
            with Image.open(tmp_path / image.file) as picture:
                assert picture.format == "JPEG"
                assert max(picture.size) == SIDE


def test_explanations_are_linked(small, tmp_path):
    small.explanations = {"test/003.png": SimpleNamespace(folder=small.folder / "explain" / "3")}
    _, most = stability_examples(small, tmp_path)
    links = {example.image.image_id: example.link for example in most}
    assert links["test/003.png"] == "../explain/3/index.html"
    assert links["test/001.png"] is None


def test_without_images_or_sweeps(small, bare_source, tmp_path):
    def unreadable(split, image_id):
        raise UnreadableImageError("truncated file")

    assert stability_examples(dataclasses.replace(small, reader=unreadable), tmp_path) == ([], [])
    assert stability_examples(bare_source, tmp_path) == ([], [])
    least, _ = stability_examples(dataclasses.replace(small, neighbours=pd.DataFrame()), tmp_path)
    assert least[0].neighbours == []


def test_the_box_is_drawn_where_it_is():
    picture = np.asarray(thumbnail(np.zeros((64, 128, 3), np.uint8), np.array([[0.75, 0.5, 0.25, 0.5]])))
    assert picture.shape == (SIDE // 2, SIDE, 3)
    rows, columns = np.nonzero((picture == ORANGE).all(axis=2))
    assert columns.min() == pytest.approx(SIDE * 0.625, abs=3)
    assert columns.max() == pytest.approx(SIDE * 0.875, abs=3)
    assert rows.min() == pytest.approx(SIDE / 2 * 0.25, abs=3)
    assert rows.max() == pytest.approx(SIDE / 2 * 0.75, abs=3)


@pytest.mark.parametrize("size", [(1, 500), (500, 1), (3, 3), (2000, 1000)])
def test_any_shape_of_image(size):
    picture = thumbnail(np.zeros((*size, 3), np.uint8), np.array([[0.5, 0.5, 1.0, 1.0], [0.0, 0.0, 0.001, 0.001]]))
    assert max(picture.size) == SIDE
    assert min(picture.size) >= 1
