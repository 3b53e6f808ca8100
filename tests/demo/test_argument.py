import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from bias_toolkit.datasets.demo import demo_consequences
from bias_toolkit.demo.argument import binned, change_contrasts, law_table
from bias_toolkit.demo.curves import argument_figure, distance_figure
from bias_toolkit.demo.findings import (
    control_answer,
    distance_finding,
    framing_findings,
    law_findings,
    learnt_answer,
    network_findings,
)

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


def summary(**changes):
    law = demo_consequences("train")
    row = {"category": "", "n_objects": 1000}
    for name, value in (
        ("centre_bias", law.centre_bias),
        ("log_scale_mean", law.log_scale_mean),
        ("log_scale_sd", law.log_scale_sd),
    ):
        value += changes.get(name, 0.0)
        row |= {name: value, f"{name}_low": value - 0.0196, f"{name}_high": value + 0.0196}
    return pd.DataFrame([row])


@pytest.mark.parametrize(
    ("shift", "kind", "words"),
    [(0.0, "fact", "give back the law"), (0.025, "fact", "give back the law"), (0.05, "caution", "do not give back")],
)
def test_law_findings(shift, kind, words):
    table = law_table({"train": summary(centre_bias=shift), "uniform": summary()})
    finding = law_findings(table)[0]
    assert finding.kind == kind
    assert words in finding.claim
    assert ("centre bias" in finding.claim) == (kind == "caution")
    assert finding.estimate.value == pytest.approx(demo_consequences("train").centre_bias + shift)
    assert finding.evidence == f"By the law it is {demo_consequences('train').centre_bias:.3f}."


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
        (0.2, "effect", "is less stable on"),
        (0.1, "none", "was not found to be less"),
        (0.02, "effect", "is more stable on"),
    ],
)
def test_learnt_answer(varied, kind, words):
    answer = learnt_answer("net", "A network", changing(0.1), changing(varied, seed=1))
    assert answer.kind == kind
    assert answer.claim.startswith("net: A network ")
    assert words in answer.claim
    assert follows(answer)
    assert answer.estimate.value == pytest.approx(varied - 0.1, abs=0.02)
    assert ", accuracy 100.0% against 100.0%." in answer.evidence


@pytest.mark.parametrize(
    ("control", "kind", "words"),
    [
        (0.02, "effect", "is more stable on the same"),
        (0.1, "none", "not found to be more"),
        (0.2, "effect", "is less stable"),
    ],
)
def test_control_answer(control, kind, words):
    answer = control_answer("net-uniform", "a network", changing(0.1), changing(control, seed=1))
    assert answer.kind == kind
    assert answer.claim.startswith("net-uniform: Trained on varied digits, a network ")
    assert words in answer.claim
    assert follows(answer)
    assert answer.estimate.value == pytest.approx(0.1 - control, abs=0.02)
    assert answer.estimate.n == 500


def test_the_control_is_compared_image_by_image():
    spread = np.random.default_rng(0).uniform(0, 0.9, 500)
    centred, control = (images(np.full(500, 0.05), np.full(500, 0.45), spread + more) for more in (0.01, 0.0))
    control["p_top1_change"] += np.random.default_rng(1).normal(0, 0.01, 500)
    # In another order, the rows are still matched by their images.
    assert control_answer("net", "a network", centred, control.sample(frac=1, random_state=0)).kind == "effect"


@pytest.fixture(scope="module")
def framed():
    """Tables of networks that lose stability off centre, far off centre only, when smaller, or never."""
    rng = np.random.default_rng(2)
    off_centre, scale = rng.uniform(0, 0.45, 3000), np.exp(rng.uniform(np.log(0.2), np.log(0.8), 3000))
    where = {
        "position": off_centre > 0.15,
        "far": off_centre > 0.3,
        "scale": scale < 0.3,
        "large": scale > 0.6,
        "steady": off_centre < 0,
    }
    return {
        name: images(off_centre, scale, rng.binomial(8, 0.1 + 0.3 * there) / 8, nn_distance=off_centre)
        for name, there in where.items()
    }


def test_framing_findings_tell_an_effect_from_none(framed):
    findings = [finding for name, table in framed.items() for finding in framing_findings(name, table)]
    assert [finding.claim for finding in findings if finding.kind == "effect"] == [
        "position: an object off centre makes it less stable.",
        "far: an object off centre makes it less stable.",
        "scale: an object smaller than in training makes it less stable.",
        "large: an object larger than in training makes it less stable.",
    ]
    assert [finding.claim for finding in findings if finding.topic == "Position" and finding.kind == "none"] == [
        f"{name}: no loss of stability with an object off centre was found." for name in ("scale", "large", "steady")
    ]
    for finding in findings:
        assert follows(finding)
        assert finding.figure == "argument"
        assert (finding.rank >= 100) == (finding.kind == "none")


def test_a_loss_in_the_last_bin_alone_is_found(framed):
    """The bin that differs is not the one at 0.2 to 0.3 widths: every bin of the figure is tested."""
    finding = framing_findings("far", framed["far"])[0]
    assert "0.3 to 0.5 widths off the middle, minus that within 0.1" in finding.estimate.label
    assert finding.estimate.value == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("name", ["position", "far", "scale", "large", "steady"])
def test_no_finding_contradicts_its_figure(framed, name):
    """Where nothing was found, no two intervals in the figure are so far apart as to say otherwise."""
    table = binned(framed[name])
    for finding, by, reference in zip(
        framing_findings(name, framed[name]), ("off_centre", "scale", "scale"), (0.0, 0.45, 0.45), strict=True
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
    finding = framing_findings("net", mirrored)[0]
    assert (finding.kind, finding.claim) == ("effect", "net: an object off centre makes it more stable.")
    assert follows(finding)


def test_too_few_images_for_a_finding():
    findings = [*framing_findings("net", changing(0.1, n=8)), distance_finding("net", changing(0.1, n=8))]
    assert [finding.kind for finding in findings] == ["caution"] * 4
    assert findings[0].claim == "net: too few images to say whether an object off centre makes it less stable."


@pytest.mark.parametrize(("name", "kind"), [("position", "association"), ("steady", "none")])
def test_distance_finding(framed, name, kind):
    finding = distance_finding(name, framed[name])
    assert finding.kind == kind
    assert follows(finding)


def test_controls_are_not_among_the_first(framed):
    findings = network_findings({"net": framed["far"], "net-uniform": framed["steady"]}, ["net-uniform"])
    ranks = {finding.claim: finding.rank for finding in findings if finding.topic in ("Position", "Scale")}
    assert all((rank is None) == claim.startswith("net-uniform") for claim, rank in ranks.items())


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
