"""Marks on findings, sections and figures that follow from estimated boxes."""

import dataclasses
from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_toolkit.foundation.words import number
from bias_toolkit.report.page.blocks import Block, FigureBlock, Paragraph, Section, TableBlock
from bias_toolkit.report.page.style import VERMILLION
from bias_toolkit.report.topics.localisation.contents import Localisation
from bias_toolkit.report.words.finding import Finding, Kind
from bias_toolkit.report.words.sentences import SET_NAMES, lowered

BY_ESTIMATE = "By estimated boxes"
MISSTATED = {1: "overstate", -1: "understate"}


def marked_section(section: Section, boxes: frozenset[str], located: Localisation | None) -> Section:
    """A section on the boxes of some sets, marked if those are estimated."""
    if located is None or not boxes.intersection(located.sets):
        return section
    note = Paragraph(
        f"The boxes of the {located.names} are estimated: the model located them, nobody drew them. How far they can "
        "be trusted is said under “The estimated boxes”."
    )
    return dataclasses.replace(section, blocks=[note, *(_marked_block(block, located) for block in section.blocks)])


def _marked_block(block: Block, located: Localisation) -> Block:
    if not isinstance(block, TableBlock | FigureBlock) or not block.boxes.intersection(located.sets):
        return block
    text = _sentence(block.boxes, located)
    if isinstance(block, TableBlock):
        return dataclasses.replace(block, note=f"{block.note} {text}".strip())
    alt, caption = f"{block.alt} {text}", f"{block.caption} {text}"
    return dataclasses.replace(block, draw=lambda: _marked(block.draw(), text), alt=alt, caption=caption)


def _sentence(boxes: Iterable[str], located: Localisation) -> str:
    """A sentence that the boxes of some sets are estimated; it names the set if only one of a study's two is."""
    shown = [split for split in located.sets if split in boxes]
    if len(shown) == len(SET_NAMES):
        return "Estimated boxes."
    return f"Estimated boxes in the {SET_NAMES[shown[0]]} set."


def _marked(drawn: Figure | Axes, text: str) -> Figure | Axes:
    """A figure with a line above its titles."""
    drawn.figure.suptitle(text.removesuffix("."), x=0.01, ha="left", fontsize=9, color=VERMILLION)
    return drawn


def marked_plot(figure: Figure, boxes: frozenset[str], located: Localisation | None) -> Figure:
    """A figure for a publication that shows the boxes of some sets, marked if those are estimated."""
    if located is None or not boxes.intersection(located.sets):
        return figure
    # A figure of one set does not need the set's name in the mark.
    return _marked(figure, "Estimated boxes." if len(boxes) == 1 else _sentence(boxes, located))


def marked_findings(findings: Sequence[Finding], located: Localisation | None) -> list[Finding]:
    """Findings; those that follow from estimated boxes are marked."""
    return [finding if located is None else _marked_finding(finding, located) for finding in findings]


def _marked_finding(finding: Finding, located: Localisation) -> Finding:
    if finding.kind is Kind.UNKNOWN or not finding.boxes.intersection(located.sets):
        return finding
    of = "" if len(located.sets) == len(SET_NAMES) else f" of the {located.names}"
    evidence, kind = finding.evidence, finding.kind
    if finding.compares_boxes:
        if not finding.boxes <= set(located.sets):
            kind = Kind.CAUTION
            evidence += " The other set's boxes are drawn, so this may be a difference between two kinds of boxes."
    elif finding.states_centring and located.centring_error:
        error = abs(located.value(located.centring)["gain"])
        misstated = MISSTATED[located.centring_error]
        evidence += f" Estimated boxes {misstated} this: by {number(error)} on {located.measured_on}."
    claim = f"{BY_ESTIMATE}{of}: {lowered(finding.claim)}"
    return dataclasses.replace(finding, kind=kind, claim=claim, evidence=evidence)
