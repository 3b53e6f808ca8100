"""Figures are the same file every time, in a style of their own, without pyplot."""

import io

import matplotlib
import numpy as np
import pytest
from PIL import Image

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.report import save_figure
from bias_toolkit.report.page.style import new_figure, on_log_axis, styled, subtitle, without_title
from bias_toolkit.report.topics.invariance.figures import measure_histogram


@pytest.fixture
def ax(shared_source):
    return measure_histogram(shared_source.per_image)


def test_a_figure_shows_itself_in_a_notebook(ax):
    picture = Image.open(io.BytesIO(ax.figure._repr_png_()))
    width, height = ax.figure.get_size_inches() * ax.figure.dpi
    assert picture.size == (round(width), round(height))
    assert len(picture.convert("RGB").getcolors(10**6)) > 10


@pytest.mark.parametrize("ending", ["svg", "pdf", "png"])
def test_the_same_figure_is_the_same_file(shared_source, tmp_path, ending):
    first, second = tmp_path / f"a.{ending}", tmp_path / f"b.{ending.upper()}"
    for path in (first, second):
        save_figure(measure_histogram(shared_source.per_image), path)
    assert first.read_bytes() == second.read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_axes_are_placed_to_digits_that_do_not_differ_from_run_to_run(tmp_path):
    figure = new_figure(7, 2)
    panels = figure.subplots(1, 3)
    for label, ax in zip(("a", "tall\nlabel", "c"), panels, strict=True):
        ax.set_ylabel(label)
    save_figure(figure, tmp_path / "a.svg", tmp_path / "a.png")
    bounds = np.array([ax.get_position(original=True).bounds for ax in panels])
    np.testing.assert_allclose(bounds, np.round(bounds, 6), rtol=0, atol=1e-14)
    assert np.ptp(bounds[:, 2]) < 1e-3
    assert np.diff(bounds[:, 0]).min() > 0.3


def test_files_are_what_their_endings_say(ax, tmp_path):
    save_figure(ax, tmp_path / "new" / "a.svg", tmp_path / "a.pdf", tmp_path / "a.png")
    assert "<svg" in (tmp_path / "new" / "a.svg").read_text()
    pdf = (tmp_path / "a.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert b"/Type3" not in pdf
    assert b"/CIDFontType2" in pdf
    assert Image.open(tmp_path / "a.png").format == "PNG"


def test_svg_needs_no_font(ax, tmp_path):
    save_figure(ax, tmp_path / "a.svg")
    assert "<text" not in (tmp_path / "a.svg").read_text()


@pytest.mark.parametrize("name", ["figure.jpg", "figure", "figure.svg.gz"])
def test_other_endings_are_refused_before_anything_is_written(ax, tmp_path, name):
    with pytest.raises(InputError, match=r"--out .* must end in \.pdf, \.svg or \.png"):
        save_figure(ax, tmp_path / "good.svg", tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_settings_outside_stay_and_do_not_matter(shared_source, tmp_path):
    save_figure(measure_histogram(shared_source.per_image), tmp_path / "a.svg")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.hashsalt": "other"}):
        before = dict(matplotlib.rcParams)
        save_figure(measure_histogram(shared_source.per_image), tmp_path / "b.svg")
        assert dict(matplotlib.rcParams) == before
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_styled_passes_on_arguments():
    @styled
    def draw(a, *, b):
        """What it draws."""
        return a, b, matplotlib.rcParams["font.size"]

    assert draw(1, b=2) == (1, 2, 9.5)
    assert draw.__doc__ == "What it draws."


def test_new_figure_has_the_size_asked_for():
    assert tuple(new_figure(3, 2).get_size_inches()) == (3, 2)


@pytest.mark.parametrize(("low", "high"), [(0.01, 100), (0.5, 3.2), (0.8, 1.3), (0.9, 1.1), (1e-5, 1e5), (0.316, 3.16)])
def test_a_logarithmic_axis_has_some_ticks_at_round_numbers(low, high):
    ax = new_figure().add_subplot()
    ax.set_xscale("log")
    on_log_axis(ax.xaxis)
    ax.set_xlim(low, high)
    ax.figure.draw_without_rendering()
    inside = [tick for tick in ax.get_xticks() if low <= tick <= high * (1 + 1e-9)]
    assert 2 <= len(inside) <= 9
    labels = [text.get_text() for text in ax.get_xticklabels()]
    assert [float(label) for label in labels] == pytest.approx(list(ax.get_xticks()))
    assert len(set(labels)) == len(labels)


def test_a_title_is_removed_with_the_line_below_it():
    ax = new_figure().add_subplot()
    ax.set_title("title", loc="left")
    subtitle(ax, "line")
    ax.text(0, 0, "kept")
    without_title(ax.figure)
    assert ax.get_title(loc="left") == ""
    assert [text.get_text() for text in ax.texts] == ["kept"]


def test_titles_that_tell_panels_apart_stay():
    figure = new_figure()
    figure.suptitle("title")
    for ax, name in zip(figure.subplots(1, 2), ("one", "other"), strict=True):
        ax.set_title(name, loc="left")
    without_title(figure)
    assert figure.get_suptitle() == ""
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["one", "other"]
