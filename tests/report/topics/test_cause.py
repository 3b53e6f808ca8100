"""What the report says and shows of the framing map and the size curve."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.analysis import FramingMap, measure_summary
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.invariance import FramingGrid
from bias_toolkit.report import plot, topic_findings
from bias_toolkit.report.page.blocks import FigureBlock, Omitted, TableBlock
from bias_toolkit.report.topics.cause import part_findings
from bias_toolkit.report.topics.cause.map_figures import framing_maps, map_against_density, map_views
from bias_toolkit.report.topics.cause.section import cause_section, gather
from bias_toolkit.report.topics.cause.size_curve import size_vs_invariance

CELLS = pd.DataFrame(FramingGrid((0.3, 0.5, 0.7), (0.2, 0.4, 0.6)).cells)


def cells(surroundings="mean", **columns):
    table = CELLS.assign(
        surroundings=surroundings,
        n_images=50,
        magnification=1.0,
        made_up=0.4,
        log_density=-10 * ((CELLS["cx"] - 0.5).abs() + np.log(CELLS["scale"] / 0.4).abs()),
        mac=0.05,
        accuracy=0.6,
        recognised=True,
        among_lowest=False,
    )
    table["p_top1_change"] = 0.3 + 0.01 * table["log_density"].rank(ascending=False)
    table = table.assign(**columns)
    table = table.assign(p_top1_change_low=table["p_top1_change"] / 2, p_top1_change_high=table["p_top1_change"] + 0.1)
    if "among_lowest" not in columns:
        lowest = table["p_top1_change"].where(table["recognised"].fillna(True).astype(bool)).idxmin()
        table.loc[lowest, "among_lowest"] = True
    return table


def correlations(surroundings="mean", **rhos):
    rows = [
        {
            "surroundings": surroundings,
            "measure": "p_top1_change",
            "kind": kind.replace("_", " "),
            "rho": rho,
            "low": rho - 0.1,
            "high": rho + 0.1,
            "rho_observed": rho,
            "signal": 0.9,
            "n_cells": 27,
            "n_images": 50,
        }
        for kind, rho in rhos.items()
    ]
    return pd.DataFrame(rows)


def contrasts(difference=0.17, half=0.05, surroundings="mean", kind="recognised"):
    rows = []
    for measure, scale in (("p_top1_change", 1.0), ("mac", 0.1), ("accuracy", -1.0)):
        row = {"surroundings": surroundings, "measure": measure, "kind": kind, "n_cells": 3, "n_images": 50}
        at = 0.5 if measure == "accuracy" else 0.04
        for name, value in (("dense", at), ("sparse", at + scale * difference), ("difference", scale * difference)):
            row |= {name: value, f"{name}_low": value - half, f"{name}_high": value + half}
        rows.append(row)
    return pd.DataFrame(rows)


CONTRASTS = contrasts()


def of_map(source, table=None, rhos=None, contrasts=CONTRASTS):
    rhos = correlations(all=-0.5, recognised=-0.8) if rhos is None else rhos
    return dataclasses.replace(source, framing_map=FramingMap(cells() if table is None else table, rhos, contrasts))


def map_findings(source):
    return part_findings(source, "map")


def cause_findings(source):
    return topic_findings(source, "cause")


def claims(source):
    return [(finding.kind, finding.claim) for finding in map_findings(source)]


def test_a_map_without_a_cell_of_enough_images_says_so_everywhere(bare_source):
    mapped = of_map(bare_source, cells().iloc[:0], correlations(all=-0.5).iloc[:0])
    (finding,) = map_findings(mapped)
    assert (finding.kind, "too few images" in finding.claim) == ("unknown", True)
    assert "10 images" in finding.evidence
    assert finding.evidence in [block.text for block in cause_section(gather(mapped)).blocks[1:]]
    for name in ("map", "map-vs-density"):
        with pytest.raises(InputError, match="10 images; run `bias-toolkit map`"):
            plot(mapped, name)


def follows(finding):
    """Whether the verdict is that of the estimate: found if, and only if, its interval excludes nothing."""
    return {"effect": 1, "none": 0}[finding.kind] == abs(finding.estimate.direction)


def test_the_contrast_that_was_fixed_before_leads(bare_source):
    first = map_findings(of_map(bare_source))[0]
    assert first.kind == "effect"
    assert (
        first.claim
        == "Shown on mean grey where the training set has the fewest objects, the same objects make the model "
        "less stable than where it has the most."
    )
    assert first.estimate.text == (
        "P(top-1 change) in the tenth of the cells with the fewest training objects, minus that with the most: 17.0 "
        "percentage points (95% interval 12.0 to 22.0; 50 images)"
    )
    assert follows(first)
    assert first.evidence == (
        "By mean absolute change no difference was found, 0.0170 (−0.0330 to 0.0670); an effect of position alone "
        "could not be tested. Accuracy changes by −17.0 points (−22.0 to −12.0). Over all cells, Spearman’s ρ with the "
        "density of the training objects is −0.80 as observed, and −0.80 (−0.90 to −0.70) corrected for noise."
    )
    assert (first.rank, first.figure) == (20, "map-against-density")


MAC = {
    0.1: "",
    0.0: "By mean absolute change no difference was found, 0 (−0.0500 to 0.0500)",
    0.05: "By mean absolute change no difference was found, 0.0500 (0 to 0.100)",
    -0.1: "By mean absolute change it is the other way round, −0.100 (−0.150 to −0.0500)",
}


@pytest.mark.parametrize("position", [-0.6, np.nan, None])
@pytest.mark.parametrize("mac", MAC)
def test_the_first_evidence_says_where_mac_does_not_agree(bare_source, mac, position):
    table = contrasts()
    row = table["measure"].eq("mac")
    table.loc[row, ["difference", "difference_low", "difference_high"]] = (mac, mac - 0.05, mac + 0.05)
    rhos = correlations(recognised=-0.8) if position is None else correlations(recognised=-0.8, position=position)
    first = map_findings(of_map(bare_source, rhos=rhos, contrasts=table))[0]
    expected = [MAC[mac]] if MAC[mac] else []
    if position != -0.6:
        expected += ["an effect of position alone could not be tested"]
    text = "; ".join(expected)
    assert first.evidence.startswith(f"{text[:1].upper()}{text[1:]}. " if text else "Accuracy changes")


@pytest.mark.parametrize(
    ("rho", "difference", "kind", "words"),
    [
        (-0.5, 0.17, "effect", "less stable than where it has the most."),
        (0.05, 0.17, "effect", "less stable than where it has the most."),
        (np.nan, 0.17, "effect", "less stable than where it has the most."),
        (0.05, -0.17, "effect", "more stable than where it has the most."),
        (0.05, 0.0, "none", "were not found to make the model less stable"),
        (np.nan, 0.0, "none", "were not found to make the model less stable"),
        # The interval begins at 0.
        (0.05, 0.05, "none", "were not found to make the model less stable"),
        # The ends do not differ, and the cells between them do.
        (-0.5, 0.0, "effect", "the model the less stable, the fewer objects the training set has there; between the"),
        (0.5, 0.0, "effect", "the model the more stable, the fewer objects the training set has there; between the"),
    ],
)
def test_the_claim_follows_from_the_numbers(bare_source, rho, difference, kind, words):
    found = map_findings(of_map(bare_source, rhos=correlations(recognised=rho), contrasts=contrasts(difference)))[0]
    assert found.kind == kind
    assert words in found.claim
    assert follows(found)
    assert found.rank == (20 if kind == "effect" else 120)
    assert (found.estimate.name == "rho") == (abs(rho) == 0.5 and difference == 0.0)


def test_without_any_estimate_it_is_not_known(bare_source):
    rhos = correlations(recognised=np.nan)
    found = map_findings(of_map(bare_source, rhos=rhos, contrasts=CONTRASTS.iloc[:0]))[0]
    assert (found.kind, found.estimate) == ("unknown", None)
    assert found.claim == "Whether the model is less stable where the training set has few objects is not known."
    assert "27 cells at most" in found.evidence


def test_the_first_surroundings_that_can_tell_are_told(bare_source):
    table = pd.concat([cells(), cells("black")], ignore_index=True)
    rhos = pd.concat([correlations(recognised=-0.8), correlations("black", recognised=0.0)], ignore_index=True)
    assert "on mean grey" in map_findings(of_map(bare_source, table, rhos))[0].claim
    black = contrasts(surroundings="black")
    assert "on black" in map_findings(of_map(bare_source, table, rhos, black))[0].claim


@pytest.mark.parametrize(
    ("rho", "kind", "words"),
    [
        (-0.6, "effect", "objects make the model less stable"),
        (0.6, "effect", "objects make the model more stable"),
        (0.0, "none", "objects were not found to make the model less stable"),
    ],
)
def test_positions_of_one_scale_are_compared_alone(bare_source, rho, kind, words):
    found = map_findings(of_map(bare_source, rhos=correlations(recognised=-0.8, position=rho)))[1]
    assert found.kind == kind
    assert found.claim.startswith("Only moved, on mean grey, to where the training set has few objects,")
    assert words in found.claim
    assert follows(found)
    assert "within each scale" in found.estimate.label


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        (-0.6, "effect", "the model is less stable where"),
        (0.6, "effect", "the model is more stable where"),
        (0.0, "none", "was not found to be less stable"),
    ],
)
def test_accuracy_is_held_constant(bare_source, given, kind, words):
    rhos = correlations(recognised=-0.8, given_accuracy=given, when_right=-0.7)
    found = map_findings(of_map(bare_source, rhos=rhos))[1]
    assert found.kind == kind
    assert found.claim.startswith("Between cells of equal accuracy, on mean grey,")
    assert words in found.claim
    assert follows(found)
    assert found.evidence == "Over the views on which the model is right, ρ is −0.70 (−0.80 to −0.60)."


def test_accuracy_that_cannot_be_held_constant(bare_source):
    rhos = correlations(recognised=-0.8, given_accuracy=np.nan)
    found = map_findings(of_map(bare_source, rhos=rhos))[1]
    assert found.kind == "unknown"
    assert "at equal accuracy, is not known" in found.claim


def test_nothing_is_held_constant_where_nothing_was_found(bare_source):
    found = claims(of_map(bare_source, rhos=correlations(recognised=0.0, given_accuracy=-0.8)))
    assert not [claim for _, claim in found if "equal accuracy" in claim]


def test_where_it_is_lowest_against_where_the_objects_are(bare_source):
    table = cells()
    found = map_findings(of_map(bare_source, table))[-1]
    assert found.claim == "Shown on mean grey, the model is most stable where most training objects are."
    assert found.estimate.value == pytest.approx(0.32)
    assert "cx 0.5, cy 0.3, scale 0.4" in found.estimate.label
    table.loc[0, "p_top1_change"] = 0.01
    table["among_lowest"] = table.index == 0
    found = map_findings(of_map(bare_source, table))[-1]
    assert found.claim == "Shown on mean grey, the model is more stable elsewhere than where most training objects are."
    assert found.evidence == "It is lowest, 1.0% (28.0% to 66.0%), at cx 0.3, cy 0.3, scale 0.2."
    table["among_lowest"] |= table.index == table["log_density"].idxmax()
    found = map_findings(of_map(bare_source, table))[-1]
    assert "at no place found more stable than where most training objects are" in found.claim


def test_cells_in_which_nothing_is_seen_are_left_out(bare_source):
    blind = cells(recognised=CELLS["scale"].ne(0.2))
    blind.loc[blind["scale"].eq(0.2), "p_top1_change"] = 0.0
    *_, lowest, left_out = map_findings(of_map(bare_source, blind))
    assert "scale 0.2" not in lowest.text
    assert left_out.kind == "caution"
    assert left_out.claim == "In some cells the model was not found to recognise the objects; these are left out above."
    assert "in 9 cells of 27." in left_out.evidence
    assert "lower in one of them, 0% (" in left_out.evidence
    # A value that is not low is not called a stability that deceives.
    blind.loc[blind["scale"].eq(0.2), "p_top1_change"] = 0.9
    assert "lower" not in map_findings(of_map(bare_source, blind))[-1].evidence


def test_beside_the_effect_stands_what_changes_where_the_model_is_right(bare_source):
    both = pd.concat([CONTRASTS, contrasts(0.05, half=0.01, kind="when right")])
    found = map_findings(of_map(bare_source, cells(), contrasts=both))[0]
    assert (
        "Over the views on which the model is right, P(top-1 change) changes by 5.0 points (4.0 to 6.0), and mean "
        "absolute change by 0.00500 (−0.00500 to 0.0150)."
    ) in found.evidence
    assert "the model is right" not in map_findings(of_map(bare_source, cells()))[0].evidence


def test_where_the_model_recognises_nothing_and_where_one_label_cannot_tell(bare_source):
    nowhere = map_findings(of_map(bare_source, cells(recognised=False, among_lowest=False)))
    assert "In no cell was the model found to recognise the objects." in [each.claim for each in nowhere]
    *_, found = map_findings(of_map(bare_source, cells(recognised=None)))
    assert (found.kind, found.claim) == ("unknown", "Where the model recognises the objects is not known.")
    assert "All images shown have one label" in found.evidence
    unlabelled = map_findings(of_map(bare_source, cells(recognised=None, accuracy=np.nan)))
    assert found.claim not in [each.claim for each in unlabelled]


def test_without_boxes_it_is_said_that_nothing_can_be_related(bare_source):
    table = cells(log_density=np.nan, recognised=None)
    (found,) = map_findings(of_map(bare_source, table, correlations().iloc[:0], CONTRASTS.iloc[:0]))
    assert found.kind == "unknown"
    assert "boxes are missing" in found.claim


def test_nothing_is_said_of_what_was_not_measured(bare_source):
    assert cause_findings(bare_source) == []
    section = cause_section(gather(bare_source))
    assert isinstance(section, Omitted)
    assert "`bias-toolkit map`" in section.reason


def curve(offset=0.0, n=60):
    """Measures of the size curve, lowest in the middle."""
    rng = np.random.default_rng(1)
    tables = []
    for protocol, sizes in {"crop": (0.2, 0.6, 1.0), "embed": (1.0, 1.5, 1.9)}.items():
        for size in sizes:
            shown = abs(np.log(size)) * 0.15 + 0.1 + offset
            tables.append(
                pd.DataFrame(
                    {
                        "image_id": [str(i) for i in range(n)],
                        "protocol": protocol,
                        "transform": "diagonal",
                        "size": size,
                        "p_top1_change": rng.binomial(8, min(shown, 0.9), n) / 8,
                        "accuracy": rng.binomial(9, 0.7, n) / 9,
                    }
                )
            )
    return pd.concat(tables, ignore_index=True)


def test_the_size_curve_has_a_line_on_each_side(bare_source):
    (finding,) = cause_findings(dataclasses.replace(bare_source, size_measures=curve(n=400)))
    assert finding.claim == "P(top-1 change) is U-shaped over the size at which the image is shown."
    # With each factor of 2 of the side the mean rises by 0.15 log 2 on a canvas, and by twice that in crops.
    assert finding.estimate.value == pytest.approx(0.104, abs=0.025)
    assert "shown smaller" in finding.estimate.label
    (other,) = re.findall(r"a rise by ([\d.]+) percentage points", finding.evidence)
    assert float(other) == pytest.approx(20.8, abs=3)
    assert follows(finding)
    assert ", with accuracy 7" in finding.evidence
    shrunk = curve(n=400)
    shrunk = shrunk[shrunk["protocol"].eq("embed")]
    (finding,) = cause_findings(dataclasses.replace(bare_source, size_measures=shrunk))
    assert finding.claim == "The model is less stable when the image is shown smaller."
    assert follows(finding)
    # The lowest size is the largest: nothing is said of sizes beyond it.
    assert "Shown larger" not in finding.evidence


@pytest.mark.parametrize("n", [20, 400])
def test_a_flat_size_curve(bare_source, n):
    flat = curve(n=n)
    flat["p_top1_change"] = np.random.default_rng(3).binomial(8, 0.2, len(flat)) / 8
    (finding,) = cause_findings(dataclasses.replace(bare_source, size_measures=flat))
    if n < 30:
        assert (finding.kind, finding.estimate) == ("caution", None)
        assert finding.claim.startswith("There are too few images to say whether P(top-1 change) depends on")
    else:
        assert finding.claim == ("No dependence of P(top-1 change) on the size at which the image is shown was found.")
        assert follows(finding)


def test_the_section_shows_map_curve_and_numbers(bare_source):
    measures = curve()
    pixels = np.zeros((8, 8, 3), np.uint8)
    source = dataclasses.replace(
        of_map(bare_source, rhos=correlations(all=-0.5, recognised=-0.8)),
        views={"mean": [(0.2, pixels), (0.6, pixels)]},
        size_curve=measure_summary(measures, resamples=100),
        size_measures=measures,
    )
    section = cause_section(gather(source))
    figures = [block for block in section.blocks if isinstance(block, FigureBlock)]
    assert [block.name for block in figures] == [
        "map-views",
        "map-p-top1-change",
        "map-mac",
        "map-accuracy",
        "map-against-density",
        "size-vs-invariance",
    ]
    for block in figures:
        assert block.draw()
    related, contrasted = (block for block in section.blocks if isinstance(block, TableBlock))
    assert related.header[1:3] == ["All cells", "Recognised"]
    assert [cell.text for cell in related.rows[0][:3]] == ["mean grey", "−0.50", "−0.80"]
    assert related.rows[0][2].detail == "−0.90 to −0.70"
    assert related.rows[0][3] == "27"
    assert [(cell.text, cell.detail) for cell in contrasted.rows[0][1:3]] == [
        ("4.0%", "−1.0% to 9.0%"),
        ("21.0%", "16.0% to 26.0%"),
    ]
    assert [row[0].detail for row in contrasted.rows] == ["P(top-1 change)", "Mean absolute change", "Accuracy"]
    assert (contrasted.rows[0][3].text, contrasted.rows[0][3].detail) == ("17.0%", "12.0% to 22.0%")
    assert any("U-shaped" in finding.claim for finding in cause_findings(source))


def test_the_maps_show_every_value_at_its_place():
    table = cells(recognised=CELLS["scale"].ne(0.2))
    figure = framing_maps(table)
    panels = np.reshape([ax for ax in figure.axes if ax.images], (3, 2))
    assert [ax.get_title(loc="center") for ax in panels[0]] == ["training\nobjects", "mean grey"]
    assert [ax.get_ylabel() for ax in panels[:, 0]] == ["scale 0.2\ncy", "scale 0.4\ncy", "scale 0.6\ncy"]
    assert [tick.get_text() for tick in panels[-1, 0].get_xticklabels()] == ["0.3", "0.5", "0.7"]
    shown = panels[1, 1].images[0].get_array()
    at = table[table["scale"].eq(0.4)].pivot(index="cy", columns="cx", values="p_top1_change")
    np.testing.assert_allclose(np.asarray(shown), at.to_numpy())
    # Two strokes cross out each of the nine smallest cells; one cell is framed.
    crossed = panels[0, 1]
    assert len(crossed.lines) == 18
    for rising, falling in zip(crossed.lines[::2], crossed.lines[1::2], strict=True):
        (left, right), (low, high) = rising.get_xdata(), rising.get_ydata()
        assert (right - left, high - low) == pytest.approx((0.56, 0.56))
        assert (list(falling.get_xdata()), list(falling.get_ydata())) == ([left, right], [high, low])
    (frame,) = (patch for ax in panels.flat for patch in ax.patches if not patch.get_fill())
    assert frame.axes is panels[1, 1]
    assert frame.get_xy() == pytest.approx((1 - 0.42, 0 - 0.42))
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [
        "the object would not fit",
        "too few images",
        "objects are not recognised",
        "not told from the lowest",
    ]


def test_impossible_cells_are_told_from_cells_without_enough_images():
    # At scale 0.6 an object fits in all nine places; at scale 0.8, in the middle only.
    table = pd.concat([cells().query("scale != 0.6 or cx != 0.3"), cells().query("cx == cy == 0.5").assign(scale=0.8)])
    figure = framing_maps(table.drop_duplicates(["cx", "cy", "scale"]), "accuracy")
    panels = np.reshape([ax for ax in figure.axes if ax.images], (4, 2))
    filled = [np.isfinite(np.ma.filled(ax.images[0].get_array().astype(float), np.nan)).sum() for ax in panels[:, 1]]
    hatches = [[patch.get_hatch() for patch in ax.patches] for ax in panels[:, 1]]
    assert filled == [9, 9, 6, 1]
    assert [(each.count("//////"), each.count("....")) for each in hatches] == [(0, 0), (0, 0), (0, 3), (8, 0)]
    legend = figure.legends[0]
    assert [patch.get_hatch() for patch in legend.get_patches()[:2]] == ["//////", "...."]
    # White is no density.
    densities = panels[0, 0].images[0]
    assert max(densities.cmap(densities.norm(0.0))[:3]) < 0.95


def test_a_map_without_cells_says_what_to_do():
    with pytest.raises(InputError, match="No cell of the framing map has 10 images; run `bias-toolkit map`"):
        framing_maps(cells().iloc[:0])


def test_the_scatter_tells_recognised_cells_from_the_others():
    table = cells(recognised=CELLS["scale"].ne(0.2))
    figure = map_against_density(table, correlations(recognised=-0.8))
    dots, crosses = figure.axes[0].collections
    assert len(dots.get_offsets()) == 18
    assert len(crosses.get_offsets()) == 9


def test_every_cell_is_inside_the_scatters_axes():
    higher = cells().assign(surroundings="black", p_top1_change=lambda table: table["p_top1_change"] + 0.5)
    figure = map_against_density(pd.concat([cells(), higher]), correlations(recognised=-0.8))
    assert figure.axes[0].get_ylim()[1] > higher["p_top1_change"].max()


@pytest.mark.parametrize(("signal", "said"), [(0.2, "cells too much alike for ρ"), (np.nan, "27 cells, too few for ρ")])
def test_why_a_panel_has_no_correlation(signal, said):
    rhos = correlations(recognised=np.nan).assign(signal=signal)
    figure = map_against_density(cells(), rhos)
    assert said in [text.get_text().replace("\N{NO-BREAK SPACE}", " ") for text in figure.axes[0].texts]


def test_views_that_are_not_possible_are_said_to_be():
    pixels = np.zeros((8, 8, 3), np.uint8)
    figure = map_views({"mean": [(0.2, pixels), (0.6, pixels)], "real": [(0.6, pixels)]})
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert texts == ["not\npossible"]
    assert not any(len(ax.get_xticks()) or len(ax.get_yticks()) for ax in figure.axes)


def test_several_models_share_the_axes():
    curves = {name: measure_summary(curve(offset), resamples=100) for name, offset in (("one", 0.0), ("other", 0.2))}
    figure = size_vs_invariance(curves)
    top, bottom = figure.axes
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "other"]
    assert any("over 60 images" in text.get_text() for text in top.texts)
    line = top.lines[0]
    rows = curves["one"][curves["one"]["measure"].eq("p_top1_change") & curves["one"]["protocol"].eq("crop")]
    # The side of the image in view sides: a crop of a fifth of the area shows it √5 times as large.
    np.testing.assert_allclose(line.get_xdata(), [1.0, 0.6**-0.5, 0.2**-0.5])
    np.testing.assert_allclose(line.get_ydata(), rows.sort_values("size", ascending=False)["value"])
    assert bottom.get_ylabel() == "Accuracy"
    unlabelled = curves["one"].assign(value=curves["one"]["value"].where(curves["one"]["measure"].ne("accuracy")))
    assert len(size_vs_invariance({"one": unlabelled}).axes) == 1


def test_plots_by_name(bare_source):
    source = of_map(bare_source)
    assert plot(source, "map", measure="accuracy").axes
    assert plot(source, "map-vs-density").axes
    with pytest.raises(InputError, match="--measure is 'accuracy', but map-vs-density can show only"):
        plot(source, "map-vs-density", measure="accuracy")
    no_boxes = of_map(bare_source, cells(log_density=np.nan))
    with pytest.raises(InputError, match="boxes are missing"):
        plot(no_boxes, "map-vs-density")
