import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bias_toolkit.foundation.files import write_table
from bias_toolkit.objects import rank_categories
from bias_toolkit.objects.schema import CATEGORY_RANKING


def summary(value, error, n_images=1_000_000, column="centre_bias", **more):
    """FRAMING_SUMMARY rows of categories whose estimates have these standard errors."""
    value, half = np.asarray(value, float), stats.norm.ppf(0.975) * np.asarray(error, float)
    rows = pd.DataFrame({"category": [f"c{i:02d}" for i in range(len(value))], column: value})
    rows = rows.assign(n_images=n_images, n_objects=2 * np.asarray(n_images), n_untruncated=50, **more)
    rows[f"{column}_low"], rows[f"{column}_high"] = value - half, value + half
    return pd.concat([rows.iloc[:1].assign(category=""), rows], ignore_index=True)


def test_equal_errors_are_stein_s_estimate():
    value, error = np.array([0.5, 0.3, 0.1, -0.2, 0.4]), 0.1
    ranking = rank_categories(summary(value, np.full(5, error)))
    # Paule & Mandel's scatter with equal weights is the excess of the sample variance.
    scatter = value.var(ddof=1) - error**2
    kept = scatter / (scatter + error**2)
    ordered = np.sort(value)[::-1]
    assert ranking["shrunken"].to_numpy() == pytest.approx(value.mean() + kept * (ordered - value.mean()), abs=1e-6)
    unknown = 2 / (5 - 3) * (1 - kept) ** 2 * (ordered - value.mean()) ** 2
    half = 1.96 * np.sqrt(kept * error**2 + (1 - kept) ** 2 * (scatter + error**2) / 5 + unknown)
    assert (ranking["shrunken_high"] - ranking["shrunken"]).to_numpy() == pytest.approx(half, rel=1e-3)
    assert ranking["signal"].to_numpy() == pytest.approx(scatter / (scatter + error**2), abs=1e-6)
    assert list(ranking["rank"]) == [1, 2, 3, 4, 5]
    assert list(ranking["category"]) == ["c00", "c04", "c01", "c02", "c03"]


def test_estimates_that_scatter_as_their_errors_say_cannot_be_told_apart():
    ranking = rank_categories(summary([0.31, 0.3, 0.29, 0.3], [0.1, 0.1, 0.1, 0.1]))
    assert ranking["signal"].eq(0).all()
    # They scatter by less than a fortieth of what their errors let expect.
    assert ranking[["signal_low", "signal_high"]].isna().all(axis=None)
    assert ranking["shrunken"].to_numpy() == pytest.approx(0.3)
    assert (ranking["rank_low"].eq(1) & ranking["rank_high"].eq(4)).all()


def test_well_known_estimates_are_left_where_they_are():
    value = [0.9, 0.5, 0.1]
    ranking = rank_categories(summary(value, [1e-4] * 3))
    assert ranking["shrunken"].to_numpy() == pytest.approx(value, abs=1e-5)
    assert list(ranking["rank_low"]) == list(ranking["rank_high"]) == [1, 2, 3]
    assert ranking["signal"].gt(0.999).all()


def test_the_less_is_known_the_more_is_shrunken():
    ranking = rank_categories(summary([0.8, 0.8, 0.2, 0.1], [0.3, 0.05, 0.05, 0.05])).set_index("category")
    assert ranking.loc["c00", "shrunken"] < ranking.loc["c01", "shrunken"] < 0.8
    assert ranking.loc["c00", "rank_high"] > ranking.loc["c01", "rank_high"]


def test_intervals_of_shrunken_estimates_and_ranks_hold_the_truth():
    rng = np.random.default_rng(0)
    shrunken, ranks, nearer, signals = [], [], [], []
    for _ in range(30):
        truth, error = 0.3 + 0.1 * rng.normal(size=25), rng.uniform(0.03, 0.2, 25)
        value = truth + error * rng.normal(size=25)
        ranking = rank_categories(summary(value, error)).set_index("category").sort_index()
        shrunken.append(ranking["shrunken_low"].le(truth) & ranking["shrunken_high"].ge(truth))
        rank = stats.rankdata(-truth)
        ranks.append(ranking["rank_low"].le(rank) & ranking["rank_high"].ge(rank))
        nearer.append(np.sum((ranking["shrunken"] - truth) ** 2) < np.sum((value - truth) ** 2))
        signal = 0.1**2 / (0.1**2 + (error**2).mean())
        signals.append(ranking["signal_low"].iloc[0] <= signal <= ranking["signal_high"].iloc[0])
    assert 0.925 <= np.mean(shrunken) <= 0.98
    assert 0.91 <= np.mean(ranks) <= 0.99
    assert np.mean(nearer) > 0.9
    # Of 30 at 95%, fewer do once in 300 times.
    assert sum(signals) >= 25


def test_categories_of_few_images_or_without_an_interval_have_no_rank():
    table = summary([0.5, 0.4, 0.3, 0.2], [0.1] * 4, n_images=np.array([5, 4, 500, 500]))
    table.loc[table["category"].eq("c02"), "centre_bias_low"] = np.nan
    assert list(rank_categories(table)["category"]) == ["c00", "c03"]


def test_of_untruncated_objects_those_count(tmp_path):
    table = summary([0.5, 0.4, 0.3], [0.1] * 3, column="untruncated_centre_bias")
    table.loc[table["category"].eq("c01"), "n_untruncated"] = 4
    ranking = rank_categories(table, "untruncated_centre_bias")
    assert list(ranking["n_objects"]) == [50, 50]
    write_table(ranking, tmp_path / "ranking.parquet", CATEGORY_RANKING)


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_to_rank(n):
    ranking = rank_categories(summary([0.5], [0.1]).head(1 + n))
    assert len(ranking) == n
    assert list(ranking.columns) == CATEGORY_RANKING.names


def test_estimates_without_any_spread():
    ranking = rank_categories(summary([1.0, 1.0, 0.4], [0.0, 0.0, 0.1]))
    assert np.isfinite(ranking[["shrunken", "signal"]].to_numpy()).all()
    assert list(ranking["category"]) == ["c00", "c01", "c02"]


def test_the_seed_decides():
    table = summary(np.linspace(0, 0.5, 12), np.full(12, 0.1))
    pd.testing.assert_frame_equal(rank_categories(table, seed=1), rank_categories(table, seed=1))
