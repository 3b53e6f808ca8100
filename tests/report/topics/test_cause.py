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
    lowest = table["p_top1_change"].where(table["recognised"].fillna(True).astype(bool)).idxmin()
    if "among_lowest" not in columns:
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


CONTRASTS = pd.DataFrame(
    [
        {
            "surroundings": "mean",
            "measure": "p_top1_change",
            "kind": "recognised",
            "dense": 0.04,
            "sparse": 0.21,
            "difference": 0.17,
            "low": 0.12,
            "high": 0.22,
            "n_cells": 3,
            "n_images": 50,
        }
    ]
)


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


def test_a_relation_is_said_with_its_numbers(bare_source):
    first = map_findings(of_map(bare_source))[0]
    assert first.kind == "effect"
    assert first.claim == "Shown where the training set has few objects, the same objects make the model less stable."
    assert "on mean grey ρ −0.80 (−0.90 to −0.70; 27 cells)" in first.evidence
    assert "it is 4.0% in the tenth" in first.evidence
    assert "21.0% in the tenth with the fewest, 17.0 percentage points more (12.0 to 22.0)" in first.evidence


@pytest.mark.parametrize(
    ("rho", "kind", "words"),
    [
        (0.5, "effect", "make the model more stable"),
        (0.05, "none", "No relation of stability to the training density was found"),
        (np.nan, "unknown", "cannot be said"),
    ],
)
def test_other_answers(bare_source, rho, kind, words):
    found = claims(of_map(bare_source, rhos=correlations(recognised=rho)))[0]
    assert found[0] == kind
    assert words in found[1]


def test_surroundings_that_disagree_are_a_caution(bare_source):
    table = pd.concat([cells(), cells("black")], ignore_index=True)
    rhos = pd.concat([correlations(recognised=-0.8), correlations("black", recognised=0.0)], ignore_index=True)
    kind, claim = claims(of_map(bare_source, table, rhos))[0]
    assert kind == "caution"
    assert "depends on what surrounds them" in claim


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ((-0.6,), "effect", "a part is not explained"),
        ((0.0,), "none", "Between cells of equal accuracy the training density makes no difference"),
        ((-0.6, 0.0), "caution", "explains much of that"),
    ],
)
def test_accuracy_is_held_constant(bare_source, given, kind, words):
    names = ("mean", "black")[: len(given)]
    table = pd.concat([cells(name) for name in names], ignore_index=True)
    rhos = [
        correlations(name, recognised=-0.8, given_accuracy=rho, when_right=-0.7)
        for name, rho in zip(names, given, strict=True)
    ]
    found = map_findings(of_map(bare_source, table, pd.concat(rhos, ignore_index=True)))[1]
    assert found.kind == kind
    assert words in found.claim
    assert "Of the views that the model gets right alone: on mean grey ρ −0.70" in found.evidence


def test_nothing_is_held_constant_where_nothing_was_found(bare_source):
    found = claims(of_map(bare_source, rhos=correlations(recognised=0.0, given_accuracy=-0.8)))
    assert not [claim for _, claim in found if "equal accuracy" in claim or "not explained" in claim]


def test_where_it_is_lowest_against_where_the_objects_are(bare_source):
    found = map_findings(of_map(bare_source))[-1]
    assert found.claim == "The model is most stable at the position and scale that the photographers chose."
    assert "at cx 0.5, cy 0.3, scale 0.4 (32.0%), the cell with the most training objects" in found.evidence
    elsewhere = cells()
    elsewhere.loc[0, "p_top1_change"] = 0.01
    elsewhere["among_lowest"] = elsewhere.index == 0
    found = map_findings(of_map(bare_source, elsewhere))[-1]
    assert found.claim == "Where the model is most stable is not always where the photographers put their objects."
    assert "at cx 0.3, cy 0.3, scale 0.2 (1.0%), against 32.0% where most training objects are" in found.evidence
    elsewhere["among_lowest"] = elsewhere.index == elsewhere["log_density"].idxmax()
    elsewhere.loc[0, "among_lowest"] = True
    assert (
        "which cannot be told from where most training objects are"
        in map_findings(of_map(bare_source, elsewhere))[-1].evidence
    )
    elsewhere.loc[1, "among_lowest"] = True
    found = map_findings(of_map(bare_source, elsewhere))[-1]
    assert "cannot be told from 2 others, among them the one with the most training objects" in found.evidence


def test_stable_cells_in_which_nothing_is_seen_are_not_the_lowest(bare_source):
    blind = cells(recognised=CELLS["scale"].ne(0.2))
    blind.loc[blind["scale"].eq(0.2), "p_top1_change"] = 0.0
    found = map_findings(of_map(bare_source, blind))
    assert "scale 0.2" not in found[-2].evidence
    assert found[-1].kind == "caution"
    assert found[-1].claim == "In 9 cells of 27 the answers have nothing to do with the labels."


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
    rises = [float(rise) for rise in re.findall(r"it rises by ([\d.]+) percentage points", finding.evidence)]
    assert rises == [pytest.approx(10.4, abs=2.5), pytest.approx(20.8, abs=3)]
    shrunk = curve(n=400)
    shrunk = shrunk[shrunk["protocol"].eq("embed")]
    (finding,) = cause_findings(dataclasses.replace(bare_source, size_measures=shrunk))
    assert finding.claim == "The model is less stable when the image is shown smaller."
    assert "shown larger, no rise was found" in finding.evidence


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
        "map-against-density",
        "map-accuracy",
        "size-vs-invariance",
    ]
    for block in figures:
        assert block.draw()
    related, contrasted = (block for block in section.blocks if isinstance(block, TableBlock))
    assert related.header[1:3] == ["All cells", "Recognised"]
    assert [cell.text for cell in related.rows[0][:3]] == ["mean grey", "−0.50", "−0.80"]
    assert related.rows[0][2].detail == "−0.90 to −0.70"
    assert related.rows[0][3] == "27"
    assert contrasted.rows[0][1:3] == ["4.0%", "21.0%"]
    assert (contrasted.rows[0][3].text, contrasted.rows[0][3].detail) == ("17.0%", "12.0% to 22.0%")
    assert any("U-shaped" in finding.claim for finding in cause_findings(source))


def test_the_maps_show_every_value_at_its_place():
    table = cells(recognised=CELLS["scale"].ne(0.2))
    figure = framing_maps(table)
    panels = [ax for ax in figure.axes if ax.images]
    assert len(panels) == 6
    shown = panels[4].images[0].get_array()
    at = table[table["scale"].eq(0.4)].pivot(index="cy", columns="cx", values="p_top1_change")
    np.testing.assert_allclose(np.asarray(shown), at.to_numpy())
    # Two strokes cross out each of the nine smallest cells; one cell is framed.
    assert len(panels[3].lines) == 18
    for rising, falling in zip(panels[3].lines[::2], panels[3].lines[1::2], strict=True):
        (left, right), (low, high) = rising.get_xdata(), rising.get_ydata()
        assert (right - left, high - low) == pytest.approx((0.56, 0.56))
        assert (list(falling.get_xdata()), list(falling.get_ydata())) == ([left, right], [high, low])
    (frame,) = (patch for ax in panels for patch in ax.patches)
    assert frame.axes is panels[4]
    assert not frame.get_fill()
    assert frame.get_xy() == pytest.approx((1 - 0.42, 0 - 0.42))


def test_cells_outside_a_scale_stay_empty():
    figure = framing_maps(cells().query("scale != 0.6 or (cx == 0.5 and cy == 0.5)"), "accuracy")
    shown = np.ma.filled([ax for ax in figure.axes if ax.images][5].images[0].get_array(), np.nan)
    assert np.isfinite(shown).sum() == 1


def test_the_scatter_tells_recognised_cells_from_the_others():
    table = cells(recognised=CELLS["scale"].ne(0.2))
    figure = map_against_density(table, correlations(recognised=-0.8))
    dots, crosses = figure.axes[0].collections
    assert len(dots.get_offsets()) == 18
    assert len(crosses.get_offsets()) == 9


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
    assert [text.get_text() for text in top.get_legend().get_texts()] == ["one", "other"]
    assert any("over 60 images" in text.get_text() for text in top.texts)
    line = top.lines[0]
    rows = curves["one"][curves["one"]["measure"].eq("p_top1_change") & curves["one"]["protocol"].eq("crop")]
    np.testing.assert_allclose(line.get_xdata(), [0.2, 0.6, 1.0])
    np.testing.assert_allclose(line.get_ydata(), rows.sort_values("size")["value"])
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
