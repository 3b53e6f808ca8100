"""Whether a network gives an image the same outputs again, and the same alone as among others."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from bias_toolkit.foundation.errors import InputError

Images = TypeVar("Images")

TOLERANCE = 1e-3
"""Largest difference that counts as rounding, relative to the largest output. In float32, batches of other sizes differ
by 1e-7 to 1e-5, and by 1e-4 in networks that amplify rounding; dropout, batch statistics and noise by 1e-2 and more."""


def refuse_random(name: str, outputs: Callable[[Images], Sequence[np.ndarray]], images: Images) -> None:
    """Raise InputError if the outputs of a model of this name change when images are evaluated again, or one alone.

    Sweeps would count such changes as instability.

    `outputs` maps images to arrays with one row an image. `images` are two or more, and can be sliced.
    """
    among, again, alone = outputs(images), outputs(images), outputs(images[:1])
    if (difference := _difference(among, again)) > TOLERANCE:
        raise InputError(
            f"The model {name} gives other outputs when the same images are evaluated again (they differ by up to "
            f"{difference:.1%} of the largest); see that model.eval() turns off its dropout and noise, as "
            "functional.dropout(x, training=self.training) does."
        )
    if (difference := _difference([each[:1] for each in among], alone)) > TOLERANCE:
        raise InputError(
            f"The model {name} gives an image other outputs alone than among others (they differ by up to "
            f"{difference:.1%} of the largest); see that model.eval() turns off its batch statistics, as "
            "BatchNorm2d(track_running_stats=True) does."
        )


def _difference(some: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> float:
    """The largest difference in any array, relative to the largest value of that array; NaN counts as equal to NaN."""
    largest = 0.0
    for one, other in zip(some, others, strict=True):
        scale = np.nanmax(np.abs(one), initial=np.finfo(np.float32).tiny)
        largest = max(largest, float(np.nanmax(np.abs(one - other), initial=0) / scale))
    return largest
