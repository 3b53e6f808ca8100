"""Every sentence on remedies, on tables of known truth."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from bias_toolkit.analysis.schema import REMEDY_EFFECTS, REMEDY_TENTHS
from bias_toolkit.features.augmentation_reach import COPIES, REACH
from bias_toolkit.report.topics.remedies import Remedied, findings, section
from bias_toolkit.report.topics.remedies.figures import reach_figure, remedies_by_distance, stability_plane
from bias_toolkit.report.words.finding import Kind

LABELLED = ("p_top1_change", "mac", "any_change", "accuracy", "p_top1_change_if_right")


def effects(changes, accuracy=None, against="untouched", n=200, base=0.2):
    """REMEDY_EFFECTS from each remedy's difference (value, low, high) in P(top-1 change), and in accuracy."""
    rows = []
    names = {"untouched": None} | changes if against == "untouched" else changes
    for remedy, difference in names.items():
        difference = difference or (np.nan,) * 3
        value = base + (0 if np.isnan(difference[0]) else difference[0])
        for measure in LABELLED if accuracy is not None else LABELLED[:3]:
            own = difference if measure != "accuracy" else accuracy.get(remedy, (np.nan,) * 3)
            rows.append((remedy, against, measure, value, value - 0.02, value + 0.02, *own, n))
    return pd.DataFrame(rows, columns=REMEDY_EFFECTS.names)


def tenths(near, far, remedy="mean-9"):
    rows = [
        ("untouched", place, 0.0, 1.0, float(place), 0.2, 0.15, 0.25, np.nan, np.nan, np.nan, 20) for place in range(10)
    ]
    for place in range(10):
        value = near if place < 9 else far
        rows.append((remedy, place, 0.0, 1.0, float(place), value, value - 0.02, value + 0.02, -0.1, -0.2, -0.05, 20))
    return pd.DataFrame(rows, columns=REMEDY_TENTHS.names)


NO_TENTHS = pd.DataFrame(columns=REMEDY_TENTHS.names)


def test_the_remedy_that_lowers_change_most_without_a_loss_is_taken():
    table = effects(
        {"mean-9": (-0.05, -0.07, -0.03), "blur-1": (-0.1, -0.13, -0.07), "stable-crop": (-0.04, -0.06, -0.02)},
        {"mean-9": (0.01, -0.01, 0.03), "blur-1": (-0.2, -0.25, -0.15), "stable-crop": (0, -0.02, 0.02)},
    )
    best, *_ = findings(Remedied(table, NO_TENTHS))
    assert best.kind == Kind.EFFECT
    assert best.claim == "Averaging over shifted views makes the model more stable."
    assert (best.estimate.value, best.estimate.direction) == (-0.05, -1)
    assert "A prediction costs 9 forward passes." in best.evidence
    assert "Accuracy changes by 1.0 points (\N{MINUS SIGN}1.0 to 3.0)." in best.evidence


def test_a_remedy_that_costs_accuracy_is_said_to():
    table = effects({"blur-1": (-0.1, -0.13, -0.07)}, {"blur-1": (-0.2, -0.25, -0.15)})
    best, *_ = findings(Remedied(table, NO_TENTHS))
    assert best.claim == "Blurring the image makes the model more stable, but less often right."


def test_without_labels_nothing_is_said_of_accuracy():
    best, *_ = findings(Remedied(effects({"low-pass-3": (-0.1, -0.13, -0.07)}), NO_TENTHS))
    assert best.claim == "Adding low-pass filters to the network makes the model more stable."
    assert "ccuracy" not in best.evidence


@pytest.mark.parametrize("high", [0.0, 0.01])
def test_nothing_found_at_and_beyond_the_boundary(high):
    table = effects({"mean-9": (-0.01, -0.03, high), "blur-1": (0.02, 0.0, 0.04)}, {})
    (only,) = findings(Remedied(table, NO_TENTHS))
    assert only.kind == Kind.NONE
    assert only.claim == "No remedy at test time was found to make the model more stable."
    assert only.estimate.direction == 0


def test_too_few_images_are_said_to_be_too_few():
    (only,) = findings(Remedied(effects({"mean-9": (-0.1, -0.3, -0.01)}, {}, n=4), NO_TENTHS))
    assert only.kind == Kind.UNKNOWN
    assert only.claim == "Too few images were shown to say whether a remedy helps."


@pytest.mark.parametrize(
    ("near", "far", "kind", "words"),
    [
        (0.05, 0.3, Kind.ASSOCIATION, "stay less stable than the nearest"),
        (0.1, 0.1, Kind.NONE, "no difference was found"),
        (0.3, 0.05, Kind.ASSOCIATION, "are more stable than the nearest"),
    ],
)
def test_what_is_said_of_the_far_images_follows_from_the_interval(near, far, kind, words):
    table = effects({"mean-9": (-0.05, -0.07, -0.03)}, {})
    _, far_images = findings(Remedied(table, tenths(near, far)))
    assert far_images.kind == kind
    assert words in far_images.claim
    assert far_images.claim.startswith("With mean over 9 shifts, ")
    assert far_images.estimate.value == pytest.approx(far - near)
    assert far_images.estimate.direction == np.sign(round(far - near, 3))


@pytest.mark.parametrize(
    ("difference", "kind", "words"),
    [
        ((-0.05, -0.08, -0.02), Kind.EFFECT, "makes the model more stable than the same training without"),
        ((-0.01, -0.04, 0.02), Kind.NONE, "was not found to change the model's stability"),
        ((0.05, 0.02, 0.08), Kind.EFFECT, "makes the model less stable than the same training without"),
    ],
)
def test_an_arm_is_judged_against_the_training_without_it(difference, kind, words):
    untouched = effects({"mean-9": (-0.05, -0.07, -0.03), "trained": (-0.1, -0.2, -0.05)}, {})
    table = pd.concat([untouched, effects({"augmented": difference}, {}, against="trained")])
    found = [each for each in findings(Remedied(table, NO_TENTHS)) if "augmentation" in each.claim]
    assert [each.kind for each in found] == [kind]
    assert words in found[0].claim
    assert found[0].estimate.value == difference[0]
    limits = f"{100 * difference[1]:.1f} to {100 * difference[2]:.1f}".replace("-", "\N{MINUS SIGN}")
    assert "On the 200 images that both get right, P(top-1 change) changes by" in found[0].evidence
    assert f"points ({limits})" in found[0].evidence
    assert "farthest" not in found[0].evidence


def test_of_an_arm_the_farthest_images_are_told():
    untouched = effects({"mean-9": (-0.05, -0.07, -0.03), "trained": (-0.1, -0.2, -0.05)}, {})
    table = pd.concat([untouched, effects({"augmented": (-0.05, -0.08, -0.02)}, {}, against="trained")])
    of_arm = tenths(0.1, 0.3, "augmented")
    (found,) = [each for each in findings(Remedied(table, of_arm)) if "augmentation" in each.claim]
    assert (
        "On the images farthest from the training set, P(top-1 change) is 30.0% (95% interval 28.0% to 32.0%), and "
        "20.0% (95% interval 15.0% to 25.0%) with the model as it is."
    ) in found.evidence


NEEDED = {"target": 2.5, "target_low": 2.3, "target_high": 2.8, "n_training": 500, "fit": 0.99, "copies": None}


def reach(fall, n=50):
    """REACH of a power law; intervals where n images are enough."""
    width = np.nan if n < 5 else 1.0
    rows = []
    for copies in COPIES:
        distance = 10 * (1 + copies) ** -fall
        drop = 10 - distance
        rows.append((copies, distance, distance - 0.5 * width, distance + 0.5 * width))
        rows[-1] += (drop, max(drop - width, 0), drop + width, n)
    return pd.DataFrame(rows, columns=REACH.names)


@pytest.mark.parametrize(("fall", "kind"), [(0.2, Kind.FACT), (0.0, Kind.NONE)])
@pytest.mark.parametrize("copies", [None, [255.0, 90.0, 700.0]])
def test_what_is_said_of_copies_follows_from_the_fall(fall, kind, copies):
    table = effects({"mean-9": (-0.05, -0.07, -0.03)}, {})
    found = findings(Remedied(table, NO_TENTHS, reach(fall), NEEDED | {"copies": copies}))[-1]
    assert found.kind == kind
    assert found.estimate.direction == (kind == Kind.FACT)
    assert found.estimate.value == pytest.approx(10 - 10 * 17**-fall)
    assert ("were not found" in found.claim) == (kind == Kind.NONE)
    assert "test image is 10.0 (95% interval 9.50 to 10.5) from the nearest of 500 training images." in found.evidence
    assert "median of them is 2.50 (95% interval 2.30 to 2.80) from its nearest neighbour." in found.evidence
    assert ("255 copies (90 to 700)" in found.evidence) == (copies is not None)
    assert ("follows no power law" in found.evidence) == (copies is None)


def test_one_copy_is_said_in_the_singular():
    table = effects({"mean-9": (-0.05, -0.07, -0.03)}, {})
    found = findings(Remedied(table, NO_TENTHS, reach(0.2), NEEDED | {"copies": [0.6, 0.0, 5.6]}))[-1]
    assert "By a power law, 1 copy (0 to 6) would bring the median test image as near." in found.evidence


def test_nothing_is_said_of_copies_for_too_few_images():
    table = effects({"mean-9": (-0.05, -0.07, -0.03)}, {})
    assert len(findings(Remedied(table, NO_TENTHS, reach(0.2, n=4), NEEDED))) == 1


def test_every_distance_stands_with_its_interval():
    table = effects({"mean-9": (-0.05, -0.07, -0.03)}, {})
    *_, shown = section(Remedied(table, NO_TENTHS, reach(0.2), NEEDED)).blocks
    assert [row[0].text for row in shown.rows] == ["0", "1", "2", "4", "8", "16", "between training images"]
    assert (shown.rows[0][1].text, shown.rows[0][1].detail) == ("10.0", "9.50 to 10.5")
    assert shown.rows[-1][1].detail == "2.30 to 2.80"
    *_, shown = section(Remedied(table, NO_TENTHS, reach(0.2, n=4), NEEDED)).blocks
    assert shown.rows[1][1].detail == "no interval"


def test_figures_are_drawn_with_labels_and_without():
    changes = {"mean-9": (-0.05, -0.07, -0.03), "trained": (-0.1, -0.2, -0.05)}
    labelled, bare = (Remedied(effects(changes, given), tenths(0.1, 0.2)) for given in ({}, None))
    for contents in (labelled, bare):
        change = contents.of("p_top1_change")
        labels = dict(zip(change.index, change.index, strict=True))
        figure = stability_plane(change, contents.of("accuracy"), "untouched", labels, ["mean-9"])
        assert isinstance(figure, Figure)
    assert labelled.of("accuracy")["value"].notna().any()
    assert isinstance(remedies_by_distance(labelled.tenths), Figure)
    bands = [len(reach_figure(reach(0.2), NEEDED | each).axes[0].patches) for each in ({}, {"target_low": None})]
    assert bands == [1, 0]


def test_the_section_names_the_remedies_that_do_not_apply():
    table = effects({"mean-9": (-0.05, -0.07, -0.03)}, {})
    shown = section(Remedied(table, tenths(0.1, 0.2)))
    assert "Low-pass filters, 3 × 3" in shown.blocks[0].text
    header = shown.blocks[2].header
    assert header[:2] == ["Remedy", "Passes"]
    assert [row[0].text for row in shown.blocks[2].rows] == ["As it is", "Mean over 9 shifts"]
