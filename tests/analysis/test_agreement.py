"""Agreement of answers with labels beyond chance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from bias_toolkit.analysis.framing_map import kappa


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 40))
def test_it_is_cohens_kappa_of_the_resampled_images(seed, n):
    rng = np.random.default_rng(seed)
    answers, labels = rng.integers(0, 5, n), rng.integers(0, 4, n)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=3)
    for row, found in zip(counts, kappa(answers, labels, counts.astype(float)), strict=True):
        one, other = np.repeat(answers, row), np.repeat(labels, row)
        if len(set(one) | set(other)) > 1:
            assert found == pytest.approx(cohen_kappa_score(one, other), abs=1e-9)


def test_one_answer_to_everything_agrees_by_chance_alone():
    labels = np.array([0, 0, 0, 1])
    assert kappa(np.zeros(4, int), labels, np.ones((1, 4)))[0] == 0
    assert kappa(labels, labels, np.ones((1, 4)))[0] == pytest.approx(1)
    assert kappa(np.zeros(4, int), np.zeros(4, int), np.ones((1, 4)))[0] == 0
    assert np.isnan(kappa(labels, labels, np.zeros((1, 4)))[0])
