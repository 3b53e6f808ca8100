"""Counts over several explanations, by hand."""

import pytest

from bias_toolkit.explain.record import Cause, Estimate, Verdict
from bias_toolkit.explain.summary import summarise


@pytest.fixture(scope="module")
def several(explanation_of, line_of):
    """Four unstable images, one of them without a cause, and two stable ones."""

    def tossed(rank=None, verdict="cause", value=0.25):
        return line_of("coin_toss", verdict, after=None, rank=rank, expected=Estimate(value, 0.1, 0.4))

    scale_first = [
        line_of("scale", rank=1, after=0.0625),
        line_of("undersampling", rank=2, after=0.125),
        tossed(rank=3, value=0.25),
        line_of("framing", Verdict.COVERED, after=0.0),
        line_of("off_centre", Verdict.USUAL, after=0.5),
        line_of("content", Verdict.NOT_TRIED, after=None),
    ]
    undersampling_first = [
        line_of("undersampling", rank=1, after=0.0),
        line_of("fine_detail", Verdict.WRONG, after=0.0625),
        line_of("scale", Verdict.NO_MORE, after=0.1875),
        tossed(verdict=Verdict.MORE, value=0.125),
    ]
    scale_again = [
        line_of("scale", rank=1, after=0.125),
        line_of("undersampling", rank=2, after=0.25),
        line_of("fine_detail", rank=3, after=0.25),
        line_of("fine_detail", Verdict.WRONG, after=0.125),
        line_of("content", Verdict.WRONG, after=0.125),
    ]
    unexplained = [
        line_of("fine_detail", Verdict.SMALL, after=0.5),
        line_of("fine_detail", Verdict.SMALL, after=0.375),
        line_of("coin_toss", Verdict.NOT_TRIED, after=None),
    ]
    return [
        explanation_of(0.0, controls=None),
        explanation_of(0.25, scale_first, controls=Estimate(0.25)),
        explanation_of(0.375, undersampling_first, controls=Estimate(0.5)),
        explanation_of(0.5, scale_again, controls=Estimate(0.125)),
        explanation_of(0.0, controls=None),
        explanation_of(0.375, unexplained, controls=Estimate(0.125)),
    ]


def test_images_are_counted(several):
    summary = summarise(several)
    assert (summary.n_images, summary.n_unstable, summary.n_unexplained) == (6, 4, 1)
    assert summary.before.value == 0.375
    assert summary.controls.value == 0.25
    assert 0.25 <= summary.before.low < 0.375 < summary.before.high <= 0.5


def test_causes_are_counted(several):
    """First, a cause at all, tried, made the model wrong, and the mean of what is left."""
    found = {
        share.cause: (share.n_first, share.n_cause, share.n_tried, share.n_wrong, share.after.value)
        for share in summarise(several).shares
    }
    assert found == {
        "scale": (2, 2, 3, 0, 0.125),
        "undersampling": (1, 3, 3, 0, 0.125),
        # The strength that is a cause counts, though another leaves less; of no causes, the one that leaves least.
        "fine_detail": (0, 1, 3, 1, pytest.approx((0.0625 + 0.25 + 0.375) / 3)),
        "coin_toss": (0, 1, 2, 0, 0.1875),
        "off_centre": (0, 0, 1, 0, 0.5),
        "framing": (0, 0, 1, 0, 0.0),
        "content": (0, 0, 1, 1, 0.125),
    }


def test_causes_come_by_how_often_they_are_first(several):
    assert [share.cause for share in summarise(several).shares] == [
        "scale",
        "undersampling",
        *[cause for cause in Cause if cause in ("fine_detail", "coin_toss")],
        *[cause for cause in Cause if cause in ("off_centre", "framing", "content")],
    ]


def test_every_cause_has_its_name(several):
    assert {share.cause: share.name for share in summarise(several).shares} == {cause: cause.text for cause in Cause}


def test_intervals_need_two_images(several):
    shares = {share.cause: share.after for share in summarise(several).shares}
    assert shares["content"] == Estimate(0.125)
    assert shares["scale"].low < 0.125 < shares["scale"].high
    assert {share.after for share in summarise(several[:1]).shares} == {Estimate(None)}
    assert summarise(several[1:2]).before == Estimate(0.25)


def test_no_image_is_unstable(several):
    summary = summarise([several[0], several[4]])
    assert (summary.n_images, summary.n_unstable, summary.n_unexplained) == (2, 0, 0)
    assert summary.before == summary.controls == Estimate(None)
    assert summary.text == "Of 2 images, none is unstable."
    assert summarise([]).text == "Of 0 images, none is unstable."


def test_the_text_says_the_numbers(several):
    lines = summarise(several).text.split("\n")
    assert lines[0].startswith("Of 6 images, 4 are unstable: P(top-1 change) 37.5% (95% interval ")
    assert "25.0% (95% interval " in lines[0].split("on average, ")[1]
    assert lines[1] == "    2  framed too small or too large (a cause of 2, tried on 3)"
    assert lines[2] == "    1  undersampling in the network (a cause of 3, tried on 3)"
    assert (
        "    0  fine detail in the image (a cause of 1, tried on 3; on 1 only by a wrong or unrelated answer)" in lines
    )
    assert lines[-1] == "    1  nothing that was tried"
    assert len(lines) == 1 + len(Cause) + 1
