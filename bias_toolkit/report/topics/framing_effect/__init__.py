"""Whether the framing of a test image is related to the model's stability on it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd
from matplotlib.axes import Axes

from bias_toolkit.foundation.words import known
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.objects import centring
from bias_toolkit.report.columns import has_values, require_numbers
from bias_toolkit.report.page.blocks import Block, Omitted, Section
from bias_toolkit.report.relations import figures, tables
from bias_toolkit.report.relations.blocks import correlations_table, relation_figure
from bias_toolkit.report.relations.findings import Variable, relation
from bias_toolkit.report.relations.tables import Relations
from bias_toolkit.report.source import Source
from bias_toolkit.report.topic import Choice, Option, Plot, Topic
from bias_toolkit.report.topics.framing.contents import set_summary, that_count, whole_dataset
from bias_toolkit.report.words.definitions import COLUMNS, FRAMING, label_of
from bias_toolkit.report.words.finding import Finding, Heading, Kind, estimate_of_row
from bias_toolkit.report.words.sentences import BOTH_SETS, SET_NAMES, TEST_ONLY, lowered

TITLE = "Framing and invariance"
RANK = 80
SIZEABLE = 1 / 3
"""The share of the training set's centre bias from which on the test set counts as centred itself."""
FRAMING_VARIABLES = (
    Variable(
        "centre_distance",
        Heading.FRAMING_EFFECT,
        "The farther an image's object is from the centre",
        "the distance of an image's object from the centre",
        "most central",
        "least central",
        "position",
        TEST_ONLY,
    ),
    Variable(
        "scale",
        Heading.FRAMING_EFFECT,
        "The larger an image's object is shown",
        "the scale of an image's object",
        "smallest-object",
        "largest-object",
        "scale-invariance",
        TEST_ONLY,
    ),
    Variable(
        "log_scale_deviation",
        Heading.FRAMING_EFFECT,
        "The more the scale of an image's object differs from the training objects' median",
        "the deviation of the object's scale from the training objects' median",
        "most usual",
        "least usual",
        boxes=BOTH_SETS,
    ),
    Variable(
        "framing_log_density",
        Heading.FRAMING_EFFECT,
        "The more usual the framing of an image's object is among the training objects",
        "how usual the object's framing is among the training objects",
        "least usual",
        "most usual",
        boxes=BOTH_SETS,
    ),
)


@dataclass(frozen=True)
class FramingEffect:
    """The relation of framing to measures, and table FRAMING_SUMMARY of both sets; None for one without objects."""

    relations: Relations
    training_summary: pd.DataFrame | None
    test_summary: pd.DataFrame | None


def gather(source: Source) -> FramingEffect:
    """The relation of the framing of a study's test images to their measures."""
    return FramingEffect(tables.gather(source), *(set_summary(source, split) for split in SET_NAMES))


def framing_effect_findings(contents: FramingEffect) -> list[Finding]:
    """Position, scale and density of the test objects against P(top-1 change)."""
    relations = contents.relations
    if not has_values(relations.per_image, HEADLINE):
        return []
    if not has_values(relations.per_image, "centre_distance"):
        claim = "Whether framing and stability are related is not known: the test objects have no boxes."
        return [Finding(Heading.FRAMING_EFFECT, Kind.UNKNOWN, claim)]
    variables = [variable for variable in FRAMING_VARIABLES if has_values(relations.per_image, variable.name)]
    findings = [relation(relations, variable, HEADLINE, RANK) for variable in variables]
    centred = _centred_themselves(contents)
    if not centred or any(finding.kind not in (Kind.NONE, Kind.EXPLAINED) for finding in findings):
        return findings
    return [replace(each, evidence=f"{each.evidence} {centred}".strip(), boxes=BOTH_SETS) for each in findings]


def _centred_themselves(contents: FramingEffect) -> str:
    """That the test photographs are centred themselves, which may hide a relation; empty if they are not."""
    test, train = whole_dataset(contents.test_summary), whole_dataset(contents.training_summary)
    if test is None:
        return ""
    shown = centring(test)
    trained = 0.0 if train is None else train[shown.column]
    if not known(trained):
        return ""
    sizeable = max(0.0, SIZEABLE * trained)
    n = test[shown.n_objects]
    estimate = estimate_of_row(test, shown.column, "centre bias", n, "object", nothing=sizeable)
    if estimate.direction != 1:
        return ""
    return (
        f"The test objects{that_count(shown)} are centred themselves ({estimate.brief}), so a relation may not show; "
        "`bias-toolkit map` varies position and scale on purpose."
    )


def framing_effect_section(contents: FramingEffect) -> Section | Omitted:
    """Invariance by the object's position and scale."""
    relations = contents.relations
    if not has_values(relations.per_image, "centre_distance", HEADLINE):
        return Omitted(TITLE, "the test images have no object boxes, or no sweep was run.")
    blocks: list[Block] = [
        relation_figure(
            relations,
            name,
            x,
            HEADLINE,
            f"{label_of(HEADLINE)} by the {lowered(COLUMNS[x].label)}",
            draw,
            boxes=TEST_ONLY,
        )
        for name, x, draw in (
            ("position", "centre_distance", figures.invariance_vs_position),
            ("scale-invariance", "scale", figures.invariance_vs_scale),
        )
        if has_values(relations.per_image, x, HEADLINE)
    ]
    family = "The family is all ρ of one column: of every variable of framing with every measure."
    correlations = correlations_table(relations, FRAMING, "Framing against invariance", family, BOTH_SETS)
    return Section("framing-invariance", TITLE, [*blocks, *([correlations] if correlations else [])])


def _plot(draw: Callable[..., Axes], column: str, order: int) -> Plot[FramingEffect]:
    def drawn(contents: FramingEffect, choice: Choice[FramingEffect]) -> Axes:
        relations = contents.relations
        require_numbers(relations.per_image, measure=choice.measure)
        computed = relations.computed(column, choice.measure, choice.bins)
        return draw(relations.per_image, measure=choice.measure, **computed)

    takes = (Option.MEASURE, Option.BINS)
    return Plot(drawn, lambda contents: contents.relations.per_image, "sweep", order, takes, TEST_ONLY)


TOPIC = Topic(
    "framing-effect",
    gather,
    findings=framing_effect_findings,
    section=lambda contents, draft: framing_effect_section(contents),
    plots={
        "invariance-vs-position": _plot(figures.invariance_vs_position, "centre_distance", order=3),
        "invariance-vs-scale": _plot(figures.invariance_vs_scale, "scale", order=4),
    },
    boxes=BOTH_SETS,
)
