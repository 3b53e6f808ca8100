"""The names and definitions of an image's distances from the training set."""

import math
from dataclasses import dataclass

NEAREST = 10
"""k of knn_distance."""
CLASS_SAMPLE = 100_000
"""Training images among which the nearest of a class, and of all others, are searched for the flag."""


@dataclass(frozen=True)
class Distance:
    """A distance of an image from the training set, in the units of the index's metric unless it is a share."""

    name: str  # of its column
    label: str  # for an axis or a table's heading
    definition: str  # one line
    share: bool = False  # whether it is a share, which is shown as a percentage, and not in the metric's units

    @property
    def highest(self) -> float:
        """Its maximum; the minimum is 0."""
        return 1.0 if self.share else math.inf


TRAINING_DISTANCES = (
    Distance(
        "nn_distance",
        "Distance to nearest training image",
        "Distance from the image's feature to the nearest feature of a training image.",
    ),
    Distance(
        "knn_distance",
        f"Mean distance to the {NEAREST} nearest training images",
        f"Mean distance from the image's feature to its {NEAREST} nearest training features.",
    ),
    Distance(
        "class_nn_distance",
        "Distance to nearest training image of the class",
        "Distance from the image's feature to the nearest training feature with the same label.",
    ),
    Distance(
        "distance_percentile",
        "Distance percentile",
        "Share of training images that are nearer to their own nearest other training image.",
        share=True,
    ),
)
"""All distances, in the order of tables and pages."""
