"""How often the model's answer changes between consecutive frames of a clip, without any shift."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from bias_toolkit.analysis import mean_interval
from bias_toolkit.datasets import REACH, clip_of
from bias_toolkit.foundation.errors import UnreadableImageError
from bias_toolkit.foundation.intervals import FEWEST_IMAGES, UNLIMITED, Interval
from bias_toolkit.foundation.words import MINUS, count, percent, significant
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.page.blocks import (
    Block,
    Cell,
    Paragraph,
    Picture,
    PictureGroup,
    PicturesBlock,
    Section,
    TableBlock,
    estimate_cell,
)
from bias_toolkit.report.page.files import Table
from bias_toolkit.report.page.thumbnails import FOLDER
from bias_toolkit.report.source import Source, names_of_classes
from bias_toolkit.report.topic import Draft, Topic
from bias_toolkit.report.words.definitions import Definition
from bias_toolkit.report.words.finding import Estimate, Finding, Heading, Kind, Unit, estimate_over

TITLE, CHANGE = "From frame to frame", "P(top-1 change) between frames"
RANK = 80
TRIED = 20
"""How many windows are tried for the strip, as some may have become unreadable."""


@dataclass(frozen=True)
class FramesContents:
    """The responses along the frames around each anchor, and what is needed to show one of them.

    `values` has one row per anchor: clip, the measures, and with labels `pm_0`, `pm_k` and `right_change`, the change
    where the anchor is right.
    """

    values: pd.DataFrame
    responses: pd.DataFrame  # table RESPONSES
    views: Callable[[str], np.ndarray]  # image_id to (V, W, W, 3) uint8; may raise UnreadableImageError
    names: Mapping[int, str]  # the model's classes that have a name
    seed: int
    resamples: int

    def mean(self, column: str, limits: tuple[float, float] = (0.0, 1.0)) -> Interval:
        """The mean over clips of each clip's mean, with its 95% interval over clips; frames of a clip are alike."""
        of_clips = self.values.groupby("clip")[column].mean()
        return mean_interval(of_clips, self.resamples, self.seed, limits=limits)


def gather(source: Source) -> FramesContents | None:
    """The responses of a study along frames; None if it has none."""
    responses = source.frames_responses
    if responses is None:
        return None
    measures = source.measures[source.measures["protocol"].eq("frames")].set_index("image_id")
    values = measures.reindex(responses["image_id"]).reset_index()
    anchors = np.array([top1[REACH] for top1 in responses["top1"]])
    labels = responses["label_index"].astype(float)
    values = values.assign(
        clip=values["image_id"].map(clip_of),
        pm_0=labels.eq(anchors).astype(float).where(labels.notna()),
        pm_k=values["worst_accuracy"],
    )
    values["right_change"] = values[HEADLINE].where(values["pm_0"].eq(1))
    settings = source.settings
    return FramesContents(
        values, responses, source.frame_views, names_of_classes(source), settings.seed, settings.resamples
    )


_ROWS = {
    HEADLINE: Definition(CHANGE, "Share of the pairs of neighbouring frames with different top-1 classes (A).", True),
    "mac": Definition(
        "Mean absolute change",
        "Mean over pairs of neighbouring frames of the absolute change of the probability of the earlier frame's top-1 "
        "class (A).",
    ),
    "p_top5_exit": Definition(
        "P(top-5 exit)",
        "Share of the pairs of neighbouring frames in which the earlier frame's top-1 class is not among the later "
        "frame's five most probable (after A).",
        True,
    ),
    "feature_drift": Definition(
        "Feature drift", "Mean of 1 − cosine similarity of the features of neighbouring frames.", limits=(0.0, 2.0)
    ),
    "accuracy": Definition("Accuracy", "Share of the frames whose top-1 class is the clip's label.", True),
    "pm_0": Definition("pm-0", "Share of the middle frames that the model gets right.", True),
    "pm_k": Definition(
        f"pm-{REACH}",
        f"Share of the middle frames that the model gets right together with every frame within ±{REACH} (Shankar et "
        "al., ICCV 2021).",
        True,
    ),
    "right_change": Definition(
        f"{CHANGE}, where right", f"{CHANGE}, around the middle frames that the model gets right.", True
    ),
}


def frames_findings(contents: FramesContents) -> list[Finding]:
    """How often the class changes between frames, and how many right answers do not last."""
    findings = [_change(contents)]
    if contents.values["pm_0"].notna().any():
        findings.append(_lost(contents))
    return findings


def _change(contents: FramesContents) -> Finding:
    estimate = _estimate(HEADLINE, CHANGE, contents.mean(HEADLINE), Unit.SHARE)
    if estimate.n < FEWEST_IMAGES:
        claim = "The clips are too few to say how often the top-1 class changes from one frame to the next."
        kind = Kind.CAUTION
    elif estimate.value:
        kind, claim = Kind.FACT, "The top-1 class changes between neighbouring frames."
    else:
        kind, claim = Kind.NONE, "No change of the top-1 class was found between neighbouring frames."
        estimate = replace(estimate, nothing=0.0)
    windows = count(len(contents.values), "window")
    evidence = f"{windows} of {2 * REACH + 1} consecutive frames were shown."
    right = contents.mean("right_change")
    if right.n >= FEWEST_IMAGES:
        evidence += f" Where the middle frame is right, it is {estimate_over(*_ends(right), percent)}."
    return Finding(Heading.FRAMES, kind, claim, evidence, estimate=estimate, rank=RANK)


def _lost(contents: FramesContents) -> Finding:
    lost = contents.values.assign(lost=contents.values["pm_0"] - contents.values["pm_k"])
    found = replace(contents, values=lost).mean("lost")
    estimate = _estimate("pm_0_minus_pm_k", f"pm-0 minus pm-{REACH}", found, Unit.POINTS, 0.0)
    if estimate.n < FEWEST_IMAGES or estimate.direction is None:
        kind, claim = Kind.CAUTION, "The clips are too few to say how many right answers are lost in frames near them."
    elif estimate.direction:
        kind, claim = Kind.FACT, "Some frames that the model gets right have a frame near them that it gets wrong."
    else:
        kind, claim = Kind.NONE, "It was not found that the model gets frames wrong near those that it gets right."
    each = (
        f"pm-{k} is {estimate_over(*_ends(contents.mean(name)), percent)}."
        for k, name in ((0, "pm_0"), (REACH, "pm_k"))
    )
    return Finding(Heading.FRAMES, kind, claim, " ".join(each), estimate=estimate, rank=RANK)


def _estimate(name: str, label: str, found: Interval, unit: Unit, nothing: float | None = None) -> Estimate:
    ends = (found.low, found.high) if found.n >= FEWEST_IMAGES else (None, None)
    return Estimate(name, label, found.value, *ends, found.n, "clip", unit, nothing)


def _ends(found: Interval) -> tuple[int, float, float, float]:
    return found.n, found.value, found.low, found.high


def frames_section(contents: FramesContents, draft: Draft) -> Section:
    """The measures between neighbouring frames, and one window of frames with its classes."""
    return Section("frames", TITLE, list(_blocks(contents, draft.folder)))


def _blocks(contents: FramesContents, folder: Path) -> Iterator[Block]:
    yield Paragraph(
        f"The model saw windows of {2 * REACH + 1} consecutive frames of each clip, which do not overlap. No shift was "
        "made: what moved is the scene or the camera."
    )
    rows = []
    for name, of in _ROWS.items():
        found = contents.mean(name, of.limits if of.limits != UNLIMITED else (0.0, 1.0))
        if found.n:
            rows.append(
                [
                    Cell(of.label),
                    estimate_cell(found.value, found.low, found.high, percent if of.share else significant),
                ]
            )
    yield TableBlock(
        "Measures between neighbouring frames",
        ["Measure", "Mean over clips"],
        rows,
        definitions=[of for name, of in _ROWS.items() if contents.values[name].notna().any()],
        note=f"Mean over {count(contents.values['clip'].nunique(), 'clip')} of each clip's mean; under it the 95% "
        f"interval over clips, by a bootstrap, or an exact bound where too few clips differ.",
    )
    strip = _strip(contents, folder)
    if strip is not None:
        yield strip


def _strip(contents: FramesContents, folder: Path) -> PicturesBlock | None:
    """The window in which the class changes most often, among those whose middle frame is right if there are any."""
    values = contents.values
    rows = values[values["pm_0"].eq(1)] if values["pm_0"].eq(1).any() else values
    for image_id in rows.sort_values(HEADLINE, ascending=False, kind="stable")["image_id"].head(TRIED):
        try:
            views = contents.views(image_id)
        except UnreadableImageError:
            continue
        return _block(contents, image_id, views, folder)
    return None


def _block(contents: FramesContents, image_id: str, views: np.ndarray, folder: Path) -> PicturesBlock:
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    row = contents.responses.set_index("image_id").loc[image_id]
    pictures = []
    for place, (pixels, top1, p) in enumerate(zip(views, row["top1"], row["p_top1"], strict=True), start=-REACH):
        file, name = f"{FOLDER}/frame-{place + REACH + 1}.jpg", contents.names.get(int(top1), f"class {top1}")
        Image.fromarray(pixels).save(folder / file, quality=90)
        shown = f"{place:+d}".replace("-", MINUS) if place else "middle"
        is_other = top1 != row["top1"][REACH]
        pictures.append(Picture(file, f"Frame {shown}: {name}.", name, [percent(p, 0), shown], is_other))
    others = sum(picture.marked for picture in pictures)
    changed = (
        f"{count(others, 'frame')} of {len(pictures)} {'gets' if others == 1 else 'get'}" if others else "No frame gets"
    )
    right = " with a middle frame that the model gets right" if contents.values["pm_0"].eq(1).any() else ""
    return PicturesBlock(
        "Consecutive frames, with the class of each",
        [PictureGroup(pictures)],
        "Under each frame is the class that the model gives it, with its probability. "
        f"{changed} another class than the middle one. "
        f"Of the windows{right}, it is the one in which the class changes most often ({image_id}).",
    )


def _table(contents: FramesContents) -> Table:
    return Table("frames", contents.values[["image_id", "clip", *_ROWS]], "measures of every window of frames")


TOPIC = Topic(
    "frames",
    gather,
    findings=frames_findings,
    section=frames_section,
    tables=lambda contents: [_table(contents)],
)
