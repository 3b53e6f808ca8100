"""Annotated factors in words, tables and figures."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.analysis.factors import factor_effects
from bias_toolkit.analysis.schema import FACTORS
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.report import topic_findings, write_report
from bias_toolkit.report.page.blocks import ListBlock, Omitted, TableBlock
from bias_toolkit.report.plots import plot
from bias_toolkit.report.topics.factors import TITLE, factor_differences, factors_section, gather, points


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


def test_what_goes_with_instability(with_factors):
    (finding,) = topic_findings(with_factors, "factors")
    assert finding.kind == "effect"
    assert finding.claim == "Of 2 factors, 1 goes with another stability: pose."
    row = with_factors.table("factors").set_index(["factor", "measure"]).loc[("pose", "p_top1_change")]
    for text in (
        f"P(top-1 change) {100 * row['value']:.1f}% on {int(row['n_with'])} images with it",
        f"{100 * row['without']:.1f}% on {int(row['n_without'])} images without",
        f"a difference of +{100 * row['difference']:.1f} percentage points (95% interval ",
        f"95% interval +{100 * row['difference_low']:.1f} to",
        f"among images of like margin +{100 * row['given_margin']:.1f} (",
    ):
        assert text in finding.evidence


def test_no_factor_matters(with_factors):
    table = with_factors.table("factors")
    with_factors.analysis = dataclasses.replace(with_factors.analysis, factors=table[table["factor"].eq("smaller")])
    (finding,) = topic_findings(with_factors, "factors")
    assert (finding.kind, finding.claim) == ("none", "No annotated factor was found to go with instability.")
    assert "None of 1 factor" in finding.evidence


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
