"""Whether the framing of a test image goes with the model's stability on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_toolkit.foundation.words import count
from bias_toolkit.objects import centring
from bias_toolkit.report.columns import has_values, require_numbers
from bias_toolkit.report.page.blocks import Block, FigureBlock, Omitted, Section
from bias_toolkit.report.relations import figures, tables
from bias_toolkit.report.relations.blocks import about_curve, and_curve, both_rhos, correlations_table
from bias_toolkit.report.relations.findings import Variable, relation
from bias_toolkit.report.relations.tables import Relations, curve_rows
from bias_toolkit.report.source import Source
from bias_toolkit.report.topic import Choice, Option, Plot, Topic
from bias_toolkit.report.topics.framing.contents import set_summary, whole_dataset
from bias_toolkit.report.words.definitions import COLUMNS, FRAMING, label_of
from bias_toolkit.report.words.finding import Finding, Heading, Kind, sign, value_of
from bias_toolkit.report.words.sentences import BOTH_SETS, TEST, TEST_ONLY, lowered

TITLE = "Framing and invariance"
FRAMING_VARIABLES = (
    Variable(
        "centre_distance",
        Heading.FRAMING_EFFECT,
        "The farther an image's object is from the centre",
        "the distance of an image's object from the centre",
        "most central",
        "least central",
        TEST_ONLY,
    ),
    Variable(
        "log_scale_deviation",
        Heading.FRAMING_EFFECT,
        "The more the scale of an image's object differs from the training objects' median",
        "the deviation of the object's scale from the training objects' median",
        "most usual",
        "least usual",
        BOTH_SETS,
    ),
    Variable(
        "framing_log_density",
        Heading.FRAMING_EFFECT,
        "The more usual the framing of an image's object is among the training objects",
        "how usual the object's framing is among the training objects",
        "least usual",
        "most usual",
        BOTH_SETS,
    ),
)


@dataclass(frozen=True)
class FramingEffect:
    """What relates framing to measures, and table FRAMING_SUMMARY of the test set; None where it has no objects."""

    relations: Relations
    test_summary: pd.DataFrame | None


def gather(source: Source) -> FramingEffect:
    """What relates the framing of a study's test images to their measures."""
    return FramingEffect(tables.gather(source), set_summary(source, TEST))


def framing_effect_findings(contents: FramingEffect) -> list[Finding]:
    """Position, scale and density of the test objects against P(top-1 change)."""
    relations = contents.relations
    if not has_values(relations.per_image, "p_top1_change"):
        return []
    if not has_values(relations.per_image, "centre_distance"):
        return [
            Finding(
                Heading.FRAMING_EFFECT,
                Kind.UNKNOWN,
                "Whether the framing of a test image decides its stability cannot be said: its objects have no boxes.",
            )
        ]
    variables = [variable for variable in FRAMING_VARIABLES if has_values(relations.per_image, variable.name)]
    found = [relation(relations, variable, "p_top1_change") for variable in variables]
    test = whole_dataset(contents.test_summary)
    if test is None or any(finding.kind not in (Kind.NONE, Kind.EXPLAINED) for finding in found):
        return found
    column = centring(test).column
    if sign(test[f"{column}_low"], test[f"{column}_high"]) == 1:
        found.append(
            Finding(
                Heading.FRAMING_EFFECT,
                Kind.CAUTION,
                "The test photographs are centred themselves, so an effect of framing may not show in them.",
                f"Their {label_of(column).lower()} is {value_of(test, column, n=test['n_images'])}. "
                "To show, it may need framing varied on purpose.",
                boxes=TEST_ONLY,
                states_centring=True,
            )
        )
    return found


def framing_effect_section(contents: FramingEffect) -> Section | Omitted:
    """Invariance by the object's position and scale."""
    relations = contents.relations
    if not has_values(relations.per_image, "centre_distance", "p_top1_change"):
        return Omitted(TITLE, "the test images have no object boxes, or no sweep was run.")
    blocks: list[Block] = []
    for name, x, draw in (
        ("position", "centre_distance", figures.invariance_vs_position),
        ("scale-invariance", "scale", figures.invariance_vs_scale),
    ):
        if has_values(relations.per_image, x, "p_top1_change"):
            blocks.append(_figure(relations, name, x, draw))
    correlations = correlations_table(relations, FRAMING, "Framing against invariance", BOTH_SETS)
    if correlations is not None:
        blocks.append(correlations)
    return Section("framing-invariance", TITLE, blocks)


def _figure(relations: Relations, name: str, x: str, draw: Callable[..., Axes]) -> FigureBlock:
    measure = "p_top1_change"
    n = int(relations.per_image[[x, measure]].notna().all(axis=1).sum())
    what = COLUMNS[x].label
    curved = relations.has_curve(x, measure)
    by = f"{label_of(measure)} by the {lowered(what)}"
    return FigureBlock(
        name,
        lambda: draw(
            relations.per_image,
            measure=measure,
            bins=relations.bins,
            curve=curve_rows(relations.curves, x, measure),
            correlations=relations.correlations,
        ),
        f"{by}: points{and_curve(curved)}.",
        f"{by}; one point a test image ({count(n, 'image')}). {about_curve(curved)} {both_rhos(relations, x, measure)}",
        half=True,
        boxes=TEST_ONLY,
    )


def _plot(draw: Callable[..., Axes], column: str, order: int) -> Plot[FramingEffect]:
    def drawn(contents: FramingEffect, choice: Choice[FramingEffect]) -> Figure:
        relations = contents.relations
        require_numbers(relations.per_image, measure=choice.measure)
        computed = relations.computed(column, choice.measure, choice.bins)
        return draw(relations.per_image, measure=choice.measure, **computed).figure

    return Plot(
        drawn,
        shown=lambda contents: contents.relations.per_image,
        lacking="sweep",
        order=order,
        takes=frozenset({Option.MEASURE, Option.BINS}),
        boxes=TEST_ONLY,
    )


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
