import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from bias_toolkit.datasets.demo import demo_consequences
from bias_toolkit.demo.argument import binned, change_contrasts, law_table
from bias_toolkit.demo.curves import argument_figure, distance_figure
from bias_toolkit.demo.findings import (
    apart,
    control_answer,
    control_findings,
    distance_finding,
    framing_findings,
    law_findings,
    learnt_answer,
    network_findings,
)
from bias_toolkit.foundation.words import number, percent

HALF_DIAGONAL = np.hypot(0.5, 0.5)


def images(off_centre, scale, change, **columns):
    """A per-image table; positions in image widths."""
    n = len(off_centre)
    return pd.DataFrame(
        {
            "centre_distance": np.asarray(off_centre) / HALF_DIAGONAL,
            "scale": scale,
            "image_id": [f"{i:05}" for i in range(n)],
            "p_top1_change": change,
            "mac": np.asarray(change) / 3,
            "accuracy": columns.get("accuracy", np.ones(n)),
            "nn_distance": columns.get("nn_distance", np.arange(n, dtype=float)),
        }
    )


def test_binned_holds_the_other_of_position_and_scale_as_in_training():
    table = binned(
        images(
            off_centre=[0.05, 0.05, 0.25, 0.25, 0.05, 0.25],
            scale=[0.45, 0.50, 0.45, 0.40, 0.70, 0.70],
            change=[0.0, 0.1, 0.4, 0.6, 0.8, 1.0],
        )
    )
    off_centre = table[table["by"] == "off_centre"].set_index("left")
    assert off_centre.loc[0.0, ["n", "p_top1_change"]].tolist() == [2, pytest.approx(0.05)]
    assert off_centre.loc[0.2, ["n", "p_top1_change"]].tolist() == [2, pytest.approx(0.5)]
    assert off_centre.loc[0.1, "n"] == 0
    scale = table[table["by"] == "scale"].set_index("left")
    assert scale.loc[0.55, ["n", "p_top1_change"]].tolist() == [1, pytest.approx(0.8)]
    assert scale.loc[0.45, ["n", "p_top1_change"]].tolist() == [1, pytest.approx(0.1)]
    whole = table[table["by"] == "all"].iloc[0]
    assert (whole["n"], whole["p_top1_change"]) == (6, pytest.approx(2.9 / 6))


def test_quintiles_are_of_equal_size_and_in_the_order_of_distance():
    rng = np.random.default_rng(0)
    distance = rng.permutation(100).astype(float)
    table = binned(images(np.zeros(100), np.full(100, 0.45), distance / 100, nn_distance=distance))
    fifths = table[table["by"] == "nn_distance"]
    assert fifths["n"].tolist() == [20] * 5
    assert fifths["left"].tolist() == [0, 20, 40, 60, 80]
    np.testing.assert_allclose(fifths["p_top1_change"], [0.095, 0.295, 0.495, 0.695, 0.895])


def test_change_contrasts_against_a_known_shift():
    rng = np.random.default_rng(1)
    low, high = rng.normal(0.1, 0.02, 400), rng.normal(0.3, 0.02, 400)
    table = images(np.r_[np.full(400, 0.05), np.full(400, 0.25)], np.full(800, 0.45), np.r_[low, high])
    (found,) = change_contrasts(table, "off_centre", (0.0, 0.1), [(0.2, 0.3)])
    assert found.value == pytest.approx(high.mean() - low.mean())
    half_width = 1.96 * np.sqrt(2) * 0.02 / 20
    assert found.high - found.low == pytest.approx(2 * half_width, rel=0.25)
    assert found.low < 0.2 < found.high


def test_no_contrast_without_images():
    table = images([0.05, 0.05], [0.45, 0.45], [0.1, 0.2])
    assert change_contrasts(table, "off_centre", (0.0, 0.1), [(0.2, 0.3)]) == []


def summary(dataset="train", **changes):
    law = demo_consequences(dataset)
    row = {"category": "", "n_objects": 1000}
    for name, value in (
        ("centre_bias", law.centre_bias),
        ("log_scale_mean", law.log_scale_mean),
        ("log_scale_sd", law.log_scale_sd),
    ):
        value += changes.get(name, 0.0)
        row |= {name: value, f"{name}_low": value - 0.0196, f"{name}_high": value + 0.0196}
    return pd.DataFrame([row])


BOXES = "The boxes of demo:train"
NO_DIFFERENCE = "No difference between the boxes of demo:train and the law that placed them was found."


# A standard error is 0.01; one of six numbers is found from 2.64 of them on, alone from 1.96 on.
@pytest.mark.parametrize(
    ("shift", "kind", "words", "alone"),
    [
        (0.0, "none", NO_DIFFERENCE, False),
        (0.019, "none", NO_DIFFERENCE, False),
        (0.025, "none", NO_DIFFERENCE, True),
        (0.05, "caution", f"{BOXES} differ from the law that placed them: standard deviation of log scale.", False),
    ],
)
def test_law_findings(shift, kind, words, alone):
    table = law_table({"train": summary(log_scale_sd=shift), "uniform": summary("uniform")})
    finding, other = law_findings(table)
    assert (finding.kind, other.kind) == (kind, "none")
    assert finding.claim == words
    assert abs(finding.estimate.direction) == (kind == "caution")
    assert ("Its own 95% interval, " in finding.evidence) == alone
    law = demo_consequences("train")
    if shift:
        # The number is the one that departs most.
        assert finding.estimate.value == pytest.approx(law.log_scale_sd + shift)
        assert finding.evidence.startswith(f"By the law it is {law.log_scale_sd:.3f}.")


def follows(finding):
    """Whether the verdict is that of the estimate: found if, and only if, its interval excludes nothing."""
    return {"effect": 1, "association": 1, "none": 0}[finding.kind] == abs(finding.estimate.direction)


def changing(p, n=500, seed=0, **columns):
    # As many changes as the probability says, so that equal probabilities give equal means.
    change = np.random.default_rng(seed).permutation(binom.ppf((np.arange(n) + 0.5) / n, 8, p)) / 8
    return images(np.full(n, 0.05), np.full(n, 0.45), change, **columns)


@pytest.mark.parametrize(
    ("varied", "kind", "words"),
    [
        (0.2, "effect", "is less stable on varied digits than on digits framed as in training."),
        (0.1, "none", "was not found to be less stable on varied digits than on those as in training."),
        (0.02, "effect", "is more stable on varied digits than on digits framed as in training."),
    ],
)
def test_learnt_answer(varied, kind, words):
    answer = learnt_answer("global-pooling", changing(0.1), changing(varied, seed=1))
    assert (answer.kind, answer.claim) == (kind, f"The pooling network {words}")
    assert follows(answer)
    assert answer.estimate.value == pytest.approx(varied - 0.1, abs=0.02)
    assert ", accuracy 100.0% against 100.0%." in answer.evidence


@pytest.mark.parametrize(
    ("control", "kind", "words"),
    [
        (0.02, "effect", "is more stable on the same images than trained on centred ones."),
        (0.1, "none", "was not found to be more stable on the same images than trained on centred ones."),
        (0.2, "effect", "is less stable on the same images than trained on centred ones."),
    ],
)
def test_control_answer(control, kind, words):
    answer = control_answer("global-pooling", changing(0.1), changing(control, seed=1))
    assert (answer.kind, answer.claim) == (kind, f"Trained on varied digits, the pooling network {words}")
    assert follows(answer)
    assert answer.estimate.value == pytest.approx(0.1 - control, abs=0.02)
    assert answer.estimate.n == 500


def test_the_control_is_also_compared_where_both_are_right():
    wrong, half = np.r_[np.zeros(100), np.ones(400)], np.r_[np.ones(300), np.full(200, 0.5)]
    answer = control_answer("global-pooling", changing(0.1, accuracy=wrong), changing(0.02, seed=1, accuracy=half))
    assert "Among the 200 images that both get right on most views, the difference is " in answer.evidence
    nobody = changing(0.1, accuracy=np.zeros(500))
    assert "both get right" not in control_answer("global-pooling", nobody, changing(0.02, seed=1)).evidence


def test_the_control_is_compared_image_by_image():
    spread = np.random.default_rng(0).uniform(0, 0.9, 500)
    centred, control = (images(np.full(500, 0.05), np.full(500, 0.45), spread + more) for more in (0.01, 0.0))
    control["p_top1_change"] += np.random.default_rng(1).normal(0, 0.01, 500)
    # In another order, the rows are still matched by their images.
    assert control_answer("global-pooling", centred, control.sample(frac=1, random_state=0)).kind == "effect"


def test_two_numbers_that_differ_look_different():
    assert apart(0.0144, 0.0151, percent) == "1.4% against 1.5%"
    assert apart(0.0146, 0.0151, percent) == "1.46% against 1.51%"
    assert apart(0.0146, 0.0146, percent) == "1.5% against 1.5%"
    assert apart(0.0412, 0.0418, number) == "0.041 against 0.042"


@pytest.fixture(scope="module")
def framed():
    """Tables of networks that lose stability off centre, far off centre only, when smaller, or never."""
    rng = np.random.default_rng(3)
    off_centre, scale = rng.uniform(0, 0.45, 1500), np.exp(rng.uniform(np.log(0.2), np.log(0.8), 1500))
    where = {
        "position": off_centre > 0.15,
        "far": off_centre > 0.3,
        "near": (off_centre > 0.1) & (off_centre < 0.3),
        "scale": scale < 0.3,
        "large": scale > 0.6,
        "steady": off_centre < 0,
    }
    return {
        name: images(off_centre, scale, rng.binomial(8, 0.1 + 0.3 * there) / 8, nn_distance=off_centre)
        for name, there in where.items()
    }


def claims_of(table, kind):
    return [finding.claim for finding in framing_findings("global-pooling", table) if finding.kind == kind]


FRAMED = {
    "position": ["A digit far off centre makes the pooling network less stable."],
    "far": ["A digit far off centre makes the pooling network less stable."],
    # The last bin is as stable as the middle, and the finding says that the number is another bin's.
    "near": ["A digit at some distance off centre makes the pooling network less stable."],
    "scale": ["A digit much smaller than in training makes the pooling network less stable."],
    "large": ["A digit larger than in training makes the pooling network less stable."],
    "steady": [],
}


@pytest.mark.parametrize("name", FRAMED)
def test_framing_findings_tell_an_effect_from_none(framed, name):
    assert claims_of(framed[name], "effect") == FRAMED[name]
    nothing = claims_of(framed[name], "none")
    assert len(nothing) == 3 - len(FRAMED[name])
    assert all("was not found to make the pooling network less stable." in claim for claim in nothing)
    for finding in framing_findings("global-pooling", framed[name]):
        assert follows(finding)
        assert finding.figure == "argument"
        assert (finding.rank >= 100) == (finding.kind == "none")


def test_the_number_is_that_of_the_farthest_bin_or_named_as_the_clearest(framed):
    position = {name: framing_findings("global-pooling", framed[name])[0] for name in ("position", "far", "near")}
    for name in ("position", "far"):
        assert position[name].estimate.label.endswith("0.3 to 0.5 widths off the middle, minus that within 0.1")
        assert position[name].estimate.value == pytest.approx(0.3, abs=0.05)
    assert position["near"].estimate.label.endswith("minus that within 0.1, the clearest of 3 differences")


@pytest.mark.parametrize("name", ["position", "far", "near", "scale", "large", "steady"])
def test_no_finding_contradicts_its_figure(framed, name):
    """Where nothing was found, no two intervals in the figure are so far apart as to say otherwise."""
    table = binned(framed[name])
    for finding, by, reference in zip(
        framing_findings("global-pooling", framed[name]),
        ("off_centre", "scale", "scale"),
        (0.0, 0.45, 0.45),
        strict=True,
    ):
        rows = table[table["by"] == by].dropna(subset=["p_top1_change"]).set_index("left")
        others = rows.drop(index=reference)
        if "smaller" in finding.claim:
            others = others[others.index < 0.35]
        elif "larger" in finding.claim:
            others = others[others.index >= 0.55]
        above = others["p_top1_change_low"] > rows.loc[reference, "p_top1_change_high"] + 0.05
        assert above.any() == (finding.kind == "effect")


def test_more_stable_off_centre_is_said_too(framed):
    mirrored = framed["position"].assign(p_top1_change=1 - framed["position"]["p_top1_change"])
    finding = framing_findings("fully-connected", mirrored)[0]
    assert finding.kind == "effect"
    assert finding.claim == "A digit far off centre makes the fully connected network more stable."
    assert follows(finding)


def test_too_few_images_for_a_finding():
    few = changing(0.1, n=8)
    findings = [*framing_findings("global-pooling", few), distance_finding("global-pooling", few)]
    assert [finding.kind for finding in findings] == ["caution"] * 4
    assert findings[0].claim == (
        "There are too few images to say whether a digit far off centre makes the pooling network less stable."
    )


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("position", "association", "is less stable on images far from its training images."),
        ("near", "association", "is less stable at some distance from its training images."),
        ("steady", "none", "was not found to be less stable on images far from its training images."),
    ],
)
def test_distance_finding(framed, name, kind, words):
    table = framed[name]
    if name == "near":
        order = table["nn_distance"].rank(pct=True)
        change = 0.1 + 0.4 * order.between(0.4, 0.6)
        table = table.assign(p_top1_change=np.random.default_rng(5).binomial(8, change) / 8)
    finding = distance_finding("global-pooling-uniform", table)
    assert finding.kind == kind
    assert finding.claim == f"The pooling network that was trained on varied digits {words}"
    assert ("fifth 3 of the images" in finding.estimate.label) == (name == "near")
    assert ("the clearest of 4 differences" in finding.estimate.label) == (name == "near")
    assert follows(finding)
    assert finding.rank is None


def controlled(framed, pooling, control):
    tables = {"fully-connected": "scale", "fully-connected-uniform": "steady"}
    tables |= {"global-pooling": pooling, "global-pooling-uniform": control}
    return control_findings({name: framed[of] for name, of in tables.items()})


def test_each_network_is_compared_with_its_control_where_the_centred_digits_never_were(framed):
    findings = controlled(framed, "far", "steady")
    assert [finding.claim for finding in findings if finding.kind == "effect"] == [
        "With a digit much smaller than the centred training digits, the fully connected network is more stable if it "
        "was trained on varied digits.",
        "With a digit far off centre, the pooling network is more stable if it was trained on varied digits.",
    ]
    assert [finding.kind for finding in findings].count("none") == 4
    assert all(follows(finding) for finding in findings)


def test_a_control_that_is_not_more_stable_is_said(framed):
    claims = {finding.claim: finding for finding in controlled(framed, "far", "position")}
    same = claims[
        "With a digit far off centre, the pooling network was not found to be more stable if it was trained on varied "
        "digits."
    ]
    assert (same.kind, follows(same)) == ("none", True)
    worse = {finding.claim: finding.kind for finding in controlled(framed, "steady", "far")}
    assert (
        worse["With a digit far off centre, the pooling network is less stable if it was trained on varied digits."]
        == "effect"
    )


def test_too_few_images_for_a_control(framed):
    tables = {name: changing(0.1, n=8) for name in ("fully-connected", "fully-connected-uniform")}
    tables |= dict.fromkeys(("global-pooling", "global-pooling-uniform"), framed["far"])
    assert [finding.kind for finding in control_findings(tables)][:3] == ["caution"] * 3


def test_controls_are_told_nothing_about_a_training_law_that_is_not_theirs(framed):
    names = ("fully-connected", "global-pooling", "fully-connected-uniform", "global-pooling-uniform")
    tables = {name: framed[of] for name, of in zip(names, ("far", "scale", "steady", "steady"), strict=True)}
    findings = network_findings(tables)
    framing = [finding for finding in findings if finding.topic in ("Position", "Scale")]
    assert len(framing) == 6
    assert not [finding for finding in framing if "varied" in finding.claim]


def test_the_figures_show_every_bin_of_every_network(framed):
    names = ("fully-connected", "global-pooling", "fully-connected-uniform", "global-pooling-uniform")
    tables = {name: binned(table) for name, table in zip(names, framed.values(), strict=False)}
    figure = argument_figure(tables)
    assert len(figure.axes) == 6
    for ax, by in zip(figure.axes[:2], ("off_centre", "scale"), strict=True):
        for container, table in zip(ax.containers, tables.values(), strict=True):
            shown = table.loc[table["by"] == by, "p_top1_change"].dropna()
            np.testing.assert_allclose(np.asarray(container.lines[0].get_ydata(), float), shown)
    for ax, measure in zip(figure.axes[::2], ("p_top1_change", "mac", "accuracy"), strict=True):
        shown = [table[table["by"].isin(["off_centre", "scale"])] for table in tables.values()]
        highest = max(table[f"{measure}_high"].max() for table in shown)
        assert ax.get_ylim()[0] == 0
        assert ax.get_ylim()[1] >= highest
    assert [ax.get_ylabel() for ax in figure.axes[::2]] == ["P(top-1 change)", "mean absolute\nchange", "accuracy"]
    assert len(figure.legends[0].get_texts()) == 4
    assert len(distance_figure(tables).axes[0].containers) == 4
