"""Every branch of what can be said about invariance."""

import dataclasses

import pytest

from bias_toolkit.report import NoiseFloor
from bias_toolkit.report.findings_invariance import image_size, invariance_findings, noise_finding, sweep_name


def row(measure, value, low, high, n=1000, protocol="crop", size=1.0, transform="diagonal"):
    return {
        "protocol": protocol,
        "transform": transform,
        "size": size,
        "measure": measure,
        "value": value,
        "low": low,
        "high": high,
        "n": n,
    }


CHANGE = row("p_top1_change", 0.15, 0.139, 0.161)


def findings(contents, analysis_of, *rows, **changes):
    return invariance_findings(dataclasses.replace(contents, analysis=analysis_of(summary=rows), **changes))


def test_one_pixel_changes_the_class(bare_contents, analysis_of):
    first = findings(bare_contents, analysis_of, CHANGE, row("mac", 0.057, 0.05, 0.06))[0]
    assert first.kind == "effect"
    assert first.claim == "Moving an image by one pixel changes the top-1 class in 15.0% of the steps."
    assert "95% interval 13.9% to 16.1%; crop, diagonal, size 1; 1,000 images." in first.evidence
    assert "0.0570 (95% interval 0.0500 to 0.0600) a step" in first.evidence


def test_nothing_changes(bare_contents, analysis_of):
    first = findings(bare_contents, analysis_of, row("p_top1_change", 0.0, 0.0, 0.0))[0]
    assert first.kind == "none"
    assert "never changed" in first.claim


def test_too_few_images(bare_contents, analysis_of):
    first = findings(bare_contents, analysis_of, row("p_top1_change", 0.15, 0.1, 0.2, n=12))[0]
    assert first.kind == "caution"
    assert "So few images" in first.evidence


def test_nothing_measured(bare_contents):
    (finding,) = invariance_findings(bare_contents)
    assert finding.kind == "unknown"


def test_offsets_alone_have_their_consistency(bare_contents, analysis_of):
    offsets = row("consistency", 0.9, 0.88, 0.92, protocol="offsets", transform=None)
    unknown, consistency = findings(bare_contents, analysis_of, offsets)
    assert unknown.kind == "unknown"
    assert "agree in their top-1 class in 90.0% of pairs" in consistency.claim


def test_labels_and_their_absence(bare_contents, analysis_of):
    assert findings(bare_contents, analysis_of, CHANGE)[-1].kind == "unknown"
    last = findings(bare_contents, analysis_of, CHANGE, row("accuracy", 0.75, 0.74, 0.76, n=900))[-1]
    assert last.kind == "fact"
    assert last.claim == "Accuracy over the same views is 75.0%."
    assert "900 images" in last.evidence


def test_the_reference_sweep_is_the_one_told(bare_contents, analysis_of):
    other = row("p_top1_change", 0.3, 0.2, 0.4, protocol="embed", size=2.0, transform="scale")
    first = findings(bare_contents, analysis_of, CHANGE, other, reference=("embed", "scale", 2.0))[0]
    assert "30.0%" in first.claim
    assert "embed, scale, size 2" in first.evidence


NOISE = {
    "far below": (NoiseFloor(0.0, 576, 0, 0.0, 0.0064), "fact", "does not explain"),
    "a little": (NoiseFloor(0.01, 1000, 10, 0.004, 0.02), "fact", "does not explain"),
    "too near": (NoiseFloor(0.05, 100, 5, 0.02, 0.1), "caution", "too near"),
    "too few": (NoiseFloor(0.0, 9, 0, 0.0, 0.33), "caution", "Too few views"),
    "not measured": (None, "unknown", "not known"),
}


@pytest.mark.parametrize(("floor", "kind", "words"), NOISE.values(), ids=NOISE)
def test_noise(floor, kind, words):
    finding = noise_finding(floor, CHANGE)
    assert finding.kind == kind
    assert words in finding.claim
    if floor is not None:
        assert f"in {floor.n_changed:,} of {floor.n_views:,} evaluations" in finding.evidence
        assert "15.0% under a shift" in finding.evidence


def test_noise_where_nothing_changes():
    still = row("p_top1_change", 0.0, 0.0, 0.0)
    assert noise_finding(NoiseFloor(0.0, 576, 0, 0.0, 0.0064), still).kind == "fact"
    assert noise_finding(NoiseFloor(0.01, 100, 1, 0.0, 0.05), still).kind == "caution"


def size_finding(contents, analysis_of, crop_small, crop, embed):
    """The finding on sizes, for values with an interval of ± 0.01."""
    rows = [
        row("p_top1_change", value, value - 0.01, value + 0.01, protocol=protocol, size=size)
        for protocol, size, value in (("crop", 1.0, crop), ("crop", 0.25, crop_small), ("embed", 2.0, embed))
    ]
    return findings(contents, analysis_of, *rows)[2]


def test_u_shape(bare_contents, analysis_of):
    finding = size_finding(bare_contents, analysis_of, 0.2, 0.1, 0.3)
    assert finding.kind == "effect"
    assert "U-shaped" in finding.claim
    assert "lowest, 10.0% (9.0% to 11.0%) at crop size 1" in finding.evidence
    assert "smaller, 30.0% (29.0% to 31.0%) at embed size 2" in finding.evidence
    assert "larger, 20.0% (19.0% to 21.0%) at crop size 0.25" in finding.evidence


@pytest.mark.parametrize(
    ("crop_small", "crop", "embed", "direction"), [(0.1, 0.11, 0.3, "smaller"), (0.3, 0.11, 0.1, "larger")]
)
def test_one_side_only(bare_contents, analysis_of, crop_small, crop, embed, direction):
    finding = size_finding(bare_contents, analysis_of, crop_small, crop, embed)
    assert finding.kind == "effect"
    assert finding.claim == f"The model is less stable when the image is shown {direction}."


def test_no_dependence_on_size(bare_contents, analysis_of):
    finding = size_finding(bare_contents, analysis_of, 0.105, 0.1, 0.11)
    assert finding.kind == "none"
    assert finding.claim.startswith("No dependence")


def test_size_in_view_sides():
    assert image_size("crop", 1.0) == 1
    assert image_size("crop", 0.25) == 2
    assert image_size("embed", 4.0) == 0.25


def test_sweep_name():
    assert sweep_name("crop", "diagonal", 0.5) == "crop, diagonal, size 0.5"
    assert sweep_name("offsets", None, float("nan")) == "offsets"
