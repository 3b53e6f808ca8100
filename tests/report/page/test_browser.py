"""Pages as a browser shows them."""

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
    shown = open_in_browser(write_page(Page("long", [], [], [], [Section("s", "S", blocks)]), folder))
    assert shown.images == ["pictures/content.png"]


def test_the_report_of_a_study_is_shown_whole(report, open_in_browser):
    shown = open_in_browser(report.folder / "index.html")
    assert shown.missing == []
    assert len(shown.images) > 20
    assert "Every measure under every sweep" in shown.text
