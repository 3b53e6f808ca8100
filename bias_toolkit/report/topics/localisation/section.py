"""The page's section on estimated boxes: their method and their quality."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bias_toolkit.foundation.errors import UnreadableImageError
from bias_toolkit.foundation.words import count, interval, known, number, percent
from bias_toolkit.report.page.blocks import Block, Cell, FigureBlock, Paragraph, Section, TableBlock
from bias_toolkit.report.page.style import ORANGE, new_figure, styled
from bias_toolkit.report.topics.localisation.contents import Localisation
from bias_toolkit.report.topics.localisation.findings import localisation_findings
from bias_toolkit.report.words.definitions import Definition
from bias_toolkit.report.words.sentences import SET_NAMES, three_digits

TITLE = "The estimated boxes"
EXAMPLES = 10
EXAMPLES_A_ROW = 5
ESTIMATORS = {
    "estimated": "Estimated box",
    "centred": "Box in the middle, one size",
    "whole": "Whole image",
    "given": "The objects' own",
}
CRITERIA = {
    "localisation_accuracy": Definition(
        "Overlap of half or more",
        "Share of images in which intersection over union of the box and the object's own is 0.5 or more.",
        True,
    ),
    "median_iou": Definition("Median overlap", "Median over images of intersection over union."),
    "cx_bias": Definition("Mean error, horizontal", "Of the box's centre, in image widths; positive is to the right."),
    "cx_sd": Definition("Spread of error, horizontal", "Its standard deviation."),
    "cy_bias": Definition("Mean error, vertical", "Of the box's centre, in image heights; positive is down."),
    "cy_sd": Definition("Spread of error, vertical", "Its standard deviation."),
    "log_scale_bias": Definition(
        "Mean error, log scale", "Natural logarithm of the box's scale over the object's: positive is too large."
    ),
    "log_scale_sd": Definition("Spread of error, log scale", "Its standard deviation."),
    "rho_centre_distance": Definition(
        "ρ, centre distance", "Spearman's correlation of the box's distance from the centre with the object's."
    ),
    "rho_scale": Definition("ρ, scale", "Spearman's correlation of the box's scale with the object's."),
    "centre_bias": Definition("Centre bias", "Of the boxes, as in the section on framing."),
    "untruncated_centre_bias": Definition(
        "Centre bias, border not touched", "The same of the boxes that do not touch the border."
    ),
    "truncated_share": Definition(
        "Touch the border", "Share of the boxes that come within 1 pixel of the image's border.", True
    ),
}

PLACES = ("cx_bias", "cx_sd", "cy_bias", "cy_sd")
"""The criteria in shares of the image."""


def localisation_section(located: Localisation) -> Section:
    """The method of estimating boxes, examples, their quality, and the conclusions that they do not allow."""
    kind = (
        "the class activation map (Zhou et al., CVPR 2016), which holds all that the network says of the class"
        if located.is_exact
        else "the activation weighted by the gradient of the class at each place (Selvaraju et al., ICCV 2017; Draelos "
        "& Carin, 2020)"
    )
    sets = "; ".join(
        f"{SET_NAMES[split]} set: {count(each.n_located)} of {count(each.n_images, 'image')}, {count(each.n_by_label)} "
        f"by the class of the label and {count(each.n_located - each.n_by_label)} by the most probable class"
        for split, each in located.sets.items()
    )
    method = (
        f"The {located.names} got a box an image from the model itself. The model was shown the whole image; {kind} "
        f"was taken at the layer {located.layer}; the box is around the largest connected part that is above "
        f"{percent(located.threshold, 0)} of its maximum. Located: {sets}."
    )
    blocks: list[Block] = [Paragraph(method), *(Paragraph(finding.text) for finding in localisation_findings(located))]
    blocks.extend(figure for split in located.sets if (figure := _examples(located, split)) is not None)
    blocks.append(_table(located))
    if located.command:
        blocks.append(Paragraph(f"These figures come from the command: {located.command}"))
    return Section("estimated-boxes", TITLE, blocks)


def _table(located: Localisation) -> TableBlock:
    rows = []
    for name, definition in CRITERIA.items():
        form = percent if definition.share else three_digits if name in PLACES else number
        cells = [_cell(located.value(name, estimator), "", form) for estimator in ESTIMATORS]
        rows.append([definition.label, *cells, _cell(located.value(name), "gain_", form)])
    return TableBlock(
        "How good estimated boxes are",
        ["", *ESTIMATORS.values(), "Estimated against the middle"],
        rows,
        definitions=list(CRITERIA.values()),
        note=f"Measured on {located.measured_on}. Under each value its 95% bootstrap interval over images. The last "
        "column is above 0 where the estimate is better; in the last three lines it is the estimate's error.",
        csv="tables/localisation.csv",
    )


def _cell(row: Mapping[str, Any], of: str, form: Callable[[float], str]) -> Cell:
    """The value, or the gain, of a criterion."""
    value, low, high = row[of.removesuffix("_") or "value"], row[f"{of}low"], row[f"{of}high"]
    return Cell(form(value), interval(low, high, form) if known(value) and known(low) else "")


def _examples(located: Localisation, split: str) -> FigureBlock | None:
    framing = located.framing.get(split)
    if framing is None or not len(framing) or located.read is None:
        return None
    images = []
    for row in framing.iloc[np.unique(np.linspace(0, len(framing) - 1, EXAMPLES).astype(int))].to_dict("records"):
        try:
            images.append((located.read(split, row["image_id"]), row))
        except UnreadableImageError:
            continue
    if not images:
        return None
    return FigureBlock(
        f"estimated-boxes-{SET_NAMES[split]}",
        lambda: boxes_on_images(images),
        f"Images of the {SET_NAMES[split]} set with the boxes that the model located.",
        f"{count(len(images), 'image')} at equal steps through the {SET_NAMES[split]} set, with their estimated boxes.",
    )


@styled
def boxes_on_images(images: Sequence[tuple[np.ndarray, Mapping[str, Any]]]) -> Figure:
    """Images, uint8 (H, W, 3), with one box each, a FRAMING row."""
    n_rows = -(-len(images) // EXAMPLES_A_ROW)
    figure = new_figure(height=1.1 * n_rows)
    panels = np.atleast_1d(figure.subplots(n_rows, EXAMPLES_A_ROW)).ravel()
    for ax in panels:
        ax.axis("off")
    for ax, (pixels, row) in zip(panels, images, strict=False):
        height, width = pixels.shape[:2]
        ax.imshow(pixels)
        side = row["width_fraction"] * width, row["height_fraction"] * height
        corner = row["cx"] * width - side[0] / 2 - 0.5, row["cy"] * height - side[1] / 2 - 0.5
        for colour, weight in (("black", 3.4), (ORANGE, 2.0)):
            ax.add_patch(Rectangle(corner, *side, fill=False, edgecolor=colour, linewidth=weight))
    return figure
