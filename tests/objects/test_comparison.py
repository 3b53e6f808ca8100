import numpy as np
import pandas as pd
import pytest

from bias_toolkit.foundation.files import write_table
from bias_toolkit.objects import FRAMING_COMPARISON, compare_framing, comparison, framing_summary

FAST = {"resamples": 200, "permutations": 99}

pytestmark = pytest.mark.usefixtures("few_groups")


def framed(make_framing, rng, n, scale=30.0, right=0.0, several=False):
    """Boxes of about `scale` percent of the frame's side, placed about its middle."""
    per_image = rng.integers(1, 4, n) if several else np.ones(n, int)
    image = np.repeat(np.arange(n), per_image)
    size = np.minimum(scale * np.exp(0.2 * rng.normal(size=(len(image), 2))), 95)
    low = np.clip(50 + np.array([right, 0]) + 8 * rng.normal(size=(len(image), 2)) * [1, 0.5] - size / 2, 0, 100 - size)
    return make_framing(np.column_stack([low, low + size]), image_ids=[f"{i}" for i in image])


def compare(one, other, **settings):
    (first, first_images), (second, second_images) = one, other
    return compare_framing(first, second, first_images, second_images, **(FAST | settings))


def test_every_variable_against_its_own_definition(make_framing, tmp_path):
    rng = np.random.default_rng(0)
    one, other = framed(make_framing, rng, 60, several=True), framed(make_framing, rng, 50, 45, 6)
    found = compare(one, other)
    first, second = one[0], other[0]
    for variable, expected in {
        "cx": second["cx"].mean() - first["cx"].mean(),
        "cy": second["cy"].mean() - first["cy"].mean(),
        "log_scale": np.log(second["scale"].median() / first["scale"].median()),
        "log_aspect": np.log(second["aspect"]).median() - np.log(first["aspect"]).median(),
        "truncated": second["truncated"].mean() - first["truncated"].mean(),
        "objects_per_image": 1 - len(first) / 60,
    }.items():
        row = found.row(variable)
        assert row["difference"] == pytest.approx(expected, abs=2e-3)
        assert row["second"] - row["first"] == pytest.approx(row["difference"])
        assert row["difference_low"] <= row["difference"] <= row["difference_high"]
    for name in ("centre_bias", "untruncated_centre_bias"):
        one_bias, other_bias = (
            framing_summary(*each, by_class=False, resamples=2, placements=2).iloc[0][name] for each in (one, other)
        )
        assert found.row(name)["first"] == pytest.approx(one_bias)
        assert found.row(name)["difference"] == pytest.approx(other_bias - one_bias)
    write_table(found.variables, tmp_path / "comparison.parquet", FRAMING_COMPARISON)


def test_real_differences_are_found_with_their_size_and_no_others(make_framing):
    rng = np.random.default_rng(8)
    found = compare(framed(make_framing, rng, 150), framed(make_framing, rng, 150, scale=51, right=8))
    assert found.test.p_value == 0.01
    assert found.test.auc_low > 0.8
    scale, cx = found.row("log_scale"), found.row("cx")
    assert np.exp(scale["difference_low"]) < 1.7 < np.exp(scale["difference_high"])
    assert cx["difference_low"] < 0.08 < cx["difference_high"]
    assert cx["wasserstein_low"] < 0.08 < cx["wasserstein_high"]
    assert max(scale["q_value"], cx["q_value"]) <= 0.05
    assert found.row("cy")["difference_low"] < 0 < found.row("cy")["difference_high"]
    assert found.row("log_aspect")["difference_low"] < 0 < found.row("log_aspect")["difference_high"]
    # One object in every image of both is nothing to be tested.
    assert np.isnan(found.row("objects_per_image")["p_value"])


def test_where_nothing_differs_p_values_are_uniform_and_intervals_hold_zero(make_framing, monkeypatch):
    # The classifier has tests of its own.
    monkeypatch.setattr(comparison, "classifier_test", lambda *_, **__: object())
    rng = np.random.default_rng(2)
    p_values, held = [], []
    for _ in range(25):
        pair = [framed(make_framing, rng, n, several=True) for n in (30, 40)]
        found = compare(*pair, resamples=150, permutations=39, seed=len(p_values)).variables
        p_values.append(found.set_index("variable")["p_value"])
        held.append(found["difference_low"].le(0) & found["difference_high"].ge(0))
    p_values = pd.DataFrame(p_values)
    for variable in ("cx", "log_scale", "log_aspect", "objects_per_image", "centre_bias"):
        assert abs(p_values[variable].mean() - 0.5) < 0.2, variable
    assert 0.01 < p_values.le(0.05).mean(axis=None) < 0.1
    assert 0.91 < np.mean(held) < 0.99


def test_intervals_of_differences_agree_with_resampling_the_tables(make_framing):
    rng = np.random.default_rng(3)
    pair = [framed(make_framing, rng, n, several=True) for n in (40, 30)]
    found = compare(*pair, resamples=2000, permutations=2)
    images = [
        [framing.iloc[rows][["cx", "scale"]].to_numpy() for rows in framing.groupby("image_id").indices.values()]
        for framing, _ in pair
    ]
    slow = []
    for _ in range(1000):
        first, second = (
            np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))]) for members in images
        )
        scales = [np.median(each[:, 1]) for each in (first, second)]
        slow.append([second[:, 0].mean() - first[:, 0].mean(), np.log(scales[1] / scales[0])])
    for variable, differences in zip(("cx", "log_scale"), np.transpose(slow), strict=True):
        low, high = np.quantile(differences, [0.025, 0.975])
        row = found.row(variable)
        # Of 30 images the interval is expanded by about a twentieth.
        assert row["difference_high"] - row["difference_low"] == pytest.approx(1.06 * (high - low), rel=0.12)


def test_the_same_seed_the_same_tables(make_framing):
    rng = np.random.default_rng(4)
    pair = [framed(make_framing, rng, 20), framed(make_framing, rng, 25)]
    one, other, third = (compare(*pair, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one.variables, other.variables, check_exact=True)
    assert one.test == other.test
    assert one.test != third.test


def test_a_sample_of_many_images(make_framing, monkeypatch):
    rng = np.random.default_rng(5)
    pair = [framed(make_framing, rng, 60, several=True), framed(make_framing, rng, 25)]
    monkeypatch.setattr(comparison, "MOST_IMAGES", 30)
    found = compare(*pair)
    assert (found.test.n_images_first, found.test.n_images_second) == (30, 25)
    assert 30 <= found.test.n_objects_first <= 90


def test_too_few_images_to_compare(make_framing):
    rng = np.random.default_rng(6)
    few, many = framed(make_framing, rng, 4), framed(make_framing, rng, 30)
    assert compare(few, many) is None
    assert compare(many, (few[0].iloc[:0], few[1])) is None


def test_boxes_that_fill_their_images_have_no_bias_to_compare(make_framing):
    full = make_framing(np.tile([0, 0, 100, 100], (12, 1)))
    found = compare(full, framed(make_framing, np.random.default_rng(7), 12))
    row = found.row("centre_bias")
    assert np.isnan([row["difference"], row["p_value"], row["q_value"]]).all()
    assert found.row("log_scale")["p_value"] == 0.01


def test_centre_bias_is_of_all_boxes_and_the_other_of_those_that_the_border_does_not_cut(make_framing):
    """Boxes in the very middle and boxes in the corners: with those that are cut left out, the bias is 1."""

    def mixed(n_cut):
        middle, corner = [40, 40, 60, 60], [0, 0, 20, 20]
        return make_framing([middle] * 20 + [corner] * n_cut)

    found = compare(mixed(10), mixed(20))
    # A corner is half a diagonal of what is free from the middle, which is 40 √2 of 100; by chance a centre is on
    # average at the mean distance from the middle of a square of side 80.
    corner, by_chance = 40 * np.sqrt(2), 80 * (np.sqrt(2) + np.log(1 + np.sqrt(2))) / 6
    for place, n_cut in (("first", 10), ("second", 20)):
        expected = 1 - n_cut * corner / ((20 + n_cut) * by_chance)
        assert found.row("centre_bias")[place] == pytest.approx(expected, abs=0.02)
        assert found.row("untruncated_centre_bias")[place] == pytest.approx(1)


def test_no_interval_has_zero_width(make_framing):
    """All objects exactly centred, none cut, one an image: no resample differs."""
    half = np.linspace(10, 30, 40)[:, None]
    one, other = (make_framing(np.hstack([50 - scale * half] * 2 + [50 + scale * half] * 2)) for scale in (1, 0.8))
    found = compare(one, other).variables.set_index("variable")
    widths = found["difference_high"] - found["difference_low"]
    assert (widths.isna() | widths.gt(1e-6)).all()
    assert widths["truncated"] > 0.1
    assert widths["centre_bias"] > 0.1
    assert np.isnan(widths["objects_per_image"])


def test_a_share_that_only_one_set_has_varies_by_both(make_framing):
    rng = np.random.default_rng(3)
    one, other = (framed(make_framing, rng, 60, right=right) for right in (0, 45))
    row = compare(one, other).row("truncated")
    assert row["first"] == 0 < row["second"]
    # Without the error of the set in which none is cut, the interval would not reach as far down.
    assert row["difference"] - row["difference_low"] > 1 - 0.025 ** (1 / 60) - 1e-9
