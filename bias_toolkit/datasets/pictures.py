"""The picture on which an image's boxes were drawn: upright or as stored, of the file's size or of another.

Annotation tools show a photograph turned by its EXIF orientation, or as its pixels are stored, and most formats do not
say which. The size that the annotations state tells, if the photograph is not square and was turned by 90°.
"""

from collections.abc import Sequence

import numpy as np

from bias_toolkit.datasets.image_facts import Note
from bias_toolkit.datasets.listing import Annotations
from bias_toolkit.foundation.words import count

_SLACK = 0.05
"""By how much a fraction of an image may lie below 0 or above 1."""
_MOST = 0.95
"""Share of a set's edges that have to be such fractions, so that all are read as fractions."""
_FAR = 2
"""An edge above this is rather one in pixels than a fraction of an image."""
_SMALLEST = 3
"""Pixels of an image's shorter side, from which a box of one pixel is not its whole."""
_ROUNDING = 1
"""Pixels by which a resized image's side may differ from the exact size."""
_ANOTHER, _SHAPE, _SAME = range(3)
"""How like two sizes are: neither, of one shape, or the same."""


def upright_sizes(sizes: np.ndarray, orientations: np.ndarray) -> np.ndarray:
    """Sizes (n, 2: width, height) of stored images, turned upright: orientations 5 to 8 exchange width and height."""
    return np.where((orientations >= 5)[:, None], sizes[:, ::-1], sizes)


def upright_boxes(boxes: np.ndarray, sizes: np.ndarray, orientations: np.ndarray) -> np.ndarray:
    """Boxes (n, 4: x0, y0, x1, y1) of stored images of the given sizes (n, 2: width, height), turned upright.

    Orientations (n,): 1 changes nothing; 2 mirrors left and right; 3 rotates by 180°; 4 mirrors top and bottom; 5
    mirrors in the main diagonal; 6 rotates by 90° clockwise; 7 mirrors in the other diagonal; 8 rotates by 90°
    counter-clockwise.
    """
    x0, y0, x1, y1 = boxes.T
    width, height = sizes.T
    mirrored_x = np.isin(orientations, (2, 3, 7, 8))
    mirrored_y = np.isin(orientations, (3, 4, 6, 7))
    xs = np.where(mirrored_x, (width - x1, width - x0), (x0, x1))
    ys = np.where(mirrored_y, (height - y1, height - y0), (y0, y1))
    exchanged = orientations >= 5
    left, right = np.where(exchanged, ys, xs)
    top, bottom = np.where(exchanged, xs, ys)
    return np.stack([left, top, right, bottom], axis=1)


def boxes_as_shown(
    edges: np.ndarray, rows: np.ndarray, annotations: Annotations, image_ids: Sequence[str], headers: np.ndarray
) -> tuple[np.ndarray, list[Note]]:
    """Edges of boxes as the annotations write them, (n, 4), in pixels of the upright image, not clipped; and notes.

    `rows` (n,) has the row in `image_ids` of each box's image. `headers` is as of `boxes.upright_objects`.

    A stated size that is the upright size, or has its shape, says that the boxes are of the upright picture; one that
    is the stored size, that they are of the stored pixels. Turned images whose size does not tell are taken as most
    turned images of the set, else as the format says, else as upright. A stated size of the shape of the file's means
    that the image was resized since: the boxes are scaled.
    """
    used, of_box = np.unique(rows, return_inverse=True)
    names = [image_ids[row] for row in used]
    stored, orientations = headers[used, :2].astype(float), headers[used, 2]
    upright = upright_sizes(stored, orientations)
    stated = np.array([annotations.sizes.get(name, (0, 0)) for name in names], float).reshape(-1, 2)

    like_upright, like_stored = _likeness(stated, upright), _likeness(stated, stored)
    turned, is_stated = orientations > 1, (stated > 0).all(axis=1)
    tells = turned & is_stated & (like_upright != like_stored)
    assumed = bool(annotations.upright in (None, True))
    if tells.any():
        assumed = 2 * np.count_nonzero((like_upright > like_stored)[tells]) >= np.count_nonzero(tells)
    of_upright = np.where(tells, like_upright > like_stored, assumed)
    drawn = np.where(of_upright[:, None], upright, stored)
    likeness = np.where(of_upright, like_upright, like_stored)
    resized, misfit = is_stated & (likeness == _SHAPE), is_stated & (likeness == _ANOTHER)

    def note(text: str, of: np.ndarray, warns: bool = False, sizes: bool = False) -> list[Note]:
        """The note of some images, of which `{}` is the number; none if there are none."""
        if not of.any():
            return []
        first = int(np.argmax(of))
        named = f"for example {names[first]}"
        if sizes:
            named += ": {:g} × {:g} pixels stated, {:g} × {:g} in the file".format(*stated[first], *stored[first])
        return [Note(f"{text.format(count(np.count_nonzero(of), 'image'))} ({named}).", warns)]

    def shown(box: int) -> str:
        return f"for example {names[of_box[box]]}: {', '.join(f'{edge:g}' for edge in edges[box])}"

    as_shown = "of the picture that its EXIF orientation shows"
    as_stored = "of the stored pixels, before the EXIF orientation turns them"
    is_known = bool(tells.any()) or annotations.upright is not None
    unsure = turned & ~tells & (not annotations.relative)
    notes = [
        *note(f"The boxes of {{}} are {as_shown}, as the stated size tells", tells & of_upright),
        *note(f"The boxes of {{}} are {as_stored}, as the stated size tells", tells & ~of_upright),
        *note(
            f"The boxes of {{}} are taken as {as_shown if assumed else as_stored}: their own size does not tell",
            unsure,
            warns=not is_known,
        ),
    ]
    if annotations.relative:
        edges = edges * np.tile(drawn, 2)[of_box]
    elif _are_fractions(edges, stored):
        why = "none exceeds 1" if edges.max() <= 1 else f"hardly any exceeds {1 + _SLACK:g}"
        text = f"{count(len(edges), 'box is', 'boxes are')} read as fractions of the image's sides, as {why}"
        notes.insert(0, Note(f"{text} ({shown(0)})."))
        if (far := (edges > _FAR).any(axis=1)).any():
            text = (
                f"{count(np.count_nonzero(far), 'box', 'boxes')} of a set read in fractions may be in pixels: an edge"
            )
            notes.insert(1, Note(f"{text} is above {_FAR} ({shown(int(np.argmax(far)))}).", warns=True))
        edges = edges * np.tile(drawn, 2)[of_box]
    else:
        if (low := _look_like_fractions(edges, stored[of_box])).any():
            text = (
                f"{count(np.count_nonzero(low), 'box', 'boxes')} of a set read in pixels may be in fractions: no edge"
            )
            notes.insert(0, Note(f"{text} is above {1 + _SLACK:g} ({shown(int(np.argmax(low)))}).", warns=True))
        scale = np.where(resized[:, None], drawn / np.maximum(stated, 1), 1)
        edges = (edges + np.repeat(annotations.to_edges, 2)) * np.tile(scale, 2)[of_box]
        text = "The boxes of {} are scaled, as the image was resized since they were drawn"
        notes += note(text, resized, sizes=True)
        text = "The boxes of {} may be wrong: the annotations state a size of another shape than the file's"
        notes += note(text, misfit, warns=True, sizes=True)
    return upright_boxes(edges, stored[of_box], np.where(of_upright, 1, orientations)[of_box]), notes


def _likeness(stated: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """How like each stated size (n, 2) is to the size of the image."""
    (width, height), (stated_width, stated_height) = sizes.T, np.maximum(stated, 1).T
    of_shape = np.minimum(
        np.abs(height - stated_height * width / stated_width), np.abs(width - stated_width * height / stated_height)
    )
    return np.select([(stated == sizes).all(axis=1), of_shape <= _ROUNDING], [_SAME, _SHAPE], _ANOTHER)


def _are_fractions(edges: np.ndarray, sizes: np.ndarray) -> bool:
    """Whether the edges of all boxes of a set are fractions of the images' sides, and not pixels."""
    if not len(edges) or sizes.min() < _SMALLEST:
        return False
    within = _within(edges)
    return bool(within.mean() >= _MOST and (edges != np.round(edges))[within].any())


def _look_like_fractions(edges: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Whether each box (n, 4), alone, would be one in fractions of its image, of sizes (n, 2)."""
    is_whole = (edges == np.round(edges)).all(axis=1)
    return _within(edges).all(axis=1) & ~is_whole & (sizes.min(axis=1) >= _SMALLEST)


def _within(edges: np.ndarray) -> np.ndarray:
    """Whether each edge may be a fraction."""
    return (edges >= -_SLACK) & (edges <= 1 + _SLACK)
