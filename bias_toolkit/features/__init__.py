"""Extracting features, and the sharded store that keeps them on disk."""

from bias_toolkit.features.distances import TRAINING_DISTANCES
from bias_toolkit.features.extract import feature_shards
from bias_toolkit.features.schema import FEATURE_ROWS
from bias_toolkit.features.store import FeatureStore

__all__ = ["FEATURE_ROWS", "TRAINING_DISTANCES", "FeatureStore", "feature_shards"]
