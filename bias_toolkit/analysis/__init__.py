"""Distance and framing against invariance: correlations, curves and intervals."""

from bias_toolkit.analysis.analyse import Analysis, adjusted_correlations, analyse
from bias_toolkit.analysis.bin_contrasts import BinContrast, bin_contrasts, clearest
from bias_toolkit.analysis.correlation import partial_spearman, spearman, within_class_spearman
from bias_toolkit.analysis.curve import curve_contrasts, end_contrast, quantile_curve, two_lines
from bias_toolkit.analysis.diagnostics import FRAMING_TERMS
from bias_toolkit.analysis.framing_map import FramingMap, analyse_map
from bias_toolkit.analysis.layers import LayerAnalysis, MostMoved, analyse_layers, most_moved
from bias_toolkit.analysis.remedies import RemedyComparison, compare_remedies
from bias_toolkit.analysis.schema import CLASS_ESTIMATES, COMPARED_MEASURES, RELATED_MEASURES, SUMMARY
from bias_toolkit.analysis.summary import measure_summary
from bias_toolkit.foundation.intervals import Interval, mean_interval, median_interval

__all__ = [
    "CLASS_ESTIMATES", "COMPARED_MEASURES", "FRAMING_TERMS", "RELATED_MEASURES", "SUMMARY", "Analysis",
    "BinContrast", "FramingMap", "Interval", "LayerAnalysis", "MostMoved", "RemedyComparison",
    "adjusted_correlations", "analyse", "analyse_layers", "analyse_map", "bin_contrasts", "clearest",
    "compare_remedies", "curve_contrasts", "end_contrast", "mean_interval", "measure_summary", "median_interval",
    "most_moved", "partial_spearman", "quantile_curve", "spearman", "two_lines", "within_class_spearman",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
