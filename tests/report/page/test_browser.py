"""Pages as a browser shows them."""

from importlib.resources import files

import pytest

from bias_toolkit.report import Page, write_page
from bias_toolkit.report.page.blocks import AnswerBlock, Picture, Section


def test_an_explanation_is_shown_whole(explained, unstable, open_in_browser):
    shown = open_in_browser(explained())
    assert shown.missing == []
    assert {"pictures/centre.png", "pictures/off-centre.png", "pictures/view-8.png"} <= set(shown.images)
    assert {f"figures/{name}.svg" for name in ("response", "shifts", "object", "effects")} <= set(shown.images)
    assert "framed off centre" in shown.text
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


def test_the_report_of_a_study_is_shown_whole(report, open_in_browser):
    shown = open_in_browser(report.folder / "index.html")
    assert shown.missing == []
    assert len(shown.images) > 20
    assert "Every measure under every sweep" in shown.text


AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def violations(page):
    """What axe finds wrong on a page for readers with a keyboard, a screen reader or weak eyes."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run()")["violations"]
    return [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong_on_a_report(scheme, report, open_in_browser):
    assert violations(open_in_browser(report.folder / "index.html", color_scheme=scheme).page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.usefixtures("empty_figures")
def test_axe_finds_nothing_wrong_on_an_explanation(scheme, explained, open_in_browser):
    assert violations(open_in_browser(explained(), color_scheme=scheme).page) == []


def test_a_report_answers_before_anything_is_opened(report, open_in_browser):
    shown = open_in_browser(report.folder / "index.html")
    answers = (
        "are centred",
        "of the shifts by one pixel change the top-1 class.",
        "far from the training set",
    )
    assert [answer for answer in answers if answer not in shown.first] == []
    assert "One photograph that the model gets right" in shown.first
    assert "Every measure under every sweep" not in shown.first
    assert len(shown.first.split()) < 1200


def test_folded_parts_are_printed(report, open_in_browser):
    page = open_in_browser(report.folder / "index.html").page
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = false)")
    table = page.get_by_text("Every measure under every sweep", exact=True).first
    assert not table.is_visible()
    page.emulate_media(media="print")
    assert table.is_visible()


def test_a_section_is_opened_by_the_keyboard(report, open_in_browser):
    page = open_in_browser(report.folder / "index.html").page
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = false)")
    page.locator("summary", has=page.get_by_role("heading", name="Invariance", exact=True)).focus()
    page.keyboard.press("Enter")
    assert page.get_by_text("Every measure under every sweep", exact=True).first.is_visible()


def test_the_list_of_sections_opens_what_it_leads_to(report, open_in_browser):
    page = open_in_browser(report.folder / "index.html").page
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = false)")
    page.get_by_role("link", name="Invariance", exact=True).click()
    assert page.get_by_text("Every measure under every sweep", exact=True).first.is_visible()
