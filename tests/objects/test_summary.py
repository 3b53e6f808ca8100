import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bias_toolkit.foundation.files import read_table, write_table
from bias_toolkit.foundation.intervals import expanded_confidence
from bias_toolkit.foundation.resampling import named_generator
from bias_toolkit.objects import FRAMING_SUMMARY, framing_summary, position_and_scale
from bias_toolkit.objects import summary as summary_module
from bias_toolkit.objects.framing_variables import sample_of_images
from bias_toolkit.objects.null_model import null_centre_distance, room

REPEATS = 30
# Of 30 intervals that hold the truth with a chance of 95%, fewer do once in 300 times; of such of half the width, as
# many do once in 24 times. Of means of 30 draws, one in 700 lies farther from the truth, in standard errors.
HELD, NEAR = 25 / 30, 3.5


@pytest.fixture(scope="module")
def null_repeats():
    """The summaries of 30 datasets drawn from the null model: 40 images, one to three boxes each."""
    rng = np.random.default_rng(11)
    rows = []
    for _ in range(REPEATS):
        per_image = rng.integers(1, 4, 40)
        image_ids = np.repeat([f"{i}" for i in range(40)], per_image)
        size = rng.uniform(2, 60, (len(image_ids), 2))
        low = rng.random((len(image_ids), 2)) * (100 - size)
        objects = pd.DataFrame(np.column_stack([low, low + size]), columns=["x0", "y0", "x1", "y1"])
        objects = objects.assign(image_id=image_ids, category="thing", object_id=0)
        images = pd.DataFrame({"image_id": [f"{i}" for i in range(40)], "width": 100, "height": 100})
        framing = position_and_scale(objects, images)
        summary = framing_summary(framing, images, by_class=False, resamples=100, placements=99, seed=len(rows))
        rows.append(summary.iloc[0])
    return pd.DataFrame(rows)


@pytest.mark.parametrize("which", ["", "untruncated_"])
def test_interval_covers_zero_where_the_null_model_holds(null_repeats, which):
    low, high = null_repeats[f"{which}centre_bias_low"], null_repeats[f"{which}centre_bias_high"]
    assert ((low <= 0) & (high >= 0)).mean() >= HELD
    bias = null_repeats[f"{which}centre_bias"]
    # Three standard errors of a standard deviation of 30 draws above it, and two below.
    assert 0.7 < (high - low).mean() / 2 / (1.96 * bias.std()) < 1.4
    assert abs(bias.mean()) < NEAR * bias.std() / np.sqrt(REPEATS)


@pytest.mark.parametrize("which", ["", "untruncated_"])
def test_p_value_is_uniform_where_the_null_model_holds(null_repeats, which):
    assert stats.kstest(null_repeats[f"{which}p_value"], "uniform").pvalue > 0.001


def test_divergence_is_zero_on_average_where_the_null_model_holds(null_repeats):
    divergence = null_repeats["divergence_bits"]
    assert abs(divergence.mean()) < NEAR * divergence.std() / np.sqrt(REPEATS)


def test_divergence_interval_covers_zero_where_the_null_model_holds(null_repeats):
    low, high = null_repeats["divergence_bits_low"], null_repeats["divergence_bits_high"]
    assert ((low <= 0) & (high >= 0)).mean() >= HELD
    assert ((low <= null_repeats["divergence_bits"]) & (null_repeats["divergence_bits"] <= high)).all()


def test_always_exactly_centred_is_one(make_framing):
    half = np.random.default_rng(0).uniform(2, 45, (30, 2))
    summary = framing_summary(
        *make_framing(np.column_stack([50 - half, 50 + half])), resamples=100, placements=99
    ).iloc[0]
    for name in ("centre_bias", "centre_bias_high", "untruncated_centre_bias"):
        assert summary[name] == pytest.approx(1, abs=1e-12)
    # No resample has another bias, and yet the interval has a width: that of Clopper & Pearson, from −1 to 1.
    assert 0.6 < summary["centre_bias_low"] < 0.9
    assert summary["p_value"] == summary["untruncated_p_value"] == 0.01
    assert summary["divergence_bits"] > 0.5


def test_objects_pushed_to_the_border_are_below_zero(make_framing):
    rng = np.random.default_rng(0)
    size = rng.uniform(5, 60, (50, 2))
    low = rng.integers(0, 2, (50, 2)) * (100 - size)
    summary = framing_summary(*make_framing(np.column_stack([low, low + size])), resamples=200, placements=99).iloc[0]
    assert summary["centre_bias_high"] < 0
    assert summary["p_value"] == 0.01
    assert summary["truncated_share"] == 1
    assert summary["n_untruncated"] == 0
    assert np.isnan(summary["untruncated_centre_bias"])
    assert np.isnan(summary["untruncated_p_value"])


def test_boxes_that_fill_the_frame_say_nothing(make_framing, random_edges):
    full = np.tile([0, 0, 100, 100], (20, 1))
    summary = framing_summary(*make_framing(full), resamples=100, placements=99).iloc[0]
    assert summary["observed_centre_distance"] == summary["null_centre_distance"] == 0
    assert summary[["centre_bias", "centre_bias_low", "centre_bias_high", "p_value"]].isna().all()
    assert summary["divergence_bits"] == 0
    assert summary["median_scale"] == 1
    assert np.isnan(summary["median_scale_high"])

    edges = random_edges(np.random.default_rng(0), 20)
    with_them, without = (
        framing_summary(*make_framing(part), resamples=100, placements=99).iloc[0]
        for part in (np.vstack([edges, full]), edges)
    )
    assert with_them["centre_bias"] == pytest.approx(without["centre_bias"])


def test_hand_computed_table(make_framing, tmp_path):
    framing, images = make_framing(
        [[0, 0, 50, 50], [50, 50, 100, 100], [10, 10, 50, 50], [30, 20, 70, 60], [25, 25, 75, 75]],
        categories=["cat", "dog", "dog", "dog", "dog"],
        image_ids=["a", "a", "b", "b", "c"],
    )
    summary = framing_summary(framing, images, resamples=300, placements=99)
    assert list(summary["category"]) == ["", "cat", "dog"]
    assert list(summary["n_images"]) == [3, 1, 3]
    assert list(summary["n_objects"]) == [5, 1, 4]
    assert list(summary["n_untruncated"]) == [3, 0, 3]
    dog = summary.iloc[2]
    observed = np.array([0.5, 0.4, 0.1 * 2**0.5, 0])
    large, small = (null_centre_distance(half, half) for half in (0.25, 0.3))
    expected = np.array([large, small, small, large])
    assert dog["observed_centre_distance"] == pytest.approx(observed.mean())
    assert dog["null_centre_distance"] == pytest.approx(expected.mean())
    assert dog["centre_bias"] == pytest.approx(1 - observed.sum() / expected.sum())
    inner = np.array([null_centre_distance(half, half) for half in (0.29, 0.29, 0.24)])
    assert dog["untruncated_centre_bias"] == pytest.approx(1 - observed[1:].sum() / inner.sum())
    assert dog["median_scale"] == pytest.approx(0.45)
    assert dog["truncated_share"] == 0.25
    logs = np.log([0.5, 0.4, 0.4, 0.5])
    assert dog["log_scale_mean"] == pytest.approx(logs.mean())
    assert dog["log_scale_sd"] == pytest.approx(logs.std(ddof=1))
    cat = summary.iloc[1]
    assert cat["centre_bias"] == pytest.approx(1 - 0.5 / large)
    assert cat[["centre_bias_low", "median_scale_low", "log_scale_sd"]].isna().all()
    write_table(summary, tmp_path / "summary.parquet", FRAMING_SUMMARY)
    assert len(read_table(tmp_path / "summary.parquet")) == 3


def test_bootstrap_agrees_with_resampling_the_table(make_framing, random_edges):
    rng = np.random.default_rng(4)
    image_ids = [f"{i}" for i in np.repeat(np.arange(30), rng.integers(1, 5, 30))]
    framing, images = make_framing(random_edges(rng, len(image_ids)), image_ids=image_ids)
    truncated = framing["cx"].to_numpy() < 0.5
    framing["truncated"] = truncated
    summary = framing_summary(framing, images, resamples=2000, placements=10).iloc[0]
    observed, scale = framing["centre_distance"].to_numpy(), framing["scale"].to_numpy()
    expected = null_centre_distance(*room(framing))
    rows = list(framing.groupby("image_id").indices.values())
    slow = []
    for _ in range(1000):
        drawn = np.concatenate([rows[image] for image in rng.integers(0, 30, 30)])
        slow.append(
            {
                "centre_bias": 1 - observed[drawn].sum() / expected[drawn].sum(),
                "median_scale": np.median(scale[drawn]),
                "log_scale_mean": np.log(scale[drawn]).mean(),
                "mean_cx": framing["cx"].to_numpy()[drawn].mean(),
                "mean_cy": framing["cy"].to_numpy()[drawn].mean(),
                "median_aspect": np.median(framing["aspect"].to_numpy()[drawn]),
                "objects_per_image": len(drawn) / 30,
                "truncated_share": truncated[drawn].mean(),
            }
        )
    for name, estimates in pd.DataFrame(slow).items():
        tail = (1 - expanded_confidence(30)) / 2
        low, high = np.quantile(estimates, [tail, 1 - tail])
        # The share's interval is not of percentiles, but for so many objects near them.
        tolerance = 0.12 * (high - low)
        assert summary[f"{name}_low"] == pytest.approx(low, abs=tolerance)
        assert summary[f"{name}_high"] == pytest.approx(high, abs=tolerance)


def test_more_of_the_same_in_each_image_does_not_narrow_an_interval(make_framing, random_edges):
    edges = random_edges(np.random.default_rng(6), 25)
    once, thrice = (
        framing_summary(
            *make_framing(np.repeat(edges, times, axis=0), image_ids=np.repeat([f"{i}" for i in range(25)], times)),
            resamples=200,
            placements=10,
        ).iloc[0]
        for times in (1, 3)
    )
    assert thrice["n_objects"] == 3 * once["n_objects"]
    for name in ("centre_bias", "median_scale", "log_scale_mean"):
        for end in ("low", "high"):
            assert thrice[f"{name}_{end}"] == pytest.approx(once[f"{name}_{end}"], abs=1e-12)


def test_a_category_is_the_same_whichever_others_there_are(make_framing, random_edges):
    framing, images = make_framing(
        random_edges(np.random.default_rng(0), 60), categories=np.repeat(["a", "b", "c"], 20)
    )
    settings = {"resamples": 100, "placements": 99, "seed": 3}
    together = framing_summary(framing, images, **settings)
    alone = framing_summary(framing[framing["category"] == "b"], images, **settings)
    adjusted = ["q_value", "untruncated_q_value"]
    pd.testing.assert_series_equal(together.iloc[2].drop(adjusted), alone.iloc[1].drop(adjusted), check_names=False)
    pd.testing.assert_frame_equal(together, framing_summary(framing, images, **settings))
    without = framing_summary(framing, images, by_class=False, **settings)
    pd.testing.assert_frame_equal(without, together.iloc[:1])


def test_of_many_images_a_sample_is_described_and_all_are_counted(make_framing, random_edges, monkeypatch):
    rng = np.random.default_rng(0)
    framing, images = make_framing(random_edges(rng, 400), categories=np.where(np.arange(400) < 30, "few", "many"))
    settings = {"resamples": 100, "placements": 99, "seed": 3}
    of_all = framing_summary(framing, images, **settings).set_index("category")
    monkeypatch.setattr(summary_module, "MOST_IMAGES", 100)
    described = framing_summary(framing, images, **settings).set_index("category")
    counts = ["n_images", "n_objects", "n_untruncated"]
    pd.testing.assert_frame_equal(described[counts], of_all[counts])
    overlap = described.filter(like="overlap").columns.tolist()
    unadjusted = described.columns.drop(["q_value", "untruncated_q_value", *overlap])
    pd.testing.assert_series_equal(described.loc["few", unadjusted], of_all.loc["few", unadjusted])
    for category in ("", "many"):
        of_category = framing if category == "" else framing[framing["category"] == category]
        sample = sample_of_images(of_category, 100, named_generator(3, f"described/{category}"))
        assert len(sample) == 100
        assert described.loc[category, "mean_cx"] == pytest.approx(sample["cx"].mean())
        assert described.loc[category, "median_scale"] == pytest.approx(sample["scale"].median())
        width, full = (
            each.loc[category, "mean_cx_high"] - each.loc[category, "mean_cx_low"] for each in (described, of_all)
        )
        assert width > 1.4 * full
    alone = framing_summary(sample_of_images(framing, 100, named_generator(3, "described/")), images, **settings)
    assert described.loc["", "centre_bias"] == pytest.approx(alone.loc[0, "centre_bias"])


def test_only_the_images_asked_about_count(make_framing, random_edges):
    framing, images = make_framing(random_edges(np.random.default_rng(0), 20))
    some = framing_summary(framing, images.iloc[:5], resamples=100, placements=20)
    expected = framing_summary(framing.iloc[:5], images, resamples=100, placements=20)
    pd.testing.assert_frame_equal(some, expected)


def test_objects_without_a_category_count_for_the_dataset_only(make_framing):
    framing, images = make_framing([[0, 0, 50, 50], [10, 10, 40, 40]], categories=["thing", None])
    summary = framing_summary(framing, images, resamples=100, placements=20)
    assert list(summary["category"]) == ["", "thing"]
    assert list(summary["n_objects"]) == [2, 1]


def test_no_objects(make_framing):
    framing, images = make_framing([[0, 0, 50, 50]])
    summary = framing_summary(framing.iloc[:0], images)
    assert list(summary["n_objects"]) == [0]
    assert (
        summary[["centre_bias", "p_value", "divergence_bits", "divergence_bits_low", "median_scale"]]
        .isna()
        .all(axis=None)
    )


def test_q_values_are_of_the_categories(make_framing, random_edges):
    rng = np.random.default_rng(0)
    centred = 50 + rng.normal(size=(30, 2))
    edges = np.vstack([np.column_stack([centred - 10, centred + 10]), random_edges(rng, 60)])
    framing, images = make_framing(edges, categories=np.repeat(["a", "b", "c"], 30))
    summary = framing_summary(framing, images, resamples=100, placements=199)
    for name in ("", "untruncated_"):
        p = summary[f"{name}p_value"].to_numpy()
        q = summary[f"{name}q_value"].to_numpy()
        assert np.isnan(q[0])
        assert q[1:] == pytest.approx(stats.false_discovery_control(p[1:]))
    assert summary["q_value"].iloc[1] < 0.05 < summary["q_value"].iloc[2:].min()


def test_position_aspect_and_number_by_hand(make_framing):
    framing, images = make_framing(
        [[0, 0, 50, 25], [40, 40, 80, 80], [10, 20, 30, 60]], image_ids=["a", "a", "b"], width=100, height=200
    )
    row = framing_summary(framing, images, resamples=100, placements=20).iloc[0]
    assert row["mean_cx"] == pytest.approx((0.25 + 0.6 + 0.2) / 3)
    assert row["mean_cy"] == pytest.approx((0.0625 + 0.3 + 0.2) / 3)
    assert row["median_aspect"] == pytest.approx(1)
    assert row["objects_per_image"] == pytest.approx(1.5)
