"""The figure of the classes' stability."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bias_toolkit.report.page.ranking import ranking
from bias_toolkit.report.page.style import GREY, in_its_unit, styled, value_range
from bias_toolkit.report.words.definitions import label_of, limits_of


@styled
def class_ranking(classes: pd.DataFrame, measure: str = "p_top1_change", *, class_name=str, most: int = 15) -> Axes:
    """The mean of a measure in each class (CLASSES) with its interval, the highest first; a line at the mean of all."""
    rows = classes.dropna(subset=[measure]).sort_values([measure, "label"], ascending=[False, True], kind="stable")
    mean = float(np.average(rows[measure], weights=rows["n"])) if len(rows) else np.nan
    columns = {"value": measure, "low": f"{measure}_low", "high": f"{measure}_high"}
    values = {name: rows.get(column, rows[measure]).to_numpy(float) for name, column in columns.items()}
    rows = pd.DataFrame({"name": [class_name(label) for label in rows["label"]], **values})
    ax = ranking(rows, xlabel=f"{label_of(measure)}, mean and 95% interval", most=most)
    ax.axvline(mean, color=GREY, linewidth=1, linestyle="--")
    in_its_unit(ax.xaxis, measure)
    shown = rows[["value", "low", "high"]].to_numpy(float).ravel()
    ax.set_xlim(value_range(shown, limits_of(measure)))
    ax.set_title(f"{label_of(measure)} by class")
    return ax
