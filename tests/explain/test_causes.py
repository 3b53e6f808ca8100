"""Verdicts, reasons and order, on sweeps whose P(top-1 change) is known by counting."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bias_toolkit.explain.causes import difference, in_order, judge, judge_coin_toss, over_trials, stability_of
from bias_toolkit.explain.record import Cause, Estimate, Verdict
from bias_toolkit.foundation.intervals import clopper_pearson, difference_limits

BOUNDARY = 11 / 160


class Drawn:
    """Sweeps with these values of P(top-1 change) and MAC, float (S,), and one class on all views."""

    def __init__(self, changes, macs, top=0):
        self.changes, self.macs = np.asarray(changes, float), np.asarray(macs, float)
        self.classes = {top}
        self.centre = self.mean_prediction = np.where(np.arange(3) == top, 0.8, 0.1)

    def accuracy(self, class_index):
        return float(class_index in self.classes)


def spread(mean, n=24):
    """Values that vary about a mean, in an order of their own."""
    half = min(mean, 0.1)
    return mean + half * np.random.default_rng(round(1000 * mean)).permutation(np.linspace(-1, 1, n))


CONTROLS = Drawn(spread(0.4), spread(0.2))


@pytest.fixture(scope="module")
def judged():
    """A function that judges interventions by their P(top-1 change) and MAC; the controls have 40% and 0.2."""

    def run(*trials, accuracy=None, classes=frozenset({0, 1}), controls=CONTROLS, seed=0):
        return judge(controls, accuracy, trials, set(classes), seed)

    return run


@pytest.fixture(scope="module")
def left(trial_of):
    """A function that gives a trial after which P(top-1 change) and MAC vary about these means."""

    def make(cause, changes, macs=0.05, top=0, **fields):
        return trial_of(cause, Drawn(spread(changes), spread(macs), top), **fields)

    return make


@pytest.fixture(scope="module")
def still(trial_of):
    """A function that gives a trial after which no class changes, and MAC is small."""

    def make(cause, top=0, **fields):
        return trial_of(cause, Drawn(np.zeros(24), spread(0.05), top), **fields)

    return make


def test_half_is_gone_at_least(judged, left):
    """Exactly half in these trials is enough, less is not."""
    (line,) = judged(left("content", 0.2))
    assert (line.verdict, line.rank, line.cause, line.intervention) == (Verdict.CAUSE, 1, "content", "something done")
    assert (line.fall.value, line.mac_fall.value) == pytest.approx((0.2, 0.15))
    (line,) = judged(left("content", 0.2001))
    assert (line.verdict, line.rank) == (Verdict.PARTLY, None)
    assert line.fall.low > 0
    assert line.reason == (
        "P(top-1 change) falls, but by less than half in these trials. The removal of a cause takes half away."
    )


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (0.4, "No fall of P(top-1 change) was found: its interval includes 0."),
        (0.7, "P(top-1 change) rises."),
    ],
)
def test_what_does_not_fall_is_no_cause(judged, left, after, reason):
    (line,) = judged(left("content", after))
    assert (line.verdict, line.reason, line.rank) == (Verdict.NOT_FOUND, reason, None)
    assert (line.fall.high < 0) == (after > 0.4)


@pytest.mark.parametrize(("fallen", "verdict"), [(1, Verdict.NOT_FOUND), (20, Verdict.CAUSE)])
def test_found_is_what_the_interval_shows(judged, trial_of, fallen, verdict):
    """Controls that change in few trials cannot fall by much, and the exact interval says so, even if all is gone."""
    changes = np.where(np.arange(24) < fallen, 0.75, 0.0)
    trial = trial_of("content", Drawn(np.zeros(24), spread(0.05)))
    (line,) = judged(trial, controls=Drawn(changes, spread(0.2)))
    assert line.verdict == verdict
    assert line.fall.value == pytest.approx(changes.mean())
    assert (line.fall.low > 0) == (verdict == Verdict.CAUSE)


def test_the_fall_to_0_has_the_error_of_both_sides(judged, still):
    """0 of 24 trials is at most 14%: that is more than the controls' own error."""
    (line,) = judged(still("content"))
    before, after = over_trials(CONTROLS.changes), over_trials(np.zeros(24))
    assert after.high == pytest.approx(clopper_pearson(0, 24)[1])
    assert (line.fall.low, line.fall.high) == pytest.approx(difference_limits(before, after))
    assert line.fall.value - line.fall.low > after.high


def test_the_intervals_of_several_interventions_hold_together(judged, left):
    alone = judged(left("scale", 0.1))[0].fall
    both = [line.fall for line in judged(left("scale", 0.1), left("content", 0.39))]
    assert both[0].low < alone.low
    assert alone.high < both[0].high


@settings(max_examples=60, deadline=None)
@given(arrays(float, (2, 24), elements=st.sampled_from([0.0, 0.125, 0.5, 1.0])))
def test_no_difference_is_without_width_or_outside_its_range(values):
    found = difference(*values)
    assert found.value == pytest.approx(values[0].mean() - values[1].mean())
    assert -1 <= found.low < found.high <= 1
    assert found.low - 1e-9 <= found.value <= found.high + 1e-9


def test_a_difference_that_is_the_same_in_all_trials_has_an_interval():
    """Also where rounding makes it differ by 1e-17."""
    first = spread(0.4)
    found = difference(first, first - 0.1)
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(0.1)


def test_intervals_of_a_fall_cover_it():
    """600 sets of trials whose true fall is known: of common changes, and down to rare ones."""
    rng = np.random.default_rng(3)
    for before, after in ((0.4, 0.2), (0.4, 0.01), (0.1, 0.0)):
        drawn = [(rng.binomial(8, before, 24) / 8, rng.binomial(8, after, 24) / 8) for _ in range(200)]
        found = [difference(*pair, seed=seed) for seed, pair in enumerate(drawn)]
        assert np.mean([one.low <= before - after <= one.high for one in found]) >= 0.92


def test_what_moves_as_before_is_no_cause(judged, trial_of):
    """No class changes any more, but the probability of the top class moves as much: only the margin has grown."""
    for macs, words in (
        (0.2, "that the response is calmer was not found: the interval of MAC's fall includes 0."),
        (0.5, "the response is more restless: MAC rises."),
    ):
        (line,) = judged(trial_of("scale", Drawn(np.zeros(24), spread(macs)), right=0))
        assert (line.verdict, line.rank) == (Verdict.NOT_CALM, None)
        assert line.reason == (
            f"P(top-1 change) falls, but {words} The top class may only be farther ahead of the others."
        )
        assert (line.mac_fall.high < 0) == (macs == 0.5)
    assert judged(trial_of("scale", Drawn(np.zeros(24), spread(0.1)), right=0))[0].verdict == Verdict.CAUSE


@pytest.mark.parametrize("accuracy", [0.5, 0.01])
def test_a_model_that_is_made_wrong(judged, still, accuracy):
    (line,) = judged(still("undersampling", right=1), accuracy=accuracy)
    assert (line.verdict, line.rank) == (Verdict.WRONG, None)
    assert line.reason == (
        f"P(top-1 change) falls, but the model is then right on 0% of the views, and on {100 * accuracy:.0f}% under "
        "the controls. Over all shifts it says owl."
    )


def test_a_model_that_was_never_right_is_still_wrong(judged, still):
    (line,) = judged(still("undersampling", right=1), accuracy=0.0)
    assert (line.verdict, line.rank) == (Verdict.CAUSE, 1)
    assert line.reason == (
        "P(top-1 change) and MAC fall. Over all shifts the model is then wrong: owl. So it is a cause, and no remedy."
    )


def test_a_model_that_is_right_and_one_whose_right_class_is_not_known(judged, still):
    calm = "P(top-1 change) and MAC fall. Over all shifts the model"
    assert judged(still("scale", right=0), accuracy=0.5)[0].reason == f"{calm} is then right: owl."
    assert judged(still("content"), accuracy=0.5)[0].reason == f"{calm} then says owl."


@pytest.mark.parametrize("cause", ["undersampling", "fine_detail"])
def test_a_weaker_signal_has_to_settle_on_an_answer_that_there_was(judged, still, cause):
    """The image wavers between classes 0 and 1; class 2 is none of its answers, unless it is the right one."""
    for right in (None, 0):
        (line,) = judged(still(cause, 2, right=right), accuracy=None if right is None else 0.0)
        assert (line.verdict, line.rank) == (Verdict.ELSEWHERE, None)
        assert line.reason.endswith("says a class that it gave to none of the views before: cat.")
    assert judged(still(cause, 2, right=2), accuracy=0.0)[0].verdict == Verdict.CAUSE
    assert judged(still(cause, 1, right=2), accuracy=0.0)[0].verdict == Verdict.CAUSE
    # To be shown otherwise is to be seen anew, and may bring another answer.
    for other in ("scale", "off_centre", "content"):
        assert judged(still(other, 2, right=0), accuracy=0.0)[0].verdict == Verdict.CAUSE


def test_what_changes_more_than_one_thing_shows_no_cause(judged, left, still):
    (line,) = judged(still("content", mixed=True))
    assert (line.verdict, line.rank) == (Verdict.MIXED, None)
    assert "whole images differ in framing and surroundings too" in line.reason
    assert judged(left("content", 0.4, mixed=True))[0].verdict == Verdict.NOT_FOUND


def test_earlier_questions_come_first(judged, left):
    """No fall before half, half before calm, calm before a wrong model."""
    wrong = {"right": 2}
    for after, macs, verdict in (
        (0.4, 0.2, Verdict.NOT_FOUND),
        (0.3, 0.2, Verdict.PARTLY),
        (0.15, 0.2, Verdict.NOT_CALM),
        (0.15, 0.05, Verdict.WRONG),
    ):
        assert judged(left("scale", after, macs, **wrong), accuracy=1.0)[0].verdict == verdict


def test_fields_of_a_trial_are_handed_on(judged, still):
    (line,) = judged(still("scale", words="zoomed", made_up=0.25, fill="black", picture="pictures/a.png"))
    assert (line.intervention, line.made_up, line.fill, line.picture) == ("zoomed", 0.25, "black", "pictures/a.png")


def test_the_seed_decides_the_intervals(judged, left):
    one, again, other = (judged(left("content", 0.1), seed=seed)[0] for seed in (1, 1, 2))
    assert one.fall == again.fall != other.fall
    assert one.verdict == other.verdict


def test_both_together_are_covered_where_one_is_enough(judged, still):
    for alone in ("off_centre", "scale"):
        trials = [still(alone, right=0), still("framing", right=0)]
        for order in (trials, trials[::-1]):
            lines = judged(*order)
            assert [(line.cause, line.verdict, line.rank) for line in lines] == [
                (alone, Verdict.CAUSE, 1),
                ("framing", Verdict.COVERED, None),
            ]
            assert "alone is enough" in lines[1].reason


def test_both_together_are_a_cause_where_neither_is_enough(judged, left, still):
    trials = [left("off_centre", 0.4), left("scale", 0.4), still("framing")]
    assert [(line.cause, line.verdict) for line in judged(*trials)] == [
        ("framing", Verdict.CAUSE),
        ("off_centre", Verdict.NOT_FOUND),
        ("scale", Verdict.NOT_FOUND),
    ]
    # Another cause covers nothing, and what is no cause anyway is not covered.
    assert [line.verdict for line in judged(still("content"), still("framing"))] == [Verdict.CAUSE, Verdict.CAUSE]
    verdicts = [line.verdict for line in judged(still("scale"), left("framing", 0.4))]
    assert verdicts == [Verdict.CAUSE, Verdict.NOT_FOUND]


@pytest.mark.parametrize(
    ("lefts", "ranks"),
    [
        # The difference of 2 points is in each of the trials, but the one of the third is not to be told apart.
        ({"scale": 0.02, "undersampling": 0.15}, [1, 2]),
        ({"scale": 0.1, "undersampling": 0.11, "content": 0.1}, [1, 1, 1]),
    ],
)
def test_causes_have_an_order_only_if_their_difference_does(judged, trial_of, lefts, ranks):
    rng = np.random.default_rng(5)
    drawn = {cause: np.clip(mean + rng.normal(0, 0.05, 24), 0, 1) for cause, mean in lefts.items()}
    trials = [trial_of(cause, Drawn(values, spread(0.05))) for cause, values in drawn.items()]
    for order in (trials, trials[::-1]):
        lines = judged(*order)
        assert [line.verdict for line in lines] == [Verdict.CAUSE] * len(lefts)
        assert [line.rank for line in lines] == ranks
        values = [line.after.p_top1_change.value for line in lines]
        assert values == sorted(values)


def test_strengths_of_one_cause_do_not_outrank_each_other(judged, left):
    lines = judged(left("fine_detail", 0.15), left("fine_detail", 0.1))
    assert [line.rank for line in lines] == [1, 1]


def test_lines_in_their_order(line_of):
    verdicts = (
        Verdict.CAUSE,
        Verdict.NOT_CALM,
        Verdict.WRONG,
        Verdict.ELSEWHERE,
        Verdict.MIXED,
        Verdict.PARTLY,
        Verdict.NOT_FOUND,
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
        line_of(cause, verdict, expected=Estimate(0.25) if verdict in compared else None, rank=1 if n == 0 else None)
        for n, (cause, verdict) in enumerate(zip([*Cause, *list(Cause)[:6]], verdicts, strict=True))
    ]
    rng = np.random.default_rng(0)
    for _ in range(20):
        found = in_order([lines[number] for number in rng.permutation(len(lines))])
        assert [line.verdict for line in found] == list(verdicts)


@pytest.mark.parametrize(
    ("own", "verdict", "words"),
    [
        (0.301, Verdict.MORE, "This image changes more often than they do on average."),
        (0.3, Verdict.LIKE_MARGIN, "That this image changes more often than they do on average was not found."),
        (0.2, Verdict.LIKE_MARGIN, "That this image changes more often than they do on average was not found."),
        (0.1, Verdict.LIKE_MARGIN, "This image changes less often than they do on average."),
    ],
)
def test_a_coin_toss_is_compared_with_the_interval_of_its_margin(own, verdict, words):
    """An association: it is never a cause, and its words say so. The image's own number has no interval."""
    usual = Estimate(0.25, 0.2, 0.3)
    line = judge_coin_toss((usual, 40, (0.05, 0.075)), own, 0.0625, "on its sweep")
    assert (line.cause, line.verdict, line.expected, line.after, line.rank) == (
        "coin_toss",
        verdict,
        usual,
        None,
        None,
    )
    assert line.reason == (
        f"On its sweep its top-1 class changes in {100 * own:.1f}% of the steps. The 40 test images with the margin "
        f"nearest to its 0.062 (0.050 to 0.075) change in 25.0% (95% interval 20.0% to 30.0%). {words} This is an "
        "association: its margin was not changed."
    )


def test_a_coin_toss_needs_other_images():
    line = judge_coin_toss(None, 0.4, 0.5, "here")
    assert (line.verdict, line.expected) == (Verdict.NOT_TRIED, None)
    assert "fewer than 20" in line.reason


def test_stability_of_one_neighbourhood(neighbourhood_of, class_names):
    """Columns 4 to 8 of 9 are snow owls, and the centre is one of these."""
    stability = stability_of(neighbourhood_of("boundary", p=0.75), class_names, 0)
    assert stability.p_top1_change.value == BOUNDARY
    assert 0 <= stability.p_top1_change.low < BOUNDARY < stability.p_top1_change.high
    # At each of the 11 changes the class that was on top falls from 0.75 to 0.125.
    assert stability.mac.value == pytest.approx(BOUNDARY * 0.625)
    over, centre = stability.over_shifts, stability.centre_view
    assert (over.class_index, over.name, over.is_right) == (1, "snow owl", False)
    assert over.probability == pytest.approx((5 * 0.75 + 4 * 0.125) / 9)
    assert (centre.class_index, centre.name, centre.probability, centre.is_right) == (1, "snow owl", 0.75, False)
    assert stability.accuracy == 4 / 9
    assert stability_of(neighbourhood_of("boundary"), class_names, 1).over_shifts.is_right is True


def test_the_centre_view_can_have_another_class_than_all_shifts(neighbourhood_of, class_names):
    """One view in the middle of 81 is an owl, all around it are snow owls."""
    grid = np.ones((9, 9), int)
    grid[4, 4] = 0
    stability = stability_of(neighbourhood_of(grid), class_names, 0)
    assert (stability.centre_view.name, stability.centre_view.is_right) == ("owl", True)
    assert (stability.over_shifts.name, stability.over_shifts.is_right) == ("snow owl", False)
    assert stability.accuracy == 1 / 81


def test_steps_that_were_not_drawn_have_no_interval(neighbourhood_of, class_names):
    stability = stability_of(neighbourhood_of("boundary"), class_names, 0, drawn=False)
    assert stability.p_top1_change == Estimate(BOUNDARY, None, None)
    assert (stability.mac.low, stability.mac.high) == (None, None)


def test_stability_without_a_right_class(neighbourhood_of, class_names):
    stability = stability_of(neighbourhood_of("constant"), class_names, None)
    for prediction in (stability.centre_view, stability.over_shifts):
        assert (prediction.is_right, prediction.name) == (None, "owl")
    assert stability.accuracy is None


def test_stability_is_seeded(class_names):
    drawn = Drawn(spread(0.4), spread(0.2))
    one, again, *others = (stability_of(drawn, class_names, 0, seed) for seed in (1, 1, *range(2, 9)))
    assert one == again
    assert any(one.mac != other.mac for other in others)
    assert all(one.over_shifts == other.over_shifts for other in others)
