"""Single figures by name, for a publication."""

from collections.abc import Sequence
from contextlib import suppress

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.page.style import drawing_on, new_figure
from bias_toolkit.report.source import ReadOnce, Source
from bias_toolkit.report.topic import Choice, Option, Plot, Topic
from bias_toolkit.report.topics import TOPICS, localisation
from bias_toolkit.report.topics.localisation.marks import marked_plot

_TOPIC_OF: dict[str, Topic] = {name: topic for topic in TOPICS for name in topic.plots}
PLOTS: dict[str, Plot] = {
    name: _TOPIC_OF[name].plots[name] for name in sorted(_TOPIC_OF, key=lambda name: _TOPIC_OF[name].plots[name].order)
}
"""The figures that `plot` draws."""

DESCRIPTIONS = {
    "distance-vs-invariance": "a measure of each test image against its distance from the training images",
    "distance-given-margin": "the same curve among all images and among images of similar margin",
    "invariance-vs-position": "a measure of each test image against the object's distance from the centre",
    "invariance-vs-scale": "a measure of each test image against the object's scale",
    "size-vs-invariance": "a measure over the size at which the image is shown, with accuracy below",
    "map": "a measure over the object's position, for each scale and kind of surroundings",
    "map-vs-density": "a measure in each cell of the map against the density of the training objects",
    "layers": "where in the network invariance is lost, in the order of the forward pass",
    "remedies": "accuracy against P(top-1 change) with each remedy",
    "remedies-by-distance": "P(top-1 change) by distance, with remedies and without",
    "augmentation-reach": "how near random copies of training images come to test images",
    "invariance": "how a measure is distributed over the test images",
    "classes": "a measure of each class, with its interval",
    "odds-ratios": "what makes a change of the class more likely, of all variables together",
    "factors": "stability on images with and without an annotated factor",
    "centres": "where the training objects' centres are, against chance",
    "coverage": "the share of training images whose box covers each place",
    "centre-distance": "how far training objects are from the centre, against chance",
    "scale": "how large training and test objects are",
    "distance-percentiles": "how far test images are, among the training images' own distances",
}


def available(source: Source) -> dict[str, str]:
    """The figures for which a study has data, by name, each with a line that describes it."""
    source = ReadOnce(source)
    names, gathered = {}, {}
    for name, description in DESCRIPTIONS.items():
        topic = _TOPIC_OF[name]
        with suppress(InputError):
            if topic.name not in gathered:
                gathered[topic.name] = topic.gather(source)
            _require_data(gathered[topic.name], name)
            names[name] = description
    return names


def plot(
    source: Source,
    name: str,
    *,
    measure: str = HEADLINE,
    distance: str = "nn_distance",
    bins: int | None = None,
    by_class: bool = False,
    beside: Sequence[Source] = (),
    ax: Axes | None = None,
) -> Figure:
    """Draw one of `PLOTS`. Only the results that it shows are read.

    `measure` and `distance` are columns of the per-image table, for the figures that relate two of them. `bins` is the
    number of quantile bins, by default that of the study's curves, or five per class. `by_class` gives one panel per
    class. `beside` are other studies to draw on the same axes. A figure of one panel can be drawn on `ax`, axes of the
    user's own figure.

    Raises InputError if there is no such figure, the study lacks its data, or an option does not belong to the figure
    or has a value that it cannot show.
    """
    if name not in PLOTS:
        raise InputError(f"There is no figure {name!r}; the figures are {', '.join(PLOTS)}.")
    if by_class:
        _require(Option.BY_CLASS, name, "has no panel for each class")
    if beside:
        _require(Option.WITH, name, "shows one study")
    if bins is not None and bins < 1:
        raise InputError(f"--bins is {bins}, but must be at least 1.")
    drawn, topic = PLOTS[name], _TOPIC_OF[name]
    source = ReadOnce(source)
    contents, *others = (_contents(topic, name, each) for each in (source, *beside))
    with drawing_on(ax):
        figure = drawn.draw(contents, Choice(name, measure, distance, bins, by_class, others)).figure
        if drawn.boxes:
            marked_plot(figure if ax is None else new_figure(), drawn.boxes, localisation.gather(source))
    return figure if ax is None else ax.figure


def _require(option: Option, name: str, instead: str) -> None:
    """Refuse an option that a figure does not accept."""
    if option not in PLOTS[name].takes:
        takers = " and ".join(other for other, plot in PLOTS.items() if option in plot.takes)
        raise InputError(f"--{option} is for {takers} only; {name} {instead}.")


def _contents(topic: Topic, name: str, source: Source) -> object:
    """The contents of a topic in a study, if the figure has data to show."""
    contents = topic.gather(source)
    _require_data(contents, name)
    return contents


def _require_data(contents: object, name: str) -> None:
    """Raise InputError if a figure has nothing to show of its topic's contents."""
    shown = None if contents is None else PLOTS[name].shown(contents)
    if shown is None or (hasattr(shown, "__len__") and len(shown) == 0):
        command = PLOTS[name].command
        advice = f"; run `bias-toolkit {command}` on it" if command else ""
        raise InputError(f"The study has no {PLOTS[name].lacking}, which {name} shows{advice}.")
