"""The topics of a study's report, one folder or module each, listed here in the order of the page."""

from importlib import import_module

from bias_toolkit.report.topic import Topic

_NAMES = (
    "framing",
    "comparison",
    "localisation",
    "one_pixel",
    "invariance",
    "frames",
    "distance",
    "framing_effect",
    "regression",
    "factors",
    "cause",
    "layers",
    "remedies",
    "flag",
    "images",
    "explanations",
    "classes",
    "noise",
    "left_out",
    "method",
    "files",
)
TOPICS: tuple[Topic, ...] = tuple(import_module(f"{__name__}.{name}").TOPIC for name in _NAMES)
