"""Names that settings choose from, the default first. The modules that use them import torch or Faiss."""

METRICS = ("euclidean", "cosine")
"""Of the distance between features."""

FEATURE_DTYPES = ("float32", "float16")
"""That features are stored in."""

EXTRA_FORMATS = ("png", "pdf")
"""Formats of a report's figures beside SVG."""

FIGURES = ALL_FIGURES, FIRST_FIGURES = ("all", "first")
"""That a report draws: all, or those of its first screen."""

PRECISIONS = ("float32", "bfloat16", "float16")
"""Of a network's arithmetic."""

OUTPUTS = ("logits", "probabilities", "independent")
"""What the outputs of a network are: a softmax is taken of logits; independent are probabilities of which each is for
itself, as of a sigmoid."""

DEEP_GREYS = ("full", "maximum")
"""How greyscale of more than 8 bits is scaled: by its full range, or each image by its own largest value."""

RUNTIMES = ("auto", "torch", "openvino")
"""What executes a network."""
