"""The stable crop: the window is chosen from the image's content, so that it moves with the content.

After O. Shifman & Y. Weiss, "Lost in translation: modern neural networks still struggle with small realistic image
transformations", ECCV 2024 (robust inference by crop selection). The score is the toolkit's own: the strength of the
blob at the window's centre.
"""

import numpy as np
from PIL import Image

from bias_toolkit.invariance.remedies.remedy import Remedy
from bias_toolkit.invariance.views import Views, resize
from bias_toolkit.invariance.window import Picture

SIDES = 14
"""The window's centre lies within W / 14 pixels of the view's centre, along each axis: 16 for an input of 224."""
SCALES = (2.0, 3.2)
"""Standard deviations, in pixels, of the two Gaussians whose difference is the strength of a blob."""


class StableCrop(Remedy):
    """In each view, the window of W − 2 `reach(W)` pixels about the strongest blob near the centre, enlarged to W.

    A view that is shifted by a pixel shows the same window, unless a stronger blob enters its centre or the strongest
    one leaves it. Of equal blobs, the first in reading order counts.
    """

    name = "stable-crop"
    label = "Stable crop"
    subject = "A window that follows the image's content"
    definition = (
        "In each view, the window about the strongest blob near the centre, enlarged to the whole view. A shifted "
        "image gives the same window, unless another blob becomes the strongest."
    )

    def views(self, picture: Picture, path: np.ndarray) -> Views:
        views = picture.views(path)
        strength = blob_strength(picture.pixels)
        side = views.pixels.shape[1]
        pixels, outside = np.empty_like(views.pixels), np.empty_like(views.outside)
        for number, (right, down) in enumerate(picture.margin + np.asarray(path)):
            shown = strength[down : down + side, right : right + side]
            x, y = window_corner(shown)
            inner = slice(y, y + side - 2 * reach(side)), slice(x, x + side - 2 * reach(side))
            pixels[number] = resize(views.pixels[number][inner], side)
            seen = Image.fromarray(views.outside[number][inner]).resize((side, side), Image.Resampling.NEAREST)
            outside[number] = np.asarray(seen)
        return Views(pixels, outside, views.fill)


def reach(side: int) -> int:
    """The farthest that the window's centre is from the centre of a view of this side, in pixels along each axis."""
    return max(side // SIDES, 1)


def blob_strength(pixels: np.ndarray) -> np.ndarray:
    """How far a blob stands out at each pixel: |difference of two Gaussians of the luminance|; float32 (height, width).

    It depends on pixels within 4 standard deviations only, so it moves with the content. `pixels` are uint8 (height,
    width, 3).
    """
    from scipy.ndimage import gaussian_filter

    luminance = pixels.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    narrow, wide = (gaussian_filter(luminance, scale, mode="nearest", truncate=4.0) for scale in SCALES)
    # Rounding removes differences that depend on where in the picture the filter began.
    return np.round(np.abs(narrow - wide), 3).astype(np.float32)


def window_corner(strength: np.ndarray) -> tuple[int, int]:
    """The corner (x, y) in a view of the window about its strongest blob, in pixels from 0 to 2 `reach(W)`.

    `strength` is (W, W), of the view.
    """
    middle, most = len(strength) // 2, reach(len(strength))
    near = strength[middle - most : middle + most + 1, middle - most : middle + most + 1]
    y, x = np.unravel_index(int(near.argmax()), near.shape)
    return int(x), int(y)
