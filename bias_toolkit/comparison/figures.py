"""The figure of a comparison: P(top-1 change) of every study by distance from its training set."""

import pandas as pd
from matplotlib.figure import Figure

from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.page.style import BLACK, SERIES, in_percent, legend_label, new_figure, shortened, styled
from bias_toolkit.report.topics.remedies.figures import MARKERS
from bias_toolkit.report.words.definitions import label_of

MOST_BANDS = 5
"""With more studies, intervals would hide the curves; the table has them."""


@styled
def distance_figure(curves: pd.DataFrame) -> Figure:
    """A line for each study, from its nearest to its farthest images: `quantile_curve` of each, with `study`.

    The distances of different models have no common unit, so the horizontal axis is the share of the images that are
    nearer.
    """
    names = list(dict.fromkeys(curves["study"]))
    figure = new_figure(height=3.5 + 0.2 * -(-len(names) // 2))
    ax = figure.add_subplot()
    for at, name in enumerate(names):
        rows = curves[curves["study"].eq(name)]
        colour = BLACK if at == 0 else SERIES[(at - 1) % len(SERIES)]
        ends = rows["n"].cumsum()
        x = (ends - rows["n"] / 2) / ends.iloc[-1]
        look = {"color": colour, "marker": MARKERS[at % len(MARKERS)], "linewidth": 2.2 if at == 0 else 1.4}
        ax.plot(x, rows["value"], markersize=4, label=legend_label(shortened(name)), **look)
        if len(names) <= MOST_BANDS:
            ax.fill_between(x, rows["low"], rows["high"], color=colour, alpha=0.12, linewidth=0)
    ax.set(xlabel="share of the images that are nearer", ylabel=label_of(HEADLINE), xlim=(0, 1))
    ax.set_title("By distance from the training set")
    in_percent(ax.xaxis)
    in_percent(ax.yaxis)
    ax.set_ylim(bottom=0)
    figure.legend(loc="outside lower left", ncols=2)
    return figure
