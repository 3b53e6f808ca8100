"""The answer in words says what was found, with its numbers."""

import dataclasses

import pytest

from bias_toolkit.explain.record import Estimate, Standing, Verdict
from bias_toolkit.explain.sentences import predictions_words


@pytest.fixture(scope="module")
def coin_toss(line_of):
    return line_of("coin_toss", Verdict.LIKE_MARGIN, after=None, expected=Estimate(0.25))


def test_a_stable_image(explanation_of, line_of):
    explanation = explanation_of(0.03, [line_of("scale", rank=1)])
    assert explanation.answer == (
        "Stable: its top-1 class changes in 3.0% of the 160 one-pixel steps within 4 pixels. "
        "An image is called unstable from 5% on."
    )


def test_how_unstable(explanation_of):
    explanation = explanation_of(0.25)
    assert explanation.answer.startswith(
        "Unstable: its top-1 class changes in 25.0% of the 160 one-pixel steps within 4 pixels. "
        "On the study's own sweep it changes in 0 of 1 step, more than on 88% of the other test images."
    )
    alone = explanation_of(0.25, standings=[Standing("mac", 0.9, 0.1), Standing("p_top1_change", 0.5, None)])
    assert "own sweep" not in alone.answer


def test_nothing_explains_it(explanation_of, line_of):
    explanation = explanation_of(0.25, [line_of("scale", Verdict.NOT_FOUND)])
    assert explanation.answer.endswith(
        "No cause was found: nothing that was tried is shown to make the image unstable. In random trials of place, "
        "brightness and contrast, which remove no cause, P(top-1 change) is 31.2% (95% interval 29.2% to 33.2%)."
    )
    assert "cause was found." not in explanation.answer


def test_nothing_could_be_tried(explanation_of, line_of):
    for lines in ([], [line_of("scale", Verdict.USUAL, after=None)]):
        assert explanation_of(0.25, lines).answer.endswith("No candidate cause could be removed, so none was found.")


def test_what_does_not_calm_is_named(explanation_of, line_of):
    lines = [
        line_of("scale", Verdict.NOT_CALM),
        line_of("content", Verdict.NOT_CALM),
        line_of("framing", Verdict.WRONG),
    ]
    assert explanation_of(0.25, lines).answer.endswith(
        "The removal of each of these lowers P(top-1 change), but that it calms the response was not found: framed too "
        "small or too large, unlike the training images in content."
    )
    assert explanation_of(0.25, lines[1:]).answer.endswith(
        "The removal of this lowers P(top-1 change), but that it calms the response was not found: unlike the training "
        "images in content."
    )
    found = explanation_of(0.25, [line_of("framing", rank=1), *lines[:2]])
    assert "calms" not in found.answer


def test_one_cause(explanation_of, line_of):
    line = line_of("scale", rank=1, intervention="the view zoomed in 1.50 times", reason="MAC falls too.")
    answer = explanation_of(0.25, [line, line_of("content", Verdict.NOT_FOUND)]).answer
    assert answer.endswith(
        " One cause was found: framed too small or too large. In random trials of place, brightness and contrast, "
        "which remove no cause, P(top-1 change) is 31.2% (95% interval 29.2% to 33.2%). In the same trials with the "
        "view zoomed in 1.50 times, it is 6.2% (95% interval 4.2% to 8.2%). MAC falls too."
    )
    strengths = explanation_of(0.25, [line_of("fine_detail", rank=1), line_of("fine_detail", rank=1)])
    assert "One cause was found: fine detail in the image. In random" in strengths.answer


def test_the_strongest_of_several_causes(explanation_of, line_of):
    lines = [
        line_of("undersampling", rank=1),
        line_of("fine_detail", rank=2),
        line_of("fine_detail", rank=2),
        line_of("content", rank=2),
        line_of("scale", Verdict.NOT_FOUND),
    ]
    answer = explanation_of(0.25, lines).answer
    assert "3 causes were found. The strongest is: undersampling in the network. In random trials" in answer
    assert answer.endswith(
        "reason of undersampling. The removal of each of these alone lowers it too: fine detail in the image, unlike "
        "the training images in content."
    )


@pytest.mark.parametrize(
    ("causes", "listed"),
    [
        (("scale", "content"), "framed too small or too large, and unlike the training images in content"),
        (
            ("scale", "content", "fine_detail"),
            "framed too small or too large, unlike the training images in content, and fine detail in the image",
        ),
    ],
)
def test_causes_that_are_not_told_apart_have_no_order(explanation_of, line_of, causes, listed):
    answer = explanation_of(0.25, [line_of(cause, rank=1) for cause in causes]).answer
    assert answer.endswith(
        f"{len(causes)} causes were found, in no order: {listed}. Their intervals do not tell them apart."
    )


def test_the_margin_is_an_association(explanation_of, line_of, coin_toss):
    """It comes after the causes, and is none."""
    like = "That it changes more often than test images with its margin was not found (an association)."
    more = "It changes more often than test images with its margin (an association)."
    for lines in ([line_of("undersampling", rank=1)], [line_of("scale", Verdict.NOT_FOUND)]):
        assert explanation_of(0.25, [*lines, coin_toss]).answer.endswith(like)
        other = dataclasses.replace(coin_toss, verdict=Verdict.MORE)
        assert explanation_of(0.25, [*lines, other]).answer.endswith(more)
    untried = dataclasses.replace(coin_toss, verdict=Verdict.NOT_TRIED, expected=None)
    assert "association" not in explanation_of(0.25, [untried]).answer
    assert explanation_of(0.25, [coin_toss]).first_cause is None


def test_made_up_pixels_are_told(explanation_of, line_of):
    made_up = line_of("framing", rank=1, made_up=0.125, fill="inpaint")
    told = "12.5% of the view's pixels had to be made up (inpaint)."
    explanation = explanation_of(0.25, [made_up, line_of("content", Verdict.NOT_FOUND, made_up=0.25, fill="black")])
    assert explanation.answer.endswith(f"{told} reason of framing.")
    assert told in explanation.text
    assert "25.0% of the view's pixels had to be made up (black)." in explanation.text
    assert "made up" not in explanation_of(0.25, [line_of("framing", rank=1)]).answer


@pytest.mark.parametrize(("right", "word"), [(True, ", right"), (False, ", wrong"), (None, "")])
def test_the_class_at_the_centre_is_told_from_that_over_all_shifts(stability_at, right, word):
    views = "" if right is None else " It is right on 50% of the shifted views."
    assert predictions_words(stability_at(0.25, "cat", 0.5, right, centre="owl")) == (
        f"At the centre view the model says owl (probability 0.25{word}). "
        f"Over all shifts it says cat (probability 0.50{word}).{views}"
    )
    assert predictions_words(stability_at(0.25, "cat", 0.5, right)) == (
        f"At the centre view the model says cat (probability 0.50{word}). Over all shifts it says the same.{views}"
    )


def test_the_whole_text(full_explanation):
    lines = full_explanation.text.split("\n")
    assert lines[0] == f"{full_explanation.image_id} (owl)"
    assert lines[2] == full_explanation.answer
    assert lines[3] == predictions_words(full_explanation.before)
    assert lines[5] == "Compared with other images (associations; nothing was changed):"
    assert lines[6] == (
        "Nearest training image at 1.50 (euclidean): 75% of the training images are nearer to their own nearest one. "
        "Nearest: owl, train/2.png, cat."
    )
    assert lines[7] == (
        "Its object, against the 25 training objects of its class: distance from the centre 0.56 (median 0.25, "
        "above 94%), scale 0.69 (median 0.31, above 81%), aspect 1.50 (median 1.00, above 62%)."
    )
    assert lines[9] == "Each candidate cause removed, in 24 random trials:"
    assert lines[10] == (
        "  –  the controls, the same trials with no cause removed: P(top-1 change) 31.2% (95% interval 29.2% to "
        "33.2%), MAC 0.078 (95% interval 0.039 to 0.16)."
    )
    assert lines[11] == (
        "  *  framed off centre: off_centre removed. P(top-1 change) 6.2% (95% interval 4.2% to 8.2%), MAC 0.016 (95% "
        "interval 0.0078 to 0.031). 12.5% of the view's pixels had to be made up (inpaint). reason of off_centre."
    )
    assert any(line.startswith("  –  a coin toss between two classes") for line in lines)
    assert any(line.startswith("  –  fine detail in the image: fine_detail removed.") for line in lines)
    assert lines[-2].startswith("  up to 1 pixel (9 views): P(top-1 change) 12.5%, MAC 0.031; at")
    assert lines[-1].startswith("  up to 4 pixels (81 views): P(top-1 change) 3.1%, MAC 0.0078; at")
    assert lines[-2].endswith("at the centre view owl (probability 0.75, right).")
    assert lines[-1].endswith("at the centre view cat (probability 0.50, wrong).")


def test_text_of_an_image_without_label_boxes_and_neighbours(explanation_of):
    explanation = explanation_of(
        0.0, label_name="", distances=None, framing=None, framing_reason="No box is known.", controls=None, remedies=[]
    )
    assert explanation.text.split("\n") == [
        explanation.image_id,
        "",
        explanation.answer,
        predictions_words(explanation.before),
        "",
        "Compared with other images (associations; nothing was changed):",
        "No box is known.",
    ]


def test_a_distance_without_standing(full_explanation):
    distances = dataclasses.replace(full_explanation.distances, distance_percentile=None, metric="cosine")
    text = dataclasses.replace(full_explanation, distances=distances).text
    assert "Nearest training image at 1.50 (cosine). Nearest: owl, train/2.png, cat." in text


def test_the_margin_and_where_it_stands(full_explanation):
    margin = Standing("margin", 0.0312, 0.25)
    others = [standing for standing in full_explanation.standings if standing.name != "margin"]
    explanation = dataclasses.replace(full_explanation, standings=[*others, margin])
    assert "\nMargin 0.031, above 25% of the other test images.\n" in explanation.text
    alone = dataclasses.replace(explanation, standings=[*others, dataclasses.replace(margin, percentile=None)])
    assert "Margin" not in alone.text


def test_almost_all_is_not_all(full_explanation):
    first = Standing("p_top1_change", 0.875, 0.9986)
    others = [standing for standing in full_explanation.standings if standing.name != "p_top1_change"]
    explanation = dataclasses.replace(full_explanation, standings=[*others, first])
    assert "more than on 99.9% of the other test images" in explanation.answer
    assert "100%" not in explanation.answer
    all_others = dataclasses.replace(explanation, standings=[*others, dataclasses.replace(first, percentile=1.0)])
    assert ", more than on all other test images." in all_others.answer
