"""Every branch of what can be said about framing."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_toolkit.objects import image_framing, object_maps, objects_that_count, position_and_scale
from bias_toolkit.report.page.blocks import TableBlock
from bias_toolkit.report.topics.framing import framing_answer, framing_findings
from bias_toolkit.report.topics.framing.contents import FramedSet, FramingContents, by_category
from bias_toolkit.report.topics.framing.figures import mean_coverage
from bias_toolkit.report.topics.framing.section import _categories, _overview, centres_block, framing_section
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
            f"{CENTRED}put them.".replace("set are", "set that do not touch the border are"),
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
    assert (
        "The other 77.0% (95% interval 75.0% to 79.0%) touch the border: where their middle is, is not known."
        in cut.evidence
    )
    assert cut.evidence.endswith("Of all objects: centre bias −0.10 (95% interval −0.12 to −0.08; 120 objects).")


def test_no_boxes():
    for rows in ((), ({"n_objects": 0, "centre_bias": np.nan},)):
        answer = framing_answer(contents(*rows))
        assert answer.kind == "unknown"
        assert answer.claim.endswith("is not known: it has no object boxes.")
        (finding,) = framing_findings(contents(*rows))
        assert finding.kind == "unknown"


@settings(deadline=None, max_examples=25)
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
    ("ends", "covers"),
    [
        ((0.85, 0.9, 0.95), "about four fifths"),
        ((0.55, 0.6, 0.65), "about a third"),
        ((0.69, 0.7, 0.71), "about half"),
        # √½ squared is above one half, by rounding.
        ((0.69, 0.7, np.sqrt(0.5)), "about half"),
        ((0.69, 0.7, 0.707), "more than two fifths"),
        ((np.nan, 0.69, np.nan), None),
    ],
)
def test_scale(ends, covers):
    row = dict(zip(("median_scale_low", "median_scale", "median_scale_high"), ends, strict=True))
    finding = find(framing_findings(contents(row)), "median object" if covers else "too alike in size")
    assert finding.estimate.value == pytest.approx(ends[1] ** 2)
    assert finding.estimate.nothing is None
    if covers:
        assert finding.kind == "fact"
        assert finding.claim == f"The median object of the training set covers {covers} of its image."
    else:
        assert (finding.kind, finding.estimate.low) == ("caution", None)
    few = find(framing_findings(contents(row | {"n_images": 4})), "Too few")
    assert (few.kind, few.estimate.low) == ("caution", None)


def test_many_objects_that_touch_the_border():
    finding = find(framing_findings(contents(CUT)), "touch the border of")
    assert (finding.kind, finding.claim) == ("fact", "Many of the training objects touch the border of their image.")
    assert finding.estimate.text == ("Share that touches the border 77.0% (95% interval 75.0% to 79.0%; 120 objects)")
    few = find(framing_findings(contents(CUT | {"n_images": 4})), "touch the border.")
    assert few.kind == "caution"
    assert not any("border" in finding.claim for finding in framing_findings(contents({})))


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
        ((17, 0, 2), "fact", "In most training classes, the objects are centred."),
        # The interval of 5 of 6 includes one half, that of 6 of 6 does not.
        ((6, 0, 0), "fact", "In most training classes, the objects are centred."),
        ((5, 1, 0), "none", "It was not found whether the objects are centred in most training classes."),
        ((2, 1, 17), "fact", "In most training classes, the objects were not found to be centred."),
        ((4, 0, 0), "caution", "There are too few training classes to say whether the objects are centred in most."),
    ],
)
def test_classes_against_chance(counts, kind, claim):
    finding = of_classes(*counts)
    nearer, farther, _ = counts
    n = sum(counts)
    assert (finding.kind, finding.claim) == (kind, claim)
    assert (finding.estimate.value, finding.estimate.n) == (nearer / n, n)
    assert finding.evidence.startswith(f"In {nearer} of {n} training classes, they lie nearer to the centre")
    assert (f"In {farther}, they lie farther from it." in finding.evidence) == (farther > 0)
    assert (finding.rank == 60) == (kind == "fact")
    assert finding.states_centring == (claim == "In most training classes, the objects are centred.")


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
        "In 1 of 3 training classes, they lie nearer to the centre than by chance. In 1, they lie farther from it."
    )
    assert finding.evidence.endswith("Too few of these objects, or too alike, for an interval: “d” (120 of 120).")


def uncut_bias(value, half=0.1, n=100, **more):
    ends = {"untruncated_centre_bias_low": value - half, "untruncated_centre_bias_high": value + half}
    return CUT | {"untruncated_centre_bias": value, "n_untruncated": n, "n_objects": 500} | ends | more


def test_classes_are_spoken_of_by_the_objects_that_were_counted():
    rows = [uncut_bias(0.3, n=4000), *(uncut_bias(0.5, category=f"{i}") for i in range(7))]
    few = [uncut_bias(0.9, category=name, n=n) for n, name in enumerate("pqrst")]
    named = {"p": "seashore, coast"}
    finding = find(framing_findings(contents(*rows, few[3], names={"s": "seashore, coast"})), "In most")
    assert finding.claim == "In most training classes, the objects that do not touch the border are centred."
    assert finding.evidence == (
        "In 7 of 7 training classes, they lie nearer to the centre than by chance. "
        "Too few of these objects, or too alike, for an interval: “seashore” (3 of 500)."
    )
    every = find(framing_findings(contents(*rows, *few, names=named)), "In most")
    assert every.evidence.endswith("interval: “seashore” (0 of 500), “q” (1 of 500), “r” (2 of 500), 2 others.")
    # Five objects are enough.
    rows.append(uncut_bias(0.9, category="u", n=5))
    assert "for an interval" not in find(framing_findings(contents(*rows)), "In most").evidence


def test_a_class_that_alone_would_be_found_is_not_among_twenty():
    rows = [bias(0.0), *(category(f"{i}", 0.0) for i in range(19)), category("x", 0.11)]
    finding = find(framing_findings(contents(*rows)), "found to be centred")
    assert finding.evidence.startswith("In 0 of 20 training classes, they lie nearer")


@settings(deadline=None, max_examples=8)
@given(st.lists(st.tuples(st.floats(-0.9, 0.9), st.floats(0.01, 0.5)), min_size=5, max_size=12))
def test_as_many_classes_are_told_as_the_table_shows(values):
    rows = [bias(0.0), *(category(f"{i}", value, half) for i, (value, half) in enumerate(values))]
    (finding,) = (each for each in framing_findings(contents(*rows)) if each.figure == "categories")
    table = by_category(contents(*rows).first.summary)
    nearer, farther = table["centre_bias_low"].gt(0).sum(), table["centre_bias_high"].lt(0).sum()
    assert (finding.kind == "fact") == (finding.estimate.direction != 0)
    assert f"In {nearer} of {len(values)}" in finding.evidence
    assert ("farther from it" in finding.evidence) == (farther > 0)


def test_classes_against_the_whole_set():
    finding = find(framing_findings(contents(*CLASSES)), "the whole training set")
    assert finding.kind == "fact"
    assert finding.claim == "The objects of “c” are less centred than those of the whole training set."
    assert finding.estimate.nothing == 0
    assert finding.estimate.value == pytest.approx(-0.6)
    assert finding.estimate.label == "Centre bias of “c” minus that of the whole training set"
    assert finding.evidence.startswith(
        "The centre bias of the objects of the training set, those of this class included, is 0.20 "
        "(95% interval 0.18 to 0.22). 2 of 3 classes differ from it."
    )
    assert "98% (95% interval 91% to 99.9%) is more than sampling gives" in finding.evidence
    same = [
        bias(0.3, n_objects=600),
        *(category(name, value, 0.3) for name, value in zip("abcd", (0.3, 0.31, 0.29, 0.3), strict=True)),
    ]
    none = find(framing_findings(contents(*same)), "the whole training set")
    assert none.kind == "none"
    assert none.claim == (
        "No training class was found whose objects are more or less centred than those of the whole training set."
    )
    assert none.estimate.direction == 0
    # Of two classes, each is what the other differs from.
    two = framing_findings(contents(*CLASSES[:3]))
    assert not any("the whole training set" in finding.claim for finding in two)


@settings(deadline=None, max_examples=8)
@given(st.lists(st.tuples(st.floats(-0.9, 0.9), st.floats(0.01, 0.5)), min_size=3, max_size=12))
def test_the_table_shows_which_classes_differ_from_the_whole_set(values):
    rows = [uncut_bias(0.3, n=4000)]
    rows += [uncut_bias(value, half, category=f"{i}") for i, (value, half) in enumerate(values)]
    source = contents(*rows)
    finding = find(framing_findings(source), "the whole training set")
    source = dataclasses.replace(source, first=dataclasses.replace(source.first, framing=source.first.summary))
    (table,) = (each for each in _categories(source) if isinstance(each, TableBlock))
    if finding.kind == "fact":
        assert "” that do not touch the border are" in finding.claim
        assert finding.evidence.startswith("The centre bias of the objects of the training set that do not touch the")
    assert table.header[2:5] == ["Centre bias, border not touched", "Minus the whole set’s", "Centre bias"]
    cells = {row[0].text: row[3] for row in table.rows}
    n_marked = sum(cell.marked for cell in cells.values())
    assert (n_marked > 0) == (finding.kind == "fact")
    if n_marked:
        name = finding.claim.split("”")[0].split("“")[1]
        assert cells[name].marked
        assert cells[name].detail in finding.estimate.text
        assert f"{n_marked} of {len(values)} classes differ" in finding.evidence


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
    assert "the objects of the training set that do not touch the border" in block.caption
    assert "4 of 6 objects; their centre bias is 0.50" in block.caption
    blocks = {each.name: each for each in framing_section(FramingContents(first)).blocks if hasattr(each, "name")}
    distances = blocks["centre-distance-training"]
    assert "4 of 6 objects; their centre bias is 0.50" in distances.caption
    heights = distances.draw().containers[0]
    assert heights[0].get_height() > 0
    assert not any(bar.get_height() for bar in heights[1:])


def test_the_number_of_the_answer_comes_first():
    for more, label in ((CUT, "Centre bias, border not touched"), ({}, "Centre bias")):
        first = contents(more).first
        assert [row[0] for row in _overview([first]).rows[:2]] == ["Objects", label]


def test_the_axes_of_a_heat_map_name_the_side_of_each_number(make_framing):
    framing, images = cut_and_whole(make_framing)
    ax = mean_coverage(object_maps(framing, image_framing(framing, images)))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("left (0) to right (1)", "bottom (1) to top (0)")
    low, high = ax.get_ylim()
    assert low > high


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


def test_no_mean_distance_without_an_interval_is_shown():
    overview = framing_section(contents_of({"observed_centre_distance": 0.2, "null_centre_distance": 0.3})).blocks[1]
    labels = {FRAMING_SUMMARY[f"{name}_centre_distance"].label for name in ("observed", "null")}
    assert not labels & {line[0] for line in overview.rows}


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
