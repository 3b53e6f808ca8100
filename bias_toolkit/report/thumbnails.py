"""The most and the least stable images, small, each beside its nearest training images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from bias_toolkit.foundation.errors import UnreadableImageError
from bias_toolkit.foundation.words import count, known, number, percent, significant
from bias_toolkit.report.contents import ReportContents, has_values
from bias_toolkit.report.style import BLACK, ORANGE

SIDE = 256
FOLDER = "images"
MOST_BOXES = 3
LISTED = 6


@dataclass(frozen=True)
class Thumbnail:
    """One small image: its file relative to the page, and what is written under it."""

    file: str
    image_id: str
    class_name: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Example:
    """A test image with its nearest training images, nearest first, and the address of its explanation if any."""

    image: Thumbnail
    neighbours: list[Thumbnail] = field(default_factory=list)
    link: str | None = None


def ordered_by_stability(per_image: pd.DataFrame) -> pd.DataFrame:
    """The rows with a P(top-1 change), the least stable first; among equals the larger mean absolute change."""
    rows = per_image[per_image["p_top1_change"].notna()]
    columns = [name for name in ("p_top1_change", "mac") if name in rows]
    return rows.sort_values([*columns, "image_id"], ascending=[False] * len(columns) + [True], kind="stable")


def stability_examples(
    contents: ReportContents, folder: Path, most: int = LISTED, neighbours: int = 3
) -> tuple[list[Example], list[Example]]:
    """Write thumbnails of the least and of the most stable images into `folder`/images, and describe them.

    An image that cannot be read is passed over. No image is among both.

    Returns
    -------
    least, most : list of Example
    """
    if contents.read_test is None or not has_values(contents.per_image, "p_top1_change"):
        return [], []
    ordered = ordered_by_stability(contents.per_image)
    half = (len(ordered) + 1) // 2
    least = _examples(contents, folder, ordered.head(half), "least", most, neighbours)
    stable = _examples(contents, folder, ordered.iloc[half:].iloc[::-1], "most", most, neighbours)
    return least, stable


def _examples(contents, folder, rows, name, most, n_neighbours) -> list[Example]:
    examples = []
    for row in rows.to_dict("records"):
        if len(examples) == most:
            break
        stem = f"{name}-stable-{len(examples) + 1}"
        image_id = row["image_id"]
        file = _write(contents.read_test, image_id, contents.test_framing, folder, stem)
        if file is None:
            continue
        examples.append(
            Example(
                Thumbnail(file, image_id, contents.class_name(row.get("label")), _notes(row)),
                _neighbours(contents, image_id, folder, stem, n_neighbours),
                contents.explanations.get(image_id),
            )
        )
    return examples


def _notes(row) -> tuple[str, ...]:
    steps = row.get("n_steps")
    changed = row["p_top1_change"]
    notes = [
        f"top-1 changes in {round(changed * steps)} of {count(steps, 'step')}"
        if known(steps)
        else f"P(top-1 change) {percent(changed)}"
    ]
    if known(row.get("mac")):
        notes.append(f"MAC {significant(row['mac'], 2)}")
    if known(row.get("margin")):
        notes.append(f"margin {number(row['margin'])}")
    if known(row.get("distance_percentile")):
        notes.append(f"percentile {number(row['distance_percentile'] * 100, 0)}")
    return tuple(notes)


def _neighbours(contents: ReportContents, image_id: str, folder: Path, stem: str, most: int) -> list[Thumbnail]:
    if contents.neighbours is None or contents.read_train is None:
        return []
    rows = contents.neighbours[contents.neighbours["image_id"].eq(image_id)].sort_values("rank")
    found = []
    for row in rows.to_dict("records"):
        if len(found) == most:
            break
        neighbour = row["neighbour_id"]
        file = _write(contents.read_train, neighbour, contents.train_framing, folder, f"{stem}-neighbour-{row['rank']}")
        if file is not None:
            name = contents.class_name(contents.train_labels.get(neighbour))
            found.append(Thumbnail(file, neighbour, name, (f"distance {significant(row['distance'])}",)))
    return found


def _write(
    read: Callable[[str], np.ndarray], image_id: str, framing: pd.DataFrame | None, folder: Path, stem: str
) -> str | None:
    try:
        pixels = read(image_id)
    except UnreadableImageError:
        return None
    boxes = np.empty((0, 4))
    if framing is not None:
        rows = framing[framing["image_id"].eq(image_id)].nlargest(MOST_BOXES, "area_fraction")
        boxes = rows[["cx", "cy", "width_fraction", "height_fraction"]].to_numpy(float)
    file = f"{FOLDER}/{stem}.jpg"
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    thumbnail(pixels, boxes).save(folder / file, quality=88)
    return file


def thumbnail(pixels: np.ndarray, boxes: np.ndarray) -> Image.Image:
    """A small image with its objects' boxes drawn on it.

    Parameters
    ----------
    pixels : uint8 array (H, W, 3)
    boxes : array (n, 4)
        cx, cy, width and height of each box, as fractions of the image's width and height.

    Returns
    -------
    PIL image whose longer side is `SIDE` pixels.
    """
    height, width = pixels.shape[:2]
    factor = SIDE / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    image = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC, reducing_gap=3)
    draw = ImageDraw.Draw(image)
    for cx, cy, box_width, box_height in boxes:
        edges = np.array([cx - box_width / 2, cy - box_height / 2, cx + box_width / 2, cy + box_height / 2])
        x0, y0, x1, y1 = np.round(edges * np.array(size * 2)).astype(int) - np.array([0, 0, 1, 1])
        draw.rectangle((x0, y0, max(x1, x0), max(y1, y0)), outline=BLACK, width=6)
        draw.rectangle((x0 + 1, y0 + 1, max(x1 - 1, x0 + 1), max(y1 - 1, y0 + 1)), outline=ORANGE, width=4)
    return image
