"""The numerical noise floor: how often rounding alone changes the top-1 class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.intervals import SHARE, clopper_pearson, mean_limits
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.threads import ordered_map
from bias_toolkit.invariance.packing import evaluate_packed
from bias_toolkit.invariance.sweep import Sweep, make_views
from bias_toolkit.invariance.views import Views

if TYPE_CHECKING:
    from bias_toolkit.models import Model

RESAMPLES = 2000


@dataclass(frozen=True)
class NoiseFloor:
    """`p_top1_change` between two evaluations of the same views.

    `interval` is the 95% Clopper–Pearson interval of `value` over views. It is informative even if nothing changed, but
    it treats the views of one image as independent. `interval_over_images` is the 95% interval over images;
    None if nothing changed.
    """

    value: float  # share of the views whose top-1 class differs between the two evaluations
    n_images: int
    n_views: int
    n_changed: int  # views whose top-1 class differs
    interval: tuple[float, float]
    interval_over_images: tuple[float, float] | None
    max_difference: float  # largest absolute difference of any class's probability in any view


def noise_floor(
    model: Model,
    read: Callable[[str], np.ndarray],
    image_ids: Sequence[str],
    sweep: Sweep,
    *,
    batch_size: int,
    n_images: int = 64,
    seed: int = 0,
    progress: Progress = silent,
) -> NoiseFloor:
    """Evaluate the views of a sample of images twice, and count the views whose top-1 class differs.

    The first evaluation has the views in order, in batches of `batch_size`, as in a sweep. The second has them in
    random order, in batches of one view less. With y_v and y'_v the two top-1 classes of view v, the value is
    (1/N) Σ_v 1[y_v ≠ y'_v]. Raises InputError if no image of the sample can be read.

    Parameters
    ----------
    read : returns the image of an id, uint8 (height, width, 3); an image for which it raises `UnreadableImageError` is
        left out of the sample.
    n_images : size of the sample, whose views are held in memory; all images if there are fewer.
    seed : of the sample, the order and the bootstrap.
    progress : counts evaluations, two per view.
    """
    generator = np.random.default_rng(seed)
    image_ids = list(image_ids)
    chosen = np.sort(generator.choice(len(image_ids), size=min(n_images, len(image_ids)), replace=False))

    def prepare(image_id: str) -> Views | None:
        try:
            return make_views(read(image_id), sweep, model.input_size, image_id)
        except UnreadableImageError:
            return None

    sample = [views for views in ordered_map(prepare, [image_ids[i] for i in chosen]) if views is not None]
    if not sample:
        raise InputError(f"None of the {len(chosen)} images sampled for the noise floor can be read.")
    views = [image[k : k + 1] for image in sample for k in range(len(image))]
    order = generator.permutation(len(views))
    with progress("Noise floor", total=2 * len(views)) as advance:
        once = _evaluate(model, views, range(len(views)), batch_size, advance)
        again = _evaluate(model, views, order, batch_size - 1 if batch_size > 1 else 2, advance)

    changed = once.argmax(axis=1) != again.argmax(axis=1)
    n_changed = int(changed.sum())
    return NoiseFloor(
        value=n_changed / len(views),
        n_images=len(sample),
        n_views=len(views),
        n_changed=n_changed,
        interval=clopper_pearson(n_changed, len(views)),
        interval_over_images=_bootstrap(changed.reshape(len(sample), -1), generator) if n_changed else None,
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


def _bootstrap(changed: np.ndarray, generator: np.random.Generator) -> tuple[float, float]:
    """95% interval of the mean of `changed` (images, views) over images."""
    shares = changed.mean(axis=1)
    drawn = generator.integers(len(shares), size=(RESAMPLES, len(shares)))
    return mean_limits(shares, shares[drawn].mean(axis=1), SHARE)
