"""Every branch of what can be said about distance and framing against invariance."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.analysis import median_interval
from bias_toolkit.analysis.schema import LOSSES, ODDS_RATIOS
from bias_toolkit.report import topic_findings
from bias_toolkit.report.relations.findings import relation
from bias_toolkit.report.relations.tables import Relations
from bias_toolkit.report.topics.distance.findings import NEAREST, distance_answer, gather
from bias_toolkit.report.topics.distance.section import AT_AN_END, PHOTOGRAPHS, opening_curve, shown_images
from bias_toolkit.report.topics.framing_effect import FRAMING_VARIABLES

POSITIVE, NULL, NEGATIVE = (0.22, 0.16, 0.28), (0.02, -0.04, 0.08), (-0.22, -0.28, -0.16)


def correlations(plain, partial=None, within=None, distance="nn_distance", measure="p_top1_change", n=1000):
    rows = []
    for kind, values in (("plain", plain), ("partial", partial), ("within class", within)):
        if values is not None:
            rho, low, high = values
            rows.append(
                {
                    "distance": distance,
                    "measure": measure,
                    "kind": kind,
                    "rho": rho,
                    "low": low,
                    "high": high,
                    "p_value": 0.0005,
                    "n": n,
                }
            )
    return rows


@pytest.fixture
def found():
    """The finding on distance, from rows of CORRELATIONS."""

    def find(rows, variable=NEAREST, measure="p_top1_change", curves=(), per_image=None, rank=None):
        per_image = pd.DataFrame() if per_image is None else per_image
        relations = Relations(per_image, pd.DataFrame(rows), pd.DataFrame(curves), 10, "")
        return relation(relations, variable, measure, rank)

    return find


FARTHER = "The farther an image is from its nearest training image"
NOUN = "an image's distance from its nearest training image"
ALIKE = "mong images of similar confidence"
HIGHER, LOWER = (f"the {word} the image’s P(top-1 change)" for word in ("higher", "lower"))
WEAK = (0.05, 0.01, 0.09)
VERDICTS = [
    (POSITIVE, (0.09, 0.03, 0.15), "association", f"{FARTHER}, {HIGHER}, also a{ALIKE}."),
    (NEGATIVE, (-0.09, -0.15, -0.03), "association", f"{FARTHER}, {LOWER}, also a{ALIKE}."),
    (POSITIVE, WEAK, "association", f"{FARTHER}, {HIGHER}, slightly so also a{ALIKE}."),
    # At a third of the plain ρ, what remains is not called slight any more.
    ((0.3, 0.2, 0.4), (0.1, 0.05, 0.15), "association", f"{FARTHER}, {HIGHER}, also a{ALIKE}."),
    ((0.3, 0.2, 0.4), (0.0999, 0.05, 0.15), "association", f"{FARTHER}, {HIGHER}, slightly so also a{ALIKE}."),
    (POSITIVE, NULL, "explained", f"{FARTHER}, {HIGHER}."),
    (NEGATIVE, NULL, "explained", f"{FARTHER}, {LOWER}."),
    (POSITIVE, NEGATIVE, "association", f"A{ALIKE}, the farther an image is from its nearest training image, {LOWER}; "
     "among all images it is the other way round."),
    (NULL, NULL, "none", f"No relation between {NOUN} and P(top-1 change) was found."),
    (NULL, POSITIVE, "association", f"A{ALIKE}, the farther an image is from its nearest training image, {HIGHER}."),
    # At the boundary, an interval that begins or ends at 0 includes it.
    ((0.1, 0.0, 0.2), (0.1, 0.0, 0.2), "none", f"No relation between {NOUN} and P(top-1 change) was found."),
]  # fmt: skip


def numbers_of(values):
    rho, low, high = (f"{value:.2f}".replace("-", "−") for value in values)
    return f"{rho} (95% interval {low} to {high}; 1,000 images)"


def follows(finding):
    """Whether the verdict is that of the estimate: found if, and only if, its interval excludes nothing."""
    return {"association": 1, "effect": 1, "explained": 1, "none": 0}[finding.kind] == abs(finding.estimate.direction)


@pytest.mark.parametrize(("plain", "partial", "kind", "claim"), VERDICTS)
def test_verdicts(found, plain, partial, kind, claim):
    finding = found(correlations(plain, partial))
    assert finding.kind == kind
    assert finding.claim == claim
    assert follows(finding)
    assert not re.search(r"\d", finding.claim.replace("top-1", ""))
    assert finding.figure == "distance-p-top1-change"
    among_all, given = f"Spearman’s ρ {numbers_of(plain)}", f"held constant {numbers_of(partial)}"
    if kind == "explained":
        assert finding.estimate.text == among_all
        first = f"A{ALIKE}, this was not found: Spearman’s ρ with the model’s confidence {given}."
        assert finding.evidence.startswith(first)
    else:
        assert finding.estimate.text.endswith(given)
        assert finding.evidence.startswith(f"Among all images: {among_all}.")


LESS, MORE, NOT = (1.4, 1.12, 1.75), (0.7, 0.55, 0.89), (1.05, 0.93, 1.19)
CLEAR = {
    (1, 1, 1): "Images far from the training set are less stable, also a{alike}.",
    (-1, -1, -1): "Images far from the training set are more stable, also a{alike}.",
    (0, 1, 1): "A{alike}, those far from the training set are less stable.",
    (-1, 1, 1): "A{alike}, those far from the training set are less stable; among all images, they are more stable.",
    (1, 0, 0): "Images far from the training set are less stable.",
    (0, 0, 0): "No relation between distance from the training set and stability was found.",
    (0, 0, None): "No relation between distance from the training set and stability was found.",
}
UNCLEAR = {
    (1, 1, 0): "The correlation finds that they are less stable; the regression does not find it (odds ratio of "
    "distance, with margin held constant, 1.05 (0.93 to 1.19)).",
    (0, 0, 1): "The correlation does not find it; the regression finds that they are less stable (odds ratio of "
    "distance, with margin held constant, 1.40 (1.12 to 1.75)).",
    (1, 1, -1): "The correlation finds that they are less stable; the regression finds that they are more stable (odds "
    "ratio of distance, with margin held constant, 0.70 (0.55 to 0.89)).",
    (-1, -1, 0): "The correlation finds that they are more stable; the regression does not find it (odds ratio of "
    "distance, with margin held constant, 1.05 (0.93 to 1.19)).",
    (1, 1, None): "The correlation finds that they are less stable, and there is no regression that could confirm it.",
}


def answer_of(source, analysis_of, plain, partial, odds, n=1000, per_image=(), partial_rho=None, losses=()):
    """The answer from the directions of the plain ρ, of ρ given the margin, and of the odds ratio."""
    rhos = {1: POSITIVE, 0: NULL, -1: NEGATIVE}
    rows = []
    if odds is not None:
        # A family of two in which both are found keeps its intervals, and so does a family of one.
        ratio = {1: LESS, 0: NOT, -1: MORE}[odds]
        rows = [("nn_distance", "together", *ratio, 0.01, 1000, 20, 2.2, 1.3)]
        rows.append(("margin", "alone", 0.1, 0.05, 0.2, 0.01, 1000, 20, 0.3, np.nan))
        rows.append(("margin", "together", 0.1, np.nan, np.nan, np.nan, 1000, 20, 0.3, 1.3))
    tables = {"correlations": correlations(rhos[plain], partial_rho or rhos[partial], n=n)}
    tables["losses"] = pd.DataFrame(losses)
    tables["odds_ratios"] = pd.DataFrame(rows, columns=ODDS_RATIOS.names)
    analysis = analysis_of(**tables)
    changed = {"per_image": pd.DataFrame(per_image), "reference": ("crop", "diagonal", 1.0)}
    return distance_answer(gather(dataclasses.replace(source, analysis=analysis, **changed)))


@pytest.mark.parametrize("signs", [*CLEAR, *UNCLEAR])
def test_the_answer_needs_both_analyses(bare_source, analysis_of, signs):
    answer = answer_of(bare_source, analysis_of, *signs)
    assert answer.estimate.label.endswith("held constant") == (signs != (1, 0, 0))
    if signs in UNCLEAR:
        assert answer.kind == "unknown"
        assert answer.claim == f"It is not clear whether, a{ALIKE}, images far from the training set are less stable."
        assert answer.evidence == UNCLEAR[signs]
        return
    assert answer.claim == CLEAR[signs].format(alike=ALIKE)
    assert answer.kind == {(1, 0, 0): "explained"}.get(signs, "association" if signs[1] else "none")
    assert follows(answer)
    assert answer.evidence.startswith(f"A{ALIKE}, this" if signs == (1, 0, 0) else "Among all images: Spearman’s ρ ")
    assert ("The regression finds it too (odds ratio of distance, with margin held" in answer.evidence) == bool(
        signs[1]
    )


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        ((0.01, 0.005, 0.015), "1.40 (1.12 to 1.75))."),
        ((0.01, 0.0, 0.02), ", but distance was not found to help to predict unseen images."),
        ((-0.01, -0.02, -0.005), ", but unseen images are predicted better without distance."),
    ],
)
def test_the_answer_does_not_hide_that_distance_does_not_help_to_predict(bare_source, analysis_of, difference, said):
    rise = ("all but nn_distance", 0.4, 0.3, 0.5, *difference, 1000)
    losses = pd.DataFrame([rise], columns=LOSSES.names)
    answer = answer_of(bare_source, analysis_of, 1, 1, 1, losses=losses)
    assert answer.evidence.endswith(said)
    assert answer.evidence.startswith(f"Among all images: Spearman’s ρ {numbers_of(POSITIVE)}.")


def test_little_that_remains_is_called_slight(bare_source, analysis_of):
    answer = answer_of(bare_source, analysis_of, 1, 1, 1, partial_rho=WEAK)
    assert answer.claim == f"Images far from the training set are less stable, slightly so also a{ALIKE}."
    assert answer.estimate.value == 0.05


@pytest.mark.parametrize("odds", [0, 1])
def test_an_uneven_curve_is_no_answer_against_the_regression(bare_source, analysis_of, odds):
    answer = answer_of(bare_source, analysis_of, 0, 0, odds, per_image=uneven(0.3))
    assert answer.kind == ("unknown" if odds else "association")
    assert ("neither rises nor falls" in answer.claim) == (not odds)


def test_the_answer_without_numbers(bare_source, analysis_of):
    answer = distance_answer(gather(dataclasses.replace(bare_source, analysis=analysis_of())))
    assert (answer.kind, answer.claim) == (
        "unknown",
        "Whether images far from the training set are less stable is not known.",
    )
    without = (0.22, np.nan, np.nan)
    few = analysis_of(correlations=correlations(without, without, n=9))
    answer = distance_answer(gather(dataclasses.replace(bare_source, analysis=few)))
    assert answer.kind == "caution"
    assert answer.claim == "There are too few images to say whether those far from the training set are less stable."
    assert "too few images, or too alike, for an interval" in answer.estimate.text


def uneven(height, n=1000):
    """Images of which those at a middle distance change more often, by `height`."""
    rng = np.random.default_rng(0)
    distance = rng.uniform(size=n)
    p = 0.1 + height * (np.abs(distance - 0.5) < 0.2)
    return pd.DataFrame({"nn_distance": distance, "p_top1_change": rng.binomial(8, p) / 8})


def test_a_curve_that_rises_and_falls_is_not_nothing(found):
    finding = found(correlations(NULL, NULL), per_image=uneven(0.3))
    assert finding.kind == "association"
    assert finding.claim == f"P(top-1 change) changes with {NOUN}, but it neither rises nor falls steadily."
    assert finding.estimate.value == pytest.approx(0.3, abs=0.1)
    assert follows(finding)
    assert "Spearman’s ρ 0.02" in finding.evidence
    # The pair of bins was chosen after looking, and the label says of how many.
    assert re.search(
        r"in bin \d+ of the curve minus that in bin \d+, the clearest of 45 differences$", finding.estimate.label
    )
    flat = found(correlations(NULL, NULL), per_image=uneven(0.0))
    assert (flat.kind, follows(flat)) == ("none", True)


def test_the_ranks_of_findings(found):
    rows = correlations(POSITIVE, POSITIVE), correlations(NULL, NULL)
    assert [found(each, rank=80).rank for each in rows] == [80, 180]
    assert [found(each).rank for each in rows] == [None, None]


def test_consistency_counts_the_other_way(found):
    rows = correlations(POSITIVE, POSITIVE, measure="consistency")
    assert "the higher the image’s " in found(rows, measure="consistency").claim


def test_a_plain_correlation_is_never_shown_alone(found):
    finding = found(correlations(POSITIVE, None, POSITIVE))
    assert finding.kind == "unknown"
    assert "0.22" not in finding.text
    finding = found(correlations(POSITIVE, (np.nan, np.nan, np.nan), POSITIVE))
    assert finding.kind == "unknown"
    assert "0.22" not in finding.text


def test_too_few_images(found):
    without = (0.22, np.nan, np.nan)
    finding = found(correlations(without, without, n=9))
    assert finding.kind == "caution"
    assert finding.claim == f"There are too few images to say how {NOUN} and P(top-1 change) are related."
    assert finding.estimate.low is None


def test_an_interval_that_is_not_defined_is_not_judged(found):
    assert found(correlations((0.3, np.nan, np.nan), (0.3, np.nan, np.nan))).kind == "caution"


@pytest.mark.parametrize(
    ("changes", "reason"), [([0.0] * 3, "is the same for all images"), ([np.nan] * 3, "is not defined for any image")]
)
def test_not_computable(found, changes, reason):
    per_image = pd.DataFrame({"nn_distance": [1.0, 2.0, 3.0], "p_top1_change": changes})
    finding = found(correlations((np.nan,) * 3, (np.nan,) * 3), per_image=per_image)
    assert finding.kind == "unknown"
    assert "could not be computed" in finding.claim
    assert finding.evidence == f"P(top-1 change) {reason}."


def test_within_class_is_told(found):
    assert found(correlations(POSITIVE, POSITIVE, (0.1, 0.02, 0.2))).evidence.endswith(
        " Within classes ρ is 0.10 (95% interval 0.02 to 0.20)."
    )
    # In a set of one class it is the plain number again.
    assert "Within classes" not in found(correlations(POSITIVE, POSITIVE, POSITIVE)).evidence


def curve(values, distance="nn_distance"):
    return [
        {
            "distance": distance,
            "measure": "p_top1_change",
            "bin": i,
            "x": float(i),
            "value": value,
            "low": value - 0.01,
            "high": value + 0.01,
            "n": 100,
        }
        for i, value in enumerate(values)
    ]


def test_the_ends_of_the_curve_are_told_where_there_is_a_relation(found):
    bins = curve(np.linspace(0.084, 0.199, 5))
    text = found(correlations(POSITIVE, POSITIVE), curves=bins).evidence
    assert (
        "P(top-1 change) is 8.4% (95% interval 7.4% to 9.4%) in the nearest fifth of the images and "
        "19.9% (95% interval 18.9% to 20.9%) in the farthest." in text
    )
    assert "fifth" not in found(correlations(NULL, NULL), curves=bins).evidence


def rising(rise_of_ends, n=400):
    """Images whose object is at ten distances; only the middle, or also the last tenth, changes more often."""
    tenth = np.arange(n) % 10
    p = np.where((tenth >= 5) & (tenth < 9), 0.4, 0.1) + rise_of_ends * (tenth == 9)
    return pd.DataFrame({"centre_distance": tenth / 10, "p_top1_change": np.random.default_rng(0).binomial(8, p) / 8})


IN_ENDS, IN_REGRESSION = (
    "in the difference between the most central and the least central images",
    ("in the regression on it alone"),
)


@pytest.mark.parametrize(
    ("ends", "alone", "within", "where"),
    [
        (0.4, (1.4, 1.1, 1.8), POSITIVE, []),
        (0.0, (1.4, 1.1, 1.8), POSITIVE, [IN_ENDS]),
        (0.4, (1.12, 0.96, 1.31), POSITIVE, [IN_REGRESSION]),
        # An interval that begins at no relation includes it.
        (0.4, (1.12, 1.0, 1.31), (0.06, 0.0, 0.14), [IN_REGRESSION, "within classes"]),
        (0.0, None, (0.06, -0.01, 0.14), [IN_ENDS, "within classes"]),
        # The other direction is not the relation either.
        (0.4, (0.8, 0.7, 0.9), NEGATIVE, [IN_REGRESSION, "within classes"]),
    ],
)
def test_simpler_analyses_that_do_not_find_the_relation_are_named(ends, alone, within, where):
    rows = correlations((0.25, 0.18, 0.31), NULL, within, distance="centre_distance")
    odds = [] if alone is None else [("centre_distance", "alone", *alone, 0.1, 400, 20, 0.2, 1.0)]
    odds_ratios = pd.DataFrame(odds, columns=ODDS_RATIOS.names)
    relations = Relations(rising(ends), pd.DataFrame(rows), pd.DataFrame(), 10, "", odds_ratios)
    evidence = relation(relations, FRAMING_VARIABLES[0], "p_top1_change").evidence
    if where:
        assert evidence.endswith(f" The relation was not found {' or '.join(where)}.")
    else:
        assert "The relation was not found" not in evidence
        assert "Within classes ρ is 0.22" in evidence


def test_nothing_is_said_of_simpler_analyses_where_nothing_is_found():
    rows = correlations(NULL, NULL, NULL, distance="centre_distance")
    flat = rising(0.0).assign(p_top1_change=0.125)
    finding = relation(
        Relations(flat, pd.DataFrame(rows), pd.DataFrame(), 10, ""), FRAMING_VARIABLES[0], "p_top1_change"
    )
    assert finding.kind == "none"
    assert "The relation was not found" not in finding.evidence


def distance_findings(source):
    return topic_findings(source, "distance")


def framing_effect_findings(source):
    return topic_findings(source, "framing-effect")


def with_distances(source, **columns):
    table = pd.DataFrame({"image_id": list("abcd"), "nn_distance": [1.0, 2.0, 3.0, 4.0]} | columns)
    return dataclasses.replace(source, distances=table)


def test_test_images_that_are_training_images(bare_source):
    source = dataclasses.replace(with_distances(bare_source, leak=[False] * 4), n_shared=4)
    shared, none = distance_findings(source)
    assert shared.kind == "caution"
    assert shared.claim == "There are test images that are training images themselves."
    assert shared.evidence == "These are 4 of 4 test images; each is compared with the other training images only."
    assert none.kind == "caution"
    assert none.claim.startswith("Too few test images")
    (one, leak) = distance_findings(
        dataclasses.replace(with_distances(bare_source, leak=[True] + [False] * 3), n_shared=1)
    )
    assert one.evidence.startswith("These are 1 of 4 test images;")
    assert leak.claim == "One test image is nearly the same as another training image."


def test_no_interval_of_very_few_images(bare_source, found):
    (percentile,) = distance_findings(with_distances(bare_source, distance_percentile=[0.2, 0.6, 0.8, 0.9]))
    assert percentile.claim == "There are too few test images to say how far they are from the training set."
    few = found(correlations(*[(0.22, np.nan, np.nan)] * 3, n=9))
    for finding in (percentile, few):
        assert finding.kind == "caution"
        assert "too few images, or too alike, for an interval" in finding.text
        assert "95%" not in finding.text
    assert "0.16" not in few.text


@pytest.mark.parametrize(
    ("low", "high", "kind", "words"),
    [
        (0.4, 1.0, "fact", "are farther from the training set than"),
        (0.0, 0.6, "fact", "are nearer to the training set than"),
        (0.0, 1.0, "none", "were not found to be farther"),
    ],
)
def test_percentile(bare_source, low, high, kind, words):
    values = np.linspace(low, high, 101)
    table = pd.DataFrame({"image_id": [str(i) for i in range(101)], "nn_distance": 1.0, "distance_percentile": values})
    (finding,) = distance_findings(dataclasses.replace(bare_source, distances=table))
    assert finding.kind == kind
    assert words in finding.claim
    assert (finding.estimate.direction == 0) == (kind == "none")
    median = median_interval(values)
    assert (finding.estimate.value, finding.estimate.low, finding.estimate.high) == median[:3]
    assert "101 test images" in finding.estimate.text
    assert f"between {100 * np.quantile(values, 0.25):.0f}% and" in finding.evidence


def test_no_distances(bare_source):
    (finding,) = distance_findings(bare_source)
    assert finding.kind == "unknown"


def framing(source, analysis_of, rhos, test_bias=(0.4, 0.35, 0.45), more=None, trained=0.5):
    names = [variable.name for variable in FRAMING_VARIABLES]
    per_image = pd.DataFrame({"p_top1_change": [0.0, 0.1]} | {name: [0.1, 0.2] for name in names})
    rows = [row for name, (a, b) in zip(names, rhos, strict=True) for row in correlations(a, b, distance=name)]
    bias, low, high = test_bias
    summary = pd.DataFrame(
        [
            {
                "category": "",
                "n_objects": 40,
                "n_images": 40,
                "centre_bias": bias,
                "centre_bias_low": low,
                "centre_bias_high": high,
                "truncated_share": 0.0,
            }
            | (more or {})
        ]
    )
    analysis = analysis_of(correlations=rows)
    return framing_effect_findings(
        dataclasses.replace(
            source,
            per_image=per_image,
            analysis=analysis,
            test_summary=summary,
            train_summary=summary.assign(centre_bias=trained, untruncated_centre_bias=trained),
            train_framing=pd.DataFrame({"image_id": ["b"]}),
            test_framing=pd.DataFrame({"image_id": ["a"]}),
            reference=("crop", "diagonal", 1.0),
        )
    )


def test_framing_effects(bare_source, analysis_of):
    rhos = [(POSITIVE, POSITIVE), (NEGATIVE, NEGATIVE), (POSITIVE, NULL), (NEGATIVE, NEGATIVE)]
    position, scale, deviation, density = framing(bare_source, analysis_of, rhos)
    assert position.claim.startswith(f"The farther an image's object is from the centre, {HIGHER}")
    assert scale.claim.startswith(f"The larger an image's object is shown, {LOWER}")
    assert deviation.kind == "explained"
    assert density.claim.startswith("The more usual the framing")
    assert LOWER in density.claim


def test_no_effect_of_framing_among_centred_photographs_is_put_in_place(bare_source, analysis_of):
    found = framing(bare_source, analysis_of, [(NULL, NULL), (POSITIVE, NULL), (NULL, NULL), (NULL, NULL)])
    assert [finding.kind for finding in found] == ["none", "explained", "none", "none"]
    for finding in found:
        assert finding.evidence.endswith(
            " The test objects are centred themselves (centre bias 0.40 (0.35 to 0.45)), so a relation may not show; "
            "`bias-toolkit map` varies position and scale on purpose."
        )
        assert finding.estimate.nothing == 0
    related = framing(bare_source, analysis_of, [(POSITIVE, POSITIVE)] + [(NULL, NULL)] * 3)
    assert not any("themselves" in finding.evidence for finding in related)


def test_the_caution_names_the_objects_that_it_is_about(bare_source, analysis_of):
    cut = {"truncated_share": 0.5, "n_untruncated": 17, "untruncated_centre_bias": 0.3}
    cut |= {"untruncated_centre_bias_low": 0.2, "untruncated_centre_bias_high": 0.4}
    found = framing(bare_source, analysis_of, [(NULL, NULL)] * 4, more=cut)
    said = "The test objects that do not touch the border are centred themselves (centre bias 0.30 (0.20 to 0.40))"
    assert all(said in finding.evidence for finding in found)


@pytest.mark.parametrize(
    ("test_bias", "trained", "said"),
    [
        ((0.25, 0.21, 0.29), 0.6, True),
        ((0.03, 0.01, 0.05), 0.6, False),
        ((0.0, -0.1, 0.1), 0.6, False),
        # An interval that includes, or starts at, a third of the training set's bias does not allow it.
        ((0.2, 0.1, 0.3), 0.6, False),
        ((0.3, 0.25, 0.4), 0.75, False),
        ((0.2, np.nan, np.nan), 0.6, False),
        # The training photographs are not centred, or that is not known.
        ((0.2, 0.1, 0.3), -0.1, True),
        ((-0.2, -0.3, -0.1), -0.1, False),
        ((0.2, 0.1, 0.3), np.nan, False),
    ],
)
def test_photographs_are_called_centred_themselves_from_a_third_of_the_training_bias_on(
    bare_source, analysis_of, test_bias, trained, said
):
    found = framing(bare_source, analysis_of, [(NULL, NULL)] * 4, test_bias=test_bias, trained=trained)
    assert len(found) == 4
    assert ["themselves" in finding.evidence for finding in found] == [said] * 4


def test_framing_without_boxes_or_without_a_sweep(bare_source):
    per_image = pd.DataFrame({"p_top1_change": [0.1]})
    (finding,) = framing_effect_findings(
        dataclasses.replace(bare_source, per_image=per_image, reference=("crop", "diagonal", 1.0))
    )
    assert finding.kind == "unknown"
    assert "no boxes" in finding.claim
    assert framing_effect_findings(bare_source) == []


def test_dots_show_the_photographs_of_their_images(source):
    (curve,) = opening_curve(gather(source))
    shown = source.per_image.dropna(subset=["nn_distance", "p_top1_change"])
    assert [dot.lines[0] for dot in curve.dots] == shown["image_id"].tolist()
    drawn = curve.draw().collections[0].get_offsets()
    np.testing.assert_allclose(drawn[[dot.number for dot in curve.dots], 0], shown["nn_distance"])
    dot = next(dot for dot in curve.dots if dot.lines[0] == "test/017.png")
    assert (dot.read() == 17).all()
    assert "P(top-1 change)" in dot.lines[1]
    assert {dot.link is None for dot in curve.dots} == {
        image_id not in source.explanations for image_id in shown["image_id"]
    }
    assert curve.dots_note == "Point at a dot, or use the arrow keys, to see its photograph. A click keeps it."


def test_of_many_images_the_ends_and_a_sample_have_photographs():
    changes = np.random.default_rng(0).permutation(2000) / 2000
    shown = shown_images(pd.DataFrame({"p_top1_change": changes}))
    assert len(shown) == len(set(shown)) == PHOTOGRAPHS
    ordered = np.argsort(changes)
    assert {*ordered[:AT_AN_END].tolist(), *ordered[-AT_AN_END:].tolist()} <= set(shown)
    # The rest is spread over all others.
    rest = np.sort(changes[shown])[AT_AN_END:-AT_AN_END]
    assert rest.mean() == pytest.approx(0.5, abs=0.05)
    assert shown_images(pd.DataFrame({"p_top1_change": changes[:500]})) == list(range(500))
