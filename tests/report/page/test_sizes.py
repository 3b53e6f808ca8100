"""Figures at another size than their own."""

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.text import Text

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.report.page.sizes import resize
from bias_toolkit.report.page.style import HEIGHT, WIDTH, new_figure, styled, subtitle


@styled
def drawn():
    ax = new_figure().add_subplot()
    ax.plot([0, 1], [0, 1], "o-", label="one")
    ax.scatter([0.5], [0.5], s=16)
    ax.set(title="Title", xlabel="across", ylabel="up")
    subtitle(ax, "below the title")
    ax.figure.legend(loc="outside lower left")
    return ax.figure


def sizes(figure):
    figure.draw_without_rendering()
    texts = {text.get_text(): text.get_fontsize() for text in figure.findobj(Text) if text.get_text()}
    (line,) = (line for line in figure.axes[0].lines if line.get_label() == "one")
    (dots,) = figure.axes[0].findobj(PathCollection)
    return texts, np.array([line.get_linewidth(), line.get_markersize(), dots.get_sizes()[0] ** 0.5])


def test_text_lines_and_marks_shrink_with_a_figure():
    texts, marks = sizes(drawn())
    small = drawn()
    resize(small, WIDTH * 0.64, HEIGHT * 0.7, "one")
    assert tuple(small.get_size_inches()) == (WIDTH * 0.64, HEIGHT * 0.7)
    smaller, smaller_marks = sizes(small)
    for text in ("Title", "across", "up", "below the title", "one", "1.0"):
        assert smaller[text] == pytest.approx(0.64 * next(size for name, size in texts.items() if text in name))
    np.testing.assert_allclose(smaller_marks, 0.64 * marks)


def test_nothing_leaves_a_small_figure():
    figure = drawn()
    resize(figure, 3.3, 2.5, "one")
    figure.draw_without_rendering()
    width, height = figure.get_size_inches() * figure.dpi
    for text in figure.findobj(Text):
        # Ticks outside the axes have labels too, which are not drawn.
        if text.get_text() in ("Title", "below the title", "across", "up", "one"):
            box = text.get_window_extent()
            assert -1 <= box.x0 <= box.x1 <= width + 1
            assert -1 <= box.y0 <= box.y1 <= height + 1
    assert figure.axes[0].get_window_extent().height > 0.4 * height


def test_a_larger_figure_keeps_its_text():
    figure = drawn()
    texts, _ = sizes(drawn())
    resize(figure, 2 * WIDTH, 2 * HEIGHT, "one")
    larger, _ = sizes(figure)
    assert larger["Title"] == texts["Title"]


@pytest.mark.parametrize("size", [(3.0, 3.0), (5.2, 2.0), (1, 1)])
def test_a_size_too_small_to_read_is_refused_with_the_smallest(size):
    with pytest.raises(InputError, match=r"--size is .* inches, but map is readable from 3.2 × 2.3 inches on."):
        resize(drawn(), *size, "map")
    resize(drawn(), 3.2, 2.3, "map")
