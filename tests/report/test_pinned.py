"""Limits and conditions of the report that no other test would miss."""

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.objects import centring
from bias_toolkit.report.topics import images
from bias_toolkit.report.topics.invariance.findings import NoiseFloor, noise_finding
from bias_toolkit.report.words.sentences import ClassNames

BOX_OF_THE_FRAME = ["cx", "cy", "width_fraction", "height_fraction"]


BOX = pd.DataFrame({"image_id": ["a"], "area_fraction": 0.25} | dict.fromkeys(BOX_OF_THE_FRAME, 0.5))


@pytest.mark.parametrize("with_boxes", [(), ("train",), ("test",), ("train", "test")])
def test_boxes_are_spoken_of_only_where_there_are_any(tmp_path, with_boxes):
    contents = images.Images(
        per_image=pd.DataFrame({"image_id": ["a", "b"], "p_top1_change": [0.5, 0.0], "n_steps": 8}),
        neighbours=pd.DataFrame(),
        framing={split: BOX if split in with_boxes else BOX.head(0) for split in ("train", "test")},
        read=lambda split, image_id: np.zeros((64, 64, 3), np.uint8),
        train_labels={},
        names=ClassNames(),
        links={},
    )
    section = images.images_section(contents, tmp_path)
    assert ("Boxes are the datasets' own." in section.blocks[0].text) is bool(with_boxes)


@pytest.mark.parametrize(("share_of_measured", "is_near"), [(0.099, False), (0.101, True)])
def test_noise_of_a_tenth_of_what_was_measured_is_near(share_of_measured, is_near):
    row = {"value": 0.2, "low": 0.19, "high": 0.21, "n": 1000}
    value = share_of_measured * 0.2
    claim = noise_finding(NoiseFloor(value, 100_000, int(value * 100_000), value - 0.001, value + 0.001), row).claim
    assert ("change without any shift" in claim) is is_near


@pytest.mark.parametrize(
    ("truncated_share", "untruncated", "column"),
    [
        (0.1, 0.5, "untruncated_centre_bias"),
        (0.0999, 0.5, "centre_bias"),
        (0.9, float("nan"), "centre_bias"),
        (None, 0.5, "centre_bias"),
    ],
)
def test_a_tenth_of_cut_boxes_is_often(truncated_share, untruncated, column):
    row = pd.Series({"truncated_share": truncated_share, "untruncated_centre_bias": untruncated})
    assert centring(row).column == column
