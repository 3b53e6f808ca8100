"""What the names in tables and on axes mean."""

from bias_toolkit.features.index import NEAREST
from bias_toolkit.report.words.definitions import COLUMNS, distance_label, label_of


def test_the_label_of_a_mean_distance_says_how_many_neighbours_it_is_over():
    """Their number is fixed: the setting says how many are kept, not over how many the mean is."""
    label = f"Mean distance to the {NEAREST} nearest training images"
    assert label_of("knn_distance") == label
    assert distance_label("knn_distance", {"metric": "cosine", "neighbours": NEAREST + 7}) == f"{label} (cosine)"
    assert f"its {NEAREST} nearest" in COLUMNS["knn_distance"].line
