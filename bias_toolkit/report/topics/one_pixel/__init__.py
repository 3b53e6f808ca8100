"""One photograph at positions one pixel apart, with the class that the model gives it at each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from bias_toolkit.foundation.errors import UnreadableImageError
from bias_toolkit.foundation.words import count, percent
from bias_toolkit.invariance import CENTRE, transform_of
from bias_toolkit.report.page.blocks import Picture, PictureGroup, PicturesBlock
from bias_toolkit.report.page.thumbnails import FOLDER
from bias_toolkit.report.source import Source, SweepKey, names_of_classes, sweep_key
from bias_toolkit.report.topic import Topic
from bias_toolkit.report.words.sentences import sweep_name

TRIED = 20
"""How many images are tried, as some may have become unreadable."""


@dataclass(frozen=True)
class OnePixel:
    """The responses along the reference sweep, and what is needed to show one of them."""

    sweep: SweepKey
    responses: pd.DataFrame  # table RESPONSES
    views: Callable[[str], np.ndarray]  # image_id to (V, W, W, 3) uint8; may raise UnreadableImageError
    names: Mapping[int, str]  # the model's classes that have a name


def gather(source: Source) -> OnePixel | None:
    """The responses of a study; None if no sweep has steps."""
    sweep = sweep_key(source)
    if sweep is None:
        return None
    return OnePixel(sweep, source.reference_responses, source.sweep_views, names_of_classes(source))


def shown_first(responses: pd.DataFrame) -> pd.DataFrame:
    """The images that the model gets right at the centre view, in the order in which they are to be shown.

    Images whose class changes along the sweep come first, and among those the ones with the largest margin at the
    centre view. Without labels, every image counts as right.
    """
    top1 = np.stack(responses["top1"].to_list())
    labels = responses["label_index"].astype(float)
    right = labels.isna().all() | labels.eq(top1[:, CENTRE])
    changed = (top1 != top1[:, [CENTRE]]).any(axis=1)
    margins = [first[CENTRE] - second[CENTRE] for first, second in responses[["p_top1", "p_second"]].to_numpy()]
    rows = responses.assign(changed=changed, margin=margins)[right]
    return rows.sort_values(["changed", "margin", "image_id"], ascending=[False, False, True], kind="stable")


def one_pixel_block(contents: OnePixel, folder: Path) -> PicturesBlock | None:
    """The views of one image with their classes, written into `folder`/images; None if no image can be shown."""
    for row in shown_first(contents.responses).head(TRIED).to_dict("records"):
        try:
            views = contents.views(row["image_id"])
        except UnreadableImageError:
            continue
        return _block(contents, row, views, folder)
    return None


def view_pictures(
    contents: OnePixel, row: Mapping[str, Any], views: np.ndarray, folder: Path, stem: str = "one-pixel"
) -> list[Picture]:
    """The views (V, W, W, 3) of an image, with the class of each from its row of responses, in `folder`/images."""
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    pictures, centre = [], row["top1"][CENTRE]
    for step, (pixels, top1, p) in enumerate(zip(views, row["top1"], row["p_top1"], strict=True), start=-CENTRE):
        file, name = f"{FOLDER}/{stem}-{step + CENTRE + 1}.jpg", _name(contents, top1)
        Image.fromarray(pixels).save(folder / file, quality=90)
        place = f"{step:+d}".replace("-", "\N{MINUS SIGN}") if step else "0"
        pictures.append(
            Picture(file, f"At {place} pixels: {name}.", name, [percent(p, 0), f"{place} px"], top1 != centre)
        )
    return pictures


def _name(contents: OnePixel, index: int) -> str:
    return contents.names.get(int(index), f"class {index}")


def _block(contents: OnePixel, row: Mapping[str, Any], views: np.ndarray, folder: Path) -> PicturesBlock:
    pictures = view_pictures(contents, row, views, folder)
    n = sum(picture.marked for picture in pictures)
    changed = count(n, "view") if n else "No view"
    labelled = not pd.isna(row["label_index"])
    of = f" of {len(pictures)}" if n else ""
    gets = "gets" if n < 2 else "get"
    chosen = "of the images that the model gets right" if labelled else "of all images"
    chosen += " and whose class changes" if n else ""
    label = f"its label counts as {_name(contents, row['top1'][CENTRE])}; " if labelled else ""
    way = "one pixel larger than" if transform_of(contents.sweep[1]).growth else "one pixel from"
    return PicturesBlock(
        f"One photograph{' that the model gets right' if labelled else ''}, each view {way} the last",
        [PictureGroup(pictures)],
        f"Under each view is the class that the model gives it, with its probability. {changed}{of} "
        f"{gets} another class than the middle one. The image is the one with the largest margin in the middle, "
        f"{chosen} ({row['image_id']}; {label}{sweep_name(*contents.sweep)}).",
    )


def _opening(contents: OnePixel, folder: Path) -> list[PicturesBlock]:
    block = one_pixel_block(contents, folder) if len(contents.responses) else None
    return [] if block is None else [block]


TOPIC = Topic("one-pixel", gather, opening=lambda contents, draft: _opening(contents, draft.folder))
