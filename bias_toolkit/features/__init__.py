"""Extract features, and store them in shards on disk."""

from bias_toolkit.foundation.lazy import lazy_names

_HOMES = {
    "FEATURE_ROWS": "store",
    "FeatureStore": "store",
    "TRAINING_DISTANCES": "distances",
    "feature_shards": "extract",
}

__all__ = list(_HOMES)

# pandas takes most of a second to import, and the help of a command does not need it.
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
