"""Every branch of what can be said about framing."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_toolkit.objects import image_framing, object_maps, objects_that_count, position_and_scale
from bias_toolkit.report.topics.framing import framing_answer, framing_findings
from bias_toolkit.report.topics.framing.contents import FramedSet, FramingContents, by_category
from bias_toolkit.report.topics.framing.section import centres_block, framing_section
from bias_toolkit.report.words.definitions import FRAMING_SUMMARY
from bias_toolkit.report.words.sentences import ClassNames

ROW = {
    "category": "",
    "n_images": 100,
    "n_objects": 120,
    "centre_bias": 0.41,
    "centre_bias_low": 0.39,
    "centre_bias_high": 0.43,
    "p_value": 0.0005,
    "n_untruncated": 110,
    "untruncated_centre_bias": 0.5,
    "untruncated_centre_bias_low": 0.4,
    "untruncated_centre_bias_high": 0.6,
    "untruncated_p_value": 0.002,
    "median_scale": 0.6,
    "median_scale_low": 0.55,
    "median_scale_high": 0.65,
    "truncated_share": 0.02,
    "truncated_share_low": 0.01,
    "truncated_share_high": 0.04,
}
CUT = {"truncated_share": 0.77, "truncated_share_low": 0.75, "truncated_share_high": 0.79}
CENTRED = (
    "The objects of the training set are centred: they lie nearer to the middle of the photograph than chance would "
)
NUMBERS = "0123456789%"


def contents(*rows, names=()):
    summary = pd.DataFrame([ROW | row for row in rows]) if rows else None
    return FramingContents(
        FramedSet("the training set", "training", "train", summary=summary), names=ClassNames(dict(names))
    )


def bias(value, half=0.02, **more):
    return {"centre_bias": value, "centre_bias_low": value - half, "centre_bias_high": value + half} | more


def category(name, value, half=0.1, **more):
    return {"category": name} | bias(value, half, **more)


def find(findings, part):
    (finding,) = (finding for finding in findings if part in finding.claim)
    return finding


@pytest.mark.parametrize(
    ("row", "kind", "claim"),
    [
        ({}, "fact", f"{CENTRED}put them."),
        (
            bias(-0.1),
            "fact",
            "The objects of the training set avoid the centre: they lie farther from the middle of the photograph than "
            "chance would put them.",
        ),
        (
            bias(0.01),
            "none",
            "The objects of the training set were not found to be centred: they may lie as chance would put them.",
        ),
        # An interval that ends at 0 includes it.
        (bias(0.125, 0.125), "none", None),
        (
            {"n_images": 4},
            "caution",
            "Too few photographs of the training set have boxes to say whether objects are centred.",
        ),
        # Of five photographs there is an interval, and it decides.
        ({"n_images": 5}, "fact", f"{CENTRED}put them."),
        (bias(0.2) | {"centre_bias_low": np.nan, "centre_bias_high": np.nan}, "caution", None),
        (
            bias(np.nan),
            "unknown",
            "Whether the objects of the training set are centred is not known: each box fills its image.",
        ),
        (
            CUT,
            "fact",
            f"{CENTRED}put them.".replace("set are", "set that the frame does not cut are"),
        ),
    ],
)
def test_the_answer(row, kind, claim):
    answer = framing_answer(contents(row))
    assert answer.kind == kind
    assert claim is None or answer.claim == claim
    assert not set(answer.claim) & set(NUMBERS)
    if kind == "caution":
        assert answer.estimate.low is None
        assert "too few images, or too alike, for an interval" in answer.numbers


def test_the_answer_has_its_number_and_what_it_is_of():
    answer = framing_answer(contents({}))
    assert answer.estimate.text == "Centre bias 0.41 (95% interval 0.39 to 0.43; 120 objects)"
    assert answer.evidence == (
        "They lie 41% nearer to the image’s centre than boxes of the same sizes placed anywhere they fit."
    )
    cut = framing_answer(contents(CUT | bias(-0.1)))
    assert cut.estimate.text == "Centre bias 0.50 (95% interval 0.40 to 0.60; 110 objects)"
    assert cut.evidence.endswith("Of all objects: centre bias −0.10 (95% interval −0.12 to −0.08; 120 objects).")


def test_no_boxes():
    for rows in ((), ({"n_objects": 0, "centre_bias": np.nan},)):
        answer = framing_answer(contents(*rows))
        assert answer.kind == "unknown"
        assert answer.claim.endswith("is not known: it has no object boxes.")
        (finding,) = framing_findings(contents(*rows))
        assert finding.kind == "unknown"


@settings(deadline=None, max_examples=50)
@given(st.floats(-1, 1), st.floats(0, 0.5), st.floats(0, 0.5), st.integers(5, 200))
def test_the_answer_says_what_its_interval_shows(value, below, above, n_images):
    row = {"centre_bias_low": value - below, "centre_bias": value, "centre_bias_high": value + above}
    answer = framing_answer(contents(row | {"n_images": n_images}))
    found = "nearer" in answer.claim or "farther" in answer.claim
    assert found == (answer.kind == "fact") == (answer.estimate.direction in (1, -1))
    assert (answer.kind == "none") == (answer.estimate.direction == 0)
    if found:
        assert ("nearer" in answer.claim) == (value - below > 0)


@pytest.mark.parametrize(
    ("scale", "half", "kind", "claim"),
    [
        (0.8, 0.05, "fact", "The median object of the training set covers more than half of its image."),
        (0.6, 0.05, "fact", "The median object of the training set covers less than half of its image."),
        (
            0.7,
            0.05,
            "none",
            "The median object of the training set was not found to cover more or less than half of its image.",
        ),
        (
            0.7,
            np.nan,
            "unknown",
            "Whether the median object of the training set covers more than half of its image is not known.",
        ),
    ],
)
def test_scale(scale, half, kind, claim):
    row = {"median_scale": scale, "median_scale_low": scale - half, "median_scale_high": scale + half}
    finding = find(framing_findings(contents(row)), "median object")
    assert (finding.kind, finding.claim) == (kind, claim)
    assert finding.estimate.value == pytest.approx(scale**2)
    few = find(framing_findings(contents(row | {"n_images": 4})), "Too few")
    assert (few.kind, few.estimate.low) == ("caution", None)


@pytest.mark.parametrize(
    ("ends", "kind"),
    [
        # √½ squared is above one half, by rounding.
        ((0.6, np.sqrt(0.5)), "none"),
        ((np.sqrt(0.5), 0.9), "none"),
        ((0.6, 0.707), "fact"),
        ((0.708, 0.9), "fact"),
    ],
)
def test_whether_the_median_object_covers_half_is_not_decided_by_rounding(ends, kind):
    row = {"median_scale": sum(ends) / 2} | dict(zip(("median_scale_low", "median_scale_high"), ends, strict=True))
    finding = find(framing_findings(contents(row)), "median object")
    assert finding.kind == kind
    assert (finding.estimate.direction == 0) == (kind == "none")


def test_many_objects_that_the_frame_cuts():
    finding = find(framing_findings(contents(CUT)), "cuts")
    assert (finding.kind, finding.claim) == ("fact", "The frame cuts many of the training objects.")
    assert finding.estimate.text == "Share cut 77.0% (95% interval 75.0% to 79.0%; 120 objects)"
    few = find(framing_findings(contents(CUT | {"n_images": 4})), "the frame cuts")
    assert few.kind == "caution"
    assert not any("cuts" in finding.claim for finding in framing_findings(contents({})))


CLASSES = [
    bias(0.2, n_objects=600),
    category("a", 0.5),
    category("b", 0.1, 0.2),
    category("c", -0.4),
    category("d", 0.9, n_images=4),
]


def of_classes(nearer, farther=0, neither=0):
    """The finding on a dataset of as many classes that are centred, that avoid the centre, and neither."""
    values = [0.5] * nearer + [-0.5] * farther + [0.0] * neither
    rows = [bias(0.1), *(category(f"{i}", value) for i, value in enumerate(values))]
    (finding,) = (each for each in framing_findings(contents(*rows)) if each.figure == "categories")
    return finding


@pytest.mark.parametrize(
    ("counts", "kind", "claim"),
    [
        ((17, 0, 2), "fact", "Most training classes are centred."),
        # The interval of 5 of 6 includes one half, that of 6 of 6 does not.
        ((6, 0, 0), "fact", "Most training classes are centred."),
        ((5, 1, 0), "none", "It was not found whether most training classes are centred."),
        ((2, 1, 17), "fact", "Most training classes were not found to be centred."),
        ((4, 0, 0), "caution", "There are too few training classes to say whether most are centred."),
    ],
)
def test_classes_against_chance(counts, kind, claim):
    finding = of_classes(*counts)
    nearer, farther, _ = counts
    n = sum(counts)
    assert (finding.kind, finding.claim) == (kind, claim)
    assert (finding.estimate.value, finding.estimate.n) == (nearer / n, n)
    assert finding.evidence.startswith(f"The objects of {nearer} of {n} training classes lie nearer to the centre")
    assert (f"Those of {farther} lie farther from it." in finding.evidence) == (farther > 0)
    assert (finding.rank == 60) == (kind == "fact")
    assert finding.states_centring == (claim == "Most training classes are centred.")


def test_the_share_of_classes_with_its_interval():
    assert of_classes(17, 0, 2).estimate.text == (
        "Share of the training classes found to be centred 89.5% (95% interval 66.9% to 98.7%; 19 classes)"
    )


def test_the_classes_counted_are_those_of_the_table():
    table = by_category(contents(*CLASSES).first.summary).set_index("category")
    # Two of three were found: the level is 1 − 2 × 0.05 / 3.
    assert table.loc["a", "centre_bias_low"] == pytest.approx(0.5 - 0.1 * 2.1613 / 1.9842, abs=1e-3)
    assert np.isnan(table.loc["d", "centre_bias_low"])
    finding = find(framing_findings(contents(*CLASSES)), "too few")
    assert finding.evidence.startswith(
        "The objects of 1 of 3 training classes lie nearer to the centre than by chance."
    )
    assert finding.evidence.endswith("Those of 1 lie farther from it.")


def test_a_class_that_alone_would_be_found_is_not_among_twenty():
    rows = [bias(0.0), *(category(f"{i}", 0.0) for i in range(19)), category("x", 0.11)]
    finding = find(framing_findings(contents(*rows)), "found to be centred")
    assert finding.evidence.startswith("The objects of 0 of 20 training classes lie nearer")


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.floats(-0.9, 0.9), st.floats(0.01, 0.5)), min_size=5, max_size=12))
def test_as_many_classes_are_told_as_the_table_shows(values):
    rows = [bias(0.0), *(category(f"{i}", value, half) for i, (value, half) in enumerate(values))]
    (finding,) = (each for each in framing_findings(contents(*rows)) if each.figure == "categories")
    table = by_category(contents(*rows).first.summary)
    nearer, farther = table["centre_bias_low"].gt(0).sum(), table["centre_bias_high"].lt(0).sum()
    assert (finding.kind == "fact") == (finding.estimate.direction != 0)
    assert f"of {nearer} of {len(values)}" in finding.evidence
    assert ("farther from it" in finding.evidence) == (farther > 0)


def test_classes_against_the_whole_set():
    finding = find(framing_findings(contents(*CLASSES)), "as a whole")
    assert finding.kind == "fact"
    assert finding.claim == "The objects of “c” are less centred than those of the training set as a whole."
    assert finding.estimate.nothing == 0.2
    assert finding.estimate.label == "Centre bias of “c”, against 0.20 of all,"
    assert finding.evidence.startswith("2 classes differ from the whole, of 3.")
    assert "more than sampling gives" in finding.evidence
    same = [
        bias(0.3, n_objects=600),
        *(category(name, value, 0.3) for name, value in zip("abcd", (0.3, 0.31, 0.29, 0.3), strict=True)),
    ]
    none = find(framing_findings(contents(*same)), "as a whole")
    assert none.kind == "none"
    assert none.claim == "No training class was found to be more or less centred than the training set as a whole."
    assert none.estimate.direction == 0


def test_a_dataset_of_its_own_is_spoken_of_without_training():
    summary = pd.DataFrame([ROW | row for row in CLASSES])
    source = FramingContents(FramedSet("the dataset", "", "dataset", summary=summary))
    text = " ".join(finding.text for finding in [framing_answer(source), *framing_findings(source)])
    assert "The objects of the dataset are centred" in text
    assert "The median object of the dataset covers" in text
    assert "of 3 classes" in text
    assert "train" not in text
    assert "test" not in text


def cut_and_whole(make_framing):
    """Six objects: four at the centre, two that the border cuts."""
    return make_framing(np.array([[40, 40, 60, 60]] * 4 + [[0, 40, 20, 60], [80, 40, 100, 60]], float))


@pytest.fixture
def make_framing():
    def make(edges):
        ids = [f"{i}" for i in range(len(edges))]
        objects = pd.DataFrame(edges, columns=["x0", "y0", "x1", "y1"]).assign(image_id=ids, object_id=0, category="a")
        images = pd.DataFrame({"image_id": ids, "label": "a", "width": 100, "height": 100})
        return position_and_scale(objects, images), images

    return make


def test_a_figure_is_of_the_objects_of_its_number(make_framing):
    framing, images = cut_and_whole(make_framing)
    every = objects_that_count(framing, images, "centre_bias")
    assert len(every) == 6
    uncut = objects_that_count(framing, images, "untruncated_centre_bias")
    assert len(uncut) == 4
    maps = object_maps(uncut, image_framing(framing, images))
    assert maps.centres.sum() == 4
    assert maps.null.sum() == pytest.approx(4)
    # A box that is not cut has a margin of one pixel on each side.
    np.testing.assert_allclose(uncut["width_fraction"], 0.22)
    assert maps.coverage[32, 0] > 0
    row = CUT | {"n_objects": 6, "n_untruncated": 4, "n_images": 6}
    summary = pd.DataFrame([ROW | row])
    first = FramedSet("the training set", "training", "train", framing, summary, maps, counted=uncut)
    block = centres_block(first)
    assert "the objects of the training set that the frame does not cut" in block.caption
    assert "4 of 6 objects; their centre bias is 0.50" in block.caption
    blocks = {each.name: each for each in framing_section(FramingContents(first)).blocks if hasattr(each, "name")}
    distances = blocks["centre-distance-training"]
    assert "4 of 6 objects; their centre bias is 0.50" in distances.caption
    heights = distances.draw().containers[0]
    assert heights[0].get_height() > 0
    assert not any(bar.get_height() for bar in heights[1:])


def test_a_label_without_a_name_is_shown_whole():
    """A comma parts the synonyms of a name; in the label itself it is a comma."""
    names = ClassNames({"n02119789": "kit fox, Vulpes macrotis", "blank": " "})
    shown = [names.shown(label) for label in ("n02119789", "fox, red", "fox, kit", "blank", None)]
    assert shown == ["kit fox", "fox, red", "fox, kit", "blank", ""]
    assert [names.given(label) for label in ("n02119789", "fox, red", None, float("nan"))] == ["n02119789", "", "", ""]


@pytest.mark.parametrize(
    ("value", "low", "high", "text", "detail"),
    [
        (0.5, 0.4, 0.6, "0.50", "0.40 to 0.60"),
        (0.01, -0.01, 0.03, "0.01", "0.00 to 0.03"),
        (-0.01, -0.03, 0.02, "0.00", "0.00 to 0.02; not above sampling noise"),
        (-0.02, -0.03, -0.01, "0.00", "not above sampling noise"),
        (-0.02, np.nan, np.nan, "0.00", "not above sampling noise"),
    ],
)
def test_no_divergence_below_0_is_shown(value, low, high, text, detail):
    row = {"divergence_bits": value, "divergence_bits_low": low, "divergence_bits_high": high}
    overview = framing_section(contents_of(row)).blocks[1]
    (cell,) = (line[1] for line in overview.rows if line[0] == FRAMING_SUMMARY["divergence_bits"].label)
    assert (cell.text, cell.detail) == (text, detail)


def test_one_object_an_image_is_no_row_of_the_table():
    for n_images, shown in ((120, False), (100, True)):
        source = contents_of({"n_images": n_images, "objects_per_image": 120 / n_images})
        overview = framing_section(source).blocks[1]
        label = FRAMING_SUMMARY["objects_per_image"].label
        assert any(line[0] == label for line in overview.rows) == shown


def contents_of(row):
    """The framing of one set whose summary has this row, with a table of objects."""
    source = contents(row)
    framing = pd.DataFrame({"scale": [0.5], "centre_distance": [0.1]})
    return dataclasses.replace(source, first=dataclasses.replace(source.first, framing=framing, counted=framing))
