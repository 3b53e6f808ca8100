"""A framing map's cells, and their relation to the training density."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from bias_toolkit.analysis import analyse_map
from bias_toolkit.analysis.framing_map import CELL, _kappa_limits, cell_correlation
from bias_toolkit.invariance import FramingGrid

CELLS = pd.DataFrame(FramingGrid((0.3, 0.5, 0.7), (0.2, 0.3, 0.4, 0.5)).cells)


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch):
    """The middle 95% of so many is as wide on average, and scatters somewhat more."""
    monkeypatch.setattr("bias_toolkit.analysis.framing_map.RESAMPLES", 200)


def density_of(cells):
    """High in the middle at scale 0.4."""
    away = (cells["cx"] - 0.5) ** 2 + (cells["cy"] - 0.5) ** 2 + np.log(cells["scale"] / 0.4) ** 2
    return cells.assign(log_density=-8 * away - 0.01 * cells["cx"] - 0.003 * cells["cy"])


DENSITY = density_of(CELLS)


def framed(probability, n_images=40, seed=0, right=None, missing=0.0, image_spread=0.0, surroundings="mean"):
    """Table FRAMED: step changes drawn with a probability for each cell, answers right with a probability for each."""
    rng = np.random.default_rng(seed)
    shape = n_images, len(CELLS)
    p = np.broadcast_to(probability, shape)
    logit = np.log(p / (1 - p)) + image_spread * rng.normal(size=(n_images, 1))
    number = np.repeat(np.arange(n_images), len(CELLS))
    is_right = (rng.random(shape) < (0.9 if right is None else right)).ravel()
    table = pd.concat([CELLS] * n_images, ignore_index=True).assign(
        image_id=[f"{each:03d}" for each in number],
        surroundings=surroundings,
        p_top1_change=rng.binomial(8, 1 / (1 + np.exp(-logit))).ravel() / 8,
        mac=(p * rng.random(shape)).ravel(),
        accuracy=is_right.astype(float),
        label_index=number % 4,
        top1=np.where(is_right, number % 4, 4),
        magnification=1.0,
        made_up=0.5,
    )
    there = rng.random(len(table)) >= missing
    return table[there].reset_index(drop=True).astype({"label_index": "Int32", "top1": "int32"})


def row(table, **values):
    for name, value in values.items():
        table = table[table[name].eq(value)]
    (found,) = table.to_dict("records")
    return found


FALLING = 1 / (1 + np.exp(2.2 + 0.6 * DENSITY["log_density"].to_numpy() + 1.0))


def test_cells_hold_plain_means_and_bootstrap_intervals_where_no_image_is_missing():
    table = framed(FALLING)
    found = analyse_map(table, DENSITY, resamples=400).cells
    means = table.groupby(CELL)[["p_top1_change", "mac", "accuracy"]].mean()
    merged = found.set_index(CELL)
    for name in means:
        np.testing.assert_allclose(merged[name], means[name])
        deviation = table.groupby(CELL)[name].std() / 40**0.5
        width = (merged[f"{name}_high"] - merged[f"{name}_low"]) / (2 * 1.96)
        many = table.groupby(CELL)[name].agg(lambda values: len(values) - values.value_counts().iloc[0] >= 10)
        assert many.any() or name == "accuracy"
        np.testing.assert_allclose(width[many], deviation[many], rtol=0.25, atol=0.01)
        assert width.gt(0).all()
    assert found["n_images"].eq(40).all()
    assert found["recognised"].all()


def test_a_relation_is_found_and_its_correlation_is_spearmans():
    table = framed(FALLING, n_images=60)
    found = analyse_map(table, DENSITY, resamples=200)
    means = table.groupby(CELL)["p_top1_change"].mean()
    plain = spearmanr(means, DENSITY.set_index(CELL)["log_density"].reindex(means.index)).statistic
    relation = row(found.correlations, measure="p_top1_change", kind="recognised")
    assert relation["rho_observed"] == pytest.approx(plain)
    assert relation["high"] < -0.5
    assert relation["low"] <= relation["rho"] <= relation["high"]
    assert relation["n_cells"] == len(CELLS)
    contrast = row(found.contrasts, measure="p_top1_change", kind="recognised")
    order = DENSITY.sort_values("log_density").set_index(CELL).index
    n = round(len(CELLS) / 10)
    assert contrast["sparse"] == pytest.approx(means.reindex(order[:n]).mean())
    assert contrast["dense"] == pytest.approx(means.reindex(order[-n:]).mean())
    for name in ("dense", "sparse", "difference"):
        assert contrast[f"{name}_low"] < contrast[name] < contrast[f"{name}_high"]
    assert contrast["difference_low"] > 0
    accuracy = row(found.contrasts, measure="accuracy", kind="recognised")
    assert accuracy["sparse_low"] <= accuracy["sparse"] <= accuracy["sparse_high"]


def test_no_relation_is_not_found():
    rng = np.random.default_rng(5)
    found = analyse_map(framed(rng.permutation(np.linspace(0.05, 0.5, len(CELLS))), seed=5), DENSITY, resamples=200)
    relation = row(found.correlations, measure="p_top1_change", kind="all")
    truth = spearmanr(np.random.default_rng(5).permutation(np.linspace(0.05, 0.5, len(CELLS))), DENSITY["log_density"])
    assert relation["low"] < truth.statistic < relation["high"]


def test_cells_that_do_not_differ_are_not_asked():
    found = analyse_map(framed(0.2), DENSITY, resamples=200).correlations
    relation = row(found, measure="p_top1_change", kind="all")
    assert np.isnan(relation["rho"])
    assert np.isnan(relation["low"])
    assert relation["signal"] < 0.5


def test_a_constant_answer_is_stable_and_not_recognised():
    blind = CELLS["scale"].eq(0.2).to_numpy()
    probability = np.where(blind, 1e-6, FALLING)
    table = framed(probability, n_images=150)
    # In the smallest cells every image is given class 0, which is right for one in four.
    constant = table["scale"].eq(0.2)
    table.loc[constant, "top1"] = 0
    table.loc[constant, "accuracy"] = table["label_index"].eq(0)[constant].astype(float)
    found = analyse_map(table, DENSITY, resamples=300)
    assert (found.cells["recognised"] == ~found.cells["scale"].eq(0.2)).all()
    assert found.cells.loc[found.cells["scale"].eq(0.2), "p_top1_change"].max() < 0.01
    assert not found.cells.loc[found.cells["scale"].eq(0.2), "among_lowest"].any()
    everywhere = row(found.correlations, measure="p_top1_change", kind="all")
    recognised = row(found.correlations, measure="p_top1_change", kind="recognised")
    assert recognised["n_cells"] == (~blind).sum()
    assert recognised["rho"] < everywhere["rho"] - 0.2


def test_a_relation_that_is_accuracys_alone_is_gone_at_equal_accuracy():
    rng = np.random.default_rng(7)
    accuracy = np.clip(0.6 + 0.15 * DENSITY["log_density"].to_numpy() + 0.12 * rng.normal(size=len(CELLS)), 0.1, 0.95)
    probability = np.clip(0.6 * (1 - accuracy) + 0.12 * rng.random(len(CELLS)), 0.02, 0.9)
    table = framed(probability, n_images=200, right=accuracy, seed=9)
    found = analyse_map(table, DENSITY, resamples=100).correlations
    assert row(found, measure="p_top1_change", kind="recognised")["high"] < -0.3
    given = row(found, measure="p_top1_change", kind="given accuracy")
    assert given["low"] < 0 < given["high"]


def test_what_goes_wholly_with_accuracy_cannot_be_held_apart_from_it():
    rng = np.random.default_rng(0)
    density = rng.normal(size=40)
    values = rng.binomial(8, 1 / (1 + np.exp(1 + density)), (60, 40)) / 8
    found = cell_correlation(density, values, given=1 - values, rng=rng)
    assert found["signal"] > 0.9
    assert np.isnan([found["rho"], found["low"], found["high"]]).all()
    assert cell_correlation(density, values, given=rng.random((60, 40)), rng=rng)["high"] < -0.8


@pytest.mark.parametrize("shared", [-1.0, 0.0, 1.0])
def test_noise_in_what_is_held_constant_and_noise_in_common_are_taken_out(shared):
    rng = np.random.default_rng(12)
    n_cells, n_images = 1500, 20
    density = rng.normal(size=n_cells)
    given_truth = density + 0.8 * rng.normal(size=n_cells)
    truth = 0.4 * density - 0.8 * given_truth + 0.8 * rng.normal(size=n_cells)
    common, own = (rng.normal(size=(n_images, n_cells)) for _ in range(2))
    values = truth + 3 * common
    given = given_truth + 3 * (shared * common + np.sqrt(1 - shared**2) * own)
    xy, xz, yz = (
        spearmanr(*pair).statistic for pair in ((density, truth), (density, given_truth), (truth, given_truth))
    )
    expected = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    found = cell_correlation(density, values, given=given, rng=rng)
    assert found["rho"] == pytest.approx(expected, abs=0.06)
    assert abs(found["rho_observed"] - expected) > 0.08


def test_position_alone_ignores_what_scale_does():
    # Scale makes everything, and position nothing: within a scale there is no relation.
    table = framed(np.where(CELLS["scale"] < 0.35, 0.5, 0.05), n_images=100)
    found = analyse_map(table, DENSITY, resamples=100).correlations
    assert row(found, measure="p_top1_change", kind="recognised")["high"] < -0.3
    position = row(found, measure="p_top1_change", kind="position")
    assert np.isnan(position["rho"]) or position["low"] < 0 < position["high"]


def test_when_right_takes_the_right_views_only():
    table = framed(0.5, n_images=80, right=0.5, seed=3)
    right = table["top1"].eq(table["label_index"])
    falling = table[CELL].merge(DENSITY, on=CELL)["log_density"].rank(pct=True).to_numpy()
    table["p_top1_change"] = np.where(right, np.round(8 * (1 - falling)) / 8, falling)
    found = analyse_map(table, DENSITY, resamples=100).correlations
    assert row(found, measure="p_top1_change", kind="when right")["high"] < -0.8


def test_images_that_fit_only_somewhere_do_not_bend_the_map():
    # Only the unstable half can be shown at scale 0.5, and nothing depends on the cell.
    table = framed(0.2, n_images=80)
    number = table["image_id"].astype(int)
    table["p_top1_change"] = np.where(number % 2, 0.75, 0.125)
    table = table[(number % 2 == 1) | table["scale"].ne(0.5)]
    found = analyse_map(table, DENSITY, resamples=100)
    np.testing.assert_allclose(found.cells["p_top1_change"], (0.75 + 0.125) / 2)
    assert np.isnan(row(found.correlations, measure="p_top1_change", kind="recognised")["rho"])


def test_cells_of_few_images_are_left_out():
    table = framed(FALLING, n_images=12)
    rare = table["scale"].eq(0.2) & (table["image_id"] > "008")
    found = analyse_map(table[~rare], DENSITY, resamples=100)
    assert set(found.cells["scale"]) == {0.3, 0.4, 0.5}
    assert analyse_map(table[table["image_id"] < "005"], DENSITY, resamples=100).cells.empty


def test_a_cell_in_which_nothing_is_right_has_an_interval_of_some_width():
    table = framed(FALLING, n_images=60, missing=0.3, right=np.where(CELLS["scale"].eq(0.2), 0.0, 0.9))
    whole = framed(FALLING, n_images=60, right=np.where(CELLS["scale"].eq(0.2), 0.0, 0.9))
    table = pd.concat([table[table["scale"].ne(0.2)], whole[whole["scale"].eq(0.2)]], ignore_index=True)
    cells = analyse_map(table, DENSITY, resamples=100).cells
    never = cells[cells["scale"].eq(0.2)]
    assert (never["accuracy"] == 0).all()
    assert (never["accuracy_high"] > 0.03).all()


@pytest.mark.parametrize("label", [None, 3])
def test_without_labels_that_differ_all_cells_count(label):
    table = framed(FALLING, n_images=40)
    right = np.nan if label is None else table["accuracy"]
    table = table.assign(label_index=pd.array([label] * len(table), "Int32"), accuracy=right)
    if label is not None:
        table["top1"] = table["top1"].where(right.eq(0), label).astype("int32")
    found = analyse_map(table, DENSITY, resamples=100)
    assert found.cells["recognised"].isna().all()
    assert found.cells["kappa"].isna().all()
    assert found.cells["accuracy"].isna().all() == (label is None)
    assert list(found.correlations["kind"].unique()) == ["all", "position"]
    assert set(found.contrasts["kind"]) == ({"all"} if label is None else {"all", "when right"})
    assert row(found.correlations, measure="p_top1_change", kind="all")["high"] < 0
    assert found.cells["among_lowest"].any()


def test_without_a_density_there_are_cells_alone():
    found = analyse_map(framed(FALLING), None, resamples=100)
    assert len(found.cells) == len(CELLS)
    assert found.correlations.empty
    assert found.contrasts.empty


def test_the_lowest_cell_and_its_equals_are_marked():
    low = (CELLS["scale"].eq(0.4) & CELLS["cx"].eq(0.5)).to_numpy()
    found = analyse_map(framed(np.where(low, 0.02, 0.6), n_images=60), DENSITY, resamples=200).cells
    marked = found[found["among_lowest"]]
    assert set(zip(marked["cx"], marked["scale"], strict=True)) == {(0.5, 0.4)}
    assert found.loc[found["p_top1_change"].idxmin(), "among_lowest"]


def test_each_surroundings_is_its_own_and_the_same_every_time(monkeypatch):
    monkeypatch.setattr("bias_toolkit.analysis.framing_map.RESAMPLES", 20)
    both = pd.concat([framed(FALLING), framed(FALLING[::-1], seed=1, surroundings="black")])
    together, again = (analyse_map(both, DENSITY, resamples=100, seed=3) for _ in range(2))
    alone = analyse_map(both[both["surroundings"].eq("black")], DENSITY, resamples=100, seed=3)
    pd.testing.assert_frame_equal(together.correlations, again.correlations, check_exact=True)
    of_black = together.correlations[together.correlations["surroundings"].eq("black")]
    pd.testing.assert_frame_equal(of_black.reset_index(drop=True), alone.correlations, check_exact=True)


@pytest.mark.parametrize("kind", ["plain", "given", "levels"])
def test_the_interval_covers_what_noise_hides(kind):
    """Forty draws of a map whose noise hides much of a strong relation; the truth is that of the probabilities."""
    rng = np.random.default_rng(11)
    density, levels = rng.normal(size=60), np.repeat([0.2, 0.4, 0.8], 20)
    logit = -1.5 - 0.25 * density + 0.1 * rng.normal(size=60)
    right = 0.5 + 0.3 * density + 0.6 * rng.normal(size=60)
    if kind == "levels":
        logit = logit + 2 * levels
        truth = float(np.mean([spearmanr(density[levels == k], logit[levels == k]).statistic for k in (0.2, 0.4, 0.8)]))
    elif kind == "given":
        xy, xz, yz = (spearmanr(*pair).statistic for pair in ((density, logit), (density, right), (logit, right)))
        truth = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    else:
        truth = spearmanr(density, logit).statistic
    covered, observed, corrected = 0, [], []
    for draw in range(40):
        own = np.random.default_rng(draw)
        image = own.normal(size=(40, 1))
        values, accuracy = (own.binomial(8, 1 / (1 + np.exp(-part))) / 8 for part in (logit + image, right - image))
        options = {"given": accuracy} if kind == "given" else {"levels": levels} if kind == "levels" else {}
        found = cell_correlation(density, values, rng=own, **options)
        covered += found["low"] <= truth <= found["high"]
        observed.append(found["rho_observed"])
        corrected.append(found["rho"])
    # Of 40 intervals fewer hold the truth once in 1,400 times if the chance is 95%, and 39 times in 40 if it is 67%, as
    # it is for half the width.
    assert covered >= 33
    assert np.mean(observed) > truth + 0.08
    assert np.mean(corrected) == pytest.approx(truth, abs=0.06)


def test_agreement_has_an_interval_where_all_or_none_agree():
    labels = np.arange(40) % 8
    drawn = np.ones(100)
    low, high = _kappa_limits(labels, labels, drawn)
    assert 0.85 < low < high == 1
    low, high = _kappa_limits(np.zeros(40, int), labels, np.zeros(100))
    assert low < 0 < high
    assert np.isnan(_kappa_limits(np.zeros(40, int), np.zeros(40, int), drawn)).all()
