import os
import tarfile
from pathlib import Path

import pandas as pd
import pytest

from bias_toolkit.objects import framing_log_density, framing_summary, position_and_scale

FOLDER = os.environ.get("BIAS_TOOLKIT_DATA")


@pytest.fixture(scope="module")
def boxes():
    if FOLDER is None:
        pytest.skip("BIAS_TOOLKIT_DATA does not name the folder with tiny-imagenet-20.tar.gz")
    rows = []
    with tarfile.open(Path(FOLDER) / "tiny-imagenet-20.tar.gz") as archive:
        for member in archive:
            if member.name.endswith("_boxes.txt"):
                label = Path(member.name).parent.name
                for line in archive.extractfile(member).read().decode().splitlines():
                    name, *edges = line.split()
                    rows.append((name, label, *map(int, edges)))
    objects = pd.DataFrame(rows, columns=["image_id", "category", "x0", "y0", "x1", "y1"]).assign(object_id=0)
    objects[["x1", "y1"]] += 1
    images = objects[["image_id"]].assign(width=64, height=64)
    return position_and_scale(objects, images), images


def test_photographers_centre_what_they_show_whole(boxes):
    summary = framing_summary(*boxes, resamples=200, placements=200)
    everything, classes = summary.iloc[0], summary.iloc[1:]
    assert everything["n_objects"] == 10_000
    assert len(classes) == 20
    assert everything["untruncated_centre_bias_low"] > 0.15
    assert everything["untruncated_p_value"] == pytest.approx(1 / 201)
    assert (classes["untruncated_centre_bias"] > 0).sum() >= 17
    # Most boxes of these small crops touch the border, and those lie as far out as they can.
    assert everything["truncated_share"] > 0.7
    assert everything["centre_bias_high"] < 0
    assert 0.6 < everything["median_scale_low"] < everything["median_scale_high"] < 0.8


def test_the_largest_part_of_the_boxes_is_usual(boxes):
    framing, _ = boxes
    density = framing_log_density(framing, framing, leave_out_own_image=True)
    assert pd.notna(density).all()
    by_class = pd.Series(density).groupby(framing["category"]).median()
    assert (by_class > -5).all()
