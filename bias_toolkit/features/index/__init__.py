"""How far test images are from the training set: the index of the training features, neighbours and distances."""

from bias_toolkit.features.index.approximate import EXACT, check_index
from bias_toolkit.features.index.distance import (
    NEAREST,
    class_nn_distances,
    distances_table,
    groups_of,
    leave_one_out_distances,
    nearest_neighbours,
    neighbours_table,
    spacing_rows,
)
from bias_toolkit.features.index.parts import Search, merge, search_part
from bias_toolkit.features.index.quality import search_quality
from bias_toolkit.features.index.schema import DISTANCES, NEIGHBOURS, SEARCH_QUALITY
from bias_toolkit.features.index.stored import StoredFeatures
from bias_toolkit.features.index.training_index import TrainingIndex
from bias_toolkit.features.index.trust import SEARCH_SCORES, search_scores

__all__ = [
    "DISTANCES", "EXACT", "NEAREST", "NEIGHBOURS", "SEARCH_QUALITY", "SEARCH_SCORES", "Search", "StoredFeatures",
    "TrainingIndex", "check_index", "class_nn_distances", "distances_table", "groups_of", "leave_one_out_distances",
    "merge", "nearest_neighbours", "neighbours_table", "search_part", "search_quality", "search_scores", "spacing_rows",
]  # fmt: skip
