"""Names that settings choose from, the default first. The modules that use them import torch or Faiss."""

METRICS = ("euclidean", "cosine")
"""Of the distance between features."""

FEATURE_DTYPES = ("float32", "float16")
"""That features are stored in."""

EXTRA_FORMATS = ("png", "pdf")
"""Formats of a report's figures beside SVG."""

PRECISIONS = ("float32", "bfloat16", "float16")
"""Of a network's arithmetic."""

RUNTIMES = ("auto", "torch", "openvino")
"""What executes a network."""
