"""The page that says why one image is unstable: its sections, and the figures in them."""

from bias_toolkit.report.explanation.page import write_explanation

__all__ = ["write_explanation"]
