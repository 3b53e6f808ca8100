"""From an image to the views of a sweep, to their picture, and to where they lie in the image."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bias_toolkit.datasets import BOX_EDGES, ReducedImage, Reduction
from bias_toolkit.invariance.protocols import protocol_of
from bias_toolkit.invariance.sweep import Sweep
from bias_toolkit.invariance.transforms import CENTRE
from bias_toolkit.invariance.views import Views, largest_factor
from bias_toolkit.invariance.window import Picture, Window, take_picture


def make_views(image: np.ndarray | ReducedImage, sweep: Sweep, input_size: int, image_id: str) -> Views:
    """Make the views of one image, `sweep.n_views` of them, in order.

    Every step is an exact slice of one resized picture (but `scale`, whose steps are resized from the image each on its
    own). What is random depends on the image's id and the sweep's seed alone. Raises InputError if the sweep's size
    leaves nothing of the image.

    Parameters
    ----------
    image : (height, width, 3) uint8, or reduced; RGB, upright.
    input_size : side W of the model's input, in pixels.
    """
    return protocol_of(sweep.protocol).views(image, sweep, input_size, image_id)


def sweep_reduction(sweep: Sweep, input_size: int, image_id: str) -> Reduction:
    """The largest factor at which an image may be decoded for a sweep with a model of input side W."""
    resized = protocol_of(sweep.protocol).resized
    return lambda width, height: largest_factor(*resized(width, height, sweep, input_size, image_id))


def sweep_window(width: int, height: int, sweep: Sweep, input_size: int, image_id: str) -> Window:
    """Where the centre view of a sweep lies in an image of that width and height; under offsets there is none."""
    return protocol_of(sweep.protocol).window(width, height, sweep, input_size, image_id)


def boxes_in_view(objects: pd.DataFrame, sweep: Sweep, input_size: int) -> np.ndarray:
    """Where objects lie in the centre views of their images: x0, y0, x1, y1 as fractions of the view, shape (n, 4).

    Parameters
    ----------
    objects : columns x0, y0, x1, y1, and width and height of the object's image, in pixels.
    sweep : crop or embed, sampled at the centre.
    """
    boxes = np.empty((len(objects), 4))
    edges = objects[BOX_EDGES].to_numpy(float)
    for (width, height), rows in objects.groupby(["width", "height"]).indices.items():
        boxes[rows] = sweep_window(int(width), int(height), sweep, input_size, "").to_view(edges[rows])
    return boxes


def sweep_picture(image: np.ndarray, sweep: Sweep, input_size: int, image_id: str, margin: int) -> Picture:
    """The picture around the centre view of a crop or embed sweep; the sweep's own views are slices of it.

    A crop is continued beyond its box by the image, and beyond the image by inpainting; an embed by its own fill.
    Raises ValueError if the margin is smaller than that of the sweep.
    """
    if margin < CENTRE:
        raise ValueError(f"A sweep moves by {CENTRE} pixels, more than a margin of {margin}.")
    protocol = protocol_of(sweep.protocol)
    fill = sweep.fill if protocol.has_canvas else "inpaint"
    height, width = image.shape[:2]
    picture = take_picture(image, sweep_window(width, height, sweep, input_size, image_id), margin, fill)
    # A resize of more than the sweep's box, or a fill of a larger canvas, differs from the sweep's at its edges.
    own = protocol.picture(image, sweep, input_size, image_id)
    pixels = picture.pixels.copy()
    part = pixels[margin - CENTRE :, margin - CENTRE :][: len(own), : len(own)]
    part[...] = own[: len(part), : len(part)]
    return Picture(pixels, picture.outside, fill, margin)
