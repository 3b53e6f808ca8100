"""The statistics of the flag, against known truth and independent implementations."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from bias_toolkit.analysis import flag
from bias_toolkit.analysis.flag import COMBINATION, FLAG_SCORES, MARGIN, OUTPUTS, TERMS, UNSTABLE
from bias_toolkit.foundation.resampling import resample_counts


def slow_augrc(score, unstable):
    """AUGRC from its definition, threshold by threshold: accepted are the images of a score up to the threshold."""
    n, area, before = len(score), 0.0, (0.0, 0.0)
    for threshold in sorted(set(score)):
        accepted = [place for place in range(n) if score[place] <= threshold]
        coverage, risk = len(accepted) / n, sum(unstable[place] for place in accepted) / n
        area += (coverage - before[0]) * (risk + before[1]) / 2
        before = coverage, risk
    return area


def areas(score, unstable):
    auroc, augrc = flag.risk_areas(np.asarray(score, float), np.asarray(unstable, float), np.ones((1, len(score))))
    return auroc[0], augrc[0]


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.integers(0, 3)), min_size=2, max_size=25).filter(
        lambda images: len({unstable for _, unstable, count in images if count}) == 2
    )
)
def test_areas_agree_with_scikit_learn_and_the_definition_also_in_resamples(images):
    score, unstable, counts = (np.array(each, float) for each in zip(*images, strict=True))
    repeated = np.repeat(score, counts.astype(int)), np.repeat(unstable, counts.astype(int))
    (auroc,), (augrc,) = flag.risk_areas(score, unstable, counts[None])
    assert auroc == pytest.approx(roc_auc_score(repeated[1], repeated[0]))
    assert augrc == pytest.approx(slow_augrc(*repeated))
    share = repeated[1].mean()
    assert augrc == pytest.approx((1 - auroc) * share * (1 - share) + share**2 / 2)


@pytest.mark.parametrize(
    ("score", "auroc", "augrc"), [([1, 2, 3, 4], 1, 1 / 32), ([1, 1, 1, 1], 0.5, 1 / 8), ([4, 3, 2, 1], 0, 7 / 32)]
)
def test_a_perfect_a_constant_and_a_reversed_score(score, auroc, augrc):
    assert areas(score, [0, 0, 0, 1]) == pytest.approx((auroc, augrc))


def test_areas_of_one_kind_alone_are_not_defined():
    assert np.isnan(areas([1, 2, 3], [0, 0, 0])).all()
    assert np.isnan(areas([1, 2, 3], [1, 1, 1])).all()


def draw(rng, n=600, classes=20, of_margin=2.0, of_distance=0.0):
    """Scores of images whose log odds of a change are linear in the margin's and in the distance."""
    log_odds = rng.normal(size=n) * 2
    margin = expit(log_odds)
    distance = np.abs(10 + 0.5 * log_odds + rng.normal(size=n))
    free = distance - 10 - 0.5 * log_odds
    unstable = rng.random(n) < expit(of_margin * log_odds / 2 + of_distance * free)
    table = pd.DataFrame(
        {
            "label": rng.integers(0, classes, n).astype(str),
            MARGIN: margin,
            "one_minus_confidence": margin * 0.6,
            "nn_distance": distance,
            "knn_distance": distance + 0.1 * rng.random(n),
            "disagreement": rng.integers(0, 11, n) / 10,
            "distrust": rng.random(n),
            UNSTABLE: unstable.astype(float),
        }
    )
    return table.assign(image_id=[f"{row}" for row in range(n)])


def gains(fitted):
    return fitted.evaluation.set_index("score")


@pytest.fixture(scope="module")
def far_is_unstable():
    table = draw(np.random.default_rng(0), of_margin=0.3, of_distance=2.0)
    return table, flag.fit_flag(table, 0.2, resamples=300)


def test_where_distance_tells_the_combination_is_shipped(far_is_unstable):
    table, fitted = far_is_unstable
    assert fitted.shipped == COMBINATION
    rows = gains(fitted)
    assert rows.loc[COMBINATION, "auroc_gain_low"] > 0
    assert rows.loc[COMBINATION, "augrc_gain_low"] > 0
    assert rows.loc[OUTPUTS, "auroc_gain_low"] < 0.01
    weights = dict(zip(fitted.models[COMBINATION].terms, fitted.models[COMBINATION].weights, strict=True))
    assert weights["nn_distance"] + weights["knn_distance"] > 1
    for score in TERMS:
        assert rows.loc[score, "auroc"] == pytest.approx(roc_auc_score(table[UNSTABLE], table[score]))


def test_where_distance_adds_nothing_to_the_margin_no_gain_is_found():
    shipped = [
        flag.fit_flag(draw(np.random.default_rng(100 + seed), n=300), 0.2, resamples=100).shipped for seed in range(5)
    ]
    # The rule lets at most one in forty through; five draws of which two do have a chance below 1%.
    assert shipped.count(COMBINATION) <= 1


def test_scores_without_any_relation_find_nothing_by_being_fitted():
    table = draw(np.random.default_rng(5), of_margin=0.0)
    rows = gains(flag.fit_flag(table, 0.2, resamples=300))
    assert rows.loc[COMBINATION, "auroc_low"] < 0.5


def test_regressions_of_several_folds_order_images_as_their_only_term_does(monkeypatch):
    monkeypatch.setattr(flag, "FITTED", dict.fromkeys((MARGIN, OUTPUTS, COMBINATION), (MARGIN,)))
    rows = gains(flag.fit_flag(draw(np.random.default_rng(6), n=200), 0.2, resamples=100))
    assert rows.loc[[OUTPUTS, COMBINATION], "auroc_gain"].tolist() == [0, 0]


def test_thresholds_flag_the_share_and_catch_more_of_the_unstable(far_is_unstable):
    table, fitted = far_is_unstable
    rows = gains(fitted)
    assert rows.loc[COMBINATION, "flagged"] == pytest.approx(0.2, abs=0.03)
    assert rows.loc[COMBINATION, "caught_low"] > rows.loc[COMBINATION, "flagged_high"]
    values = fitted.models[COMBINATION].probability(table)
    assert np.mean(values > fitted.thresholds[COMBINATION]) == pytest.approx(0.2, abs=0.005)
    with_more = flag.fit_flag(table, 0.5, resamples=100)
    assert gains(with_more).loc[COMBINATION, "flagged"] == pytest.approx(0.5, abs=0.05)


def test_no_image_decides_about_its_own_fold(far_is_unstable):
    table, fitted = far_is_unstable
    inside = fitted.per_image["fold"] == 0
    # Were the images of a fold other ones, their regression would be the same.
    changed = table.copy()
    changed.loc[inside, UNSTABLE] = 1 - changed.loc[inside, UNSTABLE]
    again = flag.fit_flag(changed, 0.2, resamples=100)
    assert (again.per_image["fold"] == fitted.per_image["fold"]).all()
    assert again.shipped == fitted.shipped
    np.testing.assert_allclose(again.per_image["probability"][inside], fitted.per_image["probability"][inside])
    assert not np.allclose(again.per_image["probability"][~inside], fitted.per_image["probability"][~inside])


def test_whole_classes_are_held_out_where_there_are_ten():
    table = draw(np.random.default_rng(1))
    unstable = table[UNSTABLE].to_numpy()
    labels = table["label"].where(table.index > 20, None)
    fold, by_class = flag.fold_of(labels, unstable)
    assert by_class
    assert set(fold) == set(range(5))
    assert pd.Series(fold).groupby(labels).nunique().max() == 1
    assert len(set(fold[:21])) > 1


@pytest.mark.parametrize("labels", [list("abcdefghi"), [None]])
def test_with_few_classes_each_fold_has_its_part_of_both_kinds(labels):
    unstable = np.repeat([1.0, 0.0], [20, 80])
    fold, by_class = flag.fold_of([labels[row % len(labels)] for row in range(100)], unstable)
    assert not by_class
    assert np.bincount(fold[unstable > 0]).tolist() == [4] * 5
    assert np.bincount(fold).tolist() == [20] * 5


def test_classes_that_have_all_unstable_images_in_one_fold_are_not_held_out():
    labels = [str(row // 10) for row in range(100)]
    unstable = np.array([label == "3" for label in labels], float)
    fold, by_class = flag.fold_of(labels, unstable)
    assert not by_class
    assert np.bincount(fold[unstable > 0]).tolist() == [2] * 5


def test_predicted_probabilities_hold_where_the_law_is_that_of_the_regression(far_is_unstable):
    _, fitted = far_is_unstable
    bins = fitted.calibration
    assert len(bins) == 10
    assert ((bins["low"] - 0.02 <= bins["x"]) & (bins["x"] <= bins["high"] + 0.02)).mean() >= 0.8
    share = gains(fitted).loc[MARGIN, "n_unstable"] / 600
    assert fitted.brier.high < share * (1 - share)


@pytest.mark.parametrize("kind", [0.0, 1.0])
def test_too_few_of_either_kind_fit_nothing(kind):
    table = draw(np.random.default_rng(2), n=60)
    table[UNSTABLE] = np.where(np.arange(60) < 9, kind, 1 - kind)
    assert flag.fit_flag(table, 0.2, resamples=100) is None
    table.loc[9, UNSTABLE] = kind
    assert flag.fit_flag(table, 0.2, resamples=100) is not None


def test_on_another_set_nothing_is_fitted_again(far_is_unstable):
    _, fitted = far_is_unstable
    other = draw(np.random.default_rng(3), of_margin=0.3, of_distance=2.0)
    found = flag.evaluate_elsewhere(other, fitted.models, fitted.thresholds, resamples=200).set_index("score")
    assert found.index.tolist() == list(FLAG_SCORES)
    expected = fitted.models[COMBINATION].probability(other)
    assert found.loc[COMBINATION, "auroc"] == pytest.approx(roc_auc_score(other[UNSTABLE], expected))
    assert found.loc[COMBINATION, "flagged"] == np.mean(expected > fitted.thresholds[COMBINATION])
    assert found.loc[COMBINATION, "auroc_gain_low"] > 0


def test_an_image_is_flagged_by_a_threshold_of_the_other_folds(far_is_unstable):
    _, fitted = far_is_unstable
    images, shares = fitted.per_image, gains(fitted)["flagged"]
    with_own = []
    for term in TERMS:
        score, fold = images[term].to_numpy(), images["fold"].to_numpy()
        flagged = [score[row] > np.quantile(score[fold != fold[row]], 0.8) for row in range(len(score))]
        assert shares[term] == np.mean(flagged)
        with_own.append(shares[term] == np.mean(score > np.quantile(score, 0.8)))
    assert not all(with_own)


def test_the_intervals_of_gains_allow_for_the_number_of_scores():
    table = draw(np.random.default_rng(5))
    fitted = flag.fit_flag(table, 0.2, resamples=400)
    images, found = fitted.per_image, gains(fitted)
    counts = np.concatenate(list(resample_counts([len(images)], 400, np.random.default_rng(0))))
    of_margin, of_score = (
        flag.risk_areas(images[name].to_numpy(), images[UNSTABLE].to_numpy(), counts)[0]
        for name in (MARGIN, COMBINATION)
    )
    low, high = np.quantile(of_score - of_margin, [0.025, 0.975])
    row = found.loc[COMBINATION]
    assert row["auroc_gain_high"] - row["auroc_gain_low"] > 1.02 * (high - low)


def test_few_of_a_kind_in_another_set_have_areas_without_intervals(far_is_unstable):
    _, fitted = far_is_unstable
    other = draw(np.random.default_rng(4), n=100)
    other[UNSTABLE] = np.where(np.arange(100) < 9, 1.0, 0.0)
    found = flag.evaluate_elsewhere(other, fitted.models, fitted.thresholds, resamples=100)
    assert found["auroc"].notna().all()
    assert found[["auroc_low", "auroc_gain_low", "augrc_low", "augrc_gain_high"]].isna().all(axis=None)
    other[UNSTABLE] = 0.0
    assert flag.evaluate_elsewhere(other, fitted.models, fitted.thresholds, resamples=100).empty


def test_a_margin_of_0_and_of_1_has_a_finite_probability(far_is_unstable):
    _, fitted = far_is_unstable
    ends = pd.DataFrame({MARGIN: [0.0, 1.0]})
    low, high = fitted.models[MARGIN].probability(ends)
    assert 0 < low < high < 1
