"""The figures on the flag: the scores, what a share flagged catches, and predicted against observed changes."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_toolkit.analysis.flag import COMBINATION, MARGIN, UNSTABLE
from bias_toolkit.report.page.style import BLUE, GREY, VERMILLION, in_percent, new_figure, ranking, styled
from bias_toolkit.report.words.definitions import Definition


@styled
def scores_figure(evaluation: pd.DataFrame, definitions: dict[str, Definition]) -> Axes:
    """The AUROC of each score, the highest first (table FLAG_EVALUATION)."""
    rows = evaluation.sort_values("auroc", ascending=False, kind="stable")
    names = [definitions[score].label for score in rows["score"]]
    ends = {"low": rows["auroc_low"], "high": rows["auroc_high"]}
    ax = ranking(pd.DataFrame({"name": names, "value": rows["auroc"], **ends}), xlabel="AUROC")
    ax.axvline(0.5, color=GREY, linestyle="--", linewidth=1)
    ax.set_title("Finding unstable images")
    return ax


@styled
def caught_figure(images: pd.DataFrame) -> Figure:
    """The share of the unstable images that are flagged, over the share of all images that are (table FLAG_IMAGES)."""
    figure = new_figure()
    ax = figure.add_subplot()
    n = len(images)
    looks = ((MARGIN, "1 − margin", BLUE, "-"), (COMBINATION, "combination", VERMILLION, "--"))
    for name, label, colour, line in looks:
        order = np.argsort(-images[name].to_numpy(), kind="stable")
        caught = np.cumsum(images[UNSTABLE].to_numpy()[order])
        shares = np.arange(n + 1) / n, np.append(0, caught) / caught[-1]
        ax.plot(*shares, color=colour, linestyle=line, linewidth=1.6, label=label)
    ax.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1, label="flagged at random")
    ax.set(xlabel="share of images flagged", ylabel="share of unstable images flagged", xlim=(0, 1), ylim=(0, 1.02))
    in_percent(ax.xaxis)
    in_percent(ax.yaxis)
    ax.set_title("What a share of flagged images catches")
    ax.legend(loc="lower right")
    return figure


@styled
def calibration_figure(calibration: pd.DataFrame) -> Figure:
    """The share of images that change over the predicted probability, in quantile bins (table FLAG_CALIBRATION)."""
    figure = new_figure()
    ax = figure.add_subplot()
    ax.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
    ax.vlines(calibration["x"], calibration["low"], calibration["high"], color=BLUE, alpha=0.55, linewidth=1.6)
    ax.plot(calibration["x"], calibration["value"], "o", color=BLUE, markersize=5)
    ax.set(xlabel="predicted probability of a change", ylabel="share of images that change", xlim=(0, 1), ylim=(0, 1))
    in_percent(ax.xaxis)
    in_percent(ax.yaxis)
    ax.set_title("Predicted and observed changes")
    return figure
