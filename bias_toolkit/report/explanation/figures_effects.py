"""The figure of what the removal of each candidate cause does to P(top-1 change)."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from bias_toolkit.foundation.words import known
from bias_toolkit.report.page.style import BLUE, GREY, PALE, VERMILLION, axes_or_new, in_percent, styled
from bias_toolkit.report.words.definitions import label_of

if TYPE_CHECKING:
    from bias_toolkit.explain.record import CauseLine, Estimate, ExplanationRecord

AS_IT_IS, CONTROLS = "as it is", "controls"
NAME_WIDTH, NAME_LINES = 38, 3


@dataclass(frozen=True)
class Effect:
    """P(top-1 change) after a change of the image or of the prediction: a row of the dot plot."""

    name: str
    estimate: Estimate
    colour: str = PALE
    marker: str = "o"


def effects(explanation: ExplanationRecord) -> list[Effect]:
    """The rows of the dot plot, from the top: the image as it is, controls, interventions, remedies.

    The coin toss is left out: its P(top-1 change) is along the study's sweep, and not over these steps.
    """
    found = [Effect(AS_IT_IS, explanation.before.p_top1_change, VERMILLION)]
    if explanation.controls is not None:
        found.append(Effect(CONTROLS, explanation.controls, PALE, "s"))
    several = Counter(line.cause for line in explanation.lines)
    for line in explanation.lines:
        colour = PALE if line.rank is None else BLUE
        if line.after is not None:
            found.append(Effect(_name(line, several[line.cause] > 1), line.after.p_top1_change, colour))
    for remedy in explanation.remedies:
        name = f"averaged over {remedy.views:,} shifts"
        found.append(Effect(name, remedy.after.p_top1_change, PALE, "D"))
    return found


def _name(line: CauseLine, several: bool) -> str:
    name = line.name if line.rank is None else f"{line.rank}. {line.name}"
    return f"{name}: {line.intervention}" if several else name


@styled
def effects_plot(explanation: ExplanationRecord, ax: Axes | None = None) -> Axes:
    """P(top-1 change) of the image as it is, under each intervention, and with each remedy.

    Parameters
    ----------
    explanation : ExplanationRecord
    ax : Axes, optional
    """
    rows = effects(explanation)
    names = ["\n".join(textwrap.wrap(row.name, NAME_WIDTH, max_lines=NAME_LINES, placeholder="…")) for row in rows]
    ax = axes_or_new(ax, 8.8, 1.45 + 0.18 * len(rows) + 0.17 * sum(name.count("\n") + 1 for name in names))
    before = explanation.before.p_top1_change.value
    ax.axvline(before, color=VERMILLION, linewidth=1.1, label="as it is")
    ax.axvline(
        explanation.unstable_from, color=GREY, linewidth=1.1, linestyle="--", label="unstable from here to the right"
    )
    for place, row in enumerate(rows):
        estimate = row.estimate
        if not known(estimate.value):
            continue
        if known(estimate.low) and known(estimate.high):
            ax.hlines(place, estimate.low, estimate.high, color=row.colour, linewidth=1.8, alpha=0.7)
        ax.plot(estimate.value, place, row.marker, color=row.colour, markersize=6.5, zorder=3)
    ends = [end for row in rows for end in (row.estimate.value, row.estimate.high) if known(end)]
    highest = max(*ends, explanation.unstable_from, 0.05)
    ax.set(xlim=(-0.02 * highest, min(1.06 * highest, 1.02)), ylim=(len(rows) - 0.4, -0.6))
    ax.set_yticks(np.arange(len(rows)), names)
    ax.set_xlabel(f"{label_of('p_top1_change')}, 95% interval")
    in_percent(ax.xaxis)
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)
    for label, row in zip(ax.get_yticklabels(), rows, strict=True):
        label.set_color(BLUE if row.colour == BLUE else "#1F2937")
    ax.figure.legend(loc="outside upper right", ncols=2)
    return ax
