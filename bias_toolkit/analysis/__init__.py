"""Distance and framing against invariance: correlations, curves and intervals."""

from bias_toolkit.analysis.analyse import Analysis, analyse
from bias_toolkit.analysis.correlation import (
    Correlation,
    partial_spearman,
    rank_correlations,
    spearman,
    within_class_spearman,
)
from bias_toolkit.analysis.curve import quantile_curve
from bias_toolkit.analysis.intervals import Interval, mean_interval, median_interval
from bias_toolkit.analysis.schema import CLASSES, CORRELATIONS, CURVES, SUMMARY
from bias_toolkit.analysis.summary import class_summary, measure_summary

__all__ = [
    "CLASSES",
    "CORRELATIONS",
    "CURVES",
    "SUMMARY",
    "Analysis",
    "Correlation",
    "Interval",
    "analyse",
    "class_summary",
    "mean_interval",
    "measure_summary",
    "median_interval",
    "partial_spearman",
    "quantile_curve",
    "rank_correlations",
    "spearman",
    "within_class_spearman",
]
