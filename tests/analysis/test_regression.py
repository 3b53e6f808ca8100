import warnings

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.analysis import ceiling
from bias_toolkit.analysis.binomial_fit import fit_binomial, fit_within_classes
from bias_toolkit.analysis.regression import clusters_of, margin_powers, regress
from bias_toolkit.analysis.schema import CEILING, LOSSES, ODDS_RATIOS
from bias_toolkit.foundation.files import read_table, write_table

FAST = {"resamples": 100, "seed": 1}


@pytest.fixture(autouse=True)
def _few_rounds(monkeypatch):
    """Boosting and folds take most of the time, and are not what these tests are about."""
    monkeypatch.setattr(ceiling, "BOOSTING_ROUNDS", 3)
    monkeypatch.setattr(ceiling, "FOLDS", 2)


@pytest.fixture(autouse=True)
def _no_library_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def table(draw):
    """600 images of 12 classes; framing terms but centre_distance are missing."""
    return draw(np.random.default_rng(0), [50] * 12, intercepts=0.5, alike=0.0)


def row(found, term, kind):
    return found.odds_ratios.set_index(["term", "kind"]).loc[(term, kind)]


def test_rows_are_the_fits(table):
    found = regress(table, **FAST)
    names = ["nn_distance", "margin", "centre_distance"]
    x = ((table[names] - table[names].mean()) / table[names].std()).to_numpy()
    steps = table["n_steps"].to_numpy(float)
    changed = table["p_top1_change"].to_numpy(float) * 8
    classes = pd.factorize(table["label"])[0]
    fits = {
        "together": fit_binomial(x, changed, steps, classes),
        "within class": fit_within_classes(x, changed, steps, classes),
        "margin as a curve": fit_within_classes(np.hstack([x, margin_powers(x[:, 1])]), changed, steps, classes),
    }
    for at, name in enumerate(names):
        alone = fit_binomial(x[:, [at]], changed, steps, classes)
        np.testing.assert_allclose(
            row(found, name, "alone")[["odds_ratio", "low", "high", "p_value"]].astype(float), alone.odds_ratio(0)
        )
        for kind, fit in fits.items():
            if (name, kind) == ("margin", "margin as a curve"):
                continue
            told = row(found, name, kind)
            np.testing.assert_allclose(
                told[["odds_ratio", "low", "high", "p_value"]].astype(float), fit.odds_ratio(at), rtol=1e-6
            )
            assert (told["n"], told["clusters"]) == (600, 12)
            assert told["unit"] == pytest.approx(table[name].std())
    assert len(found.odds_ratios) == 3 * 4 - 1
    assert row(found, "margin", "together")["inflation"] > row(found, "centre_distance", "together")["inflation"]
    assert np.isnan(row(found, "margin", "alone")["inflation"])


def test_the_margin_controls(draw):
    """Distance that works through the margin only is told of alone, and no more beside it; otherwise it stays."""
    confounded, real = (draw(np.random.default_rng(2), [60] * 20, distance=d, alike=0.1) for d in (0.0, 0.6))
    found, found_real = (regress(images, **FAST) for images in (confounded, real))
    assert row(found, "nn_distance", "alone")["low"] > 1
    for kind in ("together", "within class", "margin as a curve"):
        assert row(found, "nn_distance", kind)["low"] < 1 < row(found, "nn_distance", kind)["high"]
        assert row(found_real, "nn_distance", kind)["low"] > 1


def test_a_curved_effect_of_the_margin(draw):
    """Taken for a straight line, it would leave an effect to distance that is not there."""
    rng = np.random.default_rng(3)
    images = draw(rng, [150] * 20, distance=0.0, square=-0.8, alike=0.0)
    images["nn_distance"] = images["margin"] ** 2 + 0.5 * rng.normal(size=len(images))
    found = regress(images, **FAST)
    assert row(found, "nn_distance", "within class")["high"] < 1
    curved = row(found, "nn_distance", "margin as a curve")
    assert curved["low"] < 1 < curved["high"]


def test_units_do_not_matter_and_tables_repeat(table, tmp_path):
    found, again = (regress(table, **FAST) for _ in range(2))
    for name, schema in (("odds_ratios", ODDS_RATIOS), ("losses", LOSSES), ("ceiling", CEILING)):
        pd.testing.assert_frame_equal(getattr(found, name), getattr(again, name), check_exact=True)
        write_table(getattr(found, name), tmp_path / f"{name}.parquet", schema)
        assert len(read_table(tmp_path / f"{name}.parquet")) == len(getattr(found, name)) > 0
    scaled = regress(table.assign(nn_distance=100 * table["nn_distance"] + 7), **FAST)
    columns = ["odds_ratio", "low", "high", "p_value"]
    np.testing.assert_allclose(found.odds_ratios[columns], scaled.odds_ratios[columns], rtol=1e-6)
    np.testing.assert_allclose(found.losses["loss"], scaled.losses["loss"], rtol=1e-6)


def test_terms_that_the_study_lacks(table):
    found = regress(table, **FAST)
    assert found.notes == [
        "The deviation from the training scale and the log density of the framing are left out of the regression: no "
        "test image has a box."
    ]
    bare = regress(table.drop(columns="centre_distance"), **FAST)
    assert set(bare.odds_ratios["term"]) == {"nn_distance", "margin"}
    assert list(bare.losses["model"]) == ["none", "all", "all but nn_distance", "all but margin", "boosted"]
    only = regress(table[["p_top1_change", "n_steps", "label", "nn_distance"]], **FAST)
    assert set(only.odds_ratios["kind"]) == {"alone", "together", "within class"}
    assert list(only.losses["model"]) == ["none", "all", "boosted"]


def test_complete_cases_are_counted(table):
    table.loc[:99, "centre_distance"] = np.nan
    table.loc[100, "p_top1_change"] = np.nan
    found = regress(table, **FAST)
    assert "100 of 599 images lack a term and are left out of the regression." in found.notes
    assert set(found.odds_ratios["n"]) == {499}
    assert set(found.losses["n"]) == {499}


def test_classes_that_cannot_count_within(table):
    table["p_top1_change"] = np.where(table["label"].eq("class 003"), 0, table["p_top1_change"])
    keep = ~(table["label"].eq("class 005") & (np.arange(600) % 50 >= 9))
    found = regress(table[keep], **FAST)
    assert any(note.startswith("2 of 12 classes cannot count within classes") for note in found.notes)
    assert (row(found, "margin", "within class")["n"], row(found, "margin", "within class")["clusters"]) == (500, 10)
    assert row(found, "margin", "together")["clusters"] == 12
    few = regress(table.assign(label=np.arange(600) // 5), **FAST)
    assert "within class" not in set(few.odds_ratios["kind"])
    assert any(note.startswith("Nothing is compared within classes") for note in few.notes)
    assert row(few, "nn_distance", "margin as a curve")["clusters"] == 120


def test_a_term_that_classes_share(table):
    table["centre_distance"] = table.groupby("label")["centre_distance"].transform("mean")
    found = regress(table, **FAST)
    assert np.isfinite(row(found, "centre_distance", "together")["low"])
    assert ("centre_distance", "within class") not in found.odds_ratios.set_index(["term", "kind"]).index
    assert any(
        "Within classes, the distance of the object from the centre cannot count" in note for note in found.notes
    )


@pytest.mark.parametrize("label", [None, "all", "two"])
def test_without_classes_each_image_stands_for_itself(table, label):
    labels = {"two": np.where(np.arange(600) < 300, "a", "b"), "all": "one", None: None}[label]
    found = regress(table.assign(label=labels), **FAST)
    assert set(found.odds_ratios["clusters"]) == {600}
    assert set(found.odds_ratios["kind"]) == {"alone", "together", "margin as a curve"}
    assert any("fewer than 3 classes" in note for note in found.notes)


def test_clusters():
    codes, by_class = clusters_of(pd.Series(["b", None, "a", "c", None, "a"]), 6)
    assert by_class
    assert codes.tolist() == [1, 3, 0, 2, 4, 0]
    assert clusters_of(pd.Series(["b", None, "a"]), 3)[0].tolist() == [0, 1, 2]
    assert clusters_of(None, 2)[1] is False


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t.assign(nn_distance=3.0), "nearest training image is left out of the regression: all images share"),
        (lambda t: t.assign(centre_distance=t["margin"] * 2 - 1), "follows from the distance"),
        (lambda t: t.assign(p_top1_change=(t["margin"] < 0) * 1.0), "The margin tells perfectly"),
    ],
)
def test_terms_without_an_odds_ratio_are_dropped_and_said(table, change, sentence):
    found = regress(change(table), **FAST)
    assert any(sentence in note for note in found.notes)
    assert set(found.odds_ratios.query("kind == 'together'")["term"]) < {"nn_distance", "margin", "centre_distance"}
    assert found.odds_ratios["odds_ratio"].between(1e-3, 1e3).all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t.head(20), "20 images have all its terms"),
        (lambda t: t.assign(p_top1_change=0.0), "only 0 of 600 images change class"),
        (lambda t: t.assign(p_top1_change=1.0), "only 0 of 600 images keep their class"),
        (lambda t: t.assign(nn_distance=np.nan, margin=np.nan, centre_distance=np.nan), "it has no term"),
        (lambda t: t.assign(nn_distance=1.0, margin=1.0, centre_distance=1.0), "it has no term"),
    ],
)
def test_no_regression_is_said(table, change, sentence):
    found = regress(change(table), **FAST)
    assert len(found.odds_ratios) == len(found.losses) == len(found.ceiling) == 0
    assert list(found.odds_ratios.columns) == ODDS_RATIOS.names
    assert found.notes[-1].startswith("No regression was made")
    assert sentence in found.notes[-1]


def test_sweeps_without_steps_have_none(table):
    assert regress(table.assign(n_steps=0, p_top1_change=np.nan), **FAST).notes == []
    assert len(regress(table.drop(columns="n_steps"), **FAST).odds_ratios) == 0


@pytest.mark.parametrize("is_finite", [True, False])
def test_only_odds_ratios_within_classes_that_are_not_finite_are_said_to_be(table, monkeypatch, is_finite):
    if not is_finite:
        monkeypatch.setattr("bias_toolkit.analysis.regression.fit_within_classes", lambda *_: None)
    found = regress(table, **FAST)
    said = "Nothing is compared within classes: the odds ratios are not finite there."
    assert (said in found.notes) is not is_finite
    assert ("within class" in set(found.odds_ratios["kind"])) is is_finite


def test_where_no_class_has_both_outcomes_another_reason_is_said_than_odds_ratios(table):
    """All images of a class change alike, so that nothing is left to be fitted within classes."""
    codes = pd.factorize(table["label"])[0]
    found = regress(table.assign(p_top1_change=(codes % 2).astype(float)), **FAST)
    assert "Nothing is compared within classes: the odds ratios are not finite there." not in found.notes
    assert "within class" not in set(found.odds_ratios["kind"])
