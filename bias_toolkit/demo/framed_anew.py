"""The demo's digits at other positions and scales: whether each network is most stable near the training digits."""

import math
from collections.abc import Mapping

import pandas as pd

from bias_toolkit.analysis import FramingMap
from bias_toolkit.datasets.demo import demo_law
from bias_toolkit.datasets.demo_scenes import IMAGE_SIDE
from bias_toolkit.demo.findings import Heading
from bias_toolkit.foundation.words import interval, number, percent
from bias_toolkit.report import Finding
from bias_toolkit.report.page.blocks import FigureBlock, Paragraph, Section
from bias_toolkit.report.topics.cause.map_figures import framing_maps
from bias_toolkit.report.topics.cause.map_findings import place_of, primary
from bias_toolkit.report.words.finding import Kind, sign

SETTINGS = {"map_images": 50, "map_positions": (0.2, 0.35, 0.5, 0.65, 0.8), "map_surroundings": ("mean",)}


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
    findings = []
    for network, map_ in maps.items():
        cells = map_.cells[map_.cells["recognised"].eq(True)]
        law, lowest = cell_of_the_law(cells, input_size), cells.loc[cells["p_top1_change"].idxmin()]
        relation = primary(map_.correlations).iloc[0]
        where = (
            f"P(top-1 change) is {percent(law['p_top1_change'])} there "
            f"({place_of(law)}) and lowest, {percent(lowest['p_top1_change'])}, at {place_of(lowest)}"
        )
        rho = (
            f"Spearman’s ρ with the density of the training digits over {relation['n_cells']} cells in which digits "
            f"are recognised: {number(relation['rho'])} ({interval(relation['low'], relation['high'])})."
        )
        if sign(relation["low"], relation["high"]) != -1:
            kind, claim = Kind.NONE, "no fall of stability with the density of the training digits was found."
        elif law["among_lowest"]:
            kind = Kind.EFFECT
            claim = "most stable where the law put the training digits, and less so the rarer they are."
            where += ", no lower than chance allows"
        else:
            kind = Kind.CAUTION
            claim = "less stable the rarer training digits are, but most stable beside the law’s middle."
        findings.append(Finding(Heading.FRAMED_ANEW, kind, f"{network}: {claim}", f"{where}. {rho}"))
    return findings


def framed_anew_section(maps: Mapping[str, FramingMap]) -> Section:
    """The two networks' maps, one below the other."""
    together = pd.concat([map_.cells.assign(surroundings=network) for network, map_ in maps.items()])
    return Section(
        "framed-anew",
        Heading.FRAMED_ANEW,
        [
            Paragraph(
                "The test sets above hold different digits at different places. Here the same 50 digits of "
                "demo:photographer, with the photograph around them, are shrunk, enlarged and moved over a grey canvas."
            ),
            FigureBlock(
                "maps",
                lambda: framing_maps(together),
                "Heat maps of P(top-1 change) over the digit's position, for each scale and network.",
                "P(top-1 change) by the digit's position and scale in the view, and on top the density of the training "
                "digits. Crossed out: the answers have nothing to do with the labels, so a low value is no invariance. "
                "Framed: cannot be told from the network's lowest.",
            ),
        ],
    )
