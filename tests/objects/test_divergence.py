import numpy as np
import pytest

from bias_toolkit.objects import null_histogram
from bias_toolkit.objects.divergence import corrected_divergence, divergence_bits
from bias_toolkit.objects.maps import centre_histogram
from bias_toolkit.objects.null_model import place_at_random, room


def test_by_hand():
    expected = np.array([[2.0, 1.0], [1.0, 0.0]])
    assert divergence_bits(np.array([[8, 0], [0, 0]]), expected) == pytest.approx(1)
    assert divergence_bits(np.array([[0, 1], [1, 0]]), expected) == pytest.approx(1 / 2 * 2 + 1 / 2 * 2 - 1)
    assert divergence_bits(np.array([[2, 1], [1, 0]]), expected) == pytest.approx(0)
    assert divergence_bits(np.array([[0, 0], [0, 1]]), expected) == np.inf


def test_many_histograms_at_once():
    expected = np.ones((3, 3))
    histograms = np.random.default_rng(0).integers(0, 9, (4, 5, 3, 3))
    together = divergence_bits(histograms, expected)
    assert together.shape == (4, 5)
    assert together[2, 3] == pytest.approx(divergence_bits(histograms[2, 3], expected))


def test_concentrated_centres_have_the_closed_form(make_framing):
    # Each centre could be anywhere in [0.1, 0.9]²; all are in the middle cell, a ninth wide.
    framing, _ = make_framing(np.tile([40, 40, 60, 60], (20_000, 1)))
    placed = place_at_random(*room(framing), 20, np.random.default_rng(0)).histograms
    closed_form = 2 * np.log2(0.8 * 9)
    assert divergence_bits(centre_histogram(framing), null_histogram(framing)) == pytest.approx(closed_form)
    corrected = corrected_divergence(centre_histogram(framing), null_histogram(framing), placed)
    assert closed_form - 0.005 < corrected < closed_form


def test_unbiased_around_zero_where_the_null_model_holds(make_framing, random_edges):
    rng = np.random.default_rng(5)
    n, corrected, raw = 60, [], []
    for _ in range(60):
        framing, _ = make_framing(random_edges(rng, n))
        expected = null_histogram(framing)
        counts = centre_histogram(framing)
        placed = place_at_random(*room(framing), 50, rng).histograms
        corrected.append(corrected_divergence(counts, expected, placed))
        raw.append(divergence_bits(counts, expected))
    standard_error = np.std(corrected) / np.sqrt(len(corrected))
    assert abs(np.mean(corrected)) < 3 * standard_error
    assert np.mean(raw) > 20 * standard_error
    # The correction by the number of cells would take off far too much: large boxes have few cells to be in.
    miller = (81 - 1) / (2 * n * np.log(2))
    assert np.mean(raw) - miller < -10 * standard_error


def test_no_objects():
    nothing = np.zeros((9, 9))
    assert np.isnan(corrected_divergence(nothing, nothing, np.zeros((5, 9, 9))))
