"""Dots of a figure that show their photographs: where they are in it, and one picture with all photographs."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from PIL import Image, ImageOps

from bias_toolkit.foundation.errors import UnreadableImageError
from bias_toolkit.foundation.words import visible_name
from bias_toolkit.report.page.blocks import Dot

TILE = 80  # pixels
COLUMNS = 25
BLANK = "#9CA3AF"  # shown for an image that cannot be read any more


def write_photographs(ax: Axes, dots: Sequence[Dot], file: Path) -> dict[str, Any]:
    """Write the photographs of a drawn figure's dots as one JPEG file, in rows of `COLUMNS`.

    Returns what the page's script needs, as JSON values: for each dot its place in ten-thousandths of the figure's
    width and height, from the left and from the top, and its words.
    """
    sheet = Image.new("RGB", (TILE * COLUMNS, TILE * math.ceil(len(dots) / COLUMNS)), BLANK)
    for number, dot in enumerate(dots):
        try:
            photograph = ImageOps.contain(Image.fromarray(dot.read()), (TILE, TILE))
        except UnreadableImageError:
            continue
        row, column = divmod(number, COLUMNS)
        left, top = (TILE - length for length in photograph.size)
        sheet.paste(photograph, (TILE * column + left // 2, TILE * row + top // 2))
    sheet.save(file, quality=80)
    drawn = ax.collections[0].get_offsets()[[dot.number for dot in dots]]
    places = ax.figure.transFigure.inverted().transform(ax.transData.transform(drawn)) * [1, -1] + [0, 1]
    shown = [
        [*place, visible_name(dot.title), [visible_name(line) for line in dot.lines], dot.link]
        for dot, place in zip(dots, (1e4 * places).round().astype(int).tolist(), strict=True)
    ]
    return {"sheet": f"{file.parent.name}/{file.name}", "columns": COLUMNS, "dots": shown}
