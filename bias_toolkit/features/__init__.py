"""Extract features, and store them in shards on disk."""

from bias_toolkit.features.distances import TRAINING_DISTANCES
from bias_toolkit.features.extract import feature_shards
from bias_toolkit.features.store import FEATURE_ROWS, FeatureStore

__all__ = ["FEATURE_ROWS", "TRAINING_DISTANCES", "FeatureStore", "feature_shards"]


def __dir__() -> list[str]:
    return sorted(__all__)
