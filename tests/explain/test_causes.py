"""Verdicts, reasons and order, on neighbourhoods whose P(top-1 change) is known by counting."""

import dataclasses

import numpy as np
import pytest

from bias_toolkit.explain.causes import judge, judge_coin_toss, ranked, stability_of
from bias_toolkit.explain.neighbourhood import Neighbourhood
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
    # At each change the class that was on top falls from 0.8 to 0.1.
    assert line.mac_fall.value == pytest.approx(0.7 * (STRIPES_8 - STRIPES_4))
    assert line.reason == "MAC falls too. Over all shifts the model is then right: owl."
    (line,) = judged(more, controls=board)
    assert (line.verdict, line.rank) == (Verdict.SMALL, None)
    assert line.reason == "Not even half of the class changes are clearly gone."


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
    assert line.reason.endswith("than half as many as after changes of brightness and contrast, which remove no cause.")
    assert line.fall_beyond_controls.value == pytest.approx(STRIPES_8 - STRIPES_4)
    (line,) = judged(trial, controls=("stripes 8", "checkerboard"))
    assert line.verdict == Verdict.CAUSE
    (line,) = judged(trial_of("content", neighbourhood_of("boundary")), controls=("boundary", "stripes 2"))
    assert line.verdict == Verdict.NO_MORE


def test_usual_framing_is_no_cause(judged, neighbourhood_of, trial_of):
    for cause, word in (
        ("off_centre", "off centre"),
        ("scale", "too small nor too large"),
        ("framing", "position and its scale"),
    ):
        (line,) = judged(trial_of(cause, neighbourhood_of("constant"), right=0, excluded=Verdict.USUAL))
        assert (line.verdict, line.rank) == (Verdict.USUAL, None)
        assert word in line.reason
        assert line.fall.value == STRIPES_8


@pytest.mark.parametrize("accuracy", [0.5, 0.01])
def test_a_model_that_is_made_wrong(judged, neighbourhood_of, trial_of, accuracy):
    (line,) = judged(trial_of("undersampling", neighbourhood_of("constant"), right=1), accuracy=accuracy)
    assert (line.verdict, line.rank) == (Verdict.WRONG, None)
    assert line.reason.endswith("the model is then wrong more often. Over all shifts it says owl.")


def test_a_model_that_was_never_right_is_still_wrong(judged, neighbourhood_of, trial_of):
    (line,) = judged(trial_of("undersampling", neighbourhood_of("constant"), right=1), accuracy=0.0)
    assert (line.verdict, line.rank) == (Verdict.CAUSE, 1)
    assert line.reason.endswith("Over all shifts the model is still wrong: owl. So it is a cause, and no remedy.")


def test_a_model_that_is_wrong_as_often_is_not_made_wrong(judged, neighbourhood_of, trial_of):
    """Right on as many views as before: wrong in its mean prediction is no news."""
    trial = trial_of("scale", neighbourhood_of("boundary"), right=0)
    assert (trial.stability.over_shifts.is_right, trial.stability.accuracy) == (False, 4 / 9)
    assert [line.verdict for line in judged(trial, accuracy=4 / 9)] == [Verdict.CAUSE]
    assert [line.verdict for line in judged(trial, accuracy=4 / 9 + 0.01)] == [Verdict.WRONG]


@pytest.mark.parametrize("cause", ["undersampling", "fine_detail"])
def test_a_weaker_signal_has_to_settle_on_an_answer_that_there_was(judged, neighbourhood_of, trial_of, cause):
    """The image wavers between classes 0 and 1; class 2 is none of its answers, unless it is the right one."""
    elsewhere = neighbourhood_of(np.full((9, 9), 2))
    for right in (None, 0):
        (line,) = judged(trial_of(cause, elsewhere, right=right), accuracy=None if right is None else 0.0)
        assert (line.verdict, line.rank) == (Verdict.ELSEWHERE, None)
        assert line.reason.endswith("says a class that it gave to none of the views before: cat.")
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
    assert "whole images differ in framing and surroundings too" in line.reason
    little = dataclasses.replace(trial_of("content", neighbourhood_of("stripes 5")), mixed=True)
    assert judged(little)[0].verdict == Verdict.SMALL


def test_where_the_right_class_is_not_known(judged, neighbourhood_of, trial_of):
    """Neither now, nor before."""
    (line,) = judged(trial_of("content", neighbourhood_of("constant")), accuracy=0.5)
    assert line.verdict == Verdict.CAUSE
    assert line.reason.endswith("MAC falls too. Over all shifts the model then says owl.")
    (line,) = judged(trial_of("content", neighbourhood_of("constant"), right=1), accuracy=None)
    assert line.verdict == Verdict.CAUSE
    assert "still wrong" in line.reason


def test_earlier_questions_come_first(judged, neighbourhood_of, trial_of):
    """Usual framing before all, too little before controls, controls before a wrong model."""
    small = neighbourhood_of("stripes 5")
    usual = trial_of("scale", small, right=2, excluded=Verdict.USUAL)
    assert judged(usual, accuracy=1.0)[0].verdict == Verdict.USUAL
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
    # The interval is over sweeps, each of which counts with its mean over the three.
    assert 0 < line.fall.low < line.fall.value < line.fall.high


def test_fields_of_a_trial_are_handed_on(judged, neighbourhood_of, trial_of):
    trial = trial_of(
        "scale", neighbourhood_of("constant"), words="zoomed", made_up=0.25, fill="black", picture="pictures/a.png"
    )
    (line,) = judged(trial)
    assert (line.intervention, line.made_up, line.fill, line.picture) == ("zoomed", 0.25, "black", "pictures/a.png")


def test_the_seed_decides_the_intervals(judged, neighbourhood_of, trial_of):
    before = neighbourhood_of(np.random.default_rng(0).integers(0, 2, (9, 9)))
    trial = trial_of("content", neighbourhood_of("boundary"))
    controls = (np.random.default_rng(1).integers(0, 2, (9, 9)),)
    one, again, other = (judged(trial, before=before, controls=controls, seed=seed)[0] for seed in (1, 1, 2))
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
        Verdict.NOT_CALM,
        Verdict.WRONG,
        Verdict.ELSEWHERE,
        Verdict.MIXED,
        Verdict.NO_MORE,
        Verdict.SMALL,
        Verdict.COVERED,
        Verdict.LIKE_MARGIN,
        Verdict.MORE,
        Verdict.ENLARGED,
        Verdict.USUAL,
        Verdict.NOT_TRIED,
    )
    assert set(verdicts) == set(Verdict)
    compared = (Verdict.LIKE_MARGIN, Verdict.MORE)
    lines = [
        line_of(cause, verdict, expected=Estimate(0.25) if verdict in compared else None)
        for cause, verdict in zip([*Cause, *list(Cause)[:6]], verdicts, strict=True)
    ]
    rng = np.random.default_rng(0)
    for _ in range(20):
        found = ranked([lines[number] for number in rng.permutation(len(lines))])
        assert [line.verdict for line in found] == list(verdicts)
        assert [line.rank for line in found] == [1] + [None] * 12


def test_what_moves_as_before_is_no_cause(judged, neighbourhood_of, trial_of):
    """No class changes any more, but the probability of the top class moves as much: only the margin has grown."""
    before = neighbourhood_of("stripes 8", p=0.5)
    grid = np.arange(81).reshape(9, 9) % 2
    moving = np.full((81, 3), 0.1)
    moving[:, 0] = np.where(grid.ravel(), 0.9, 0.9 - 0.25)
    moving[:, 1] = 1 - 0.1 - moving[:, 0]
    restless, calm = Neighbourhood(moving), neighbourhood_of("constant", p=0.9)
    assert restless.macs.mean() > before.macs.mean() > 0.1
    assert not restless.changes.any()
    (line,) = judged(trial_of("scale", restless, right=0), before=before)
    assert (line.verdict, line.rank) == (Verdict.NOT_CALM, None)
    assert line.fall.low > 0
    assert line.mac_fall.low < 0
    assert "the response did not calm: MAC did not clearly fall" in line.reason
    (line,) = judged(trial_of("scale", calm, right=0), before=before)
    assert (line.verdict, line.mac_fall.value) == (Verdict.CAUSE, before.macs.mean())


@pytest.mark.parametrize(("calmer", "verdict"), [(0, Verdict.NOT_CALM), (1, Verdict.NOT_CALM), (10, Verdict.CAUSE)])
def test_the_interval_of_macs_fall_decides(judged, neighbourhood_of, trial_of, calmer, verdict):
    """Some of the 20 sweeps move less by 0.1. Of one alone, more than a third of the resamples has none."""
    before, after = neighbourhood_of("stripes 8", p=0.5), neighbourhood_of("constant")
    after.macs = before.macs - 0.1 * (np.arange(20) < calmer)
    (line,) = judged(trial_of("scale", after, right=0), before=before)
    assert line.verdict == verdict
    assert line.mac_fall.value == pytest.approx(calmer / 200)
    assert (line.mac_fall.low > 0) == (verdict == Verdict.CAUSE)


def test_an_enlarged_image_has_no_fine_detail_whatever_the_blur_does(judged, neighbourhood_of, trial_of):
    for layout in ("constant", "stripes 5"):
        (line,) = judged(trial_of("fine_detail", neighbourhood_of(layout), right=0, excluded=Verdict.ENLARGED))
        assert (line.verdict, line.rank) == (Verdict.ENLARGED, None)
        assert "enlarged, so it has no detail as fine as its pixels" in line.reason


def test_a_coin_toss_changes_as_often_as_its_margin_lets_expect():
    """An association: it is never a cause, and its words say so."""
    own, usual = Estimate(0.4, 0.3, 0.5), Estimate(0.25, 0.2, 0.3)
    line = judge_coin_toss((usual, 40), own, 0.0625, "on its sweep")
    assert (line.cause, line.verdict, line.expected, line.after, line.rank) == (
        "coin_toss",
        Verdict.LIKE_MARGIN,
        usual,
        None,
        None,
    )
    assert line.reason == (
        "On its sweep its top-1 class changes in 40.0% (95% interval 30.0% to 50.0%) of the steps. The 40 test images "
        "with the margin nearest to its 0.062 change in 25.0% (95% interval 20.0% to 30.0%). This image does not "
        "clearly change more often. This is an association: its margin was not changed."
    )
    more = judge_coin_toss((usual, 40), Estimate(0.4, 0.301, 0.5), 0.5, "here")
    assert (more.verdict, more.expected) == (Verdict.MORE, usual)
    assert more.reason.startswith("Here its top-1")
    assert "This image changes more often." in more.reason
    below = judge_coin_toss((Estimate(0.9, 0.8, 1.0), 40), own, 0.5, "here")
    assert below.verdict == Verdict.LIKE_MARGIN


def test_a_coin_toss_needs_other_images():
    line = judge_coin_toss(None, Estimate(0.4, 0.3, 0.5), 0.5, "here")
    assert (line.verdict, line.expected) == (Verdict.NOT_TRIED, None)
    assert "fewer than 20" in line.reason


def test_stability_of_one_neighbourhood(neighbourhood_of, class_names):
    """Columns 4 to 8 of 9 are snow owls, and the centre is one of these."""
    stability = stability_of([neighbourhood_of("boundary", p=0.75)], class_names, [0])
    assert stability.p_top1_change.value == BOUNDARY
    assert 0 < stability.p_top1_change.low < BOUNDARY < stability.p_top1_change.high < 1 / 8
    # At each of the 11 changes the class that was on top falls from 0.75 to 0.125.
    assert stability.mac.value == pytest.approx(BOUNDARY * 0.625)
    assert stability.mac.low == pytest.approx(stability.p_top1_change.low * 0.625)
    over, centre = stability.over_shifts, stability.centre_view
    assert (over.class_index, over.name, over.is_right) == (1, "snow owl", False)
    assert over.probability == pytest.approx((5 * 0.75 + 4 * 0.125) / 9)
    assert (centre.class_index, centre.name, centre.probability, centre.is_right) == (1, "snow owl", 0.75, False)
    assert stability.accuracy == 4 / 9
    assert stability_of([neighbourhood_of("boundary")], class_names, [1]).over_shifts.is_right is True


def test_the_centre_view_can_have_another_class_than_all_shifts(neighbourhood_of, class_names):
    """One view in the middle of 81 is an owl, all around it are snow owls."""
    grid = np.ones((9, 9), int)
    grid[4, 4] = 0
    stability = stability_of([neighbourhood_of(grid)], class_names, [0])
    assert (stability.centre_view.name, stability.centre_view.is_right) == ("owl", True)
    assert (stability.over_shifts.name, stability.over_shifts.is_right) == ("snow owl", False)
    assert stability.accuracy == 1 / 81


def test_stability_without_a_right_class(neighbourhood_of, class_names):
    constant = neighbourhood_of("constant")
    for neighbourhoods, rights in (([constant], [None]), ([constant, constant], [0, None])):
        stability = stability_of(neighbourhoods, class_names, rights)
        for prediction in (stability.centre_view, stability.over_shifts):
            assert (prediction.is_right, prediction.name) == (None, "owl")
        assert stability.accuracy is None


def test_stability_of_several_neighbourhoods(neighbourhood_of, class_names):
    layouts = [neighbourhood_of("boundary", p=0.75), neighbourhood_of("constant", p=0.5), neighbourhood_of("constant")]

    def of(rights):
        return stability_of(layouts, class_names, rights)

    stability = of([1, 0, 2])
    assert stability.p_top1_change.value == pytest.approx(BOUNDARY / 3)
    over, centre = stability.over_shifts, stability.centre_view
    assert (over.class_index, over.name) == (centre.class_index, centre.name) == (1, "snow owl, owl")
    assert over.probability == pytest.approx(((5 * 0.75 + 4 * 0.125) / 9 + 0.5 + 0.8) / 3)
    assert centre.probability == pytest.approx((0.75 + 0.5 + 0.8) / 3)
    assert stability.accuracy == pytest.approx((5 / 9 + 1 + 0) / 3)
    # Two of three are right, then one.
    assert over.is_right is True
    assert of([2, 0, 2]).over_shifts.is_right is False
    assert stability_of(layouts[:2], class_names, [1, 2]).over_shifts.is_right is False


def test_stability_is_seeded(neighbourhood_of, class_names):
    board = neighbourhood_of("stripes 3")
    one, again, *others = (stability_of([board], class_names, [0], seed) for seed in (1, 1, *range(2, 9)))
    assert one == again
    assert any(one.mac != other.mac for other in others)
    assert all(one.over_shifts == other.over_shifts for other in others)
