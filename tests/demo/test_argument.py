import numpy as np
import pandas as pd
import pytest

from bias_toolkit.datasets.demo import demo_consequences
from bias_toolkit.demo.argument import binned, change_difference, law_table
from bias_toolkit.demo.findings import framing_findings, law_findings, learnt_findings

HALF_DIAGONAL = np.hypot(0.5, 0.5)


def images(off_centre, scale, change, **columns):
    """A per-image table; positions in image widths."""
    n = len(off_centre)
    return pd.DataFrame(
        {
            "centre_distance": np.asarray(off_centre) / HALF_DIAGONAL,
            "scale": scale,
            "p_top1_change": change,
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


def test_change_difference_against_a_known_shift():
    rng = np.random.default_rng(1)
    low, high = rng.normal(0.1, 0.02, 400), rng.normal(0.3, 0.02, 400)
    table = images(np.r_[np.full(400, 0.05), np.full(400, 0.25)], np.full(800, 0.45), np.r_[low, high])
    value, left, right = change_difference(table, "off_centre", (0.0, 0.1), (0.2, 0.3))
    assert value == pytest.approx(high.mean() - low.mean())
    half_width = 1.96 * np.sqrt(2) * 0.02 / 20
    assert right - left == pytest.approx(2 * half_width, rel=0.15)
    assert left < 0.2 < right


def test_change_difference_without_images():
    table = images([0.05, 0.05], [0.45, 0.45], [0.1, 0.2])
    assert np.isnan(change_difference(table, "off_centre", (0.0, 0.1), (0.2, 0.3))).all()


def summary(**changes):
    law = demo_consequences("train")
    row = {"category": ""}
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
    [(0.0, "fact", "give back the law"), (0.025, "fact", "just misses"), (0.05, "caution", "do not give back")],
)
def test_law_findings(shift, kind, words):
    table = law_table({"train": summary(centre_bias=shift), "uniform": summary()})
    finding = law_findings(table)[0]
    assert finding.kind == kind
    assert words in finding.claim
    assert ("centre bias" in finding.claim) == (shift > 0)


def whole_table(change, spread):
    rows = [("all", 0, 0.0, 1.0, 100, 0.9, change, change - spread, change + spread)]
    rows += [("nn_distance", k, k, k + 1, 20, 0.9, change, change - spread, change + spread) for k in range(5)]
    return pd.DataFrame(rows, columns=binned(images([0.0], [0.45], [0.0])).columns)


@pytest.mark.parametrize(("varied", "kind"), [(0.2, "effect"), (0.02, "none")])
def test_learnt_findings(varied, kind):
    tables = {("net", "photographer"): whole_table(0.02, 0.01), ("net", "uniform"): whole_table(varied, 0.01)}
    (finding,) = learnt_findings(tables)
    assert finding.kind == kind


def test_framing_findings_tell_an_effect_from_none():
    rng = np.random.default_rng(2)
    off_centre, scale = rng.uniform(0, 0.35, 3000), np.exp(rng.uniform(np.log(0.2), np.log(0.8), 3000))
    noise = rng.normal(0.1, 0.02, 3000)
    findings = framing_findings(
        {
            "position": images(off_centre, scale, noise + 0.3 * (off_centre > 0.15)),
            "scale": images(off_centre, scale, noise + 0.3 * (scale < 0.3)),
        }
    )
    kinds = {finding.claim: finding.kind for finding in findings}
    assert [claim for claim, kind in kinds.items() if kind == "effect"] == [
        "position: an object off centre makes it less stable.",
        "scale: an object smaller than in training makes it less stable.",
    ]
