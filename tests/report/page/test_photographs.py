"""The dots of a figure that show their photographs, as a reader uses them in a browser."""

import dataclasses
import re
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from bias_toolkit.foundation.errors import UnreadableImageError
from bias_toolkit.report import Page, write_page
from bias_toolkit.report.page.blocks import Dot, FigureBlock, Section
from bias_toolkit.report.page.photographs import COLUMNS, TILE
from bias_toolkit.report.page.style import new_figure, styled

pytestmark = pytest.mark.extras

N, GONE, IMG = 40, 7, "<img src=x onerror=\"document.title='it ran'\">"
NOTE = "Point at a dot."


def read(number):
    if number == GONE:
        raise UnreadableImageError("truncated file")
    return np.full((30, 60, 3), (40, 6 * number, 200), np.uint8)


@styled
def scatter():
    ax = new_figure().add_subplot()
    x = np.random.default_rng(0).permutation(N)
    ax.scatter(x, (x * 7) % N, s=9)
    return ax


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A page with a figure of 40 dots, of which every other one has a photograph."""
    dots = [
        Dot(
            number,
            f"class {number}",
            [f"{number}.png"],
            f"{number}.html" if number % 3 == 0 else None,
            partial(read, number),
        )
        for number in range(1, N, 2)
    ]
    dots[1] = dataclasses.replace(dots[1], title=IMG)
    figure = FigureBlock("scatter", scatter, "Dots.", "Dots.", dots=dots, dots_note=NOTE)
    page = Page("page", [], [], [Section("s", "S", [figure])], formats=("svg",))
    path = write_page(page, tmp_path_factory.mktemp("photographs"))
    # Where the dots are on the picture, by the numbers in the SVG.
    svg = (path.parent / "figures" / "scatter.svg").read_text(encoding="utf-8")
    width, height = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups())
    uses = re.findall(r'<use xlink:href="#[^"]+" x="([\d.]+)" y="([\d.]+)"', svg.partition("PathCollection_1")[2])
    places = np.array(uses[:N], float) / [width, height]
    return SimpleNamespace(path=path, dots=dots, places=places)


@pytest.fixture
def opened(browser, written):
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        asked, errors = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(error))
        page.on("console", lambda message: errors.append(message.text))
        page.goto(written.path.as_uri())
        yield page
        assert errors == []
        assert page.title() != "it ran"
        assert not [address for address in asked if not address.startswith("file:")]


def shown(page):
    """The words of the card, its link, and the column and row of its photograph; None if there is no card."""
    return page.evaluate(
        """() => { const card = document.querySelector('.card');
        if (card.hidden) return null;
        const [picture, words] = card.children, style = getComputedStyle(picture);
        const address = card.querySelector('a');
        return [[...words.children].map(each => each.textContent), address && address.getAttribute('href'),
          style.backgroundPosition.split(' ').map(each => -parseFloat(each) / 160), style.backgroundImage]; }"""
    )


def test_a_dot_under_the_pointer_shows_its_photograph_class_and_link(opened, written):
    box = opened.locator(".photographs img").bounding_box()
    for place, dot in enumerate(written.dots):
        x, y = written.places[dot.number] * [box["width"], box["height"]]
        opened.mouse.move(box["x"] + x, box["y"] + y)
        if place == 0:
            ring = opened.locator(".dot").bounding_box()
            assert [ring["x"] + 7, ring["y"] + 7] == pytest.approx([box["x"] + x, box["y"] + y], abs=1.5)
        words, link, (column, row), sheet = shown(opened)
        assert words == [dot.title, *dot.lines, *(["why?"] if dot.link else [])]
        assert link == dot.link
        assert [column, row] == [place % COLUMNS, place // COLUMNS]
        assert sheet.endswith('figures/scatter.jpg")')
    opened.mouse.move(2, 2)
    assert shown(opened) is None


def test_a_click_keeps_the_card_so_that_its_link_can_be_reached(opened, written):
    box = opened.locator(".photographs img").bounding_box()
    dot = next(dot for dot in written.dots if dot.link)
    x, y = written.places[dot.number] * [box["width"], box["height"]]
    opened.mouse.click(box["x"] + x, box["y"] + y)
    for other in written.dots:
        opened.mouse.move(*([box["x"], box["y"]] + written.places[other.number] * [box["width"], box["height"]]))
        assert shown(opened)[1] == dot.link
    opened.locator(".card a").hover()
    assert shown(opened)[1] == dot.link
    opened.mouse.click(box["x"] + 2, box["y"] + 2)
    assert shown(opened) is None


def test_on_a_small_screen_the_card_hides_no_dot(opened, written):
    opened.set_viewport_size({"width": 400, "height": 800})
    figure = opened.locator(".photographs")
    box = figure.bounding_box()
    for place in (0, 1, len(written.dots) - 1):
        x, y = written.places[written.dots[place].number] * [box["width"], box["height"]]
        opened.mouse.move(box["x"] + x, box["y"] + y)
        card = opened.locator(".card").bounding_box()
        assert card["y"] >= box["y"] + box["height"] - 1
        assert card["x"] >= 0
        assert card["x"] + card["width"] <= 400
        picture = opened.locator(".card > div").evaluate(
            "each => [each.clientWidth, ...getComputedStyle(each).backgroundPosition.split(' ').map(parseFloat)]"
        )
        assert picture == [80, -80 * (place % COLUMNS), -80 * (place // COLUMNS)]


def test_every_photograph_is_in_the_sheet(written):
    sheet = np.asarray(Image.open(written.path.parent / "figures" / "scatter.jpg"), int)
    assert sheet.shape == (TILE, TILE * COLUMNS, 3)
    for place, dot in enumerate(written.dots):
        middle = sheet[TILE // 2, TILE * place + TILE // 2]
        wanted = (156, 163, 175) if dot.number == GONE else (40, 6 * dot.number, 200)
        assert np.abs(middle - wanted).max() < 12


def test_the_arrow_keys_lead_from_dot_to_dot_from_the_left(opened, written):
    opened.keyboard.press("Tab")
    figure = opened.locator(".photographs")
    while not figure.evaluate("each => each === document.activeElement"):
        opened.keyboard.press("Tab")
    seen = [shown(opened)[0][0]]
    for _ in range(len(written.dots)):
        opened.keyboard.press("ArrowRight")
        seen.append(shown(opened)[0][0])
    ordered = sorted(written.dots, key=lambda dot: written.places[dot.number][0])
    assert seen == [*(dot.title for dot in ordered), ordered[-1].title]
    opened.keyboard.press("ArrowLeft")
    assert opened.get_by_role("status").text_content().startswith(ordered[-2].title)
    opened.keyboard.press("Escape")
    assert shown(opened) is None


def test_without_scripts_the_figure_is_only_a_picture(browser, opened, written):
    assert opened.get_by_text(NOTE).is_visible()
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(written.path.as_uri())
        assert page.locator("figure img").is_visible()
        assert not page.get_by_text(NOTE).is_visible()
        assert not page.locator(".card").is_visible()


def test_a_page_without_dots_has_no_script(tmp_path):
    figure = FigureBlock("scatter", scatter, "Dots.", "Dots.")
    path = write_page(Page("page", [], [], [Section("s", "S", [figure])], formats=("svg",)), tmp_path / "page")
    assert "<script" not in path.read_text(encoding="utf-8")
    assert not (path.parent / "figures" / "scatter.jpg").exists()
