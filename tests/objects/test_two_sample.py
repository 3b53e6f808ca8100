import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import logit
from sklearn.metrics import roc_auc_score

from bias_toolkit.objects.framing_variables import FramedObjects
from bias_toolkit.objects.two_sample import (
    FOLDS,
    _areas,
    _dealt,
    _permuted_in_folds,
    _variance,
    classifier_test,
)

pytestmark = pytest.mark.usefixtures("few_groups")


def draw(rng, n, shift=0.0, spread=1.0, most=3):
    """Framing of one to three alike objects an image."""
    per_image = rng.integers(1, most + 1, n)
    image = np.repeat(np.arange(n), per_image)
    size = len(image)

    def like(value):
        return (value * rng.normal(size=n)[image] + value * rng.normal(size=size)) / np.sqrt(2)

    table = pd.DataFrame(
        {
            "image_id": [f"{i}" for i in image],
            "cx": 0.5 + shift + spread * like(0.1),
            "cy": 0.5 + like(0.1),
            "scale": np.exp(-1 + like(0.3)),
            "aspect": np.exp(like(0.2)),
            "truncated": rng.random(size) < 0.2,
        }
    )
    return FramedObjects.of(table)


def test_p_values_are_uniform_where_nothing_differs_however_alike_the_objects_of_an_image(monkeypatch):
    # The interval is not looked at here.
    monkeypatch.setattr("bias_toolkit.objects.two_sample._jackknife_error", lambda *_: 0.1)
    rng = np.random.default_rng(0)
    tests = [classifier_test(draw(rng, 25), draw(rng, 40), permutations=19, rng=rng) for _ in range(40)]
    p_values = np.array([test.p_value for test in tests])
    # Of 19 permutations the p-values are multiples of 1 / 20.
    assert stats.kstest(p_values - 1 / 40, "uniform").pvalue > 0.001
    assert np.mean([test.auc for test in tests]) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("n", [5, 6, 8])
def test_of_few_images_the_interval_holds_the_area(n):
    """A part of so few images that is left out can be all of a fold, and all objects of a fold in one order."""
    for seed in range(2):
        rng = np.random.default_rng(seed)
        test = classifier_test(draw(rng, n), draw(rng, n), permutations=2, rng=rng)
        assert 0 <= test.auc_low <= test.auc <= test.auc_high <= 1
        assert test.auc_low < test.auc_high


@pytest.mark.parametrize(("shift", "spread"), [(0.12, 1), (0, 2)])
def test_a_difference_of_place_or_of_spread_is_found(shift, spread):
    rng = np.random.default_rng(1)
    test = classifier_test(draw(rng, 150), draw(rng, 150, shift, spread), permutations=99, rng=rng)
    assert test.p_value == 0.01
    assert 0.5 < test.auc_low < test.auc < test.auc_high < 1
    assert (test.n_images_first, test.n_images_second) == (150, 150)
    assert test.folds == FOLDS


def test_the_direction_of_a_difference_does_not_matter():
    rng = np.random.default_rng(1)
    first, second = draw(rng, 100), draw(rng, 100, 0.12)
    one, other = (
        classifier_test(*pair, permutations=49, rng=np.random.default_rng(0)).auc
        for pair in ((first, second), (second, first))
    )
    assert min(one, other) > 0.6


def test_the_interval_is_as_wide_as_what_such_classifiers_reach_scatters(few_groups, monkeypatch):
    """Half the width on the logit scale, over Student's quantile, is the standard deviation or somewhat more."""

    def reached(n):
        tests = [classifier_test(draw(rng, 60), draw(rng, 60, 0.1), permutations=2, rng=rng) for _ in range(n)]
        return logit([[test.auc_low, test.auc, test.auc_high] for test in tests]).T

    rng = np.random.default_rng(2)
    low, auc, high = reached(4)
    error = np.mean(high - low) / 2 / stats.t.ppf(0.975, few_groups - 1)
    # The interval takes most of the time.
    monkeypatch.setattr("bias_toolkit.objects.two_sample._jackknife_error", lambda *_: 0.1)
    spread = np.std([*auc, *reached(40)[1]], ddof=1)
    # The ratio's own standard error is a seventh, so that an interval of half the width would be below.
    assert 0.75 < error / spread < 1.6
    assert ((low < auc) & (auc < high)).all()


def test_copies_of_the_objects_of_an_image_narrow_nothing():
    rng = np.random.default_rng(3)
    once = [draw(rng, 60, most=1), draw(rng, 60, 0.1, most=1)]
    thrice = [
        FramedObjects(pd.concat([each.values] * 3, ignore_index=True), np.tile(each.image, 3), each.n_images)
        for each in once
    ]
    for each in thrice:
        each.values["objects_per_image"] = 1.0
    single, triple = (classifier_test(*pair, permutations=9, rng=np.random.default_rng(0)) for pair in (once, thrice))
    assert triple.auc == pytest.approx(single.auc, abs=1e-9)
    assert triple.auc_low == pytest.approx(single.auc_low, abs=1e-9)
    assert triple.n_objects_first == 180


def test_sets_that_are_always_told_apart():
    rng = np.random.default_rng(0)
    test = classifier_test(draw(rng, 30), draw(rng, 60, 5.0), permutations=99, rng=rng)
    assert test.auc == test.auc_high == 1
    assert test.auc_low == pytest.approx(0.9)
    assert test.p_value == 0.01


def test_objects_that_are_all_alike_tell_nothing():
    rng = np.random.default_rng(0)
    for n in (6, 30):
        values = draw(rng, 6, most=1).values.iloc[[0] * n].reset_index(drop=True)
        same = FramedObjects(values, np.arange(n), n)
        test = classifier_test(same, same, permutations=19, rng=rng)
        assert test.auc == 0.5
        assert test.p_value == 1
        # No interval has zero width.
        assert (test.auc_low, test.auc_high) == pytest.approx((0.5 - 3 / n, 0.5 + 3 / n))


def test_too_few_images():
    rng = np.random.default_rng(0)
    assert classifier_test(draw(rng, 4), draw(rng, 50), rng=rng) is None
    assert classifier_test(draw(rng, 50), draw(rng, 4), rng=rng) is None


def test_areas_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 6, (40, 5)).astype(float)
    labels = rng.random((40, 5)) < 0.4
    expected = [roc_auc_score(labels[:, i], scores[:, i]) for i in range(5)]
    assert _areas(scores, labels) == pytest.approx(expected)
    assert _areas(scores, np.zeros((40, 5), bool)) == pytest.approx([0.5] * 5)


def test_variance_agrees_with_resampling_the_images():
    rng = np.random.default_rng(0)
    image = np.repeat(np.arange(60), rng.integers(1, 4, 60))
    labels = image % 2 == 0
    scores = rng.normal(size=60)[image] + 0.5 * rng.normal(size=len(image)) + 0.7 * labels
    rows = [np.flatnonzero(image == i) for i in range(60)]
    slow = []
    for _ in range(1000):
        drawn = np.concatenate([rows[2 * i + which] for which in (0, 1) for i in rng.integers(0, 30, 30)])
        slow.append(_areas(scores[drawn, None], labels[drawn, None])[0])
    assert np.sqrt(_variance(scores, labels, image)) == pytest.approx(np.std(slow), rel=0.1)


def test_folds_have_their_part_of_both_datasets_under_every_permutation():
    rng = np.random.default_rng(0)
    of_second = np.repeat([False, True], [23, 41])
    fold = _dealt(of_second, FOLDS, rng)
    chosen = _permuted_in_folds(of_second, fold, 7, rng)
    for number in range(FOLDS):
        assert (chosen[:, fold == number].sum(axis=1) == of_second[fold == number].sum()).all()
        assert of_second[fold == number].sum() in (8, 9)
    assert len(np.unique(chosen, axis=0)) == 7
