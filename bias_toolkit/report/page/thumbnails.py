"""Small images of a dataset, with the boxes of their objects."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from bias_toolkit.report.page.style import BLACK, ORANGE

SIDE = 256
FOLDER = "images"
"""The folder of a report that holds its pictures."""


@dataclass(frozen=True)
class Thumbnail:
    """One small image: its file relative to the page, and its caption."""

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


def thumbnail(pixels: np.ndarray, boxes: np.ndarray) -> Image.Image:
    """An image, uint8 (H, W, 3), scaled to a longer side of `SIDE`, with boxes (n, 4): cx, cy, sides, as shares."""
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


def save_thumbnail(pixels: np.ndarray, boxes: np.ndarray, folder: Path, stem: str) -> str:
    """Write `thumbnail(pixels, boxes)` into `folder`/images; returns its address relative to `folder`."""
    file = f"{FOLDER}/{stem}.jpg"
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    thumbnail(pixels, boxes).save(folder / file, quality=88)
    return file
