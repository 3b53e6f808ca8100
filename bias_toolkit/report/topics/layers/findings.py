"""What low-pass filters change, and which operation goes with instability."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd

from bias_toolkit.foundation.words import count, interval
from bias_toolkit.invariance import HEADLINE, LAYER_MEASURES
from bias_toolkit.report.topics.layers.section import CORRELATIONS_FIGURE, LAYERS_FIGURE, Layers
from bias_toolkit.report.words.definitions import label_of
from bias_toolkit.report.words.finding import (
    NOT_FOUND_RANK,
    TOO_FEW_IMAGES,
    Estimate,
    Finding,
    Heading,
    Kind,
    Unit,
    clearest_of_family,
)
from bias_toolkit.report.words.sentences import was

LAYERS_RANK = 27
CORRELATION_RANK = 82
LIMIT = (
    "Such measures explain one network: aliased energy before a filter rises in networks that were trained with "
    "low-pass filters, and it ranks no two networks."
)

_finding = partial(Finding, Heading.LAYERS)


def layer_findings(contents: Layers) -> list[Finding]:
    """The effect of low-pass filters on the same images, and the clearest association over images; empty without data.

    Each is a caution if there are too few images for an interval.
    """
    if contents.analysis is None:
        return []
    _, contrasts, correlations = contents.analysis
    return [*_filters(contrasts), *_correlation(correlations)]


def _filters(contrasts: pd.DataFrame) -> list[Finding]:
    rows = contrasts[contrasts["condition"].eq("low-pass")]
    of_model = rows[rows["measure"].eq(HEADLINE)]
    if of_model.empty:
        return []
    row = of_model.iloc[0].to_dict()
    label = f"Difference in {label_of(HEADLINE)}, with low-pass filters minus without"
    n = int(row["n"])
    estimate = Estimate(HEADLINE, label, row["value"], row["low"], row["high"], n, unit=Unit.POINTS, nothing=0.0)
    moved = "The images move over a canvas, and the weights are those of the network without filters."
    evidence = f"{_shift_error(rows)} {moved} {LIMIT}"
    finding = partial(_finding, estimate=estimate, figure=LAYERS_FIGURE)
    if n < TOO_FEW_IMAGES or estimate.direction is None:
        claim = "Too few images were measured to say whether low-pass filters make the model more stable."
        return [finding(Kind.CAUTION, claim, LIMIT, rank=LAYERS_RANK + NOT_FOUND_RANK)]
    if not estimate.direction:
        claim = "Low-pass filters at the network’s subsampling were not found to change how stable the model is."
        return [finding(Kind.NONE, claim, evidence, rank=LAYERS_RANK + NOT_FOUND_RANK)]
    word = "less" if estimate.direction > 0 else "more"
    claim = f"Low-pass filters at the network’s subsampling make the model {word} stable on the same images."
    return [finding(Kind.EFFECT, claim, evidence, rank=LAYERS_RANK)]


def _shift_error(contrasts: pd.DataFrame) -> str:
    """By how much the filters lower the shift error, at the operation where they lower it most."""
    rows = contrasts[contrasts["measure"].eq("shift_error")].dropna(subset=["low"])
    if rows.empty or not (rows["high"] < 0).any():
        return "At no operation were they found to lower the shift error."
    row = rows.loc[rows["value"].idxmin()].to_dict()
    form = LAYER_MEASURES[1].form
    lowered = f"{form(-row['value'])} ({interval(-row['high'], -row['low'], form)})"
    return f"They lower the shift error most at “{row['operation']}”, by {lowered}."


def _correlation(correlations: pd.DataFrame) -> list[Finding]:
    rows = correlations.dropna(subset=["rho", "low"]).reset_index(drop=True)
    if rows.empty:
        return []
    best, directions = clearest_of_family(rows["rho"], rows["low"], rows["high"], 0.0)
    row = rows.loc[best].to_dict()
    estimate = _rho(row)
    name = {measure.name: measure.label.lower() for measure in LAYER_MEASURES}[row["measure"]]
    n_found = int((directions != 0).sum())
    evidence = f"Of {count(len(rows), 'correlation')}, {n_found or 'none'} {was(n_found or 1)} found. {LIMIT}"
    finding = partial(_finding, estimate=estimate, figure=CORRELATIONS_FIGURE)
    if estimate.n < TOO_FEW_IMAGES:
        claim = "Too few images were measured to say at which operation they differ in stability."
        return [finding(Kind.CAUTION, claim, LIMIT, rank=CORRELATION_RANK + NOT_FOUND_RANK)]
    if not estimate.direction:
        claim = "No measure of an operation that subsamples was found to go with stability over images."
        return [finding(Kind.NONE, claim, evidence, rank=CORRELATION_RANK + NOT_FOUND_RANK)]
    word = "less" if estimate.direction > 0 else "more"
    claim = f"Images with a larger {name} at “{row['operation']}” are {word} stable."
    return [finding(Kind.ASSOCIATION, claim, evidence, rank=CORRELATION_RANK)]


def _rho(row: Mapping[str, Any]) -> Estimate:
    label = f"Spearman’s ρ of the {row['measure'].replace('_', ' ')} at “{row['operation']}” with {label_of(HEADLINE)}"
    return Estimate("rho", label, row["rho"], row["low"], row["high"], int(row["n"]), unit=Unit.NUMBER, nothing=0.0)
