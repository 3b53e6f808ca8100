"""The figure of how many unstable images each cause of instability accounts for."""

from matplotlib.axes import Axes

from bias_toolkit.explain.summary import Summary
from bias_toolkit.report.page.style import BLUE, PALE, name_rows, new_figure, styled

NO_CAUSE = "none found"


@styled
def first_causes(summary: Summary) -> Axes:
    """Of how many unstable images each cause is the first."""
    rows = [(share.name, share.n_first, BLUE) for share in summary.shares]
    rows.append((NO_CAUSE, summary.n_unexplained, PALE))
    ax = new_figure(7.4, 1.0 + 0.3 * len(rows)).add_subplot()
    bars = ax.barh(range(len(rows)), [n for _, n, _ in rows], height=0.66, color=[colour for *_, colour in rows])
    ax.bar_label(bars, padding=4, fontsize=9)
    name_rows(ax, range(len(rows)), [name for name, *_ in rows])
    ax.set(ylim=(len(rows) - 0.4, -0.6), xlim=(0, 1.08 * max(*(n for _, n, _ in rows), 1)))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("unstable images of which it is the first cause")
    return ax
