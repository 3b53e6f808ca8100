"""Estimated boxes in the report: said wherever they appear, with how good they are."""

import dataclasses
import html
import json

import pandas as pd
import pytest
from matplotlib.figure import Figure

from bias_toolkit.objects.locate_quality import LOCALISATION, reference_localisation
from bias_toolkit.report import Finding, plot, topic_findings, write_report
from bias_toolkit.report.page import page
from bias_toolkit.report.page.blocks import FigureBlock, Paragraph, Section, TableBlock
from bias_toolkit.report.topics.localisation.contents import Localisation, LocatedSet, gather, missing_boxes
from bias_toolkit.report.topics.localisation.findings import localisation_findings, overlap_sentence
from bias_toolkit.report.topics.localisation.marks import marked_findings, marked_section
from bias_toolkit.report.topics.localisation.section import localisation_section
from bias_toolkit.report.words.finding import Heading, Kind

TRAIN, TEST, BOTH = frozenset({"train"}), frozenset({"test"}), frozenset({"train", "test"})
NO_ROWS = pd.DataFrame(columns=["split", "image_id", "reason"])


def quality(**gains):
    """Table LOCALISATION in which a criterion's gain, in tenths, has an interval of ±0.05 around it."""
    rows = []
    for criterion in (
        *("localisation_accuracy", "median_iou", "cx_bias", "cx_sd", "cy_bias", "cy_sd", "log_scale_bias"),
        *("log_scale_sd", "rho_centre_distance", "rho_scale", "centre_bias", "untruncated_centre_bias"),
        "truncated_share",
    ):
        for estimator in ("estimated", "centred", "given"):
            gain = gains.get(criterion, 0) / 10 if estimator == "estimated" else None
            value = 0.05 if criterion == "truncated_share" else 0.4
            ends = (None, None) if gain is None else (gain - 0.05, gain + 0.05)
            rows.append((criterion, estimator, 400, value, 0.3, 0.5, gain, *ends))
    table = pd.DataFrame(rows, columns=LOCALISATION.names)
    return table.astype(dict.fromkeys(["gain", "gain_low", "gain_high"], "float64"))


def localisation(splits=("train", "test"), table=None, here=True, n_located=100):
    return Localisation(
        sets={split: LocatedSet(100, n_located, 60) for split in splits},
        layer="features.9",
        is_exact=True,
        threshold=0.3,
        unlocated=NO_ROWS,
        quality=quality() if table is None else table,
        measured_on="400 images of somewhere",
        measured_here=here,
        command="" if here else "python benchmarks/located_boxes.py A B",
    )


def found(**options):
    return localisation_findings(localisation(**options))


def claims(**gains):
    return [finding.claim for finding in found(table=quality(**gains))]


def test_without_estimated_boxes_nothing_is_said(bare_source):
    assert gather(bare_source) is None
    assert topic_findings(bare_source, "localisation") == []
    section = Section("framing", "Framing", [Paragraph("text")])
    assert marked_section(section, BOTH, None) is section
    finding = Finding(Heading.FRAMING, Kind.FACT, "Objects are centred.", boxes=TRAIN)
    assert marked_findings([finding], None) == [finding]


def test_a_good_estimate_is_called_good():
    told = claims(localisation_accuracy=2, cx_sd=1, cy_sd=1, log_scale_sd=1)
    assert "Estimated boxes tell where an object is better than the image's middle does." in told
    assert "Estimated boxes tell how large an object is better than one size for all." in told
    assert "No difference in centring between estimated boxes and the objects' own was found." in told
    assert "The boxes of the training and the test set are estimated: the model located the objects" in told[0]


@pytest.mark.parametrize(
    ("gains", "claim"),
    [
        ({}, "The position of estimated boxes is no better than a guess of the image's middle."),
        (
            {"cx_sd": 1},
            "The position of estimated boxes is better than a guess of the image's middle horizontally only.",
        ),
        ({"cy_sd": 1}, "The position of estimated boxes is better than a guess of the image's middle vertically only."),
        ({"cx_sd": -1, "cy_sd": -1}, "The position of estimated boxes is worse than a guess of the image's middle."),
        ({"cx_sd": -1}, "The position of estimated boxes is worse than a guess of the image's middle."),
        ({}, "The size of estimated boxes is no better than one size for all."),
        ({"log_scale_sd": -1}, "The size of estimated boxes is worse than one size for all."),
        ({"centre_bias": 1}, "Estimated boxes overstate centring."),
        ({"centre_bias": -1}, "Estimated boxes understate centring."),
    ],
)
def test_where_the_estimate_is_not_better_it_is_said_with_what_may_not_be_concluded(gains, claim):
    told = {finding.claim: finding for finding in found(table=quality(**gains))}
    assert claim in told
    assert told[claim].kind == "caution"
    assert "may not be concluded" in told[claim].evidence


@pytest.mark.parametrize(
    ("gain", "words"), [(2, "more often than"), (0, "no more often than"), (-2, "less often than")]
)
def test_overlap_is_compared_with_the_middle(gain, words):
    sentence = overlap_sentence(localisation(table=quality(localisation_accuracy=gain)))
    assert f"(intersection over union) {words} a box of typical size in the image's middle" in sentence
    assert "40.0% (30.0% to 50.0%) of the images against 40.0% (30.0% to 50.0%)" in sentence


def test_centring_is_judged_by_untruncated_boxes_where_the_border_cuts_many():
    table = quality(untruncated_centre_bias=2)
    assert "Estimated boxes overstate centring." not in [each.claim for each in found(table=table)]
    table.loc[table["criterion"].eq("truncated_share"), "value"] = 0.5
    assert "Estimated boxes overstate centring." in [each.claim for each in found(table=table)]


def test_figures_from_elsewhere_are_named_as_such():
    elsewhere = found(here=False)[-1]
    assert "is not known" in elsewhere.claim
    assert "measured on 400 images of somewhere, and may be otherwise here" in elsewhere.evidence
    assert not any("not known" in each.claim for each in found(here=True))


def test_images_without_an_estimate_are_counted():
    told = {finding.claim: finding.evidence for finding in found(n_located=97)}
    claim = "In some images of the {} set no object was located."
    assert told[claim.format("test")].startswith("3 of 100 images.")
    assert told[claim.format("training")].startswith("3 of 100 images.")
    assert not any("no object was located" in finding.claim for finding in found())


@pytest.mark.parametrize(
    ("gains", "kinds"),
    [
        ({"cx_sd": 1, "cy_sd": 1, "log_scale_sd": 1}, ["fact", "fact", "none"]),
        ({"cx_sd": 1, "cy_sd": -1, "log_scale_sd": 0, "centre_bias": 1}, ["caution", "caution", "caution"]),
        ({"cx_sd": 1, "cy_sd": 0, "log_scale_sd": -1, "centre_bias": -1}, ["caution", "caution", "caution"]),
    ],
)
def test_each_verdict_is_that_of_the_estimate_beside_it(gains, kinds):
    position, scale, centring = found(table=quality(**gains))[1:]
    assert [finding.kind for finding in (position, scale, centring)] == kinds
    # Of the position, the worse of the two directions decides.
    worse = min(gains["cx_sd"], gains["cy_sd"])
    assert position.estimate.direction == worse
    assert position.estimate.name == ("cx_sd_gain" if gains["cx_sd"] == worse else "cy_sd_gain")
    assert scale.estimate.direction == gains["log_scale_sd"]
    assert centring.estimate.direction == gains.get("centre_bias", 0)
    assert (centring.kind == "none") == (centring.estimate.direction == 0)


def test_a_difference_between_two_kinds_of_boxes_is_no_effect():
    claim = "Objects in the test set are less centred than in the training set."
    finding = Finding(Heading.FRAMING, Kind.EFFECT, claim, "0.2.", boxes=BOTH, compares_boxes=True)
    (mixed,) = marked_findings([finding], localisation(["train"], quality(centre_bias=2)))
    assert mixed.kind == "caution"
    assert mixed.evidence == (
        "0.2. The other set's boxes are drawn, so this may be a difference between two kinds of boxes."
    )
    (alike,) = marked_findings([finding], localisation(table=quality(centre_bias=2)))
    assert (alike.kind, alike.evidence) == ("effect", "0.2.")


def test_findings_about_framing_are_marked_and_no_others():
    findings = [
        Finding(Heading.FRAMING, Kind.EFFECT, "In the training set, objects are centred.", "0.4.", boxes=TRAIN),
        Finding(Heading.FRAMING, Kind.UNKNOWN, "How objects of the test set are framed cannot be said.", boxes=TEST),
        Finding(Heading.FRAMING_EFFECT, Kind.NONE, "No relation was found.", boxes=TEST),
        Finding(Heading.FRAMING_EFFECT, Kind.FACT, "P(top-1 change) is low.", boxes=TEST),
        Finding(Heading.INVARIANCE, Kind.FACT, "The model is stable."),
    ]
    both = [each.claim for each in marked_findings(findings, localisation())]
    assert both == [
        "By estimated boxes: in the training set, objects are centred.",
        findings[1].claim,
        "By estimated boxes: no relation was found.",
        "By estimated boxes: P(top-1 change) is low.",
        findings[4].claim,
    ]
    test_only = [each.claim for each in marked_findings(findings, localisation(["test"]))]
    assert test_only[0] == findings[0].claim
    assert test_only[2] == "By estimated boxes of the test set: no relation was found."
    train_only = [each.claim for each in marked_findings(findings, localisation(["train"]))]
    assert train_only[0] == "By estimated boxes of the training set: in the training set, objects are centred."
    assert train_only[2] == findings[2].claim


def test_a_finding_of_centring_says_how_far_estimates_misstate_it():
    claim = "In the training set, objects are centred."
    finding = Finding(Heading.FRAMING, Kind.EFFECT, claim, "0.4.", boxes=TRAIN, states_centring=True)
    (marked,) = marked_findings([finding], localisation(table=quality(centre_bias=2)))
    assert marked.evidence == "0.4. Estimated boxes overstate this: by 0.20 on 400 images of somewhere."
    (unmarked,) = marked_findings([finding], localisation())
    assert unmarked.evidence == "0.4."
    scale = dataclasses.replace(finding, states_centring=False)
    assert marked_findings([scale], localisation(table=quality(centre_bias=2)))[0].evidence == "0.4."


def test_names_of_classes_do_not_decide_whose_boxes_a_finding_is_about(source):
    """Classes may be called after a set, or have in their name what another claim is about."""
    labels = source.train_summary["category"]
    names = {label: f"centred test tube {place}" for place, label in enumerate(labels) if label}
    named = dataclasses.replace(source, class_names=names, estimated=("test",))
    framing, comparison = (topic_findings(named, name) for name in ("framing", "comparison"))
    assert any("test tube" in finding.text for finding in framing)
    assert not any("estimated" in finding.text.lower() for finding in framing)
    assert all(finding.claim.startswith("By estimated boxes of the test set: ") for finding in comparison)
    named.estimated = ("train",)
    marked = topic_findings(named, "framing")
    stated = [finding.claim for finding in marked if finding.kind != "unknown"]
    assert stated
    assert all(claim.startswith("By estimated boxes of the training set: ") for claim in stated)


def test_every_finding_on_framing_says_whose_boxes_it_follows_from(source):
    assert {finding.boxes for finding in topic_findings(source, "framing")} == {TRAIN}
    compared = topic_findings(source, "comparison")
    assert {(finding.boxes, finding.compares_boxes) for finding in compared} == {(BOTH, True)}
    assert [finding.boxes for finding in topic_findings(source, "framing-effect")][:4] == [TEST, TEST, BOTH, BOTH]
    others = topic_findings(source, "invariance", "distance", "regression", "classes", "left-out")
    assert {finding.boxes for finding in others} == {frozenset()}


def figure(boxes):
    return FigureBlock("named-test", lambda: Figure(), "What is seen.", "How it was made.", boxes=boxes)


def test_a_section_is_marked_at_its_head_its_tables_and_the_figures_that_show_estimates():
    figures = [figure(boxes) for boxes in (TRAIN, TEST, BOTH)]
    tables = [TableBlock("T", [""], [], note="A note.", boxes=boxes) for boxes in (BOTH, TEST)]
    section = Section("framing", "Framing", [Paragraph("Text."), *tables, *figures])
    told = localisation(["train"])
    head, text, table, of_test, train, test, both = marked_section(section, BOTH, told).blocks
    assert "The boxes of the training set are estimated: the model located them" in head.text
    assert text.text == "Text."
    assert table.note == "A note. Estimated boxes in the training set."
    assert of_test.note == "A note."
    assert train.caption == "How it was made. Estimated boxes in the training set."
    assert train.alt.endswith("Estimated boxes in the training set.")
    assert train.draw().get_suptitle() == "Estimated boxes in the training set"
    assert test.caption == "How it was made."
    assert test.draw().get_suptitle() == ""
    assert both.draw().get_suptitle() == "Estimated boxes in the training set"
    assert marked_section(section, TEST, told) is section


@pytest.mark.parametrize(
    ("splits", "name", "words"),
    [
        (("train", "test"), "centres", "Estimated boxes"),
        (("train", "test"), "invariance-vs-scale", "Estimated boxes"),
        (("train", "test"), "scale", "Estimated boxes"),
        (("test",), "scale", "Estimated boxes in the test set"),
        (("test",), "centres", ""),
        (("train",), "invariance-vs-position", ""),
        (("train", "test"), "invariance", ""),
    ],
)
def test_figures_for_a_publication_are_marked(splits, name, words, source):
    marked = dataclasses.replace(source, estimated=splits)
    assert plot(marked, name).get_suptitle() == words


@pytest.fixture(scope="module")
def written(shared_source, tmp_path_factory, no_figures):
    """The folder of a report whose figures are empty, but for those of estimated boxes."""
    source, save = dataclasses.replace(shared_source, estimated=("train", "test")), page.save_figure

    def saving(figure, path):
        (save if path.stem.startswith("estimated-boxes") else leave_empty)(figure, path)

    with no_figures("estimated-boxes"), pytest.MonkeyPatch.context() as patch:
        leave_empty = page.save_figure
        patch.setattr(page, "save_figure", saving)
        return write_report(source, tmp_path_factory.mktemp("located") / "report").parent


def test_page_has_the_section_with_its_table_and_examples(written):
    text = (written / "index.html").read_text(encoding="utf-8")
    assert "The estimated boxes" in text
    assert "the largest connected part that is above 30% of its maximum" in text
    assert "60 by the class of the label and 39 by the most probable class" in text
    assert "class activation map (Zhou et al., CVPR 2016)" in text
    assert reference_localisation().command in html.unescape(text)
    for name in ("estimated-boxes-training", "estimated-boxes-test"):
        assert (written / "figures" / f"{name}.svg").stat().st_size > 1000
    assert text.count("Estimated boxes.") > 3


def test_tables_and_results_hold_the_figures(written):
    table = pd.read_csv(written / "tables" / "localisation.csv")
    assert table.columns.tolist() == LOCALISATION.names
    assert len(table) == len(reference_localisation().quality)
    assert pd.read_csv(written / "tables" / "unlocated.csv")["reason"].tolist() == ["nothing is seen in it"] * 2
    results = json.loads((written / "results.json").read_text(encoding="utf-8"))["localisation"]
    assert results["sets"]["test"] == {"n_images": 100, "n_located": 99, "n_by_label": 60}
    assert results["measured_on"].startswith(reference_localisation().dataset)
    assert results.keys().isdisjoint({"framing", "read"})
    assert len(results["quality"]) == len(table)


def test_a_report_without_estimated_boxes_has_none_of_it(report):
    text = (report.folder / "index.html").read_text(encoding="utf-8")
    assert "stimated box" not in text
    assert not (report.folder / "tables" / "localisation.csv").exists()
    results = json.loads((report.folder / "results.json").read_text(encoding="utf-8"))
    assert results["localisation"] is None


def test_the_other_kind_of_map_is_named():
    section = localisation_section(dataclasses.replace(localisation(), is_exact=False))
    assert "weighted by the gradient of the class at each place" in section.blocks[0].text


def test_no_number_is_made_up_where_nothing_could_be_located():
    table = quality()
    table = table[table["criterion"].isin(["localisation_accuracy", "median_iou"])]
    told = found(table=table, n_located=0)
    assert len(told) == 3
    section = localisation_section(localisation(table=table))
    assert "nan" not in str(section.blocks)


def test_a_set_without_boxes_is_named_unless_they_are_estimated(source, monkeypatch):
    estimated = dataclasses.replace(source, estimated=("test",))
    assert missing_boxes(source) == missing_boxes(estimated) == []
    monkeypatch.setattr(type(source), "objects", lambda self, split: pd.DataFrame())
    (sentence,) = missing_boxes(estimated)
    assert sentence.startswith("The training set has no object boxes")
    assert len(missing_boxes(source)) == 2
