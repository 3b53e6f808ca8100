"""Images whose instability follows a known law."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import betaincinv, expit, ndtr

STEPS = 8


def draw_images(rng, sizes, distance=0.4, margin=-0.9, square=0.0, intercepts=0.0, alike=0.5):
    """A per-image table with nn_distance, margin and centre_distance, of which the last has no effect.

    Distance falls with the margin. The odds that a step changes the class have the logarithm −1.5 + distance ·
    nn_distance + margin · margin + square · margin², and an intercept of the class of standard deviation `intercepts`.
    Steps of an image are alike, and images of a class as `alike` says (a Gaussian copula of beta variates).
    """
    of = np.repeat(np.arange(len(sizes)), sizes)
    n = len(of)

    def shared(share):
        return np.sqrt(share) * rng.normal(size=len(sizes))[of] + np.sqrt(1 - share) * rng.normal(size=n)

    margins, own, nothing = (shared(0.5) for _ in range(3))
    far = -0.6 * margins + 0.8 * own
    log_odds = -1.5 + distance * far + margin * margins + square * (margins**2 - 1)
    mean = expit(log_odds + intercepts * rng.normal(size=len(sizes))[of])
    p = betaincinv(3 * mean, 3 * (1 - mean), ndtr(shared(alike)))
    changed = rng.binomial(STEPS, np.clip(np.nan_to_num(p), 0, 1))
    return pd.DataFrame(
        {
            "image_id": [f"{i}.png" for i in range(n)],
            "label": [f"class {k:03}" for k in of],
            "p_top1_change": (changed / STEPS).astype(np.float32),
            "n_steps": np.int32(STEPS),
            "nn_distance": far,
            "margin": margins,
            "centre_distance": nothing,
        }
    )


@pytest.fixture
def draw():
    """`draw_images`."""
    return draw_images
