import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bias_toolkit.analysis import mean_interval
from bias_toolkit.analysis.factors import differences, factor_effects, margin_strata
from bias_toolkit.analysis.schema import FACTORS
from bias_toolkit.foundation.files import read_table, write_table

FAST = {"resamples": 300, "permutations": 299, "seed": 1}


@pytest.fixture
def images():
    """800 images: pose raises P(top-1 change) by itself, darker only by lowering the margin, style not at all."""
    rng = np.random.default_rng(0)
    n = 800
    flags = {"pose": 0.3, "darker": 0.4, "style": 0.2, "brighter": 0.01, "shape": 0.995}
    factors = pd.DataFrame({name: rng.random(n) < share for name, share in flags.items()})
    margin = np.clip(0.6 - 0.3 * factors["darker"] + 0.15 * rng.normal(size=n), 0, 1)
    p = np.clip(0.5 - 0.45 * margin + 0.15 * factors["pose"], 0, 1)
    per_image = pd.DataFrame(
        {
            "image_id": [f"{i}.png" for i in range(n)],
            "margin": margin,
            "p_top1_change": rng.binomial(8, p) / 8,
            "mac": p / 3,
            "accuracy": np.where(np.arange(n) < 700, margin > 0.4, np.nan),
        }
    )
    return per_image, factors.assign(image_id=per_image["image_id"])


def test_known_effects(images):
    found, notes = factor_effects(*images, **FAST)
    rows = found.set_index(["factor", "measure"])
    pose, darker, style = (rows.loc[(name, "p_top1_change")] for name in ("pose", "darker", "style"))
    assert pose["difference_low"] < 0.15 < pose["difference_high"]
    assert pose["given_margin_low"] < 0.15 < pose["given_margin_high"]
    assert pose["given_margin_low"] > 0.08
    assert darker["difference_low"] > 0.08
    assert darker["given_margin_low"] < 0 < darker["given_margin_high"]
    assert style["p_adjusted"] > 0.05
    assert pose["p_value"] == pytest.approx(1 / 300)
    assert darker["given_margin_p_value"] > 0.05
    assert rows.loc[("darker", "accuracy"), "difference_high"] < -0.3
    assert notes == ["Fewer than 20 images have, or fewer lack, brighter, shape: nothing is said of them."]


def test_rows_are_the_images(images, tmp_path):
    per_image, factors = images
    order = np.random.default_rng(3).permutation(len(factors))
    found, _ = factor_effects(per_image, factors.iloc[order], **FAST)
    write_table(found, tmp_path / "factors.parquet", FACTORS)
    assert len(read_table(tmp_path / "factors.parquet")) == 9
    row = found.set_index(["factor", "measure"]).loc[("pose", "accuracy")]
    values = per_image["accuracy"].dropna()
    has = factors["pose"].iloc[:700].to_numpy()
    assert (row["n_with"], row["n_without"]) == (has.sum(), (~has).sum())
    expected = mean_interval(values[has], 300, 1)
    assert (row["value"], row["low"], row["high"]) == expected[:3]
    expected = mean_interval(values[~has], 300, 1)
    assert (row["without"], row["without_low"], row["without_high"]) == expected[:3]
    assert row["difference"] == pytest.approx(row["value"] - row["without"])
    again, _ = factor_effects(per_image, factors.iloc[order], **FAST)
    pd.testing.assert_frame_equal(found, again, check_exact=True)


def test_correction_for_the_number_of_factors(images):
    found, _ = factor_effects(*images, **FAST)
    for measure, rows in found.groupby("measure"):
        for p_value, adjusted in (("p_value", "p_adjusted"), ("given_margin_p_value", "given_margin_p_adjusted")):
            ordered = rows.sort_values(p_value)
            # Benjamini & Hochberg: the smallest, from the last on, of p times number by place.
            by_hand = (ordered[p_value] * 3 / np.arange(1, 4))[::-1].cummin()[::-1]
            np.testing.assert_allclose(ordered[adjusted], by_hand, err_msg=measure)


def test_images_that_are_not_annotated(images):
    per_image, factors = images
    found, notes = factor_effects(per_image, factors.head(500), **FAST)
    assert notes[0] == "ImageNet-X annotates 500 of the 800 test images; only those count here."
    assert set(found.query("measure == 'mac'")[["n_with", "n_without"]].sum(axis=1)) == {500}
    found, notes = factor_effects(per_image, factors.head(0), **FAST)
    assert len(found) == 0
    assert list(found.columns) == FACTORS.names
    assert notes == ["No test image has the name of an image that ImageNet-X annotates."]
    found, _ = factor_effects(per_image.drop(columns="accuracy"), factors, **FAST)
    assert set(found["measure"]) == {"p_top1_change", "mac"}


class TestDifferences:
    @pytest.mark.parametrize("n_strata", [1, 7])
    def test_least_squares_with_an_intercept_a_stratum(self, n_strata):
        rng = np.random.default_rng(0)
        strata = rng.integers(0, n_strata, 200)
        flags = rng.random((200, 2)) < [0.2, 0.6]
        values = rng.normal(size=200) + strata + flags @ [1.0, -0.5]
        found = differences(values, flags, strata, 100, 99, np.random.default_rng(1))
        for at in range(2):
            design = np.column_stack([flags[:, at], np.eye(n_strata)[strata]])
            assert found[at, 0] == pytest.approx(np.linalg.lstsq(design, values)[0][0])
        assert (found[:, 1] < found[:, 0]).all()
        assert (found[:, 0] < found[:, 2]).all()

    def test_interval_resamples_images(self):
        rng = np.random.default_rng(0)
        strata, flags = np.repeat([0, 1], 100), rng.random((200, 1)) < 0.3
        values = rng.normal(size=200) + strata
        found = differences(values, flags, strata, 4000, 99, np.random.default_rng(1))[0]
        slow = []
        for _ in range(4000):
            drawn = rng.integers(0, 200, 200)
            design = np.column_stack([flags[drawn, 0], np.eye(2)[strata[drawn]]])
            slow.append(np.linalg.lstsq(design, values[drawn])[0][0])
        np.testing.assert_allclose(found[1:3], np.quantile(slow, [0.025, 0.975]), atol=0.03)

    @pytest.mark.parametrize("n_strata", [1, 5])
    def test_p_is_uniform_without_an_effect(self, n_strata):
        """The margin moves both the flag and the values; inside strata of it they are independent."""
        rng = np.random.default_rng(n_strata)
        p_values = []
        for _ in range(300):
            strata = np.arange(100) % n_strata
            flags = rng.random((100, 1)) < (0.2 + 0.1 * strata)[:, None]
            values = rng.exponential(size=100) + 2 * strata
            p_values.append(differences(values, flags, strata, 2, 199, rng)[0, 3])
        assert stats.kstest(p_values, "uniform").pvalue > 0.01

    def test_a_flag_that_fills_strata_has_no_difference(self):
        strata = np.repeat([0, 1], 30)
        found = differences(np.arange(60.0), (strata == 0)[:, None], strata, 50, 50, np.random.default_rng(0))
        assert np.isnan(found).all()


def test_margin_strata():
    margin = np.random.default_rng(0).permutation(100) / 100
    strata = margin_strata(margin)
    assert np.bincount(strata).tolist() == [25] * 4
    assert all(margin[strata == k].max() < margin[strata == k + 1].min() for k in range(3))
    assert margin_strata(np.ones(24)).max() == 0
    assert margin_strata(np.random.default_rng(0).random(5000)).max() == 19


def test_a_difference_of_rare_changes_has_an_interval_that_holds(images):
    """Nothing changes on images without the factor: a bootstrap of them would add no error."""
    per_image, factors = images
    pose = factors["pose"].to_numpy()
    rare = per_image.assign(p_top1_change=np.where(pose & (np.arange(len(pose)) % 40 == 0), 0.5, 0.0))
    found, _ = factor_effects(rare, factors[["image_id", "pose"]], **FAST)
    row = found.set_index("measure").loc["p_top1_change"]
    assert row["without_low"] == 0 < row["without_high"]
    assert row["difference_low"] < row["difference"] < row["difference_high"]
    assert row["difference"] - row["difference_low"] >= row["without_high"]
    assert np.isnan(row["given_margin_low"])
