import numpy as np
import pytest
from scipy import stats

from bias_toolkit.objects import framing_density, framing_log_density


def coordinates(framing):
    return np.column_stack([framing["cx"], framing["cy"], np.log(framing["scale"]), np.log(framing["aspect"])])


def slow_density(points, training, left_out=None):
    covariance = (np.cov(training.T) + 0.01**2 * np.eye(4)) * len(training) ** (-2 / 8)
    values = []
    for i, point in enumerate(points):
        kernels = [
            stats.multivariate_normal.pdf(point, centre, covariance)
            for j, centre in enumerate(training)
            if left_out is None or not left_out[i, j]
        ]
        values.append(np.log(np.mean(kernels)))
    return np.array(values)


def test_agrees_with_a_slow_implementation(make_framing, random_edges):
    rng = np.random.default_rng(0)
    training, _ = make_framing(random_edges(rng, 70))
    framing, _ = make_framing(random_edges(rng, 8))
    np.testing.assert_allclose(
        framing_log_density(framing, training), slow_density(coordinates(framing), coordinates(training)), rtol=1e-8
    )


def test_leaving_out_the_own_image(make_framing, random_edges):
    rng = np.random.default_rng(0)
    training, _ = make_framing(random_edges(rng, 60), image_ids=[f"{i // 2}.png" for i in range(60)])
    framing = training.iloc[10:20]
    same = framing["image_id"].to_numpy()[:, None] == training["image_id"].to_numpy()
    np.testing.assert_allclose(
        framing_log_density(framing, training, leave_out_own_image=True),
        slow_density(coordinates(framing), coordinates(training), same),
        rtol=1e-8,
    )
    assert (
        framing_log_density(framing, training) > framing_log_density(framing, training, leave_out_own_image=True)
    ).all()


def test_in_pieces_as_at_once(make_framing, random_edges, monkeypatch):
    rng = np.random.default_rng(0)
    training, _ = make_framing(random_edges(rng, 60))
    at_once = framing_log_density(training, training, leave_out_own_image=True)
    monkeypatch.setattr(framing_density, "CHUNK_PAIRS", 200)
    in_pieces = framing_log_density(training, training, leave_out_own_image=True)
    np.testing.assert_allclose(in_pieces, at_once, rtol=1e-12)


def test_own_class_where_there_are_enough_and_all_otherwise(make_framing, random_edges):
    rng = np.random.default_rng(1)
    edges = random_edges(rng, 99)
    categories = ["many"] * 50 + ["few"] * 49
    training, _ = make_framing(edges, categories=categories)
    framing, _ = make_framing(random_edges(rng, 3), categories=["many", "few", "unknown"])
    points, training_points = coordinates(framing), coordinates(training)
    expected = [slow_density(points[:1], training_points[:50])[0], *slow_density(points[1:], training_points)]
    np.testing.assert_allclose(framing_log_density(framing, training), expected, rtol=1e-8)


def test_usual_framing_is_denser(make_framing):
    rng = np.random.default_rng(2)
    middle = 50 + 5 * rng.normal(size=(200, 2))
    training, _ = make_framing(np.column_stack([middle - 20, middle + 20]))
    framing, _ = make_framing([[30, 30, 70, 70], [22, 30, 62, 70], [0, 0, 40, 40], [49, 49, 51, 51]])
    density = framing_log_density(framing, training)
    assert (np.diff(density) < 0).all()
    assert np.isfinite(density).all()


@pytest.mark.parametrize("n", [1, 2, 60])
def test_boxes_that_are_all_alike(make_framing, n):
    training, _ = make_framing(np.tile([25, 25, 75, 75], (n, 1)))
    framing, _ = make_framing([[25, 25, 75, 75], [10, 10, 20, 90]])
    density = framing_log_density(framing, training)
    assert np.isfinite(density).all()
    assert density[0] == pytest.approx(
        stats.multivariate_normal.logpdf(np.zeros(4), cov=0.01**2 * n ** (-2 / 8) * np.eye(4))
    )
    assert density[1] < density[0]


def test_nothing_to_compare_with(make_framing):
    framing, _ = make_framing([[0, 0, 10, 10], [0, 0, 20, 30]])
    assert np.isnan(framing_log_density(framing, framing.iloc[:0])).all()
    assert np.isnan(framing_log_density(framing[:1], framing[:1], leave_out_own_image=True)).all()
    assert len(framing_log_density(framing.iloc[:0], framing)) == 0


def test_a_sample_of_many_training_objects(make_framing, random_edges):
    rng = np.random.default_rng(3)
    training, _ = make_framing(random_edges(rng, 10_500))
    framing, _ = make_framing(random_edges(rng, 20))
    first, again, other = (framing_log_density(framing, training, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_allclose(first, other, atol=0.5)
