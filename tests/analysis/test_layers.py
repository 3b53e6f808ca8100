"""The measures of operations over images, of which the law is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bias_toolkit.analysis import analyse_layers, most_moved
from bias_toolkit.analysis.schema import LAYER_CONTRASTS, LAYER_CORRELATIONS, LAYER_SUMMARY

MEASURES = ["aliased_energy", "shift_error", "pooled_change"]


def draw(n=60, seed=1):
    """Two operations in two conditions. The second one's pooled change goes with P(top-1 change); filters halve it."""
    rng = np.random.default_rng(seed)
    change = rng.integers(0, 9, n) / 8
    rows = []
    for condition, factor in (("original", 1.0), ("low-pass", 0.5)):
        for depth in (1, 2):
            values = {name: rng.uniform(0.1, 0.2, n) for name in MEASURES}
            if depth == 2:
                values["pooled_change"] = factor * (0.3 + change + rng.normal(0, 0.1, n)) / 4
            table = pd.DataFrame({"image_id": [f"{i}.png" for i in range(n)], "condition": condition, **values})
            about = {"operation": f"layer{depth}", "kind": "convolution", "depth": depth, "stride": 2}
            table = table.assign(**about, total_stride=2**depth)
            rows.append(table.assign(p_top1_change=change * (1 if condition == "original" else 0.5)))
    return pd.concat(rows, ignore_index=True)


def test_means_contrasts_and_correlations_are_those_of_the_images():
    layers = draw()
    found = analyse_layers(layers, resamples=500, permutations=200)
    assert list(found.summary) == LAYER_SUMMARY.names
    assert list(found.contrasts) == LAYER_CONTRASTS.names
    assert list(found.correlations) == LAYER_CORRELATIONS.names
    assert len(found.summary) == 2 * (2 * 3 + 1)
    wide = layers.pivot(index="image_id", columns=["condition", "depth"], values="pooled_change")
    row = found.summary.query("condition == 'low-pass' and depth == 2 and measure == 'pooled_change'").iloc[0]
    assert row["value"] == pytest.approx(wide["low-pass", 2].mean())
    assert row["low"] < row["value"] < row["high"]
    assert row["operation"] == "layer2"
    change = found.summary.query("measure == 'p_top1_change'")
    assert change["operation"].isna().all()
    assert change["n"].eq(60).all()

    contrast = found.contrasts.query("depth == 2 and measure == 'pooled_change'").iloc[0]
    assert contrast["value"] == pytest.approx((wide["low-pass", 2] - wide["original", 2]).mean())
    assert contrast["high"] < 0
    # What does not differ is not found.
    assert found.contrasts.query("depth == 1").eval("low < 0 < high").all()

    original = layers[layers["condition"].eq("original") & layers["depth"].eq(2)]
    rho = found.correlations.query("depth == 2 and measure == 'pooled_change'").iloc[0]
    assert rho["rho"] == pytest.approx(stats.spearmanr(original["pooled_change"], original["p_top1_change"])[0])
    assert 0.5 < rho["low"] < rho["rho"] < rho["high"] <= 1
    others = found.correlations.drop(index=rho.name)
    assert others.eval("low < 0 < high").all()


def test_intervals_of_a_family_are_wider_than_their_own():
    layers = draw()
    one = layers[layers["depth"].eq(1)]
    alone = analyse_layers(one, resamples=500, permutations=200).correlations.set_index("measure")
    both = analyse_layers(layers, resamples=500, permutations=200).correlations.query("depth == 1").set_index("measure")
    assert (both["rho"] - alone["rho"]).abs().max() < 1e-12
    assert ((both["high"] - both["low"]) > (alone["high"] - alone["low"])).any()


def test_values_that_are_not_defined_are_left_out_of_their_own_estimates_only():
    layers = draw()
    is_missing = layers["depth"].eq(1) & layers["image_id"].isin(["0.png", "1.png"])
    layers.loc[is_missing, "shift_error"] = np.nan
    found = analyse_layers(layers, resamples=200, permutations=100)
    counts = found.correlations.set_index(["depth", "measure"])["n"]
    assert counts[1, "shift_error"] == 58
    assert counts.drop((1, "shift_error")).eq(60).all()
    layers.loc[layers["depth"].eq(1), "shift_error"] = np.nan
    found = analyse_layers(layers, resamples=200, permutations=100)
    assert found.correlations.set_index(["depth", "measure"]).loc[(1, "shift_error"), ["rho", "low"]].isna().all()
    assert found.summary.query("depth == 1 and measure == 'shift_error'")["value"].isna().all()


def test_too_few_images_have_no_interval():
    found = analyse_layers(draw(4), resamples=200, permutations=100)
    for table in found:
        assert table[["low", "high"]].isna().all(axis=None)
    assert found.summary["value"].notna().all()


def test_the_order_of_the_images_changes_nothing():
    layers = draw(30)
    found = analyse_layers(layers, resamples=200, permutations=100)
    again = analyse_layers(layers.sample(frac=1, random_state=0), resamples=200, permutations=100)
    pd.testing.assert_frame_equal(again.correlations, found.correlations)


def test_the_layer_that_moves_most_on_an_image_is_the_one_of_the_highest_rank():
    layers = draw(21)
    of_image = layers["image_id"].eq("3.png") & layers["condition"].eq("original")
    others = layers[layers["condition"].eq("original") & layers["image_id"].ne("3.png")]
    layers.loc[of_image & layers["depth"].eq(1), "pooled_change"] = others.query("depth == 1")["pooled_change"].median()
    layers.loc[of_image & layers["depth"].eq(2), "pooled_change"] = 5.0
    moved = most_moved(layers, "3.png")
    assert moved[:4] == ("layer2", 5.0, 1.0, 20)
    assert "larger than on 100.0% of 20 other images" in moved.text
    layers.loc[of_image & layers["depth"].eq(2), "pooled_change"] = 0.0
    moved = most_moved(layers, "3.png")
    assert (moved.operation, moved.share) == ("layer1", 0.5)
    assert most_moved(layers, "unknown.png") is None
    assert most_moved(layers[layers["image_id"].eq("3.png")], "3.png") is None
