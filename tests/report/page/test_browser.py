"""Pages as a browser shows them."""

from importlib.resources import files

import pytest

from bias_toolkit.report import Page, write_page
from bias_toolkit.report.page.blocks import AnswerBlock, Picture, Section

pytestmark = pytest.mark.extras


def test_an_explanation_is_shown_whole(explained, unstable, open_in_browser):
    shown = open_in_browser(explained())
    assert shown.missing == []
    assert {"pictures/centre.png", "pictures/off-centre.png", "pictures/view-8.png"} <= set(shown.images)
    assert {f"figures/{name}.svg" for name in ("response", "shifts", "object", "effects")} <= set(shown.images)
    assert "framed off centre" in shown.text
    assert "Move the view by one pixel" in shown.first
    assert "<script>alert(1)</script>" in shown.text
    for line in unstable.lines:
        assert line.reason in shown.text


@pytest.mark.usefixtures("empty_figures")
def test_a_picture_that_is_missing_is_noticed(explained, open_in_browser):
    page = explained()
    (page.parent / "pictures" / "content.png").unlink()
    (page.parent / "figures" / "shifts.svg").write_text("<svg")
    assert sorted(open_in_browser(page).missing) == ["figures/shifts.svg", "pictures/content.png"]


@pytest.mark.usefixtures("empty_figures")
def test_a_picture_far_below_is_loaded(tmp_path, explained, open_in_browser):
    folder = explained().parent
    blocks = [AnswerBlock(["word"] * 400), AnswerBlock([""], Picture("pictures/content.png", "a picture"))]
    shown = open_in_browser(write_page(Page("long", [], [], [Section("s", "S", blocks)]), folder))
    assert shown.images == ["pictures/content.png"]


@pytest.fixture(scope="module")
def shown(report, look):
    """The report in a browser, its parts open; every test leaves the page as it found it."""
    with look(report.folder / "index.html") as found:
        yield found


def test_the_report_of_a_study_is_shown_whole(shown):
    assert shown.missing == []
    assert len(shown.images) > 20
    assert "Every measure under every sweep" in shown.text


AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def violations(page):
    """What axe finds wrong on a page for readers with a keyboard, a screen reader or weak eyes.

    In the dark only the contrast of colours is another.
    """
    page.evaluate(AXE)
    found = page.evaluate("axe.run()")["violations"]
    page.emulate_media(color_scheme="dark")
    found += page.evaluate("axe.run({runOnly: {type: 'rule', values: ['color-contrast', 'link-in-text-block']}})")[
        "violations"
    ]
    page.emulate_media(color_scheme="light")
    return [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found]


def test_axe_finds_nothing_wrong_on_a_report(shown):
    assert violations(shown.page) == []


@pytest.mark.usefixtures("empty_figures")
def test_axe_finds_nothing_wrong_on_an_explanation(explained, open_in_browser):
    assert violations(open_in_browser(explained()).page) == []


def test_a_report_answers_before_anything_is_opened(shown):
    answers = (
        "are centred",
        "of the shifts by one pixel change the top-1 class.",
        "far from the training set",
    )
    assert [answer for answer in answers if answer not in shown.first] == []
    assert "One photograph that the model gets right" in shown.first
    assert "Every measure under every sweep" not in shown.first
    assert len(shown.first.split()) < 1200


@pytest.fixture
def closed(shown):
    """The page of the report, its parts folded."""
    fold = "document.querySelectorAll('details').forEach(each => each.open = {})"
    shown.page.evaluate(fold.format("false"))
    yield shown.page
    shown.page.evaluate(fold.format("true"))


def test_folded_parts_are_printed(closed):
    table = closed.get_by_text("Every measure under every sweep", exact=True).first
    assert not table.is_visible()
    closed.emulate_media(media="print")
    assert table.is_visible()
    closed.emulate_media(media="screen")


def test_a_section_is_opened_by_the_keyboard(closed):
    closed.locator("summary", has=closed.get_by_role("heading", name="Invariance", exact=True)).focus()
    closed.keyboard.press("Enter")
    assert closed.get_by_text("Every measure under every sweep", exact=True).first.is_visible()


def test_the_list_of_sections_opens_what_it_leads_to(closed):
    closed.get_by_role("link", name="Invariance", exact=True).click()
    assert closed.get_by_text("Every measure under every sweep", exact=True).first.is_visible()
