"""What a scan of a dataset yields."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass
class Tables:
    """The tables of one dataset.

    Attributes
    ----------
    images, objects, skipped : pandas.DataFrame
        As `schema.IMAGES`, `schema.OBJECTS` and `schema.SKIPPED` say; rows in the order of the dataset's image ids,
        the objects of one image in the order of its annotations.
    dropped_boxes : int
        Boxes of readable images that were left out, because no area of them lies inside the image.
    """

    images: pd.DataFrame
    objects: pd.DataFrame
    skipped: pd.DataFrame
    dropped_boxes: int
