"""The variables by which two datasets' framing is compared, and the image that each value belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

OBJECT_VARIABLES = ("cx", "cy", "log_scale", "log_aspect", "truncated")
VARIABLES = (*OBJECT_VARIABLES, "objects_per_image")


@dataclass(frozen=True)
class FramedObjects:
    """The objects of one dataset.

    `values` has one row per object and the columns `VARIABLES`: scale and aspect as natural logarithms, `truncated` as
    0 or 1, and the number of objects in the object's image.
    """

    values: pd.DataFrame
    image: np.ndarray  # (objects,) int64; the number of each object's image
    n_images: int  # images that have an object

    @classmethod
    def of(cls, framing: pd.DataFrame) -> FramedObjects:
        """The objects of a FRAMING table."""
        image, images = pd.factorize(framing["image_id"])
        values = pd.DataFrame(
            {
                "cx": framing["cx"].to_numpy(np.float64),
                "cy": framing["cy"].to_numpy(np.float64),
                "log_scale": np.log(framing["scale"].to_numpy(np.float64)),
                "log_aspect": np.log(framing["aspect"].to_numpy(np.float64)),
                "truncated": framing["truncated"].to_numpy(np.float64),
                "objects_per_image": np.bincount(image, minlength=len(images))[image].astype(np.float64),
            }
        )
        return cls(values, image, len(images))

    def column(self, variable: str) -> tuple[np.ndarray, np.ndarray]:
        """A variable's values and the numbers of their images; one value per object, or one per image."""
        if variable in OBJECT_VARIABLES:
            return self.values[variable].to_numpy(), self.image
        _, first = np.unique(self.image, return_index=True)
        return self.values[variable].to_numpy()[first], np.arange(self.n_images)


def sample_of_images(framing: pd.DataFrame, most: int, rng: np.random.Generator) -> pd.DataFrame:
    """The objects of at most `most` randomly drawn images that have an object, in their order."""
    image, images = pd.factorize(framing["image_id"])
    if len(images) <= most:
        return framing
    taken = np.zeros(len(images), dtype=bool)
    taken[rng.choice(len(images), most, replace=False)] = True
    return framing[taken[image]]
