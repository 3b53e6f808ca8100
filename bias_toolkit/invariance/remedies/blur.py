"""The input blur: the picture is low-passed before views are cut from it."""

import dataclasses

import numpy as np

from bias_toolkit.invariance.remedies.remedy import Remedy
from bias_toolkit.invariance.views import Views
from bias_toolkit.invariance.window import Picture


class Blur(Remedy):
    """A Gaussian of `deviation` pixels of the view."""

    subject = "Blurring the image"

    def __init__(self, deviation: float) -> None:
        self.deviation = deviation
        self.name = f"blur-{deviation:g}"
        self.label = f"Input blur, σ {deviation:g}"
        self.definition = f"The image is blurred by a Gaussian of standard deviation {deviation:g} pixels of the view."

    def views(self, picture: Picture, path: np.ndarray) -> Views:
        return blurred(picture, self.deviation).views(path)


def blurred(picture: Picture, deviation: float) -> Picture:
    """The picture after a Gaussian low-pass of `deviation` pixels. It is rounded once, before views are cut from it."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(picture.pixels.astype(np.float32), (deviation, deviation, 0), mode="nearest")
    return dataclasses.replace(picture, pixels=np.rint(smooth).astype(np.uint8))
