import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_toolkit.datasets.demo_law import PlacementLaw
from bias_toolkit.foundation.errors import InputError

ASPECTS = np.array([0.3, 0.5, 0.64, 0.64, 0.7, 0.9, 1.6])
LAWS = {
    "photographer": PlacementLaw(0.45, 0.12, 0.05, (0.2, 0.8)),
    "strongly truncated": PlacementLaw(0.7, 0.3, 0.2, (0.3, 0.9)),
    "normal centres, any scale": PlacementLaw(0.4, math.inf, 0.1, (0.2, 0.8)),
    "uniform": PlacementLaw(0.4, math.inf, math.inf, (0.2, 0.8)),
}


def draw_by_rejection(law, aspects, rng):
    """Boxes by the law's definition alone: propose uniformly, accept as often as the normal density says."""

    def normal_or_uniform(mean, spread, low, high):
        values = rng.uniform(low, high)
        rejected = np.full(len(values), not math.isinf(spread))
        while rejected.any():
            values[rejected] = rng.uniform(low[rejected], high[rejected])
            density = np.exp(-((values[rejected] - mean) ** 2) / (2 * spread**2))
            rejected[rejected] = rng.random(rejected.sum()) > density
        return values

    low, high = np.log(law.scale_range)
    greatest = np.minimum(high, -np.abs(np.log(aspects)) / 2)
    log_scale = normal_or_uniform(
        math.log(law.typical_scale), law.log_scale_spread, np.full(len(aspects), low), greatest
    )
    width, height = np.exp(log_scale) * np.sqrt(aspects), np.exp(log_scale) / np.sqrt(aspects)
    x = normal_or_uniform(0.5, law.centre_spread, width / 2, 1 - width / 2)
    y = normal_or_uniform(0.5, law.centre_spread, height / 2, 1 - height / 2)
    return np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)


def statistics(boxes, rng):
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    observed = np.hypot(x - 0.5, y - 0.5) / math.sqrt(0.5)
    free_x, free_y = rng.uniform(width / 2, 1 - width / 2), rng.uniform(height / 2, 1 - height / 2)
    null = np.hypot(free_x - 0.5, free_y - 0.5) / math.sqrt(0.5)
    log_scale = np.log(width * height) / 2
    return {
        "centre_distance": observed.mean(),
        "null_centre_distance": null.mean(),
        "centre_bias": 1 - observed.mean() / null.mean(),
        "log_scale_mean": log_scale.mean(),
        "log_scale_sd": log_scale.std(),
        "log_scale_median": np.median(log_scale),
    }


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_integrals_and_samples_agree_with_rejection_sampling(law):
    aspects = np.repeat(ASPECTS, 30_000)
    rng = np.random.default_rng(5)
    reference = statistics(draw_by_rejection(law, aspects, rng), rng)
    sampled = statistics(law.sample(aspects, rng), rng)
    consequences = law.consequences(ASPECTS)
    for name, value in reference.items():
        assert getattr(consequences, name) == pytest.approx(value, abs=4e-3), name
        assert sampled[name] == pytest.approx(value, abs=5e-3), name


def test_mean_distance_in_a_square_has_its_closed_form():
    """Boxes of one size, uniform: the mean distance of a point in a square from its middle is known."""
    law = PlacementLaw(0.5, math.inf, math.inf, (0.5, 0.5 + 1e-9))
    room = 0.25
    mean = room * (math.sqrt(2) + math.log(1 + math.sqrt(2))) / 3
    consequences = law.consequences(np.array([1.0]))
    assert consequences.centre_distance == pytest.approx(mean / math.sqrt(0.5), rel=1e-6)
    assert consequences.centre_bias == pytest.approx(0, abs=1e-12)


def test_mean_distance_of_a_narrow_normal_law_is_rayleighs():
    law = PlacementLaw(0.3, 0.01, 0.01, (0.2, 0.4))
    consequences = law.consequences(np.array([1.0]))
    assert consequences.centre_distance == pytest.approx(0.01 * math.sqrt(math.pi / 2) / math.sqrt(0.5), rel=1e-6)
    assert consequences.log_scale_mean == pytest.approx(math.log(0.3), abs=1e-9)
    assert consequences.log_scale_median == pytest.approx(math.log(0.3), abs=1e-9)
    assert consequences.log_scale_sd == pytest.approx(0.01, rel=1e-6)


@given(
    typical=st.floats(0.1, 0.95),
    scale_spread=st.sampled_from([0.05, 0.5, math.inf]),
    centre_spread=st.sampled_from([0.02, 0.3, math.inf]),
    aspect=st.floats(0.25, 4),
    seed=st.integers(0, 1000),
)
def test_boxes_fit_and_keep_their_aspect(typical, scale_spread, centre_spread, aspect, seed):
    law = PlacementLaw(typical, scale_spread, centre_spread, (0.1, 0.95))
    boxes = law.sample(np.full(20, aspect), np.random.default_rng(seed))
    size = boxes[:, 2:] - boxes[:, :2]
    assert (boxes >= 0).all()
    assert (boxes <= 1).all()
    np.testing.assert_allclose(size[:, 0] / size[:, 1], aspect, rtol=1e-9)
    scale = np.sqrt(size.prod(axis=1))
    assert (scale > 0.1 - 1e-9).all()
    assert (scale < 0.95 + 1e-9).all()


@pytest.mark.parametrize("aspect", [0.03, 30.0])
def test_an_object_too_long_for_the_least_scale_is_refused(aspect):
    law = LAWS["uniform"]
    with pytest.raises(InputError, match=r"aspects between 0\.04 and 25"):
        law.sample(np.array([1.0, aspect]), np.random.default_rng(0))
    with pytest.raises(InputError, match="aspects between"):
        law.consequences(np.array([1.0, aspect]))
