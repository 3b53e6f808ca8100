"""Every finding of a report agrees with the number, the interval and the figure that are shown with it."""

import dataclasses
import math
import re

import pytest

from bias_toolkit.analysis import analyse
from bias_toolkit.foundation.words import known
from bias_toolkit.report import write
from bias_toolkit.report.page.blocks import FigureBlock, Section, TableBlock
from bias_toolkit.report.topic import Draft
from bias_toolkit.report.words.finding import Kind, Unit

from .conftest import make_source

RANGES = {Unit.SHARE: (0, 1), Unit.POINTS: (-1, 1), Unit.FACTOR: (0, math.inf)}
FOUND = (Kind.EFFECT, Kind.ASSOCIATION, Kind.EXPLAINED)


def faults(finding, figures):
    """What a finding says that its numbers do not show."""
    estimate, found = finding.estimate, []
    # Names of classes and measures may have digits.
    if re.search(r"\d", re.sub(r"“[^”]*”|top-\d", "", finding.claim)):
        found.append("its claim has a number")
    if finding.figure is not None and finding.figure not in figures:
        found.append(f"there is no figure {finding.figure}")
    if estimate is None:
        return [*found, "it has no estimate"] if finding.kind in FOUND else found
    if finding.kind in FOUND and estimate.nothing is not None and estimate.direction not in (1, -1):
        found.append("it says that something was found, and its interval includes nothing")
    if finding.kind is Kind.NONE and estimate.direction not in (0, None):
        found.append("it says that nothing was found, and its interval excludes it")
    if known(estimate.low):
        lowest, highest = RANGES.get(estimate.unit, (-math.inf, math.inf))
        if not estimate.low < estimate.high:
            found.append("its interval has no width")
        if not lowest <= estimate.low <= estimate.value <= estimate.high <= highest:
            found.append("its value lies outside its interval, or the interval outside the measure's range")
        if estimate.n < 5:
            found.append("its interval is of too few")
    return found


def without_place(table):
    """What a table defines and does not show, in its heading or at the start of a row."""
    starts = [row[0] if isinstance(row[0], str) else f"{row[0].text} {row[0].detail}" for row in table.rows]
    places = " ".join([*table.header, *starts]).lower()
    return [definition.label for definition in table.definitions if definition.label.lower() not in places]


def shuffled(source):
    """The study with each image's measures given to another image: nothing is related to them."""
    measures = ["p_top1_change", "mac", "margin"]
    order = source.per_image.sample(frac=1, random_state=1)[measures].to_numpy()
    per_image = source.per_image.copy()
    per_image[measures] = order
    analysis = analyse(per_image, source.measures, bins=5, resamples=100, permutations=100)
    return dataclasses.replace(source, per_image=per_image, analysis=analysis)


def never_changing(source):
    """The study of a model that no shift moves."""
    columns = dict.fromkeys(("p_top1_change", "mac", "p_top5_exit", "p_range", "feature_drift"), 0.0)
    per_image, measures = source.per_image.assign(**columns), source.measures.assign(**columns)
    analysis = analyse(per_image, measures, bins=5, resamples=100, permutations=100)
    return dataclasses.replace(source, per_image=per_image, measures=measures, analysis=analysis)


STUDIES = {
    "related": lambda source: source,
    "few": lambda source: make_source(12),
    "unrelated": shuffled,
    "never changing": never_changing,
}


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.usefixtures("folding_in_two")
def test_every_finding_follows_from_what_is_shown_with_it(name, source, tmp_path):
    gathered = write.gather(STUDIES[name](source))
    there = [(topic, contents) for topic, contents in gathered if contents is not None]
    sections = [topic.section(contents, Draft(tmp_path)) for topic, contents in there]
    blocks = [block for section in sections if isinstance(section, Section) for block in section.blocks]
    figures = {block.name for block in blocks if isinstance(block, FigureBlock)}
    tables = [block for block in blocks if isinstance(block, TableBlock)]
    assert [undefined for table in tables if (undefined := without_place(table))] == []
    findings = [*write.answers_of(gathered, None), *write.findings_of(gathered, None)]
    assert {finding.claim: found for finding in findings if (found := faults(finding, figures))} == {}
    assert len(findings) > 8
