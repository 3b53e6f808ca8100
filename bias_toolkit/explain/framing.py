"""An object's position and scale in what the model sees, compared with those of the training objects."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bias_toolkit.explain.record import DRAWN_QUANTITIES, FRAMING_QUANTITIES, Framing, FramingStanding
from bias_toolkit.foundation.words import count
from bias_toolkit.invariance import Sweep, Window, boxes_in_view
from bias_toolkit.objects import CORNER_DISTANCE

MINIMUM_CLASS_OBJECTS = 20
MAXIMUM_OBJECTS = 10_000
SHOWN_OBJECTS = 500
USUAL_SHARE = 0.9
# Framing that differs by less than this counts as equal.
ROUNDING = 1e-9


@dataclass(frozen=True)
class TrainingObjects:
    """The training objects that an image's object is compared with, which `population` says in words.

    `boxes`, float (n, 4), are x0, y0, x1, y1 as fractions of the centre view of each object's image.
    """

    boxes: np.ndarray
    population: str

    @property
    def centre(self) -> tuple[float, float]:
        """Median cx and cy."""
        quantities = framing_quantities(self.boxes)
        return float(np.median(quantities["cx"])), float(np.median(quantities["cy"]))

    @property
    def scale(self) -> float:
        """Median scale."""
        return float(np.median(framing_quantities(self.boxes)["scale"]))


def training_objects(
    subjects: pd.DataFrame, category: str | None, input_size: int, size: float = 1.0, seed: int = 0
) -> TrainingObjects | None:
    """The training objects of a category, as the model sees them; those of all categories if it has fewer than 20.

    None if there is no object.

    Parameters
    ----------
    subjects : DataFrame
        The objects of the training set, one per image: columns category, x0, y0, x1, y1, width, height, in pixels.
    size : float
        The size of the crop whose centre view shows a training image.
    seed : int
        Of the sample of 10,000 that is taken if there are more.
    """
    own = subjects[subjects["category"] == category] if category is not None else subjects[:0]
    enough = len(own) >= MINIMUM_CLASS_OBJECTS
    taken = own if enough else subjects
    if taken.empty:
        return None
    number = count(len(taken), "training object")
    population = f"the {number} of its class" if enough else f"all {number}"
    if len(taken) > MAXIMUM_OBJECTS:
        population = f"{MAXIMUM_OBJECTS:,} of {population}"
        taken = taken.sample(MAXIMUM_OBJECTS, random_state=seed)
    return TrainingObjects(boxes_in_view(taken, Sweep("crop", "diagonal", size), input_size), population)


def framing_quantities(boxes: np.ndarray) -> dict[str, np.ndarray]:
    """The `FRAMING_QUANTITIES` of boxes (…, 4), which are given as fractions of a view."""
    x0, y0, x1, y1 = np.moveaxis(np.asarray(boxes, dtype=float), -1, 0)
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    return {
        "cx": cx,
        "cy": cy,
        "centre_distance": np.hypot(cx - 0.5, cy - 0.5) / CORNER_DISTANCE,
        "scale": np.sqrt((x1 - x0) * (y1 - y0)),
        "aspect": (x1 - x0) / (y1 - y0),
    }


def compare_framing(box: Sequence[float], window: Window, training: TrainingObjects, seed: int = 0) -> Framing:
    """An object's framing, compared with the training objects.

    The position is usual if at most 90% of the training objects lie nearer to their median position. The scale is usual
    if at most 90% of the training objects have a scale nearer to their median, in logarithms.

    `box` is x0, y0, x1, y1 in pixels of its image, seen through `window`. `seed` is of the sample of 500
    training objects that is kept for the figure.
    """
    own = framing_quantities(window.to_view(box))
    others = framing_quantities(training.boxes)
    standings = [
        FramingStanding(
            name, float(own[name]), float(np.median(others[name])), float((others[name] < own[name] - ROUNDING).mean())
        )
        for name in FRAMING_QUANTITIES
    ]
    centre, log_scale = training.centre, np.log(training.scale)
    away = np.hypot(others["cx"] - centre[0], others["cy"] - centre[1])
    own_away = np.hypot(own["cx"] - centre[0], own["cy"] - centre[1])
    deviation = np.abs(np.log(others["scale"]) - log_scale)
    own_deviation = np.abs(np.log(own["scale"]) - log_scale)
    n = len(training.boxes)
    shown = np.sort(np.random.default_rng(seed).permutation(n)[:SHOWN_OBJECTS])
    return Framing(
        box=[float(edge) for edge in box],
        population=training.population,
        n=n,
        standings=standings,
        training={name: others[name][shown].round(5).tolist() for name in DRAWN_QUANTITIES},
        usual_position=bool((away < own_away - ROUNDING).mean() <= USUAL_SHARE),
        usual_scale=bool((deviation < own_deviation - ROUNDING).mean() <= USUAL_SHARE),
    )
