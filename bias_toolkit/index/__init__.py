"""How far test images are from the training set: an exact Faiss index, neighbours and distances."""

from bias_toolkit.index.distance import (
    LEAK_FRACTION,
    NEAREST,
    class_nn_distances,
    distances_table,
    leak_threshold,
    leave_one_out_distances,
)
from bias_toolkit.index.metric import METRICS
from bias_toolkit.index.neighbours import nearest_neighbours
from bias_toolkit.index.placement import Placement, choose_placement
from bias_toolkit.index.schema import DISTANCES, NEIGHBOURS
from bias_toolkit.index.training_index import TrainingIndex

__all__ = [
    "DISTANCES",
    "LEAK_FRACTION",
    "METRICS",
    "NEAREST",
    "NEIGHBOURS",
    "Placement",
    "TrainingIndex",
    "choose_placement",
    "class_nn_distances",
    "distances_table",
    "leak_threshold",
    "leave_one_out_distances",
    "nearest_neighbours",
]
