"""The measurements of one image: its instability, and its distance from the training images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bias_toolkit.foundation.words import MISSING, below_all, count, known, number, percent, significant
from bias_toolkit.report.explanation.figures import (
    class_colours,
    object_among_training,
    response_curves,
    shift_maps,
    signed,
    view_places,
)
from bias_toolkit.report.explanation.why import margin_trials
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
from bias_toolkit.report.words.definitions import (
    COLUMNS,
    DISTANCES,
    FRAMING,
    Definition,
    distance_label,
    label_of,
    value_form,
)

if TYPE_CHECKING:
    from bias_toolkit.explain.record import Distances, ExplanationRecord, Framing, Response, Standing

OF_A_VIEW = {
    "cx": Definition("Across", "Where the centre of the object's box is: 0 left edge of the view, 1 right edge."),
    "cy": Definition("Down", "Where the centre of the object's box is: 0 top edge of the view, 1 bottom edge."),
    "centre_distance": Definition(
        "Distance from the centre", "Distance of the box's centre from the view's centre: 0 centre, 1 corner."
    ),
    "scale": Definition("Scale", "Square root of the share of the view that the box covers."),
    "aspect": Definition("Aspect", "Width of the box by its height."),
}


def instability_section(explanation: ExplanationRecord) -> Section:
    """Measures with their standing, the curves along the sweep, each change of class, and the maps over all shifts."""
    response, shift_map = explanation.response, explanation.shift_map
    colours, shifts = class_colours(explanation), count(shift_map.radius, "pixel")
    standings = [standing for standing in explanation.standings if standing.name not in DISTANCES | FRAMING]
    blocks = [
        *([_standings(explanation, standings)] if standings else []),
        FigureBlock(
            "response",
            lambda: response_curves(response, colours, shift_map.right),
            "Probabilities of the classes on each view of the sweep, with the top-1 class of each view: "
            f"{_in_turn(response.names)}.",
            "Each view is one step further along the sweep than the last. There is a curve for every class that is "
            "top-1 on a view, and for the right class if it is known (dashed if it is never top-1). Dots and the strip "
            "below show the top-1 class of each view. Dashed vertical lines show where it changes.",
        ),
        _changes(response),
        FigureBlock(
            "shifts",
            lambda: shift_maps(shift_map, colours, explanation.radius),
            f"Two maps over all shifts of up to {shifts} in each direction: the top-1 class, and the "
            f"probability of “{shift_map.names[shift_map.reference]}”.",
            f"All shifts of up to {shifts} in each direction; the cross is the centre view. Left: the top-1 class, in "
            "the colours of the figure above. Right: the probability of the centre view’s class. Stability is measured "
            f"on the steps between the views in the square. {_made_up(shift_map.made_up)}",
        ),
    ]
    return Section("unstable", "How unstable", blocks, folded=True)


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
        f"The top-1 class changes in {count(len(groups), 'step')} of {n - 1}. The two views of a pair are one step "
        "apart.",
    )


def _made_up(share: float) -> str:
    if not share:
        return "Every view is a window of the image itself: no pixel is made up."
    return f"{percent(share)} of the pixels of these views are not in the image and were made up."


def unlikeness_section(explanation: ExplanationRecord) -> Section:
    """Images of the same margin, nearest training images, distances, and the framing among the training objects."""
    blocks: list[Block] = [
        Paragraph(
            "The image is compared with other images here. These are associations: nothing was changed, so they do not "
            "show a cause."
        ),
        *margin_trials(explanation),
    ]
    if explanation.neighbours:
        blocks.append(_neighbours(explanation))
    if explanation.distances is not None:
        blocks.append(_distances(explanation.distances, explanation))
    if explanation.framing is None:
        blocks.append(Paragraph(f"The object’s framing is left out: {explanation.framing_reason}"))
    else:
        blocks.extend(_framing(explanation.framing))
    return Section("unlike", "Compared with other images", blocks, folded=True)


def _neighbours(explanation: ExplanationRecord) -> PicturesBlock:
    pictures = []
    for near in explanation.neighbours:
        lines = [f"distance {significant(near.distance)}", near.image_id]
        pictures.append(Picture(near.picture, f"Training image {near.image_id}", near.name, lines))
    own = Picture(explanation.picture, "The image", explanation.label_name, ["the image itself"])
    return PicturesBlock(
        "Nearest training images",
        [PictureGroup([own], "This image"), PictureGroup(pictures, "Its nearest training images, nearest first")],
    )


def _distances(distances: Distances, explanation: ExplanationRecord) -> TableBlock:
    rows = []
    for name in ("nn_distance", "knn_distance", "class_nn_distance"):
        value = getattr(distances, name)
        if known(value):
            own = distances.distance_percentile if name == "nn_distance" else None
            standing = explanation.standing(name)
            among_test = MISSING if standing is None else more_than(standing.percentile)
            label = distance_label(name, {"metric": distances.metric})
            rows.append([label, significant(value), among_test, more_than(own)])
    definitions = [definition for name, definition in DISTANCES.items() if known(getattr(distances, name))]
    margin = explanation.standing("margin")
    if margin is not None:
        rows.append([label_of("margin"), value_form("margin")(margin.value), more_than(margin.percentile), MISSING])
        definitions.append(COLUMNS["margin"])
    return TableBlock(
        "Distance and margin",
        ["", "Value", f"Among {test_images(explanation)}", "Among the training images"],
        rows,
        definitions=definitions,
        note="Among the training images: this share of them is nearer to its own nearest other training image."
        if known(distances.distance_percentile)
        else "",
    )


def _framing(framing: Framing) -> list[Block]:
    rows = []
    for each in framing.standings:
        numbers = [number(each.value), number(each.training_median), more_than(each.percentile)]
        rows.append([OF_A_VIEW[each.name].label, *numbers])
    position, scale = ("usual" if usual else "unusual" for usual in (framing.usual_position, framing.usual_scale))
    table = TableBlock(
        "The object’s framing in the view",
        ["", "Value", "Training median", "Among the training objects"],
        rows,
        definitions=[OF_A_VIEW[standing.name] for standing in framing.standings],
        note=f"Compared with {framing.population}. Its position is {position} and its "
        f"scale {scale}: usual is within the middle 90% of the training objects.",
    )
    figure = FigureBlock(
        "object",
        lambda: object_among_training(framing),
        "Position, scale and aspect of the training objects in the view, with this image’s object marked. "
        f"Its position is {position}, its scale {scale}.",
        "Left: centres of the training objects in the view, and this image’s object with its box. Middle and right: "
        "scale and aspect of the training objects, their median dashed, this image’s object as a solid line.",
    )
    return [figure, table]
