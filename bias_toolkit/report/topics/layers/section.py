"""The page's section on where in the network invariance is lost."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from bias_toolkit.analysis import LayerAnalysis
from bias_toolkit.foundation.words import count
from bias_toolkit.invariance import AS_IT_IS, CONDITIONS, LAYER_MEASURES
from bias_toolkit.report.page.blocks import (
    Block,
    Cell,
    FigureBlock,
    ListBlock,
    Omitted,
    Paragraph,
    Section,
    TableBlock,
    estimate_cell,
)
from bias_toolkit.report.source import Source
from bias_toolkit.report.topics.layers.figures import TITLE, correlations_by_depth, maps_and_spectra, measures_by_depth
from bias_toolkit.report.words.definitions import LAYER_CONDITIONS, LAYERS
from bias_toolkit.report.words.finding import sign

LAYERS_FIGURE, MAPS_FIGURE, CORRELATIONS_FIGURE = "layers", "layer-maps", "layer-correlations"


@dataclass(frozen=True)
class Layers:
    """The measures of the operations that subsample; all None if they were not measured."""

    analysis: LayerAnalysis | None
    layers: pd.DataFrame | None  # table LAYERS
    operations: pd.DataFrame | None  # table OPERATIONS
    maps: pd.DataFrame | None  # table LAYER_MAPS


def gather(source: Source) -> Layers:
    """The measures of a study's operations, if they were measured under its present settings."""
    if not source.has("layers/analysis"):
        return Layers(None, None, None, None)
    return Layers(source.layer_analysis, source.layers, source.layer_operations, source.layer_maps)


def layers_section(contents: Layers) -> Section | Omitted:
    """The measures by depth, maps of one image with their spectra, and what goes with instability over images."""
    if contents.analysis is None:
        return Omitted(
            TITLE,
            "the operations of the network that subsample were not measured. `bias-toolkit layers`, run on the study, "
            "does it.",
        )
    return Section("layers", TITLE, list(_blocks(contents)))


def _blocks(contents: Layers) -> Iterator[Block]:
    summary, _, correlations = contents.analysis
    n = count(summary["n"].max(), "test image")
    yield Paragraph(
        "A network of convolutions alone moves its maps with the image. Operations that keep every second or fourth "
        "position end this, unless the map has no frequencies that the new grid cannot carry (Azulay & Weiss, 2019). "
        "Each such operation is measured here, in the order of the forward pass, on images that move over a canvas by "
        "one pixel a step. Aliased energy is what folds over, shift error is how far a map is from the moved map, and "
        "pooled change is what is left of that in the means over space."
    )
    yield FigureBlock(
        LAYERS_FIGURE,
        lambda: measures_by_depth(summary),
        "The three measures at each operation that subsamples, in three conditions, with intervals.",
        f"Means over {n} with 95% bootstrap intervals over images. S is the total stride, from the input to the "
        "operation. With low-pass filters, a measure is taken behind the filter. Lower is more shiftable.",
    )
    if contents.maps is not None and len(contents.maps):
        yield FigureBlock(
            MAPS_FIGURE,
            lambda: maps_and_spectra(contents.maps, summary),
            "Feature maps of one image before and after operations subsample, beside their spectra.",
            "One channel, the one with the largest differences between neighbours, on the centre view of one image: at "
            "the first operation, the last, and the one with the largest aliased energy. The square in the spectrum "
            "holds what the subsampled grid can carry; all outside of it folds over into the square. Spectra are on a "
            "logarithmic scale.",
        )
    yield _means(summary)
    if correlations["rho"].notna().any():
        yield FigureBlock(
            CORRELATIONS_FIGURE,
            lambda: correlations_by_depth(correlations),
            "Spearman's correlation of each measure of each operation with P(top-1 change), with intervals.",
            f"Spearman’s ρ over {n}, in the network as it is. P(top-1 change) is that along the same steps. The lines "
            "are 95% intervals, adjusted for the number of correlations: one is found if its line leaves out 0.",
        )
        yield _correlations(correlations)
    yield Paragraph(
        "What such measures do not show: aliased energy before a filter rises in networks that were trained with "
        "low-pass filters, as they may then use high frequencies. So it ranks no two networks; it explains one. A "
        "correlation over images does not say that the operation is the cause."
    )
    unmeasured = contents.operations[contents.operations["reason"].notna()]
    if len(unmeasured):
        yield ListBlock(
            [Cell(f"{row.operation} ({row.kind}) is not measured: {row.reason}.") for row in unmeasured.itertuples()]
        )


def _means(summary: pd.DataFrame) -> TableBlock:
    rows = []
    for _, of_operation in summary[summary["depth"].notna()].groupby("depth"):
        for condition in CONDITIONS:
            by_measure = of_operation[of_operation["condition"].eq(condition.name)].set_index("measure")
            if by_measure.empty:
                continue
            about = by_measure.iloc[0]
            detail = f"{about['kind']}, S = {about['total_stride']:.0f}"
            name = Cell(about["operation"], detail) if condition is AS_IT_IS else Cell("")
            cells = [
                Cell(*measure.texts(*by_measure.loc[measure.name, ["value", "low", "high"]]))
                for measure in LAYER_MEASURES
            ]
            rows.append([name, Cell(condition.label), *cells])
    return TableBlock(
        "The operations that subsample",
        ["", "Network", *(measure.label for measure in LAYER_MEASURES)],
        rows,
        definitions=[*LAYERS.values(), *LAYER_CONDITIONS.values()],
        note="Under each mean its 95% interval over images.",
        csv="tables/layer_summary.csv",
        folded=True,
    )


def _correlations(correlations: pd.DataFrame) -> TableBlock:
    rows = []
    for _, of_operation in correlations.groupby("depth"):
        by_measure = of_operation.set_index("measure")
        about = by_measure.iloc[0]
        cells = [
            estimate_cell(row["rho"], row["low"], row["high"], marked=bool(sign(row["low"], row["high"])))
            for row in by_measure.loc[[measure.name for measure in LAYER_MEASURES]].to_dict("records")
        ]
        rows.append([Cell(about["operation"], f"S = {about['total_stride']:.0f}"), *cells])
    return TableBlock(
        "What goes with P(top-1 change): Spearman’s ρ over images",
        ["", *(measure.label for measure in LAYER_MEASURES)],
        rows,
        note="Under each ρ its 95% interval over images, adjusted for the number of correlations (Benjamini and "
        "Yekutieli, 2005), in bold where it leaves out 0.",
        csv="tables/layer_correlations.csv",
        folded=True,
    )
