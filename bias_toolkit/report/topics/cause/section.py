"""The page's section on the effect of framing: the framing map and the size curve."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from bias_toolkit.analysis import FramingMap
from bias_toolkit.foundation.words import count, number, percent
from bias_toolkit.invariance import STEP_PROTOCOLS
from bias_toolkit.report.page.blocks import (
    Block,
    Cell,
    FigureBlock,
    Omitted,
    Paragraph,
    Section,
    TableBlock,
    column_cell,
    estimate_cell,
)
from bias_toolkit.report.source import Source, study_name
from bias_toolkit.report.topics.cause import map_figures
from bias_toolkit.report.topics.cause.map_findings import AGAINST_DENSITY, MAP, SURROUNDINGS, TOO_FEW
from bias_toolkit.report.topics.cause.size_curve import SIZE_FIGURE, size_vs_invariance
from bias_toolkit.report.words.definitions import MAP_KINDS, MEASURES, label_of
from bias_toolkit.report.words.finding import sign

TITLE = "What the photographer causes"


@dataclass(frozen=True)
class Cause:
    """The framing map and the size curve, if they were computed."""

    study: str  # its name
    model: Callable[[], str]  # returns the model's name; called only if it is shown
    framing_map: FramingMap | None
    size_curve: pd.DataFrame | None  # table SUMMARY of the size curve
    size_measures: pd.DataFrame | None  # its table MEASURES
    map_views: Callable[[], Mapping[str, Sequence[tuple[float, np.ndarray]]]]  # the views of one image
    sweeps: Callable[[], pd.DataFrame]  # table SUMMARY of the study's own sweeps, used without a size curve
    seed: int
    outdated: Collection[str]  # as `Source.outdated`

    @property
    def shown_sizes(self) -> pd.DataFrame:
        """The size curve or, without one, its part in the study's own sweeps; empty if these have one view size."""
        if self.size_curve is not None:
            return self.size_curve
        rows = self.sweeps()
        if not rows.empty:
            rows = rows[rows["protocol"].isin(STEP_PROTOCOLS)]
        return rows if rows.empty or rows.groupby(["protocol", "size"]).ngroups > 1 else rows.head(0)


def gather(source: Source) -> Cause:
    """The framing map and the size curve of a study, if they were computed under its present settings."""
    sized = source.has("sizes/curve")
    return Cause(
        study=study_name(source),
        model=lambda: source.model_record["name"],
        framing_map=source.framing_map if source.has("map/relation") else None,
        size_curve=source.size_curve if sized else None,
        size_measures=source.size_measures if sized else None,
        map_views=source.map_views,
        sweeps=lambda: source.analysis.summary,
        seed=source.settings.seed,
        outdated=source.outdated,
    )


def cause_section(contents: Cause) -> Section | Omitted | None:
    """The map over position and scale, its relation to the training density, and the curve over view size."""
    blocks = [*_map_blocks(contents), *_size_blocks(contents)]
    if not blocks:
        return _not_varied(contents)
    introduction = Paragraph(
        "In photographs that are framed alike, position and scale hardly vary, and what goes with framing may go with "
        "it for other reasons. Here the same images are framed anew. A smaller object "
        "shows any model less, whatever its training images. So mean absolute change and accuracy stand beside "
        "P(top-1 change), and positions of one scale are also compared alone. `bias-toolkit demo` has the control: the "
        "same networks, trained on objects of every position and scale."
    )
    return Section("cause", TITLE, [introduction, *blocks])


def _not_varied(contents: Cause) -> Omitted | None:
    """What was never varied, with the command that does it; None if all was, in an earlier run."""
    varied = {"map": "position and scale", "sizes": "view size"}
    never = [command for command in varied if command not in contents.outdated]
    if not never:
        return None
    commands = " and ".join(f"`bias-toolkit {command}`" for command in never)
    does = "does it; it takes" if len(never) == 1 else "do it; they take"
    what = {("map", "sizes"): "position, scale and view size were", ("map",): "position and scale were"}
    return Omitted(
        TITLE,
        f"{what.get(tuple(never), 'the view size was')} not varied. {commands}, run on the study, {does} longer than "
        "the rest of a report.",
    )


def _map_blocks(contents: Cause) -> Iterator[Block]:
    framing_map = contents.framing_map
    if framing_map is None:
        return
    if framing_map.cells.empty:
        yield Paragraph(TOO_FEW)
        return
    cells = framing_map.cells
    yield FigureBlock(
        "map-views",
        lambda: map_figures.map_views(contents.map_views()),
        "One test image at every scale of the map, its object in the middle, in each kind of surroundings.",
        "What the model is shown, for one of the images: its object in the middle of the view, at each scale. With a "
        "canvas, the whole image is resized and moved, and the rest is made up; real windows are cut from the image "
        "around the object, and are there only where the image reaches far enough.",
        half=True,
    )
    known_density = bool(cells["log_density"].notna().any())
    can_tell = bool(cells["recognised"].notna().any())
    crossed = (
        "Crossed out: the answers have nothing to do with the labels (Cohen’s κ not above 0), so a low value is no "
        "invariance. "
    )
    density = "On the left is the density of the training objects’ position and scale, as the model sees them. "
    yield FigureBlock(
        MAP,
        lambda: map_figures.framing_maps(cells),
        "Grid of heat maps: P(top-1 change) over the object's position, for each scale and kind of surroundings.",
        "P(top-1 change) with the object at each position and scale: means over "
        f"{count(cells['n_images'].max(), 'image')}, each shown in every cell that it fits into, a sweep of 8 "
        f"one-pixel steps in each. {density if known_density else ''}{crossed if can_tell else ''}Framed: cannot be "
        "told from the lowest. Every cell’s value has its 95% interval over images in map_cells.csv.",
        half=True,
    )
    for measure in ("mac", "accuracy"):
        if cells[measure].notna().any():
            yield FigureBlock(
                f"map-{measure}",
                partial(map_figures.framing_maps, cells, measure),
                f"Grid of heat maps: {label_of(measure)} over the object's position, for each scale and kind of "
                "surroundings.",
                f"{label_of(measure)} in the same cells.",
                half=True,
            )
    if known_density:
        over, others = ("the cells in which objects are recognised", "; crosses are the other cells")
        if not can_tell:
            over, others = "all cells", ""
        yield FigureBlock(
            AGAINST_DENSITY,
            lambda: map_figures.map_against_density(cells, framing_map.correlations),
            "Scatter plots of P(top-1 change) over the training density, one dot a cell.",
            f"Each dot is a cell of the map. Under the title, Spearman’s ρ over {over}, corrected for noise, with its "
            f"95% interval over images{others}.",
        )
        yield _correlations(framing_map.correlations)
        yield _contrasts(framing_map.contrasts, "recognised cells" if can_tell else "cells")


def _correlations(table: pd.DataFrame) -> TableBlock:
    kinds = [kind for kind in MAP_KINDS if kind in set(table["kind"])]
    rows = []
    for (surroundings, measure), part in table.groupby(["surroundings", "measure"], sort=False):
        by_kind = part.set_index("kind")
        if by_kind["rho"].isna().all():
            continue
        estimates = [_estimate(row, row["rho"], number) for row in by_kind.loc[kinds].to_dict("records")]
        n_cells = count(by_kind.loc[kinds[min(1, len(kinds) - 1)], "n_cells"])
        rows.append([Cell(SURROUNDINGS[surroundings].label, MEASURES[measure].label), *estimates, n_cells])
    return TableBlock(
        "Training density against the map: Spearman’s ρ over cells",
        ["", *(MAP_KINDS[kind].label for kind in kinds), "Cells"],
        rows,
        definitions=[MAP_KINDS[kind] for kind in kinds],
        note="Under each ρ its 95% interval over images; in bold where that leaves out 0. ρ is freed of the noise that "
        f"{count(table['n_images'].max(), 'image')} leave in the cells; as observed it is in the CSV. It is left out "
        "where there are too few cells, where less than half of what differs between them is more than noise, and "
        "where a variable goes too closely with the accuracy for that to be held constant. Mean absolute change "
        "cannot exceed the model’s confidence, which falls where objects are rare.",
        csv="tables/map_correlations.csv",
    )


def _contrasts(table: pd.DataFrame, of: str) -> TableBlock:
    rows = []
    for row in table[table["kind"].ne("when right")].to_dict("records"):
        form = percent if MEASURES[row["measure"]].share else partial(number, digits=3)
        name = Cell(SURROUNDINGS[row["surroundings"]].label, MEASURES[row["measure"]].label)
        marked = bool(sign(row["difference_low"], row["difference_high"]))
        difference = replace(column_cell(row, "difference", form), marked=marked)
        rows.append([name, column_cell(row, "dense", form), column_cell(row, "sparse", form), difference])
    return TableBlock(
        "Where training objects are many, and where they are few",
        ["", "Most training objects", "Fewest", "Difference"],
        rows,
        note=f"Means over the tenth of the {of} with the highest and with the lowest training density; "
        "under each its 95% bootstrap interval over images.",
        csv="tables/map_contrasts.csv",
    )


def _estimate(row: Mapping[str, Any], value: float, form: Callable[[float], str]) -> Cell:
    """An estimate with its interval, marked if the interval excludes 0."""
    return estimate_cell(value, row["low"], row["high"], form, marked=bool(sign(row["low"], row["high"])))


def _size_blocks(contents: Cause) -> Iterator[Block]:
    curve = contents.size_curve
    if curve is not None and len(curve):
        yield FigureBlock(
            SIZE_FIGURE,
            lambda: size_vs_invariance({contents.model(): curve}),
            "P(top-1 change) over the size at which the image is shown, and accuracy below.",
            "The curve of Azulay & Weiss (2019): right of the dashed line, crops of a smaller and smaller share of the "
            "image; left of it, the whole image, shrunk on a canvas of mean grey. "
            f"Means over {count(curve['n'].max(), 'test image')}, 95% bootstrap intervals over images.",
            half=True,
        )
