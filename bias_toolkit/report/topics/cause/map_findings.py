"""Findings of the interventions on position and scale: whether framing itself makes the model unstable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import pandas as pd

from bias_toolkit.analysis import FramingMap
from bias_toolkit.analysis.framing_map import FEWEST_IMAGES
from bias_toolkit.foundation.words import count, interval, known, number, percent, significant
from bias_toolkit.invariance import HEADLINE
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
from bias_toolkit.report.words.sentences import capitalised, in_points

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
    relation = _relation(framing_map)
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
    label = f"Spearman’s ρ with the density of the training objects{held}, corrected for noise,"
    return Estimate("rho", label, row["rho"], row["low"], row["high"], int(row["n_images"]), nothing=0.0)


def contrast_of(
    contrasts: pd.DataFrame,
    surroundings: str,
    measure: str = HEADLINE,
    kinds: Sequence[str] = ("recognised", "all"),
) -> Mapping[str, Any] | None:
    """The row of MAP_CONTRASTS over the recognised cells, or without labels over all; None if there is none."""
    if not len(contrasts):
        return None
    rows = contrasts[contrasts["measure"].eq(measure) & contrasts["surroundings"].eq(surroundings)]
    rows = rows[rows["kind"].isin(kinds)]
    return rows.iloc[0].to_dict() if len(rows) else None


def contrast_estimate(row: Mapping[str, Any]) -> Estimate:
    """P(top-1 change) in the cells with the fewest training objects minus that in those with the most."""
    label = "P(top-1 change) in the tenth of the cells with the fewest training objects, minus that with the most"
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


@dataclass(frozen=True)
class DensityEffect:
    """How the model's stability changes from where training objects are most to where they are fewest."""

    surroundings: str
    estimate: Estimate
    steady: bool  # whether the estimate is ρ over the cells, as their ends do not differ
    doubts: str = ""  # that MAC does not agree, and that position alone could not be tested, as far as it is so
    further: str = ""  # how accuracy changes, and the other number

    @property
    def stability(self) -> str | None:
        """`less` or `more` stable where training objects are fewest; None if nothing was found."""
        rising = (self.estimate.direction or 0) * (-1 if self.steady else 1)
        return {1: "less", -1: "more"}.get(rising)


def density_effect(framing_map: FramingMap) -> DensityEffect | None:
    """The effect in the first surroundings that can tell; None if there are too few cells or images.

    The number is the difference between two groups of cells that are fixed before any measure is seen: the tenth with
    the fewest training objects and the tenth with the most. If it includes 0, a change over all cells may still be
    found, by ρ.
    """
    for row in primary(framing_map.correlations).to_dict("records"):
        contrast = contrast_of(framing_map.contrasts, row["surroundings"])
        if contrast is not None:
            break
    else:
        return None
    ends, rho = contrast_estimate(contrast), density_rho(row) if known(row["rho"]) else None
    steady = not ends.direction and rho is not None and bool(rho.direction)
    effect = DensityEffect(row["surroundings"], rho if steady else ends, steady)
    sentences = [_accuracy(framing_map.contrasts, row["surroundings"])]
    sentences.append(_when_right(framing_map.contrasts, row["surroundings"]))
    if steady:
        sentences.append(f"{ends.text}.")
    elif rho is not None:
        limits = interval(row["low"], row["high"])
        observed = f"{number(row['rho_observed'])} as observed, and {number(row['rho'])} ({limits}) corrected for noise"
        sentences.append(f"Over all cells, Spearman’s ρ with the density of the training objects is {observed}.")
    return replace(effect, doubts=_doubts(framing_map, effect), further=" ".join(filter(None, sentences)))


def _relation(framing_map: FramingMap) -> Finding:
    """Whether the model is less stable where training objects are fewest."""
    effect = density_effect(framing_map)
    if effect is None:
        most = primary(framing_map.correlations)["n_cells"].max()
        return _finding(
            Kind.UNKNOWN,
            f"Whether the model is less stable {RARE} is not known.",
            f"The objects are recognised in {count(most, 'cell')} at most; more images (--images) or other --positions "
            "and --scales would help.",
        )
    shown, kind = WORDS[effect.surroundings], Kind.EFFECT if effect.stability else Kind.NONE
    if not effect.stability:
        claim = f"Shown {shown}, the same objects were not found to make the model less stable {RARE}."
    elif effect.steady:
        claim = (
            f"Shown {shown}, the same objects make the model the {effect.stability} stable, the fewer objects the "
            "training set has there; between the fewest and the most no difference was found."
        )
    else:
        claim = (
            f"Shown {shown} where the training set has the fewest objects, the same objects make the model "
            f"{effect.stability} stable than where it has the most."
        )
    rank = EFFECT_RANK if effect.stability else EFFECT_RANK + NOT_FOUND_RANK
    evidence = f"{effect.doubts} {effect.further}".strip()
    return _finding(kind, claim, evidence, estimate=effect.estimate, rank=rank, figure=AGAINST_DENSITY)


def _doubts(framing_map: FramingMap, effect: DensityEffect) -> str:
    doubts, mac = [], contrast_of(framing_map.contrasts, effect.surroundings, "mac")
    if mac is not None and effect.stability:
        found = sign(mac["difference_low"], mac["difference_high"]) or 0
        number_of_it = f"{significant(mac['difference'])} ({limits_of_row(mac, 'difference', significant)})"
        if not found:
            doubts.append(f"by mean absolute change no difference was found, {number_of_it}")
        elif (found > 0) != (effect.stability == "less"):
            doubts.append(f"by mean absolute change it is the other way round, {number_of_it}")
    if _by_position(framing_map.correlations).empty:
        doubts.append("an effect of position alone could not be tested")
    return f"{capitalised('; '.join(doubts))}." if doubts else ""


def _accuracy(contrasts: pd.DataFrame, surroundings: str) -> str:
    row = contrast_of(contrasts, surroundings, "accuracy")
    if row is None:
        return ""
    return f"Accuracy changes by {in_points(row['difference'])} points ({limits_of_row(row, 'difference', in_points)})."


def _when_right(contrasts: pd.DataFrame, surroundings: str) -> str:
    """How P(top-1 change) and MAC change over the views on which the model is right; empty if that is not known."""
    change, mac = (contrast_of(contrasts, surroundings, name, ["when right"]) for name in (HEADLINE, "mac"))
    if change is None or mac is None:
        return ""
    points = f"{in_points(change['difference'])} points ({limits_of_row(change, 'difference', in_points)})"
    absolute = f"{significant(mac['difference'])} ({limits_of_row(mac, 'difference', significant)})"
    return (
        f"Over the views on which the model is right, P(top-1 change) changes by {points}, and mean absolute change by "
        f"{absolute}."
    )


def _by_position(correlations: pd.DataFrame) -> pd.DataFrame:
    """The rows between positions of one scale whose ρ is defined."""
    rows = correlations[correlations["measure"].eq(HEADLINE) & correlations["kind"].eq("position")]
    return rows.dropna(subset=["rho"])


def _position(correlations: pd.DataFrame) -> Finding | None:
    """The same between positions of one scale, where no object is shown smaller than another; None if not defined."""
    rows = _by_position(correlations).to_dict("records")
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
    """The cells that the other findings leave out, or that none could be left out; None if the model follows all."""
    blind, seen = cells[cells["recognised"].eq(False)], cells[cells["recognised"].eq(True)]
    if blind.empty:
        return _one_label(cells)
    claim = "In some cells the model was not found to recognise the objects; these are left out above."
    if seen.empty:
        claim = "In no cell was the model found to recognise the objects."
    of_all = f"{count(len(blind), 'cell')} of {len(cells):,}"
    evidence = f"The answers were not found to agree with the labels more than by chance in {of_all}."
    if len(seen) and blind[HEADLINE].min() < seen[HEADLINE].min():
        steady = blind.loc[blind[HEADLINE].idxmin()]
        evidence += (
            f" P(top-1 change) is lower in one of them, {_value(steady)} at {place_of(steady)}, than in any other "
            "cell: that is not invariance, as the answers do not follow the object."
        )
    return _finding(Kind.CAUTION, claim, evidence, rank=REST_RANK, figure=MAP)


def _one_label(cells: pd.DataFrame) -> Finding | None:
    """That labels which are all the same cannot tell where objects are recognised; None if they differ or lack."""
    accuracy = cells["accuracy"].dropna()
    if accuracy.empty or not cells["recognised"].isna().all():
        return None
    limits = f"{percent(accuracy.min())} and {percent(accuracy.max())}"
    evidence = (
        "All images shown have one label, and a model that gives one answer to every image could agree with it too. "
        f"So no cell is left out above. Accuracy in the cells is between {limits}."
    )
    claim = "Where the model recognises the objects is not known."
    return _finding(Kind.UNKNOWN, claim, evidence, rank=REST_RANK, figure=MAP)


def place_of(row: Mapping[str, Any]) -> str:
    """A cell's position and scale in a sentence."""
    return f"cx {row['cx']:g}, cy {row['cy']:g}, scale {row['scale']:g}"
