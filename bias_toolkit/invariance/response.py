"""The model's output along a sweep, small enough to store and complete enough for every measure."""

import numpy as np

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.invariance.sweep import Sweep
from bias_toolkit.invariance.transforms import CENTRE

TOP = 5


def make_response(
    probabilities: np.ndarray, features: np.ndarray, sweep: Sweep, label_index: int | None = None
) -> dict[str, object]:
    """One row of responses, from the views of one image.

    With p_k the softmax output on view k, φ_k its feature, and (a, b) the compared pairs of views (the sweep's steps,
    or its draws for offsets):

    ==============  ==========================================================================
    `top1`          y_k, the most probable class (the first of equals); int32, one for each view
    `p_top1`        p_k[y_k]; float32, one for each view
    `p_second`      the second largest of p_k (0 if there is one class only); float32, one for each view
    `p_reference`   p_k[r], r the centre view's top-1 class; float32, one for each view; None for
                    offsets, which have no centre view
    `p_label`       p_k[label]; float32, one for each view; None without a label
    `p_top1_next`   p_b[y_a]; float32, one for each pair
    `top5_exit`     whether y_a is not among the five most probable of p_b; bool, one for each pair
    `feature_step`  1 − cos(φ_a, φ_b); float32, one for each pair
    ==============  ==========================================================================

    `label_index` is stored too: with ties, y_k = label does not follow from the probabilities.

    `probabilities` are (V, C), `features` (V, D); `label_index` is the label's index among the C classes.
    """
    first, second = sweep.compared()
    top1 = probabilities.argmax(axis=1)
    return {
        "label_index": label_index,
        "top1": top1.astype(np.int32),
        "p_top1": probabilities.max(axis=1),
        "p_second": _second_largest(probabilities),
        "p_reference": probabilities[:, top1[CENTRE]] if sweep.moves_by_steps else None,
        "p_label": None if label_index is None else probabilities[:, label_index],
        "p_top1_next": probabilities[second, top1[first]],
        "top5_exit": rank(probabilities[second], top1[first]) >= TOP,
        "feature_step": cosine_distance(features[first], features[second]).astype(np.float32),
    }


def check_finite(probabilities: np.ndarray, features: np.ndarray, image_id: str) -> None:
    """Raise InputError, naming the image, unless a model's outputs on its views are finite.

    NaN has no top-1 class, but numpy's argmax would return one.
    """
    if not (np.isfinite(probabilities).all() and np.isfinite(features).all()):
        raise InputError(f"The model's output for {image_id} is not finite; check the model and its weights.")


def rank(probabilities: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """How many classes precede the given one in each row: (N,) int, 0 for argmax's class.

    A class precedes if it is more probable, or equally probable with a lower index. `probabilities` are (N, C),
    `classes` int (N,).
    """
    own = np.take_along_axis(probabilities, classes[:, None], axis=1)
    earlier = np.arange(probabilities.shape[1]) < classes[:, None]
    return ((probabilities > own) | ((probabilities == own) & earlier)).sum(axis=1)


def cosine_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """1 − cos(a, b) of each pair of rows (N, D), in float64; 0 for two zero vectors, 1 for one.

    It is computed as half the squared distance of the unit vectors. That is exactly 0 for equal rows, and avoids
    cancellation for nearly equal ones.
    """
    a, b = a.astype(float), b.astype(float)
    norm_a, norm_b = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    unit_a = a / np.where(norm_a > 0, norm_a, 1)[:, None]
    unit_b = b / np.where(norm_b > 0, norm_b, 1)[:, None]
    distance = ((unit_a - unit_b) ** 2).sum(axis=1) / 2
    return np.where((norm_a > 0) == (norm_b > 0), distance, 1.0)


def _second_largest(probabilities: np.ndarray) -> np.ndarray:
    if probabilities.shape[1] == 1:
        return np.zeros(len(probabilities), dtype=probabilities.dtype)
    return np.partition(probabilities, -2, axis=1)[:, -2]
