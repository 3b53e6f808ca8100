"""Sentences that follow from the numbers, and that say plainly where there is no effect."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from bias_toolkit.foundation.words import count, p_value, percent
from bias_toolkit.report.contents import ReportContents
from bias_toolkit.report.finding import (
    CAUTION,
    CLASSES,
    DATA,
    EFFECT,
    KIND_NAMES,
    NONE,
    Finding,
    value_of,
)
from bias_toolkit.report.findings_cause import cause_findings
from bias_toolkit.report.findings_explanations import explanation_findings
from bias_toolkit.report.findings_factors import factor_findings
from bias_toolkit.report.findings_framing import framing_findings
from bias_toolkit.report.findings_invariance import invariance_findings
from bias_toolkit.report.findings_localisation import localisation_findings
from bias_toolkit.report.findings_regression import regression_findings
from bias_toolkit.report.findings_relations import distance_findings, framing_effect_findings
from bias_toolkit.report.localisation import marked_findings

ENOUGH_IMAGES_OF_A_CLASS = 5
SIGNIFICANT = 0.05


def all_findings(contents: ReportContents) -> list[Finding]:
    """All findings, in the report's order."""
    return [
        *marked_findings(framing_findings(contents), contents.localisation),
        *localisation_findings(contents.localisation),
        *invariance_findings(contents),
        *distance_findings(contents),
        *regression_findings(contents),
        *marked_findings(framing_effect_findings(contents), contents.localisation),
        *factor_findings(contents),
        *cause_findings(contents),
        *explanation_findings(contents),
        *class_findings(contents),
        *data_findings(contents),
    ]


def class_findings(contents: ReportContents) -> list[Finding]:
    """Whether classes differ in stability, by a Kruskal–Wallis test over images, and which are at the ends."""
    from scipy.stats import kruskal

    classes, per_image = contents.table("classes"), contents.per_image
    if not len(classes) or per_image is None or "label" not in per_image:
        return []
    groups = [
        values.to_numpy(float)
        for _, values in per_image.dropna(subset=["label", "p_top1_change"]).groupby("label")["p_top1_change"]
        if len(values) >= ENOUGH_IMAGES_OF_A_CLASS
    ]
    if len(groups) < 2 or all((group == groups[0][0]).all() for group in groups):
        return []
    p = float(kruskal(*groups).pvalue)
    test = f"Kruskal–Wallis test over images, {p_value(p)}, {count(len(groups), 'class', 'classes')}"
    if p >= SIGNIFICANT:
        return [Finding(CLASSES, NONE, "No difference in stability between classes was found.", f"{test}.")]
    ranked = classes[classes["n"].ge(ENOUGH_IMAGES_OF_A_CLASS)].sort_values(
        ["p_top1_change", "label"], ascending=[False, True], kind="stable"
    )
    least, most = ranked.iloc[0].to_dict(), ranked.iloc[-1].to_dict()

    def told(row) -> str:
        return f"“{contents.class_name(row['label'])}”, {value_of(row, 'p_top1_change', percent, True, row['n'])}"

    return [
        Finding(
            CLASSES,
            EFFECT,
            "Classes differ in stability.",
            f"{test}. P(top-1 change) is highest for {told(least)}, and lowest for {told(most)}.",
        )
    ]


def data_findings(contents: ReportContents) -> list[Finding]:
    """Images and boxes that were left out."""
    found = [
        Finding(
            DATA,
            CAUTION,
            f"{count(dataset.n_skipped, 'image')} of the {split} set could not be used and {_was(dataset.n_skipped)} "
            "left out.",
            "The reasons are under “What was left out”, and in skipped.csv.",
        )
        for split, dataset in (("training", contents.train), ("test", contents.test))
        if dataset.n_skipped
    ]
    return found + [Finding(DATA, CAUTION, sentence) for sentence in dropped_boxes(contents)]


def dropped_boxes(contents: ReportContents) -> list[str]:
    """A sentence on the boxes of each set that had no area."""
    return [
        f"{count(dataset.dropped_boxes, 'box', 'boxes')} of the {split} set had no area inside the image and "
        f"{_was(dataset.dropped_boxes)} dropped."
        for split, dataset in (("training", contents.train), ("test", contents.test))
        if dataset.dropped_boxes
    ]


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def as_text(findings: Sequence[Finding], width: int = 88) -> str:
    """The findings for a terminal: a heading for each topic, and a wrapped paragraph for each finding."""
    lines = []
    topic = None
    for finding in findings:
        if finding.topic != topic:
            lines.extend(([""] if lines else []) + [finding.topic])
            topic = finding.topic
        lines.append(
            textwrap.fill(
                f"{finding.text} [{KIND_NAMES[finding.kind]}]",
                width,
                initial_indent="  - ",
                subsequent_indent="    ",
                break_long_words=False,
                break_on_hyphens=False,
            )
        )
    return "\n".join(lines)
