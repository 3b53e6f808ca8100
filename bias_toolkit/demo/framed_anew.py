"""The demo's digits at other positions and scales: whether each network is most stable near the training digits."""

import math
from collections.abc import Mapping

import pandas as pd

from bias_toolkit.analysis import FramingMap
from bias_toolkit.datasets.demo import demo_law
from bias_toolkit.datasets.demo_scenes import IMAGE_SIDE
from bias_toolkit.demo.findings import NETWORKS, Heading
from bias_toolkit.foundation.words import percent
from bias_toolkit.report import Finding
from bias_toolkit.report.page.blocks import FigureBlock, Paragraph, Section
from bias_toolkit.report.topics.cause.map_figures import framing_maps
from bias_toolkit.report.topics.cause.map_findings import density_effect, place_of
from bias_toolkit.report.words.finding import NOT_FOUND_RANK, Kind, value_of

SETTINGS = {
    "map_images": 16,
    "map_positions": (0.2, 0.35, 0.5, 0.65, 0.8),
    "map_surroundings": ("mean",),
    "resamples": 500,
    "permutations": 500,
    "placements": 200,
    "noise_images": 64,
}
"""Of the demo's studies: fewer images on the map and fewer resamples than by default, as the demo has to be quick."""
FIGURE, RANK = "maps", 26


def cell_of_the_law(cells: pd.DataFrame, input_size: int) -> pd.Series:
    """The cell of MAP_CELLS that is nearest to the law's typical position and scale, as a network sees them.

    The network's view is a square of `input_size` pixels in the middle of the image.
    """
    scale = demo_law("train").typical_scale * IMAGE_SIDE / input_size
    away = (cells["cx"] - 0.5) ** 2 + (cells["cy"] - 0.5) ** 2 + cells["scale"].map(lambda s: math.log(s / scale) ** 2)
    return cells.loc[away.idxmin()]


def framed_anew_findings(maps: Mapping[str, FramingMap], input_size: int) -> list[Finding]:
    """Whether P(top-1 change) is lowest at the law's position and scale, and follows the density of the law's digits.

    `maps` has the framing map of each network's study on demo:photographer.
    """
    return [_finding(network, framing_map, input_size) for network, framing_map in maps.items()]


def _finding(network: str, framing_map: FramingMap, input_size: int) -> Finding:
    name = NETWORKS[network]
    cells = framing_map.cells[framing_map.cells["recognised"].eq(True)]
    effect = None if cells.empty else density_effect(framing_map)
    if effect is None:
        claim = f"Whether the same digits make {name} less stable where training digits are fewest is not known."
        why = "The digits are recognised in too few cells of the map."
        return Finding(Heading.FRAMED_ANEW, Kind.UNKNOWN, claim, why, figure=FIGURE)
    claim = f"The same digits were not found to make {name} less stable where training digits are fewest."
    if effect.steady and effect.stability:
        claim = (
            f"The same digits make {name} the {effect.stability} stable, the fewer training digits there are there; "
            "between the fewest and the most no difference was found."
        )
    elif effect.stability:
        claim = (
            f"Where training digits are fewest, the same digits make {name} {effect.stability} stable than where they "
            "are most."
        )
    law, lowest = cell_of_the_law(cells, input_size), cells.loc[cells["p_top1_change"].idxmin()]
    there, least = (value_of(cell, "p_top1_change", percent, short=True) for cell in (law, lowest))
    evidence = f"{effect.doubts} P(top-1 change) is {there} where the law put the training digits, {place_of(law)}"
    evidence += "." if law["among_lowest"] else f", and lowest, {least}, at {place_of(lowest)}."
    evidence = evidence.strip()
    kind, rank = (Kind.EFFECT, RANK) if effect.stability else (Kind.NONE, RANK + NOT_FOUND_RANK)
    return Finding(Heading.FRAMED_ANEW, kind, claim, evidence, estimate=effect.estimate, figure=FIGURE, rank=rank)


def framed_anew_section(maps: Mapping[str, FramingMap]) -> Section:
    """The networks' maps, side by side."""
    together = pd.concat([map_.cells.assign(surroundings=network) for network, map_ in maps.items()])
    return Section(
        "framed-anew",
        Heading.FRAMED_ANEW,
        [
            Paragraph(
                "The test sets above hold different digits at different places. Here the same digits of "
                f"demo:photographer ({SETTINGS['map_images']}), with the photograph around them, are shrunk, enlarged "
                "and moved over a grey canvas."
            ),
            FigureBlock(
                FIGURE,
                lambda: framing_maps(together),
                "Heat maps of P(top-1 change) over the digit's position, for each scale and network.",
                "P(top-1 change) by the digit's position and scale in the view, and on the left the density of the "
                "training digits. Crossed out: the answers have nothing to do with the labels, so a low value is no "
                "invariance. Framed: cannot be told from the network's lowest.",
                half=True,
            ),
            FigureBlock(
                "maps-accuracy",
                lambda: framing_maps(together, "accuracy"),
                "Heat maps of accuracy over the digit's position, for each scale and network.",
                "Accuracy in the same cells. A smaller digit shows any network less.",
                half=True,
            ),
        ],
        folded=True,
    )
