"""What a report knows of estimated boxes, and marking whatever was made of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_toolkit.foundation.words import number
from bias_toolkit.report.blocks import FigureBlock, Omitted, Paragraph, Section, TableBlock
from bias_toolkit.report.contents import OFTEN_TRUNCATED
from bias_toolkit.report.finding import CAUTION, FRAMING, FRAMING_EFFECT, UNKNOWN, Finding, sign
from bias_toolkit.report.style import VERMILLION

if TYPE_CHECKING:
    from bias_toolkit.report.contents import ReportContents

NAMES = {"train": "training", "test": "test"}
MARKED_TOPICS = (FRAMING, FRAMING_EFFECT)
BY_ESTIMATE = "By estimated boxes"


@dataclass(frozen=True)
class LocatedSet:
    """How many images of a set were located: by the class of their label, or else by the most probable class."""

    n_images: int
    n_located: int
    n_by_label: int


@dataclass(frozen=True)
class Localisation:
    """Estimated boxes: of which sets, how they were made, and how good such boxes are.

    Parameters
    ----------
    sets : mapping
        "train", "test", or both, of those whose boxes are estimated.
    layer : str
        Where the activation map is taken.
    is_exact : bool
        Whether the map is the whole of what the network says of the class.
    threshold : float
        Share of the map's maximum that counts as object.
    unlocated : DataFrame
        split, image_id, reason: images without an estimated box.
    quality : DataFrame
        Table LOCALISATION.
    measured_on : str
        On what, to be read after "measured on".
    measured_here : bool
        Whether that are images of this study with its model.
    command : str
        The command that measured it, where it was not measured here.
    """

    sets: Mapping[str, LocatedSet]
    layer: str
    is_exact: bool
    threshold: float
    unlocated: pd.DataFrame
    quality: pd.DataFrame
    measured_on: str
    measured_here: bool
    command: str = ""

    @property
    def names(self) -> str:
        """The sets in words: `training set`, `test set`, or `training and the test set`."""
        return " and the ".join(NAMES[split] for split in self.sets) + " set"

    def value(self, criterion: str, estimator: str = "estimated") -> dict:
        """The row of a criterion; with null numbers where it was not measured."""
        rows = self.quality[self.quality["criterion"].eq(criterion) & self.quality["estimator"].eq(estimator)]
        return dict.fromkeys(self.quality.columns) if rows.empty else rows.iloc[0].to_dict()

    @property
    def centring(self) -> str:
        """The criterion that tells of centring, as the report chooses it: by how often the border cuts objects."""
        cut = self.value("truncated_share", "given")["value"]
        return "untruncated_centre_bias" if cut is not None and cut >= OFTEN_TRUNCATED else "centre_bias"

    @property
    def misstates_centring(self) -> str:
        """`overstate` or `understate` where estimated boxes do so with centring, empty where that was not found."""
        row = self.value(self.centring)
        return {1: "overstate", -1: "understate"}.get(sign(row["gain_low"], row["gain_high"]), "")


def marked_section(
    section: Section | Omitted, contents: ReportContents, figures_of: Sequence[str] = ("train", "test")
) -> Section | Omitted:
    """A section about framing, marked where boxes are estimated; its figures are of the boxes of `figures_of` alone."""
    if contents.localisation is None or isinstance(section, Omitted):
        return section
    told = contents.localisation
    note = Paragraph(
        f"The boxes of the {told.names} are estimated: the model located them, nobody drew them. How far they can be "
        "trusted is said under “The estimated boxes”."
    )
    shown = [split for split in figures_of if split in told.sets]
    blocks = [_marked_block(block, list(told.sets), shown) for block in section.blocks]
    return dataclasses.replace(section, blocks=[note, *blocks])


def _marked_block(block, splits: Sequence[str], of_figures: Sequence[str]):
    if isinstance(block, TableBlock):
        return dataclasses.replace(block, note=f"{block.note} {_sentence(splits)}".strip())
    if not isinstance(block, FigureBlock):
        return block
    shown = [split for split in of_figures if not block.name.endswith(_other(split))]
    if not shown:
        return block
    text = _sentence(shown)
    return dataclasses.replace(
        block,
        draw=lambda: marked_figure(block.draw(), text.removesuffix(".")),
        alt=f"{block.alt} {text}",
        caption=f"{block.caption} {text}",
    )


def _other(split: str) -> str:
    """How the name of a figure ends that is of the other set alone."""
    return "-test" if split == "train" else "-training"


def _sentence(splits: Sequence[str]) -> str:
    if len(splits) == len(NAMES):
        return "Estimated boxes."
    return f"Estimated boxes in the {NAMES[splits[0]]} set."


def marked_figure(drawn: Figure | Axes, text: str) -> Figure | Axes:
    """A figure with a line over its titles that says that its boxes are estimated."""
    drawn.figure.suptitle(text, x=0.01, ha="left", fontsize=9, color=VERMILLION)
    return drawn


def marked_plot(figure: Figure, contents: ReportContents, name: str) -> Figure:
    """A figure for a publication, marked where it shows estimated boxes; `name` as in PLOTS."""
    of = PLOTS_OF_BOXES.get(name, ())
    splits = [] if contents.localisation is None else [split for split in of if split in contents.localisation.sets]
    if not splits:
        return figure
    # A figure of one set need not say which set's boxes are estimated.
    return marked_figure(figure, _sentence(splits if len(of) > 1 else list(NAMES)).removesuffix("."))


def localisation_tables(contents: ReportContents) -> list[tuple[str, pd.DataFrame, str]]:
    """The tables of estimated boxes: (name, table, what it holds)."""
    told = contents.localisation
    if told is None:
        return []
    return [
        ("localisation", told.quality, f"how good estimated boxes are, measured on {told.measured_on}"),
        ("unlocated", told.unlocated, "images without an estimated box, with the reason"),
    ]


PLOTS_OF_BOXES = {
    "invariance-vs-position": ("test",),
    "invariance-vs-scale": ("test",),
    "centres": ("train",),
    "coverage": ("train",),
    "centre-distance": ("train",),
    "scale": ("train", "test"),
    "odds-ratios": ("test",),
}
"""The figures of PLOTS that show boxes, and of which sets."""


def marked_findings(findings: Sequence[Finding], told: Localisation | None) -> list[Finding]:
    """Findings, those about framing marked where it is that of estimated boxes."""
    if told is None:
        return list(findings)
    return [_marked_finding(finding, told) if _is_estimated(finding, told) else finding for finding in findings]


def _is_estimated(finding: Finding, told: Localisation) -> bool:
    if finding.topic not in MARKED_TOPICS or finding.kind == UNKNOWN:
        return False
    whole = len(told.sets) == len(NAMES) or (finding.topic == FRAMING_EFFECT and "test" in told.sets)
    return whole or any(NAMES[split] in finding.text for split in told.sets)


def _marked_finding(finding: Finding, told: Localisation) -> Finding:
    of = "" if len(told.sets) == len(NAMES) else f" of the {told.names}"
    claim = finding.claim
    # A symbol such as P keeps its capital.
    begin = claim[0].lower() if claim[1:2].islower() or claim[1:2] == " " else claim[0]
    evidence, kind = finding.evidence, finding.kind
    if all(name in claim for name in (f"{each} set" for each in NAMES.values())):
        if len(told.sets) == 1:
            kind = CAUTION
            evidence += " The other set's boxes are drawn, so this may be a difference between two kinds of boxes."
    elif told.misstates_centring and "centred" in claim:
        error = told.value(told.centring)
        evidence += (
            f" Estimated boxes {told.misstates_centring} this: by {number(abs(error['gain']))} on {told.measured_on}."
        )
    return dataclasses.replace(finding, kind=kind, claim=f"{BY_ESTIMATE}{of}: {begin}{claim[1:]}", evidence=evidence)
