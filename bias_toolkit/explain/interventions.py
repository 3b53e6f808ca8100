"""Interventions: each removes one candidate cause from the view, and changes nothing else.

A is Azulay & Weiss, JMLR 20(184), 2019; Z is Zhang, ICML 2019.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageEnhance

from bias_toolkit.explain.framing import TrainingObjects, framing_quantities
from bias_toolkit.explain.record import Cause
from bias_toolkit.foundation.words import count
from bias_toolkit.invariance import Picture, Window

BLURS = (1.0, 2.0)
"""Standard deviations in pixels of the view. A first layer of stride 2 aliases frequencies above a
quarter of a cycle per pixel. The first blur leaves at most 29% of their amplitude, the second 0.7%: exp(−2π²σ²f²).
"""

BRIGHTNESS, CONTRAST = (0.8, 1.25), (0.75, 1.33)
"""The ranges of the factors by which the controls change a view. They remove no candidate cause."""


def reframings(box: Sequence[float], window: Window, training: TrainingObjects) -> dict[Cause, tuple[Window, str]]:
    """The windows that give an object the usual position (OFF_CENTRE), the usual scale (SCALE), or both (FRAMING), with
    the change of the view in words.

    For the position, the view is moved until the object's centre is at the median position of the training objects. For
    the scale, the view is zoomed about the object's centre until the object's scale is the training objects' median.

    `box` is x0, y0, x1, y1 in pixels of the image, which the model sees through `window`.
    """
    own = framing_quantities(window.to_view(box))
    cx, cy, scale = float(own["cx"]), float(own["cy"]), float(own["scale"])
    x, y = ((cx - training.centre[0]) * window.side, (cy - training.centre[1]) * window.side)
    factor = training.scale / scale
    moved = _moved_words(x, y)
    zoomed = f"zoomed in {factor:.2f} times" if factor >= 1 else f"zoomed out {1 / factor:.2f} times"
    return {
        Cause.OFF_CENTRE: (window.moved(x, y), f"the view {moved}"),
        Cause.SCALE: (window.zoomed(factor, cx, cy), f"the view {zoomed}"),
        Cause.FRAMING: (window.zoomed(factor, cx, cy).moved(x, y), f"the view {moved}, and {zoomed}"),
    }


def with_object_of(
    image: np.ndarray, box: Sequence[float], other: np.ndarray, other_box: Sequence[float]
) -> np.ndarray:
    """The image with its object covered by another image's object.

    The other object keeps its proportions: its box is widened until it has the aspect of this box, or until its image
    ends, and is resized to this box (bicubic with antialiasing). Images are uint8 (height, width, 3), boxes x0, y0, x1,
    y1 in pixels of theirs.
    """
    height, width = image.shape[:2]
    x0, y0 = max(int(np.floor(box[0])), 0), max(int(np.floor(box[1])), 0)
    x1, y1 = min(int(np.ceil(box[2])), width), min(int(np.ceil(box[3])), height)
    taken = _widened(other_box, (x1 - x0) / (y1 - y0), other.shape[1], other.shape[0])
    patch = Image.fromarray(np.ascontiguousarray(other)).resize((x1 - x0, y1 - y0), Image.Resampling.BICUBIC, box=taken)
    result = image.copy()
    result[y0:y1, x0:x1] = np.asarray(patch)
    return result


def toned(picture: Picture, brightness: float, contrast: float) -> Picture:
    """The picture with its brightness and then its contrast multiplied by these factors: 1 leaves it as it is."""
    image = ImageEnhance.Brightness(Image.fromarray(picture.pixels)).enhance(brightness)
    return dataclasses.replace(picture, pixels=np.asarray(ImageEnhance.Contrast(image).enhance(contrast)))


def _widened(box: Sequence[float], aspect: float, width: int, height: int) -> tuple[float, float, float, float]:
    """A box made longer in one direction, about its centre, until it has the aspect or the image ends."""
    x0, y0, x1, y1 = (float(edge) for edge in box)
    wider = max((y1 - y0) * aspect - (x1 - x0), 0) / 2
    higher = max((x1 - x0) / aspect - (y1 - y0), 0) / 2
    x0, y0, x1, y1 = x0 - wider, y0 - higher, x1 + wider, y1 + higher
    return max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))


def _moved_words(x: float, y: float) -> str:
    parts = [
        f"{count(abs(round(distance)), 'pixel')} {direction}"
        for distance, direction in ((x, "right" if x > 0 else "left"), (y, "down" if y > 0 else "up"))
        if round(distance)
    ]
    return "moved by " + " and ".join(parts) if parts else "moved by less than a pixel"
