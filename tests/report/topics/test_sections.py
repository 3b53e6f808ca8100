"""What tables and captions say where images are few or were left out."""

import dataclasses

import pandas as pd
import pytest

from bias_toolkit.report.page.blocks import Cell, FigureBlock, TableBlock
from bias_toolkit.report.topic import Draft
from bias_toolkit.report.topics import cause, distance, explanations, framing_effect, invariance
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


MAP, SIZES = "Results of `bias-toolkit map` are left out", "Results of `bias-toolkit sizes` are left out"


@pytest.mark.parametrize(
    ("outdated", "told", "reason"),
    [
        ((), [], "position, scale and view size were not varied. `bias-toolkit map` and `bias-toolkit sizes`, run on"),
        (("map",), [MAP], "the view size was not varied. `bias-toolkit sizes`, run on the study, does it; it takes"),
        (("sizes",), [SIZES], "position and scale were not varied. `bias-toolkit map`, run on the study, does it;"),
        (("sizes", "map"), [MAP, SIZES], None),
    ],
)
def test_what_an_earlier_run_made_is_not_called_missing(bare_source, outdated, told, reason, tmp_path):
    source = dataclasses.replace(bare_source, outdated=frozenset(outdated))
    draft = Draft(tmp_path)
    section = cause.TOPIC.section(cause.TOPIC.gather(source), draft)
    assert (section and section.reason.startswith(reason)) is (reason and True)
    earlier = [sentence for sentence in gather(source).missing if "earlier run" in sentence]
    assert [sentence.partition(":")[0] for sentence in earlier] == told
    assert all("with other inputs, settings or version; run `bias-toolkit " in sentence for sentence in earlier)


@pytest.mark.parametrize(("outdated", "is_said"), [((), True), (("explain",), False), (("map",), True)])
def test_explanations_of_an_earlier_run_are_not_called_missing(bare_source, outdated, is_said, tmp_path):
    source = dataclasses.replace(bare_source, outdated=frozenset(outdated))
    section = explanations.TOPIC.section(explanations.TOPIC.gather(source), Draft(tmp_path))
    assert (section is not None) == is_said


def test_the_note_on_all_sweeps_says_which_intervals_are_exact(shared_source, tmp_path):
    section = invariance.TOPIC.section(invariance.TOPIC.gather(shared_source), Draft(tmp_path))
    (table,) = (block for block in section.blocks if isinstance(block, TableBlock))
    exact = [name for name in ("Any change", "Worst-case accuracy") if name in table.header]
    assert ("exact (Clopper–Pearson) for " in table.note) == bool(exact)
    assert all(name.lower() in table.note for name in exact)


@pytest.mark.parametrize(
    ("topic", "family"),
    [
        (distance, "It is one question asked several times"),
        (framing_effect, "of every variable of framing with every measure"),
    ],
)
def test_the_note_on_correlations_names_their_family_and_both_ways_in_which_p_may_differ(
    shared_source, topic, family, tmp_path
):
    section = topic.TOPIC.section(topic.TOPIC.gather(shared_source), Draft(tmp_path))
    (note,) = (block.note for block in section.blocks if isinstance(block, TableBlock) and "ρ" in block.caption)
    assert "The family is all ρ of one column" in note
    assert family in note
    assert "below 0.05 where the interval includes 0, and above 0.05 where the interval leaves out 0" in note


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
