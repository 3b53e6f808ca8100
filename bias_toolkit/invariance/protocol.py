"""From an image to its views, whatever the protocol."""

from __future__ import annotations

import numpy as np

from bias_toolkit.datasets import ReducedImage
from bias_toolkit.invariance.crop import crop_views
from bias_toolkit.invariance.embed import embed_views
from bias_toolkit.invariance.offsets import offset_views
from bias_toolkit.invariance.sweep import Sweep
from bias_toolkit.invariance.views import Views

VIEWS = {"crop": crop_views, "embed": embed_views, "offsets": offset_views}


def make_views(image: np.ndarray | ReducedImage, sweep: Sweep, input_size: int, image_id: str) -> Views:
    """Make the views of one image, `sweep.n_views` of them, in order.

    Every step is an exact slice of one resized picture (but `scale`, whose steps are resized from the image
    each on its own). What is random depends on the image's id and the sweep's seed alone.

    Parameters
    ----------
    image : uint8, shape (height, width, 3), or reduced
        RGB, upright.
    input_size : int
        Side W of the model's input, in pixels.

    Raises
    ------
    InputError
        If the sweep's size leaves nothing of the image.
    """
    return VIEWS[sweep.protocol](image, sweep, input_size, image_id)
