"""The answer of the regression in words, its table and its figure."""

import warnings

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from bias_toolkit.analysis.schema import CEILING, LOSSES, ODDS_RATIOS
from bias_toolkit.foundation.false_discovery import family_intervals
from bias_toolkit.report.page.blocks import FigureBlock, ListBlock, Omitted, Paragraph, TableBlock
from bias_toolkit.report.plots import plot
from bias_toolkit.report.relations.odds import adjusted
from bias_toolkit.report.topics.regression.findings import (
    Regression,
    beside_everything,
    ceiling_sentence,
    gather,
    odds,
    regression_findings,
)
from bias_toolkit.report.topics.regression.section import MARKS, TITLE, odds_ratios, regression_section

RATIOS = {-1: (0.7, 0.55, 0.89), 0: (1.05, 0.93, 1.19), 1: (1.4, 1.12, 1.75)}
KINDS = ("alone", "together", "within class", "margin as a curve")


def contents_with(signs, terms=("nn_distance", "margin", "centre_distance"), notes=(), **tables):
    """Contents whose odds ratios of distance have these signs, by kind; those of other terms are 1.05."""
    rows = []
    for term in terms:
        for kind, direction in signs.items():
            if (term, kind) != ("margin", "margin as a curve"):
                ratio = RATIOS[direction if term == "nn_distance" else 0]
                rows.append((term, kind, *ratio, 0.004 if direction else 0.4, 1000, 20, 2.2409, 1.3))
    tables = {"losses": pd.DataFrame(), "ceiling": pd.DataFrame()} | tables
    return Regression(odds_ratios=pd.DataFrame(rows, columns=ODDS_RATIOS.names), notes=notes, **tables)


def losses(difference, low, high):
    rows = [
        ("none", 0.45, 0.4, 0.5, 0.09, 0.08, 0.1, 1000),
        ("all", 0.36, 0.3, 0.42, 0.0, 0.0, 0.0, 1000),
        ("all but nn_distance", 0.361, 0.3, 0.42, difference, low, high, 1000),
        ("boosted", 0.363, 0.3, 0.42, 0.003, -0.001, 0.007, 1000),
    ]
    return pd.DataFrame(rows, columns=LOSSES.names)


def ceiling(share, low, high, linear=0.09, boosted=0.1):
    row = (linear, 0.08, 0.1, boosted, 0.09, 0.11, share, low, high, 1000)
    return pd.DataFrame([row], columns=CEILING.names)


@pytest.mark.parametrize(
    ("row", "kind", "claim"),
    [
        ((0.01, 0.005, 0.015), "association", "Distance helps to predict which unseen images are unstable."),
        ((0.01, 0.0, 0.02), "none", "Distance was not found to help to predict which unseen images are unstable."),
        (
            (-0.01, -0.015, -0.005),
            "association",
            "Which unseen images are unstable is predicted better without distance.",
        ),
    ],
)
def test_whether_distance_helps_to_predict(row, kind, claim):
    (finding,) = regression_findings(contents_with(dict.fromkeys(KINDS, 1), losses=losses(*row)))
    assert (finding.kind, finding.claim) == (kind, claim)
    assert (finding.estimate.direction == 0) == (kind == "none")
    assert finding.rank == (130 if kind == "none" else 30)


def test_too_few_images_to_say_whether_it_helps():
    table = losses(0.01, 0.005, 0.015).assign(n=4)
    (finding,) = regression_findings(contents_with(dict.fromkeys(KINDS, 1), losses=table))
    assert (finding.kind, finding.estimate.low) == ("caution", None)


@pytest.mark.parametrize(
    ("signs", "value"),
    [((0, 0, 0, 1), 1.4), ((1, 1, 1, 0), 1.05), ((1, 0, -1, None), 0.7), ((1, -1, None, None), 0.7)],
)
def test_the_odds_ratio_is_that_of_the_most_controlled(signs, value):
    kinds = {kind: sign for kind, sign in zip(KINDS, signs, strict=True) if sign is not None}
    beside = beside_everything(contents_with(kinds))
    assert beside.estimate.value == value
    assert beside.held == ("margin, framing and class" if "within class" in kinds else "margin and framing")


def test_nothing_is_held_constant_without_other_terms():
    assert beside_everything(contents_with({"together": 1}, ("nn_distance",))) is None
    assert beside_everything(contents_with({"together": 1}, ("margin",))) is None
    assert regression_findings(contents_with({"together": 1}, ("nn_distance",), losses=losses(0.1, 0.0, 0.2))) == []


def test_the_numbers():
    (finding,) = regression_findings(contents_with(dict.fromkeys(KINDS, 1), losses=losses(0.001, -0.0006, 0.0027)))
    assert finding.estimate.text == (
        "Rise of the log loss a step if distance is left out, beside margin, framing and class, 0.0010 nats (95% "
        "interval −0.0006 to 0.0027; 1,000 images)"
    )
    assert finding.evidence == (
        "For a distance greater by one standard deviation (2.24), the odds that a step changes the class are "
        "multiplied by 1.40 (95% interval 1.12 to 1.75), with margin, framing and class held constant. With nothing "
        "held constant, they are multiplied by 1.40 (95% interval 1.12 to 1.75)."
    )


def test_the_terms_of_one_model_are_a_family():
    table = contents_with({"alone": 1, "together": 1}).odds_ratios
    rows = adjusted(table).set_index(["kind", "term"])
    own = table.set_index(["kind", "term"])
    for kind in ("alone", "together"):
        changed = rows.loc[(kind, "nn_distance")]
        low, high = family_intervals(
            *(np.log(own.loc[kind, name].astype(float)) for name in ("odds_ratio", "low", "high")), images=20
        )
        assert (changed["low"], changed["high"]) == (pytest.approx(np.exp(low[0])), pytest.approx(np.exp(high[0])))
        assert changed["low"] < own.loc[(kind, "nn_distance"), "low"]
        # An odds ratio that is just found alone is not found among three.
        assert changed["low"] > 1
    table.loc[table["term"].eq("nn_distance"), "low"] = 1.01
    assert (adjusted(table).loc[table["term"].eq("nn_distance"), "low"] < 1).all()
    assert adjusted(table.iloc[:0]).empty


def test_a_term_without_an_interval_is_left_out_and_named():
    contents = contents_with(dict.fromkeys(KINDS, 1))
    constant = contents.odds_ratios["term"].eq("centre_distance")
    contents.odds_ratios.loc[constant, ["low", "high"]] = contents.odds_ratios.loc[constant, "odds_ratio"].iloc[0]
    blocks = regression_section(contents).blocks
    (figure,) = (block for block in blocks if isinstance(block, FigureBlock))
    assert "Left out, as they have no interval: Distance of the object from the centre." in figure.caption
    assert [label.get_text() for label in figure.draw().get_yticklabels()] == [
        "Distance to nearest training image",
        "Margin",
    ]
    table = next(block for block in blocks if isinstance(block, TableBlock))
    assert [row[0].text for row in table.rows] == ["Distance to nearest training image", "Margin"]


def test_no_regression(bare_source):
    assert regression_findings(gather(bare_source)) == []
    note = "No regression was made: 20 images have all its terms, and it needs 30."
    source = contents_with({}, notes=["The margin is left out.", note])
    (finding,) = regression_findings(source)
    assert (finding.kind, finding.evidence) == ("unknown", note)
    section = regression_section(source)
    assert section == Omitted(TITLE, "no regression was made: 20 images have all its terms, and it needs 30.")
    assert regression_section(gather(bare_source)) == Omitted(TITLE, "no changed steps were measured.")


GAINS = "a log loss per step below that of no term by 0.0900 (0.0800 to 0.1000) nats, and by 0.0800 (0.0900 to 0.1100)"


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (ceiling(np.nan, np.nan, np.nan), "there is no gain to compare"),
        (
            ceiling(1.0, 0.9773, 1.0, boosted=0.08),
            f"were not found to predict unseen images better than the regression ({GAINS}). The regression reaches at "
            "least 97% of the trees’ gain, by the 95% interval, in which a gain above theirs counts as 100%.",
        ),
        (ceiling(1.0, 0.98, 1.0, boosted=0.08), "at least 98% of the trees’ gain"),
        (ceiling(0.89, 0.86, 0.92), "The regression tells 89% (95% interval 86% to 92%) of what boosted trees"),
        (ceiling(0.89, 0.866, 0.914), "The regression tells 89% (95% interval 86% to 92%) of what boosted trees"),
        (ceiling(0.89, 0.866, 0.997), "(95% interval 86% to 100%)"),
        (ceiling(0.89, 0.86, 0.92), "an odds ratio is an average over them"),
        (ceiling(0.95, 0.86, 1.0), "The interval includes all."),
    ],
)
def test_ceiling(bare_source, table, told):
    source = contents_with(dict.fromkeys(KINDS, 1), ceiling=table)
    assert told in ceiling_sentence(source)
    assert ceiling_sentence(gather(bare_source)) == ""


def test_odds():
    assert [odds(value) for value in (1.214, 0.0883, 0.2, 0.19999, 12.345, 0.000123, 12345.6)] == [
        "1.21",
        "0.088",
        "0.20",
        "0.200",
        "12.35",
        "0.000123",
        "12,346",
    ]


def test_section_of_a_known_law(shared_source):
    section = regression_section(gather(shared_source))
    assert section.title == TITLE
    tables = [block for block in section.blocks if isinstance(block, TableBlock)]
    assert tables[0].header == ["", "Alone", "All together", "Within class", "Margin as a curve", "Variance inflation"]
    (figure,) = (block for block in section.blocks if isinstance(block, FigureBlock))
    assert figure.name == "odds-ratios"
    table = adjusted(shared_source.table("odds_ratios"))
    distance = tables[0].rows[0]
    assert distance[0].text == "Distance to nearest training image"
    for cell, kind in zip(distance[1:-1], KINDS, strict=True):
        row = table[table["term"].eq("nn_distance") & table["kind"].eq(kind)].iloc[0]
        assert cell.text == odds(row["odds_ratio"])
        assert cell.detail == f"{odds(row['low'])} to {odds(row['high'])}"
        assert cell.marked == (row["low"] > 1 or row["high"] < 1)
    assert tables[1].rows[1][0] == "All terms"
    assert tables[1].rows[2][0] == "Without: Distance to nearest training image"
    assert tables[1].rows[2][1].text == f"{shared_source.table('losses')['loss'][2]:.4f}"
    text = " ".join(block.text for block in section.blocks if isinstance(block, Paragraph))
    assert "cluster jackknife over classes" in text
    assert regression_findings(gather(shared_source))[0].text in text


def test_notes_are_listed(bare_source):
    section = regression_section(contents_with(dict.fromkeys(KINDS, 1), notes=["A <note>."]))
    (notes,) = (block for block in section.blocks if isinstance(block, ListBlock))
    assert [item.text for item in notes.items] == ["A <note>."]


def drawn(ax, kind):
    """Odds ratios as they are drawn: term to value, and the ends of its line."""
    colour = MARKS[kind][0].lower()
    names = [label.get_text() for label in ax.get_yticklabels()]
    (marks,) = (
        line for line in ax.lines if line.get_label() == {"alone": "alone", "together": "all together"}.get(kind, kind)
    )
    (lines,) = (each for each in ax.collections if to_hex(each.get_color()[0]) == colour)
    assert to_hex(marks.get_color()) == colour
    ends = [segment[:, 0] for segment in lines.get_segments()]
    return {names[round(y)]: (x, *end) for x, y, end in zip(marks.get_xdata(), marks.get_ydata(), ends, strict=True)}


def test_figure(shared_source):
    table = adjusted(shared_source.table("odds_ratios"))
    ax = plot(shared_source, "odds-ratios").axes[0]
    assert ax.get_xscale() == "log"
    for kind in ("alone", "together", "within class"):
        found = drawn(ax, kind)
        row = table[table["term"].eq("margin") & table["kind"].eq(kind)].iloc[0]
        np.testing.assert_allclose(found["Margin"], row[["odds_ratio", "low", "high"]].astype(float))
    assert "3 classes" in " ".join(text.get_text() for text in ax.texts)


def test_figure_of_huge_and_missing_intervals(bare_source):
    table = contents_with({"alone": 1, "together": 1}).odds_ratios
    table.loc[0, ["odds_ratio", "low", "high"]] = [40.0, 1e-9, 1e9]
    table.loc[1, ["low", "high"]] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax = odds_ratios(table)
        ax.figure.canvas.draw()
    assert ax.get_xlim()[1] < 200
    assert ax.get_xlim()[0] > 1 / 200
