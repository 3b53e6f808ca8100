"""Whether a model gives an image the same outputs again, and the same alone as among others."""

import numpy as np

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models.model import Model
from bias_toolkit.models.runtime import Outputs, varied_images

TOLERANCE = 1e-3
"""Largest difference that counts as rounding, relative to the largest output. In float32, batches of other sizes differ
by 1e-7 to 1e-5, and by 1e-4 in networks that amplify rounding; dropout, batch statistics and noise by 1e-2 and more."""
PROBED = slice(2, 6)
"""Of `varied_images`: the four that are not of one colour."""


def check_deterministic(model: Model) -> None:
    """Raise InputError if the model's outputs for an image change when it is evaluated again, or alone.

    Sweeps would count such changes as instability. Nine views are evaluated, with the runtime that sweeps use.
    """
    views = varied_images(model.input_size)[PROBED]
    among, again, alone = (model.evaluate(pixels) for pixels in (views, views, views[:1]))
    if (difference := _difference(among, again)) > TOLERANCE:
        raise InputError(
            f"The model {model.name} gives other outputs when the same images are evaluated again (they differ by up "
            f"to {difference:.1%} of the largest); see that model.eval() turns off its dropout and noise, as "
            "functional.dropout(x, training=self.training) does."
        )
    if (difference := _difference(Outputs(*(each[:1] for each in among)), alone)) > TOLERANCE:
        raise InputError(
            f"The model {model.name} gives an image other outputs alone than among others (they differ by up to "
            f"{difference:.1%} of the largest); see that model.eval() turns off its batch statistics, as "
            "BatchNorm2d(track_running_stats=True) does."
        )


def _difference(one: Outputs, other: Outputs) -> float:
    """The largest difference of a probability, or of a feature relative to the largest feature; NaN equals NaN."""
    probabilities = np.abs(one.probabilities - other.probabilities)
    largest = np.nanmax(np.abs(one.features), initial=np.finfo(np.float32).tiny)
    features = np.abs(one.features - other.features) / largest
    return float(max(np.nanmax(probabilities, initial=0), np.nanmax(features, initial=0)))
