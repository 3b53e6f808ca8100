"""The photograph on a report's first screen."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bias_toolkit.foundation.errors import UnreadableImageError
from bias_toolkit.report.topics.one_pixel import OnePixel, one_pixel_block, shown_first

NAMES = {1: "owl", 2: "hat"}


def row(image_id, label, top1, margin=0.5):
    first = [0.5 + margin / 2] * 9
    return {
        "image_id": image_id,
        "label_index": label,
        "top1": top1,
        "p_top1": first,
        "p_second": [p - margin for p in first],
    }


STEADY, CHANGED = [1] * 9, [2, 1, 1, 1, 1, 1, 1, 2, 2]


@pytest.fixture
def rows():
    return [
        row("steady", 1, STEADY, margin=0.9),
        row("wrong in the middle", 2, CHANGED, margin=0.8),
        row("unsure", 1, CHANGED, margin=0.1),
        row("sure", 1, CHANGED, margin=0.4),
    ]


def contents(rows, read=lambda image_id: np.zeros((9, 4, 4, 3), np.uint8)):
    return OnePixel(("crop", "diagonal", 1.0), pd.DataFrame(rows), read, NAMES)


def test_the_surest_right_image_whose_class_changes_comes_first(rows):
    assert shown_first(pd.DataFrame(rows))["image_id"].tolist() == ["sure", "unsure", "steady"]


def test_without_labels_every_image_may_be_shown(rows):
    unlabelled = pd.DataFrame(rows).assign(label_index=None)
    assert shown_first(unlabelled)["image_id"].tolist() == ["wrong in the middle", "sure", "unsure", "steady"]


def test_every_view_has_its_class_and_is_marked_if_it_differs_from_the_middle(rows, tmp_path):
    block = one_pixel_block(contents(rows), tmp_path)
    pictures = block.groups[0].pictures
    assert [each.title for each in pictures] == [NAMES[each] for each in CHANGED]
    assert [each.marked for each in pictures] == [each != 1 for each in CHANGED]
    assert [each.lines[1] for each in pictures][3:6] == ["\N{MINUS SIGN}1 px", "0 px", "+1 px"]
    assert block.title.startswith("One photograph that the model gets right")
    assert "3 views of 9 get another class than the middle one" in block.note
    assert block.note.endswith("(sure; its label counts as owl; crop, diagonal, size 1).")


def test_a_class_without_a_name_is_shown_by_its_number(tmp_path):
    block = one_pixel_block(contents([row("a", 7, [7] * 8 + [5])]), tmp_path)
    assert [each.title for each in block.groups[0].pictures][-2:] == ["class 7", "class 5"]


def test_nothing_is_said_of_a_change_where_no_class_changes(tmp_path):
    block = one_pixel_block(contents([row("a", 1, STEADY)]), tmp_path)
    assert "whose class changes" not in block.note
    assert "No view gets another class than the middle one" in block.note


def test_without_labels_nothing_is_said_to_be_right(tmp_path):
    block = one_pixel_block(contents([row("a", None, CHANGED)]), tmp_path)
    assert "right" not in block.title + block.note
    assert "label" not in block.note


def test_the_views_are_written_as_they_are(tmp_path):
    views = np.stack([np.full((8, 8, 3), 20 * k, np.uint8) for k in range(9)])
    block = one_pixel_block(contents([row("a", 1, CHANGED)], lambda image_id: views), tmp_path)
    shown = [np.asarray(Image.open(tmp_path / each.file)) for each in block.groups[0].pictures]
    assert [each.shape for each in shown] == [(8, 8, 3)] * 9
    assert [round(each.mean() / 20) for each in shown] == list(range(9))


def test_an_image_that_cannot_be_read_is_passed_over(rows, tmp_path):
    def read(image_id):
        if image_id == "sure":
            raise UnreadableImageError("gone")
        return np.zeros((9, 4, 4, 3), np.uint8)

    assert "(unsure;" in one_pixel_block(contents(rows, read), tmp_path).note
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bias_toolkit.report.topics.one_pixel.TRIED", 1)
        assert one_pixel_block(contents(rows, read), tmp_path) is None


def test_nothing_is_shown_where_the_model_is_never_right(tmp_path):
    assert one_pixel_block(contents([row("a", 2, STEADY)]), tmp_path) is None
