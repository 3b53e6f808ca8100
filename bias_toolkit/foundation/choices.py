"""Names that settings choose from, where reading them from the package that acts on them would import torch or Faiss.

The first of each is the default.
"""

METRICS = ("euclidean", "cosine")
"""Of the distance between features."""

FEATURE_DTYPES = ("float32", "float16")
"""That features are stored in."""

PRECISIONS = ("float32", "bfloat16", "float16")
"""Of a network's arithmetic."""

RUNTIMES = ("auto", "torch", "openvino")
"""What executes a network."""
