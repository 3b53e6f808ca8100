"""What tables and captions say where images are few or were left out."""

import dataclasses

import pandas as pd
import pytest

from bias_toolkit.report.blocks import FigureBlock, TableBlock
from bias_toolkit.report.sections_method import left_out_section
from bias_toolkit.report.sections_relations import distance_section, framing_effect_section


def test_an_image_that_several_steps_left_out_is_one_row(bare_contents):
    skipped = pd.DataFrame(
        [
            ("train", "images", "a.png", "truncated file"),
            ("train", "features", "b.png", "no pixels"),
            ("test", "features", "a.png", "truncated file"),
            ("test", "responses", "a.png", "truncated file"),
        ],
        columns=["split", "step", "image_id", "reason"],
    )
    section = left_out_section(dataclasses.replace(bare_contents, skipped=skipped), [])
    (table,) = (block for block in section.blocks if isinstance(block, TableBlock))
    assert table.caption == "3 images left out"
    assert table.rows[2] == ["a.png", "test", "features; responses", "truncated file"]


@pytest.mark.parametrize("n", [30, 120])
def test_a_curve_is_told_only_where_there_is_one(contents, n):
    contents.per_image = contents.per_image.head(n)
    contents.analysis = contents.analysis if n == 120 else None
    figures = [
        block
        for section in (distance_section(contents), framing_effect_section(contents))
        for block in section.blocks
        if isinstance(block, FigureBlock) and "top1" in block.name + "top1" * (block.name == "position")
    ]
    told = {figure.name: "band" in figure.caption for figure in figures}
    if n == 120:
        assert told["distance-p-top1-change"]
        assert told["position"]
        assert "distance-p-top1-change-given-margin" in told
    else:
        assert told == {"distance-p-top1-change": False, "position": False}
        assert all("Too few images for a curve" in figure.caption for figure in figures)
        assert not any("curve" in figure.alt for figure in figures)
