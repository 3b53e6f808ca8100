"""The topics of a study's report, in the order of the page."""

from bias_toolkit.report.topic import Topic
from bias_toolkit.report.topics import (
    cause,
    classes,
    comparison,
    distance,
    explanations,
    factors,
    files,
    framing,
    framing_effect,
    images,
    invariance,
    left_out,
    localisation,
    method,
    regression,
)

TOPICS: tuple[Topic, ...] = (
    framing.TOPIC,
    comparison.TOPIC,
    localisation.TOPIC,
    invariance.TOPIC,
    distance.TOPIC,
    framing_effect.TOPIC,
    regression.TOPIC,
    factors.TOPIC,
    cause.TOPIC,
    images.TOPIC,
    explanations.TOPIC,
    classes.TOPIC,
    left_out.TOPIC,
    method.TOPIC,
    files.TOPIC,
)

OPTIONAL: tuple[str, ...] = tuple(dict.fromkeys(name for topic in TOPICS for name in topic.optional))
"""The steps of a study that a report can do without, by name."""
