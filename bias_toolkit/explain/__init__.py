"""Why one image is unstable: each candidate cause is removed in turn, and the same steps are measured again.

A is Azulay & Weiss, JMLR 20(184), 2019; Z is Zhang, "Making convolutional networks shift-invariant again", ICML 2019.
"""

from bias_toolkit.explain.context import Context
from bias_toolkit.explain.explainer import explain_image
from bias_toolkit.explain.explanation import Explanation, load_explanation
from bias_toolkit.explain.record import Cause
from bias_toolkit.explain.request import Request, Subject, known_subject, outside_subject, training_image
from bias_toolkit.explain.summary import summarise

__all__ = [
    "Cause", "Context", "Explanation", "Request", "Subject", "explain_image", "known_subject", "load_explanation",
    "outside_subject", "summarise", "training_image",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
