"""Findings on the model's stability under one-pixel steps."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from bias_toolkit.foundation.intervals import FEWEST_IMAGES
from bias_toolkit.foundation.words import count, known, percent, significant
from bias_toolkit.invariance import HEADLINE, sweep_window
from bias_toolkit.report.source import Source, SweepKey, per_image, sweep_key
from bias_toolkit.report.topics.invariance.sizes import compare_sizes, values_by_size
from bias_toolkit.report.words.definitions import label_of
from bias_toolkit.report.words.finding import (
    Estimate,
    Finding,
    Heading,
    Kind,
    Unit,
    estimate_over,
)
from bias_toolkit.report.words.sentences import TEST, capitalised, lowered, share_in_words, sweep_name

_finding = partial(Finding, Heading.INVARIANCE)
FAR_BELOW = 0.1
NOISE_RANK, REST_RANK = 10, 80
NOISY = "The model’s answers change without any shift, so what is measured is not the shift’s alone."
ENLARGED = 0.8
"""Pixels of the test images in one step; below, a step moves the picture by clearly less than the images resolve."""
LOW_ACCURACY = 0.5
FIGURE, SIZES_FIGURE = "p-top1-change", "sizes"


@dataclass(frozen=True)
class NoiseFloor:
    """`p_top1_change` between two evaluations of one view an image, with its 95% interval over images."""

    value: float
    n_images: int
    n_changed: int
    low: float
    high: float
    is_of_all: bool = False  # whether the test set has no other images that can be read

    @property
    def estimate(self) -> Estimate:
        """The noise floor as the estimate of a finding."""
        label = "P(top-1 change) without a shift"
        return Estimate("noise_floor", label, self.value, self.low, self.high, self.n_images, unit=Unit.SHARE)


@dataclass(frozen=True)
class InvarianceContents:
    """Tables SUMMARY, MEASURES and SEQUENTIAL, the reference sweep, and the noise floor."""

    reference: SweepKey | None  # the sweep of `per_image`; None if no sweep has steps
    summary: pd.DataFrame
    measures: pd.DataFrame
    sequential: pd.DataFrame
    per_image: pd.DataFrame
    noise_floor: NoiseFloor | None
    seed: int
    source_pixels: float | None  # of the test images under one step of the reference sweep; the median image's
    n_classes: int | None = None  # of the model
    n_labels: int = 0  # of the test set

    def row(self, measure: str) -> Mapping[str, Any] | None:
        """The SUMMARY row of a measure under the reference sweep; None if it is absent or not defined."""
        if not len(self.summary) or self.reference is None:
            return None
        protocol, transform, size = self.reference
        rows = self.summary[
            self.summary["protocol"].eq(protocol)
            & self.summary["transform"].eq(transform)
            & self.summary["size"].sub(size).abs().lt(1e-6)
            & self.summary["measure"].eq(measure)
        ]
        return None if rows.empty or not known(rows.iloc[0]["value"]) else rows.iloc[0].to_dict()


def gather(source: Source) -> InvarianceContents:
    """A study's measures, and their summary."""
    noise, floor = source.noise_floor, None
    if noise is not None:
        is_of_all = noise["n_images"] < source.settings.noise_images
        floor = NoiseFloor(noise["value"], noise["n_images"], noise["n_changed"], *noise["interval"], is_of_all)
    summary = source.analysis.summary
    return InvarianceContents(
        reference=sweep_key(source),
        summary=summary[summary["protocol"].ne("frames")] if len(summary) else summary,  # frames are another topic
        measures=source.measures,
        sequential=source.sequential,
        per_image=per_image(source),
        noise_floor=floor,
        seed=source.settings.seed,
        source_pixels=_source_pixels(source),
        n_classes=source.model_record["n_classes"],
        n_labels=source.images(TEST)["label"].nunique(),
    )


def _source_pixels(source: Source) -> float | None:
    """The step of the reference sweep in pixels of the test images themselves, of the median image."""
    sweep, images = source.reference_sweep, source.images(TEST)
    if sweep is None or images.empty:
        return None
    sizes = images.groupby(["width", "height"]).size()
    windows = (sweep_window(*size, sweep, source.model_record["input_size"], "") for size in sizes.index)
    return float(np.median(np.repeat([min(each.step_x, each.step_y) for each in windows], sizes)))


def invariance_findings(contents: InvarianceContents) -> list[Finding]:
    """How often one pixel changes the answer, whether noise can explain it, and how it depends on the size."""
    row = contents.row(HEADLINE)
    if row is None:
        claim = "How often one pixel changes the top-1 class was not measured."
        return [_finding(Kind.UNKNOWN, claim), *_consistency(contents)]
    changed, noise = contents.row("any_change"), noise_finding(contents.noise_floor, row)
    findings = [changed and _change(contents, changed), noise, size_finding(contents), *_consistency(contents)]
    # The answer at the top of the page already says of a low accuracy that it is low.
    if not _inaccurate(contents):
        findings.append(_accuracy(contents))
    return [finding for finding in findings if finding is not None]


def stability_answer(contents: InvarianceContents) -> Finding:
    """How often one pixel changes the answer, with what makes that number mean less."""
    row = contents.row(HEADLINE)
    if row is None:
        return _finding(Kind.UNKNOWN, "How often one pixel changes the model’s answer was not measured.")
    noise, estimate = contents.noise_floor, _of_images(row)
    doubts = [_enlarged(contents.source_pixels), _inaccurate(contents)]
    if noise is not None and noise.value > FAR_BELOW * row["value"]:
        kind, claim = Kind.CAUTION, NOISY
        doubts.insert(0, f"{noise.estimate.text}.")
    elif row["value"] == 0:
        kind, claim = Kind.NONE, "No shift by one pixel changed the model’s top-1 class."
        estimate = replace(estimate, nothing=0.0)
    else:
        kind, claim = Kind.EFFECT, f"{capitalised(_words(estimate))} of the shifts by one pixel change the top-1 class."
    kind = Kind.CAUTION if row["n"] < FEWEST_IMAGES else kind
    return _finding(kind, claim, " ".join(filter(None, doubts)), estimate=estimate, figure=FIGURE)


def _of_images(row: Mapping[str, Any]) -> Estimate:
    """The mean of a share over images, from a row of SUMMARY."""
    ends = (row["low"], row["high"]) if row["n"] >= FEWEST_IMAGES else (None, None)
    return Estimate(row["measure"], label_of(row["measure"]), row["value"], *ends, int(row["n"]), unit=Unit.SHARE)


def _enlarged(source_pixels: float | None) -> str:
    """That a step is much less than a pixel of the test images, if it is."""
    if source_pixels is None or source_pixels >= ENLARGED:
        return ""
    return (
        "The test images are enlarged for the model: one step is "
        f"{significant(source_pixels, 2)} of a pixel of the median image."
    )


def _inaccurate(contents: InvarianceContents) -> str:
    """That most of the answers are wrong, if the accuracy's interval lies below one half."""
    accuracy = contents.row("accuracy")
    if accuracy is None:
        return ""
    estimate = _of_images(accuracy)
    if not known(estimate.high) or estimate.high >= LOW_ACCURACY:
        return ""
    wrong = f"Most of the model’s answers on these views are wrong: {lowered(estimate.text)}."
    return f"{wrong} {_choice(contents)}".strip()


def _choice(contents: InvarianceContents) -> str:
    """Among how many classes the model chooses, where the test set has another number."""
    classes, labels = contents.n_classes, contents.n_labels
    if classes is None or classes == labels:
        return ""
    return f"The model chooses among {count(classes, 'class', 'classes')}; the test set has {count(labels)}."


def size_finding(contents: InvarianceContents) -> Finding | None:
    """Sizes at which P(top-1 change) is higher than at its lowest; None if there are fewer than two sizes."""
    measures, sweep = contents.measures, contents.reference
    if not len(measures) or sweep is None:
        return None
    of_transform = measures[measures["transform"].eq(sweep[1])]
    return compare_sizes(values_by_size(of_transform), Heading.INVARIANCE, SIZES_FIGURE, contents.seed)


def _consistency(contents: InvarianceContents) -> list[Finding]:
    summary = contents.summary
    rows = summary[summary["measure"].eq("consistency") & summary["value"].notna()] if len(summary) else summary
    findings = []
    for row in rows.to_dict("records"):
        estimate = replace(_of_images(row), label="Pairs that agree")
        claim = f"Two views at random offsets get the same top-1 class in {_words(estimate)} of the pairs."
        findings.append(_finding(Kind.FACT, claim, estimate=estimate))
    return findings


def _words(estimate: Estimate) -> str:
    return share_in_words(estimate.value, estimate.low, estimate.high)


def _change(contents: InvarianceContents, row: Mapping[str, Any]) -> Finding:
    """On how many images the class changes at all: a mean over steps can be small while hardly any image is safe."""
    sweep = f"The sweep is {sweep_name(*contents.reference)}."
    estimate = replace(_of_images(row), label="Images on which some shift changes the top-1 class")
    if not row["value"]:
        claim = "Moving an image by one pixel never changed the top-1 class."
        return _finding(Kind.NONE, claim, sweep, estimate=replace(estimate, nothing=0.0), figure=FIGURE)
    evidence, change = sweep, contents.row("mac")
    if change is not None:
        text = estimate_over(change["n"], change["value"], change["low"], change["high"], significant)
        evidence += f" The probability of the class on top changes by {text} a step on average."
    kind = Kind.EFFECT
    if row["n"] < FEWEST_IMAGES:
        kind, evidence = Kind.CAUTION, f"{evidence} So few images say little about others."
    claim = f"On {_words(estimate)} of the images, at least one of the shifts changes the top-1 class."
    return _finding(kind, claim, evidence, estimate=estimate, figure=FIGURE)


def noise_finding(floor: NoiseFloor | None, row: Mapping) -> Finding:
    """Whether the noise floor is far below `p_top1_change`, a row of SUMMARY.

    It is, if the upper end of its interval is at most a tenth of what was measured. If the floor itself is above that
    tenth, the answers change without any shift; if only its upper end is, too few images were evaluated again.
    """
    if floor is None:
        claim = "Whether rounding alone changes the class is not known: no noise floor was measured."
        return _finding(Kind.UNKNOWN, claim, rank=100 + NOISE_RANK)
    noise, tenth = partial(_finding, estimate=floor.estimate), FAR_BELOW * row["value"]
    measured = estimate_over(row["n"], row["value"], row["low"], row["high"], percent)
    evidence = f"A shift by one pixel changed the top-1 class in {measured} of the steps."
    if floor.value > tenth:
        return noise(Kind.CAUTION, NOISY, evidence, rank=NOISE_RANK)
    if floor.value == row["value"] == 0:
        return noise(Kind.FACT, "Numerical noise did not change the top-1 class either.", evidence)
    if floor.high > tenth:
        claim = "Too few images were evaluated again to show that numerical noise is far below what was measured."
        rank = NOISE_RANK if floor.high >= row["low"] else REST_RANK
        remedy = "The test set has no more images." if floor.is_of_all else "A larger --noise-images would tell."
        return noise(Kind.CAUTION, claim, f"{evidence} {remedy}", rank=rank)
    return noise(Kind.FACT, "Numerical noise does not explain the changes.", evidence)


def _accuracy(contents: InvarianceContents) -> Finding:
    row = contents.row("accuracy")
    if row is None:
        claim = "Accuracy is not given: no test image has a label that is one of the model's classes."
        return _finding(Kind.UNKNOWN, claim)
    estimate = _of_images(row)
    claim = f"The model is right on {_words(estimate)} of the views."
    return _finding(Kind.FACT, claim, _choice(contents), estimate=estimate)
