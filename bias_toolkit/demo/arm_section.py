"""The section of the demo's page on its four arms of training: the plane, the curves by framing, and the table."""

from collections.abc import Mapping, Sequence
from itertools import product

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_toolkit.analysis.remedies import IF_RIGHT
from bias_toolkit.demo.argument import binned
from bias_toolkit.demo.arm_effects import ARM_LABELS, BY_FRAMING, NEITHER, PLANE, per_seed, verdict
from bias_toolkit.demo.arms import ARM_MEASURES, IMAGES
from bias_toolkit.demo.curves import COLUMNS, LINE, draw_by_framing, legend_below
from bias_toolkit.demo.findings import Heading
from bias_toolkit.foundation.words import number
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report import Finding
from bias_toolkit.report.page.blocks import Cell, FigureBlock, Paragraph, Section, TableBlock, estimate_cell
from bias_toolkit.report.page.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    SMALL,
    VERMILLION,
    in_percent,
    new_figure,
    styled,
)
from bias_toolkit.report.words.definitions import label_of, value_form
from bias_toolkit.report.words.sentences import in_points, lowered

SET_NAMES = {"photographer": "digits framed as in training", "uniform": "varied digits"}
LOOKS = {
    arm: {"color": colour, "marker": marker}
    for arm, colour, marker in zip(ARM_LABELS, (BLACK, BLUE, VERMILLION, GREEN), "osD^", strict=True)
}


def arms_section(
    measured: pd.DataFrame, effects: pd.DataFrame, framing: pd.DataFrame, findings: Sequence[Finding]
) -> Section:
    """The answer of the demo to the paper's claim that both remedies are partial solutions.

    `measured` is the result of `by_seed`; `effects` and `findings` are the results of `arm_effects` and `arm_findings`.
    `framing` has image_id, nn_distance, centre_distance and scale of the images of demo:uniform.
    """
    shown = " and ".join(f"{n:,} of demo:{name}" for name, n in IMAGES.items())
    blocks = [
        Paragraph(
            "The paper says that more augmentation and antialiasing each help, but only in part. To see this, both "
            "networks were trained from scratch on the centred digits of demo:train: with neither remedy, with each of "
            "them, and with both, three times each. The trainings of a seed have the same initial weights, the same "
            f"order of images and the same number of steps. The table and figures show the first images: {shown}. "
            "Trainings and measurements were made in advance, and ship with bias-toolkit."
        ),
        Paragraph(
            "More augmentation shows random parts of a picture, from 8% of its area, and puts half of them at a random "
            "place on a canvas of up to three times their side. Nothing is mirrored, because that can change a digit. "
            "Low-pass filters are 3 × 3 filters at each subsampling operation of the network."
        ),
        *(Paragraph(sentence) for sentence in verdict(findings)),
        FigureBlock(
            PLANE,
            lambda: arms_plane(measured),
            "Accuracy and P(top-1 change) of each network after each training, on both test sets.",
            "Lower and farther right is better. Small points: the three seeds. Large points: their mean. Arrows start "
            "at the training with neither remedy.",
            half=True,
        ),
        FigureBlock(
            BY_FRAMING,
            lambda: arms_by_framing(curves(measured, framing)),
            "P(top-1 change) after each training, by position and by scale of the digit.",
            "On the varied digits, in the ranges of the first figure, with 95% intervals over images: the mean of the "
            "three seeds. What stays high with both remedies, they do not solve.",
            half=True,
        ),
        *(_table(network, rows) for network, rows in effects.groupby("network", sort=False)),
    ]
    return Section("arms", Heading.REMEDIES, blocks, folded=True)


def curves(measured: pd.DataFrame, framing: pd.DataFrame) -> dict[str, dict[str, pd.DataFrame]]:
    """The result of `binned` for each network and arm, on the varied digits, of the mean over seeds."""
    place = framing.set_index("image_id")[["nn_distance", "centre_distance", "scale"]]
    measures = (HEADLINE, "mac", "accuracy")

    def table(network: str, arm: str) -> pd.DataFrame:
        means = {each: per_seed(measured, network, "uniform", arm, each).mean(axis=1) for each in measures}
        return binned(pd.DataFrame(means).join(place, how="inner"))

    return {network: {arm: table(network, arm) for arm in ARM_LABELS} for network in measured.index.unique("network")}


def _table(network: str, rows: pd.DataFrame) -> TableBlock:
    by_arm = rows.set_index(["dataset", "measure", "arm"])
    lines = []
    for dataset, measure in product(SET_NAMES, (*ARM_MEASURES, IF_RIGHT)):
        label = f"{label_of(HEADLINE)} where both are right" if measure == IF_RIGHT else label_of(measure)
        cells = [_cell(by_arm.loc[dataset, measure, arm], arm, measure) for arm in ARM_LABELS]
        lines.append([Cell(label, SET_NAMES[dataset]), *cells])
    return TableBlock(
        f"The {network} network after each training",
        ["", *ARM_LABELS.values()],
        lines,
        note="Means over images and three seeds. In the first column, 95% intervals; in the others, the "
        "difference to it on the same images with the same seeds, in percentage points (mean absolute change: in its "
        "own unit), with its 95% interval. An interval is over images and over trainings with other seeds: the error "
        "over images and Student’s error of three seeds, joined as independent errors. Those of differences are "
        "adjusted for the number of differences of a measure. None of them leaves out 0 unless all three seeds agree "
        "in sign. Both are right on other images in each column.",
        folded=True,
    )


def _cell(row: Mapping[str, float], arm: str, measure: str) -> Cell:
    form = value_form(HEADLINE if measure == IF_RIGHT else measure)
    if arm == NEITHER:
        return estimate_cell(row["value"], row["value_low"], row["value_high"], form)
    apart = (lambda value: number(value, 3)) if measure == "mac" else in_points
    change = estimate_cell(row["difference"], row["difference_low"], row["difference_high"], apart, nothing=0.0)
    return Cell(form(row["value"]), f"{change.text} ({change.detail})")


@styled
def arms_plane(measured: pd.DataFrame) -> Figure:
    """Accuracy against P(top-1 change), with a small point for each arm and seed and a large one for their mean."""
    figure = new_figure(height=5.6)
    networks, datasets = measured.index.unique("network"), measured.index.unique("dataset")
    grid = figure.subplots(len(networks), len(datasets), squeeze=False)
    for row, network in zip(grid, networks, strict=True):
        for ax, dataset in zip(row, datasets, strict=True):
            _plane(ax, measured, network, dataset)
            ax.set_title(f"{network},\n{SET_NAMES[dataset]}", fontsize=9)
        row[0].set_ylabel(label_of(HEADLINE))
    for ax in grid[-1]:
        ax.set_xlabel(label_of("accuracy"))
    legend_below(figure, grid[0, 0], 4)
    return figure


def _plane(ax: Axes, measured: pd.DataFrame, network: str, dataset: str) -> None:
    start = None
    for arm, label in ARM_LABELS.items():
        x, y = (per_seed(measured, network, dataset, arm, each).mean() for each in ("accuracy", HEADLINE))
        look = LOOKS[arm] | {"linestyle": ""}
        ax.plot(x, y, markersize=3, alpha=0.6, **look)
        ax.plot(x.mean(), y.mean(), markersize=7, label=label, zorder=3, **look)
        middle = (x.mean(), y.mean())
        start = start or middle
        if arm != NEITHER:
            ax.annotate("", middle, start, arrowprops={"arrowstyle": "->", "color": GREY, "lw": 0.8, "alpha": 0.7})
    ax.set_ylim(bottom=0)
    for axis in (ax.xaxis, ax.yaxis):
        in_percent(axis)
    ax.tick_params(labelsize=SMALL)


@styled
def arms_by_framing(tables: Mapping[str, Mapping[str, pd.DataFrame]]) -> Figure:
    """P(top-1 change) by position and by scale, with a line for each arm; a row of panels for each network."""
    figure = new_figure(height=5.2)
    grid = figure.subplots(len(tables), len(COLUMNS), sharex="col", sharey="row", squeeze=False)
    looks = {arm: LINE | look | {"label": ARM_LABELS[arm]} for arm, look in LOOKS.items()}
    for row, (network, arms) in zip(grid, tables.items(), strict=True):
        for ax, (by, (title, label, _)) in zip(row, COLUMNS.items(), strict=True):
            draw_by_framing(ax, arms, by, HEADLINE, looks)
            ax.set_title(f"{network}, {lowered(title)}", fontsize=9)
            if ax in grid[-1]:
                ax.set_xlabel(label, fontsize=8.5)
        row[0].set_ylabel(label_of(HEADLINE), fontsize=8.5)
        row[0].set_ylim(bottom=0)
        in_percent(row[0].yaxis)
    legend_below(figure, grid[0, 0], 4)
    return figure
