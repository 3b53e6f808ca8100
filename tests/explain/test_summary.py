"""Counts over several explanations, by hand."""

import pytest

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
        line_of("off_centre", Verdict.USUAL, after=None),
        line_of("content", Verdict.NOT_TRIED, after=None),
    ]
    undersampling_first = [
        line_of("undersampling", rank=1, after=0.0),
        line_of("fine_detail", Verdict.WRONG, after=0.0625),
        line_of("scale", Verdict.PARTLY, after=0.1875),
        tossed(verdict=Verdict.MORE, value=0.125),
    ]
    scale_again = [
        line_of("scale", rank=1, after=0.125),
        line_of("undersampling", rank=2, after=0.25),
        line_of("fine_detail", rank=3, after=0.25),
        line_of("fine_detail", Verdict.WRONG, after=0.125),
        line_of("content", Verdict.WRONG, after=0.125),
        line_of("framing", Verdict.NOT_CALM, after=0.0625),
        line_of("off_centre", Verdict.USUAL, after=None),
    ]
    unexplained = [
        line_of("fine_detail", Verdict.NOT_FOUND, after=0.5),
        line_of("fine_detail", Verdict.NOT_FOUND, after=0.375),
        line_of("coin_toss", Verdict.NOT_TRIED, after=None),
    ]
    return [
        explanation_of(0.0, controls=None),
        explanation_of(0.25, scale_first),
        explanation_of(0.375, undersampling_first),
        explanation_of(0.5, scale_again),
        explanation_of(0.0, controls=None),
        explanation_of(0.375, unexplained),
    ]


def test_images_are_counted(several):
    summary = summarise(several)
    assert (summary.n_images, summary.n_unstable, summary.n_unexplained) == (6, 4, 1)
    assert (summary.n_compared, summary.n_like_margin) == (2, 1)


def test_causes_are_counted(several):
    """A cause at all, the only or strongest one, removed, not calmed, made the model wrong."""
    found = {
        share.cause: (share.n_cause, share.n_first, share.n_tried, share.n_not_calm, share.n_wrong)
        for share in summarise(several).shares
    }
    assert found == {
        "scale": (2, 2, 3, 0, 0),
        "undersampling": (3, 1, 3, 0, 0),
        # Where there are two strengths, a cause counts.
        "fine_detail": (1, 0, 3, 0, 1),
        # Usual framing: there is nothing to remove.
        "off_centre": (0, 0, 0, 0, 0),
        "framing": (0, 0, 2, 1, 0),
        "content": (0, 0, 1, 0, 1),
    }


def test_a_cause_that_is_not_told_apart_is_not_the_strongest(explanation_of, line_of):
    tied = explanation_of(0.25, [line_of("scale", rank=1), line_of("content", rank=1)])
    assert [(share.n_cause, share.n_first) for share in summarise([tied]).shares[:2]] == [(1, 0), (1, 0)]


def test_the_most_frequent_causes_come_first(several):
    assert [share.cause for share in summarise(several).shares] == [
        "undersampling",
        "scale",
        "fine_detail",
        # Of causes of no image, those that were removed from more.
        "framing",
        "content",
        "off_centre",
    ]


def test_every_cause_has_its_name_and_the_coin_toss_is_none(several):
    names = {share.cause: share.name for share in summarise(several).shares}
    assert names == {cause: cause.text for cause in Cause if cause != "coin_toss"}


def test_the_causes_of_the_most_images(several):
    assert [share.cause for share in summarise(several).most] == ["undersampling"]
    assert [share.cause for share in summarise(several[1:2]).most] == ["scale", "undersampling"]
    assert summarise(several[5:]).most == []


def test_no_image_is_unstable(several):
    summary = summarise([several[0], several[4]])
    assert (summary.n_images, summary.n_unstable, summary.n_unexplained) == (2, 0, 0)
    assert summary.text == (
        "Of the 2 most unstable test images, chosen for that, none is unstable over steps in all directions."
    )


def test_the_text_says_the_numbers(several):
    lines = summarise(several).text.split("\n")
    assert lines[0] == (
        "Of the 6 most unstable test images, chosen for that, 4 are unstable over steps in all directions."
    )
    assert lines[1] == "Causes of these, of which an image can have several:"
    assert lines[2] == "    3  undersampling in the network (removed from 3)"
    assert lines[3] == "    2  framed too small or too large (removed from 3)"
    assert lines[-2] == "    1  no cause was found"
    assert lines[-1] == (
        "That the image changes more often than other test images of the same margin was not found for 1 of 2 "
        "unstable images (an association)."
    )
    assert len(lines) == 2 + len(INTERVENTIONS) + 2


def test_every_count_says_of_which_images_it_is(several):
    over = "unstable over steps in all directions."
    for images, words in (
        (several[1:2], f"The most unstable test image, chosen for that, is {over}"),
        (several[:1], f"The most unstable test image, chosen for that, is not {over}"),
        (several[1:3], f"Of the 2 most unstable test images, chosen for that, all are {over}"),
        (several[:2], f"Of the 2 most unstable test images, chosen for that, 1 is {over}"),
    ):
        assert summarise(images).sentence == words
        assert summarise(images).text.startswith(words)


def test_no_number_has_an_interval(several):
    """The images were chosen, so there is no population that an interval would be of."""
    assert "interval" not in summarise(several).text
