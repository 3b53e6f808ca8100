"""The numerical noise floor: how often rounding alone changes the top-1 class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.intervals import clopper_pearson
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.threads import ordered_map
from bias_toolkit.invariance.packing import evaluate_packed
from bias_toolkit.invariance.sweep import Sweep, make_views
from bias_toolkit.invariance.transforms import CENTRE
from bias_toolkit.invariance.views import Views

if TYPE_CHECKING:
    from bias_toolkit.models import Model


@dataclass(frozen=True)
class NoiseFloor:
    """`p_top1_change` between two evaluations of the same view of each image.

    Views of one image are not independent, so there is one view an image.
    """

    value: float  # share of the images whose top-1 class differs between the two evaluations
    n_images: int
    n_changed: int  # images whose top-1 class differs
    interval: tuple[float, float]  # 95% Clopper–Pearson interval of `value` over images
    max_difference: float  # largest absolute difference of any class's probability on any image


def noise_floor(
    model: Model,
    read: Callable[[str], np.ndarray],
    image_ids: Sequence[str],
    sweep: Sweep,
    *,
    batch_size: int,
    n_images: int = 512,
    seed: int = 0,
    progress: Progress = silent,
) -> NoiseFloor:
    """Evaluate one view of each image of a sample twice, and count the images whose top-1 class differs.

    It is the centre view; of a sweep without one, the first. The first evaluation has the images in order, in batches
    of `batch_size`, as in a sweep. The second has them in random order, in batches of one image less. With y_i and y'_i
    the two top-1 classes of image i, the value is (1/N) Σ_i 1[y_i ≠ y'_i]. Raises InputError if no image of the sample
    can be read.

    Parameters
    ----------
    read : returns the image of an id, uint8 (height, width, 3); an image for which it raises `UnreadableImageError` is
        left out of the sample.
    n_images : size of the sample, whose views are held in memory; all images if there are fewer.
    seed : of the sample and the order.
    progress : counts evaluations, two per image.
    """
    generator = np.random.default_rng(seed)
    image_ids = list(image_ids)
    chosen = np.sort(generator.choice(len(image_ids), size=min(n_images, len(image_ids)), replace=False))

    at = CENTRE if sweep.moves_by_steps else 0

    def prepare(image_id: str) -> Views | None:
        try:
            return make_views(read(image_id), sweep, model.input_size, image_id)[at : at + 1]
        except UnreadableImageError:
            return None

    views = [view for view in ordered_map(prepare, [image_ids[i] for i in chosen]) if view is not None]
    if not views:
        raise InputError(f"None of the {len(chosen)} images sampled for the noise floor can be read.")
    order = generator.permutation(len(views))
    with progress("Noise floor", total=2 * len(views)) as advance:
        once = _evaluate(model, views, range(len(views)), batch_size, advance)
        again = _evaluate(model, views, order, batch_size - 1 if batch_size > 1 else 2, advance)

    changed = once.argmax(axis=1) != again.argmax(axis=1)
    n_changed = int(changed.sum())
    return NoiseFloor(
        value=n_changed / len(views),
        n_images=len(views),
        n_changed=n_changed,
        interval=clopper_pearson(n_changed, len(views)),
        max_difference=float(np.abs(once - again).max()),
    )


def _evaluate(
    model: Model, views: list[Views], order: Sequence[int], batch_size: int, advance: Callable[[int], None]
) -> np.ndarray:
    """Probabilities (N, C) of single views, evaluated in the given order and returned in the views' order."""
    by_place = {}
    for i, probabilities, _ in evaluate_packed(model, ((i, views[i]) for i in order), batch_size):
        by_place[i] = probabilities[0]
        advance(1)
    return np.stack([by_place[i] for i in range(len(views))])
