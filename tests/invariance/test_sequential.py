import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from bias_toolkit.foundation.shards import cut_into_shards
from bias_toolkit.invariance import SEQUENTIAL, StopWhenKnown, Sweep, drawing_order, measures_table, sweep_shards
from bias_toolkit.invariance.sequential import SequentialMean

SHARD = 64
LIMIT = math.log(40)
CROP = Sweep("crop", "diagonal", 1.0)


def stopped(values, half_width, seed=0, shard=SHARD):
    """The values in random order, shard by shard, until their mean is known."""
    order = np.random.default_rng(seed).permutation(values)
    known = SequentialMean(len(order), half_width)
    for start in range(0, len(order), shard):
        known.add(order[start : start + shard])
        if known.is_known:
            break
    return known


def slow_bets(values, population, half_width):
    """Kelly's bets by SciPy's optimiser, one value at a time."""
    bets, bet, renewed_at = [], 0.0, 0
    for place in range(len(values)):
        if place == renewed_at:
            sample = np.array([0.0, 1.0, *np.repeat(values[:place], 2)])
            mean = sample.mean()
            claimed = max(mean - half_width * population / (population - place), mean / 2)

            def loss(size, sample=sample, claimed=claimed):
                return -np.log1p(size * (sample - claimed)).sum()

            bet = optimize.minimize_scalar(loss, bounds=(0, 1 / claimed), method="bounded", options={"xatol": 1e-10}).x
            renewed_at += max(1, min(place, population - place) // 12)
        bets.append(bet)
    return bets


def slow_capital(values, population, bets, mean):
    """The capital after each value of a gambler who bets that the mean is above `mean`."""
    capital, path, left = 1.0, [], population * mean
    for place, (value, bet) in enumerate(zip(values, bets, strict=True)):
        expected = left / (population - place)
        capital *= 1 + (min(bet, 0.9 / expected) if expected > 0 else bet) * (value - expected)
        left -= value
        path.append(capital)
    return path


def slow_interval(values, population, half_width):
    """Both ends on a fine grid."""
    ends = []
    for side in (values, 1 - values):
        least = side.sum() / population
        grid = [mean for mean in np.arange(0.0005, side.mean(), 0.0005) if mean >= least]
        bets = slow_bets(side, population, half_width)
        given_up = [mean for mean in grid if max(slow_capital(side, population, bets, mean)) >= 40]
        ends.append(max(given_up, default=least))
    return ends[0], 1 - ends[1]


def test_every_bet_is_fair_if_the_claim_is_true():
    """Over all orders of a dataset, the gambler's mean capital stays 1: what all guarantees rest on."""
    dataset = np.array([0.0, 0.125, 0.0, 0.5, 1.0])
    orders = [np.array(order[:4]) for order in itertools.permutations(dataset)]
    paths = [slow_capital(order, 5, slow_bets(order, 5, 0.2), dataset.mean()) for order in orders]
    np.testing.assert_allclose(np.mean(paths, axis=0), 1, rtol=1e-12)


@pytest.mark.parametrize(("mean", "population", "n", "half_width"), [(0.1, 150, 70, 0.05), (0.85, 90, 60, 0.1)])
def test_the_interval_is_that_of_a_slow_implementation(mean, population, n, half_width):
    values = np.random.default_rng(1).binomial(8, mean, population) / 8
    known = SequentialMean(population, half_width)
    known.add(values[:n])
    np.testing.assert_allclose(known.interval, slow_interval(values[:n], population, half_width), atol=0.00051)
    low, high = known.interval
    assert known.mean == values[:n].mean()
    assert values[:n].sum() / population < low < known.mean < high < 1 - (1 - values[:n]).sum() / population


LAWS = {
    "rare": (np.repeat([0.0, 0.125, 1.0], [1960, 30, 10]), 0.01, 3.6),
    "0 or 1, rare": (np.repeat([0.0, 1.0], [2970, 30]), 0.01, 2.9),
    "0 or 1, rarely 0": (np.repeat([0.0, 1.0], [30, 2970]), 0.01, 2.9),
    "0 or 1, even": (np.repeat([0.0, 1.0], [1000, 1000]), 0.05, 1.9),
    "eighths": (np.random.default_rng(3).binomial(8, np.random.default_rng(4).beta(0.3, 2, 3000)) / 8, 0.03, 2.1),
}


@pytest.mark.parametrize("law", LAWS)
def test_the_promise_is_kept_on_at_least_95_percent_of_orders(law):
    """The mean told is within the half-width, the interval holds the truth, and the images are not too many.

    `benchmarks/sequential.py` does the same with more draws and more laws.
    """
    values, half_width, price = LAWS[law]
    found = [stopped(values, half_width, seed) for seed in range(12)]
    intervals = [known.interval for known in found]
    truth = values.mean()
    kept = [
        low - 1e-9 <= truth <= high + 1e-9 and abs(known.mean - truth) <= half_width + 1e-9
        for known, (low, high) in zip(found, intervals, strict=True)
    ]
    # Of 12 orders fewer keep a promise of 95% once in 50 times, and one of 67% four times in five.
    assert np.sum(kept) >= 10
    wanted = (1.96 / half_width) ** 2 * values.var()
    assert np.mean([known.n for known in found]) <= price * wanted / (1 + wanted / len(values)) + SHARD
    assert all(known.n < len(values) for known in found)
    for known, (low, high) in zip(found, intervals, strict=True):
        assert known.mean - low <= half_width + 1e-9
        assert high - known.mean <= half_width + 1e-9


def test_the_promise_is_kept_where_some_images_cannot_be_read():
    values = LAWS["0 or 1, even"][0]
    kept = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        order, readable = rng.permutation(values), rng.random(len(values)) < 0.9
        known = SequentialMean(len(values), 0.05)
        for start in range(0, len(values), SHARD):
            shard = slice(start, start + SHARD)
            known.forget((~readable[shard]).sum())
            known.add(order[shard][readable[shard]])
            if known.is_known:
                break
        low, high = known.interval
        kept.append(low <= order[readable].mean() <= high)
    assert np.sum(kept) >= 10


def test_equal_values_are_believed_after_as_many_as_the_law_of_rare_events_asks():
    """After n zeros, 1 − m multiplies against a mean m at least: no rule may stop before (1 − h)^n < 1/40."""
    for half_width in (0.02, 0.005):
        known = stopped(np.zeros(50_000), half_width, shard=1 if half_width > 0.01 else SHARD)
        fewest = LIMIT / -math.log1p(-half_width)
        assert fewest <= known.n <= 1.35 * fewest + SHARD
        assert known.mean == 0
        assert known.interval[0] == 0
        assert known.interval[1] <= half_width + 1e-9


def test_the_whole_of_a_small_dataset_is_known_exactly():
    values = np.random.default_rng(0).integers(0, 9, 50) / 8
    known = stopped(values, 0.005, shard=16)
    assert known.n == 50
    assert known.is_known
    assert known.interval == (known.mean, known.mean)
    assert known.mean == pytest.approx(values.mean())


def test_before_the_first_value_nothing_is_known():
    known = SequentialMean(10, 0.1)
    assert known.interval == (0.0, 1.0)
    assert not known.is_known
    assert math.isnan(known.mean)
    known.forget(10)
    assert not known.is_known


eighths = st.lists(st.integers(0, 8).map(lambda k: k / 8), min_size=1, max_size=60)


@settings(max_examples=25, deadline=None)
@given(eighths, st.integers(0, 100), st.sampled_from([0.02, 0.1, 0.3]), st.integers(1, 60))
def test_what_is_known_does_not_depend_on_how_the_values_come(values, more, half_width, cut):
    values = np.array(values)
    population = len(values) + more
    known, other, mirrored = (SequentialMean(population, half_width) for _ in range(3))
    known.add(values)
    other.add(values[:cut])
    other.add(values[cut:])
    mirrored.add(1 - values)
    low, high = known.interval
    assert other.interval == (low, high)
    assert np.allclose(mirrored.interval, (1 - high, 1 - low), atol=1e-9)
    assert values.sum() / population - 1e-12 <= low <= values.mean() + 1e-12
    assert values.mean() - 1e-12 <= high <= (values.sum() + more) / population + 1e-12
    if abs(max(values.mean() - low, high - values.mean()) - half_width) > 1e-9:
        assert known.is_known == (values.mean() - low <= half_width and high - values.mean() <= half_width)


@settings(max_examples=30, deadline=None)
@given(eighths, st.sampled_from([0.02, 0.1]))
def test_a_mean_once_given_up_stays_so_but_for_what_the_last_value_tells(values, half_width):
    known = SequentialMean(len(values) + 200, half_width)
    low = 0.0
    for value in values:
        known.add(np.array([value]))
        assert known.interval[0] >= min(low, known.mean) - 1e-9
        low = known.interval[0]


def test_values_that_cannot_be():
    known = SequentialMean(3, 0.1)
    for wrong in ([1.5], [-0.1], [np.nan]):
        with pytest.raises(ValueError, match="0 to 1"):
            known.add(np.array(wrong))
    with pytest.raises(ValueError, match="4 values were drawn from 3"):
        known.add(np.zeros(4))
    assert known.n == 0


def test_the_order_is_random_and_the_seed_s():
    ids = [f"{number:03}.png" for number in range(300)]
    order = drawing_order(ids, 0)
    assert sorted(order) == ids
    assert order == drawing_order(ids, 0)
    assert order != drawing_order(ids, 1)
    places = np.array([[drawing_order(ids, seed).index(image_id) for seed in range(60)] for image_id in ids[::75]])
    assert abs(places.mean(axis=1) - 149.5).max() < 4 * 300 / math.sqrt(12 * 60)


def responses_of(values):
    """Responses whose P(top-1 change) is given."""
    top1 = [[0] * (9 - round(8 * value)) + [1 + k % 2 for k in range(round(8 * value))] for value in values]
    n = len(values)
    columns = {name: [[0.5] * 9] * n for name in ("p_top1", "p_second", "p_reference", "p_label")}
    columns |= {"p_top1_next": [[0.5] * 8] * n, "top5_exit": [[False] * 8] * n, "feature_step": [[0.0] * 8] * n}
    columns["top1"] = top1
    names = {"image_id": [str(k) for k in range(n)], "protocol": "crop", "transform": "diagonal", "size": 1.0}
    return pd.DataFrame({**names, "fill": None, "sampling": "centre", "label_index": None, **columns})


def test_a_sweep_s_rule_counts_images_and_tells_what_it_knows():
    values = np.random.default_rng(5).binomial(8, 0.1, 300) / 8
    rule, known = StopWhenKnown(CROP, 400, 0.03), SequentialMean(400, 0.03)
    none, two = (pd.DataFrame({"image_id": ["x"] * n, "reason": ["no"] * n}) for n in (0, 2))
    decided = []
    for start, skipped in ((0, two), (100, none), (200, none)):
        decided.append(rule(responses_of(values[start : start + 100]), skipped))
        known.forget(len(skipped))
        known.add(values[start : start + 100])
        assert decided[-1] == known.is_known
    assert decided[0] is False
    assert decided[2] is True
    record = rule.record()
    assert list(record) == SEQUENTIAL.names
    assert (record["low"], record["high"]) == known.interval
    told = {name: record[name] for name in ("measure", "value", "precision", "n", "n_skipped", "n_images")}
    assert told == {
        "measure": "p_top1_change",
        "value": pytest.approx(values.mean()),
        "precision": 0.03,
        "n": 300,
        "n_skipped": 2,
        "n_images": 400,
    }


def test_offsets_stop_on_their_consistency(rule_model, noise_image):
    offsets = Sweep("offsets", "random", 1.0, draws=2)
    model = rule_model(lambda pixels, blank: (np.eye(2)[int(pixels[0, 0, 0]) % 2], [1.0]))
    rule = StopWhenKnown(offsets, 40, 0.3)
    shards = sweep_shards(
        model,
        lambda image_id: noise_image(40, 40, int(image_id)),
        cut_into_shards([str(number) for number in range(40)], 8),
        offsets,
        label_indices={},
        batch_size=16,
        advance=lambda _: None,
    )
    seen = []
    for shard in shards:
        seen.append(shard["responses"])
        if rule(shard["responses"], shard["skipped"]):
            break
    record = rule.record()
    assert record["measure"] == "consistency"
    assert 8 <= record["n"] < 40
    assert record["value"] == pytest.approx(measures_table(pd.concat(seen))["consistency"].mean())
