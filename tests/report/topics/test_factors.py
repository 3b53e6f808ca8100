"""Annotated factors in words, tables and figures."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_toolkit.analysis.factors import factor_effects
from bias_toolkit.analysis.schema import FACTORS
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.report import topic_findings, write_report
from bias_toolkit.report.page.blocks import ListBlock, Omitted, TableBlock
from bias_toolkit.report.plots import plot
from bias_toolkit.report.topics.factors import (
    TITLE,
    Factors,
    adjusted,
    factor_differences,
    factor_findings,
    factors_section,
    gather,
    points,
)


@pytest.fixture
def with_factors(source):
    """Pose is what makes images change; smaller has nothing to do with it."""
    per_image = source.per_image
    factors = pd.DataFrame(
        {
            "image_id": per_image["image_id"],
            "pose": per_image["p_top1_change"] > per_image["p_top1_change"].median(),
            "smaller": np.arange(len(per_image)) % 2 == 0,
        }
    )
    table, notes = factor_effects(per_image, factors, resamples=200, permutations=199)
    notes = pd.DataFrame({"topic": "factors", "sentence": [*notes, "A <note>."]})
    return dataclasses.replace(source, analysis=dataclasses.replace(source.analysis, factors=table, notes=notes))


def factor(name, difference, half=0.02, given=None, given_half=None):
    """A row of FACTORS, by default of a factor whose difference is the same among images of similar margin."""
    given = difference if given is None else given
    row = dict.fromkeys(FACTORS.names, 0.5)
    row |= {"factor": name, "measure": "p_top1_change", "n_with": 80, "n_without": 120}
    for column, value, width in (("difference", difference, half), ("given_margin", given, given_half or half)):
        row |= {column: value, f"{column}_low": value - width, f"{column}_high": value + width}
    return row


def finding_of(*rows):
    (finding,) = factor_findings(Factors(pd.DataFrame(rows), [], pd.DataFrame()))
    return finding


SUBJECT = "Images with the annotated factor “pose” are"
NOTHING = "No annotated factor was found to go with another stability."


@pytest.mark.parametrize(
    ("rows", "kind", "claim"),
    [
        (
            [factor("pose", 0.1), factor("smaller", 0.0)],
            "association",
            f"{SUBJECT} less stable than those without it, also among images of similar confidence.",
        ),
        (
            [factor("pose", -0.1), factor("smaller", 0.0)],
            "association",
            f"{SUBJECT} more stable than those without it, also among images of similar confidence.",
        ),
        (
            [factor("pose", 0.1, given=0.01)],
            "explained",
            f"{SUBJECT} less stable than those without it.",
        ),
        (
            [factor("pose", 0.1, given=-0.1)],
            "association",
            f"{SUBJECT} less stable than those without it, but more stable among images of similar confidence.",
        ),
        (
            [factor("pose", 0.1, given_half=np.nan)],
            "association",
            f"{SUBJECT} less stable than those without it; among images of similar confidence that is not known.",
        ),
        ([factor("pose", 0.01), factor("smaller", 0.0)], "none", NOTHING),
        # An interval that ends at 0 includes it.
        ([factor("pose", 0.125, 0.125)], "none", NOTHING),
    ],
)
def test_what_a_factor_goes_with(rows, kind, claim):
    finding = finding_of(*rows)
    assert (finding.kind, finding.claim) == (kind, claim)
    assert finding.rank == (170 if kind == "none" else 70)


def test_a_factor_that_remains_given_the_margin_is_told_first():
    finding = finding_of(factor("pose", 0.3, given=0.0), factor("smaller", 0.1))
    assert "“smaller” are less stable" in finding.claim
    assert finding.evidence.startswith(
        "Of 2 annotated factors, 2 go with another stability among all images. 1 does also among images of similar "
        "confidence. Among all images: difference in P(top-1 change), the clearest of 2 factors, 10.0 percentage "
        "points (95% interval 8.0 to 12.0;"
    )


def test_factors_are_a_family():
    """Alone, its interval excludes 0; among ten factors it does not, and none is found."""
    assert finding_of(factor("pose", 0.021)).kind == "association"
    finding = finding_of(factor("pose", 0.021), *(factor(f"{i}", 0.0) for i in range(9)))
    assert finding.kind == "none"
    assert finding.estimate.low < 0 < finding.estimate.high
    assert "“pose” is the one nearest to a difference" in finding.evidence


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(*[st.floats(-0.5, 0.5), st.floats(0.01, 0.3)] * 2), min_size=1, max_size=8))
def test_a_factor_is_found_where_its_interval_says_so(values):
    rows = [factor(f"f{i}", a, b, c, d) for i, (a, b, c, d) in enumerate(values)]
    finding = finding_of(*rows)
    found = adjusted(pd.DataFrame(rows), "p_top1_change")
    any_found = bool((found["difference_low"].gt(0) | found["difference_high"].lt(0)).any())
    assert (finding.kind != "none") == any_found
    assert (finding.kind in ("association", "explained")) == (finding.estimate.direction in (1, -1))
    assert (finding.kind == "explained") == finding.evidence.startswith("Among images of similar confidence, this was")


def test_a_known_law(with_factors):
    (finding,) = topic_findings(with_factors, "factors")
    assert finding.kind in ("association", "explained")
    assert "“pose” are less stable" in finding.claim


def test_nothing_is_said_where_nobody_asked(source, bare_source):
    for each in (source, bare_source):
        assert topic_findings(each, "factors") == []
        assert factors_section(gather(each)) is None
        with pytest.raises(InputError, match="no test image with annotated factors"):
            plot(each, "factors")


def test_nothing_matches(bare_source, analysis_of):
    note = "No test image has the name of an image that ImageNet-X annotates."
    notes = pd.DataFrame({"topic": ["regression", "factors"], "sentence": ["Other.", note]})
    tables = analysis_of(factors=pd.DataFrame(columns=FACTORS.names), notes=notes)
    source = dataclasses.replace(bare_source, analysis=tables)
    (finding,) = topic_findings(source, "factors")
    assert (finding.kind, finding.claim) == ("unknown", note)
    reason = "no test image has the name of an image that ImageNet-X annotates."
    assert factors_section(gather(source)) == Omitted(TITLE, reason)


def test_section(with_factors):
    section = factors_section(gather(with_factors))
    tables = [block for block in section.blocks if isinstance(block, TableBlock)]
    assert [table.folded for table in tables] == [False, True, True]
    assert [row[0] for row in tables[0].rows] == ["Pose", "Smaller"]
    pose = tables[0].rows[0]
    row = with_factors.table("factors").query("factor == 'pose' and measure == 'p_top1_change'").iloc[0]
    assert pose[1].text == f"{100 * row['value']:.1f}%"
    assert f"{int(row['n_with'])} images" in pose[1].detail
    assert pose[3].text == f"+{100 * row['difference']:.1f}"
    assert [pose[3].marked, tables[0].rows[1][3].marked] == [True, False]
    (notes,) = (block for block in section.blocks if isinstance(block, ListBlock))
    assert notes.items[-1].text == "A <note>."


def test_figure(with_factors):
    table = with_factors.table("factors")
    ax = factor_differences(table, "mac")
    rows = table[table["measure"].eq("mac")].sort_values("difference", ascending=False)
    plain, given = (line for line in ax.lines if len(line.get_xdata()) == len(rows) and line.get_marker() in "os")
    np.testing.assert_allclose(plain.get_xdata(), rows["difference"])
    np.testing.assert_allclose(given.get_xdata(), rows["given_margin"])
    labels = [label.get_text() for label in ax.get_yticklabels()]
    names = {"pose": "Pose", "smaller": "Smaller"}
    assert labels == [f"{names[row.factor]} ({row.n_with})" for row in rows.itertuples()]
    with pytest.raises(InputError, match="'margin', but factors can show only p_top1_change, mac, accuracy"):
        plot(with_factors, "factors", measure="margin")


@pytest.mark.usefixtures("pages_without_figures")
def test_page(with_factors, tmp_path):
    html = write_report(with_factors, tmp_path / "report").read_text(encoding="utf-8")
    assert "A &lt;note&gt;." in html
    assert (tmp_path / "report" / "figures" / "factors.svg").is_file()
    written = pd.read_csv(tmp_path / "report" / "tables" / "factors.csv")
    assert len(written) == 6


def test_points():
    assert [points(value) for value in (0.1234, -0.05, 0.0)] == ["+12.3", "−5.0", "0.0"]
