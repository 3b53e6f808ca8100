import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from bias_toolkit.analysis.correlation import Ranks


def slow_ranks(values):
    return (rankdata(values) - (len(values) + 1) / 2) / len(values)


@settings(max_examples=30, deadline=None)
@given(data=st.data(), sizes=st.lists(st.integers(1, 8), min_size=1, max_size=4))
def test_ranks_of_a_resample_are_those_of_its_rows(data, sizes):
    n = sum(sizes)
    values = np.array(data.draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, 7.0]), min_size=n, max_size=n)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    stops = np.cumsum(sizes)
    drawn = [rng.integers(stop - size, stop, size) for stop, size in zip(stops, sizes, strict=True)]
    counts = np.bincount(np.concatenate(drawn), minlength=n)
    ranks = Ranks(values, np.array(sizes)).resampled(counts[None, :].astype(float))[0]
    for rows in drawn:
        np.testing.assert_allclose(ranks[rows], slow_ranks(values[rows]), atol=1e-12)


def test_original_ranks():
    values = np.array([3.0, 1.0, 1.0, 9.0, 10.0, -5.0])
    np.testing.assert_allclose(Ranks(values, np.array([6])).original(), slow_ranks(values))
    np.testing.assert_allclose(
        Ranks(values, np.array([4, 2])).original(), [*slow_ranks(values[:4]), *slow_ranks(values[4:])]
    )
