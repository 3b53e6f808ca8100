"""The viewer of an explanation's page, as a reader uses it in a browser."""

import dataclasses
import re
from itertools import pairwise

import pytest

from bias_toolkit.report.explanation.figures import OTHER, class_colours
from bias_toolkit.report.page.page import POLICY

pytestmark = [pytest.mark.extras, pytest.mark.usefixtures("no_drawing")]
IMG = "<img src=x onerror=\"document.title='it ran'\">"


@pytest.fixture(scope="module")
def no_drawing(no_figures):
    with no_figures():
        yield


@pytest.fixture(scope="module")
def explanation(unstable):
    """An explanation of whose classes one has a name that would act."""
    names = unstable.shift_map.names | {3: IMG}
    return dataclasses.replace(unstable, shift_map=dataclasses.replace(unstable.shift_map, names=names))


@pytest.fixture(scope="module")
def written(write_explained, explanation, tmp_path_factory):
    return write_explained(explanation, tmp_path_factory.mktemp("viewer"))


@pytest.fixture
def opened(browser, written):
    """The page, and the addresses that it asked for and the errors that it had."""
    with browser.new_context(viewport={"width": 1280, "height": 900}, has_touch=True) as context:
        page = context.new_page()
        asked, errors = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(error))
        page.on("console", lambda message: errors.append(message.text))
        page.goto(written.as_uri())
        yield page, asked
        assert errors == []
        assert page.title() != "it ran"


def read(page):
    """What is shown of the view, as in `shown`, and the names, probabilities and colours of the list."""
    text, name, rows = page.evaluate(
        """[document.querySelector('.seen').textContent, document.querySelector('.seen b').textContent,
        [...document.querySelectorAll('.likely li')].map(({ children: [chip, name, share] }) =>
          [name.textContent, share.textContent, getComputedStyle(chip).backgroundColor])]"""
    )
    pattern = r"([\d.]+%)(, \w+)?\. (.*)\. The class changed at (\d+) of (\d+) steps?\."
    found = re.fullmatch(pattern, text[len(name) :])
    return (name, *found.groups()[:3], int(found[4]), int(found[5])), rows


def shown(page):
    """The class, the probability, the verdict, the place, and the numbers of changes and of steps."""
    return read(page)[0]


def place_in_words(dx, dy):
    words = [
        f"{abs(by)} pixel{'' if abs(by) == 1 else 's'} {more if by > 0 else less}"
        for by, more, less in ((dx, "right", "left"), (dy, "down", "up"))
        if by
    ]
    return ", ".join(words) or "Centre view"


def test_arrow_keys_lead_to_all_289_places_and_show_what_was_measured_there(opened, explanation):
    page, asked = opened
    shift_map, colours = explanation.shift_map, class_colours(explanation)
    page.locator(".stage").focus()
    for key in ("ArrowLeft", "ArrowUp"):
        for _ in range(9):  # the ninth stays at the border
            page.keyboard.press(key)
    walk = [(x if y % 2 == 0 else -x, y) for y in range(-8, 9) for x in range(-8, 9)]
    to_corner = [(x, 0) for x in range(0, -9, -1)] + [(-8, y) for y in range(-1, -9, -1)]
    passed = list(to_corner)
    for dx, dy in walk:
        if (dx, dy) != passed[-1]:
            passed.append((dx, dy))
            page.keyboard.press("ArrowDown" if dy > passed[-2][1] else "ArrowRight" if dy % 2 == 0 else "ArrowLeft")
        (name, share, verdict, place, changes, steps), rows = read(page)
        likely = shift_map.likely[8 + dy][8 + dx]
        assert name == shift_map.names[likely[0]] == shift_map.names[shift_map.top1[8 + dy][8 + dx]]
        assert (verdict, place) == (", wrong", place_in_words(dx, dy))
        top1 = [shift_map.top1[8 + y][8 + x] for x, y in passed]
        assert (changes, steps) == (sum(a != b for a, b in pairwise(top1)), len(passed) - 1)
        assert [row[0].removesuffix(" (right)") for row in rows] == [shift_map.names[index] for index in likely]
        shares = [f"{round(1000 * p) / 10:.1f}%" for p in shift_map.probabilities[8 + dy][8 + dx]]
        assert [row[1] for row in rows] == shares
        assert share == shares[0]
        assert rows[0][2] == rgb(colours.get(likely[0], OTHER))
    assert len(walk) == 289
    assert not [address for address in asked if not address.startswith("file:")]


def rgb(colour):
    return "rgb({}, {}, {})".format(*(int(colour[i : i + 2], 16) for i in (1, 3, 5)))


def test_the_map_has_the_class_of_every_place(opened, explanation):
    page, _ = opened
    found = page.evaluate("[...document.querySelector('.map canvas').getContext('2d').getImageData(0, 0, 17, 17).data]")
    colours = class_colours(explanation)
    wanted = [colours.get(index, OTHER) for row in explanation.shift_map.top1 for index in row]
    assert [rgb(colour) for colour in wanted] == [
        f"rgb({r}, {g}, {b})" for r, g, b in zip(*(found[i::4] for i in range(3)), strict=True)
    ]


def box_of(page, name):
    """Where an element is in the window, in pixels of the screen, after it was scrolled to."""
    return page.locator(name).evaluate(
        "each => { each.scrollIntoView({ behavior: 'instant', block: 'center' });"
        "const { left, top, width } = each.getBoundingClientRect(); return [left, top, width]; }"
    )


def share_of(page, inner, outer):
    """Left, top and width of an element as shares of another one's width."""
    return page.evaluate(
        "names => { const [a, b] = names.map(name => document.querySelector(name).getBoundingClientRect());"
        "return [a.left - b.left, a.top - b.top, a.width].map(length => length / b.width); }",
        [inner, outer],
    )


def test_the_frame_and_the_mark_are_at_the_place(opened):
    page, _ = opened
    page.locator(".stage").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    assert share_of(page, ".frame", ".stage") == pytest.approx([10 / 48, 7 / 48, 32 / 48], abs=1e-3)
    assert share_of(page, ".here", ".map") == pytest.approx([10 / 17, 7 / 17, 1 / 17], abs=1e-3)


def test_dragging_moves_the_view_pixel_by_pixel(opened, explanation):
    page, _ = opened
    left, top, width = box_of(page, ".stage")
    x, y = left + width / 2, top + width / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 5 * 8, y - 3 * 8)
    assert shown(page)[3:] == (
        place_in_words(5, -3),
        changes_along(explanation, [(0, 0), (1, -1), (2, -2), (3, -3), (4, -3), (5, -3)]),
        5,
    )
    page.mouse.move(x + 900, y)
    assert shown(page)[3] == place_in_words(8, 0)
    page.mouse.up()
    page.mouse.move(x, y)
    assert shown(page)[3] == place_in_words(8, 0)


def changes_along(explanation, places):
    top1 = [explanation.shift_map.top1[8 + y][8 + x] for x, y in places]
    return sum(a != b for a, b in pairwise(top1))


def test_a_finger_moves_the_view_too(opened):
    page, _ = opened
    left, top, _ = box_of(page, ".stage")
    client = page.context.new_cdp_session(page)
    x, y = left + 100, top + 100
    for kind, points in (
        ("touchStart", [{"x": x, "y": y}]),
        ("touchMove", [{"x": x - 8, "y": y}]),
        ("touchMove", [{"x": x - 16, "y": y + 8}]),
        ("touchEnd", []),
    ):
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert shown(page)[3:] == (place_in_words(-2, 1), 0, 2)


def test_a_click_on_the_map_leads_there_and_a_button_back(opened, explanation):
    page, _ = opened
    page.locator(".map").click(position={"x": 12 * 12 + 5, "y": 8 * 12 + 5})
    assert shown(page)[3:] == (place_in_words(4, 0), changes_along(explanation, [(x, 0) for x in range(5)]), 4)
    page.get_by_role("button", name="Back to the centre").click()
    assert shown(page)[3:] == ("Centre view", 0, 0)


def test_the_sweep_is_played(opened, explanation):
    page, _ = opened
    page.clock.install(time=0)
    page.reload()
    page.clock.pause_at(60_000)
    play = page.get_by_role("button", name="Play the sweep")
    play.click()
    seen = [shown(page)]
    for _ in range(8):
        page.clock.run_for(700)
        seen.append(shown(page))
    path = explanation.shift_map.sweep
    assert [each[3] for each in seen] == [place_in_words(*place) for place in path]
    assert [each[4] for each in seen] == [changes_along(explanation, path[: n + 1]) for n in range(9)]
    page.clock.run_for(5000)
    assert shown(page) == seen[-1]
    play.click()
    page.get_by_role("button", name="Stop").click()
    page.clock.run_for(5000)
    assert shown(page)[3] == place_in_words(-4, -4)


def test_a_reader_of_the_screen_is_told_each_step(opened):
    page, _ = opened
    page.keyboard.press("Tab")
    stage = page.get_by_role("application", name="View of the photograph")
    while not stage.evaluate("each => each === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Home")
    assert page.get_by_role("status").text_content().startswith(IMG + "4")
    tree = page.locator(".viewer").aria_snapshot()
    assert "status" in tree
    assert 'button "Play the sweep"' in tree


def test_without_scripts_the_page_is_as_before(browser, written):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(written.as_uri())
        assert not page.get_by_text("Move the view by one pixel").is_visible()
        assert page.get_by_text("Unstable: its top-1 class changes").first.is_visible()


def test_only_the_script_of_the_page_runs(browser, written, tmp_path):
    html = written.read_text(encoding="utf-8")
    (policy,) = re.findall('Content-Security-Policy" content="([^"]*)"', html)
    assert re.fullmatch(
        re.escape(POLICY.replace("'", "&#39;")) + "; script-src &#39;sha256-[A-Za-z0-9+/=]{44}&#39;", policy
    )
    other = written.with_name("other.html")
    other.write_text(html.replace("'use strict';", "document.title = 'it ran';"), encoding="utf-8")
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(other.as_uri())
        assert page.title() != "it ran"
        assert not page.get_by_text("Move the view by one pixel").is_visible()


def test_the_page_is_small(written):
    assert written.stat().st_size < 60_000
