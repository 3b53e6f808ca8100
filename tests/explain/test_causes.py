"""Verdicts, reasons and order, on neighbourhoods whose P(top-1 change) is known by counting."""

import dataclasses

import numpy as np
import pytest

from bias_toolkit.explain.causes import judge, judge_coin_toss, ranked, stability_of
from bias_toolkit.explain.record import Cause, Estimate, Verdict

BOUNDARY, STRIPES_4, STRIPES_5, STRIPES_8, BOARD = (steps / 160 for steps in (11, 44, 55, 88, 144))


@pytest.fixture(scope="module")
def judged(neighbourhood_of):
    """A function that judges trials on an image that changes in 55% of the steps; controls leave it so."""

    def run(*trials, before="stripes 8", controls=("stripes 8",), accuracy=None, seed=0):
        before = neighbourhood_of(before) if isinstance(before, str) else before
        return judge(before, accuracy, trials, [neighbourhood_of(control) for control in controls], seed)

    return run


def pixel(x, y):
    """A grid in which one shift is of another class."""
    grid = np.zeros((9, 9), int)
    grid[y, x] = 1
    return grid


def test_half_of_the_changes_gone_is_a_cause(judged, neighbourhood_of, trial_of):
    """Exactly half is enough, a step more is not."""
    board = ("checkerboard",)
    half = trial_of("content", neighbourhood_of("stripes 4"), right=0)
    more = trial_of("content", neighbourhood_of("stripes 5"), right=0)
    (line,) = judged(half, controls=board)
    assert (line.verdict, line.rank, line.cause, line.intervention) == (Verdict.CAUSE, 1, "content", "something done")
    assert line.fall.value == pytest.approx(STRIPES_8 - STRIPES_4)
    assert 0 < line.fall.low < line.fall.value < line.fall.high
    assert line.fall_beyond_controls.value == pytest.approx(BOARD - STRIPES_4)
    assert line.after is half.stability
    assert line.reason.startswith("P(top-1 change) goes from 55.0% to 27.5% (95% interval ")
    # Seven of its nine columns are owls at 0.8, the other two at 0.1.
    assert line.reason.endswith("), and the model is right (owl, 0.64).")
    (line,) = judged(more, controls=board)
    assert (line.verdict, line.rank) == (Verdict.SMALL, None)
    assert line.reason.startswith("P(top-1 change) goes from 55.0% to 34.4% (95% interval ")
    assert line.reason.endswith("): less than half of it is clearly gone.")


def test_what_rises_is_no_cause(judged, neighbourhood_of, trial_of):
    (line,) = judged(trial_of("content", neighbourhood_of("checkerboard")), controls=("checkerboard",))
    assert line.verdict == Verdict.SMALL
    assert line.fall.value == pytest.approx(STRIPES_8 - BOARD)


def test_a_fall_has_to_be_clear(judged, neighbourhood_of, trial_of):
    """All gone, but of two of the sweeps only: an eighth of the resamples has neither. Of four, 1% has none."""
    constant = trial_of("content", neighbourhood_of("constant"))
    (line,) = judged(constant, before=neighbourhood_of(pixel(2, 5)))
    assert line.verdict == Verdict.SMALL
    assert (line.fall.value, line.fall.low) == (4 / 160, 0)
    (line,) = judged(constant, before=neighbourhood_of(pixel(4, 4)))
    assert line.verdict == Verdict.CAUSE
    assert line.fall.value == 8 / 160
    assert line.fall.low > 0


def test_controls_must_not_do_the_same(judged, neighbourhood_of, trial_of):
    """Half of what the controls leave has to be gone, and here less than half."""
    trial = trial_of("content", neighbourhood_of("stripes 4"))
    (line,) = judged(trial, controls=("stripes 8", "stripes 8"))
    assert line.verdict == Verdict.NO_MORE
    assert line.reason.startswith("P(top-1 change) goes from 55.0% to 27.5% (95% interval ")
    assert line.reason.endswith("), but changes that remove nothing also leave only 55.0%.")
    assert line.fall_beyond_controls.value == pytest.approx(STRIPES_8 - STRIPES_4)
    (line,) = judged(trial, controls=("stripes 8", "checkerboard"))
    assert line.verdict == Verdict.CAUSE
    (line,) = judged(trial_of("content", neighbourhood_of("boundary")), controls=("boundary", "stripes 2"))
    assert line.verdict == Verdict.NO_MORE
    assert line.reason.endswith("leave only 10.3%.")


def test_usual_framing_is_no_cause(judged, neighbourhood_of, trial_of):
    for cause, word in (
        ("off_centre", "off centre"),
        ("scale", "too small nor too large"),
        ("framing", "Position and"),
    ):
        (line,) = judged(trial_of(cause, neighbourhood_of("constant"), right=0, usual=True))
        assert (line.verdict, line.rank) == (Verdict.USUAL, None)
        assert word in line.reason
        assert "With it changed, P(top-1 change) goes from 55.0% to 0%" in line.reason
        assert line.fall.value == STRIPES_8


@pytest.mark.parametrize("accuracy", [0.5, 0.01])
def test_a_model_that_is_made_wrong(judged, neighbourhood_of, trial_of, accuracy):
    (line,) = judged(trial_of("undersampling", neighbourhood_of("constant"), right=1), accuracy=accuracy)
    assert (line.verdict, line.rank) == (Verdict.WRONG, None)
    assert "goes from 55.0% to 0%" in line.reason
    assert line.reason.endswith(", but only because the model is then wrong (owl, 0.80): no remedy.")


def test_a_model_that_was_never_right_is_still_wrong(judged, neighbourhood_of, trial_of):
    (line,) = judged(trial_of("undersampling", neighbourhood_of("constant"), right=1), accuracy=0.0)
    assert (line.verdict, line.rank) == (Verdict.CAUSE, 1)
    assert "goes from 55.0% to 0%" in line.reason
    assert line.reason.endswith(", but the model is still wrong (owl, 0.80): a cause, and no remedy.")


def test_a_model_that_is_wrong_as_often_is_not_made_wrong(judged, neighbourhood_of, trial_of):
    """Right on as many views as before: wrong in its mean prediction is no news."""
    trial = trial_of("scale", neighbourhood_of("boundary"), right=0)
    assert (trial.stability.prediction.is_right, trial.stability.prediction.accuracy) == (False, 4 / 9)
    assert [line.verdict for line in judged(trial, accuracy=4 / 9)] == [Verdict.CAUSE]
    assert [line.verdict for line in judged(trial, accuracy=4 / 9 + 0.01)] == [Verdict.WRONG]


@pytest.mark.parametrize("cause", ["undersampling", "fine_detail"])
def test_a_weaker_signal_has_to_settle_on_an_answer_that_there_was(judged, neighbourhood_of, trial_of, cause):
    """The image wavers between classes 0 and 1; class 2 is none of its answers, unless it is the right one."""
    elsewhere = neighbourhood_of(np.full((9, 9), 2))
    for right in (None, 0):
        (line,) = judged(trial_of(cause, elsewhere, right=right), accuracy=None if right is None else 0.0)
        assert (line.verdict, line.rank) == (Verdict.ELSEWHERE, None)
        assert "goes from 55.0% to 0%" in line.reason
        assert "a class that the model gave to none of the views" in line.reason
    assert judged(trial_of(cause, elsewhere, right=2), accuracy=0.0)[0].verdict == Verdict.CAUSE
    assert (
        judged(trial_of(cause, neighbourhood_of(np.full((9, 9), 1)), right=2), accuracy=0.0)[0].verdict == Verdict.CAUSE
    )
    # To be shown otherwise is to be seen anew, and may bring another answer.
    for other in ("scale", "off_centre", "content"):
        assert judged(trial_of(other, elsewhere, right=0), accuracy=0.0)[0].verdict == Verdict.CAUSE


def test_what_changes_more_than_one_thing_shows_no_cause(judged, neighbourhood_of, trial_of):
    constant = neighbourhood_of("constant")
    mixed = dataclasses.replace(trial_of("content", constant, right=0), mixed=True)
    (line,) = judged(mixed)
    assert (line.verdict, line.rank) == (Verdict.MIXED, None)
    assert line.reason.endswith(
        ", but whole images differ in framing and surroundings too, so that this shows no cause."
    )
    little = dataclasses.replace(trial_of("content", neighbourhood_of("stripes 5")), mixed=True)
    assert judged(little)[0].verdict == Verdict.SMALL


def test_where_the_right_class_is_not_known(judged, neighbourhood_of, trial_of):
    """Neither now, nor before."""
    (line,) = judged(trial_of("content", neighbourhood_of("constant")), accuracy=0.5)
    assert line.verdict == Verdict.CAUSE
    assert "goes from 55.0% to 0%" in line.reason
    assert line.reason.endswith("; the model then says owl, 0.80.")
    (line,) = judged(trial_of("content", neighbourhood_of("constant"), right=1), accuracy=None)
    assert line.verdict == Verdict.CAUSE
    assert "still wrong" in line.reason


def test_earlier_questions_come_first(judged, neighbourhood_of, trial_of):
    """Usual framing before all, too little before controls, controls before a wrong model."""
    small = neighbourhood_of("stripes 5")
    assert judged(trial_of("scale", small, right=2, usual=True), accuracy=1.0)[0].verdict == Verdict.USUAL
    assert judged(trial_of("scale", small, right=2), accuracy=1.0)[0].verdict == Verdict.SMALL
    half = neighbourhood_of("stripes 4")
    assert judged(trial_of("scale", half, right=2), accuracy=1.0)[0].verdict == Verdict.NO_MORE
    assert (
        judged(trial_of("scale", half, right=2), accuracy=1.0, controls=("checkerboard",))[0].verdict == Verdict.WRONG
    )


def test_several_ways_of_one_intervention_are_taken_together(judged, neighbourhood_of, trial_of):
    """The mean of 0, 11 and 88 steps of 160 is 33; a neighbourhood alone would say something else."""
    ways = [neighbourhood_of(layout) for layout in ("constant", "boundary", "stripes 8")]
    (line,) = judged(trial_of("content", *ways), controls=("checkerboard",))
    assert line.fall.value == pytest.approx((88 - 33) / 160)
    assert line.after.p_top1_change.value == pytest.approx(33 / 160)
    # A fall that one of three does not have is seen when they are drawn again: none is in a 27th of the resamples.
    assert line.fall.low == pytest.approx(0, abs=0.05)
    alone, *_ = judged(trial_of("content", ways[1]))
    assert line.fall.high - line.fall.low > 1.2 * (alone.fall.high - alone.fall.low)


def test_fields_of_a_trial_are_handed_on(judged, neighbourhood_of, trial_of):
    trial = trial_of(
        "scale", neighbourhood_of("constant"), words="zoomed", made_up=0.25, fill="black", picture="pictures/a.png"
    )
    (line,) = judged(trial)
    assert (line.intervention, line.made_up, line.fill, line.picture) == ("zoomed", 0.25, "black", "pictures/a.png")


def test_the_seed_decides_the_intervals(judged, neighbourhood_of, trial_of):
    before = neighbourhood_of(np.random.default_rng(0).integers(0, 2, (9, 9)))
    trial = trial_of("content", neighbourhood_of("boundary"))
    one, again, other = (judged(trial, before=before, seed=seed)[0] for seed in (1, 1, 2))
    assert one == again
    assert one.fall != other.fall
    assert one.fall_beyond_controls != other.fall_beyond_controls
    assert one.verdict == other.verdict


def test_both_together_are_covered_where_one_is_enough(judged, neighbourhood_of, trial_of):
    for alone in ("off_centre", "scale"):
        trials = [
            trial_of(alone, neighbourhood_of("boundary"), right=0),
            trial_of("framing", neighbourhood_of("constant"), right=0),
        ]
        for order in (trials, trials[::-1]):
            lines = judged(*order)
            assert [(line.cause, line.verdict, line.rank) for line in lines] == [
                (alone, Verdict.CAUSE, 1),
                ("framing", Verdict.COVERED, None),
            ]
            assert "alone is enough" in lines[1].reason
            assert lines[1].fall.value == STRIPES_8


def test_both_together_are_a_cause_where_neither_is_enough(judged, neighbourhood_of, trial_of):
    other = neighbourhood_of("stripes 5")
    trials = [
        trial_of("off_centre", other),
        trial_of("scale", other),
        trial_of("framing", neighbourhood_of("constant")),
    ]
    assert [(line.cause, line.verdict) for line in judged(*trials)] == [
        ("framing", Verdict.CAUSE),
        ("off_centre", Verdict.SMALL),
        ("scale", Verdict.SMALL),
    ]
    # Another cause covers nothing, and what is no cause anyway is not covered.
    trials = [trial_of("content", neighbourhood_of("constant")), trial_of("framing", neighbourhood_of("boundary"))]
    assert [line.verdict for line in judged(*trials)] == [Verdict.CAUSE, Verdict.CAUSE]
    trials = [trial_of("scale", neighbourhood_of("constant")), trial_of("framing", other)]
    assert [line.verdict for line in judged(*trials)] == [Verdict.CAUSE, Verdict.SMALL]


def test_causes_in_their_order(judged, neighbourhood_of, trial_of):
    """Right or not known before still wrong; then the larger fall; then the more certain."""
    boundary, stripes = neighbourhood_of("boundary"), neighbourhood_of("stripes 2")
    trials = [
        trial_of("off_centre", neighbourhood_of("constant", p=0.95), right=None),
        trial_of("content", neighbourhood_of("constant", p=0.9), right=0),
        trial_of("undersampling", boundary, right=1),
        trial_of("fine_detail", stripes, right=0),
        trial_of("scale", neighbourhood_of("constant", p=0.99), right=1),
    ]
    expected = ["off_centre", "content", "undersampling", "fine_detail", "scale"]
    rng = np.random.default_rng(0)
    for _ in range(12):
        lines = judged(*[trials[number] for number in rng.permutation(5)], controls=("checkerboard",), accuracy=0.0)
        assert [line.cause for line in lines] == expected
        assert [line.rank for line in lines] == [1, 2, 3, 4, 5]


def test_what_is_no_cause_in_its_order(line_of, judged):
    verdicts = (
        Verdict.CAUSE,
        Verdict.WRONG,
        Verdict.ELSEWHERE,
        Verdict.MIXED,
        Verdict.NO_MORE,
        Verdict.SMALL,
        Verdict.COVERED,
        Verdict.MORE,
        Verdict.USUAL,
        Verdict.NOT_TRIED,
    )
    assert set(verdicts) == set(Verdict)
    lines = [
        line_of(cause, verdict)
        for cause, verdict in zip([*Cause, "content", "scale", "framing"], verdicts, strict=True)
    ]
    rng = np.random.default_rng(0)
    for _ in range(20):
        found = ranked([lines[number] for number in rng.permutation(len(lines))])
        assert [line.verdict for line in found] == list(verdicts)
        assert [line.rank for line in found] == [1] + [None] * 9


def test_a_coin_toss_is_the_last_cause(line_of, stability_at):
    wrong = dataclasses.replace(line_of("content"), after=stability_at(0.125, right=False))
    lines = [line_of("coin_toss", after=None), line_of("fine_detail", Verdict.SMALL), wrong, line_of("scale")]
    found = ranked(lines)
    assert [line.cause for line in found] == ["scale", "content", "coin_toss", "fine_detail"]
    assert [line.rank for line in found] == [1, 2, 3, None]
    assert [dataclasses.replace(line, rank=None) for line in found] == [lines[3], lines[2], lines[0], lines[1]]


def test_a_coin_toss_is_no_less_stable_than_its_margin():
    own, usual = Estimate(0.4, 0.3, 0.5), Estimate(0.25, 0.2, 0.3)
    line = judge_coin_toss((usual, 40), own, 0.0625, "on its sweep")
    assert (line.cause, line.verdict, line.expected, line.after, line.rank) == (
        "coin_toss",
        Verdict.CAUSE,
        usual,
        None,
        None,
    )
    assert line.reason == (
        "On its sweep its top-1 class changes in 40.0% (95% interval 30.0% to 50.0%) of the steps; the 40 test images "
        "with the margin nearest to its 0.062 change in 25.0% (95% interval 20.0% to 30.0%), no less."
    )
    more = judge_coin_toss((usual, 40), Estimate(0.4, 0.301, 0.5), 0.5, "here")
    assert (more.verdict, more.expected) == (Verdict.MORE, usual)
    assert more.reason.startswith("Here its top-1")
    assert more.reason.endswith("30.0%), less.")
    below = judge_coin_toss((Estimate(0.9, 0.8, 1.0), 40), own, 0.5, "here")
    assert below.verdict == Verdict.CAUSE


def test_a_coin_toss_needs_other_images():
    line = judge_coin_toss(None, Estimate(0.4, 0.3, 0.5), 0.5, "here")
    assert (line.verdict, line.expected) == (Verdict.NOT_TRIED, None)
    assert "fewer than 20" in line.reason


def test_stability_of_one_neighbourhood(neighbourhood_of, class_names):
    stability = stability_of([neighbourhood_of("boundary", p=0.75)], class_names, [0])
    assert stability.p_top1_change.value == BOUNDARY
    assert 0 < stability.p_top1_change.low < BOUNDARY < stability.p_top1_change.high < 1 / 8
    # At each of the 11 changes the class that was on top falls from 0.75 to 0.125.
    assert stability.mac.value == pytest.approx(BOUNDARY * 0.625)
    assert stability.mac.low == pytest.approx(stability.p_top1_change.low * 0.625)
    prediction = stability.prediction
    assert (prediction.class_index, prediction.name) == (1, "snow owl")
    assert prediction.probability == pytest.approx((5 * 0.75 + 4 * 0.125) / 9)
    assert (prediction.is_right, prediction.accuracy) == (False, 4 / 9)
    assert stability_of([neighbourhood_of("boundary")], class_names, [1]).prediction.is_right is True


def test_stability_without_a_right_class(neighbourhood_of, class_names):
    constant = neighbourhood_of("constant")
    for neighbourhoods, rights in (([constant], [None]), ([constant, constant], [0, None])):
        prediction = stability_of(neighbourhoods, class_names, rights).prediction
        assert (prediction.is_right, prediction.accuracy) == (None, None)
        assert prediction.name == "owl"


def test_stability_of_several_neighbourhoods(neighbourhood_of, class_names):
    layouts = [neighbourhood_of("boundary", p=0.75), neighbourhood_of("constant", p=0.5), neighbourhood_of("constant")]

    def of(rights):
        return stability_of(layouts, class_names, rights)

    stability = of([1, 0, 2])
    assert stability.p_top1_change.value == pytest.approx(BOUNDARY / 3)
    prediction = stability.prediction
    assert (prediction.class_index, prediction.name) == (1, "snow owl, owl")
    assert prediction.probability == pytest.approx(((5 * 0.75 + 4 * 0.125) / 9 + 0.5 + 0.8) / 3)
    assert prediction.accuracy == pytest.approx((5 / 9 + 1 + 0) / 3)
    # Two of three are right, then one.
    assert prediction.is_right is True
    assert of([2, 0, 2]).prediction.is_right is False
    assert stability_of(layouts[:2], class_names, [1, 2]).prediction.is_right is False


def test_stability_is_seeded(neighbourhood_of, class_names):
    board = neighbourhood_of("stripes 3")
    one, again, other = (stability_of([board], class_names, [0], seed) for seed in (1, 1, 2))
    assert one == again
    assert one.p_top1_change != other.p_top1_change
    assert one.prediction == other.prediction
