"""Labels and boxes in the fields of an image's record, as Hugging Face's datasets and WebDataset name them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bias_toolkit.datasets.file_names import shortened
from bias_toolkit.datasets.image_facts import Header, Note
from bias_toolkit.datasets.listing import BOX_COLUMNS
from bias_toolkit.datasets.schema import BOX_EDGES
from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.words import count

LABELS = ("label", "labels", "class", "cls", "class_name", "category", "target", "fine_label", "class_id")
"""Names of a field with an image's label, in the order in which they are searched."""
CATEGORIES = ("category", "categories", "label", "labels", "class", "name", "category_id", "id")
"""Names of a field with an object's category, in the order in which they are searched."""
BOXES = ("bbox", "boxes", "bboxes")

_SIZES_READ = 200
_BEYOND = 1.01
"""Share of an image's side up to which a box may reach beyond it by rounding."""
_MOST_BEYOND = 0.01
"""Share of boxes that may reach beyond their images because they were drawn so."""


def label_text(value: Any, names: Sequence[str], where: str) -> str | None:
    """A label as text; `names` are those of numbered classes. None if there is none, or a numbered class is negative.

    Raises InputError, which begins with `where`, if the value is neither a number nor a text, or has no name.
    """
    if value is None or value == "" or value != value:
        return None
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool):
        return str(value)
    if not isinstance(value, int | float) or value != int(value):
        raise InputError(f"{where}: a label has to be a text or a whole number, not {shortened(value)}")
    number = int(value)
    if not names:
        return str(number)
    if number >= len(names):
        raise InputError(f"{where}: there is no class {number}; the classes are numbered from 0 to {len(names) - 1}")
    return names[number] if number >= 0 else None


def objects_in(value: Any) -> list[tuple[Any, Any]]:
    """Box and category of each object of a record: of a mapping of lists, or of a list of mappings."""
    if isinstance(value, Mapping):
        boxes, categories = first_of(value, BOXES) or [], first_of(value, CATEGORIES)
        categories = categories if isinstance(categories, Sequence) else [None] * len(boxes)
        return list(zip(boxes, categories, strict=False))
    return [(first_of(each, BOXES), first_of(each, CATEGORIES)) for each in value or () if isinstance(each, Mapping)]


def first_of(record: Mapping[str, Any], names: Sequence[str]) -> Any:
    """The value of the first of these fields that a record has; None if it has none of them."""
    return next((record[name] for name in names if name in record), None)


def box_table(
    rows: Sequence[tuple[str, str | None, Any]], header: Callable[[str], Header]
) -> tuple[pd.DataFrame, list[Note]]:
    """Boxes with the columns `BOX_COLUMNS`, from image id, category and box of each object, and notes on them.

    A box is four numbers: x, y, width and height, as Hugging Face and COCO have them; some sets have the corners x0,
    y0, x1 and y1 in their place. They are corners if all boxes can be that, and over 1% of those of a sample of images
    would otherwise reach beyond the image. `header` gives the size of an image. An object without four numbers is left
    out.
    """
    notes = []
    wrong = [image_id for image_id, _, box in rows if not _is_box(box)]
    if wrong:
        have = "object has" if len(wrong) == 1 else "objects have"
        text = f"{len(wrong):,} {have} no box of four numbers, and {'is' if len(wrong) == 1 else 'are'} left out"
        notes.append(Note(f"{text} (the first is in {wrong[0]})."))
        rows = [row for row in rows if _is_box(row[2])]
    boxes = pd.DataFrame(rows, columns=["image_id", "category", "box"])
    edges = np.array(boxes.pop("box").tolist(), float).reshape(-1, 4)
    can_be_corners = len(edges) > 0 and bool((edges[:, 2:] > edges[:, :2]).all())
    if can_be_corners and (beyond := _reach_beyond(boxes["image_id"], edges, header)):
        text = (
            f"The numbers of its {count(len(edges), 'box', 'boxes')} are taken as corners: as x, y, width and height,"
        )
        notes.append(Note(f"{text} many boxes would reach beyond their images (for example in {beyond})."))
    else:
        edges[:, 2:] += edges[:, :2]
    boxes[BOX_EDGES] = edges
    return boxes[BOX_COLUMNS], notes


def _is_box(value: Any) -> bool:
    """Whether a value is four finite numbers."""
    if not isinstance(value, Sequence | np.ndarray) or isinstance(value, str) or len(value) != 4:
        return False
    return all(isinstance(edge, int | float | np.number) and np.isfinite(edge) for edge in value)


def _reach_beyond(image_ids: pd.Series, edges: np.ndarray, header: Callable[[str], Header]) -> str | None:
    """An image beyond which its box reaches if the numbers are x, y, width and height; None if hardly any box does."""
    sizes = {}
    for image_id in image_ids.unique()[:_SIZES_READ]:
        try:
            sizes[image_id] = header(image_id)[:2]
        except UnreadableImageError:
            continue
    known = image_ids.isin(sizes).to_numpy()
    if not known.any():
        return None
    limits = np.array([sizes[image_id] for image_id in image_ids[known]]) * _BEYOND + 1
    beyond = (edges[known, :2] + edges[known, 2:] > limits).any(axis=1)
    return image_ids[known][beyond].iloc[0] if beyond.mean() > _MOST_BEYOND else None
