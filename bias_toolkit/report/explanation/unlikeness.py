"""How unlike the training images one image is: its nearest training images, its distances, and its framing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bias_toolkit.foundation.words import MISSING, known, number, significant
from bias_toolkit.report.explanation.figures import object_among_training
from bias_toolkit.report.explanation.instability import more_than, test_images
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
from bias_toolkit.report.words.definitions import COLUMNS, DISTANCES, Definition, distance_label, label_of, value_form

if TYPE_CHECKING:
    from bias_toolkit.explain.record import Distances, ExplanationRecord, Framing

OF_A_VIEW = {
    "cx": Definition("Across", "Where the centre of the object's box is: 0 left edge of the view, 1 right edge."),
    "cy": Definition("Down", "Where the centre of the object's box is: 0 top edge of the view, 1 bottom edge."),
    "centre_distance": Definition(
        "Distance from the centre", "Distance of the box's centre from the view's centre: 0 centre, 1 corner."
    ),
    "scale": Definition("Scale", "Square root of the share of the view that the box covers."),
    "aspect": Definition("Aspect", "Width of the box by its height."),
}


def unlikeness_section(explanation: ExplanationRecord) -> Section:
    """Nearest training images, distances, and the object's framing among the training objects."""
    blocks: list[Block] = []
    if explanation.neighbours:
        blocks.append(_neighbours(explanation))
    if explanation.distances is not None:
        blocks.append(_distances(explanation.distances, explanation))
    if explanation.framing is None:
        blocks.append(Paragraph(f"The object’s framing is left out: {explanation.framing_reason}"))
    else:
        blocks.extend(_framing(explanation.framing))
    return Section("unlike", "How unlike the training images", blocks)


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
    standings = {standing.name: standing for standing in explanation.standings}
    rows = []
    for name in ("nn_distance", "knn_distance", "class_nn_distance"):
        value = getattr(distances, name)
        if known(value):
            own = distances.distance_percentile if name == "nn_distance" else None
            among_test = more_than(standings[name].percentile) if name in standings else MISSING
            label = distance_label(name, {"metric": distances.metric})
            rows.append([label, significant(value), among_test, more_than(own)])
    definitions = [definition for name, definition in DISTANCES.items() if known(getattr(distances, name))]
    margin = standings.get("margin")
    if margin is not None:
        rows.append([label_of("margin"), value_form("margin")(margin.value), more_than(margin.percentile), MISSING])
        definitions.append(COLUMNS["margin"])
    return TableBlock(
        "Distance and margin",
        ["", "Value", f"Among {test_images(explanation)}", "Among the training images"],
        rows,
        definitions=definitions,
        note="Among the training images: that share of them is nearer to its own nearest other training image."
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
