import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from bias_toolkit.objects import framing_summary, position_and_scale
from bias_toolkit.objects.locate_quality import LOCALISATION, localisation_quality, reference_localisation

WIDTH, HEIGHT = 200, 100


def table(edges, category="thing"):
    edges = np.asarray(edges, float)
    objects = pd.DataFrame(edges, columns=["x0", "y0", "x1", "y1"]).assign(category=category, object_id=0)
    return objects.assign(image_id=[f"{i}" for i in range(len(edges))])


def images_of(n, label="thing"):
    ids = [f"{i}" for i in range(n)]
    return pd.DataFrame({"image_id": ids, "label": label, "width": WIDTH, "height": HEIGHT})


def random_boxes(n, seed, low=0.2, high=0.7):
    rng = np.random.default_rng(seed)
    size = rng.uniform(low, high, (n, 2)) * [WIDTH, HEIGHT]
    corner = rng.random((n, 2)) * ([WIDTH, HEIGHT] - size)
    return np.column_stack([corner, corner + size])


def noisy(edges, seed, spread):
    """The boxes moved and resized at random, inside the image."""
    rng = np.random.default_rng(seed)
    moved = edges + rng.normal(0, spread, edges.shape) * np.array([WIDTH, HEIGHT] * 2)
    low = np.clip(np.minimum(moved[:, :2], moved[:, 2:]), 0, [WIDTH - 2, HEIGHT - 2])
    top = np.clip(np.maximum(moved[:, :2], moved[:, 2:]), low + 1, [WIDTH, HEIGHT])
    return np.column_stack([low, top])


def values(quality, estimator="estimated", column="value"):
    return quality[quality["estimator"].eq(estimator)].set_index("criterion")[column]


def slow_iou(a, b):
    wide = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    high = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(e[2] - e[0]) * (e[3] - e[1]) for e in (a, b)]
    return wide * high / (sum(areas) - wide * high)


def test_a_perfect_estimate():
    edges = random_boxes(50, 0)
    quality = localisation_quality(table(edges), table(edges), images_of(50), resamples=100)
    found = values(quality)
    assert found["localisation_accuracy"] == found["rho_centre_distance"] == found["rho_scale"] == 1
    assert found["median_iou"] == pytest.approx(1)
    np.testing.assert_allclose(found[["cx_bias", "cx_sd", "cy_bias", "cy_sd", "log_scale_bias"]], 0, atol=1e-6)
    assert quality.columns.tolist() == LOCALISATION.names
    for name in ("centre_bias", "untruncated_centre_bias", "truncated_share"):
        assert values(quality, column="gain")[name] == 0 == values(quality, column="gain_low")[name]


def test_every_value_against_slow_arithmetic():
    n = 80
    truth = random_boxes(n, 1)
    guess = noisy(truth, 2, 0.05)
    scale = 0.4
    found = values(localisation_quality(table(guess), table(truth), images_of(n), typical_scale=scale, resamples=100))
    iou = [slow_iou(a, b) for a, b in zip(guess, truth, strict=True)]
    assert found["localisation_accuracy"] == pytest.approx(np.mean([each >= 0.5 for each in iou]))
    assert found["median_iou"] == pytest.approx(np.median(iou), abs=1e-6)
    centre = {name: (e[:, :2] + e[:, 2:]) / 2 / [WIDTH, HEIGHT] for name, e in (("guess", guess), ("truth", truth))}
    size = {
        name: np.sqrt(np.prod((e[:, 2:] - e[:, :2]) / [WIDTH, HEIGHT], axis=1))
        for name, e in (("guess", guess), ("truth", truth))
    }
    error = centre["guess"] - centre["truth"]
    log_error = np.log(size["guess"] / size["truth"])
    expected = [*error.mean(axis=0), *error.std(axis=0, ddof=1), log_error.mean(), log_error.std(ddof=1)]
    names = ["cx_bias", "cy_bias", "cx_sd", "cy_sd", "log_scale_bias", "log_scale_sd"]
    np.testing.assert_allclose(found[names], expected, atol=1e-6)
    distance = {name: np.hypot(*(each - 0.5).T) for name, each in centre.items()}
    assert found["rho_centre_distance"] == pytest.approx(spearmanr(distance["guess"], distance["truth"])[0], abs=1e-6)
    assert found["rho_scale"] == pytest.approx(spearmanr(size["guess"], size["truth"])[0], abs=1e-6)


def test_guesses_are_a_centred_box_and_the_whole_image():
    n = 60
    truth = random_boxes(n, 3)
    quality = localisation_quality(table(truth), table(truth), images_of(n), typical_scale=0.5, resamples=100)
    middle = [WIDTH / 4, HEIGHT / 4, 3 * WIDTH / 4, 3 * HEIGHT / 4]
    for estimator, box in (("centred", middle), ("whole", [0, 0, WIDTH, HEIGHT])):
        iou = [slow_iou(box, each) for each in truth]
        found = values(quality, estimator)
        assert found["localisation_accuracy"] == pytest.approx(np.mean(np.array(iou) >= 0.5))
        assert found["median_iou"] == pytest.approx(np.median(iou), abs=1e-6)
        assert "rho_scale" not in found
    scales = np.sqrt(np.prod((truth[:, 2:] - truth[:, :2]) / [WIDTH, HEIGHT], axis=1))
    assert values(quality, "centred")["log_scale_bias"] == pytest.approx(np.log(0.5) - np.log(scales).mean(), abs=1e-6)


def test_centred_box_has_the_median_scale_by_default():
    truth = random_boxes(41, 3)
    scales = np.sqrt(np.prod((truth[:, 2:] - truth[:, :2]) / [WIDTH, HEIGHT], axis=1))
    named = {"typical_scale": float(np.median(scales)), "resamples": 100}
    one = localisation_quality(table(truth), table(truth), images_of(41), resamples=100)
    pd.testing.assert_frame_equal(one, localisation_quality(table(truth), table(truth), images_of(41), **named))


def test_centring_is_that_of_the_framing_summary():
    n = 120
    truth, guess = random_boxes(n, 5), noisy(random_boxes(n, 6), 7, 0.15)
    images = images_of(n)
    quality = localisation_quality(table(guess), table(truth), images, resamples=100)
    for estimator, edges in (("estimated", guess), ("given", truth)):
        whole = framing_summary(position_and_scale(table(edges), images), images, resamples=100, placements=100)
        for name in ("centre_bias", "untruncated_centre_bias", "truncated_share"):
            assert values(quality, estimator)[name] == pytest.approx(whole[name].iloc[0], abs=1e-5), name
    gain = values(quality, column="gain")
    for name in ("centre_bias", "untruncated_centre_bias", "truncated_share"):
        assert gain[name] == pytest.approx(values(quality)[name] - values(quality, "given")[name])
    assert values(quality)["truncated_share"] > 0.02


def test_an_image_without_an_estimate_counts_as_not_localised():
    truth = random_boxes(40, 8)
    found = table(truth).iloc[:30]
    quality = localisation_quality(found, table(truth), images_of(40), resamples=100)
    assert values(quality)["localisation_accuracy"] == 0.75
    n = quality.set_index(["criterion", "estimator"])["n_images"]
    assert n["localisation_accuracy", "estimated"] == n["median_iou", "centred"] == 40
    assert n["cx_sd", "estimated"] == n["cx_sd", "centred"] == n["centre_bias", "given"] == 30
    nothing = localisation_quality(found.iloc[:0], table(truth), images_of(40), resamples=100)
    assert values(nothing)["localisation_accuracy"] == values(nothing)["median_iou"] == 0
    assert set(nothing["criterion"]) == {"localisation_accuracy", "median_iou"}


def test_images_without_a_given_box_are_left_out():
    truth = random_boxes(40, 8)
    quality = localisation_quality(table(truth), table(truth).iloc[:25], images_of(40), resamples=100)
    assert (quality["n_images"] == 25).all()
    assert localisation_quality(table(truth), table(truth).iloc[:0], images_of(40)).empty


def test_compared_is_the_largest_object_of_the_label_s_category():
    truth = random_boxes(10, 9, 0.2, 0.3)
    larger = table(np.tile([0, 0, WIDTH, HEIGHT], (10, 1)), "other").assign(object_id=1)
    smaller = table(truth[:, [0, 1, 0, 1]] + [0, 0, 3, 3]).assign(object_id=2)
    quality = localisation_quality(
        table(truth), pd.concat([larger, table(truth), smaller]), images_of(10), resamples=100
    )
    assert values(quality)["localisation_accuracy"] == 1


def test_gain_is_above_zero_where_the_estimate_is_better():
    n = 300
    truth = random_boxes(n, 10)
    good = localisation_quality(table(noisy(truth, 1, 0.02)), table(truth), images_of(n), resamples=200)
    poor = localisation_quality(table(random_boxes(n, 11)), table(truth), images_of(n), resamples=200)
    names = ["localisation_accuracy", "median_iou", "cx_sd", "cy_sd", "log_scale_sd"]
    assert (values(good, column="gain_low")[names] > 0).all()
    assert (values(poor, column="gain_high")[names[1:]] < 0).all()
    accuracy = values(poor)["localisation_accuracy"] - values(poor, "centred")["localisation_accuracy"]
    assert values(poor, column="gain")["localisation_accuracy"] == pytest.approx(accuracy)
    sd = values(poor, "centred")["cx_sd"] - values(poor)["cx_sd"]
    assert values(poor, column="gain")["cx_sd"] == pytest.approx(sd)


def test_gain_of_a_bias_is_of_its_amount():
    truth = random_boxes(50, 12, 0.2, 0.4)
    shifted = np.maximum(truth - [30, 0, 30, 0], [0, 0, 1, 0])
    quality = localisation_quality(table(shifted), table(truth), images_of(50), resamples=100)
    expected = abs(values(quality, "centred")["cx_bias"]) - abs(values(quality)["cx_bias"])
    assert values(quality)["cx_bias"] < -0.1
    assert values(quality, column="gain")["cx_bias"] == pytest.approx(expected)


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Boxes that are right with probability 0.6 and nowhere near otherwise."""
    n, held = 60, 0
    truth = np.tile([20.0, 20, 60, 60], (n, 1))
    for seed in range(20):
        right = np.random.default_rng(seed).random(n) < 0.6
        guess = np.where(right[:, None], truth, [150, 20, 190, 60])
        quality = localisation_quality(table(guess), table(truth), images_of(n), resamples=200, seed=seed)
        row = quality[quality["estimator"].eq("estimated")].iloc[0]
        held += row["low"] <= 0.6 <= row["high"]
    # Of 20 at 95%, fewer do once in 400 times; of such of half the width, as many do once in 6 times.
    assert held >= 16


def test_same_seed_same_table_and_another_seed_another_interval():
    truth = random_boxes(40, 13)
    guess = noisy(truth, 14, 0.1)
    first, again, other = (
        localisation_quality(table(guess), table(truth), images_of(40), resamples=100, seed=seed) for seed in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    pd.testing.assert_series_equal(first["value"], other["value"])
    assert (first["low"] != other["low"]).any()


def test_one_image_has_values_without_intervals():
    quality = localisation_quality(table([[0, 0, 50, 50]]), table([[0, 0, 40, 50]]), images_of(1), resamples=100)
    assert quality["low"].isna().all()
    assert quality["gain_low"].isna().all()
    assert values(quality)["localisation_accuracy"] == 1


def test_figures_kept_in_the_package_are_complete():
    reference = reference_localisation()
    assert "located_boxes.py" in reference.command
    assert reference.model == "efficientnet-lite0"
    assert "1,000 validation images" in reference.dataset
    quality = reference.quality
    assert quality.columns.tolist() == LOCALISATION.names
    edges = random_boxes(20, 0)
    fresh = localisation_quality(table(edges), table(edges), images_of(20), resamples=100)
    pd.testing.assert_frame_equal(quality[["criterion", "estimator"]], fresh[["criterion", "estimator"]])
    assert quality["value"].notna().all()
    assert quality["low"].notna().all()
    assert (quality["n_images"] == 1000).all()
