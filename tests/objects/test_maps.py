import numpy as np
import pytest

from bias_toolkit.objects import null_histogram, object_maps
from bias_toolkit.objects.maps import box_coverage, centre_histogram, from_quadrants, null_quadrants
from bias_toolkit.objects.null_model import place_at_random, room


def test_centres_fall_into_rows_from_the_top_and_columns_from_the_left(make_framing):
    framing, _ = make_framing([[0, 0, 10, 10], [80, 0, 90, 10], [40, 45, 60, 55], [0, 90, 10, 100]])
    histogram = centre_histogram(framing, 5)
    assert histogram[0, 0] == histogram[0, 4] == histogram[2, 2] == histogram[4, 0] == 1
    assert histogram.sum() == 4


def test_histogram_of_mirrored_images_is_mirrored(make_framing, random_edges):
    edges = np.round(random_edges(np.random.default_rng(0), 500, 2, 60))
    mirrored = edges.copy()
    mirrored[:, [0, 2]] = 100 - edges[:, [2, 0]]
    np.testing.assert_array_equal(
        centre_histogram(make_framing(mirrored)[0]), centre_histogram(make_framing(edges)[0])[:, ::-1]
    )


def test_null_histogram_by_hand(make_framing):
    # The centre of the first is uniform over [¼, ¾] × [¼, ¾]; the second fills the height; the third fills both.
    framing, _ = make_framing([[0, 0, 50, 50], [0, 0, 50, 100], [0, 0, 100, 100]])
    one, two, three = (null_histogram(framing.iloc[i : i + 1], 3) for i in range(3))
    side = np.array([1 / 6, 2 / 3, 1 / 6])
    np.testing.assert_allclose(one, np.outer(side, side))
    np.testing.assert_allclose(two, np.outer([0, 1, 0], side))
    np.testing.assert_allclose(three, np.outer([0, 1, 0], [0, 1, 0]))
    np.testing.assert_allclose(null_histogram(framing, 3), one + two + three)


def test_a_point_on_an_edge_is_shared(make_framing):
    framing, _ = make_framing([[0, 0, 100, 100]])
    np.testing.assert_allclose(null_histogram(framing, 2), np.full((2, 2), 0.25))


def test_null_histogram_agrees_with_placements(make_framing, random_edges):
    framing, _ = make_framing(random_edges(np.random.default_rng(1), 40))
    placed = place_at_random(*room(framing), 5000, np.random.default_rng(2)).histograms
    # Cells that are all but out of reach are never drawn, which leaves the standard error 0.
    standard_error = placed.std(axis=0) / np.sqrt(len(placed))
    assert (np.abs(placed.mean(axis=0) - null_histogram(framing)) <= 4.5 * standard_error + 1e-3).all()


def test_no_box_at_the_border_falls_where_its_null_has_no_mass(make_framing):
    # Centres at the ends of their range, many of which are edges of the nine cells.
    sizes = np.array([100 * 2 * k / 9 for k in range(1, 5)] + [10.0, 30.0, 77.7])
    edges = [[x0, y0, x0 + s, y0 + s] for s in sizes for x0 in (0, 100 - s) for y0 in (0, 100 - s)]
    for i in range(len(edges)):
        framing, _ = make_framing(edges[i : i + 1])
        assert null_histogram(framing)[centre_histogram(framing) > 0].item() > 1e-6


def test_coverage_by_hand(make_framing):
    framing, _ = make_framing([[0, 0, 50, 100], [25, 50, 75, 75]])
    np.testing.assert_allclose(box_coverage(framing, 2), [[0.5, 0], [0.5 + 0.125, 0.125]])


def test_coverage_agrees_with_painted_boxes(make_framing):
    rng = np.random.default_rng(0)
    low = rng.integers(0, 90, (30, 2))
    edges = np.column_stack([low, low + rng.integers(1, 10, (30, 2))])
    painted = np.zeros((100, 100))
    for x0, y0, x1, y1 in edges:
        painted[y0:y1, x0:x1] += 1 / 30
    framing, _ = make_framing(edges)
    np.testing.assert_allclose(box_coverage(framing, 100), painted, atol=1e-9)
    np.testing.assert_allclose(box_coverage(framing, 20), painted.reshape(20, 5, 20, 5).mean(axis=(1, 3)), atol=1e-9)


def test_maps_of_more_objects_than_one_piece(make_framing, random_edges, monkeypatch):
    framing, _ = make_framing(random_edges(np.random.default_rng(0), 50))
    whole = object_maps(framing)
    monkeypatch.setattr("bias_toolkit.objects.maps.CHUNK_OBJECTS", 7)
    in_pieces = object_maps(framing)
    np.testing.assert_allclose(in_pieces.null, whole.null)
    np.testing.assert_allclose(in_pieces.coverage, whole.coverage)
    assert whole.null.sum() == pytest.approx(whole.centres.sum()) == 50


def test_maps_without_objects(make_framing):
    framing, _ = make_framing([[0, 0, 10, 10]])
    maps = object_maps(framing.iloc[:0])
    assert maps.centres.sum() == maps.null.sum() == 0
    assert np.isnan(maps.coverage).all()


@pytest.mark.parametrize("cells", [9, 4])
def test_quadrants_unfold_to_the_null_histogram(make_framing, random_edges, cells):
    framing, _ = make_framing(random_edges(np.random.default_rng(0), 30))
    unfolded = from_quadrants(null_quadrants(framing, cells).sum(axis=0), cells)
    np.testing.assert_allclose(unfolded, null_histogram(framing, cells), atol=1e-12)
