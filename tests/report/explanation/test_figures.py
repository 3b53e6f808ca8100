"""The figures of one explanation draw its numbers, and a class has one colour in all of them."""

import dataclasses

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from bias_toolkit.report.explanation.figures import (
    OTHER,
    class_colours,
    effects,
    effects_plot,
    object_among_training,
    response_curves,
    shift_maps,
    signed,
    view_places,
)
from bias_toolkit.report.page.style import BLUE, SERIES, VERMILLION


@pytest.fixture
def colours(unstable):
    return class_colours(unstable)


def legend(figure):
    (found,) = figure.legends
    return [text.get_text() for text in found.get_texts()]


def test_colours_go_to_the_reference_the_curves_and_then_the_most_frequent(colours, unstable):
    assert list(colours.values()) == list(SERIES)
    assert list(colours)[:4] == [3, 7, 8, 9]
    counts = {index: sum(row.count(index) for row in unstable.shift_map.top1) for index in range(20, 26)}
    named, others = list(colours)[4:], set(counts) - set(colours)
    assert min(counts[index] for index in named) >= max(counts[index] for index in others if counts[index])


def test_views_are_counted_from_the_centre():
    assert view_places(9).tolist() == [-4, -3, -2, -1, 0, 1, 2, 3, 4]
    assert view_places(2).tolist() == [-0.5, 0.5]
    assert [signed(place) for place in (-2.0, 0.0, 3.0)] == ["−2", "0", "+3"]


def test_curves_top1_and_changes(unstable, colours):
    response = unstable.response
    figure = response_curves(response, colours, 9)
    upper, strip = figure.axes
    for line, curve in zip(upper.lines, response.curves, strict=False):
        np.testing.assert_allclose(line.get_xdata(), np.arange(-4, 5))
        np.testing.assert_allclose(line.get_ydata(), curve.probabilities)
        assert line.get_color() == colours[curve.class_index]
        assert line.get_linestyle() == ("-" if curve.class_index in response.top1 else "--")
    changes = [line.get_xdata()[0] for line in upper.lines[len(response.curves) :]]
    assert changes == [-2.5, 1.5, 3.5]
    (dots,) = upper.collections
    np.testing.assert_allclose(dots.get_offsets()[:, 1], response.p_top1)
    wanted = [colours[index] for index in response.top1]
    assert [to_hex(face).upper() for face in dots.get_facecolors()] == [colour.upper() for colour in wanted]
    assert [to_hex(bar.get_facecolor()).upper() for bar in strip.patches] == [colour.upper() for colour in wanted]
    assert legend(figure) == ["<script>alert(1)</script>", "owl", 'said "no" & left', "snow leopard (right)", "top-1"]
    low, high = upper.get_ylim()
    assert low <= 0
    assert high >= 0.5


def test_maps(unstable, colours):
    shift_map = unstable.shift_map
    figure = shift_maps(shift_map, colours, unstable.radius)
    left, right = figure.axes[:2]
    top1 = np.asarray(shift_map.top1)
    drawn = np.asarray(left.images[0].get_array())
    for row, column in [(0, 0), (8, 8), (8, 16), (16, 16), (15, 15), (16, 14)]:
        np.testing.assert_allclose(drawn[row, column], to_rgb(colours.get(top1[row, column], OTHER)))
    np.testing.assert_allclose(right.images[0].get_array(), shift_map.p_reference)
    low, high = right.images[0].get_clim()
    assert low == 0
    assert 0 <= high - np.max(shift_map.p_reference) < 0.1
    assert right.images[0].get_cmap().name == "cividis"
    for ax in (left, right):
        assert ax.images[0].get_extent() == [-8.5, 8.5, 8.5, -8.5]
        assert ax.get_ylim() == (8.5, -8.5)
        (square,) = ax.patches
        assert square.get_bbox().bounds == (-4.5, -4.5, 9, 9)
        (centre,) = ax.lines
        assert (centre.get_xdata()[0], centre.get_ydata()[0]) == (0, 0)


def test_the_legend_of_the_map_names_the_most_frequent_first(unstable, colours):
    names = legend(shift_maps(unstable.shift_map, colours, unstable.radius))
    assert [name.split(" (")[0] for name in names[:3]] == ["<script>alert(1)</script>", "owl", 'said "no" & left']
    top1 = np.asarray(unstable.shift_map.top1)
    assert names[0].endswith(f"({100 * (top1 == 3).mean():.0f}%)")
    hidden = set(np.unique(top1).tolist()) - set(colours)
    assert names[-1].startswith(f"{len(hidden)} other")


def test_dot_plot(unstable):
    figure = effects_plot(unstable)
    ax, right = figure.axes
    rows = effects(unstable)
    assert [row.name for row in rows] == [
        "as it is",
        "controls",
        "framed off centre",
        "unlike the training images in content",
        "fine detail in the image: the view blurred with a standard deviation of 1 pixels",
        "fine detail in the image: the view blurred with a standard deviation of 2 pixels",
    ]
    reference, *points = ax.lines
    assert list(reference.get_xdata()) == [0.35] * 2
    assert [point.get_xdata()[0] for point in points] == [0.375, 0.35, 0.06, 0.02, 0.35, 0.3]
    heights = [point.get_ydata()[0] for point in points]
    assert heights == sorted(heights)
    assert ax.get_ylim()[0] > heights[-1] > ax.get_ylim()[1]
    colours = [point.get_color() for point in points]
    assert (colours[0], colours[2]) == (VERMILLION, BLUE)
    assert colours[3] == colours[4] == colours[5] not in (BLUE, VERMILLION)
    macs = [point.get_xdata()[0] for point in right.lines[1:]]
    np.testing.assert_allclose(macs, [0.09375, 0.0875, *(p / 4 for p in (0.06, 0.02, 0.35, 0.3))])
    assert right.lines[0].get_xdata()[0] == 0.0875
    # The image as it is has no interval; the others have theirs.
    assert len(ax.collections) == len(right.collections) == 5
    (cause,) = ax.collections[1].get_segments()
    np.testing.assert_allclose(cause, [[0.01, heights[2]], [0.11, heights[2]]])
    assert [text.get_text().replace("\n", " ") for text in ax.texts] == [row.name for row in rows]


def test_the_dot_plot_is_readable_where_it_is_narrow(unstable):
    """At 400 pixels of width, its letters are as high as 11 pixels or more: 8 points."""
    figure = effects_plot(unstable)
    scale = min(400 / (96 * figure.get_figwidth()), 1)
    letters = [*figure.axes[0].texts, *(tick for ax in figure.axes for tick in ax.get_xticklabels())]
    letters += [ax.xaxis.label for ax in figure.axes]
    assert min(text.get_fontsize() for text in letters) * scale * 96 / 72 >= 11


def test_without_controls_the_line_is_at_the_image_as_it_is(unstable):
    left, right = effects_plot(dataclasses.replace(unstable, controls=None)).axes
    assert (left.lines[0].get_xdata()[0], right.lines[0].get_xdata()[0]) == (0.375, 0.09375)
    assert (len(left.lines), len(right.lines)) == (1 + 5, 1 + 5)


def test_the_object_among_the_training_objects(unstable):
    framing = unstable.framing
    figure = object_among_training(framing)
    position, scale, aspect = figure.axes
    np.testing.assert_allclose(
        position.collections[0].get_offsets(), np.transpose([framing.training["cx"], framing.training["cy"]])
    )
    (box,) = position.patches
    np.testing.assert_allclose(box.get_bbox().bounds, (0.75 - 0.15, 0.3 - 0.25 / 2.4, 0.3, 0.25 / 1.2))
    assert position.get_ylim() == (1, 0)
    for ax, name, own in ((scale, "scale", 0.25), (aspect, "aspect", 1.44)):
        median, value = (line.get_xdata()[0] for line in ax.lines)
        assert value == own
        assert median == pytest.approx(np.median(framing.training[name]))
        low, high = ax.get_xlim()
        assert low < own < high
    heights = np.histogram(framing.training["scale"], 30)[0]
    assert heights.sum() == 400
    assert scale.get_ylim()[1] < 400
