"""Distance and framing against invariance: correlations, curves and intervals."""

from bias_toolkit.analysis.analyse import Analysis, analyse
from bias_toolkit.analysis.correlation import partial_spearman, rank_correlations, spearman, within_class_spearman
from bias_toolkit.analysis.curve import quantile_curve, two_lines
from bias_toolkit.analysis.factors import factor_effects
from bias_toolkit.analysis.framing_map import FramingMap, analyse_map, cell_correlation
from bias_toolkit.analysis.intervals import Interval, mean_interval, median_interval
from bias_toolkit.analysis.regression import regress
from bias_toolkit.analysis.schema import (
    CEILING,
    CLASSES,
    CORRELATIONS,
    CURVES,
    FACTORS,
    LOSSES,
    ODDS_RATIOS,
    SUMMARY,
)
from bias_toolkit.analysis.summary import class_summary, measure_summary

__all__ = [
    "CEILING", "CLASSES", "CORRELATIONS", "CURVES", "FACTORS", "LOSSES", "ODDS_RATIOS", "SUMMARY", "Analysis",
    "FramingMap", "Interval", "analyse", "analyse_map", "cell_correlation", "class_summary", "factor_effects",
    "mean_interval", "measure_summary", "median_interval", "partial_spearman", "quantile_curve", "rank_correlations",
    "regress", "spearman", "two_lines", "within_class_spearman",
]  # fmt: skip
