"""Findings of the interventions on position and scale: whether framing itself makes the model unstable."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import pandas as pd

from bias_toolkit.analysis import COMPARED_MEASURES, FramingMap
from bias_toolkit.analysis.framing_map import FEWEST_IMAGES
from bias_toolkit.foundation.words import count, interval, known, number, percent, significant
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.words.definitions import MEASURES, label_of
from bias_toolkit.report.words.finding import (
    NOT_FOUND_RANK,
    Estimate,
    Finding,
    Heading,
    Kind,
    Unit,
    estimate_of_row,
    limits_of_row,
    sign,
    value_of,
)
from bias_toolkit.report.words.sentences import in_points, lowered

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


EFFECT_RANK, POSITION_RANK, ACCURACY_RANK, REST_RANK = 20, 21, 22, 80
AGAINST_DENSITY, MAP = "map-against-density", "map-p-top1-change"
RARE = "where the training set has few objects"


def map_findings(framing_map: FramingMap | None) -> list[Finding]:
    """The findings of the framing map; empty if there is no map."""
    if framing_map is None:
        return []
    if framing_map.cells.empty:
        claim = "Whether position and scale make the model unstable is not known: too few images were shown."
        return [_finding(Kind.UNKNOWN, claim, TOO_FEW)]
    if not len(framing_map.correlations):
        return [_unrelated(framing_map.cells)]
    relation = _relation(framing_map.correlations, framing_map.contrasts)
    further = [_position(framing_map.correlations), _given_accuracy(framing_map.correlations)]
    rest = [_lowest(framing_map.cells), _unrecognised(framing_map.cells)]
    return [relation, *(finding for finding in (*further, *rest) if finding is not None)]


def primary(correlations: pd.DataFrame, measure: str = HEADLINE) -> pd.DataFrame:
    """The rows that answer the question, one per surroundings: over the cells in which objects are recognised."""
    rows = correlations[correlations["measure"].eq(measure)]
    recognised = rows[rows["kind"].eq("recognised")]
    return recognised if len(recognised) else rows[rows["kind"].eq("all")]


def density_rho(row: Mapping[str, Any], held: str = "") -> Estimate:
    """ρ over the cells of a map, a row of MAP_CORRELATIONS; negative where the model is less stable in rare cells."""
    label = f"Spearman’s ρ with the density of the training objects{held}"
    return Estimate("rho", label, row["rho"], row["low"], row["high"], int(row["n_images"]), nothing=0.0)


def contrast_of(contrasts: pd.DataFrame, surroundings: str, measure: str = HEADLINE) -> Mapping[str, Any] | None:
    """The row of MAP_CONTRASTS over the recognised cells, or without labels over all; None if there is none."""
    if not len(contrasts):
        return None
    rows = contrasts[contrasts["measure"].eq(measure) & contrasts["surroundings"].eq(surroundings)]
    rows = rows[rows["kind"].isin(["recognised", "all"])]
    return rows.iloc[0].to_dict() if len(rows) else None


def contrast_estimate(row: Mapping[str, Any]) -> Estimate:
    """P(top-1 change) in the cells with the fewest training objects minus that in those with the most."""
    label = "P(top-1 change) in the tenth of the cells with the fewest training objects, minus that with the most,"
    n = int(row["n_images"])
    return estimate_of_row(row, "difference", label, n, unit=Unit.POINTS, nothing=0.0)


def _unrelated(cells: pd.DataFrame) -> Finding:
    first = cells[cells["surroundings"].eq(cells["surroundings"].iloc[0])]
    low, high = (first.loc[first[HEADLINE].agg(pick)] for pick in ("idxmin", "idxmax"))
    return _finding(
        Kind.UNKNOWN,
        f"Whether the model is less stable {RARE} is not known: boxes are missing.",
        f"Shown {WORDS[first['surroundings'].iloc[0]]}, P(top-1 change) is lowest, {_value(low)}, at {place_of(low)}, "
        f"and highest, {_value(high)}, at {place_of(high)}.",
        figure=MAP,
    )


def _relation(correlations: pd.DataFrame, contrasts: pd.DataFrame) -> Finding:
    """Whether the model is less stable where training objects are rare, in the first surroundings that can tell.

    ρ over the cells decides. Where it includes 0 or is not defined, the ends of the density may still differ.
    """
    rows = primary(correlations).to_dict("records")
    for row in rows:
        contrast = contrast_of(contrasts, row["surroundings"])
        if known(row["rho"]) or contrast is not None:
            return _stated(row, contrast, contrasts, [each for each in rows if each is not row])
    return _finding(
        Kind.UNKNOWN,
        f"Whether the model is less stable {RARE} is not known.",
        f"There are {count(max(row['n_cells'] for row in rows), 'cell')} at most in which the objects are recognised "
        "and that differ by more than chance; more images (--images) or other --positions and --scales would help.",
    )


def _stated(
    row: Mapping[str, Any],
    contrast: Mapping[str, Any] | None,
    contrasts: pd.DataFrame,
    others: Sequence[Mapping[str, Any]],
) -> Finding:
    shown, ends = WORDS[row["surroundings"]], None if contrast is None else contrast_estimate(contrast)
    rho = density_rho(row) if known(row["rho"]) else None
    estimate, kind = rho, Kind.EFFECT
    if rho is not None and rho.direction:
        stability = "less" if rho.direction < 0 else "more"
        claim = f"Shown {shown} {RARE}, the same objects make the model {stability} stable."
    elif ends is not None and ends.direction:
        stability, estimate = "less" if ends.direction > 0 else "more", ends
        claim = (
            f"Shown {shown} where the training set has the fewest objects, the same objects make the model {stability} "
            "stable than where it has the most; a steady change between was not found."
        )
    else:
        estimate, kind = rho or ends, Kind.NONE
        claim = f"Shown {shown}, the same objects were not found to make the model less stable {RARE}."
    sentences = [_ends(contrasts, row["surroundings"])]
    if estimate is not rho and rho is not None:
        sentences.append(f"{rho.text}.")
    other = _listed([each for each in others if known(each["rho"])])
    sentences.append(f"Spearman’s ρ {other}." if other else "")
    rank = EFFECT_RANK if kind == Kind.EFFECT else EFFECT_RANK + NOT_FOUND_RANK
    evidence = " ".join(sentence for sentence in sentences if sentence)
    return _finding(kind, claim, evidence, estimate=estimate, rank=rank, figure=AGAINST_DENSITY)


def _ends(contrasts: pd.DataFrame, surroundings: str) -> str:
    """How every measure differs between where training objects are most and where they are fewest."""
    differences = []
    for measure in COMPARED_MEASURES:
        row = contrast_of(contrasts, surroundings, measure)
        if row is not None:
            form, unit = (in_points, " points") if MEASURES[measure].share else (significant, "")
            limits = limits_of_row(row, "difference", form)
            differences.append(f"{lowered(label_of(measure))} by {form(row['difference'])}{unit} ({limits})")
    start = "From the tenth of the cells with the most training objects to the tenth with the fewest"
    return f"{start}, these change: {', '.join(differences)}." if differences else ""


def _position(correlations: pd.DataFrame) -> Finding | None:
    """The same between positions of one scale, where no object is shown smaller than another; None if not defined."""
    rows = correlations[correlations["measure"].eq(HEADLINE) & correlations["kind"].eq("position")]
    rows = rows.dropna(subset=["rho"]).to_dict("records")
    if not rows:
        return None
    estimate = density_rho(rows[0], ", within each scale")
    shown = WORDS[rows[0]["surroundings"]]
    if estimate.direction:
        stability = "less" if estimate.direction < 0 else "more"
        claim = f"Only moved, {shown}, to {RARE}, objects make the model {stability} stable."
    else:
        claim = f"Only moved, {shown}, to {RARE}, objects were not found to make the model less stable."
    return _finding(
        Kind.EFFECT if estimate.direction else Kind.NONE,
        claim,
        "A smaller object shows any model less, whatever its training images. Here objects of one scale are compared.",
        estimate=estimate,
        rank=POSITION_RANK if estimate.direction else POSITION_RANK + NOT_FOUND_RANK,
    )


def _given_accuracy(correlations: pd.DataFrame) -> Finding | None:
    """The remaining relation among cells of equal accuracy; None if there is no relation to begin with."""
    of_measure = correlations[correlations["measure"].eq(HEADLINE)]
    plain = [row for row in primary(correlations).to_dict("records") if known(row["rho"])]
    if not plain or sign(plain[0]["low"], plain[0]["high"]) != -1:
        return None
    of_first = of_measure[of_measure["surroundings"].eq(plain[0]["surroundings"])].set_index("kind")
    if "given accuracy" not in of_first.index:
        return None
    right = of_first.loc["when right"] if "when right" in of_first.index else None
    beside = ""
    if right is not None and known(right["rho"]):
        beside = f"Over the views on which the model is right, ρ is {_brief(right)}."
    row, shown = of_first.loc["given accuracy"], WORDS[plain[0]["surroundings"]]
    if not known(row["rho"]):
        claim = f"Whether the model is less stable {RARE}, at equal accuracy, is not known."
        why = "P(top-1 change) and accuracy go together too closely for one to be held constant."
        return _finding(Kind.UNKNOWN, claim, f"{why} {beside}".strip())
    estimate = density_rho(row, ", given the cells’ accuracy")
    if estimate.direction:
        stability = "less" if estimate.direction < 0 else "more"
        claim = f"Between cells of equal accuracy, {shown}, the model is {stability} stable {RARE}."
    else:
        claim = f"Between cells of equal accuracy, {shown}, the model was not found to be less stable {RARE}."
    kind, more = (Kind.EFFECT, 0) if estimate.direction else (Kind.NONE, 100)
    return _finding(kind, claim, beside, estimate=estimate, rank=ACCURACY_RANK + more)


def _listed(rows: Sequence[Mapping[str, Any]]) -> str:
    return "; ".join(f"{WORDS[row['surroundings']]} is {_brief(row)}" for row in rows)


def _brief(row: Mapping[str, Any]) -> str:
    return f"{number(row['rho'])} ({interval(row['low'], row['high'])})"


def _value(cell: Mapping[str, Any]) -> str:
    return value_of(cell, HEADLINE, percent, short=True)


def _lowest(cells: pd.DataFrame) -> Finding | None:
    """The cell with the most training objects against the cell of lowest P(top-1 change), in the first surroundings."""
    usable = cells[cells["recognised"].isna() | cells["recognised"].eq(True)]
    if usable.empty:
        return None
    surroundings = usable["surroundings"].iloc[0]
    table = usable[usable["surroundings"].eq(surroundings)]
    lowest, densest = table.loc[table[HEADLINE].idxmin()], table.loc[table["log_density"].idxmax()]
    shown = WORDS[surroundings]
    claim = f"Shown {shown}, the model is more stable elsewhere than where most training objects are."
    if densest["among_lowest"]:
        claim = f"Shown {shown}, the model was at no place found more stable than where most training objects are."
    evidence = f"It is lowest, {_value(lowest)}, at {place_of(lowest)}."
    if densest.name == lowest.name:
        claim, evidence = f"Shown {shown}, the model is most stable where most training objects are.", ""
    label = f"P(top-1 change) at {place_of(densest)}, where most training objects are,"
    estimate = estimate_of_row(densest, HEADLINE, label, densest["n_images"], unit=Unit.SHARE)
    return _finding(Kind.FACT, claim, evidence, estimate=estimate, rank=REST_RANK, figure=MAP)


def _unrecognised(cells: pd.DataFrame) -> Finding | None:
    """The cells that the other findings leave out; None if there are none."""
    blind, seen = cells[cells["recognised"].eq(False)], cells[cells["recognised"].eq(True)]
    if blind.empty:
        return None
    claim = "In some cells the model does not recognise the objects; these are left out above."
    of_all = f"{count(len(blind), 'cell')} of {len(cells):,}"
    evidence = f"The answers agree with the labels no more than by chance in {of_all}."
    if len(seen) and blind[HEADLINE].min() < seen[HEADLINE].min():
        steady = blind.loc[blind[HEADLINE].idxmin()]
        evidence += (
            f" P(top-1 change) is lower in one of them, {_value(steady)} at {place_of(steady)}, than in any other "
            "cell: that is not invariance, as the answers do not follow the object."
        )
    return _finding(Kind.CAUTION, claim, evidence, rank=REST_RANK, figure=MAP)


def place_of(row: Mapping[str, Any]) -> str:
    """A cell's position and scale in a sentence."""
    return f"cx {row['cx']:g}, cy {row['cy']:g}, scale {row['scale']:g}"
