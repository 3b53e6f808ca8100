"""Counts over several explanations, by hand."""

import numpy as np
import pytest

from bias_toolkit.analysis import mean_interval
from bias_toolkit.explain.record import INTERVENTIONS, Cause, Estimate, Verdict
from bias_toolkit.explain.summary import summarise


@pytest.fixture(scope="module")
def several(explanation_of, line_of):
    """Four unstable images, one of them without a cause, and two stable ones."""

    def tossed(verdict=Verdict.LIKE_MARGIN, value=0.25):
        return line_of("coin_toss", verdict, after=None, expected=Estimate(value, 0.1, 0.4))

    scale_first = [
        line_of("scale", rank=1, after=0.0625),
        line_of("undersampling", rank=2, after=0.125),
        tossed(value=0.25),
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
        line_of("framing", Verdict.NOT_CALM, after=0.0625),
        line_of("off_centre", Verdict.ENLARGED, after=0.0),
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
    assert (summary.n_compared, summary.n_like_margin) == (2, 1)
    assert summary.before == Estimate(0.375)
    assert summary.controls == Estimate(0.25)


def test_causes_are_counted(several):
    """First, a cause at all, removed, not calmed, made the model wrong, and the means of what is left and beyond."""
    found = {
        share.cause: (
            *(share.n_first, share.n_cause, share.n_tried, share.n_not_calm, share.n_wrong),
            *(share.after.value, share.beyond.value),
        )
        for share in summarise(several).shares
    }
    assert found == {
        # Controls leave 0.25, 0.5 and 0.125 on these three images.
        "scale": (2, 2, 3, 0, 0, 0.125, pytest.approx((0.875 - 0.375) / 3)),
        "undersampling": (1, 3, 3, 0, 0, 0.125, pytest.approx((0.875 - 0.375) / 3)),
        # Where there are two strengths, a cause counts, and their mean is what is left.
        "fine_detail": (0, 1, 3, 0, 1, pytest.approx((0.0625 + 0.1875 + 0.4375) / 3), pytest.approx(0.0625 / 3)),
        # Usual framing and no fine detail: there is nothing to remove.
        "off_centre": (0, 0, 0, 0, 0, None, None),
        "framing": (0, 0, 2, 1, 0, 0.03125, pytest.approx((0.25 + 0.0625) / 2)),
        "content": (0, 0, 1, 0, 1, 0.125, 0.0),
    }


def test_causes_come_by_how_often_they_are_first(several):
    assert [share.cause for share in summarise(several).shares] == [
        "scale",
        "undersampling",
        "fine_detail",
        # Of causes of no image, those that were removed from more.
        "framing",
        "content",
        "off_centre",
    ]


def test_every_cause_has_its_name_and_the_coin_toss_is_none(several):
    names = {share.cause: share.name for share in summarise(several).shares}
    assert names == {cause: cause.text for cause in Cause if cause != "coin_toss"}


@pytest.mark.parametrize("n", [1, 4, 5, 12])
def test_intervals_need_five_images(explanation_of, line_of, n):
    """From five images on, and wider than the 95% interval of one cause, as six are read together."""
    falls = np.linspace(0.0, 0.2, n)
    unstable = [explanation_of(0.5, [line_of("scale", rank=1, after=fall)], controls=Estimate(0.4)) for fall in falls]
    share = summarise(unstable).shares[0]
    assert share.beyond.value == pytest.approx(0.4 - falls.mean())
    if n < 5:
        assert (share.beyond.low, share.after.low, summarise(unstable).before.low) == (None, None, None)
    else:
        low, high = mean_interval(0.4 - falls)[1:3]
        assert share.beyond.low <= low < share.beyond.value < high <= share.beyond.high
        assert share.beyond.high - share.beyond.low > high - low or n == 5


def test_the_most_frequent_first_causes(several):
    assert [share.cause for share in summarise(several).first] == ["scale"]
    assert [share.cause for share in summarise(several[1:3]).first] == ["undersampling", "scale"]
    assert summarise(several[5:]).first == []


def test_no_image_is_unstable(several):
    summary = summarise([several[0], several[4]])
    assert (summary.n_images, summary.n_unstable, summary.n_unexplained) == (2, 0, 0)
    assert summary.before == summary.controls == Estimate(None)
    assert summary.text == "The 2 least stable images were explained; none is unstable."


def test_the_text_says_the_numbers(several):
    lines = summarise(several).text.split("\n")
    assert lines[0] == "The 6 least stable images were explained; 4 are unstable."
    assert lines[1] == "The mean P(top-1 change) of the unstable ones is 37.5%."
    assert lines[2] == "After changes that remove no cause it is 25.0%."
    assert lines[4] == "    2  framed too small or too large (a cause of 2, removed from 3)"
    assert lines[5] == "    1  undersampling in the network (a cause of 3, removed from 3)"
    assert lines[-2] == "    1  no cause was found"
    assert lines[-1] == (
        "1 of 2 unstable images does not clearly change more often than other test images of the same margin (an "
        "association)."
    )
    assert len(lines) == 4 + len(INTERVENTIONS) + 2


def test_every_count_says_of_which_images_it_is(several):
    for images, words in (
        (several[1:2], "The least stable image was explained; it is unstable."),
        (several[:1], "The least stable image was explained; it is not unstable."),
        (several[1:3], "The 2 least stable images were explained; all are unstable."),
        (several[:2], "The 2 least stable images were explained; 1 is unstable."),
    ):
        assert summarise(images).sentence == words
        assert summarise(images).text.startswith(words)
