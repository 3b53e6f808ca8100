"""What tables and captions say where images are few or were left out."""

import dataclasses

import pandas as pd
import pytest

from bias_toolkit.report.page.blocks import Cell, FigureBlock, TableBlock
from bias_toolkit.report.topic import Draft
from bias_toolkit.report.topics import distance, framing_effect, invariance
from bias_toolkit.report.topics.left_out import gather, left_out_section
from bias_toolkit.report.words.sentences import sweep_name


def test_an_image_that_several_steps_left_out_is_one_row(bare_source):
    skipped = pd.DataFrame(
        [
            ("train", "images", "a.png", "truncated file"),
            ("train", "features", "b.png", "no pixels"),
            ("test", "features", "a.png", "truncated file"),
            ("test", "responses", "a.png", "truncated file"),
        ],
        columns=["split", "step", "image_id", "reason"],
    )
    section = left_out_section(gather(dataclasses.replace(bare_source, skipped_images=skipped)), [])
    (table,) = (block for block in section.blocks if isinstance(block, TableBlock))
    assert table.caption == "3 images left out"
    assert table.rows[2] == ["a.png", "test", "features; responses", "truncated file"]


@pytest.mark.parametrize("n", [30, 120])
def test_a_curve_is_told_only_where_there_is_one(source, analysis_of, n, tmp_path):
    source.per_image = source.per_image.head(n)
    source.analysis = source.analysis if n == 120 else analysis_of()
    figures = [
        block
        for section in (
            topic.TOPIC.section(topic.gather(source), Draft(tmp_path)) for topic in (distance, framing_effect)
        )
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


@pytest.mark.parametrize(("n", "is_shown"), [(50, False), (51, True)])
def test_images_of_like_margin_are_shown_where_there_are_several_strata(source, n, is_shown, tmp_path):
    complete = source.per_image.dropna(subset=["nn_distance", "p_top1_change", "margin"])
    source.per_image = complete.head(n)
    assert len(source.per_image) == n
    section = distance.TOPIC.section(distance.TOPIC.gather(source), Draft(tmp_path))
    names = [block.name for block in section.blocks if isinstance(block, FigureBlock)]
    assert ("distance-p-top1-change-given-margin" in names) == is_shown


def test_the_reference_sweep_alone_is_marked(source):
    section = invariance.TOPIC.section(invariance.TOPIC.gather(source), None)
    tables = [block for block in section.blocks if isinstance(block, TableBlock)]
    marked = [[isinstance(cell, Cell) and cell.marked for cell in row] for table in tables for row in table.rows]
    assert sum(row[0] for row in marked) == 1
    assert all(all(row) or not any(row) for row in marked)
    (name,) = (row[0] for table in tables for row in table.rows if isinstance(row[0], Cell) and row[0].marked)
    assert f"{name.text}, {name.detail}" == sweep_name(*source.reference)
