"""The most and the least stable images, each beside its nearest training images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bias_toolkit.foundation.errors import UnreadableImageError
from bias_toolkit.foundation.words import below_all, count, known, number, percent, significant
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.columns import has_values
from bias_toolkit.report.page.blocks import Block, ExamplesBlock, Omitted, Paragraph, Section
from bias_toolkit.report.page.thumbnails import Example, Thumbnail, save_thumbnail
from bias_toolkit.report.source import Source, class_names, per_image
from bias_toolkit.report.stability import LISTED, least_and_most_stable
from bias_toolkit.report.topic import Topic
from bias_toolkit.report.topics.explanations import explanation_links
from bias_toolkit.report.words.sentences import BOTH_SETS, SET_NAMES, TEST, TRAINING, ClassNames

TITLE = "Most and least stable images"
MOST_BOXES = 3


@dataclass(frozen=True)
class Images:
    """The images that can be shown."""

    per_image: pd.DataFrame
    neighbours: pd.DataFrame
    framing: Mapping[str, pd.DataFrame]  # table FRAMING of train and test
    read: Callable[[str, str], np.ndarray]  # set and image_id to pixels; may raise UnreadableImageError
    train_labels: Mapping[str, str]  # image_id of a training image to its label, if it has one
    names: ClassNames
    links: Mapping[str, str]  # image_id to the address of the page that explains it


def gather(source: Source) -> Images:
    """The images of a study."""
    return Images(
        per_image(source),
        source.neighbours,
        {split: source.framing(split) for split in SET_NAMES},
        source.read_image,
        source.images(TRAINING).set_index("image_id")["label"].dropna().to_dict(),
        class_names(source),
        explanation_links(source),
    )


def stability_examples(
    contents: Images, folder: Path, most: int = LISTED, neighbours: int = 3
) -> tuple[list[Example], list[Example]]:
    """Write thumbnails of the least and of the most stable images into `folder`/images, and describe both.

    An image that cannot be read is left out. No image is in both lists.
    """
    if not has_values(contents.per_image, HEADLINE):
        return [], []
    named = zip(("least", "most"), least_and_most_stable(contents.per_image), strict=True)
    least, stable = (_examples(contents, folder, rows, name, most, neighbours) for name, rows in named)
    return least, stable


def _examples(
    contents: Images, folder: Path, rows: pd.DataFrame, name: str, most: int, n_neighbours: int
) -> list[Example]:
    examples = []
    for row in rows.to_dict("records"):
        if len(examples) == most:
            break
        image_id, stem = row["image_id"], f"{name}-stable-{len(examples) + 1}"
        file = _write(contents, TEST, image_id, folder, stem)
        if file is not None:
            shown = Thumbnail(file, image_id, contents.names.shown(row.get("label")), _notes(row))
            nearest = _neighbours(contents, image_id, folder, stem, n_neighbours)
            examples.append(Example(shown, nearest, contents.links.get(image_id)))
    return examples


def _notes(row: Mapping[str, Any]) -> tuple[str, ...]:
    steps, changed = row.get("n_steps"), row[HEADLINE]
    of_steps = f"top-1 changes in {round(changed * steps)} of {count(steps, 'step')}" if known(steps) else ""
    notes = [of_steps or f"P(top-1 change) {percent(changed)}"]
    if known(row.get("mac")):
        notes.append(f"MAC {significant(row['mac'], 2)}")
    if known(row.get("margin")):
        notes.append(f"margin {number(row['margin'])}")
    if known(row.get("distance_percentile")):
        notes.append(f"distance above that of {below_all(row['distance_percentile'])} of the training images")
    return tuple(notes)


def _neighbours(contents: Images, image_id: str, folder: Path, stem: str, most: int) -> list[Thumbnail]:
    if contents.neighbours.empty:
        return []
    rows = contents.neighbours[contents.neighbours["image_id"].eq(image_id)].sort_values("rank")
    thumbnails = []
    for row in rows.to_dict("records"):
        if len(thumbnails) == most:
            break
        neighbour = row["neighbour_id"]
        file = _write(contents, TRAINING, neighbour, folder, f"{stem}-neighbour-{row['rank']}")
        if file is not None:
            name = contents.names.shown(contents.train_labels.get(neighbour))
            thumbnails.append(Thumbnail(file, neighbour, name, (f"distance {significant(row['distance'])}",)))
    return thumbnails


def _write(contents: Images, split: str, image_id: str, folder: Path, stem: str) -> str | None:
    """Write an image's thumbnail and return its address; None if the image cannot be read."""
    try:
        pixels = contents.read(split, image_id)
    except UnreadableImageError:
        return None
    framing, boxes = contents.framing[split], np.empty((0, 4))
    if len(framing):
        rows = framing[framing["image_id"].eq(image_id)].nlargest(MOST_BOXES, "area_fraction")
        boxes = rows[["cx", "cy", "width_fraction", "height_fraction"]].to_numpy(float)
    return save_thumbnail(pixels, boxes, folder, stem)


def images_section(contents: Images, folder: Path) -> Section | Omitted:
    """Thumbnails of the least and most stable images with their nearest training images; writes them to `folder`."""
    least, most = stability_examples(contents, folder)
    if not least:
        if not has_values(contents.per_image, HEADLINE):
            return Omitted(TITLE, "no sweep was run.")
        return Omitted(TITLE, "the images themselves could not be read any more.")
    text = "Each test image (left) with the training images whose features are nearest to its own."
    if any(len(table) for table in contents.framing.values()):
        text += " Boxes are the datasets' own."
    blocks: list[Block] = [Paragraph(text), ExamplesBlock("Least stable", least)]
    if most:
        blocks.append(ExamplesBlock("Most stable", most))
    return Section("images", TITLE, blocks)


TOPIC = Topic("images", gather, section=lambda contents, draft: images_section(contents, draft.folder), boxes=BOTH_SETS)
