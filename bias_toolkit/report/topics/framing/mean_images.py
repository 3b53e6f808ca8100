"""The mean images of a dataset and of its classes as files, and on a page: the most and the least biased first."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from bias_toolkit.foundation.words import count, known
from bias_toolkit.objects import rank_categories
from bias_toolkit.objects.mean_images import MOST_OF_ALL, limit_of_class
from bias_toolkit.report.columns import first_row
from bias_toolkit.report.page.blocks import Picture, PictureGroup, PicturesBlock
from bias_toolkit.report.page.thumbnails import FOLDER
from bias_toolkit.report.topics.framing.contents import FramedSet, FramingContents, by_category, that_count
from bias_toolkit.report.words.finding import value_of

EACH_END = 6
LONGEST_SLUG = 40


def write_mean_images(framed: FramedSet, folder: Path, categories: list[str] | None = None) -> dict[str, str]:
    """Write mean images, by default all, as PNG into `folder`/images; addresses by category, "" for the whole set."""
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    files = {}
    for number, (category, pixels) in enumerate(zip(framed.means.table["category"], framed.means.pixels, strict=True)):
        if categories is not None and category not in categories:
            continue
        # The number separates classes whose names differ only in characters that a file name cannot have.
        slug = re.sub(r"[^\w-]+", "-", category)[:LONGEST_SLUG].strip("-") if category else "all"
        files[category] = f"{FOLDER}/mean-{framed.key}-{number:04d}-{slug}.png"
        Image.fromarray(np.ascontiguousarray(pixels)).save(folder / files[category])
    return files


def mean_images_block(contents: FramingContents, folder: Path, every: bool = False) -> PicturesBlock | None:
    """Write and show mean images of the first set (`every`: write all) and of the whole second set; None if absent."""
    first, second = contents.first, contents.second
    if first.means is None or first.means.table.empty:
        return None
    ends = _ends(first)
    shown = ["", *(category for _, categories in ends for category in categories)]
    files = write_mean_images(first, folder, None if every else shown)
    whole = [_picture(contents, first, "", files)] if "" in files else []
    if second is not None and second.means is not None and len(second.means.table):
        whole.append(_picture(contents, second, "", write_mean_images(second, folder, None if every else [""])))
    groups = [PictureGroup(whole, "All images")] if whole else []
    classes = by_category(first.summary, first.centring.column) if first else None
    for title, categories in ends:
        pictures = [_picture(contents, first, category, files, classes) for category in categories]
        groups.append(PictureGroup(pictures, title))
    means = first.means.table
    of_all = means["category"].eq("")
    limits = ((of_all, MOST_OF_ALL, "images"), (~of_all, limit_of_class(len(means) - 1), "images of a class"))
    drawn = [f"{most:,} {of}" for rows, most, of in limits if (means.loc[rows, "n_available"] > most).any()]
    sample = f"; at most {' and '.join(drawn)}, drawn at random" if drawn else ""
    return PicturesBlock(
        "What the photographs have in common",
        groups,
        "The mean of the images' pixel values (sRGB), each image resized to a square with its sides stretched, so that "
        f"a place here is a place of the frame{sample} (after Torralba and Oliva, Network 14, 2003). Where subjects "
        "are always in one place, the mean shows a blot there; where they are anywhere, it is even.",
    )


def _ends(framed: FramedSet) -> list[tuple[str, list[str]]]:
    """The shown classes by heading: the most and the least centred, or all in order if no class is centred."""
    means = framed.means.table
    classes = [category for category in means["category"] if category]
    if len(classes) == 1 and means["n_available"].nunique() == 1:
        return []  # its mean is that of all images
    ranked = rank_categories(framed.summary, framed.centring.column)["category"] if framed else ()
    ordered = [category for category in ranked if category in set(classes)]
    if len(ordered) < 2:
        return [("Classes", classes[: 2 * EACH_END])] if classes else []
    half = min(EACH_END, len(ordered) // 2)
    return [("Most centred classes", ordered[:half]), ("Least centred classes", ordered[-half:])]


def _picture(
    contents: FramingContents,
    framed: FramedSet,
    category: str,
    files: dict[str, str],
    classes: pd.DataFrame | None = None,
) -> Picture:
    """The mean image of a category, or "" for the whole set; `classes` are the rows of `by_category`."""
    row = framed.means.table.set_index("category").loc[category]
    name = contents.names.shown(category) if category else framed.name
    lines = [f"mean of {count(row['n_images'], 'image')}"]
    row = None if classes is None else first_row(classes, category=category)
    if row is not None and known(row[framed.centring.column]):
        objects = f"{count(row[framed.centring.n_objects], 'object')}{that_count(framed.centring)}"
        lines.append(f"centre bias {value_of(row, framed.centring.column, short=True)} of {objects}")
    return Picture(files[category], f"Mean image of {name}.", name, lines)
