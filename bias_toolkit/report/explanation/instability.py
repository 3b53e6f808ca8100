"""How unstable one image is: its measures compared with the test images, its response, and the maps over all shifts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bias_toolkit.foundation.words import MISSING, below_all, count, known, percent
from bias_toolkit.report.explanation.figures import class_colours, response_curves, shift_maps, signed, view_places
from bias_toolkit.report.page.blocks import (
    Block,
    FigureBlock,
    Paragraph,
    Picture,
    PictureGroup,
    PicturesBlock,
    Section,
    TableBlock,
)
from bias_toolkit.report.words.definitions import COLUMNS, DISTANCES, FRAMING, label_of, value_form

if TYPE_CHECKING:
    from bias_toolkit.explain.record import ExplanationRecord, Response, Standing


def instability_section(explanation: ExplanationRecord) -> Section:
    """Measures with their standing, the curves along the sweep, each change of class, and the maps over all shifts."""
    response, shift_map = explanation.response, explanation.shift_map
    colours, shifts = class_colours(explanation), count(shift_map.radius, "pixel")
    standings = [standing for standing in explanation.standings if standing.name not in DISTANCES | FRAMING]
    blocks = [
        *([_standings(explanation, standings)] if standings else []),
        FigureBlock(
            "response",
            lambda: response_curves(response, colours, explanation.label_name),
            "Probabilities of the classes on each view of the sweep, with the top-1 class of each view: "
            f"{_in_turn(response.names)}.",
            "Each view is one step further along the sweep than the last. Curves are of every class that is top-1 "
            "somewhere, and of the right class where it is known (dashed where it is never top-1); dots and the strip "
            "below give the top-1 class of each view, and dashed lines are where it changes.",
        ),
        _changes(response),
        FigureBlock(
            "shifts",
            lambda: shift_maps(shift_map, colours, explanation.radius),
            f"Two maps over all shifts of up to {shifts} in each direction: the top-1 class, and the "
            f"probability of “{shift_map.names[shift_map.reference]}”.",
            f"All shifts of up to {shifts} in each direction, the centre view marked by a cross. Stability is "
            "measured on the steps between all views in the square. Classes have the same colours as in the figure "
            f"above. {_made_up(shift_map.made_up)}",
        ),
    ]
    return Section("unstable", "How unstable", blocks)


def _standings(explanation: ExplanationRecord, standings: Sequence[Standing]) -> TableBlock:
    rows = [
        [label_of(standing.name), value_form(standing.name)(standing.value), more_than(standing.percentile)]
        for standing in standings
    ]
    return TableBlock(
        "Measures of this image, on the study’s own sweep",
        ["Measure", "Value", f"Among {test_images(explanation)}"],
        rows,
        definitions=[COLUMNS[standing.name] for standing in standings if standing.name in COLUMNS],
        note=f"On the sweep {explanation.response.sweep}.",
    )


def test_images(explanation: ExplanationRecord) -> str:
    """The images that percentiles refer to, in words."""
    return "the other test images" if explanation.in_test_set else "the test images"


def more_than(share: float | None, of: str = "") -> str:
    """`more than 97%`, or `more than 97% of the test images` if `of` is given; never rounded up to all."""
    if not known(share):
        return MISSING
    shown = "none" if share <= 0 else "all" if share >= 1 else below_all(share)
    return f"more than {shown} of {of}" if of else f"more than {shown}"


def _in_turn(names: Sequence[str]) -> str:
    """The names along the sweep; a name that is repeated on neighbouring views appears once."""
    return ", then ".join(name for place, name in enumerate(names) if not place or name != names[place - 1])


def _changes(response: Response) -> Block:
    n = len(response.top1)
    if not response.changes:
        return Paragraph("The top-1 class is the same on all views of this sweep.")
    groups = []
    for change in response.changes:
        before, after = (signed(view_places(n)[view]) for view in (change.step, change.step + 1))
        seen = (
            (change.picture_before, before, change.before, change.p_before),
            (change.picture_after, after, change.after, change.p_after),
        )
        pictures = [Picture(file, f"View {place}, {name}", name, [percent(p)]) for file, place, name, p in seen]
        groups.append(PictureGroup(pictures, f"View {before} → view {after}"))
    return PicturesBlock(
        "Neighbouring views on which the model disagrees with itself",
        groups,
        f"The top-1 class changes in {count(len(groups), 'step')} of {n - 1}. The two views of a pair are one pixel "
        "apart in each direction in which the sweep moves.",
    )


def _made_up(share: float) -> str:
    if not share:
        return "Every view is a window of the image itself: no pixel is made up."
    return f"{percent(share)} of the pixels of these views are not in the image and were made up."
