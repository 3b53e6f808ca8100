"""What helps: the remedies at test time against the model as it is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from bias_toolkit.analysis.remedies import CONTROL, EFFECT_MEASURES, IF_RIGHT
from bias_toolkit.foundation.files import INTERVAL
from bias_toolkit.foundation.intervals import FEWEST_IMAGES, Interval, difference_limits
from bias_toolkit.foundation.words import count, interval, number, percent, significant
from bias_toolkit.invariance import HEADLINE, REMEDIES, remedy_of
from bias_toolkit.invariance.remedies import TRAINED, UNTOUCHED, Remedy
from bias_toolkit.report.page.blocks import (
    Block,
    Cell,
    FigureBlock,
    Omitted,
    Paragraph,
    Section,
    TableBlock,
    estimate_cell,
)
from bias_toolkit.report.page.files import Table
from bias_toolkit.report.source import Source
from bias_toolkit.report.topic import Choice, Plot, Topic
from bias_toolkit.report.topics.remedies.figures import reach_figure, remedies_by_distance, stability_plane
from bias_toolkit.report.words.definitions import Definition, label_of
from bias_toolkit.report.words.finding import (
    NOT_FOUND_RANK,
    Estimate,
    Finding,
    Heading,
    Kind,
    Unit,
    estimate_of_row,
    estimate_over,
    limits_of_row,
    sign,
    value_of,
)
from bias_toolkit.report.words.sentences import in_points

TITLE = "What helps"
RANK = 22
PLANE, BY_DISTANCE, REACH_FIGURE = "remedies", "remedies-by-distance", "augmentation-reach"
LABELS = {IF_RIGHT: f"{label_of(HEADLINE)} where both are right"}


@dataclass(frozen=True)
class Remedied:
    """Tables REMEDY_EFFECTS, REMEDY_TENTHS and REACH, and how many copies are needed; None if it was not measured."""

    effects: pd.DataFrame
    tenths: pd.DataFrame
    reach: pd.DataFrame | None = None
    needed: Mapping[str, Any] | None = None

    def of(self, measure: str, against: str = UNTOUCHED.name) -> pd.DataFrame:
        """The rows of a measure, by remedy."""
        rows = self.effects[self.effects["measure"].eq(measure) & self.effects["against"].eq(against)]
        return rows.set_index("remedy")


def gather(source: Source) -> Remedied | None:
    """The remedies of a study; None if they were not tried under its present settings."""
    if not source.has("remedies/comparison"):
        return None
    reach = (source.reach, source.reach_needed) if source.has("reach/curve") else ()
    return Remedied(source.remedy_effects, source.remedy_tenths, *reach)


def study_findings(source: Source) -> list[Finding]:
    """The findings on remedies alone, without the rest of a report."""
    return findings(gather(source))


def findings(contents: Remedied) -> list[Finding]:
    """The remedy to take, what it costs, and what stays unstable with it."""
    changes = contents.of(HEADLINE).drop([UNTOUCHED.name, *_ARMS], errors="ignore")
    if changes.empty:
        return []
    if changes["n"].max() < FEWEST_IMAGES:
        claim = "Too few images were shown to say whether a remedy helps."
        return [Finding(Heading.REMEDIES, Kind.UNKNOWN, claim, rank=RANK + NOT_FOUND_RANK)]
    helps = changes[changes["difference_high"] < 0]
    if helps.empty:
        nearest = changes["difference_high"].idxmin()
        claim = "No remedy at test time was found to make the model more stable."
        evidence = f"Of {len(changes)} remedies, the one with the lowest upper end is shown. {_FAMILY}"
        estimate = _estimate(remedy_of(nearest), changes.loc[nearest])
        rank = RANK + NOT_FOUND_RANK
        return [Finding(Heading.REMEDIES, Kind.NONE, claim, evidence, estimate=estimate, rank=rank, figure=PLANE)]
    accuracy = contents.of("accuracy")
    harms = [name for name in helps.index if name in accuracy.index and accuracy.loc[name, "difference_high"] < 0]
    harmless = helps.drop(harms)
    best = remedy_of((harmless if len(harmless) else helps)["difference"].idxmin())
    return [_helps(contents, best), *_far_images(contents, best), *_trained(contents), *_reach(contents)]


def _reach(contents: Remedied) -> Iterator[Finding]:
    """How near random copies come, and how many would be needed."""
    if contents.reach is None:
        return
    first, last, needed = contents.reach.iloc[0], contents.reach.iloc[-1], contents.needed
    label = f"Fall of the median distance, with {int(last['copies'])} copies"
    fall = estimate_of_row(last, "fall", label, last["n"], unit=Unit.SIGNIFICANT, nothing=0.0)
    if fall.direction is None:
        return
    evidence = [
        f"Without copies, the median test image is {value_of(first, 'distance', significant)} from the nearest of "
        f"{needed['n_training']:,} training images.",
        f"The median of them is {value_of(needed, 'target', significant)} from its nearest neighbour.",
    ]
    if needed["copies"] is None:
        evidence.append(
            "How many copies would bring test images as near is not said, as the fall follows no power law."
        )
    else:
        value, *ends = needed["copies"]
        copies = f"{count(round(value), 'copy', 'copies')} ({interval(*ends, lambda each: number(each, 0))})"
        evidence.append(f"By a power law, {copies} would bring the median test image as near.")
    yield Finding(
        Heading.REMEDIES,
        Kind.FACT if fall.direction else Kind.NONE,
        "Random copies of the training images come nearer to the test images than the training images do."
        if fall.direction
        else "Random copies of the training images were not found to come nearer to the test images.",
        " ".join(evidence),
        estimate=fall,
        figure=REACH_FIGURE,
    )


def _trained(contents: Remedied) -> Iterator[Finding]:
    """What more augmentation and filters change in a training, against the same training without."""
    rows, accuracy, right = (contents.of(name, CONTROL) for name in (HEADLINE, "accuracy", IF_RIGHT))
    for place, (name, row) in enumerate(rows.iterrows()):
        if row["n"] < FEWEST_IMAGES:
            continue
        arm = remedy_of(name)
        label = f"{label_of(HEADLINE)}, {_inside(arm)} minus trained without"
        ends = row["difference_low"], row["difference_high"]
        estimate = Estimate(HEADLINE, label, row["difference"], *ends, int(row["n"]), unit=Unit.POINTS, nothing=0.0)
        claim = {
            -1: f"{arm.subject} makes the model more stable than the same training without.",
            0: f"{arm.subject} was not found to change the model's stability, against the same training without.",
            1: f"{arm.subject} makes the model less stable than the same training without.",
        }[estimate.direction or 0]
        evidence = []
        if name in accuracy.index:
            evidence.append(_accuracy_change(accuracy.loc[name]))
        if name in right.index:
            evidence += _where_both_are_right(right.loc[name])
        evidence += [*_farthest(contents, arm), _FAMILY]
        yield Finding(
            Heading.REMEDIES,
            Kind.EFFECT if estimate.direction else Kind.NONE,
            claim,
            " ".join(evidence),
            estimate=estimate,
            rank=RANK + 1 + place + (0 if estimate.direction else NOT_FOUND_RANK),
            figure=PLANE,
        )


_ARMS = [arm.name for arm in TRAINED]
_FAMILY = "The interval is adjusted for the number of remedies."


def _estimate(remedy: Remedy, row: pd.Series) -> Estimate:
    label = f"{label_of(HEADLINE)}, {_inside(remedy)} minus as it is"
    ends = row["difference_low"], row["difference_high"]
    return Estimate(HEADLINE, label, row["difference"], *ends, int(row["n"]), unit=Unit.POINTS, nothing=0.0)


def _inside(remedy: Remedy) -> str:
    return remedy.label[0].lower() + remedy.label[1:]


def _helps(contents: Remedied, best: Remedy) -> Finding:
    """The remedy that lowers P(top-1 change) most, among those without a loss of accuracy if there are any."""
    accuracy, right = contents.of("accuracy"), contents.of(IF_RIGHT)
    claim = f"{best.subject} makes the model more stable."
    evidence = [f"A prediction costs {count(best.passes, 'forward pass', 'forward passes')}."]
    if best.name in accuracy.index:
        row = accuracy.loc[best.name]
        if row["difference_high"] < 0:
            claim = f"{best.subject} makes the model more stable, but less often right."
        evidence.append(_accuracy_change(row))
    if best.name in right.index:
        evidence += _where_both_are_right(right.loc[best.name])
    row = contents.of(HEADLINE).loc[best.name]
    evidence.append(_FAMILY)
    return Finding(
        Heading.REMEDIES,
        Kind.EFFECT,
        claim,
        " ".join(evidence),
        estimate=_estimate(best, row),
        rank=RANK,
        figure=PLANE,
    )


def _accuracy_change(row: pd.Series) -> str:
    limits = limits_of_row(row, "difference", in_points)
    return f"Accuracy changes by {in_points(row['difference'])} points ({limits})."


def _where_both_are_right(row: pd.Series) -> Iterator[str]:
    """The change on the images that both get right, if it has an interval."""
    if sign(row["difference_low"], row["difference_high"]) is not None:
        limits = limits_of_row(row, "difference", in_points)
        yield (
            f"On the {count(int(row['n']), 'image')} that both get right, {label_of(HEADLINE)} changes by "
            f"{in_points(row['difference'])} points ({limits})."
        )


def _farthest(contents: Remedied, arm: Remedy) -> Iterator[str]:
    """How stable the images farthest from the training set are with a trained arm, and without any training."""
    tenths = contents.tenths
    rows, as_it_is = (tenths[tenths["remedy"] == name] for name in (arm.name, UNTOUCHED.name))
    if len(rows) > 1 and len(as_it_is) == len(rows):
        with_it, without = (
            estimate_over(row["n"], row["value"], row["value_low"], row["value_high"], percent)
            for row in (rows.iloc[-1], as_it_is.iloc[-1])
        )
        yield (
            f"On the images farthest from the training set, {label_of(HEADLINE)} is {with_it}, and {without} with the "
            "model as it is."
        )


def _far_images(contents: Remedied, best: Remedy) -> Iterator[Finding]:
    """Whether the images that are farthest from the training set stay less stable with a remedy than the nearest."""
    rows = contents.tenths[contents.tenths["remedy"] == best.name]
    if len(rows) < 2:
        return
    near, far = (
        Interval(row["value"], row["value_low"], row["value_high"], row["n"])
        for _, row in rows.iloc[[0, -1]].iterrows()
    )
    low, high = difference_limits(far, near)
    direction = sign(low, high)
    if direction is None:
        return
    share = "tenth" if len(rows) == 10 else f"of {len(rows)} parts"
    claim = {
        1: f"With {_inside(best)}, the images farthest from the training set stay less stable than the nearest.",
        0: f"With {_inside(best)}, no difference was found between the images farthest from the training set and the "
        "nearest.",
        -1: f"With {_inside(best)}, the images farthest from the training set are more stable than the nearest.",
    }[direction]
    label = f"{label_of(HEADLINE)} with {_inside(best)}, farthest {share} minus nearest"
    estimate = Estimate(
        HEADLINE, label, far.value - near.value, low, high, int(near.n + far.n), unit=Unit.POINTS, nothing=0.0
    )
    yield Finding(
        Heading.REMEDIES,
        Kind.ASSOCIATION if direction else Kind.NONE,
        claim,
        f"It is {estimate_over(far.n, *far[:3], percent)} in the farthest and "
        f"{estimate_over(near.n, *near[:3], percent)} in the nearest.",
        estimate=estimate,
        figure=BY_DISTANCE,
    )


def section(contents: Remedied) -> Section | Omitted:
    """The plane of accuracy and P(top-1 change), the table of all remedies, and P(top-1 change) by distance."""
    changes = contents.of(HEADLINE)
    if changes.empty:
        return Omitted(TITLE, "no image could be shown.")
    n = int(changes["n"].max())
    tried = [remedy_of(name) for name in changes.index]
    missing = [remedy.label for remedy in REMEDIES if remedy.name not in changes.index]
    introduction = (
        f"Each remedy is tried on the same {count(n, 'image')} and steps as the model as it is, so differences are "
        "effects of the remedy. A remedy can also lower P(top-1 change) by making the model unsure or constant, so "
        "accuracy and the images that both get right stand beside it."
    )
    if missing:
        introduction += f" The network has no subsampling operation for: {', '.join(missing)}."
    blocks = [
        Paragraph(introduction),
        FigureBlock(
            PLANE,
            lambda: _plane(contents),
            "Accuracy and P(top-1 change) of each remedy, with arrows from the model as it is.",
            f"Mean over {count(n, 'image')} with each remedy, and 95% intervals. Arrows start at the model as it is.",
        ),
        _table(contents, tried),
    ]
    if len(contents.tenths):
        blocks.append(
            FigureBlock(
                BY_DISTANCE,
                lambda: remedies_by_distance(contents.tenths),
                "P(top-1 change) by distance from the training set, with each remedy.",
                "Mean in quantile bins of nn_distance, with 95% intervals for the model as it is.",
            )
        )
    if contents.reach is not None:
        blocks += _reach_blocks(contents.reach, contents.needed)
    return Section("remedies", TITLE, blocks)


def _reach_blocks(reach: pd.DataFrame, needed: Mapping[str, Any]) -> list[Block]:
    """The distance over the number of copies, with the training images' own, as a figure and a table."""
    shown = f"{count(int(reach['n'].max()), 'test image')}, for copies of {needed['n_training']:,} training images"
    rows = [
        [Cell(f"{row['copies']}"), *(_with_interval(row, name) for name in ("distance", "fall"))]
        for row in reach.to_dict("records")
    ]
    rows.append([Cell("between training images"), _with_interval(needed, "target"), Cell("")])
    return [
        FigureBlock(
            REACH_FIGURE,
            lambda: reach_figure(reach, needed),
            "The median distance of test images to the nearest training image or copy, over the number of copies.",
            f"Median over {shown}, with 95% intervals. The dashed line is the median distance of these training images "
            "to their nearest neighbour, with its interval.",
        ),
        TableBlock(
            "How near random copies come to the test images",
            ["Copies of each training image", "Median distance", "Fall"],
            rows,
            note=f"Medians over {shown}, with 95% intervals. The fall is that from no copies, on the same images.",
            csv="augmentation_reach",
            folded=True,
        ),
    ]


def _with_interval(row: Mapping[str, Any], column: str) -> Cell:
    return estimate_cell(*(row[f"{column}{end}"] for end in INTERVAL), significant)


def _table(contents: Remedied, tried: Sequence[Remedy]) -> TableBlock:
    measures = [name for name in EFFECT_MEASURES if len(contents.of(name))]
    rows = []
    for remedy in tried:
        cells = [Cell(remedy.label), Cell(f"{remedy.passes:,}")]
        for measure in measures:
            table = contents.of(measure)
            row = table.loc[remedy.name] if remedy.name in table.index else None
            cells.append(Cell("") if row is None else _cell(row, measure, remedy is UNTOUCHED))
        rows.append(cells)
    return TableBlock(
        "Every remedy",
        ["Remedy", "Passes", *(LABELS.get(name) or label_of(name) for name in measures)],
        rows,
        definitions=[Definition(remedy.label, remedy.definition) for remedy in tried if remedy is not UNTOUCHED],
        note=(
            "In the first row, means over images. Below, differences from it on the same images, in percentage points "
            "(mean absolute change: in its own unit), with 95% intervals that are adjusted for the number of remedies."
        ),
        csv="remedy_effects",
    )


def _cell(row: pd.Series, measure: str, is_base: bool) -> Cell:
    if is_base:
        form = number if measure == "mac" else percent
        return estimate_cell(row["value"], row["value_low"], row["value_high"], form)
    return estimate_cell(
        row["difference"],
        row["difference_low"],
        row["difference_high"],
        (lambda value: number(value, 3)) if measure == "mac" else in_points,
    )


def _plane(contents: Remedied, choice: Choice[Remedied] | None = None) -> Figure:
    change = contents.of(HEADLINE)
    labels = {name: remedy_of(name).label for name in change.index}
    return stability_plane(change, contents.of("accuracy"), UNTOUCHED.name, labels)


def _by_distance(contents: Remedied, choice: Choice[Remedied]) -> Figure:
    return remedies_by_distance(contents.tenths)


_PLOT = {"lacking": "remedies", "command": "remedies"}
TOPIC = Topic(
    "remedies",
    gather,
    findings=findings,
    section=lambda contents, draft: section(contents),
    tables=lambda contents: [
        Table("remedy_effects", contents.effects, "each remedy against the model as it is", order=14),
        Table("remedy_tenths", contents.tenths, "the same by distance from the training set", order=14),
        Table("augmentation_reach", contents.reach, "the distance over the number of random copies", order=14),
    ],
    plots={
        PLANE: Plot(_plane, lambda contents: contents.effects, order=7, **_PLOT),
        REACH_FIGURE: Plot(
            lambda contents, choice: reach_figure(contents.reach, contents.needed),
            lambda contents: contents.reach,
            order=7,
            **_PLOT,
        ),
        BY_DISTANCE: Plot(_by_distance, lambda contents: contents.tenths, order=7, **_PLOT),
    },
)
