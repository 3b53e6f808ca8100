import numpy as np
import pytest
from scipy import stats
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from bias_toolkit.analysis.ceiling import Losses, ceiling_row, cross_validated_losses, loss_rows, resampled_means

STEPS, FOLDS = 8, 4
NAMES = ["nn_distance", "margin"]


@pytest.fixture(autouse=True)
def few_folds(monkeypatch):
    """Each fold is fitted alike."""
    monkeypatch.setattr("bias_toolkit.analysis.ceiling.FOLDS", FOLDS)


@pytest.fixture
def few_rounds(monkeypatch):
    """Boosting takes most of the time; here for tests that are not about how much it gains."""
    monkeypatch.setattr("bias_toolkit.analysis.ceiling.BOOSTING_ROUNDS", 3)


@pytest.fixture
def some_rounds(monkeypatch):
    """Enough boosting to see whether trees gain anything."""
    monkeypatch.setattr("bias_toolkit.analysis.ceiling.BOOSTING_ROUNDS", 30)


def images(law, n=1500, classes=30, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    steps = np.full(n, float(STEPS))
    return x, rng.binomial(STEPS, expit(law(x))).astype(float), steps, np.arange(n) % classes


def losses_of(law, **options):
    return cross_validated_losses(*images(law, **options), NAMES)


@pytest.mark.usefixtures("few_rounds")
def test_losses_are_those_of_models_that_have_not_seen_the_class():
    x, changed, steps, classes = images(lambda x: -1 + x[:, 0] - 0.5 * x[:, 1], n=200, classes=FOLDS)
    found = cross_validated_losses(x, changed, steps, classes, NAMES)
    for name, columns in (("all", [0, 1]), ("all but margin", [0]), ("all but nn_distance", [1])):
        expected = np.empty(200)
        # As many folds as classes: each class is a fold.
        for left_out in range(FOLDS):
            rest, inside = classes != left_out, classes == left_out
            rows = np.repeat(x[rest][:, columns], STEPS, axis=0)
            kinds = np.concatenate([np.arange(STEPS) < c for c in changed[rest]])
            model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(rows, kinds)
            p = model.predict_proba(x[inside][:, columns])[:, 1]
            expected[inside] = -(changed[inside] * np.log(p) + (STEPS - changed[inside]) * np.log(1 - p)) / STEPS
        np.testing.assert_allclose(found.models[name], expected, atol=1e-5)
    for left_out in range(FOLDS):
        p = changed[classes != left_out].mean() / STEPS
        inside = classes == left_out
        np.testing.assert_allclose(
            found.models["none"][inside],
            -(changed[inside] / STEPS * np.log(p) + (1 - changed[inside] / STEPS) * np.log(1 - p)),
            atol=1e-7,
        )


@pytest.mark.usefixtures("few_rounds")
def test_few_classes_are_split():
    """A fold without a class could not be predicted at all from one that has only it."""
    x, changed, steps, _ = images(lambda x: x[:, 0], n=200)
    found = cross_validated_losses(x, changed, steps, np.arange(200) % 2, NAMES)
    assert found.models["all"].mean() < found.models["none"].mean()
    assert found.clusters.max() == 1


@pytest.mark.usefixtures("few_rounds")
def test_folds_follow_the_seed():
    data = images(lambda x: x[:, 0], n=200)
    one, same, other = (cross_validated_losses(*data, NAMES, seed=seed).models["boosted"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.usefixtures("some_rounds")
def test_straight_lines_reach_all_where_the_law_is_one():
    losses = losses_of(lambda x: -1 + 0.8 * x[:, 0] - 0.8 * x[:, 1])
    row = dict(zip(CEILING_NAMES, ceiling_row(losses, resamples=200), strict=True))
    assert row["share"] == 1
    assert row["share_low"] > 0.9
    assert row["linear_gain_low"] > 0


@pytest.mark.usefixtures("some_rounds")
def test_straight_lines_reach_little_of_a_curve():
    row = dict(
        zip(CEILING_NAMES, ceiling_row(losses_of(lambda x: 1.5 * x[:, 0] * x[:, 1]), resamples=200), strict=True)
    )
    assert row["share_high"] < 0.2
    assert row["boosted_gain_low"] > 0.02


def test_part_of_it():
    # A straight and a curved part; the gain of the truth itself is what the trees come near to.
    law = lambda x: 0.7 * x[:, 0] + 0.7 * (x[:, 1] ** 2 - 1)  # noqa: E731
    losses = losses_of(law, n=3000)
    x, changed, steps, _ = images(law, n=3000)
    p = expit(law(x))
    truth = -(changed * np.log(p) + (steps - changed) * np.log(1 - p)) / steps
    row = dict(zip(CEILING_NAMES, ceiling_row(losses, resamples=200), strict=True))
    none = losses.models["none"].mean()
    assert row["linear_gain"] == pytest.approx(none - losses.models["all"].mean())
    assert 0.8 * (none - truth.mean()) < row["boosted_gain"] <= none - truth.mean()
    assert row["share"] == pytest.approx(row["linear_gain"] / row["boosted_gain"])
    assert row["share_low"] < row["share"] < row["share_high"] < 0.8


@pytest.mark.usefixtures("some_rounds")
def test_nothing_to_explain():
    row = dict(zip(CEILING_NAMES, ceiling_row(losses_of(lambda x: 0 * x[:, 0] - 1), resamples=200), strict=True))
    assert np.isnan([row["share"], row["share_low"], row["share_high"]]).all()
    assert row["linear_gain_low"] < 0


@pytest.mark.usefixtures("few_rounds")
def test_rows_of_losses():
    losses = losses_of(lambda x: -1 + x[:, 0], n=600)
    rows = {row[0]: row[1:] for row in loss_rows(losses, NAMES, resamples=300)}
    assert list(rows) == ["none", "all", "all but nn_distance", "all but margin", "boosted"]
    for name, (loss, low, high, difference, difference_low, difference_high, n) in rows.items():
        assert loss == pytest.approx(losses.models[name].mean())
        assert low < loss < high
        assert n == 600
        if name != "all":
            assert difference == pytest.approx(loss - rows["all"][0])
            assert difference_low < difference < difference_high
    assert rows["all"][3:6] == (0, 0, 0)
    assert rows["all but nn_distance"][4] > 0.05
    assert rows["all but margin"][4] < 0 < rows["all but margin"][5] + 0.002
    # Paired: a difference is surer than either loss.
    assert rows["all but margin"][5] - rows["all but margin"][4] < 0.3 * (rows["all"][2] - rows["all"][1])


@pytest.mark.usefixtures("few_rounds")
def test_a_term_that_tells_all_in_a_fold_is_survived():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2))
    changed = np.where(x[:, 0] > 0, 8.0, 0.0)
    changed[np.argmin(np.abs(x[:, 0]))] = 4
    losses = cross_validated_losses(x, changed, np.full(120, 8.0), np.arange(120), NAMES)
    assert all(np.isfinite(each).all() for each in losses.models.values())


def test_means_resample_classes():
    """Intervals hold the mean of a law in which images of a class are alike, as resampled images would not."""
    holds = {True: 0, False: 0}
    rng = np.random.default_rng(0)
    for _ in range(100):
        of = np.repeat(np.arange(15), rng.integers(10, 30, 15))
        values = rng.normal(size=15)[of] + rng.normal(size=len(of))
        for by_class in holds:
            clusters = of if by_class else np.arange(len(of))
            low, high = np.quantile(resampled_means(values[:, None], clusters, 300, 0), [0.025, 0.975])
            holds[by_class] += low <= 0 <= high
    # Of 100 intervals that hold the truth with a chance of 95%, fewer or more do once in 100 times.
    assert 0.89 <= holds[True] / 100 <= 0.99
    assert holds[False] / 100 < 0.7


def test_interval_of_means_is_students_over_classes():
    """With classes of one size it is that of their means, of which there are only six."""
    rng = np.random.default_rng(1)
    means = rng.normal(size=6)
    values = np.repeat(means, 20)[:, None] + 3
    low, high = np.quantile(resampled_means(values, np.repeat(np.arange(6), 20), 20_000, 0), [0.025, 0.975])
    half = stats.t.ppf(0.975, 5) * means.std(ddof=1) / np.sqrt(6)
    assert (high - low) / 2 == pytest.approx(half, rel=0.06)


def test_share_is_nan_only_where_nothing_gains():
    rng = np.random.default_rng(0)
    none = 1 + 0.1 * rng.normal(size=100)
    models = {"none": none, "all": none + 0.01, "boosted": none - 0.1}
    row = dict(zip(CEILING_NAMES, ceiling_row(Losses(models, np.arange(100)), resamples=100), strict=True))
    assert row["share"] == pytest.approx(-0.1)
    assert row["n"] == 100


CEILING_NAMES = [
    "linear_gain",
    "linear_gain_low",
    "linear_gain_high",
    "boosted_gain",
    "boosted_gain_low",
    "boosted_gain_high",
    "share",
    "share_low",
    "share_high",
    "n",
]
