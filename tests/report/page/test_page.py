"""What a page shows at first, and what it folds."""

import dataclasses
import math
import re

import pytest

from bias_toolkit.report import Finding, Page
from bias_toolkit.report.page.blocks import Paragraph, Section
from bias_toolkit.report.page.page import first_findings, render
from bias_toolkit.report.words.finding import KINDS, Estimate, Kind, Unit

ESTIMATE = Estimate("p_top1_change", "P(top-1 change)", 0.25, 0.2, 0.3, 1000, unit=Unit.SHARE)


def finding(claim, rank=None, kind=Kind.FACT, **more):
    return Finding("Topic", kind, claim, rank=rank, **more)


FINDINGS = [finding("third", 30), finding("never first"), finding("first", 10), finding("second", 20)]


@pytest.mark.parametrize(("most", "shown"), [(2, ["first", "second"]), (9, ["first", "second", "third"]), (None, [])])
def test_the_findings_of_the_lowest_ranks_come_first(most, shown):
    assert [each.claim for each in first_findings(FINDINGS, most)] == shown


def folded(html):
    """The page without its folded parts, and these parts."""
    parts = re.findall(r"<details.*?</details>", html, flags=re.DOTALL)
    for part in parts:
        html = html.replace(part, "")
    return html, " ".join(parts)


def test_the_other_findings_are_folded():
    first, rest = folded(render(Page("Study", [], FINDINGS, [], most=2)))
    assert [claim in first for claim in ("first", "second", "third", "never first")] == [True, True, False, False]
    assert "Further findings: 2" in rest
    assert "third" in rest


def test_all_findings_are_shown_where_no_number_is_given():
    first, _ = folded(render(Page("Study", [], FINDINGS, [])))
    assert all(each.claim in first for each in FINDINGS)


def test_a_finding_shows_its_number_and_folds_its_evidence():
    page = Page("Study", [], [finding("One pixel matters.", 1, evidence="Much more.", estimate=ESTIMATE)], [], most=1)
    html = render(page)
    summary = re.search(r"<summary>(.*?)</summary>", html, flags=re.DOTALL)[1]
    assert "One pixel matters." in summary
    assert "P(top-1 change) 25.0% (95% interval 20.0% to 30.0%; 1,000 images)" in summary
    assert "Much more." not in summary
    assert "Much more." in html


@pytest.mark.parametrize("kind", Kind)
def test_every_mark_is_in_the_legend(kind):
    html = render(Page("Study", [], [finding("A claim.", kind=kind)], []))
    assert html.count(KINDS[kind].tag) >= 2
    assert KINDS[kind].meaning in html.replace("&#39;", "'")


def test_an_answer_shows_all_of_it():
    answer = finding("One pixel matters.", evidence="And more.", estimate=ESTIMATE)
    first, _ = folded(render(Page("Study", [], [], [], answers=[answer])))
    assert all(text in first for text in ("One pixel matters.", ESTIMATE.text, "And more."))


def test_a_folded_section_shows_its_heading_only():
    section = Section("anchor", "Heading", [Paragraph("Its text.")])
    for is_folded in (False, True):
        first, _ = folded(render(Page("Study", [], [], [dataclasses.replace(section, folded=is_folded)])))
        assert ("Its text." in first) is not is_folded


@pytest.mark.parametrize("end", [None, math.nan])
def test_an_estimate_without_an_interval_says_why(end):
    few = dataclasses.replace(ESTIMATE, low=end, high=end, n=4)
    assert few.text == "P(top-1 change) 25.0% (too few images, or too alike, for an interval; 4 images)"
    assert (few.low, few.high) == (None, None)


@pytest.mark.parametrize(
    ("low", "high", "nothing", "direction"),
    [
        *[(0.1, 0.2, 0.0, 1), (-0.2, -0.1, 0.0, -1), (-0.1, 0.2, 0.0, 0), (1.1, 1.2, 1.0, 1), (0.0, 0.2, 0.0, 0)],
        *[(0.9, 1.2, 1.0, 0), (0.7, 0.8, 1.0, -1)],
        *[(None, None, 0.0, None), (float("nan"), float("nan"), 0.0, None), (0.1, 0.2, None, None)],
    ],
)
def test_the_direction_is_the_intervals(low, high, nothing, direction):
    assert Estimate("rho", "ρ", 0.1, low, high, 100, nothing=nothing).direction == direction


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (0.0038, 0.14, "ρ 0.071 (0.004 to 0.140)"),
        (0.0, 0.14, "ρ 0.07 (0.00 to 0.14)"),
        (-0.0038, 0.14, "ρ 0.07 (0.00 to 0.14)"),
        (0.006, 0.14, "ρ 0.07 (0.01 to 0.14)"),
    ],
)
def test_an_interval_that_excludes_nothing_is_not_written_as_if_it_ended_there(low, high, shown):
    assert Estimate("rho", "ρ", 0.0707, low, high, 100, nothing=0.0).brief == shown


def test_an_interval_below_nothing_and_in_nats():
    assert Estimate("rho", "ρ", -0.07, -0.14, -0.0038, 100, nothing=0.0).brief == "ρ −0.070 (−0.140 to −0.004)"
    ratio = Estimate("odds_ratio", "Odds ratio", 1.2, 1.002, 1.45, 100, unit=Unit.FACTOR, nothing=1.0)
    assert ratio.brief == "Odds ratio 1.200 (1.002 to 1.450)"
    loss = Estimate("difference", "Rise", 0.000992, -0.00106, 0.0033, 1000, unit=Unit.NATS, nothing=0.0)
    assert loss.text == "Rise 0.0010 nats (95% interval −0.0011 to 0.0033; 1,000 images)"
