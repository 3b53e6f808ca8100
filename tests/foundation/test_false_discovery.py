import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_toolkit.objects import q_values


def test_by_hand():
    assert q_values([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])


def test_a_test_that_could_not_be_made_does_not_count():
    found = q_values([np.nan, 0.01, np.nan, 0.04])
    assert np.isnan(found[[0, 2]]).all()
    assert found[[1, 3]] == pytest.approx([0.02, 0.04])
    assert np.isnan(q_values([np.nan])).all()
    assert len(q_values([])) == 0


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=40))
def test_agrees_with_the_step_up_procedure(p_values):
    p, q = np.sort(p_values), q_values(p_values)
    assert (q >= p_values - np.finfo(float).eps).all()
    for rate in (0.05, 0.2, 0.5):
        below = np.flatnonzero(p <= rate * np.arange(1, len(p) + 1) / len(p) * (1 + 1e-12))
        largest = p[below[-1]] if len(below) else -1.0
        assert ((q <= rate * (1 + 1e-12)) == (np.array(p_values) <= largest)).all()


def test_the_false_discovery_rate_holds():
    rng = np.random.default_rng(0)
    shares, power = [], []
    for _ in range(400):
        real = np.arange(60) < 15
        p = np.where(real, rng.beta(0.1, 4, 60), rng.random(60))
        found = q_values(p) <= 0.05
        shares.append((found & ~real).sum() / max(found.sum(), 1))
        power.append(found[real].mean())
    assert np.mean(shares) < 0.05 * 45 / 60 + 3 * np.std(shares) / 20
    assert np.mean(power) > 0.4
