"""Which images will be unstable: how well scores of one forward pass and one search find them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bias_toolkit.analysis.flag import COMBINATION, FEWEST_OF_EACH, MARGIN, OUTPUTS
from bias_toolkit.features.distances import NEAREST
from bias_toolkit.foundation.words import count, percent
from bias_toolkit.report.page.blocks import FigureBlock, Omitted, Paragraph, Section, TableBlock, column_cell
from bias_toolkit.report.page.files import Table
from bias_toolkit.report.source import Source
from bias_toolkit.report.topic import Plot, Topic
from bias_toolkit.report.topics.flag.figures import calibration_figure, caught_figure, scores_figure
from bias_toolkit.report.words.definitions import DISTANCES, Definition
from bias_toolkit.report.words.finding import NOT_FOUND_RANK, Estimate, Finding, Heading, Kind, Unit, value_of
from bias_toolkit.report.words.sentences import three_digits

TITLE = str(Heading.FLAG)
RANK = 82
SCORES_FIGURE, CAUGHT_FIGURE, CALIBRATION_FIGURE = "flag-scores", "flag-caught", "flag-calibration"
SCORES: dict[str, Definition] = {
    MARGIN: Definition("1 − margin", "One minus the margin: the model's first probability minus its second."),
    "one_minus_confidence": Definition("1 − confidence", "One minus the model's first probability."),
    "nn_distance": Definition("Nearest distance", DISTANCES["nn_distance"].line),
    "knn_distance": Definition("Mean near distance", DISTANCES["knn_distance"].line),
    "disagreement": Definition(
        "Neighbours disagree",
        f"Share of the {NEAREST} nearest training images that are not of the class that the model says.",
    ),
    "distrust": Definition(
        "Distrust",
        "a / (a + b): a is the distance to the nearest training image of the class that the model says, b that to the "
        "nearest one of another class; of more than 100,000 training images, among a random sample of so many. It is "
        "1 / (1 + trust) (Jiang et al., NeurIPS 2018).",
    ),
    OUTPUTS: Definition("Margin and confidence", "Logistic regression on these two."),
    COMBINATION: Definition("Combination", "Logistic regression on the six scores; margin and confidence as log odds."),
}

SHIPPED = {MARGIN: "the margin alone", COMBINATION: "the combination"}


@dataclass(frozen=True)
class Flagged:
    """Tables FLAG_EVALUATION, FLAG_CALIBRATION and FLAG_IMAGES, and the flag's values (`FlagValues`)."""

    evaluation: pd.DataFrame
    calibration: pd.DataFrame
    images: pd.DataFrame
    values: Mapping[str, Any]

    @property
    def is_fitted(self) -> bool:
        """Whether there were enough unstable and stable images to fit a flag."""
        return self.values["shipped"] is not None


def gather(source: Source) -> Flagged | None:
    """The flag of a study; None if it was not fitted under its present settings."""
    if not source.has("flag"):
        return None
    return Flagged(source.flag_evaluation, source.flag_calibration, source.flag_images, source.flag_values)


def findings(contents: Flagged) -> list[Finding]:
    """Whether the combination is better than the margin, and how well the shipped score finds unstable images."""
    values = contents.values
    if not contents.is_fitted:
        claim = "Too few test images are unstable, or stable, to say which images will be unstable."
        evidence = (
            f"Of {count(values['n'], 'image')}, {values['n_unstable']:,} are unstable; {FEWEST_OF_EACH} unstable and "
            f"{FEWEST_OF_EACH} stable ones are needed."
        )
        return [Finding(Heading.FLAG, Kind.UNKNOWN, claim, evidence, rank=RANK + NOT_FOUND_RANK)]
    return evaluation_findings(contents.evaluation, values["shipped"])


def evaluation_findings(evaluation: pd.DataFrame, shipped: str) -> list[Finding]:
    """The two findings on a table FLAG_EVALUATION, of the study's own images or of another set's."""
    rows = evaluation.set_index("score")
    best, combination = rows.loc[shipped], rows.loc[COMBINATION]
    name = {MARGIN: "The margin", COMBINATION: "The combination of scores"}[shipped]
    label = {MARGIN: "1 − margin", COMBINATION: "the combination"}[shipped]
    area = _estimate("auroc", best, f"AUROC of {label}", 0.5)
    claims = {
        1: f"{name} tells unstable images from stable ones better than chance.",
        0: f"{name} was not found to tell unstable images from stable ones.",
        -1: f"{name} orders unstable and stable images the wrong way round.",
        None: f"Too few images are unstable, or stable, to say how well {name[0].lower()}{name[1:]} finds them.",
    }
    how_good = Finding(
        Heading.FLAG,
        _kind(area.direction),
        claims[area.direction],
        f"Its threshold, which was set on other images, flags {value_of(best, 'flagged', percent)} of the images. "
        f"Among the unstable images, it flags {value_of(best, 'caught', percent)}.",
        estimate=area,
        rank=RANK if area.direction else RANK + NOT_FOUND_RANK,
        figure=CAUGHT_FIGURE,
    )
    gain = _estimate("auroc_gain", combination, "AUROC, combination minus 1 − margin", 0.0)
    claims = {
        1: "Distances and confidence together with the margin find unstable images better than the margin alone.",
        0: "The combination of scores was not found to be better or worse than the margin at finding unstable images.",
        -1: "The combination of scores is worse than the margin at finding unstable images.",
        None: "Too few images are unstable, or stable, to compare the combination of scores with the margin.",
    }
    evidence = [f"The flag uses {SHIPPED[shipped]}."]
    if gain.direction is not None:
        evidence.append(
            f"With margin and confidence alone, the gain is {value_of(rows.loc[OUTPUTS], 'auroc_gain', three_digits)}."
        )
        evidence.append("The intervals are adjusted for the number of scores.")
    gained = Finding(
        Heading.FLAG,
        _kind(gain.direction),
        claims[gain.direction],
        " ".join(evidence),
        estimate=gain,
        rank=RANK + 1 if gain.direction else RANK + 1 + NOT_FOUND_RANK,
        figure=SCORES_FIGURE,
    )
    return [how_good, gained]


def _kind(direction: int | None) -> Kind:
    if direction is None:
        return Kind.UNKNOWN
    return Kind.ASSOCIATION if direction else Kind.NONE


def _estimate(column: str, row: pd.Series, label: str, nothing: float) -> Estimate:
    ends = row[f"{column}_low"], row[f"{column}_high"]
    return Estimate(column, label, row[column], *ends, int(row["n"]), unit=Unit.SIGNIFICANT, nothing=nothing)


def section(contents: Flagged) -> Section | Omitted:
    """The scores and their evaluation, what a share catches, and the calibration."""
    if not contents.is_fitted:
        return Omitted(TITLE, "too few test images are unstable, or stable.")
    values = contents.values
    n = count(values["n"], "test image")
    held_out = "whole classes" if values["by_class"] else "images"
    introduction = (
        f"An image is unstable if at least one view of the sweep has another class than the centre view: "
        f"{values['n_unstable']:,} of {n} are. Each score needs one forward pass and one search. The regressions are "
        f"fitted in five folds that hold {held_out} out, and each image is judged by a regression that it was not used "
        "for. New images are flagged by the combination only if the interval of its gain in AUROC is above 0, and else "
        f"by the margin alone. Here it is {SHIPPED[values['shipped']]}."
    )
    brier = ""
    if values["brier"] is not None:
        share = values["n_unstable"] / values["n"]
        value, low, high = map(three_digits, values["brier"])
        brier = (
            f" The Brier score is {value} ({low} to {high}). If all images had the same probability, it would be "
            f"{three_digits(share * (1 - share))}."
        )
    blocks = [
        Paragraph(introduction),
        FigureBlock(
            SCORES_FIGURE,
            lambda: scores_figure(contents.evaluation, SCORES),
            "The area under the ROC curve of each score for finding unstable images, with intervals.",
            f"AUROC over {n}, with 95% intervals; 0.5 (dashed) is chance, 1 is best.",
            half=True,
        ),
        FigureBlock(
            CAUGHT_FIGURE,
            lambda: caught_figure(contents.images),
            "The share of unstable images that are flagged, over the share of all images that are flagged.",
            f"{n[0].upper()}{n[1:]}, flagged from the highest score on.",
            half=True,
        ),
        evaluation_table(contents.evaluation, values["share"]),
        FigureBlock(
            CALIBRATION_FIGURE,
            lambda: calibration_figure(contents.calibration),
            "The share of images that change, over the probability that was predicted for them.",
            f"Means in quantile bins of {n}, with 95% intervals, by regressions of other images. On the dotted line, "
            f"predictions are right.{brier}",
            half=True,
        ),
    ]
    return Section("flag", TITLE, blocks)


def evaluation_table(evaluation: pd.DataFrame, share: float) -> TableBlock:
    """Each score's areas, gains, and what it flags and catches."""
    columns = ("auroc", "auroc_gain", "augrc", "augrc_gain")
    rows = [
        [
            SCORES[row["score"]].label,
            *(column_cell(row, column, three_digits, 0.0 if "gain" in column else None) for column in columns),
            *(column_cell(row, column, percent) for column in ("flagged", "caught")),
        ]
        for _, row in evaluation.iterrows()
    ]
    return TableBlock(
        "Scores for finding unstable images",
        ["Score", "AUROC", "AUROC gain", "AUGRC", "AUGRC gain", "Flagged", "Unstable flagged"],
        rows,
        definitions=[
            *(Definition(each.label, each.line) for each in SCORES.values()),
            Definition(
                "AUROC",
                "Share of pairs of an unstable and a stable image in which the unstable one has the higher score.",
            ),
            Definition(
                "AUGRC",
                "Area under the share of images that are accepted and unstable, over the share accepted (Traub et al., "
                "NeurIPS 2024): 0 is best.",
            ),
            Definition("Gain", "How much better than 1 − margin, on the same images; above 0 is better."),
            Definition(
                "Flagged", f"Share of the images above a threshold that {percent(share, 0)} of other images exceed."
            ),
            Definition("Unstable flagged", "The same share, of the unstable images alone."),
        ],
        note=(
            "95% intervals over images, for the regressions as they were fitted; those of the gains are adjusted for "
            "the number of scores. A score with many equal values can flag fewer images than it should."
        ),
        csv="flag_evaluation",
    )


_PLOT = {"lacking": "flag", "command": "flag", "order": 7}
TOPIC = Topic(
    "flag",
    gather,
    findings=findings,
    section=lambda contents, draft: section(contents),
    tables=lambda contents: [
        Table("flag_evaluation", contents.evaluation, "each score for finding unstable images", order=15),
        Table("flag_calibration", contents.calibration, "predicted and observed changes", order=15),
        Table("flag_images", contents.images, "the scores of each test image", order=15),
    ],
    plots={
        SCORES_FIGURE: Plot(
            lambda contents, choice: scores_figure(contents.evaluation, SCORES),
            lambda contents: contents.evaluation,
            **_PLOT,
        ),
        CAUGHT_FIGURE: Plot(
            lambda contents, choice: caught_figure(contents.images),
            lambda contents: contents.evaluation,
            **_PLOT,
        ),
        CALIBRATION_FIGURE: Plot(
            lambda contents, choice: calibration_figure(contents.calibration),
            lambda contents: contents.calibration,
            **_PLOT,
        ),
    },
)
