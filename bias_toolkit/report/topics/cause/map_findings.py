"""Findings of the interventions on position and scale: whether framing itself makes the model unstable."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import pandas as pd

from bias_toolkit.analysis import FramingMap
from bias_toolkit.analysis.framing_map import FEWEST_IMAGES
from bias_toolkit.foundation.words import count, interval, known, number, percent
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.words.finding import Finding, Heading, Kind, sign
from bias_toolkit.report.words.sentences import in_points

_finding = partial(Finding, Heading.CAUSE)


class Surroundings(NamedTuple):
    """What is around the object, in words."""

    label: str  # in a table or a figure
    shown: str  # in a sentence


SURROUNDINGS = {
    "mean": Surroundings("mean grey", "on mean grey"),
    "black": Surroundings("black", "on black"),
    "inpaint": Surroundings("inpainted", "on an inpainted canvas"),
    "real": Surroundings("real", "in real surroundings"),
}
TOO_FEW = f"No cell of the framing map has {FEWEST_IMAGES} images; run `bias-toolkit map` with a larger --images."
WORDS = {name: each.shown for name, each in SURROUNDINGS.items()}


def map_findings(framing_map: FramingMap | None) -> list[Finding]:
    """The findings of the framing map; empty if there is no map."""
    if framing_map is None:
        return []
    if framing_map.cells.empty:
        claim = "Whether position and scale make the model unstable cannot be said: too few images were shown."
        return [_finding(Kind.UNKNOWN, claim, TOO_FEW)]
    if not len(framing_map.correlations):
        return [_unrelated(framing_map.cells)]
    first = _relation(framing_map.correlations, framing_map.contrasts)
    return [first, *_given_accuracy(framing_map.correlations), *_lowest(framing_map.cells)]


def primary(correlations: pd.DataFrame, measure: str = HEADLINE) -> pd.DataFrame:
    """The rows that answer the question, one per surroundings: over the cells in which objects are recognised."""
    rows = correlations[correlations["measure"].eq(measure)]
    recognised = rows[rows["kind"].eq("recognised")]
    return recognised if len(recognised) else rows[rows["kind"].eq("all")]


def _unrelated(cells: pd.DataFrame) -> Finding:
    first = cells[cells["surroundings"].eq(cells["surroundings"].iloc[0])]
    low, high = (first.loc[first[HEADLINE].agg(pick)] for pick in ("idxmin", "idxmax"))
    return _finding(
        Kind.UNKNOWN,
        "Whether the model is less stable where training objects are rare cannot be said: boxes are missing.",
        f"Shown {WORDS[first['surroundings'].iloc[0]]}, P(top-1 change) is from {percent(low[HEADLINE])} at "
        f"{place_of(low)} to {percent(high[HEADLINE])} at {place_of(high)}.",
    )


def _relation(correlations: pd.DataFrame, contrasts: pd.DataFrame) -> Finding:
    rows = primary(correlations)
    known_rows = [row for row in rows.to_dict("records") if known(row["rho"])]
    if not known_rows:
        return _finding(
            Kind.UNKNOWN,
            "Whether the model is less stable where training objects are rare cannot be said.",
            f"There are {count(rows['n_cells'].max(), 'cell')} at most in which the objects are recognised and that "
            "differ by more than chance; more images (--images) or other --positions and --scales would help.",
        )
    signs = {sign(row["low"], row["high"]) for row in known_rows}
    rhos = "; ".join(
        f"{WORDS[row['surroundings']]} ρ {number(row['rho'])} ({interval(row['low'], row['high'])}; "
        f"{count(row['n_cells'], 'cell')})"
        for row in known_rows
    )
    n = count(known_rows[0]["n_images"], "image")
    evidence = (
        f"The same {n} shown at other positions and scales: Spearman’s ρ of P(top-1 change) with the density of the "
        f"training objects, over the cells in which objects are recognised, with 95% intervals over images: {rhos}."
    )
    contrast = _contrast(contrasts, known_rows[0]["surroundings"])
    if signs in ({-1}, {1}):
        more = "less" if signs == {-1} else "more"
        claim = f"Shown where the training set has few objects, the same objects make the model {more} stable."
        return _finding(Kind.EFFECT, claim, f"{evidence} {contrast}".strip())
    if signs == {0}:
        return _finding(Kind.NONE, "No relation of stability to the training density was found in the map.", evidence)
    claim = "Whether the same objects are less stable where training objects are rare depends on what surrounds them."
    return _finding(Kind.CAUTION, claim, f"{evidence} {contrast}".strip())


def _contrast(contrasts: pd.DataFrame, surroundings: str) -> str:
    of_measure = contrasts[contrasts["measure"].eq(HEADLINE) & contrasts["surroundings"].eq(surroundings)]
    rows = of_measure[of_measure["kind"].isin(["recognised", "all"])]
    if rows.empty:
        return ""
    row = rows.iloc[0]
    return (
        f"{WORDS[surroundings].capitalize()}, it is {percent(row['dense'])} in the tenth of the cells with the most "
        f"training objects and {percent(row['sparse'])} in the tenth with the fewest, "
        f"{in_points(row['difference'])} percentage points more ({interval(row['low'], row['high'], in_points)})."
    )


def _given_accuracy(correlations: pd.DataFrame) -> list[Finding]:
    """The remaining relation among cells of equal accuracy, and among the views on which the model is right."""
    of_measure = correlations[correlations["measure"].eq(HEADLINE)]
    fixed, right = (
        of_measure[of_measure["kind"].eq(kind)].dropna(subset=["rho"]) for kind in ("given accuracy", "when right")
    )
    plain = primary(correlations).dropna(subset=["rho"])
    if -1 not in {sign(row.low, row.high) for row in plain.itertuples()}:
        return []
    beside = f" Of the views that the model gets right alone: {_listed(right)}." if len(right) else ""
    if fixed.empty:
        if not of_measure["kind"].eq("given accuracy").any():
            return []
        claim = "What is left of that between cells of equal accuracy cannot be said."
        evidence = f"Where the model wavers it also errs, too closely for one to be held constant.{beside}"
        return [_finding(Kind.UNKNOWN, claim, evidence)]
    left = [sign(row.low, row.high) == -1 for row in fixed.itertuples()]
    rhos = _listed(fixed)
    if all(left):
        claim = "Of that, a part is not explained by the model’s being wrong more often there."
        return [_finding(Kind.EFFECT, claim, f"Given the accuracy in each cell, {rhos}.{beside}")]
    if any(left):
        claim = "Where objects are rare the model is also more often wrong, which explains much of that."
        return [_finding(Kind.CAUTION, claim, f"Given the accuracy in each cell, {rhos}.{beside}")]
    claim = "Between cells of equal accuracy the training density makes no difference that was found."
    evidence = f"Given the accuracy in each cell, {rhos}: where the model wavers, it also errs.{beside}"
    return [_finding(Kind.NONE, claim, evidence)]


def _listed(rows: pd.DataFrame) -> str:
    return "; ".join(
        f"{WORDS[row.surroundings]} ρ {number(row.rho)} ({interval(row.low, row.high)})" for row in rows.itertuples()
    )


def _lowest(cells: pd.DataFrame) -> list[Finding]:
    """The cell of lowest P(top-1 change), compared with the cell of the most training objects."""
    usable = cells[cells["recognised"].isna() | cells["recognised"].eq(True)]
    places, apart = [], False
    for surroundings, table in usable.groupby("surroundings", sort=False):
        lowest = table.loc[table[HEADLINE].idxmin()]
        densest = table.loc[table["log_density"].idxmax()]
        apart |= not densest["among_lowest"]
        places.append(
            f"{WORDS[surroundings]} at {place_of(lowest)} ({percent(lowest[HEADLINE])})"
            f"{_beside(table, lowest, densest)}"
        )
    if not places:
        return []
    claim = (
        "Where the model is most stable is not always where the photographers put their objects."
        if apart
        else "The model is most stable at the position and scale that the photographers chose."
    )
    findings = [_finding(Kind.FACT, claim, f"P(top-1 change) is lowest {'; '.join(places)}.")]
    blind = cells[cells["recognised"].eq(False)]
    if len(blind):
        stable = blind[HEADLINE].min()
        findings.append(
            _finding(
                Kind.CAUTION,
                f"In {count(len(blind), 'cell')} of {len(cells):,} the answers have nothing to do with the labels.",
                f"P(top-1 change) is as low as {percent(stable)} there: an answer that never changes because the "
                "object is not seen is no invariance. These cells are left out of what is said above.",
            )
        )
    return findings


def _beside(table: pd.DataFrame, lowest: pd.Series, densest: pd.Series) -> str:
    """The cell with the most training objects compared with the lowest."""
    if densest.name == lowest.name:
        return ", the cell with the most training objects"
    if not densest["among_lowest"]:
        return f", against {percent(densest[HEADLINE])} where most training objects are, {place_of(densest)}"
    others = int(table["among_lowest"].sum()) - 1
    if others == 1:
        return f", which cannot be told from where most training objects are, {place_of(densest)}"
    return f", which cannot be told from {others} others, among them the one with the most training objects"


def place_of(row: Mapping[str, Any]) -> str:
    """A cell's position and scale in a sentence."""
    return f"cx {row['cx']:g}, cy {row['cy']:g}, scale {row['scale']:g}"
