"""Every sentence of a comparison, on tables of known truth."""

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.comparison.differences import BY_CLASS, DIFFERENCES
from bias_toolkit.comparison.findings import answer, further_findings
from bias_toolkit.report.words.finding import Kind

LESS, SAME, MORE = (-0.05, -0.07, -0.03), (0.0, -0.02, 0.02), (0.05, 0.03, 0.07)
NONE = (0.05, float("nan"), float("nan"))
NO_CLASSES = pd.DataFrame(columns=BY_CLASS.names)


def table(n=300, **differences):
    rows = [("B", True, name, 0.2, 0.25, *each, n) for name, each in differences.items()]
    return pd.DataFrame(rows, columns=DIFFERENCES.names)


@pytest.fixture
def pair_of(make_pair, draw_images, rates):

    def make(**options):
        first, second = (draw_images(rates, np.random.default_rng(seed)) for seed in (0, 1))
        second = second.head(options.pop("shared", 300))
        return make_pair(second, first, **options)

    return make


def further(pair, by_class=NO_CLASSES, **differences):
    return list(further_findings(pair, table(**differences), by_class, 200, 0))


@pytest.mark.parametrize(
    ("change", "is_paired", "claim", "kind"),
    [
        (LESS, True, "B is more stable than A.", Kind.EFFECT),
        (MORE, True, "B is less stable than A.", Kind.EFFECT),
        (SAME, True, "No difference in stability was found between B and A.", Kind.NONE),
        (NONE, True, "Too few images were compared to say which of B and A is more stable.", Kind.CAUTION),
        (LESS, False, "B is more stable than A, each on its own test images.", Kind.ASSOCIATION),
        (SAME, False, "No difference in stability was found between B and A, each on its own test images.", Kind.NONE),
        (MORE, False, "B is less stable than A, each on its own test images.", Kind.ASSOCIATION),
    ],
)
def test_the_answer_follows_from_its_interval(pair_of, change, is_paired, claim, kind):
    found = answer(pair_of(is_paired=is_paired), table(p_top1_change=change, accuracy=SAME))
    assert (found.claim, found.kind) == (claim, kind)
    assert found.estimate.label == "P(top-1 change), B minus A:"
    assert (found.estimate.direction in (1, -1)) == (kind in (Kind.EFFECT, Kind.ASSOCIATION))
    assert ("The test images are not the same" in found.evidence) == (not is_paired)


@pytest.mark.parametrize(
    ("accuracy", "said"),
    [
        (MORE, "It is more accurate, by 5.0 points (3.0 to 7.0)."),
        (LESS, "It is less accurate, by 5.0 points (3.0 to 7.0)."),
        (SAME, "No difference in accuracy was found: 0.0 points (\N{MINUS SIGN}2.0 to 2.0)."),
        (NONE, "Too few images have a label to compare accuracy."),
        (None, "Accuracy is not known, as no label is a class of both models."),
    ],
)
def test_accuracy_stands_beside_the_answer(pair_of, accuracy, said):
    measures = {} if accuracy is None else {"accuracy": accuracy}
    assert answer(pair_of(), table(p_top1_change=LESS, **measures)).evidence == said


def test_what_else_differs_is_said(pair_of):
    rows = table(p_top1_change=LESS, accuracy=SAME)
    assert (
        "one step of B is 0.86 times as large a part of the view as one of A"
        in answer(pair_of(side=260), rows).evidence
    )
    assert "Only the 200 images of both test sets are compared." in answer(pair_of(shared=200), rows).evidence
    same = answer(pair_of(model="A"), rows)
    assert "Both studies are of one model." in same.evidence
    assert same.kind == Kind.ASSOCIATION


@pytest.mark.parametrize(
    ("name", "place", "kind"),
    [
        ("p_top1_change_if_right", "the images that both get right", Kind.EFFECT),
        ("p_top1_change_like_margin", "images of like margin", Kind.ASSOCIATION),
    ],
)
def test_images_alike(pair_of, name, place, kind):
    claims = [further(pair_of(), **{name: each})[0] for each in (LESS, SAME, MORE, NONE)]
    assert [each.claim for each in claims] == [
        f"Among {place}, B is more stable than A.",
        f"Among {place}, no difference in stability was found between B and A.",
        f"Among {place}, B is less stable than A.",
        f"Among {place}, too few differ to compare the stability of B with that of A.",
    ]
    assert [each.kind for each in claims] == [kind, Kind.NONE, kind, Kind.CAUTION]
    apart = further(pair_of(is_paired=False), p_top1_change_if_right=LESS)[0]
    assert apart.claim == "Among the images that each gets right, B is more stable than A."
    assert apart.kind == Kind.ASSOCIATION


def test_the_worst_case(pair_of):
    assert [further(pair_of(), any_change=each)[0].claim for each in (LESS, SAME, MORE)] == [
        "Under B, fewer images change their class along the views than under A.",
        "No difference was found between B and A in how many images change their class.",
        "Under B, more images change their class along the views than under A.",
    ]
    assert [further(pair_of(), worst_accuracy=each)[0].claim for each in (LESS, SAME, MORE)] == [
        "B gets fewer images right on all views than A.",
        "No difference was found between B and A in how many images they get right on all views.",
        "B gets more images right on all views than A.",
    ]
    assert further(pair_of(), any_change=NONE) == []


@pytest.mark.parametrize(
    ("differences", "claim", "evidence"),
    [
        ((LESS, SAME), "On images of “tench”, B is more stable than A.", "B was found more stable in 1 class."),
        ((MORE, SAME), "On images of “tench”, B is less stable than A.", "B was found less stable in 1 class."),
        ((SAME, SAME), "No class was found in which the stability of B and A differs.", "clearest of 2 classes."),
    ],
)
def test_the_clearest_class(pair_of, differences, claim, evidence):
    rows = [("B", f"class {number}", 0.1, 0.1, *each, 75) for number, each in enumerate(differences)]
    (found,) = further(pair_of(), pd.DataFrame(rows, columns=BY_CLASS.names))
    assert found.claim == claim
    assert found.evidence.endswith(evidence)


@pytest.mark.parametrize(
    ("shift", "claim"),
    [
        (-1, "The test images are nearer to the training set of B than to that of A."),
        (0, "The test images were not found to be nearer to the training set of B or of A."),
        (1, "The test images are farther from the training set of B than from that of A."),
    ],
)
def test_two_training_sets_under_one_model(pair_of, shift, claim):
    pair = pair_of(model="A", train="other")
    distance = pair.first.images["nn_distance"] + [shift - 0.1, shift + 0.1] * 150
    pair.second.images["nn_distance"] = distance
    (found,) = further(pair)
    assert found.claim == claim
    assert found.kind == (Kind.FACT if shift else Kind.NONE)
    assert further(pair_of(train="other")) == []


def test_a_pair_without_distances_says_nothing_of_them(pair_of):
    pair = pair_of(model="A", train="other")
    pair.second.images["nn_distance"] = float("nan")
    assert further(pair) == []
